"""From a question and who asks it to an HTTP answer in the form they like. Saved queries and the pages end here too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response, StreamingResponse

from api.accept import by_preference
from api.request_log import note
from api.requests import services
from queries.formats import ACCEPTED, MEDIA_TYPES
from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from starlette.requests import Request

    from queries.messages import Ask
    from warehouse.keys import Access

_FACTS = {
    "Upshot-Rows": "row_count",
    "Upshot-Truncated": "truncated",
    "Upshot-Elapsed-Ms": "elapsed_ms",
    "Upshot-Snapshot": "snapshot",
}
"""Header -> the fact it tells, for formats that have no place of their own for it."""


async def answered(request: Request, access: Access, ask: Ask) -> Response:
    """Ask a worker for somebody, and answer as `ask.format` says; notes the request for the log."""
    note(request, sql=ask.sql)
    reply = await services(request).workers.ask(access.workspace, ask, access.key or "everybody")
    facts = reply.answer.facts
    note(request, rows=facts.get("row_count"))
    headers = {name: str(facts[fact]).lower() for name, fact in _FACTS.items() if fact in facts}
    headers["Cache-Control"] = "no-store"
    media_type = MEDIA_TYPES[ask.format]
    if not reply.answer.file:
        return Response(reply.body, media_type=media_type, headers=headers)
    headers["Content-Length"] = str(reply.size)
    return StreamingResponse(reply.stream(), media_type=media_type, headers=headers)


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
