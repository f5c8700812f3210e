"""`GET /v1/overview`: what the home page shows: what came, how runs went, which scores moved, what fails.

A range of time is compared with the equally long one before it, from the rows of both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from queries.drill.arrived import arrived
from queries.drill.bodies import (
    FunctionHealth,
    Overview,
    RunBar,
    RunFigures,
    RunsNow,
    ScoreMove,
    TroubledSession,
)
from queries.drill.members import sessions_of
from queries.drill.options import TIMES, microseconds, moment
from queries.drill.reading import RUN_TIMES, within
from queries.drill.runs import AT, spots
from queries.drill.said import SCORES
from queries.drill.standing import runs_within
from queries.drill.usage import before_and_now
from warehouse.clock import iso, system_clock
from warehouse.errors import InputError
from warehouse.pruning import Between

if TYPE_CHECKING:
    from collections.abc import Mapping

    from queries.drill.reading import Reader

PARAMETERS = TIMES

RANGE_US = 7 * 86_400_000_000
"""The range when none is asked for."""
MINUTE_US, HOUR_US, DAY_US = 60_000_000, 3_600_000_000, 86_400_000_000
HOURLY_US = 2 * DAY_US
"""The longest range whose runs are shown by the hour."""
MOST_BARS = 400
MOST_SCORES, MOST_FUNCTIONS, MOST_SESSIONS = 20, 20, 10
FAILED_RUNS = 100
"""Newest failed runs whose sessions are looked for."""

MOVED_N, MOVED_Z = 30, 3.0
"""Scores on each side, and standard errors between the means, from which on a score has moved."""
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class _Range:
    """Microseconds since 1970: `before` to `start`, then to `end`, which is not in it."""

    before: int
    start: int
    end: int


def with_times(given: Mapping[str, Any], now_us: int) -> dict[str, Any]:
    """Return the parameters with the range written out: up to the end of this minute, or for seven days.

    Whoever asks through a worker does this first, so that the answer is remembered for a minute and no longer.
    """
    end = given.get("to") or iso(-(-now_us // MINUTE_US) * MINUTE_US)
    start = given.get("from") or iso(_us(end) - RANGE_US)
    return {**given, "from": start, "to": end}


def _us(text: str) -> int:
    return microseconds({"at": text}, "at") or 0


def overview(read: Reader, given: Mapping[str, Any]) -> Overview:
    """Return what there is to see of a range of time; by default of the last seven days.

    Raises:
        InputError: the range does not end after it begins.
    """
    asked = with_times(given, system_clock())
    start, end = _us(asked["from"]), _us(asked["to"])
    if start >= end:
        raise InputError(f"from is {asked['from']}, must be before to, which is {asked['to']}")
    times = _Range(2 * start - end, start, end)
    runs, functions = _runs(read, times)
    return Overview(
        start=moment(start),
        end=moment(end),
        before=moment(times.before),
        arrived=arrived(read),
        runs=runs,
        scores=_scores(read, times),
        functions=functions,
        sessions=_sessions(read, asked),
    )


BINS = 64
"""Bins of a doubling of the duration: a quantile is told to within 1 %. Sorting every duration takes twice as long."""

_COUNTS = f"""
WITH counted AS MATERIALIZED (
    SELECT function_id, us >= ? AS now, CASE WHEN us >= ? THEN floor(us / ?::DOUBLE)::BIGINT END AS bar,
           CASE WHEN ended_at >= started_at
                THEN floor(log2(epoch_us(ended_at) - epoch_us(started_at) + 1) * {BINS})::INTEGER END AS bin,
           count(*) AS runs, count(*) FILTER (failed) AS failed
    FROM (SELECT function_id, status = 'Failed' AS failed, started_at, ended_at, {AT} AS us FROM {{0}})
    WHERE us >= ? AND us < ? GROUP BY ALL)
SELECT function_id, now, NULL AS bar, bin, sum(runs)::BIGINT AS runs, sum(failed)::BIGINT AS failed
FROM counted GROUP BY ALL
UNION ALL
SELECT NULL, now, bar, NULL, sum(runs)::BIGINT, sum(failed)::BIGINT FROM counted WHERE now GROUP BY ALL"""

_NO_RUNS = RunFigures(0, 0, None, None, None)


@dataclass(slots=True)
class _Sum:
    """Runs, counted."""

    runs: int = 0
    failed: int = 0
    bins: dict[int, int] = field(default_factory=dict[int, int])

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in the runs of a row."""
        self.runs += row["runs"]
        self.failed += row["failed"]
        if row["bin"] is not None:
            self.bins[row["bin"]] = self.bins.get(row["bin"], 0) + row["runs"]

    def figures(self) -> RunFigures:
        """Return them as a body says them."""
        rate = self.failed / self.runs if self.runs else None
        return RunFigures(self.runs, self.failed, rate, self._quantile(0.5), self._quantile(0.95))

    def _quantile(self, share: float) -> float | None:
        """Return the duration in milliseconds that so many runs do not pass, by nearest rank; the middle of its bin."""
        rank = math.ceil(share * sum(self.bins.values()))
        for bin_, runs in sorted(self.bins.items()):
            rank -= runs
            if rank <= 0:
                return (2 ** ((bin_ + 0.5) / BINS) - 1) / 1000 if bin_ else 0.0
        return None


