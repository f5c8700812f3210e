"""What is said of some runs: their scores and assignments, read from the rows themselves.

What was said of a trace before it named its run has the trace's id for the run. The public views resolve this for every
row of the workspace; here only for the rows of a page's runs, by the same rule (`warehouse/views.py`).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from queries.drill.bodies import Assigned, Score, ScoreMean
from queries.drill.reading import marks, one_of
from queries.drill.standing import TRACE_DIGITS, TRACE_RUNS
from queries.drill.usage import SOLE_RUN
from warehouse.pruning import Between

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from queries.drill.members import Members
    from queries.drill.reading import Reader
    from warehouse.pruning import Wishes

SCORES = "internal.current_score_history"
ASSIGNMENTS = "internal.current_assignments"

RUN_LEVEL = "step_id IS NULL AND span_id IS NULL"
SCORE_COLUMNS = (
    "id, name, kind, value, label, step_id, trace_id, span_id, experiment, variant, ts, received_at, source, "
    "scorer_id, left(comment, 2000) AS comment"
)

_LISTED = 1_000
"""Ids that a statement lists one by one, which prunes row groups."""

_SAID = f"""
CREATE OR REPLACE TEMP TABLE drill_said AS
WITH wanted AS ({{wanted}}),
     spoken AS (SELECT run_id AS raw FROM wanted UNION
                SELECT trace_id FROM {TRACE_RUNS} WHERE run_id IN (SELECT run_id FROM wanted)),
     sole AS (SELECT trace_id, {SOLE_RUN} FROM {TRACE_RUNS} WHERE trace_id IN (SELECT raw FROM spoken)
              GROUP BY trace_id)
