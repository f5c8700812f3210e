"""The web pages: what the JSON routes answer, drawn."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from api import errors
from api.accept import by_preference
from api.assets import FOR_EVER, ISLANDS
from api.pages import drill, home, render
from api.request_log import note
from api.requests import caller, services
from api.routes.experiments import listed, reported
from api.routes.forms import charts_of
from api.routes.html import Page, frame_of, page
from api.routes.paths import session_of
from api.routes.query import described_tables
from queries.drill import QUESTIONS
from queries.drill.overview import with_times
from queries.messages import Ask
from queries.parameters import values
from warehouse.errors import UpshotError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.pages.frame import Frame
    from api.services import Services
    from warehouse.keys import Access

router = APIRouter(include_in_schema=False, route_class=Page)

PAGE_ROWS = 500
"""Rows that the SQL page without scripts shows; the JSON and Arrow answers give all."""

BEGINNING = "2000-01-01"
"""From when on the first page shows all time; it compares with as long a time before."""

FAR_READING = frozenset({"q", "user", "score", "score_below", "score_above"})
"""Filters of runs that few rows may meet: without a time they would read everything there is, so they begin with 30
days. The page says so, and leads to all time."""

_FRAME_OWN = ("last", "theme")
"""Parameters of a page that its question does not take."""


async def _asked(request: Request, access: Access, question: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Return the body that the JSON route of a question answers with."""
    params = values(QUESTIONS[question].parameters, [*given.items()])
    if question == "overview":
        params = with_times(params, services(request).clock())
    ask = Ask(kind="drill", name=question, params=params)
    body = await (await services(request).workers.ask(access.workspace, ask, access.key or "everybody")).whole()
    return msgspec.json.decode(body)


async def _drilled(
    request: Request, question: str, *, last: str = "all", beginning: str | None = None, **path: str
) -> tuple[Frame, dict[str, Any], dict[str, str]]:
    """Return the frame, the body of a question, and what was asked for; an empty field of a form asks for nothing.

    The period and the environment of the frame are given to questions that take them; `beginning` is from when on "all
    time" is, for a question that would take less for none.
    """
    access = caller(request, "query")
    frame = frame_of(request, access, last)
    taken = {one.name for one in QUESTIONS[question].parameters}
    asked = {name: value for name, value in request.query_params.items() if value and name not in _FRAME_OWN}
    if "environment" not in taken:
        asked.pop("environment", None)
    times = {name: value for name, value in frame.period.times().items() if name in taken}
    if beginning is not None:
        times = {"from": beginning} | times
    for name in {"from", "to"} - taken:
        asked.pop(name, None)
    return frame, await _asked(request, access, question, {**asked, **times, **path}), asked


@router.get("/")
async def first(request: Request) -> HTMLResponse:
    """Show what arrived and what needs a look; the verdicts come by themselves."""
    frame, body, _ = await _drilled(request, "overview", last="7d", beginning=BEGINNING)
    return page(home.home(body, str(request.base_url).rstrip("/"), frame))


async def _report(own: Services, workspace: str, name: str) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(await reported(own, workspace, name, {}))
    except UpshotError:
        return None  # the card then shows the experiment without a verdict


@router.get("/experiments")
async def experiments(request: Request) -> HTMLResponse:
    """Show every experiment; each verdict comes by itself."""
    access = caller(request, "query")
    frame = frame_of(request, access)
    return page(home.experiments(await listed(services(request), access.workspace), frame))


@router.get("/verdicts")
async def verdicts(request: Request) -> HTMLResponse:
    """Return the part of the first page that has the experiments, without their verdicts."""
    access = caller(request, "query")
    return page(home.verdicts(await listed(services(request), access.workspace), frame_of(request, access)))


@router.get("/verdicts/{name:path}")
async def verdict(request: Request, name: str) -> HTMLResponse:
    """Return the card of one experiment."""
    access = caller(request, "query")
    return page(home.card(name, await _report(services(request), access.workspace, name) or {}))


