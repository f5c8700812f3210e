"""What a query would read, told from the manifest before it runs, and how little must change for it to read less."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from queries.guard.names import byte_position, folded
from queries.tree import every_node
from warehouse.errors import QueryError
from warehouse.pruning import Between, Wish, may_hold
from warehouse.schema import FILE, TABLE
from warehouse.views import sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from queries.guard import GuardedQuery
    from queries.tree import Node
    from warehouse.manifest import SealedFile
    from warehouse.pruning import Wishes

_MINUTE_US = 60_000_000
_HOUR_US = 60 * _MINUTE_US
_DAY_US = 24 * _HOUR_US
_SLACK_US = _MINUTE_US
"""How much wider than written `queries.pruning` takes a limit of time."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_JOINS = frozenset({"INNER", "LEFT", "RIGHT"})
_REFERENCES = frozenset({"REGULAR", "CROSS"})
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")
_STEP = 1000


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a query is given to read; it may read less."""

    files: int
    rows: int
    bytes: int

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.files} file{'s'[: self.files != 1]}, {size(self.bytes)}"


@dataclass(frozen=True, slots=True)
class Narrowing:
    """A lower limit of time for each reading of some tables that makes a query fit its budget."""

    columns: Mapping[str, str]
    """Public table -> its column."""
    since: int
    """Microseconds since 1970, the beginning of a day, else of an hour or a minute."""
    leaves: Estimate
    """What the whole query then reads."""


def size(count: int) -> str:
    """Return a number of bytes as people write it: `340 MB`."""
    value, unit = float(count), 0
    while value >= _STEP and unit < len(_UNITS) - 1:
        value, unit = value / _STEP, unit + 1
    return f"{value:.3g} {_UNITS[unit]}" if value < _STEP - 0.5 else f"{value:.0f} {_UNITS[unit]}"


def estimate(files: Sequence[SealedFile]) -> Estimate:
    """Return what reading these files takes."""
    return Estimate(len(files), sum(file.rows for file in files), sum(file.bytes for file in files))


def over_budget(
    query: GuardedQuery,
    files_of: Callable[[str], Sequence[SealedFile]],
    wishes: Wishes,
    budget_bytes: int,
    *,
    past: bool = False,
) -> QueryError | None:
    """Return the refusal of a query that would read more than `budget_bytes`, None when it may run.

    Args:
        query: the checked statement.
        files_of: file table -> its live files.
        wishes: what rows it can want (`queries.pruning.wishes`).
        budget_bytes: how many bytes of files one query may be given.
        past: it is asked as known at an earlier time; then conditions leave no file out.

    The hint names the cheapest narrowing: the lower limit of time that leaves the most days of the costliest table, or
    of several when one is not enough, and still fits. It is computed from the bounds of the files, so it holds.
    """
    chosen = {name: _chosen(files_of(name), wishes.get(name)) for name in sorted(sources(query.tables))}
    total = estimate([file for files in chosen.values() for file in files])
    if total.bytes <= budget_bytes:
        return None
    narrowed = None if past else narrowing(query, chosen, wishes, budget_bytes)
    line, col = _place(query, narrowed, chosen)
    return QueryError(
        f"the query would read {size(total.bytes)} in {total.files} files, at most {size(budget_bytes)} are read",
        code="too_large",
        hint=_worded(query, narrowed, chosen) if narrowed else _hint(query, chosen, past=past),
        line=line,
        col=col,
    )


def narrowing(
    query: GuardedQuery, chosen: Mapping[str, Sequence[SealedFile]], wishes: Wishes, budget_bytes: int
) -> Narrowing | None:
    """Return the narrowing that leaves the longest time and fits, None when no lower limit of time does.

    Args:
        query: the checked statement.
        chosen: file table -> the files it would be given.
        wishes: what rows it can want already.
        budget_bytes: how many bytes it may be given.
    """
    costs = {name: sum(file.bytes for file in files) for name, files in chosen.items()}
    tables = sorted(_choosable(query), key=lambda table: (-costs[TABLE[table].source], table))
    for count in range(1, len(tables) + 1):
        best: Narrowing | None = None
        for columns in _columns(tables[:count], chosen):
            found = _since(columns, chosen, wishes, budget_bytes)
            if found and (best is None or found.since < best.since):
                best = found
        if best:
            return best
    return None


def _choosable(query: GuardedQuery) -> list[str]:
    """Return the tables a query reads whose files a condition can choose.

    That needs a WHERE beside each reading of it, and no view that reads the same files.
    """
    views = sources(frozenset(table for table in query.tables if not TABLE[table].source))
    plainly = [id(reading.node) for reading in _readings(query)]
    hidden = {folded(node["table_name"]) for node in _references(query) if id(node) not in plainly}
    return [one for one in query.tables if TABLE[one].source not in views | {""} and one not in hidden]


@dataclass(frozen=True, slots=True)
class _Reading:
    """A place where a table is read and a WHERE can choose its files (see `queries.pruning`)."""

    table: str
    node: Node
    select: int
    """Which SELECT of the statement it is in."""
    alone: bool
    """It is all of that SELECT's FROM."""

    def condition(self, column: str, when: str) -> str:
        """Return a lower limit of time as this SELECT would write it."""
        prefix = "" if self.alone else f"{self.node.get('alias') or self.table}."
        return f"{prefix}{column} >= '{when}'"


