"""What the API process and a query worker say to one another: length-prefixed JSON heads, each followed by a body."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from warehouse.errors import QueryError

ARROW_STREAM = "application/vnd.apache.arrow.stream"
"""Media type of an Arrow IPC stream."""

HEAD_BYTES = 4
BODY_BYTES = 8


class Ask(msgspec.Struct, frozen=True):
    """A question. `kind` decides which of the other fields are read."""

    kind: Literal["query", "check", "report", "experiments", "scores", "counts"]
    sql: str = ""
    params: list[Any] | dict[str, Any] = []
    limit: int | None = None
    timeout_s: float | None = None
    known_at: int | None = None
    format: Literal["json", "arrow"] = "json"
    name: str = ""
    options: dict[str, str] = {}
    now: int = 0


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error of DESIGN section 5, without the request's id."""

    code: str
    message: str
    line: int | None = None
    col: int | None = None
    hint: str | None = None

    def as_error(self) -> QueryError:
        """Return the error that was meant."""
        return QueryError(self.message, code=self.code, hint=self.hint, line=self.line, col=self.col)


class Answer(msgspec.Struct, frozen=True):
    """Head of an answer: an error, or the facts about the body that follows."""

    error: Failure | None = None
    facts: dict[str, Any] = {}


def frame(head: msgspec.Struct, body: bytes = b"") -> bytes:
    """Return a message as bytes."""
    text = msgspec.json.encode(head)
    return len(text).to_bytes(HEAD_BYTES, "big") + text + len(body).to_bytes(BODY_BYTES, "big") + body
