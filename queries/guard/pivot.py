"""Dynamic PIVOT: where its list of values is missing, and the query that finds them (DESIGN section 7).

DuckDB serves `PIVOT t ON x USING sum(y)` by asking for the values of x first, in a statement of its own. The guard does
the same in plain sight: the query for the values is guarded like any other, the list is spliced into the caller's text,
and that text is checked again. So nothing here need be trusted; a text it misreads is refused by the gates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from queries.guard.names import position
from queries.guard.tokens import Token, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAX_VALUES = 1_000
"""Values of one list that are asked for."""
MAX_GAPS = 16
"""Lists of one statement that are asked for."""

_PIVOTS = frozenset({"PIVOT", "PIVOT_WIDER"})
_AFTER_LIST = frozenset({"USING", "GROUP", "ORDER", "LIMIT", "OFFSET", "UNION", "EXCEPT", "INTERSECT"})
_JOINS_WITHOUT_ON = frozenset({"CROSS", "NATURAL", "POSITIONAL"})
_QUERY_STARTS = frozenset({"SELECT", "FROM", "WITH", "VALUES", "TABLE"})

_UNWRITABLE = re.compile(r"[\x01-\x08\x0b-\x1f\x7f\ufeff]")
"""Characters of data that gate 1 takes in no text; `E''` says them by their bytes."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A place in a text where a PIVOT's values have to be written, and how to find them."""

    start: int
    end: int
    """The expression that needs a list behind it; or the query of `IN (SELECT ...)`, which a list replaces."""
    expression: str
    values: str
    """SQL of the values: one column of text, at most one row above `MAX_VALUES`."""
    query: bool
    """Whether the caller wrote a query for the values; they then keep its order, else they are sorted."""

    def filled(self, sql: str, values: Iterable[str]) -> tuple[str, list[Splice]]:
        """Return `sql` with a list in this place, and what that moved.

        The expression gets brackets: `a || b IN ('x')` would read as `a || (b IN ('x'))`.
        """
        inside = ", ".join(literal(value) for value in values)
        if self.query:
            return sql[: self.start] + inside + sql[self.end :], [
                Splice(self.start, self.end - self.start, len(inside))
            ]
        behind = f") IN ({inside})"
        text = f"{sql[: self.start]}({sql[self.start : self.end]}{behind}{sql[self.end :]}"
        return text, [Splice(self.start, 0, 1), Splice(self.end + 1, 0, len(behind))]


@dataclass(frozen=True, slots=True)
class Splice:
    """One replacement in a text, in characters."""

    start: int
    removed: int
    added: int

    def before(self, offset: int) -> int:
        """Return where the character now at `offset` stood before; the start for what is new."""
        if offset < self.start:
            return offset
        return max(self.start, offset - self.added + self.removed)


def place_before(sql: str, splices: Sequence[Splice], completed: str, line: int, col: int) -> tuple[int, int]:
    """Return line and column in the caller's `sql` of a place in the text that `splices`, in order, made of it."""
    offset = sum(len(text) + 1 for text in completed.split("\n")[: line - 1]) + col - 1
    for splice in reversed(splices):
        offset = splice.before(offset)
    return position(sql, min(offset, len(sql)))


def literal(value: str) -> str:
    r"""Return a SQL literal of any text without NUL, written without the characters that gate 1 refuses.

    Only those need the escaping form `E''`; plain quotes know no escape but the doubled quote.
    """
    quoted = value.replace("'", "''")
    if not _UNWRITABLE.search(value):
        return f"'{quoted}'"
    escaped = _UNWRITABLE.sub(
        lambda found: "".join(f"\\x{byte:02x}" for byte in found[0].encode()), quoted.replace("\\", "\\\\")
    )
    return f"E'{escaped}'"


@dataclass(frozen=True, slots=True)
class _Group:
    """A bracket and what it holds."""

    items: list[Token | _Group]
    start: int
    end: int


_Item = Token | _Group


def gaps(sql: str) -> Iterator[Gap]:
    """Yield the places where values are missing, each after those that its own query for values depends on.

    `sql` has passed gate 1: its brackets and quotes close.
    """
    yield from _in(sql, _grouped(sql), ())


def _grouped(sql: str) -> list[_Item]:
    stack: list[tuple[int, list[_Item]]] = [(0, [])]
    for token in tokens(sql):
        if token.kind == "open":
            stack.append((token.start, []))
        elif token.kind == "close" and len(stack) > 1:
            start, items = stack.pop()
            stack[-1][1].append(_Group(items, start, token.end))
        else:
            stack[-1][1].append(token)
    return stack[0][1]


