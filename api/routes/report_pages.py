"""The pages of reports: the list, one report with its editions, one edition under its permalink."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from api.pages import reports as pages
from api.requests import caller
from api.routes import reports
from api.routes.html import POLICY, Page, fields, frame_of, page
from warehouse.errors import UpshotError

if TYPE_CHECKING:
    from warehouse.keys import Access

router = APIRouter(include_in_schema=False, route_class=Page)

FRAMED = {"Content-Security-Policy": POLICY["Content-Security-Policy"] + "; frame-src 'self'"}
"""An edition is shown in a frame, whose own policy gives it nothing (`reports.POLICY`)."""


def _body(answer: Response) -> Any:
    return msgspec.json.decode(cast("bytes", answer.body))


@router.get("/reports")
async def listed(request: Request) -> Response:
    """Show the reports."""
    return page(await _list(request, caller(request, "query")))


async def _list(request: Request, access: Access, **more: Any) -> str:
    known = _body(await reports.listed(request))["reports"]
    return pages.reports(frame_of(request, access), known, **more)


@router.post("/reports")
async def add(request: Request) -> Response:
    """Save a shipped notebook as a report, with a schedule if one is given."""
    access = caller(request, "admin")
    given = await fields(request)
    schedule = {"cron": given.get("cron", "").strip(), "timezone": given.get("timezone", "").strip() or "UTC"}
    wanted = {"template": given.get("template", ""), "schedule": schedule if schedule["cron"] else None}
    name = given.get("name", "").strip() or given.get("template", "")
    try:
        await reports.save(request, name, wanted)
    except UpshotError as error:
        return page(await _list(request, access, problem=error, given=given), 400)
    return RedirectResponse(f"/reports/{quote(name, safe='')}", 303)


@router.get("/reports/{name}")
async def report(request: Request, name: str) -> Response:
    """Show one report: what it is, when it runs, its editions."""
    access = caller(request, "query")
    definition = _body(await reports.report(request, name, None))
    known = _body(await reports.editions_of(request, name, 100))["editions"]
    return page(pages.report(frame_of(request, access), definition, known))


@router.post("/reports/{name}/run")
async def run(request: Request, name: str) -> Response:
    """Run a report now and go to where its edition will be."""
    return RedirectResponse(_body(await reports.run(request, name))["page"], 303)


@router.get("/reports/{name}/{edition}")
async def edition(request: Request, name: str, edition: str) -> Response:
    """Show one edition, or how far its run is."""
    access = caller(request, "query")
    body = _body(await reports.edition_of(request, name, edition))
    done = body["status"] in ("done", "failed") and body["files"]
    tries: list[dict[str, Any]] = _body(await reports.deliveries(request, name, edition))["deliveries"] if done else []
    return page(pages.edition(frame_of(request, access), body, tries), headers=FRAMED)
