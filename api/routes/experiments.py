"""Experiments and scores: list, declare, report (DESIGN sections 5 and 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Body, Request
from starlette.responses import Response

from api.pages import render
from api.pages.specs import CHARTS
from api.requests import caller, services
from api.routes.forms import MEDIA_TYPES, form_of, written
from ingest.declare import experiment_declaration, score_definition
from queries.messages import Ask
from warehouse.clock import iso
from warehouse.errors import NotFoundError, did_you_mean, shown
from warehouse.log import encode
from warehouse.options import READERS

if TYPE_CHECKING:
    from api.services import Services

router = APIRouter()

JSON = "application/json"


async def listed(own: Services, workspace: str) -> list[dict[str, Any]]:
    """Return the experiments of a workspace, as `GET /v1/experiments` lists them."""
    body = await (await own.workers.ask(workspace, Ask(kind="experiments"))).whole()
    return msgspec.json.decode(body)["experiments"]


async def reported(own: Services, workspace: str, name: str, options: dict[str, str]) -> bytes:
    """Return the report of an experiment as JSON."""
    return await (
        await own.workers.ask(workspace, Ask(kind="report", name=name, options=options, now=own.clock()))
    ).whole()


@router.get("/v1/experiments")
async def experiments(request: Request) -> dict[str, Any]:
    """List the experiments, declared or seen."""
    access = caller(request, "query")
    return {"experiments": await listed(services(request), access.workspace)}


_CONTENT: dict[str, Any] = {media_type.partition(";")[0]: {} for media_type in MEDIA_TYPES.values()}
_PARAMETERS: list[dict[str, Any]] = [
    {"name": "format", "in": "query", "schema": {"type": "string", "enum": [*MEDIA_TYPES]}},
    {"name": "chart", "in": "query", "schema": {"type": "string", "enum": [*CHARTS]}},
    *({"name": name, "in": "query", "schema": {"type": "string"}} for name in READERS),
]


@router.get(
    "/v1/experiments/{name:path}/report",
    responses={200: {"content": _CONTENT}},
    openapi_extra={"parameters": _PARAMETERS},
)
async def report(request: Request, name: str) -> Response:
    """Report on an experiment: the verdict, the numbers behind it, and how they were computed.

    `format` (json, html, md, svg, png, vega) outranks Accept; `chart` (effects, series, coverage, segments,
    sample_ratio) chooses the picture of svg, png and vega. Every other parameter is an option of the report.
    """
    access = caller(request, "query")
    options = dict(request.query_params)
    form, chart = form_of(request.headers.get("accept", ""), options.pop("format", None), options.pop("chart", None))
    made = await reported(services(request), access.workspace, name, options)
    headers = {"Cache-Control": "no-store", "Vary": "Accept", "X-Content-Type-Options": "nosniff"}
    if form in ("html", "svg"):  # what a browser would run, had it any script
        headers["Content-Security-Policy"] = f"{render.STANDALONE_POLICY}; frame-ancestors 'none'"
    return Response(await written(request, made, form, chart), media_type=MEDIA_TYPES[form], headers=headers)


@router.get("/v1/experiments/{name:path}")
async def experiment(request: Request, name: str) -> dict[str, Any]:
    """Return one experiment."""
    access = caller(request, "query")
    known = await listed(services(request), access.workspace)
    for found in known:
        if found["name"] == name:
            return found
    hint = did_you_mean(name, [found["name"] for found in known])
    raise NotFoundError(f"no experiment {shown(name)} is declared or seen", hint=hint)


@router.put("/v1/experiments/{name:path}")
async def declare_experiment(request: Request, name: str, options: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
    """Declare an experiment; replaces what was declared before (its history stays)."""
    access = caller(request, "ingest")
    own = services(request)
    now = own.clock()
    batch = experiment_declaration(name, options, now)
    await own.append(access.workspace, encode({"experiment_declarations": batch}))
    return {"name": name, **options, "declared_at": iso(now)}


@router.get("/v1/scores")
async def scores(request: Request) -> Response:
    """List the score names: kinds seen, coverage, last seen, and what was declared of them."""
    access = caller(request, "query")
    body = await (await services(request).workers.ask(access.workspace, Ask(kind="scores"))).whole()
    return Response(body, media_type=JSON)


@router.put("/v1/scores/{name:path}")
async def declare_score(request: Request, name: str, fields: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
    """Declare what a score name means; replaces what was declared before."""
    access = caller(request, "ingest")
    own = services(request)
    now = own.clock()
    await own.append(access.workspace, encode({"score_definitions": score_definition(name, fields, now)}))
    return {"name": name, **fields, "declared_at": iso(now)}