@router.get("/experiments/{name:path}")
async def experiment(request: Request, name: str) -> HTMLResponse:
    """Show the report of an experiment."""
    access = caller(request, "query")
    body = await reported(services(request), access.workspace, name, dict(request.query_params))
    report: dict[str, Any] = msgspec.json.decode(body)
    return page(render.experiment(report, await charts_of(request, report), frame_of(request, access)))


@router.get("/sql")
async def sql(request: Request, q: str = "", *, plain: bool = False) -> HTMLResponse:
    """Show the SQL editor; when it was not built, and when `plain`, a box for SQL and, once asked, the rows."""
    access = caller(request, "query")
    frame = frame_of(request, access)
    if "sql" in ISLANDS and not plain:
        return page(render.sql_editor(frame))
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    if q.strip():
        note(request, kind="page", sql=q)
        try:
            body = await (
                await services(request).workers.ask(
                    access.workspace, Ask(kind="query", sql=q, limit=PAGE_ROWS), access.key or "everybody"
                )
            ).whole()
            result = made = msgspec.json.decode(body)
            note(request, rows=made["row_count"])
        except UpshotError as failed:
            note(request, verdict=failed.code)
            error = errors.body(failed, request.state.request_id)["error"]
    return page(render.sql(q, result, error, described_tables(), frame))


@router.get("/runs")
async def runs(request: Request) -> HTMLResponse:
    """Show runs by what they are and how they were judged."""
    query = request.query_params
    far = query.get("order") == "slowest" or any(query.get(name) for name in FAR_READING)
    frame, body, asked = await _drilled(request, "runs", last="30d" if far else "all")
    return page(drill.runs(body, asked, frame))


@router.get("/runs/{run_id:path}")
async def run(request: Request, run_id: str) -> HTMLResponse:
    """Show one run."""
    frame, body, asked = await _drilled(request, "run", id=run_id)
    return page(drill.run(body, asked, frame))


@router.get("/traces/{trace_id:path}")
async def trace(request: Request, trace_id: str) -> HTMLResponse:
    """Show one trace."""
    frame, body, asked = await _drilled(request, "trace", trace_id=trace_id)
    return page(drill.trace(body, asked, frame))


@router.get("/sessions")
async def sessions(request: Request) -> HTMLResponse:
    """Show sessions by their last activity."""
    frame, body, asked = await _drilled(request, "sessions")
    return page(drill.sessions(body, asked, frame))


@router.get("/sessions/{key}/{session_id:path}")
async def session(request: Request, key: str, session_id: str) -> HTMLResponse:  # noqa: ARG001 - from the raw path
    """Show one session; a slash in its key is sent as %2F."""
    own_key, own_id = session_of(request, "/sessions/")
    frame, body, asked = await _drilled(request, "session", key=own_key, id=own_id)
    return page(drill.session(body, asked, frame))


@router.get("/scores")
async def scores(request: Request) -> HTMLResponse:
    """Show every score name."""
    access = caller(request, "query")
    body = await (await services(request).workers.ask(access.workspace, Ask(kind="scores"))).whole()
    return page(drill.scores(msgspec.json.decode(body), frame_of(request, access)))


@router.get("/scores/{name:path}")
async def score(request: Request, name: str) -> HTMLResponse:
    """Show how the scores of a name are spread."""
    frame, body, asked = await _drilled(request, "score", last="30d", name=name)
    return page(drill.score(body, asked, frame))


_SHEET = render.sheet()
_PACKED_SHEET = gzip.compress(_SHEET, mtime=0)


@router.get("/static/style.css")
async def style(request: Request) -> Response:
    """Return the one style sheet; its address carries a digest, so it is asked for once."""
    headers = {"Cache-Control": FOR_EVER, "Vary": "Accept-Encoding"}
    if "gzip" not in by_preference(request.headers.get("accept-encoding", "")):
        return Response(_SHEET, media_type="text/css", headers=headers)
    return Response(_PACKED_SHEET, media_type="text/css", headers=headers | {"Content-Encoding": "gzip"})