def _runs(read: Reader, times: _Range) -> tuple[RunsNow, list[FunctionHealth]]:
    step, width = ("hour", HOUR_US) if times.end - times.start <= HOURLY_US else ("day", DAY_US)
    # Runs without a time are at 1970, in files whose bounds say nothing of it.
    wishes = {"runs": within(RUN_TIMES, times.before, times.end - 1)} if times.before > 0 else {}
    source, table = runs_within(read, wishes["runs"]) if wishes else ("runs", "runs")
    counted = read.table(
        _COUNTS.format(source),
        [times.start, times.start, width, times.before, times.end],
        tables=[table],
        wishes=wishes,
    )
    whole = {True: _Sum(), False: _Sum()}
    bars: dict[int, _Sum] = {}
    functions: dict[str | None, dict[bool, _Sum]] = {}
    for row in counted.to_pylist():
        if row["bar"] is not None:
            bars.setdefault(row["bar"], _Sum()).add(row)
            continue
        whole[row["now"]].add(row)
        functions.setdefault(row["function_id"], {True: _Sum(), False: _Sum()})[row["now"]].add(row)
    last = (times.end - 1) // width
    first = max(times.start // width, last - MOST_BARS + 1)
    nobody = _Sum()
    series = [
        RunBar(moment(bar * width), bars.get(bar, nobody).runs, bars.get(bar, nobody).failed)
        for bar in range(first, last + 1)
    ]
    before, now = before_and_now(read, times.before, times.start, times.end)
    figures = RunsNow(whole[True].figures(), whole[False].figures(), step, series, now, before)
    return figures, _worst({id_: (sides[True].figures(), sides[False].figures()) for id_, sides in functions.items()})


def _worst(functions: Mapping[str | None, tuple[RunFigures, RunFigures]]) -> list[FunctionHealth]:
    """Return the functions whose failure rate is surely highest, of equal ones the slowest first."""
    from queries.stats.columns import wilson  # noqa: PLC0415 - SciPy, which who only shows answers need not load

    ran = {id_: sides for id_, sides in functions.items() if sides[0].runs}
    failed = np.array([now.failed for now, _ in ran.values()], float)
    runs = np.array([now.runs for now, _ in ran.values()], float)
    lows, _ = wilson(failed, runs, np.full(len(ran), _LEVEL))
    made = [FunctionHealth(id_, *sides, low) for (id_, sides), low in zip(ran.items(), lows.tolist(), strict=True)]
    made.sort(key=lambda one: (-one.failure_rate_low, -(one.now.duration_ms_p95 or 0), one.function_id or ""))
    return made[:MOST_FUNCTIONS]


_SCORED = f"""
SELECT name, ts >= make_timestamptz(?) AS now, count(*) AS n, avg(value) AS mean, var_samp(value) AS variance
FROM {SCORES} WHERE ts >= make_timestamptz(?) AND ts < make_timestamptz(?) AND value IS NOT NULL GROUP BY ALL"""


def _scores(read: Reader, times: _Range) -> list[ScoreMove]:
    found = read.rows(
        _SCORED,
        [times.start, times.before, times.end],
        tables=[SCORES],
        wishes={"score_history": [[Between("ts", times.before, times.end - 1)]]},
    )
    declared = {
        row["name"]: row["higher_is_better"]
        for row in read.rows("SELECT name, higher_is_better FROM score_definitions", tables=["score_definitions"])
    }
    sides: dict[str, dict[bool, Mapping[str, Any]]] = {}
    for row in found:
        sides.setdefault(row["name"], {})[row["now"]] = row
    moves = [_move(name, side, declared.get(name)) for name, side in sides.items()]
    moves.sort(key=lambda one: (not one.moved, -_size(one), one.name))
    return moves[:MOST_SCORES]


_NO_SCORES: Mapping[str, Any] = {"n": 0, "mean": None, "variance": None}


def _move(name: str, side: Mapping[bool, Mapping[str, Any]], higher: bool | None) -> ScoreMove:  # noqa: FBT001 - a fact
    """Compare two means by Welch's statistic (Welch 1938), which does not take their spreads for equal.

    Three standard errors are Shewhart's limits (1931): with 30 scores a side chance alone passes them about once in 250
    comparisons, and a page shows twenty.
    """
    now, before = side.get(True, _NO_SCORES), side.get(False, _NO_SCORES)
    difference: float | None = None
    error: float | None = None
    z: float | None = None
    if now["n"] and before["n"]:
        difference = now["mean"] - before["mean"]
    if now["n"] > 1 and before["n"] > 1:
        error = math.sqrt(now["variance"] / now["n"] + before["variance"] / before["n"])
        z = difference / error if error and difference is not None else None
    enough = min(now["n"], before["n"]) >= MOVED_N
    moved = enough and (abs(z) >= MOVED_Z if z is not None else bool(difference))
    return ScoreMove(name, higher, now["n"], before["n"], now["mean"], before["mean"], difference, error, z, moved)


def _size(move: ScoreMove) -> float:
    if move.z is None:
        return math.inf if move.moved else -1.0
    return abs(move.z)


def _sessions(read: Reader, asked: Mapping[str, Any]) -> list[TroubledSession]:
    """Return the sessions of the newest failed runs, the newest first."""
    failed = spots(read, {**asked, "status": "Failed", "order": "newest"}, None, FAILED_RUNS)
    found: dict[tuple[str, str], list[tuple[int, str]]] = {}
    at = {id_: when for when, id_ in failed}
    for key, id_, run_id in sessions_of(read, [*at]):
        found.setdefault((key, id_), []).append((at[run_id], run_id))
    newest = sorted(found.items(), key=lambda one: (max(one[1]), one[0]), reverse=True)
    return [
        TroubledSession(key, id_, moment(max(runs)[0]), max(runs)[1], len(runs))
        for (key, id_), runs in newest[:MOST_SESSIONS]
    ]
