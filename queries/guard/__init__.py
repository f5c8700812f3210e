"""SQL text -> `GuardedQuery`: refused unless every gate agrees (DESIGN section 7).

Gate 1 (`precheck`) bounds the text, gate 2 (`resolve`) explains with sqlglot, gate 3 (`duckdb_ast`) decides over
DuckDB's own tree. Gates 4 and 5, the locked engine and the process that is killed, are not here: the guard is a layer
before them, never instead of them. The text that was checked is the text that runs.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from queries.guard.duckdb_ast import NO_SELECT, Node, Tree, checked_tree
from queries.guard.names import folded, position
from queries.guard.pivot import MAX_GAPS, MAX_VALUES, Gap, Splice, gaps, place_before
from queries.guard.precheck import prechecked
from queries.guard.resolve import Resolved, resolved
from warehouse.errors import QueryError, shown

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GuardedQuery", "check", "check_condition", "complete", "unlisted"]

_LOG = logging.getLogger(__name__)

_DYNAMIC_PIVOT = "the columns of this PIVOT are only known when it runs"
_HOW_REFUSED = frozenset({"refused_statement", "syntax"})
"""How `check` refuses a dynamic PIVOT: DuckDB serialises none, and sqlglot cannot read all of them."""
_DYNAMIC_PIVOT_HINT = "list the columns that PIVOT makes: PIVOT t ON x IN ('a', 'b') USING count(*)"


@dataclass(frozen=True, slots=True)
class GuardedQuery:
    """One statement that passed; only `check` and `complete` make it."""

    sql: str
    """The caller's own text, without trailing semicolons and white space; with its PIVOT lists when `completed`."""
    tables: frozenset[str]
    """Public tables it reads."""
    functions: frozenset[str]
    """Functions and operators it calls, in lower case."""
    statement: Node = field(repr=False)
    """DuckDB's own tree of it."""
    parameters: frozenset[str] = frozenset()
    """The caller's parameters that it uses, by the caller's names; `1` is the first of positional ones."""
    completed: tuple[str, tuple[Splice, ...]] | None = field(default=None, repr=False)
    """What `complete` made `sql` of: the caller's text, and what was put into it."""

    def placed(self, error: QueryError) -> QueryError:
        """Return `error` with its place in `sql` turned into the place in the caller's text."""
        if self.completed is not None and error.line is not None:
            error.line, error.col = place_before(*self.completed, self.sql, error.line, error.col or 1)
        return error


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
    return _checked(sql, serialize, parameters)


def _checked(
    sql: str, serialize: Callable[[str], str], parameters: int | frozenset[str], *, all_used: bool = True
) -> GuardedQuery:
    names = frozenset(str(i + 1) for i in range(parameters)) if isinstance(parameters, int) else parameters
    try:
        text = prechecked(sql)
        try:
            seen = resolved(text)
            tree = _tree(text, serialize, seen)
        except RecursionError:
            raise QueryError("the statement is nested too deeply", hint="name its parts in WITH") from None
        used = _check_parameters(tree.parameters, names, all_used=all_used)
    except QueryError as error:
        raise _placed(error, sql) from error.__cause__
    if tree.tables != seen.tables:
        _LOG.warning("guard gates disagree on tables: sqlglot %s, duckdb %s", sorted(seen.tables), sorted(tree.tables))
    return GuardedQuery(text, tree.tables, tree.functions, tree.statement, used)


def unlisted(sql: str) -> bool:
    """Tell whether a text has a PIVOT without its list of values, so that only `complete` can serve it."""
    if "pivot" not in sql.lower():
        return False
    try:
        prechecked(sql)
    except QueryError:
        return False
    return next(gaps(sql), None) is not None


