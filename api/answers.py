"""From a question and who asks it to an HTTP answer in the form they like. Saved queries and the pages end here too."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response, StreamingResponse

from api.accept import by_preference
from api.request_log import note
from api.requests import services
from queries.formats import ACCEPTED, MEDIA_TYPES
from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.requests import Request

    from queries.messages import Ask
    from queries.pool import Reply
    from warehouse.keys import Access

_FACTS = {
    "Upshot-Rows": "row_count",
    "Upshot-Truncated": "truncated",
    "Upshot-Elapsed-Ms": "elapsed_ms",
    "Upshot-Snapshot": "snapshot",
}
"""Header -> the fact it tells, for formats that have no place of their own for it."""


_LEFT = 499
"""Status in the server's own log of a request whose caller has left; nobody is there to get it."""


async def answered(request: Request, access: Access, ask: Ask) -> Response:
    """Ask a worker for somebody, and answer as `ask.format` says; notes the request for the log."""
    note(request, sql=ask.sql)
    asking = services(request).workers.ask(access.workspace, ask, access.key or "everybody")
    reply = await _unless_left(request, asking)
    if reply is None:
        note(request, verdict="aborted")
        return Response(status_code=_LEFT)
    facts = reply.answer.facts
    note(request, rows=facts.get("row_count"))
    headers = {name: str(facts[fact]).lower() for name, fact in _FACTS.items() if fact in facts}
    headers["Cache-Control"] = "no-store"
    media_type = MEDIA_TYPES[ask.format]
    if not reply.answer.file:
        return Response(reply.body, media_type=media_type, headers=headers)
    headers["Content-Length"] = str(reply.size)
    return StreamingResponse(reply.stream(), media_type=media_type, headers=headers)


def readable(body: Any, status: int = HTTPStatus.OK) -> Response:
    """Return JSON for people and for git: indented, in its own order, with its last line ended."""
    text = msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n"
    return Response(text, status, media_type="application/json", headers={"Cache-Control": "no-store"})


async def _unless_left(request: Request, asking: Coroutine[Any, Any, Reply]) -> Reply | None:
    """Return what was asked for; a caller that leaves, as a page's Stop does, takes the question with it: None."""
    question, leaving = asyncio.ensure_future(asking), asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({question, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return await question if question.done() else None
    finally:
        leaving.cancel()
        question.cancel()


async def _left(request: Request) -> None:
    """Wait until the caller has left; its body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def format_of(request: Request, given: str | None = None) -> str:
    """Return the format an answer is to have: `given` when there is one, else the best that Accept names.

    Raises:
        InputError: there is no such format, or Accept allows none of them.
    """
    known = ", ".join(MEDIA_TYPES)
    if given is not None:
        if given not in MEDIA_TYPES:
            raise InputError(f"format is {shown(given)}, must be one of {known}")
        return given
    accept = request.headers.get("accept", "")
    for name in by_preference(accept):
        if name in ACCEPTED:
            return ACCEPTED[name]
        if name in ("*/*", "application/*", ""):
            return "json"
    if not accept.strip():
        return "json"
    raise InputError(
        f"Accept is {shown(accept)}, and answers are one of {', '.join(sorted(ACCEPTED))}", code="bad_parameter"
    )
