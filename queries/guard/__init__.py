"""SQL text -> `GuardedQuery`: refused unless every gate agrees (DESIGN section 7).

Gate 1 (`precheck`) bounds the text, gate 2 (`resolve`) explains with sqlglot, gate 3 (`duckdb_ast`) decides over
DuckDB's own tree. Gates 4 and 5, the locked engine and the process that is killed, are not here: the guard is a layer
before them, never instead of them. The text that was checked is the text that runs.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from queries.guard.duckdb_ast import NO_SELECT, Node, Tree, checked_tree
from queries.guard.names import folded, position
from queries.guard.precheck import prechecked
from queries.guard.resolve import Resolved, resolved
from warehouse.errors import QueryError, shown

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GuardedQuery", "check", "check_condition"]

_LOG = logging.getLogger(__name__)

_DYNAMIC_PIVOT_HINT = "list the columns that PIVOT makes: PIVOT t ON x IN ('a', 'b') USING count(*)"


@dataclass(frozen=True, slots=True)
class GuardedQuery:
    """One statement that passed; only `check` makes it."""

    sql: str
    """The caller's own text, without trailing semicolons and white space."""
    tables: frozenset[str]
    """Public tables it reads."""
    functions: frozenset[str]
    """Functions and operators it calls, in lower case."""
    statement: Node = field(repr=False)
    """DuckDB's own tree of it."""


def check(sql: str, serialize: Callable[[str], str], parameters: int | frozenset[str] = 0) -> GuardedQuery:
    """Return `sql` as a guarded query.

    Args:
        sql: one statement from a stranger.
        serialize: SQL text -> the JSON of DuckDB's `json_serialize_sql`, on a locked connection.
        parameters: how many positional parameters the caller binds, or the names of named ones.

    Raises:
        QueryError: `too_large`, `syntax`, `refused_statement`, `refused_function`, `unknown_table` or `bad_parameter`;
            with line and column where one place is to blame.
    """
    try:
        text = prechecked(sql)
        try:
            seen = resolved(text)
            tree = _tree(text, serialize, seen)
        except RecursionError:
            raise QueryError("the statement is nested too deeply", hint="name its parts in WITH") from None
        _check_parameters(tree.parameters, parameters)
    except QueryError as error:
        raise _placed(error, sql) from error.__cause__
    if tree.tables != seen.tables:
        _LOG.warning("guard gates disagree on tables: sqlglot %s, duckdb %s", sorted(seen.tables), sorted(tree.tables))
    return GuardedQuery(text, tree.tables, tree.functions, tree.statement)


def _placed(error: QueryError, sql: str) -> QueryError:
    """Return a refusal with a place, the statement's first character where no other is to blame, and a hint."""
    if error.line is None:
        error.line, error.col = position(sql, len(sql) - len(sql.lstrip()) if sql.strip() else 0)
    if error.hint is None and error.code == "refused_statement":
        error.hint = "write one SELECT (it may begin with WITH, FROM or VALUES) over the tables of GET /v1/tables"
    return error


def check_condition(condition: str, table: str, serialize: Callable[[str], str]) -> str:
    """Return `condition` when it is one condition over a row of `table`, fit to stand in brackets on a line of its own.

    Its brackets, quotes and comments close in itself, so it cannot reach beyond the brackets put around it.

    Raises:
        QueryError: as `check`; positions count in the condition's own text.
    """
    text = prechecked(condition)
    head = f"SELECT 1 FROM {table} WHERE (\n"
    try:
        check(f"{head}{text}\n)", serialize)
    except QueryError as error:
        if error.line is not None:
            error.line = max(1, error.line - 1)
        raise
    return text


def _tree(sql: str, serialize: Callable[[str], str], seen: Resolved) -> Tree:
    """Return gate 3's reading; a PIVOT without its list of values is the one refusal that gate 2 explains better."""
    try:
        return checked_tree(sql, serialize(sql))
    except QueryError as error:
        if error.message == NO_SELECT and seen.pivots:
            raise QueryError(
                "the columns of this PIVOT are only known when it runs", hint=_DYNAMIC_PIVOT_HINT
            ) from error
        raise


def _check_parameters(used: frozenset[str], given: int | frozenset[str]) -> None:
    """Refuse parameters that nobody binds, for DuckDB would look for a variable of the name, and values nobody uses."""
    names = frozenset(str(i + 1) for i in range(given)) if isinstance(given, int) else given
    folded_names = {folded(name) for name in names}
    for name in sorted(used):
        if folded(name) not in folded_names:
            raise QueryError(f"parameter {shown(name)} has no value", code="bad_parameter")
    for name in sorted(names):
        if folded(name) not in {folded(one) for one in used}:
            raise QueryError(f"parameter {shown(name)} is not in the statement", code="bad_parameter")
