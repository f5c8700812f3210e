"""Who is calling: a key's workspace and rights, or everybody on loopback while no key was ever made."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from typing import TYPE_CHECKING

from warehouse.errors import InputError
from warehouse.keys import OPEN, Access, Keys

if TYPE_CHECKING:
    from starlette.requests import Request

_CROSS_SITE = frozenset({"cross-site", "same-site"})


def authorize(request: Request, keys: Keys, right: str) -> Access:
    """Return what the caller of `request` may do.

    Raises:
        InputError: `unauthorized` without a valid key, `forbidden` when the key lacks `right`.
    """
    key = _key(request)
    access = keys.access(key) if key else _open_access(request, keys)
    if access is None:
        raise InputError(
            "no key was sent" if key is None else "this key does not exist, or was revoked",
            code="unauthorized",
            hint="send `Authorization: Bearer KEY`; make one with `upshot keys create --rights ingest,query`",
        )
    if right not in access.rights:
        raise InputError(
            f"this key may not {right}; it has the rights {', '.join(sorted(access.rights))}", code="forbidden"
        )
    return access


def _key(request: Request) -> str | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":  # how a browser asks its user: the key is the password
        try:
            return base64.b64decode(value).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return None


def _open_access(request: Request, keys: Keys) -> Access | None:
    if request.client is None or not _loopback(request.client.host) or keys.any():
        return None
    # A page of another site, or one whose name was made to point here, must not use the reader's own loopback.
    if request.headers.get("sec-fetch-site") in _CROSS_SITE:
        return None
    return OPEN if _loopback((request.url.hostname or "").strip("[]")) else None


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
