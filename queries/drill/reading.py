"""How the drill-down asks: trusted SQL over named tables, and of their files those that can hold what it wants."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any

from queries.values import json_rows
from warehouse.engine import rows_of
from warehouse.pruning import NO_WISHES, Between, OneOf, may_hold
from warehouse.writing import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import pyarrow as pa

    from warehouse.manifest import SealedFile
    from warehouse.pruning import Wish, Wishes
    from warehouse.reading import ReadEngine

WINDOW_ROWS = 100_000
"""Rows of the files that are looked through first; the next window has `WIDER` times as many."""

WIDER = 8

_HEXADECIMAL = frozenset("0123456789abcdef")

RUN_TIMES = ("queued_at", "started_at", "ended_at")
"""When a run was, the first that is known."""


class Reader:
    """Asks one state of a workspace. A statement names the tables it reads: public ones, or `internal` rows."""

    def __init__(self, engine: ReadEngine) -> None:
        self._engine = engine

    def table(
        self, sql: str, parameters: Sequence[object] = (), *, tables: Collection[str], wishes: Wishes = NO_WISHES
    ) -> pa.Table:
        """Return the rows of a statement. `wishes` must hold for every row it can want of those file tables."""
        return rows_of(self._engine.cursor(frozenset(tables), wishes=wishes), sql, parameters)

    def rows(
        self, sql: str, parameters: Sequence[object] = (), *, tables: Collection[str], wishes: Wishes = NO_WISHES
    ) -> list[dict[str, Any]]:
        """Return the rows of a statement as mappings of JSON values (DESIGN section 5)."""
        found = self.table(sql, parameters, tables=tables, wishes=wishes)
        return [dict(zip(found.column_names, row, strict=True)) for row in json_rows(found)]

    def files(self, table: str) -> list[SealedFile]:
        """Return the live files of a file table."""
        return self._engine.snapshot.of(table)

    def may_be_traces(self, table: str, column: str, wish: Wish | None) -> bool:
        """Tell whether the id in a column of a wanted sealed row can be a trace's: 32 hexadecimal digits.

        All texts between two bounds begin with what these have in common, and ULIDs of one day have an M there.
        """
        files = [file for file in self.files(table) if may_hold(file.bounds, wish)]
        return not all(_shared(*file.bounds.get(column, ("", ""))) - _HEXADECIMAL for file in files)

    def windows(self, table: str, columns: Sequence[str], *, newest: bool, start: int | None) -> Iterator[int | None]:
        """Yield limits of time, each further from `start`, the last None: no limit.

        Rows beyond a limit (later for `newest`, else earlier) are in few files; these are chosen by their rows. A
        limit is only ever a guess of how far to look: the statement that uses it says it too.

        Args:
            table: the file table.
            columns: its columns that can be the time.
            newest: whether one looks from the newest back.
            start: where one begins, microseconds since 1970; None: at the end.
        """
        edges = _edges(self._engine.snapshot.of(table), columns, newest=newest)
        budget, held = WINDOW_ROWS, 0
        for edge, rows in edges:
            begun = start is None or (edge < start if newest else edge > start)
            if begun and held >= budget:
                yield edge
                budget = held * WIDER
            held = held + rows if begun else rows
        yield None


def _edges(files: Sequence[SealedFile], columns: Sequence[str], *, newest: bool) -> list[tuple[int, int]]:
    """Return the (nearest time, rows) of each file, the nearest first."""
    side = 1 if newest else 0
    choose = max if newest else min
    found: list[tuple[int, int]] = []
    for file in files:
        bounds = [file.bounds[column] for column in columns if column in file.bounds]
        times = [int(bound[side]) for bound in bounds if bound != NO_TIME]
        if times:
            found.append((choose(times), file.rows))
    return sorted(found, reverse=newest)


def _shared(low: str | int, high: str | int) -> set[str]:
    """Return the characters that two texts begin with in common."""
    pairs = zip(str(low), str(high), strict=False)
    return {one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)}


def marks(values: Sequence[object]) -> str:
    """Return a placeholder for each value: a list of them prunes row groups, a list parameter does not."""
    return ", ".join("?" * len(values))


def one_of(column: str, values: Sequence[str]) -> Wish:
    """Return the wish for rows whose column is one of these."""
    return [[OneOf(column, tuple(values))]]


def within(columns: Sequence[str], low: int | None, high: int | None) -> Wish:
    """Return the wish for rows of which one of these columns lies in a time."""
    return [[Between(column, low, high)] for column in columns]
