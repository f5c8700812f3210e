"""`POST /v1/query`, `POST /v1/query/check` and `GET /v1/tables`: ask anything that reads."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.requests import caller, services
from api.wire import QueryAnswer, QueryRequest
from queries.messages import ARROW_STREAM, Ask
from warehouse.options import moment
from warehouse.schema import TABLES

router = APIRouter()


@router.post("/v1/query", responses={200: {"model": QueryAnswer, "content": {ARROW_STREAM: {}}}})
async def query(request: Request, body: QueryRequest) -> Response:
    """Run one guarded SELECT; by Accept the rows are JSON or an Arrow stream."""
    access = caller(request, "query")
    arrow = ARROW_STREAM in request.headers.get("accept", "")
    _, answer = await services(request).workers.ask(
        access.workspace,
        Ask(
            kind="query",
            sql=body.sql,
            params=body.params,
            limit=body.limit,
            timeout_s=body.timeout_s,
            known_at=None if body.known_at is None else moment("known_at", body.known_at),
            format="arrow" if arrow else "json",
        ),
    )
    return Response(answer, media_type=ARROW_STREAM if arrow else "application/json")


@router.post("/v1/query/check")
async def check(request: Request, body: QueryRequest) -> Response:
    """Say what is wrong with a statement, or what it would read."""
    access = caller(request, "query")
    _, answer = await services(request).workers.ask(
        access.workspace, Ask(kind="check", sql=body.sql, params=body.params)
    )
    return Response(answer, media_type="application/json")


def described_tables() -> list[dict[str, Any]]:
    """Return every public table as `GET /v1/tables` shows it."""
    return [
        {
            "name": table.name,
            "row": table.row,
            "key": list(table.key),
            "columns": [{"name": column.name, "type": column.type, "doc": column.doc} for column in table.columns],
        }
        for table in TABLES
    ]


@router.get("/v1/tables")
async def tables(request: Request) -> dict[str, Any]:
    """List the tables with their columns, types and documentation."""
    caller(request, "query")
    return {"tables": described_tables()}