def _word(items: Sequence[_Item], at: int) -> str:
    """Return the word at an index, in capitals; empty for anything else."""
    item = items[at] if 0 <= at < len(items) else None
    return item.text.upper() if isinstance(item, Token) and item.kind == "word" else ""


def _in(sql: str, items: list[_Item], withs: tuple[str, ...]) -> Iterator[Gap]:
    """Yield the gaps between two brackets; `withs` has the WITH clauses that are visible there, outermost first."""
    main = 0
    own = ""
    if _word(items, 0) == "WITH":
        for at, item in enumerate(items):
            if isinstance(item, _Group) and _word(items, at - 1) in {"AS", "MATERIALIZED"}:
                yield from _in(sql, item.items, (*withs, own))
                own = sql[items[0].start : item.end]
                main = at + 1
                if not (main < len(items) and isinstance(comma := items[main], Token) and comma.kind == "comma"):
                    break
    visible = (*withs, own)
    for item in items[main:]:
        if isinstance(item, _Group):
            yield from _in(sql, item.items, visible)
    for at in range(main, len(items)):
        if _word(items, at) in _PIVOTS:
            yield from _of_pivot(sql, items, at, visible)


def _of_pivot(sql: str, items: list[_Item], at: int, withs: tuple[str, ...]) -> Iterator[Gap]:
    """Yield the gaps of the statement `PIVOT source ON entries` whose first word is at an index.

    The other form, `FROM source PIVOT (... FOR x IN (...))`, always has its lists: DuckDB's grammar wants them.
    """
    following = items[at + 1] if at + 1 < len(items) else None
    if isinstance(following, _Group) and any(_word(following.items, i) == "FOR" for i in range(len(following.items))):
        return
    on = _on(items, at + 1)
    if on <= at + 1:
        return
    source = sql[items[at + 1].start : items[on - 1].end]
    for entry in _entries(items, on + 1):
        listed = _list(entry)
        if listed is None:
            expression = sql[entry[0].start : entry[-1].end]
            values = (
                f"SELECT DISTINCT CAST({expression} AS VARCHAR) FROM {source} WHERE ({expression}) IS NOT NULL "
                f"LIMIT {MAX_VALUES + 1}"
            )
            yield Gap(entry[0].start, entry[-1].end, expression, _within(withs, values), query=False)
        elif isinstance(listed, _Group) and _word(listed.items, 0) in _QUERY_STARTS:
            inner = sql[listed.start + 1 : listed.end - 1]
            values = f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (\n{inner}\n) LIMIT {MAX_VALUES + 1}"
            expression = sql[entry[0].start : entry[-1].end]
            yield Gap(listed.start + 1, listed.end - 1, expression, _within(withs, values), query=True)


def _on(items: list[_Item], at: int) -> int:
    """Return the index of the ON that belongs to the PIVOT itself and not to a join in its source; 0 without one."""
    waiting = 0
    for i in range(at, len(items)):
        word = _word(items, i)
        if word == "JOIN" and not {_word(items, i - 1), _word(items, i - 2)} & _JOINS_WITHOUT_ON:
            waiting += 1
        elif word in {"ON", "USING"} and waiting:
            waiting -= 1
        elif word == "ON":
            return i
        elif word in _AFTER_LIST or word in _PIVOTS:
            return 0
    return 0


def _entries(items: list[_Item], at: int) -> Iterator[list[_Item]]:
    """Yield what stands between the commas of the list behind ON."""
    entry: list[_Item] = []
    for i in range(at, len(items)):
        item = items[i]
        if _word(items, i) in _AFTER_LIST or (isinstance(item, Token) and item.kind == "end"):
            break
        if isinstance(item, Token) and item.kind == "comma":
            if entry:
                yield entry
            entry = []
        else:
            entry.append(item)
    if entry:
        yield entry


def _list(entry: list[_Item]) -> _Item | None:
    """Return what stands behind the IN of an entry, if it has one; that of a condition between CASE and END is none."""
    cases = 0
    for i in range(len(entry) - 1):
        word = _word(entry, i)
        cases += (word == "CASE") - (word == "END")
        if word == "IN" and not cases:
            return entry[i + 1]
    return None


def _within(withs: Sequence[str], values: str) -> str:
    """Return a query in the sight of WITH clauses; an inner one may hide names of an outer one, so they nest."""
    sql = values
    clauses = [clause for clause in withs if clause]
    for i, clause in enumerate(reversed(clauses)):
        sql = f"{clause}\n{sql}" if i == 0 else f"{clause}\nSELECT * FROM (\n{sql}\n)"
    return sql
