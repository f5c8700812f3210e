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


class EraseRequest(BaseModel):
    """Body of `POST /v1/erase`: exactly one of the three."""

    model_config = ConfigDict(extra="forbid")

    run: str | None = Field(default=None, description="id of the run to erase")
    session: dict[str, str] | None = Field(default=None, description="key and id of the session to erase, one pair")
    user: str | None = Field(default=None, description="user_id whose runs and spans are to be erased")


class ErasureAnswer(BaseModel):
    """An erasure: what was hidden, and how far it has come. The subject stands there as a salted hash only."""

    id: str
    kind: str
    subject: str
    asked_at: str
    rows: dict[str, int] = Field(description="table -> rows that were hidden")
    files: dict[str, int] = Field(description="table -> files that held them")
    snapshot: int = Field(description="the version from which on no query sees them")
    stage: Literal["hidden", "rewriting", "unlinking", "scouring", "done"]
    waits_for: str | None
    unsearched: int = Field(description="damaged things put aside that could not be searched")
    done_at: str | None
    audit: str = Field(description="all of this in one line")
