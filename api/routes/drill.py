"""Drill-down: sessions, runs, traces and scores as JSON (DESIGN section 5). The pages show these same bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.requests import caller, services
from api.routes.paths import sent, session_of
from queries.drill import QUESTIONS, bodies
from queries.drill.overview import with_times
from queries.messages import Ask
from queries.parameters import values
from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from queries.parameters import Parameter

router = APIRouter()

_SCHEMAS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "timestamp": {"type": "string", "format": "date-time"},
}
_DOCS = {
    "limit": "rows of a page",
    "cursor": "`next` of the page before",
    "from": "ISO 8601 or milliseconds since 1970, inclusive",
    "to": "ISO 8601 or milliseconds since 1970, exclusive",
    "q": "text to find, in whatever case: in runs id, input, output and error, in sessions the id",
    "score": "name of a run-level score that the run has",
    "score_below": "the mean of the run's scores of that name is below this",
    "score_above": "the mean of the run's scores of that name is above this",
    "variant": "a variant of `experiment`",
    "loop": "which repetition of the step, from 0; the last when not given",
    "attempt": "which try of the step, from 0; the newest when not given",
    "trace": "the span's trace, where several spans of the run have the id",
}


def _documented(name: str, *in_path: str) -> dict[str, Any]:
    """Return what the OpenAPI document says of a question's parameters beside those in the path."""
    return {"parameters": [_parameter(one) for one in QUESTIONS[name].parameters if one.name not in in_path]}


def _parameter(one: Parameter) -> dict[str, Any]:
    schema = dict(_SCHEMAS[one.type])
    if one.choices:
        schema["enum"] = [*one.choices]
    if one.default is not None:
        schema["default"] = one.default
    told = {"name": one.name, "in": "query", "required": one.required, "schema": schema}
    return told | ({"description": _DOCS[one.name]} if one.name in _DOCS else {})


async def _asked(request: Request, question: str, /, **path: str) -> Response:
    """Return the answer to a question whose parameters stand in the path and the query."""
    access = caller(request, "query")
    given = request.query_params.multi_items()
    for one in path:
        if any(name == one for name, _ in given):
            raise InputError(f"there is no parameter {shown(one)}: it is a part of the path")
    params = values(QUESTIONS[question].parameters, [*path.items(), *given])
    if question == "overview":
        params = with_times(params, services(request).clock())
    ask = Ask(kind="drill", name=question, params=params)
    body = await (await services(request).workers.ask(access.workspace, ask, access.key or "everybody")).whole()
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get("/v1/overview", response_model=bodies.Overview, openapi_extra=_documented("overview"))
async def overview(request: Request) -> Response:
    """Return what came, how runs went, which scores moved and what fails, by default of the last seven days."""
    return await _asked(request, "overview")


@router.get("/v1/sessions", response_model=bodies.Sessions, openapi_extra=_documented("sessions"))
async def sessions(request: Request) -> Response:
    """List sessions by their last activity, each rolled up from its runs; and the keys there are."""
    return await _asked(request, "sessions")


@router.get(
    "/v1/sessions/{key:path}/{session_id:path}",
    response_model=bodies.Session,
    openapi_extra=_documented("session", "key", "id"),
)
async def session(request: Request, key: str, session_id: str) -> Response:  # noqa: ARG001 - read from the raw path
    """Return a session: its numbers, and its runs in the order of time. A slash in the key is written `%2F`."""
    own_key, own_id = session_of(request, "/v1/sessions/")
    return await _asked(request, "session", key=own_key, id=own_id)


@router.get("/v1/runs", response_model=bodies.Runs, openapi_extra=_documented("runs"))
async def runs(request: Request) -> Response:
    """List runs by what they are and how they were judged."""
    return await _asked(request, "runs")


@router.get(
    "/v1/runs/{run_id:path}/payload", response_model=bodies.WholePayload, openapi_extra=_documented("payload", "id")
)
async def payload(request: Request, run_id: str) -> Response:
    """Return one input, output or error as a whole."""
    if "of" not in request.query_params and sent(request).lower().endswith("%2fpayload"):
        return await _asked(request, "run", id=f"{run_id}/payload")
    return await _asked(request, "payload", id=run_id)


@router.get("/v1/runs/{run_id:path}", response_model=bodies.Run, openapi_extra=_documented("run", "id"))
async def run(request: Request, run_id: str) -> Response:
    """Return a run with everything that is known of it. `limit` and `cursor` are of its spans."""
    return await _asked(request, "run", id=run_id)


@router.get("/v1/traces/{trace_id:path}", response_model=bodies.Trace, openapi_extra=_documented("trace", "trace_id"))
async def trace(request: Request, trace_id: str) -> Response:
    """Return a trace as a tree of rows, with totals that count leaf model calls only."""
    return await _asked(request, "trace", trace_id=trace_id)


@router.get("/v1/scores/{name:path}", response_model=bodies.ScorePage, openapi_extra=_documented("score", "name"))
async def score(request: Request, name: str) -> Response:
    """Return how the scores of a name are spread: over values, days, functions and variants."""
    return await _asked(request, "score", name=name)