def complete(
    sql: str,
    serialize: Callable[[str], str],
    parameters: int | frozenset[str],
    ask: Callable[[GuardedQuery], list[tuple[str | None, ...]]],
) -> GuardedQuery:
    """Return `sql` as a guarded query; a PIVOT without its list of values gets one, from the rows themselves.

    The result is what DuckDB's own dynamic PIVOT gives, as long as `ask` and the query read the same rows.

    Args:
        sql: one statement from a stranger.
        serialize: SQL text -> the JSON of DuckDB's `json_serialize_sql`, on a locked connection.
        parameters: how many positional parameters the caller binds, or the names of named ones.
        ask: runs a guarded query with those of the caller's named parameters that it names in `parameters`, and
            returns its rows, at most `pivot.MAX_VALUES + 1` of one text each. Called once for every missing list, never
            for a text that `check` would refuse for another reason.

    Raises:
        QueryError: as `check`; `refused_statement` for no values, above `MAX_VALUES` of them or `MAX_GAPS` lists; what
            `ask` raises, placed at the PIVOT. Lines and columns count in `sql`.
    """
    if not unlisted(sql):
        return check(sql, serialize, parameters)
    try:
        return check(sql, serialize, parameters)
    except QueryError as refusal:
        if refusal.code not in _HOW_REFUSED:
            raise
        try:
            _completed(sql, serialize, parameters, lambda _: ["-"])  # what else is wrong is said before anything runs
        except QueryError as error:
            raise (error if refusal.message == _DYNAMIC_PIVOT and error.code != "syntax" else refusal) from None
    return _completed(sql, serialize, parameters, lambda gap: _values(gap, serialize, parameters, ask))


def _completed(
    sql: str,
    serialize: Callable[[str], str],
    parameters: int | frozenset[str],
    values: Callable[[Gap], list[str]],
) -> GuardedQuery:
    """Return `sql` with `values` in all its gaps, checked."""
    text = sql
    splices: list[Splice] = []
    asked = 0
    while gap := next(gaps(text), None):
        line, col = place_before(sql, splices, text, *position(text, gap.start))
        asked += 1
        if asked > MAX_GAPS:
            message = f"more than {MAX_GAPS} lists of PIVOT are missing"
            raise QueryError(message, hint=_DYNAMIC_PIVOT_HINT, line=line, col=col)
        try:
            found = values(gap)
        except QueryError as error:
            error.line, error.col = line, col
            raise
        text, made = gap.filled(text, found)
        splices += made
    try:
        query = check(text, serialize, parameters)
    except QueryError as error:
        if error.line is not None:
            error.line, error.col = place_before(sql, splices, text, error.line, error.col or 1)
        raise
    return replace(query, completed=(sql, tuple(splices)))


def _values(
    gap: Gap,
    serialize: Callable[[str], str],
    parameters: int | frozenset[str],
    ask: Callable[[GuardedQuery], list[tuple[str | None, ...]]],
) -> list[str]:
    """Return the values for one gap: distinct, without NULL, in the order that DuckDB's own PIVOT has."""
    named = frozenset[str]() if isinstance(parameters, int) else parameters
    try:
        query = _checked(gap.values, serialize, named, all_used=False)
    except QueryError as error:
        if error.code == "bad_parameter":
            raise QueryError(
                "a PIVOT without its list cannot have positional parameters in what it reads",
                hint="name them ($name), or list the values",
            ) from error
        raise
    rows = ask(query)
    if any(len(row) != 1 for row in rows):
        raise QueryError("the query in IN must have one column", code="engine_error")
    found = list(dict.fromkeys(str(row[0]) for row in rows if row[0] is not None))
    if not found:
        raise QueryError(f"PIVOT finds no value of {shown(gap.expression)}", hint=_DYNAMIC_PIVOT_HINT)
    if len(rows) > MAX_VALUES:
        raise QueryError(
            f"PIVOT finds more than {MAX_VALUES} values of {shown(gap.expression)}", hint=_DYNAMIC_PIVOT_HINT
        )
    return found if gap.query else sorted(found)


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
            raise QueryError(_DYNAMIC_PIVOT, hint=_DYNAMIC_PIVOT_HINT) from error
        raise


def _check_parameters(used: frozenset[str], names: frozenset[str], *, all_used: bool) -> frozenset[str]:
    """Return the names that are used.

    Parameters that nobody binds are refused, for DuckDB would look for a variable of the name, and with `all_used`
    values that nobody uses.
    """
    folded_names = {folded(name) for name in names}
    for name in sorted(used):
        if folded(name) not in folded_names:
            raise QueryError(f"parameter {shown(name)} has no value", code="bad_parameter")
    folded_used = {folded(name) for name in used}
    bound = frozenset(name for name in names if folded(name) in folded_used)
    for name in sorted(names - bound) if all_used else ():
        raise QueryError(f"parameter {shown(name)} is not in the statement", code="bad_parameter")
    return bound
