"""Dashboards over HTTP: tiles over SQL under a name, with versions, and the rows of each tile at an address of its own.

The right `query` reads them and asks for rows. To save or remove one takes `admin`, as with saved queries: what stands
under a name is what others see.
"""

from __future__ import annotations

import dataclasses
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response  # noqa: TC002 - FastAPI reads it

from api import dashboards
from api.answers import answered, format_of, readable
from api.dashboards.asking import flaws_of, span_of, statement_of
from api.pages.frame import LASTS, period_of
from api.request_log import note
from api.requests import caller, services
from api.routes.saved import within
from api.wire import QueryAnswer
from queries.dashboards import MAX_TILES, NAME, Tile, as_body, as_file, loaded, parsed
from queries.documented import Documented
from queries.formats import MEDIA_TYPES
from queries.messages import Ask
from queries.parameters import Parameter, values
from warehouse.clock import iso
from warehouse.errors import InputError, NotFoundError, shown

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from api.dashboards import Kept
    from api.services import Services
    from queries.dashboards import Dashboard
    from warehouse.keys import Access
    from warehouse.manifest import Manifest

router = APIRouter()

_CONTENT: dict[str, Any] = {media_type.partition(";")[0]: {} for media_type in MEDIA_TYPES.values()}


@dataclasses.dataclass(frozen=True, slots=True)
class TileFile(Tile):
    """A tile as it is written: its SQL may be a list of lines, as `?format=file` has it."""

    sql: str | list[str] | None = None  # pyright: ignore[reportIncompatibleVariableOverride]


@dataclasses.dataclass(frozen=True, slots=True)
class DashboardFile(Documented):
    """Body of `PUT /v1/dashboards/{name}`, and what `?format=file` answers: for git."""

    title: str
    tiles: Annotated[list[TileFile], Field(min_length=1, max_length=MAX_TILES)]
    description: str = ""
    last: Literal["1h", "24h", "7d", "30d", "90d", "all"] = "7d"
    """The time range when none is asked for."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Facts(Documented):
    name: str
    version: int
    """0: as it ships; else 1, 2, 3 and so on for each name."""
    shipped: bool
    """It is as it ships with the server."""
    overrides: bool
    """It was saved over one that ships; `DELETE` brings that back."""
    created_at: str | None
    """Null of one as it ships."""
    permalink: str
    """Where this very version is, for ever; of one as it ships: as long as the server is of this version."""


@dataclasses.dataclass(frozen=True, slots=True)
class DashboardAnswer(_Facts):
    """One version of a dashboard."""

    title: str
    description: str
    last: str
    """The time range when none is asked for."""
    tiles: list[Tile]


@dataclasses.dataclass(frozen=True, slots=True)
class DashboardEntry(_Facts):
    """A dashboard in the list."""

    title: str
    description: str
    tiles: int
    """How many it has."""


@dataclasses.dataclass(frozen=True, slots=True)
class Dashboards(Documented):
    """Answer of `GET /v1/dashboards`: the newest version of each, by name."""

    dashboards: list[DashboardEntry]


FACTS = tuple(field.name for field in dataclasses.fields(_Facts))
"""What answers say beside a dashboard's own fields. `PUT` takes an answer as it is, and reads none of these."""


def _facts(one: Kept) -> dict[str, Any]:
    return {
        "name": one.name,
        "version": one.version,
        "shipped": one.shipped,
        "overrides": one.overrides,
        "created_at": None if one.created_at is None else iso(one.created_at),
        "permalink": f"/v1/dashboards/{one.name}?version={one.version}",
    }


def _whole(one: Kept) -> dict[str, Any]:
    own = one.dashboard
    return {**_facts(one), "description": own.description, "last": own.last, **as_body(own)}


@router.get("/v1/dashboards", response_model=Dashboards)
async def listed(request: Request) -> Response:
    """List the dashboards, those that ship with the server among them."""
    access = caller(request, "query")
    known: list[Kept] = await within(services(request), access, dashboards.kept)
    entries = [
        {**_facts(one), "title": one.dashboard.title, "description": one.dashboard.description}
        | {"tiles": len(one.dashboard.tiles)}
        for one in known
    ]
    return readable({"dashboards": entries})


@router.get("/v1/dashboards/{name}", response_model=DashboardAnswer | DashboardFile)
async def dashboard(
    request: Request,
    name: str,
    version: Annotated[int | None, Query(description="the newest when not given", ge=0, lt=2**63)] = None,
    format: Annotated[  # noqa: A002 - its name in the address
        Literal["json", "file"], Query(description="file: only what `PUT` takes, for git")
    ] = "json",
) -> Response:
    """Return a dashboard. A version that was saved stays readable for ever, also when its name was removed."""
    access = caller(request, "query")
    one: Kept = await within(services(request), access, lambda manifest: dashboards.found(manifest, name, version))
    return readable(as_file(one.dashboard) if format == "file" else _whole(one))


