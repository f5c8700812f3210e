"""Saved queries: SQL under a name, with typed parameters and versions, and its rows at an address of their own.

The right `query` reads and runs them. To save or remove one takes `admin`: dashboards and people rely on what stands
under a name, so who may only ask must not change what others see.
"""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response  # noqa: TC002 - FastAPI reads it

from api.answers import answered, format_of
from api.requests import caller, services
from api.wire import QueryAnswer, SavedQueries, SavedQuery, SavedQueryRequest
from queries.formats import MEDIA_TYPES
from queries.messages import Ask, Failure
from queries.parameters import Parameter, declared, samples, values
from queries.saved import KIND, found
from warehouse.clock import iso
from warehouse.errors import InputError, shown
from warehouse.options import moment
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from api.services import Services
    from warehouse.keys import Access
    from warehouse.manifest import Manifest, NamedObject

router = APIRouter()

OPTIONS = (
    Parameter("limit", "integer", required=False),
    Parameter("timeout_s", "number", required=False),
    Parameter("known_at", "timestamp", required=False),
    Parameter("version", "integer", required=False),
    Parameter("format", "text", required=False, choices=(*MEDIA_TYPES,)),
)
"""What a result takes beside the query's own parameters; none of those can have such a name."""

_SCHEMAS: dict[str, dict[str, Any]] = {
    "limit": {"type": "integer", "description": "rows at the most"},
    "timeout_s": {"type": "number", "description": "seconds at the most"},
    "known_at": {"type": "string", "description": "answer as known then; ISO 8601 or epoch milliseconds"},
    "version": {"type": "integer", "description": "the newest when not given"},
    "format": {"type": "string", "enum": [*MEDIA_TYPES], "description": "outranks Accept"},
}
"""The same for the OpenAPI document."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_CONTENT: dict[str, Any] = {media_type.partition(";")[0]: {} for media_type in MEDIA_TYPES.values()}


def shown_query(saved: NamedObject) -> dict[str, Any]:
    """Return a saved query as the routes show it."""
    assert saved.body is not None  # noqa: S101 - in use, or asked for by its version
    place = f"/v1/queries/{saved.name}"
    return {
        "name": saved.name,
        "version": saved.version,
        **saved.body,
        "created_at": iso(saved.created_at),
        "permalink": f"{place}?version={saved.version}",
        "result": f"{place}/result?version={saved.version}",
    }


async def within(own: Services, access: Access, work: Callable[[Manifest], Any]) -> Any:
    """Return what `work` does with the manifest of the caller's workspace, in a thread."""
    own.log(access.workspace)  # made, if it is new

    def run() -> Any:
        workspace = open_workspace(own.data.workspace(access.workspace))
        try:
            return work(workspace.manifest)
        finally:
            workspace.manifest.close()

    return await asyncio.to_thread(run)


@router.put("/v1/queries/{name}", response_model_exclude_unset=True)
async def save(request: Request, name: str, body: SavedQueryRequest) -> SavedQuery:
    """Save a query as the next version of its name, once the guard has agreed to it. Needs the right `admin`."""
    access = caller(request, "admin")
    own = services(request)
    if not _NAME.fullmatch(name):
        raise InputError(
            f"name {shown(name)} must be 1 to 128 of a-z, A-Z, 0-9, _, . and -, beginning with a letter or digit"
        )
    params = {one: given.model_dump(exclude_unset=True) for one, given in body.params.items()}
    parameters = declared(params, _SCHEMAS)
    for parameter in parameters:  # as values are given to the engine, whichever way they were written
        params[parameter.name] |= _normal(params[parameter.name], parameter)
    await _check(own, access, body.sql, parameters)
    content = {"sql": body.sql, "description": body.description, "params": params}
    saved = await within(own, access, lambda manifest: manifest.put_object(KIND, name, content, own.clock()))
    return SavedQuery.model_validate(shown_query(saved))


def _normal(given: Mapping[str, Any], parameter: Parameter) -> dict[str, Any]:
    values = {"default": parameter.default, "choices": [*parameter.choices]}
    return {name: value for name, value in values.items() if given.get(name) is not None}


def _types(parameters: list[Parameter]) -> dict[str, str]:
    return {parameter.name: parameter.type for parameter in parameters}


async def _check(own: Services, access: Access, sql: str, parameters: list[Parameter]) -> None:
    """Refuse a statement that would be refused when it is run with values of these types."""
    ask = Ask(kind="check", sql=sql, params=samples(parameters), types=_types(parameters))
    reply = await own.workers.ask(access.workspace, ask, access.key or "everybody")
    for diagnostic in msgspec.json.decode(await reply.whole())["diagnostics"]:
        if diagnostic["severity"] == "error":
            raise msgspec.convert(diagnostic, Failure).as_error()


@router.get("/v1/queries", response_model_exclude_unset=True)
async def saved_queries(request: Request) -> SavedQueries:
    """List the saved queries, each in its newest version."""
    access = caller(request, "query")
    known: list[NamedObject] = await within(services(request), access, lambda manifest: manifest.objects(KIND))
    return SavedQueries.model_validate({"queries": [shown_query(saved) for saved in known]})


@router.get("/v1/queries/{name}", response_model_exclude_unset=True)
async def saved_query(
    request: Request,
    name: str,
    version: Annotated[int | None, Query(description="the newest when not given", ge=1, lt=2**63)] = None,
) -> SavedQuery:
    """Return a saved query. A version stays readable for ever, also when its name was removed."""
    access = caller(request, "query")
    saved = await within(services(request), access, lambda manifest: found(manifest, name, version))
    return SavedQuery.model_validate(shown_query(saved))


@router.delete("/v1/queries/{name}", status_code=HTTPStatus.NO_CONTENT)
async def remove(request: Request, name: str) -> None:
    """Take a name out of use; its versions stay readable by their permalinks. Needs the right `admin`."""
    access = caller(request, "admin")
    own = services(request)

    def gone(manifest: Manifest) -> None:
        found(manifest, name, None)
        manifest.remove_object(KIND, name, own.clock())

    await within(own, access, gone)


@router.get(
    "/v1/queries/{name}/result",
    responses={200: {"model": QueryAnswer, "content": _CONTENT}},
    openapi_extra={"parameters": [{"name": one, "in": "query", "schema": kind} for one, kind in _SCHEMAS.items()]},
)
async def result(request: Request, name: str) -> Response:
    """Run a saved query and answer its rows; every other name in the address is one of its parameters."""
    access = caller(request, "query")
    given = request.query_params.multi_items()
    options = values(OPTIONS, [pair for pair in given if pair[0] in _SCHEMAS])
    form = format_of(request, options["format"])
    saved: NamedObject = await within(
        services(request), access, lambda manifest: found(manifest, name, options["version"])
    )
    body = cast("dict[str, Any]", saved.body)
    parameters = declared(body["params"], _SCHEMAS)
    ask = Ask(
        kind="query",
        sql=body["sql"],
        params=values(parameters, [pair for pair in given if pair[0] not in _SCHEMAS], also=_SCHEMAS),
        types=_types(parameters),
        limit=options["limit"],
        timeout_s=options["timeout_s"],
        known_at=None if options["known_at"] is None else moment("known_at", options["known_at"]),
        format=cast("Any", form),
    )
    return await answered(request, access, ask)