SELECT raw, coalesce(sole.run_id, raw) AS run_id FROM spoken LEFT JOIN sole ON sole.trace_id = raw
WHERE coalesce(sole.run_id, raw) IN (SELECT run_id FROM wanted)"""

_KEPT = (
    "CREATE OR REPLACE TEMP TABLE drill_said AS "
    "SELECT unnest([{0}]::VARCHAR[]) AS raw, unnest([{0}]::VARCHAR[]) AS run_id"
)


@dataclass(frozen=True, slots=True)
class Said:
    """`temp.drill_said` (raw, run_id): ids under which something is said of some runs, and which run is meant."""

    raw: str
    """What stands between the brackets of `run_id IN (...)` over the rows as they came."""
    parameters: tuple[str, ...]
    low: str | None = None
    high: str | None = None
    """The first and the last of these ids where they are not listed; None: there are none."""

    def wishes(self, table: str) -> Wishes:
        """Return the wish for rows of a file table that are said of these runs."""
        if self.parameters:
            return {table: one_of("run_id", self.parameters)}
        return {table: [] if self.low is None else [[Between("run_id", self.low, self.high)]]}


@contextlib.contextmanager
def said_of(read: Reader, runs: Members) -> Iterator[Said]:
    """Keep under which ids something is said of some runs."""
    try:
        if runs.parameters:
            pairs = _pairs(read, runs.parameters)
            read.table(_KEPT.format(marks([*pairs])), [*pairs, *pairs.values()], tables=[])
            yield Said(marks([*pairs]), tuple(pairs)) if pairs else Said("SELECT raw FROM temp.drill_said", ())
            return
        read.table(_SAID.format(wanted=runs.select), runs.parameters, tables=[TRACE_RUNS])
        found = read.rows(f"SELECT raw FROM temp.drill_said LIMIT {_LISTED + 1}", tables=[])
        ids = tuple(str(row["raw"]) for row in found)
        if 0 < len(ids) <= _LISTED:
            yield Said(marks(ids), ids)
        else:
            [edges] = read.rows("SELECT min(raw) AS low, max(raw) AS high FROM temp.drill_said", tables=[])
            yield Said("SELECT raw FROM temp.drill_said", (), edges["low"], edges["high"])
    finally:
        read.table("DROP TABLE IF EXISTS temp.drill_said", tables=[])


def _pairs(read: Reader, ids: Sequence[str]) -> dict[str, str]:
    """Return what `_SAID` finds of a few runs: the id under which something is said -> the run."""
    named = read.rows(
        f"SELECT DISTINCT trace_id FROM {TRACE_RUNS} WHERE run_id IN ({marks(ids)})",
        ids,
        tables=[TRACE_RUNS],
        wishes={"trace_runs": one_of("run_id", ids)},
    )
    traces = sorted({*(row["trace_id"] for row in named), *(id_ for id_ in ids if len(id_) == TRACE_DIGITS)})
    found = (
        read.rows(
            f"SELECT trace_id, {SOLE_RUN} FROM {TRACE_RUNS} WHERE trace_id IN ({marks(traces)}) GROUP BY trace_id",
            traces,
            tables=[TRACE_RUNS],
            wishes={"trace_runs": one_of("trace_id", traces)},
        )
        if traces
        else []
    )
    sole = {row["trace_id"]: row["run_id"] for row in found}
    wanted = set(ids)
    meant = {raw: sole.get(raw) or raw for raw in sorted({*ids, *traces})}
    return {raw: run for raw, run in meant.items() if run in wanted}


def run_scores(read: Reader, said: Said) -> dict[str, list[ScoreMean]]:
    """Return the run-level scores of each run that has any, by name."""
    found = read.rows(
        f"SELECT d.run_id, name, coalesce(nullif(count(value), 0), count(*)) AS n, avg(value) AS mean, "
        f"arg_max(label, (ts, id)) FILTER (label IS NOT NULL) AS label FROM {SCORES} x "
        f"JOIN temp.drill_said d ON d.raw = x.run_id WHERE x.run_id IN ({said.raw}) AND {RUN_LEVEL} "
        f"GROUP BY d.run_id, name ORDER BY name",
        said.parameters,
        tables=[SCORES],
        wishes=said.wishes("score_history"),
    )
    made: dict[str, list[ScoreMean]] = {}
    for row in found:
        made.setdefault(row.pop("run_id"), []).append(ScoreMean(**row))
    return made


def run_variants(read: Reader, said: Said) -> dict[str, list[Assigned]]:
    """Return the variants of each run that has any, by experiment."""
    found = read.rows(
        f"{assigned(said)} SELECT run_id, experiment, variant FROM given ORDER BY experiment",
        said.parameters,
        tables=[ASSIGNMENTS],
        wishes=said.wishes("assignments"),
    )
    made: dict[str, list[Assigned]] = {}
    for row in found:
        made.setdefault(row.pop("run_id"), []).append(Assigned(**row))
    return made


def assigned(said: Said) -> str:
    """Return a common table expression `given` (run_id, experiment, variant); of several the first assignment stays."""
    return (
        f"WITH given AS (SELECT d.run_id, x.experiment, x.variant FROM {ASSIGNMENTS} x "
        f"JOIN temp.drill_said d ON d.raw = x.run_id WHERE x.run_id IN ({said.raw}) QUALIFY row_number() "
        f"OVER (PARTITION BY d.run_id, x.experiment ORDER BY x._implied, x.ts, x._arrival) = 1)"
    )


def scores_on(read: Reader, said: Said, *, most: int) -> tuple[list[Score], bool]:
    """Return the scores on a run and its steps, not its spans, newest first; and whether there are more than `most`."""
    found = read.rows(
        f"SELECT {SCORE_COLUMNS} FROM {SCORES} x WHERE x.run_id IN ({said.raw}) AND span_id IS NULL "
        f"ORDER BY ts DESC, id LIMIT {most + 1}",
        said.parameters,
        tables=[SCORES],
        wishes=said.wishes("score_history"),
    )
    return _made(found[:most]), len(found) > most


def span_scores(read: Reader, traces: list[str], *, most: int) -> list[Score]:
    """Return the scores on spans of some traces, newest first."""
    found = read.rows(
        f"SELECT {SCORE_COLUMNS} FROM {SCORES} WHERE trace_id IN ({marks(traces)}) AND span_id IS NOT NULL "
        f"ORDER BY ts DESC, id LIMIT {most}",
        traces,
        tables=[SCORES],
        wishes={"score_history": one_of("trace_id", traces)},
    )
    return _made(found)


def session_scores(read: Reader, key: str, id_: str, *, most: int) -> list[Score]:
    """Return the scores on a session itself, newest first."""
    found = read.rows(
        f"SELECT {SCORE_COLUMNS} FROM {SCORES} WHERE session_key = ? AND session_id = ? "
        f"ORDER BY ts DESC, id LIMIT {most}",
        [key, id_],
        tables=[SCORES],
    )
    return _made(found)


def _made(rows: list[dict[str, Any]]) -> list[Score]:
    return [Score(**row) for row in rows]
