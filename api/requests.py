"""What every route needs of its request: the services, the caller, the body within its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from starlette.exceptions import HTTPException

from api.auth import authorize
from api.request_log import note
from warehouse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.services import Services
    from warehouse.keys import Access


JSON_BYTES = 4 << 20
"""Size of a body that the framework reads, before anybody looked at who sends it."""

_BOUND_THEMSELVES = frozenset({"/v1/ingest", "/v1/traces", "/v1/logs"})


class BodyLimit:
    """ASGI middleware: ends the reading of a body at `JSON_BYTES`, but on the routes that take more and count it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["path"] in _BOUND_THEMSELVES:
            await self._app(scope, receive, send)
            return
        size = 0

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > JSON_BYTES:  # the one error that the framework lets pass while it reads a body
                raise HTTPException(413, f"the body has {size} bytes or more, the limit is {JSON_BYTES}")
            return message

        await self._app(scope, bounded, send)


def services(request: Request) -> Services:
    """Return the server's parts."""
    return cast("Services", request.app.state.services)


def caller(request: Request, right: str) -> Access:
    """Return the caller's access; raises InputError `unauthorized` or `forbidden`."""
    own = services(request)
    access = authorize(request, own.keys, right, own.clock())
    own.keys.note_use(access.key, own.clock())
    note(request, key=access.key, workspace=access.workspace)
    return access


async def body_within(request: Request, limit: int, hold: Callable[[int], None]) -> bytes:
    """Return the request's body, refused as soon as it is longer than `limit` bytes, however it is sent.

    Args:
        request: whose body.
        limit: bytes.
        hold: told how many bytes have come, each time (`Services.holding`).
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(int(announced), limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(len(body), limit)
        hold(len(chunk))
    return bytes(body)


def _too_large(size: int, limit: int) -> InputError:
    return InputError(
        f"the body has {size} bytes or more, the limit is {limit}", code="too_large", hint="send it in parts"
    )
