"""The pages of dashboards: looked at, and edited by plain forms."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api import dashboards, errors
from api.dashboards.asking import flaws_of, span_of, statement_of
from api.pages import dashboard_form, tiles
from api.pages import dashboards as drawn
from api.pages.dashboards import Form
from api.request_log import note
from api.requests import caller, services
from api.routes.dashboards import FACTS, checked_name, keep, tile_of
from api.routes.html import Page, fields, frame_of, page
from api.routes.saved import within
from queries.dashboards import Flaw, loaded, parsed
from queries.messages import Ask
from queries.saved import KIND as SAVED_QUERY
from warehouse.errors import InputError, UpshotError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.dashboards import Kept
    from api.services import Services
    from queries.dashboards import Dashboard, Statement
    from warehouse.keys import Access

router = APIRouter(include_in_schema=False, route_class=Page)


async def _found(own: Services, access: Access, name: str) -> Kept:
    return await within(own, access, lambda manifest: dashboards.found(manifest, name))


@router.get("/dashboards")
async def listed(request: Request) -> HTMLResponse:
    """Show the dashboards."""
    access = caller(request, "query")
    known = await within(services(request), access, dashboards.kept)
    return page(drawn.dashboards(known, frame_of(request, access)))


@router.get("/dashboards/new")
async def new(request: Request) -> HTMLResponse:
    """Show the form of a dashboard that is to be made."""
    access = caller(request, "query")
    own = {"title": "", "description": "", "last": "7d"}
    form = Form("", dashboard_form.changed(dashboard_form.Draft(own), "add"))
    return await _form(request, access, form)


@router.get("/dashboards/{name}")
async def dashboard(request: Request, name: str) -> HTMLResponse:
    """Show a dashboard; its tiles come by themselves."""
    access = caller(request, "query")
    one = await _found(services(request), access, name)
    return page(drawn.dashboard(one, frame_of(request, access, one.dashboard.last)))


@router.get("/dashboards/{name}/tiles/{n}")
async def tile(request: Request, name: str, n: int) -> HTMLResponse:
    """Return one tile: a part of a page for the page's script, which says so, and a page for everybody else."""
    access = caller(request, "query")
    own = services(request)
    one = await _found(own, access, name)
    tile_of(one, n)
    frame = frame_of(request, access, one.dashboard.last)
    try:
        found = await _shown(request, access, one, n)
    except UpshotError as error:
        note(request, verdict=error.code)
        found = tiles.Shown(error=errors.body(error, request.state.request_id)["error"])
    part = request.headers.get("hx-request") == "true"
    draw = drawn.tile if part else drawn.alone
    return page(draw(one, n, found, frame), headers={"Vary": "HX-Request"})


async def _shown(request: Request, access: Access, one: Kept, n: int) -> tiles.Shown:
    """Return a tile with its rows; a number also as it was in the time before, where its statement goes by time."""
    own = services(request)
    tile = one.dashboard.tiles[n]
    frame = frame_of(request, access, one.dashboard.last)
    span = span_of(frame.period, frame.environment, own.clock())
    asked = await statement_of(own, access, n, tile, span)
    address = tiles.sql_address(tile, asked)
    note(request, kind="page", sql=asked.sql)
    questions = [asked]
    if tile.show == "number" and (before := span.before()) is not None:
        earlier = await statement_of(own, access, n, tile, before)
        questions += [earlier] if earlier != asked else []
    try:
        rows = await asyncio.gather(*(_rows(own, access, one, tiles.ROWS[tile.show]) for one in questions))
        found = tiles.shown(tile, rows[0], rows[1] if len(rows) > 1 else None, address)
    except UpshotError as error:
        note(request, verdict=error.code)
        return tiles.Shown(error=errors.body(error, request.state.request_id)["error"], sql=address)
    note(request, rows=rows[0]["row_count"])
    return found


async def _rows(own: Services, access: Access, asked: Statement, most: int) -> dict[str, Any]:
    ask = Ask(kind="query", sql=asked.sql, params=asked.params, types=asked.types, limit=most)
    reply = await own.workers.ask(access.workspace, ask, access.key or "everybody")
    return msgspec.json.decode(await reply.whole())


