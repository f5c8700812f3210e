"""Gate 2: sqlglot's reading of the text: one SELECT, its tables by lexical scope, and the diagnostics a person can use.

Only the node API is used, never names of arguments: those move between releases of sqlglot (`with` became `with_` in
30), and code that reads them then silently sees nothing (reference: sql-guard 3).
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, ParseError

from queries.guard.functions import ALLOWED, TABLE_FUNCTIONS
from queries.guard.names import PUBLIC_PATHS, folded, position, refused_function, unknown_table
from warehouse.errors import QueryError, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ROOTS = (exp.Query, exp.Values, exp.Pivot)

_TOKEN = re.compile(r" but got <Token.*>")
"""sqlglot's own form of a token, which tells a reader nothing."""

_PIVOT = re.compile(r"\bPIVOT", re.IGNORECASE)
_PIVOT_HINT = "sqlglot reads PIVOT best on its own in FROM: SELECT * FROM (PIVOT t ON x USING count(*)) ORDER BY y"

_REFUSED = (
    exp.DDL,
    exp.Insert,
    exp.Update,
    exp.Delete,
    exp.Merge,
    exp.Command,
    exp.Describe,
    exp.Summarize,
    exp.Show,
    exp.Pragma,
    exp.Set,
    exp.Into,
    exp.Copy,
    exp.Attach,
    exp.Detach,
)
"""Nodes that no query has at any depth; `exp.Query` is none of them."""

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # a refused statement is no news for the log


@dataclass(frozen=True, slots=True)
class Resolved:
    """What sqlglot sees in a statement: public tables, and whether it has a PIVOT."""

    tables: frozenset[str]
    pivots: bool


def resolved(sql: str) -> Resolved:
    """Return the tables of `sql`, which must be one query.

    Raises:
        QueryError: `syntax`, `refused_statement`, `refused_function` or `unknown_table`, with line and column.
        RecursionError: the statement is nested too deeply for the parser.
    """
    root = _parsed(sql)
    nodes = list(root.walk())
    for node in nodes:
        if isinstance(node, _REFUSED):
            raise QueryError(f"{node.key.upper()} is refused: only a SELECT can be run", hint=_hint(node))
    withs = {id(node.parent): node for node in nodes if isinstance(node, exp.With)}
    tables = frozenset(name for node in nodes if isinstance(node, exp.Table) for name in _public(sql, node, withs))
    for node in nodes:
        if isinstance(node, exp.Anonymous):
            _check_function(sql, node)
    return Resolved(tables, any(isinstance(node, exp.Pivot) for node in nodes))


def _parsed(sql: str) -> exp.Expr:
    try:
        found = sqlglot.parse(sql, dialect="duckdb", error_level=ErrorLevel.IMMEDIATE)
    except ParseError as error:
        raise _syntax(error, _PIVOT_HINT if _PIVOT.search(sql) else None) from error
    except (RecursionError, MemoryError):
        raise
    except Exception as error:  # beside its own errors the parser trips over some texts (`{: 2}`: AttributeError)
        raise QueryError("the text cannot be read as SQL", code="syntax") from error
    statements = [tree for tree in found if tree is not None and not isinstance(tree, exp.Semicolon)]
    if not statements:
        raise QueryError("there is no statement", code="syntax")
    if len(statements) != 1:
        raise QueryError(f"the text has {len(statements)} statements, one is run")
    root = statements[0]
    if not isinstance(root, _ROOTS):
        kind = root.name if isinstance(root, exp.Command | exp.Column) else root.key.upper()
        raise QueryError(f"{shown(kind)} is refused: only a SELECT can be run", hint=_hint(root))
    return root


def _syntax(error: ParseError, hint: str | None) -> QueryError:
    """Return sqlglot's complaint with its place; its highlighted excerpt is left out."""
    first = error.errors[0] if error.errors else {}
    description = _TOKEN.sub("", str(first.get("description") or "the text cannot be parsed"))
    near = str(first.get("highlight") or "")
    message = description[:1].lower() + description[1:].rstrip(".")
    line, column = cast("int | None", first.get("line")), cast("int | None", first.get("col"))
    col = None if column is None else max(1, column - len(near) + 1)  # sqlglot points at a token's last character
    text = f"{message} near {shown(near)}" if near else message
    return QueryError(text, code="syntax", hint=hint, line=line, col=col)


def _hint(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Describe | exp.Summarize | exp.Show):
        return "GET /v1/tables lists tables and columns"
    return None


def _public(sql: str, table: exp.Table, withs: Mapping[int, exp.With]) -> Iterator[str]:
    """Yield the public table that `table` names; nothing for a function or a common table expression."""
    if not isinstance(table.this, exp.Identifier):
        return
    written = [part for part in (table.catalog, table.db, table.name) if part]
    path = tuple(folded(part) for part in written)
    if path and path[:-1] in {(), ("recurring",)} and _is_cte(table, path[-1], withs):
        return
    if path not in PUBLIC_PATHS:
        raise unknown_table(".".join(written), _place(sql, table.this))
    yield path[-1]


def _is_cte(table: exp.Expr, name: str, withs: Mapping[int, exp.With]) -> bool:
    """Tell whether a common table expression `name` is visible where `table` stands.

    Going outward, a WITH shows all its expressions to its statement, and to one of its own expressions only those
    before it (with RECURSIVE itself too). `withs` has the WITH of a statement by the statement's `id`.
    """
    inner: exp.Expr = table
    outer = table.parent
    while outer is not None:
        if isinstance(outer, exp.With):
            visible = _until(outer, inner)
        elif id(outer) in withs and inner is not withs[id(outer)]:
            visible = _ctes(withs[id(outer)])
        else:
            visible = []
        if any(folded(cte.alias) == name for cte in visible):
            return True
        inner, outer = outer, outer.parent
    return False


def _ctes(clause: exp.With) -> list[exp.CTE]:
    return [cte for cte in clause.iter_expressions() if isinstance(cte, exp.CTE)]


def _until(clause: exp.With, own: exp.Expr) -> list[exp.CTE]:
    ctes = _ctes(clause)
    at = next((i for i, cte in enumerate(ctes) if cte is own), 0)
    return ctes[: at + 1] if clause.recursive else ctes[:at]


def _check_function(sql: str, function: exp.Anonymous) -> None:
    """Refuse a function that sqlglot does not know and no list has; the known ones have lost their spelling by now."""
    name = function.name
    if folded(name) not in ALLOWED | TABLE_FUNCTIONS:
        raise refused_function(name, ALLOWED, _place(sql, function))


def _place(sql: str, node: exp.Expr) -> tuple[int, int] | None:
    start = node.meta.get("start")
    return position(sql, start) if isinstance(start, int) else None
