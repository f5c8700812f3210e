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

COOKIE = "upshot_sign_in"
"""What a browser that signed in sends: a token that stands for a key (`Keys.sign_in`)."""

_CROSS_SITE = frozenset({"cross-site", "same-site"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


def authorize(request: Request, keys: Keys, right: str, now_us: int) -> Access:
    """Return what the caller of `request` may do: by the key it sends, else by having signed in, else as `admit` says.

    Raises:
        InputError: as of `admit`; `forbidden` when another site's page asks for a change in the reader's name.
    """
    authorization = request.headers.get("authorization", "")
    token = "" if authorization else request.cookies.get(COOKIE, "")
    access = keys.signed_in(token, now_us) if token else None
    if access is None:
        return admit(keys, authorization, right, now_us, local=_local(request))
    if request.method not in _READING and not of_own_page(request):
        raise InputError("this request did not come from a page of this server", code="forbidden")
    return _with_right(access, right)


def of_own_page(request: Request) -> bool:
    """Return whether a browser says that a page of this very server asks; what is no browser says nothing, so no.

    The cookie's SameSite=Lax keeps other sites' forms out already; this holds where a neighbour shares the site
    (another port or subdomain). Source: OWASP's CSRF prevention cheat sheet, Fetch Metadata and Origin.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return request.headers.get("origin") == f"{request.url.scheme}://{request.headers.get('host', '')}"


def admit(keys: Keys, authorization: str, right: str, now_us: int, *, local: bool) -> Access:
    """Return what a caller may do.

    Args:
        keys: all of them.
        authorization: what was sent under this name; empty for nothing.
        right: what is asked for.
        now_us: microseconds since 1970.
        local: the caller is on this machine and speaks for itself: let in without a key while none was ever made.

    Raises:
        InputError: `unauthorized` without a valid key, `forbidden` when the key lacks `right`.
    """
    key = _key(authorization)
    access = keys.access(key) or keys.lent(key, now_us) if key else OPEN if local and not keys.any() else None
    if access is None:
        raise InputError(
            "no key was sent" if key is None else "this key does not exist, or was revoked",
            code="unauthorized",
            hint="send `Authorization: Bearer KEY`; make one with `upshot keys create --rights ingest,query`",
        )
    return _with_right(access, right)


def _with_right(access: Access, right: str) -> Access:
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
    # A page of another site, or one whose name was made to point here, must not use the reader's own loopback. A link
    # that the reader follows is the reader's own doing, and its page cannot be read from where it came.
    followed = request.method == "GET" and request.headers.get("sec-fetch-mode") == "navigate"
    if request.headers.get("sec-fetch-site") in _CROSS_SITE and not followed:
        return False
    return loopback((request.url.hostname or "").strip("[]"))
