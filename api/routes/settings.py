"""The pages of what is kept by name and of what is set: saved queries, keys, retention, limits."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from api.pages import account
from api.requests import caller, services
from api.routes.html import Page, fields, frame_of, page
from api.routes.saved import shown_query, within
from api.settings import SETTINGS
from queries.saved import KIND
from warehouse.errors import InputError, NotFoundError, UpshotError, shown
from warehouse.keys import RIGHTS
from warehouse.retention import retention

if TYPE_CHECKING:
    from api.pages.frame import Frame
    from warehouse.keys import Access, KeyEntry
    from warehouse.manifest import NamedObject

router = APIRouter(include_in_schema=False, route_class=Page)

_USER = re.compile(r"//[^/@]*@")
"""Name and password in an address: a page shows that there are some."""


@router.get("/queries")
async def saved_queries(request: Request) -> Response:
    """Show the saved queries."""
    access = caller(request, "query")
    known: list[NamedObject] = await within(services(request), access, lambda manifest: manifest.objects(KIND))
    return page(account.saved_queries(frame_of(request, access), [shown_query(saved) for saved in known]))


@router.get("/settings")
async def settings(request: Request) -> Response:
    """Show who the reader is and what is set."""
    access = caller(request, "query")
    return page(await _settings(request, access))


async def _settings(request: Request, access: Access, **more: Any) -> str:
    own = services(request)
    frame: Frame = frame_of(request, access)
    if "admin" not in access.rights:
        return account.settings(frame, more=more)
    days: dict[str, int] = await within(own, access, retention)
    keys = [entry for entry in await asyncio.to_thread(own.keys.entries) if entry.workspace == access.workspace]
    facts = [(setting.variable, _said(getattr(own.settings, setting.name)), setting.help) for setting in SETTINGS]
    return account.settings(frame, facts=facts, days=days, keys=keys, more=more)


def _said(value: object) -> str:
    """Return the value of a setting as one would write it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={said}" for name, said in cast("Mapping[str, str]", value).items())
    if isinstance(value, tuple):
        return ", ".join(cast("tuple[str, ...]", value))
    return "" if value is None else _USER.sub("//\N{BULLET}\N{BULLET}\N{BULLET}@", str(value))


@router.post("/settings/keys")
async def make_key(request: Request) -> Response:
    """Make a key for the reader's workspace and show it, once."""
    access = caller(request, "admin")
    own, given = services(request), await fields(request)
    rights = [right for right in RIGHTS if given.get(right)]
    try:
        key = await asyncio.to_thread(
            own.keys.create, access.workspace, rights, own.clock(), given.get("name", "").strip()
        )
    except UpshotError as error:
        return page(await _settings(request, access, problem=error.message), 400)
    # Shown in the answer to this form and nowhere else: a page that could be asked for again would show it again.
    return page(
        await _settings(request, access, made=key, opened=access.key == ""), headers={"Cache-Control": "no-store"}
    )


@router.post("/settings/keys/revoke")
async def revoke_key(request: Request) -> Response:
    """Revoke a key of the reader's workspace."""
    access = caller(request, "admin")
    which = (await fields(request)).get("id", "")
    try:
        await asyncio.to_thread(_revoke, request, access, which)
    except UpshotError as error:
        return page(await _settings(request, access, problem=error.message), 400)
    return RedirectResponse("/settings", 303)


def _revoke(request: Request, access: Access, which: str) -> KeyEntry:
    keys = services(request).keys
    if not any(entry.id == which and entry.workspace == access.workspace for entry in keys.entries()):
        raise NotFoundError(f"no key of this workspace has the id {shown(which)}")
    if which == access.key:
        raise InputError("this is the key you are signed in with; sign in with another one to revoke it")
    return keys.revoke(which, services(request).clock())
