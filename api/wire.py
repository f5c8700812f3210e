"""The bodies of requests and answers, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from queries.parameters import TYPES as PARAMETER_TYPES


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
    limits: dict[str, float]
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


class SavedParameter(BaseModel):
    """A parameter of a saved query. With a default it is optional; a default of null is null."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="text[] is a list of texts", json_schema_extra={"enum": [*PARAMETER_TYPES]})
    default: Any = Field(default=None, description="the value when none is given")
    choices: list[Any] | None = Field(default=None, description="the values it can have; any of its type when absent")
    doc: str | None = Field(default=None, max_length=1_000, description="what it means")


class SavedQueryRequest(BaseModel):
    """Body of `PUT /v1/queries/{name}`."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Field(description="one SELECT, with $name where a parameter stands")
    description: str = Field(default="", max_length=10_000)
    params: dict[str, SavedParameter] = Field(default={}, description="name -> what its value must be")


class SavedQuery(BaseModel):
    """One version of a saved query."""

    name: str
    version: int
    sql: str
    description: str
    params: dict[str, SavedParameter]
    created_at: str
    permalink: str = Field(description="where this very version is, for ever")
    result: str = Field(description="where its rows are; add the parameters")


class SavedQueries(BaseModel):
    """Answer of `GET /v1/queries`: the newest version of each, by name."""

    queries: list[SavedQuery]
