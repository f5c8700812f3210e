"""Places in SQL text: how long the token is that a refusal points at, and which column was probably meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from queries.guard.names import folded, nearest
from warehouse.schema import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from warehouse.errors import QueryError

_TOKEN = re.compile(
    r"""
      [eE]'(?:[^'\\]|\\.|'')*+'                       # text with escapes
    | '(?:[^']|'')*+' | "(?:[^"]|"")*+"               # text, quoted name
    | \$(?P<tag>(?:[^\W\d]\w*+)?)\$.*?\$(?P=tag)\$    # text between dollars
    | \$\w++                                          # parameter
    | (?:\d[\d_]*+(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?(?:[xX][0-9a-fA-F]++)?   # number
    | [^\W\d]\w*+                                     # name, keyword
    | --[^\n]*+ | /\*.*?\*/
    | ->>|!~~\*|!~~|~~\*|~~~|<=>|<->|::|:=|->|=>|<=|>=|<>|!=|==|\|\||//|\*\*|<<|>>|~~|!~|\^@|@>|<@|&&
    | .
    """,
    re.VERBOSE | re.DOTALL,
)

_QUOTED = re.compile(r'"([^"\n]+)"')
_WORD_CHARACTERS = 4
"""A name of so many characters is looked for inside the names of columns."""


def token_length(sql: str, line: int, col: int) -> int:
    """Return how many characters the token has that begins at `line` and `col`, both from 1.

    A token is a name, a quoted name, a number, a text, a parameter, a comment or an operator. Within white space, an
    unclosed text or beyond the end the length is 1, so that there is always something to underline.
    """
    lines = sql.split("\n")
    if not (0 < line <= len(lines) and 0 < col <= len(lines[line - 1])):
        return 1
    offset = sum(len(one) + 1 for one in lines[: line - 1]) + col - 1
    found = _TOKEN.match(sql, offset)
    return len(found[0]) if found else 1


def nearest_column(name: str, tables: Iterable[str]) -> str | None:
    """Return the column of these public tables that is most like `name`, if any is like it."""
    columns = sorted({column.name for table in tables if table in TABLE for column in TABLE[table].columns})
    if near := nearest(name, columns):
        return near
    wanted = folded(name)
    holding = [column for column in columns if len(wanted) >= _WORD_CHARACTERS and wanted in column]
    return min(holding, key=len, default=None)


def with_column_hint(error: QueryError, tables: Iterable[str]) -> QueryError:
    """Return an error about an unknown column with the nearest one as its hint, where the engine named none."""
    names = _QUOTED.findall(error.message)
    if error.code == "unknown_column" and error.hint is None:
        near = next((one for name in reversed(names) if (one := nearest_column(name, tables))), None)
        error.hint = f"did you mean {near}?" if near else "GET /v1/tables lists the columns of each table"
    return error
