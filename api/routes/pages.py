"""The web pages: what the JSON routes answer, drawn."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from api import errors
from api.pages import render
from api.request_log import note
from api.requests import caller, services
from api.routes.experiments import listed, reported
from api.routes.forms import charts_of
from api.routes.query import described_tables
from queries.messages import Ask
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

PAGE_ROWS = 500
"""Rows that a page shows; the JSON and Arrow answers give all."""

HOME_REPORTS = 12
"""Experiments whose verdict the first page computes."""


def page(html: str, status: int = 200, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    """Return a page with the headers that keep it to itself."""
    return HTMLResponse(html, status, headers={**POLICY, **(headers or {})})


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
async def sql(request: Request, q: str = "") -> HTMLResponse:
    """Show a box for SQL and, once asked, the rows."""
    access = caller(request, "query")
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


_STYLE = files("api.pages").joinpath("static", "style.css")


@router.get("/static/style.css")
async def style() -> Response:
    """Return the one style sheet."""
    content = await asyncio.to_thread(_STYLE.read_bytes)
    return Response(content, media_type="text/css", headers={"Cache-Control": "max-age=300"})
