"""What every route needs of its request: the services, the caller, the body within its limit, a time."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, cast

from api.auth import authorize
from warehouse.errors import InputError, shown

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


def moment(value: str | int, name: str) -> int:
    """Return a time (ISO 8601 or epoch milliseconds) in microseconds since 1970; raises InputError."""
    if isinstance(value, str) and value.lstrip("-").isdigit():
        value = int(value)
    if isinstance(value, int):
        return value * 1000
    try:
        parsed = dt.datetime.fromisoformat(value)
    except ValueError:
        raise InputError(f"{name} is {shown(value)}, must be ISO 8601 or epoch milliseconds") from None
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)
    return round(aware.timestamp() * 1_000_000)
