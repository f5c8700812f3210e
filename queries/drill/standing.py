"""Runs without the traces that turned out to be a part of another run, of a few runs or a time alone.

The view `runs` looks at every trace of the workspace for that (`warehouse/views.py`); here the same rule, over the
traces that are met.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from queries.drill.reading import marks, one_of
from warehouse.views import views_over_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from queries.drill.members import Members
    from queries.drill.reading import Reader
    from warehouse.pruning import Wish

TRACE_RUNS = "internal.current_trace_runs"
"""Which runs the spans of a trace name. No public table tells this without reading every span."""

TRACE_DIGITS = 32
"""A trace whose spans name no run is a run of its own, of the same id."""

STORED_RUNS = "internal.current_runs"
RUNS = f"({views_over_files(traced=False)['runs']})"
"""The columns of `runs`, of every run that came."""

OWN = "id = coalesce(trace_id, '')"
"""A run that is its trace."""


def gone(read: Reader, ids: Sequence[str]) -> list[str]:
    """Return those of some runs that are their traces, and stand no more because spans of these name other runs."""
    traces = [id_ for id_ in ids if len(id_) == TRACE_DIGITS]
    if not traces:
        return []
    found = read.rows(
        f"SELECT trace_id FROM {TRACE_RUNS} WHERE trace_id IN ({marks(traces)}) GROUP BY trace_id "
        f"HAVING NOT bool_or(run_id = trace_id)",
        traces,
        tables=[TRACE_RUNS],
        wishes={"trace_runs": one_of("trace_id", traces)},
    )
    return [row["trace_id"] for row in found]


def runs_among(read: Reader, runs: Members) -> tuple[str, list[object], str]:
    """Return some runs as a source of FROM with its parameters, and the table that it reads."""
    if not runs.parameters:
        return f"(SELECT * FROM runs WHERE id IN ({runs.sql}))", [], "runs"
    lost = gone(read, runs.parameters)
    left = f" AND NOT ({OWN} AND id IN ({marks(lost)}))" if lost else ""
    return f"(SELECT * FROM {RUNS} WHERE id IN ({runs.sql}){left})", [*runs.parameters, *lost], STORED_RUNS


def untraced(read: Reader, table: str, column: str, wish: Wish | None) -> bool:
    """Tell whether surely no wanted row of a file table has a trace for its run: then rows say what the views say."""
    unsealed = read.rows(
        f'SELECT 1 FROM "hot_{table}" WHERE length("{column}") = {TRACE_DIGITS} LIMIT 1',
        tables=[f"internal.current_{table}"],
        wishes={table: []},
    )
    return not unsealed and not read.may_be_traces(table, column, wish)


def runs_within(read: Reader, wish: Wish | None) -> tuple[str, str]:
    """Return what runs of a wish are read from, and its table: the view only where one of them can be a trace."""
    return (RUNS, STORED_RUNS) if untraced(read, "runs", "id", wish) else ("runs", "runs")
