"""What the API process and a query worker say to one another: length-prefixed JSON heads, each followed by a body."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from warehouse.errors import QueryError

HEAD_BYTES = 4
BODY_BYTES = 8


class Ask(msgspec.Struct, frozen=True):
    """A question. `kind` decides which of the other fields are read."""

    kind: Literal["query", "check", "report", "experiments", "scores", "counts", "drill"]
    sql: str = ""
    params: list[Any] | dict[str, Any] = []
    types: dict[str, str] = {}
    """The declared types of named parameters (`queries.parameters.TYPES`); empty: as JSON has them."""
    limit: int | None = None
    timeout_s: float | None = None
    known_at: int | None = None
    format: Literal["json", "ndjson", "csv", "arrow", "parquet"] = "json"
    name: str = ""
    options: dict[str, str] = {}
    now: int = 0

    def letters(self) -> bytes:
        """Return what is equal for two questions that are the same, in whatever order their options come."""
        return msgspec.json.encode(self, order="deterministic")


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error of DESIGN section 5, without the request's id."""

    code: str
    message: str
    line: int | None = None
    col: int | None = None
    length: int | None = None
    hint: str | None = None

    def as_error(self) -> QueryError:
        """Return the error that was meant."""
        place = {"line": self.line, "col": self.col, "length": self.length}
        return QueryError(self.message, code=self.code, hint=self.hint, **place)


class Ready(msgspec.Struct, frozen=True):
    """What a worker says first: what of its isolation this machine cannot give."""

    missing: list[str] = []


class Answer(msgspec.Struct, frozen=True):
    """Head of an answer: an error, or the facts about the body that follows."""

    error: Failure | None = None
    facts: dict[str, Any] = {}
    file: str = ""
    """A file with the rest of the body; whoever gets the answer removes it."""


def frame(head: msgspec.Struct, body: bytes = b"") -> bytes:
    """Return a message as bytes."""
    text = msgspec.json.encode(head)
    return len(text).to_bytes(HEAD_BYTES, "big") + text + len(body).to_bytes(BODY_BYTES, "big") + body