@router.get("/dashboards/{name}/edit")
async def edit(request: Request, name: str) -> HTMLResponse:
    """Show the form of a dashboard."""
    access = caller(request, "query")
    one = await _found(services(request), access, name)
    return await _form(request, access, _form_of(one, dashboard_form.of_dashboard(one.dashboard)))


def _form_of(one: Kept, draft: dashboard_form.Draft, **more: Any) -> Form:
    return Form(one.name, draft, over=one.version, removable=not one.shipped, overrides=one.overrides, **more)


async def _form(request: Request, access: Access, form: Form) -> HTMLResponse:
    frame = frame_of(request, access)
    if "admin" not in frame.rights:
        return page(drawn.edit(form, (), frame), HTTPStatus.FORBIDDEN)
    known = await within(services(request), access, lambda manifest: manifest.objects(SAVED_QUERY))
    status = HTTPStatus.BAD_REQUEST if form.flaws else HTTPStatus.OK
    return page(drawn.edit(form, [saved.name for saved in known], frame), status)


@router.post("/dashboards/new")
async def make(request: Request) -> Response:
    """Save a dashboard under a name of its own, or change the form."""
    access = caller(request, "admin")
    sent = await fields(request)
    return await _edited(request, access, sent, None)


@router.post("/dashboards/{name}/edit")
async def change(request: Request, name: str) -> Response:
    """Save a dashboard, remove it, or change the form."""
    access = caller(request, "admin")
    own = services(request)
    one = await _found(own, access, name)
    sent = await fields(request)
    if sent.get("do") == "delete":
        await within(own, access, lambda manifest: dashboards.remove(manifest, name, own.clock()))
        back = drawn.dashboard_path(name) if one.overrides else "/dashboards"
        return RedirectResponse(back, HTTPStatus.SEE_OTHER)
    return await _edited(request, access, sent, one)


async def _edited(request: Request, access: Access, sent: Mapping[str, str], one: Kept | None) -> Response:
    """Save what a form was sent with, or show it again: as it was asked to be changed, or with what is wrong."""
    action = sent.get("do", "save")
    draft = dashboard_form.changed(dashboard_form.of_fields(sent), action)
    text = sent["json"].replace("\r\n", "\n") if "json" in sent else None
    made, flaws = _read(draft, text)
    if action == "save" and made is not None:
        flaws = await _saved(request, access, sent, one, made)
        if not flaws:
            name = one.name if one is not None else sent.get("name", "").strip()
            return RedirectResponse(drawn.dashboard_path(name), HTTPStatus.SEE_OTHER)
    elif action == "as-json":
        text = dashboard_form.draft_as_text(draft) if made is None else dashboard_form.as_text(made)
        flaws = []
    elif action == "as-form" and made is not None:
        draft, text = dashboard_form.of_dashboard(made), None
    elif action not in ("save", "as-form"):
        flaws = []
    if one is None:
        return await _form(request, access, Form("", draft, sent.get("name", ""), text=text, flaws=flaws))
    return await _form(request, access, _form_of(one, draft, text=text, flaws=flaws))


def _read(draft: dashboard_form.Draft, text: str | None) -> tuple[Dashboard | None, list[Flaw]]:
    """Return the dashboard that a form says, by its fields or by its JSON, and what is wrong with it."""
    if text is not None:
        try:
            return parsed(loaded(text), also=FACTS)
        except UpshotError as error:
            return None, [Flaw(error)]
    body, unread = dashboard_form.given(draft)
    made, flaws = parsed(body)
    told = {flaw.tile for flaw in unread}
    return (None if unread else made), [*unread, *(flaw for flaw in flaws if flaw.tile not in told)]


async def _saved(
    request: Request, access: Access, sent: Mapping[str, str], one: Kept | None, made: Dashboard
) -> list[Flaw]:
    """Save a dashboard; returns what is wrong with it, and then it is not saved."""
    own = services(request)
    try:
        if one is not None:
            name, over = one.name, int(sent["over"]) if sent.get("over", "").isdecimal() else None
        else:
            name, over = checked_name(sent.get("name", "").strip()), None
            known = await within(own, access, lambda manifest: dashboards.newest(manifest, name))
            if known is not None:
                raise InputError(f"there is a dashboard {shown(name)} already")
        if flaws := await flaws_of(own, access, made):
            return flaws
        await keep(own, access, name, made, over)
    except UpshotError as error:
        return [Flaw(error)]
    return []
