"""How the drill-down asks: trusted SQL over named tables, and of their files those that can hold what it wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from queries.values import json_rows
from warehouse.engine import rows_of
from warehouse.pruning import NO_WISHES, Between, OneOf

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import pyarrow as pa

    from warehouse.pruning import Wish, Wishes
    from warehouse.reading import ReadEngine

WINDOW_ROWS = 100_000
"""Rows of the files that are looked through first; the next window has `WIDER` times as many."""

WIDER = 8

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


def _edges(files: Sequence[Any], columns: Sequence[str], *, newest: bool) -> list[tuple[int, int]]:
    """Return the (nearest time, rows) of each file, the nearest first."""
    side = 1 if newest else 0
    choose = max if newest else min
    found: list[tuple[int, int]] = []
    for file in files:
        times: list[int] = [file.bounds[column][side] for column in columns if column in file.bounds]
        if times:
            found.append((choose(times), file.rows))
    return sorted(found, reverse=newest)


def marks(values: Sequence[object]) -> str:
    """Return a placeholder for each value: a list of them prunes row groups, a list parameter does not."""
    return ", ".join("?" * len(values))


def one_of(column: str, values: Sequence[str]) -> Wish:
    """Return the wish for rows whose column is one of these."""
    return [[OneOf(column, tuple(values))]]


def within(columns: Sequence[str], low: int | None, high: int | None) -> Wish:
    """Return the wish for rows of which one of these columns lies in a time."""
    return [[Between(column, low, high)] for column in columns]
