"""What every route needs of its request: the services, the caller, the body within its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from api.auth import authorize
from warehouse.errors import InputError

if TYPE_CHECKING:
    from starlette.requests import Request

    from api.services import Services
    from warehouse.keys import Access


def services(request: Request) -> Services:
    """Return the server's parts."""
    return cast("Services", request.app.state.services)


def caller(request: Request, right: str) -> Access:
    """Return the caller's access; raises InputError `unauthorized` or `forbidden`."""
    return authorize(request, services(request).keys, right)


async def body_within(request: Request, limit: int) -> bytes:
    """Return the request's body, refused as soon as it is longer than `limit` bytes, however it is sent."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(int(announced), limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(len(body), limit)
    return bytes(body)


def _too_large(size: int, limit: int) -> InputError:
    return InputError(
        f"the body has {size} bytes or more, the limit is {limit}", code="too_large", hint="send it in parts"
    )
