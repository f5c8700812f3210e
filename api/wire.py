"""The bodies of requests and answers, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class QueryRequest(BaseModel):
    """Body of `POST /v1/query` and `POST /v1/query/check`."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Field(description="one SELECT over the tables of `GET /v1/tables`")
    params: list[Any] | dict[str, Any] = Field(default=[], description="values of `?` or `$1`, or of `$name`")
    limit: int | None = Field(default=None, description="rows at the most; 10,000 when not given")
    timeout_s: float | None = Field(default=None, description="seconds at the most; 10 when not given, 30 at the most")
    known_at: str | int | None = Field(default=None, description="answer as known then; ISO 8601 or epoch milliseconds")
    dialect: Literal["duckdb"] | None = Field(default=None, description="dialect of the text; only duckdb for now")


class Column(BaseModel):
    """Name and DuckDB type of a result column."""

    name: str
    type: str


class QueryAnswer(BaseModel):
    """Answer of `POST /v1/query` as JSON."""

    columns: list[Column]
    rows: list[list[Any]]
    row_count: int
    truncated: bool
    elapsed_ms: float
    rows_scanned: int
    bytes_scanned: int
    snapshot: str
    known_at_note: str | None = None


class Rejected(BaseModel):
    """A record that was not accepted, and why."""

    index: int
    code: str
    field: str | None
    message: str


class IngestAnswer(BaseModel):
    """Answer of `POST /v1/ingest`."""

    accepted: int
    rejected: list[Rejected]
