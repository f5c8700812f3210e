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
    """Return what the caller of `request` may do; errors as of `admit`."""
    return admit(keys, request.headers.get("authorization", ""), right, local=_local(request))


def admit(keys: Keys, authorization: str, right: str, *, local: bool) -> Access:
    """Return what a caller may do.

    Args:
        keys: all of them.
        authorization: what was sent under this name; empty for nothing.
        right: what is asked for.
        local: the caller is on this machine and speaks for itself: let in without a key while none was ever made.

    Raises:
        InputError: `unauthorized` without a valid key, `forbidden` when the key lacks `right`.
    """
    key = _key(authorization)
    access = keys.access(key) if key else OPEN if local and not keys.any() else None
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


def loopback(host: str) -> bool:
    """Return whether a name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _key(authorization: str) -> str | None:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":  # how a browser asks its user: the key is the password
        try:
            return base64.b64decode(value).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return None


def _local(request: Request) -> bool:
    if request.client is None or not loopback(request.client.host):
        return False
    # A page of another site, or one whose name was made to point here, must not use the reader's own loopback.
    if request.headers.get("sec-fetch-site") in _CROSS_SITE:
        return False
    return loopback((request.url.hostname or "").strip("[]"))
