"""The web pages: what the JSON routes answer, drawn."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from api import errors
from api.assets import ISLANDS
from api.pages import drill, render
from api.request_log import note
from api.requests import caller, services
from api.routes.experiments import listed, reported
from api.routes.forms import charts_of
from api.routes.query import described_tables
from queries.drill import QUESTIONS
from queries.messages import Ask
from queries.parameters import values
from warehouse.errors import UpshotError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.services import Services

router = APIRouter(include_in_schema=False)

POLICY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

ISLAND_POLICY = {
    **POLICY,
    "Content-Security-Policy": POLICY["Content-Security-Policy"] + "; script-src 'self'; connect-src 'self'",
}
"""For pages with islands: scripts of our own, from files; none in the page, none made from text, styles as before."""

PAGE_ROWS = 500
"""Rows that a page shows; the JSON and Arrow answers give all."""

HOME_REPORTS = 12
"""Experiments whose verdict the first page computes."""


def page(
    html: str, status: int = 200, headers: Mapping[str, str] | None = None, policy: Mapping[str, str] = POLICY
) -> HTMLResponse:
    """Return a page with the headers that keep it to itself."""
    return HTMLResponse(html, status, headers={**policy, **(headers or {})})


async def _report(own: Services, workspace: str, name: str) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(await reported(own, workspace, name, {}))
    except UpshotError:
        return None  # the card then shows the experiment without a verdict


@router.get("/")
async def home(request: Request) -> HTMLResponse:
    """Show every experiment with its verdict, and a box for SQL."""
    access = caller(request, "query")
    own = services(request)
    known = await listed(own, access.workspace)
    reports = {
        found["name"]: made
        for found in known[:HOME_REPORTS]
        if (made := await _report(own, access.workspace, found["name"])) is not None
    }
    body = await (await own.workers.ask(access.workspace, Ask(kind="counts"))).whole()
    counts = msgspec.json.decode(body)
    tables = [{**table, "rows": counts.get(table["name"])} for table in described_tables()]
    return page(render.home(known, reports, tables, str(request.base_url).rstrip("/")))


@router.get("/experiments/{name:path}")
async def experiment(request: Request, name: str) -> HTMLResponse:
    """Show the report of an experiment."""
    access = caller(request, "query")
    body = await reported(services(request), access.workspace, name, dict(request.query_params))
    report: dict[str, Any] = msgspec.json.decode(body)
    return page(render.experiment(report, await charts_of(request, report)))


@router.get("/sql")
async def sql(request: Request, q: str = "", *, plain: bool = False) -> HTMLResponse:
    """Show the SQL editor; when it was not built, and when `plain`, a box for SQL and, once asked, the rows."""
    access = caller(request, "query")
    if "sql" in ISLANDS and not plain:
        return page(render.sql_editor(ISLANDS["sql"], ISLANDS["sheet"]), policy=ISLAND_POLICY)
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
    return page(render.sql(q, result, error, described_tables()))


async def _drilled(request: Request, question: str, **path: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the body of a drill-down question and what was asked for; an empty field of a form is none."""
    access = caller(request, "query")
    asked = {name: value for name, value in request.query_params.items() if value}
    params = values(QUESTIONS[question].parameters, [*path.items(), *asked.items()])
    ask = Ask(kind="drill", name=question, params=params)
    body = await (await services(request).workers.ask(access.workspace, ask, access.key or "everybody")).whole()
    return msgspec.json.decode(body), asked


@router.get("/runs")
async def runs(request: Request) -> HTMLResponse:
    """Show runs by what they are and how they were judged."""
    return page(drill.runs(*await _drilled(request, "runs")))


@router.get("/runs/{run_id:path}")
async def run(request: Request, run_id: str) -> HTMLResponse:
    """Show one run."""
    return page(drill.run(*await _drilled(request, "run", id=run_id)))


@router.get("/traces/{trace_id:path}")
async def trace(request: Request, trace_id: str) -> HTMLResponse:
    """Show one trace."""
    return page(drill.trace(*await _drilled(request, "trace", trace_id=trace_id)))


@router.get("/sessions")
async def sessions(request: Request) -> HTMLResponse:
    """Show sessions by their last activity."""
    return page(drill.sessions(*await _drilled(request, "sessions")))


@router.get("/sessions/{key}/{session_id:path}")
async def session(request: Request, key: str, session_id: str) -> HTMLResponse:  # noqa: ARG001 - from the raw path
    """Show one session; a slash in its key is sent as %2F."""
    raw: bytes = request.scope["raw_path"]
    sent_key, _, sent_id = raw.decode("ascii", "replace").removeprefix("/sessions/").partition("/")
    return page(drill.session(*await _drilled(request, "session", key=unquote(sent_key), id=unquote(sent_id))))


_STYLE = files("api.pages").joinpath("static", "style.css")


@router.get("/static/style.css")
async def style() -> Response:
    """Return the one style sheet."""
    content = await asyncio.to_thread(_STYLE.read_bytes)
    return Response(content, media_type="text/css", headers={"Cache-Control": "max-age=300"})