def _readings(query: GuardedQuery) -> list[_Reading]:
    """Return every place where a FROM joins a public table plainly."""
    found: list[_Reading] = []
    selects = [one for one in every_node(query.statement) if one.get("type") == "SELECT_NODE"]
    for number, select in enumerate(selects):
        todo: list[Node] = [] if select.get("sample") else [select.get("from_table") or {}]
        alone = bool(todo) and todo[0].get("type") == "BASE_TABLE"
        while todo:
            node = todo.pop()
            if node.get("sample") or node.get("column_name_alias"):
                continue
            if node.get("type") == "BASE_TABLE" and folded(node["table_name"]) in query.tables:
                found.append(_Reading(folded(node["table_name"]), node, number, alone))
            elif node.get("join_type") in _JOINS and node.get("ref_type") in _REFERENCES:
                todo += [node["left"], node["right"]]
    return found


def _columns(tables: Sequence[str], chosen: Mapping[str, Sequence[SealedFile]]) -> list[dict[str, str]]:
    """Return choices of one time column a table: each of a single table's; of several, those most files know."""
    times = {table: _times(table) for table in tables}
    if len(tables) == 1:
        return [{tables[0]: name} for name in times[tables[0]]]
    known = {
        table: {name: len(_ends(chosen[TABLE[table].source], name)) for name in names} for table, names in times.items()
    }
    return [{table: max(names, key=known[table].__getitem__) for table, names in times.items()}]


def _times(table: str) -> list[str]:
    """Return the columns that say when a row of a public table happened."""
    public = {column.name for column in TABLE[table].columns}
    return [name for name in FILE[TABLE[table].source].time if name in public]


