"""The one error tree. Every error a user can meet has a code of DESIGN section 5; `api.errors` maps codes to statuses.

UpshotError
├── InputError          the caller must change something (terminal)
│   ├── QueryError      refused or failed SQL; may carry line and column
│   └── NotFoundError
└── TransientError      the same call may succeed later (retryable)
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOWN = 120
"""Characters of a stranger's text that an error message repeats at the most."""


def shown(text: str) -> str:
    """Return `text` fit for an error message: quoted, escaped, cut after `SHOWN` characters."""
    return repr(text) if len(text) <= SHOWN else f"{text[:SHOWN]!r}... ({len(text)} characters)"


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Return `did you mean ...?` of the known name most like `name`; None when none is like it."""
    near = difflib.get_close_matches(name[:SHOWN], list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else None


class UpshotError(Exception):
    """Base of every expected error: a code, a message in lower case with the value and the bound, perhaps a hint."""

    code = "engine_error"
    line: int | None = None
    col: int | None = None
    length: int | None = None

    def __init__(self, message: str, *, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code


class InputError(UpshotError):
    """The caller sent something that can never succeed as it is."""

    code = "bad_parameter"


class QueryError(InputError):
    """SQL was refused or failed; `line` and `col` count from 1, `length` characters are to blame."""

    code = "refused_statement"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        line: int | None = None,
        col: int | None = None,
        length: int | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.line = line
        self.col = col
        self.length = length


class NotFoundError(InputError):
    """A named thing does not exist here."""

    code = "not_found"


class TransientError(UpshotError):
    """The same call may succeed later; `retry_after` is in seconds."""

    code = "unavailable"

    def __init__(self, message: str, *, code: str | None = None, hint: str | None = None, retry_after: int = 1) -> None:
        super().__init__(message, code=code, hint=hint)
        self.retry_after = retry_after
