"""`POST /v1/query`, `POST /v1/query/check` and `GET /v1/tables`: ask anything that reads."""

from __future__ import annotations

from typing import Any, cast

from fastapi import APIRouter, Request
from starlette.responses import Response  # noqa: TC002 - FastAPI reads it

from api.answers import answered, format_of
from api.requests import caller
from api.wire import QueryAnswer, QueryRequest
from queries.formats import MEDIA_TYPES
from queries.messages import Ask
from warehouse.options import moment
from warehouse.schema import TABLES

router = APIRouter()

_CONTENT: dict[str, Any] = {media_type.partition(";")[0]: {} for media_type in MEDIA_TYPES.values()}


@router.post("/v1/query", responses={200: {"model": QueryAnswer, "content": _CONTENT}})
async def query(request: Request, body: QueryRequest) -> Response:
    """Run one guarded SELECT; by Accept the rows are JSON, NDJSON, CSV, an Arrow stream or Parquet."""
    access = caller(request, "query")
    ask = Ask(
        kind="query",
        sql=body.sql,
        params=body.params,
        limit=body.limit,
        timeout_s=body.timeout_s,
        known_at=None if body.known_at is None else moment("known_at", body.known_at),
        format=cast("Any", format_of(request)),
    )
    return await answered(request, access, ask)


@router.post("/v1/query/check")
async def check(request: Request, body: QueryRequest) -> Response:
    """Say what is wrong with a statement, or what it would read."""
    access = caller(request, "query")
    return await answered(request, access, Ask(kind="check", sql=body.sql, params=body.params))


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