_BODY = {"schema": {"$ref": "#/components/schemas/DashboardFile"}}


@router.put(
    "/v1/dashboards/{name}",
    response_model=DashboardAnswer,
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": _BODY}}},
)
async def save(request: Request, name: str) -> Response:
    """Save a dashboard as the next version of its name, once the guard has agreed to every tile.

    What stands under the name already is no new version. Needs the right `admin`.
    """
    access = caller(request, "admin")
    own = services(request)
    given, flaws = parsed(loaded(await request.body()), also=FACTS)
    if given is None:
        raise flaws[0].error
    checked_name(name)
    if flaws := await flaws_of(own, access, given):
        raise flaws[0].error
    return readable(_whole(await keep(own, access, name, given)))


def checked_name(name: str) -> str:
    """Return a name that a dashboard can have; raises InputError."""
    if not NAME.fullmatch(name):
        raise InputError(
            f"name {shown(name)} must be 1 to 128 of a-z, A-Z, 0-9, _, . and -, beginning with a letter or digit, "
            "and not new"
        )
    return name


def keep(
    own: Services, access: Access, name: str, given: Dashboard, over: int | None = None
) -> Coroutine[Any, Any, Kept]:
    """Keep a dashboard that was checked; with `over`, only when that is the newest version (raises InputError)."""

    def kept(manifest: Manifest) -> Kept:
        newest = dashboards.newest(manifest, name)
        if over is not None and newest != over:
            told = "does not exist any more" if newest is None else f"has version {newest} by now"
            raise InputError(f"the dashboard {shown(name)} {told}, and this began with version {over}")
        return dashboards.put(manifest, name, given, own.clock())

    return within(own, access, kept)


@router.delete("/v1/dashboards/{name}", status_code=HTTPStatus.NO_CONTENT)
async def remove(request: Request, name: str) -> None:
    """Take a dashboard out of use, or one that was saved over a shipped one, which then is back. Needs `admin`."""
    access = caller(request, "admin")
    own = services(request)
    await within(own, access, lambda manifest: dashboards.remove(manifest, name, own.clock()))


OPTIONS = (
    Parameter("from", "text", required=False),
    Parameter("to", "text", required=False),
    Parameter("last", "text", required=False, choices=(*LASTS,)),
    Parameter("environment", "text", required=False),
    Parameter("version", "integer", required=False),
    Parameter("limit", "integer", required=False),
    Parameter("timeout_s", "number", required=False),
    Parameter("format", "text", required=False, choices=(*MEDIA_TYPES,)),
)
"""What the result of a tile takes."""

_DOCS: dict[str, dict[str, Any]] = {
    "from": {"type": "string", "description": "ISO 8601 or milliseconds since 1970, inclusive"},
    "to": {"type": "string", "description": "ISO 8601 or milliseconds since 1970, exclusive; up to now when not given"},
    "last": {"type": "string", "enum": [*LASTS], "description": "instead of from and to; else the dashboard's own"},
    "environment": {"type": "string", "description": "all of them when not given"},
    "version": {"type": "integer", "description": "of the dashboard; the newest when not given"},
    "limit": {"type": "integer", "description": "rows at the most"},
    "timeout_s": {"type": "number", "description": "seconds at the most"},
    "format": {"type": "string", "enum": [*MEDIA_TYPES], "description": "outranks Accept"},
}


def tile_of(one: Kept, number: int) -> Tile:
    """Return a tile by its position, from 0; raises NotFoundError."""
    tiles = one.dashboard.tiles
    if not 0 <= number < len(tiles):
        raise NotFoundError(
            f"the dashboard {shown(one.name)} has no tile {number}, its tiles are 0 to {len(tiles) - 1}"
        )
    return tiles[number]


@router.get(
    "/v1/dashboards/{name}/tiles/{n}/result",
    responses={200: {"model": QueryAnswer, "content": _CONTENT}},
    openapi_extra={"parameters": [{"name": one, "in": "query", "schema": kind} for one, kind in _DOCS.items()]},
)
async def result(request: Request, name: str, n: int) -> Response:
    """Return the rows of a tile, the first is tile 0, over a time range and environment."""
    access = caller(request, "query")
    own = services(request)
    given = values(OPTIONS, request.query_params.multi_items())
    form = format_of(request, given["format"])
    one: Kept = await within(own, access, lambda manifest: dashboards.found(manifest, name, given["version"]))
    tile = tile_of(one, n)
    period = period_of(
        {key: text for key, text in given.items() if isinstance(text, str)}, own.clock(), one.dashboard.last
    )
    asked = await statement_of(own, access, n, tile, span_of(period, given["environment"] or "", own.clock()))
    note(request, kind="result")
    return await answered(
        request,
        access,
        Ask(
            kind="query",
            sql=asked.sql,
            params=asked.params,
            types=asked.types,
            limit=given["limit"],
            timeout_s=given["timeout_s"],
            format=cast("Any", form),
        ),
    )
