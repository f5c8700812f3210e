"""The one error tree of the client.

Error:
├── ArgumentError         refused here, nothing was sent (also a ValueError)
├── MissingPackageError   a form of the rows needs a package that is not installed (also an ImportError)
├── UnreachableError      no server answered, or it broke off before the end of its answer
├── QueryError            SQL was refused or failed; draws the place
├── AccessError           no valid key, or one without the right
├── NotFoundError         a named thing is not there
├── BusyError             the server cannot now (429, 503), also after every retry
└── RejectedError         some records were not accepted

What else a server answers (a defect, a full disk) is an `Error` with its code.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from upshot._records import Ingested

_SHOWN = 120
"""Columns of a line of SQL that a drawing has at the most."""


class Error(Exception):
    """Base of every error of this package.

    Attributes:
        code: the server's code (its reference lists them), or the client's own: `bad_argument`, `missing_package`,
            `unreachable`, `rejected`, `unexpected`.
        message: what is wrong, with the value and the bound.
        line: the line of the SQL, from 1; None where there is no place, as of `col` and `length`.
        col: the character of that line, from 1.
        length: characters to blame.
        hint: what to do, if that is known.
        request_id: under which the server's log has this request.
        status: the HTTP status; None when nothing was answered.
        retry_after: seconds the server asks to wait; None when it did not say.
    """

    code = "unexpected"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.status = status
        self.request_id = request_id
        self.line: int | None = None
        self.col: int | None = None
        self.length: int | None = None
        self.retry_after: float | None = None
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        """Return the message, with the hint below it."""
        return "\n".join(filter(None, (self.message, *self._below(), self.hint and f"hint: {self.hint}")))

    def _below(self) -> tuple[str, ...]:
        return ()


class ArgumentError(Error, ValueError):
    """What was given can never be sent; nothing was."""

    code = "bad_argument"


class MissingPackageError(Error, ImportError):
    """A form of the rows needs a package that is not installed; the hint says which extra brings it."""

    code = "missing_package"


class UnreachableError(Error):
    """No server answered at the address, or the connection broke before the answer was whole.

    Attributes:
        timed_out: the server was reached and is late; whether it did the work is not known.
    """

    code = "unreachable"

    def __init__(self, message: str, *, hint: str | None = None, timed_out: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.timed_out = timed_out


class QueryError(Error):
    """SQL was refused or failed; `str()` draws the line of `sql` with a caret under the place."""

    code = "refused_statement"
    sql: str | None = None

    def _below(self) -> tuple[str, ...]:
        return drawing(self.sql, self.line, self.col, self.length) if self.sql and self.line else ()


class AccessError(Error):
    """No valid key was sent, or one that lacks the right."""

    code = "unauthorized"


class NotFoundError(Error):
    """A named thing is not there."""

    code = "not_found"


class BusyError(Error):
    """The server cannot now, and the same call may succeed later; `retry_after` says when."""

    code = "unavailable"


class RejectedError(Error):
    """Some records were not accepted; `outcome` has each with its reason. The others are in."""

    code = "rejected"

    def __init__(self, message: str, outcome: Ingested) -> None:
        super().__init__(message)
        self.outcome = outcome


_CLASSES: dict[str, type[Error]] = {
    "unauthorized": AccessError,
    "forbidden": AccessError,
    "not_found": NotFoundError,
    "rate_limited": BusyError,
    "unavailable": BusyError,
}
"""Code -> class of an answered error; the others are of the statement if there is one."""

_NOT_OF_SQL = frozenset({"internal", "disk_full", "method_not_allowed"})


def answered_error(facts: Mapping[str, Any], status: int, sql: str | None) -> Error:
    """Return the error that a server answered.

    Args:
        facts: the `error` object of its body.
        status: the HTTP status.
        sql: the statement of the request, if it was one.
    """
    code = str(facts["code"])
    other = Error if sql is None or code in _NOT_OF_SQL else QueryError
    error = _CLASSES.get(code, other)(
        str(facts["message"]),
        code=code,
        hint=_text(facts.get("hint")),
        status=status,
        request_id=_text(facts.get("request_id")),
    )
    error.line, error.col, error.length = (_whole(facts.get(name)) for name in ("line", "col", "length"))
    if isinstance(error, QueryError):
        error.sql = sql
    return error


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def drawing(sql: str, line: int, col: int | None, length: int | None) -> tuple[str, ...]:
    """Return a line of SQL and, in a second one, carets under the place; nothing when the line is not there.

    Characters that a terminal gives two columns or none are counted so; those it would obey are shown as U+FFFD.
    """
    lines = sql.splitlines()
    if not 1 <= line <= len(lines):
        return ()
    text = lines[line - 1]
    start = min(max((col or 1) - 1, 0), len(text))
    first = max(0, start - _SHOWN // 2)
    before, blamed = text[first:start], text[start : start + (length or 1)][: _SHOWN // 2]
    after = text[start + len(blamed) : first + _SHOWN]
    if col is None:
        return (f"  {_printable(text[:_SHOWN])}",)
    carets = "^" * max(sum(map(_columns, blamed)), 1)
    shown = _printable(before + blamed + after)
    return f"  {shown}", f"  {' ' * sum(map(_columns, before))}{carets}"


def _printable(text: str) -> str:
    return "".join(map(_seen, text))


def _seen(character: str) -> str:
    if character == "\t":
        return " "
    return "\ufffd" if unicodedata.category(character) in ("Cc", "Cf", "Cs") else character


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
