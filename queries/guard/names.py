"""Names in SQL text: how DuckDB folds them, where they stand, and which known name was probably meant."""

from __future__ import annotations

import difflib
import string
from typing import TYPE_CHECKING

from warehouse.errors import QueryError, shown
from warehouse.schema import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

_COMPARED = 64
"""Characters of a name that are compared; `difflib` is quadratic."""

PUBLIC_PATHS = frozenset({(name,) for name in TABLE} | {("main", name) for name in TABLE})
"""The paths under which SQL may name a public table."""


def folded(name: str) -> str:
    """Return `name` as DuckDB compares it: only ASCII letters lose their case.

    `str.lower` would fold more (the Kelvin sign to `k`) and so call names equal that the engine keeps apart.
    """
    return name.translate(_ASCII_LOWER)


def position(sql: str, offset: int) -> tuple[int, int]:
    """Return line and column, both from 1, of the character at `offset`."""
    before = sql[:offset]
    return before.count("\n") + 1, offset - before.rfind("\n")


def byte_position(sql: str, offset: int) -> tuple[int, int]:
    """Return line and column, both from 1, of the character at UTF-8 byte `offset`."""
    return position(sql, len(sql.encode()[:offset].decode(errors="ignore")))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like `name`, if any is like it."""
    matches = difflib.get_close_matches(folded(name[:_COMPARED]), known, n=1)
    return matches[0] if matches else None


def unknown_table(name: str, place: tuple[int, int] | None) -> QueryError:
    """Return the refusal of a table name; the same for a name that is hidden and one that does not exist."""
    near = nearest(name.rsplit(".", 1)[-1], TABLE)
    line, col = place or (None, None)
    return QueryError(
        f"there is no table {shown(name)}",
        code="unknown_table",
        hint=f"did you mean {near}?" if near else "GET /v1/tables lists the tables",
        line=line,
        col=col,
    )


def refused_function(name: str, known: Iterable[str], place: tuple[int, int] | None) -> QueryError:
    """Return the refusal of a function that is not among the `known` ones."""
    near = nearest(name, known)
    line, col = place or (None, None)
    return QueryError(
        f"function {shown(name)} is not available",
        code="refused_function",
        hint=f"did you mean {near}?" if near else None,
        line=line,
        col=col,
    )