def _since(
    columns: Mapping[str, str], chosen: Mapping[str, Sequence[SealedFile]], wishes: Wishes, budget_bytes: int
) -> Narrowing | None:
    """Return the earliest moment from which on everything fits and something is left of each table."""
    limits = {TABLE[table].source: column for table, column in columns.items()}
    room = budget_bytes - sum(file.bytes for name, files in chosen.items() if name not in limits for file in files)
    ends: list[tuple[int, int]] = []
    for name, column in limits.items():
        for file in chosen[name]:
            end = _end(file, column)
            if end is None:
                room -= file.bytes  # no bound, so it is always read
            else:
                ends.append((end, file.bytes))
    out = next((end for end, used in _running(sorted(ends, reverse=True)) if used > room), None)
    if out is None:
        return None
    for unit in (_DAY_US, _HOUR_US, _MINUTE_US):
        since = ((out + _SLACK_US) // unit + 1) * unit
        left = {
            name: _chosen(files, _with_limit(wishes.get(name), limits[name], since)) if name in limits else files
            for name, files in chosen.items()
        }
        total = estimate([file for files in left.values() for file in files])
        reaches = all(max(_ends(left[name], column), default=0) >= since for name, column in limits.items())
        if reaches and total.bytes <= budget_bytes:
            return Narrowing(columns, since, total)
    return None


def _running(costs: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield each item with the sum of the costs so far."""
    return zip((item for item, _ in costs), accumulate(cost for _, cost in costs), strict=True)


def _end(file: SealedFile, column: str) -> int | None:
    """Return the newest time of a column in a file, if it has a bound."""
    end = file.bounds.get(column, (None, None))[1]
    return end if isinstance(end, int) else None


def _ends(files: Sequence[SealedFile], column: str) -> list[int]:
    return [end for file in files if (end := _end(file, column)) is not None]


def _with_limit(wish: Wish | None, column: str, since: int) -> Wish:
    limit = Between(column, since - _SLACK_US, None)
    return [[*all_of, limit] for all_of in wish] if wish else [[limit]]


def _chosen(files: Sequence[SealedFile], wish: Wish | None) -> list[SealedFile]:
    return [file for file in files if may_hold(file.bounds, wish)]


def _worded(query: GuardedQuery, found: Narrowing, chosen: Mapping[str, Sequence[SealedFile]]) -> str:
    """Return a narrowing as a sentence with the condition to add."""
    when = (_EPOCH + dt.timedelta(microseconds=found.since)).isoformat().replace("+00:00", "Z")
    when = when.removesuffix("T00:00:00Z")
    readings = {table: [one for one in _readings(query) if one.table == table] for table in found.columns}
    conditions = {table: readings[table][0].condition(column, when) for table, column in found.columns.items()}
    selects = [one for one in every_node(query.statement) if one.get("type") == "SELECT_NODE"]
    if len(selects) == 1 and all(len(places) == 1 for places in readings.values()):
        what = f"WHERE {' AND '.join(conditions.values())}"
    else:
        what = " and ".join(f"WHERE {one} to every SELECT that reads {table}" for table, one in conditions.items())
    newest = max(end for table, column in found.columns.items() for end in _ends(chosen[TABLE[table].source], column))
    return f"add {what} (the last {_span(newest - found.since)}: {found.leaves})"


def _span(us: int) -> str:
    for unit, name in ((_DAY_US, "day"), (_HOUR_US, "hour")):
        if us >= unit:
            count = -(-us // unit)
            return f"{count} {name}s" if count > 1 else name
    return f"{-(-us // _MINUTE_US)} minutes"


def _hint(query: GuardedQuery, chosen: Mapping[str, Sequence[SealedFile]], *, past: bool) -> str:
    """Return what may help where no limit of time does."""
    if past:
        return "with known_at every file is read: ask without it, for the rows as they are now"
    costliest = max(chosen, key=lambda name: sum(file.bytes for file in chosen[name]))
    views = sorted(table for table in query.tables if not TABLE[table].source)
    for view in views:
        if costliest in sources(frozenset((view,))):
            return f"{view} reads every file of {costliest}: ask the tables it is made of instead, for fewer days"
    table = next(one for one in sorted(query.tables) if TABLE[one].source == costliest)
    columns = " or ".join((FILE[costliest].key[0], FILE[costliest].time[0]))
    return f"most of it is {table}: ask for fewer of its rows by {columns}"


def _references(query: GuardedQuery) -> list[Node]:
    return [
        node
        for node in every_node(query.statement)
        if node.get("type") == "BASE_TABLE" and folded(node["table_name"]) in query.tables
    ]


def _place(
    query: GuardedQuery, found: Narrowing | None, chosen: Mapping[str, Sequence[SealedFile]]
) -> tuple[int | None, int | None]:
    """Return where the table is named that costs most."""
    cost = {name: sum(file.bytes for file in files) for name, files in chosen.items()}
    tables = found.columns if found else query.tables
    costliest = max(sorted(tables), key=lambda table: sum(cost.get(one, 0) for one in sources(frozenset((table,)))))
    for node in _references(query):
        if folded(node["table_name"]) == costliest:
            return byte_position(query.sql, int(node["query_location"]))
    return None, None
