"""`GET /v1/overview` against plain Python over the records: what came, runs, scores, functions, sessions."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Any

import pytest
import scipy.stats
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from queries.drill import overview as module
from queries.drill.bodies import Overview, RunFigures
from queries.drill.options import moment
from tests.queries.drill.world import DAY_MS, MS, START_MS, ask, at_ms, land, members, runs_of, ulid, usage_of
from tests.support.rows import NOW, Warehouse
from warehouse.errors import InputError

if TYPE_CHECKING:
    from tests.queries.drill.conftest import Known
    from tests.queries.drill.world import Record

HOUR_MS = 3_600_000
RANGES = st.tuples(st.integers(-6 * 24, 6 * 24), st.sampled_from([1, 5, 24, 49, 60, 24 * 6])).map(
    lambda drawn: (START_MS + drawn[0] * HOUR_MS, START_MS + (drawn[0] + drawn[1]) * HOUR_MS)
)


def asked(warehouse: Warehouse, start: int, end: int) -> Overview:
    """Return the overview of a range in milliseconds."""
    return ask(warehouse, "overview", from_=start, to=end)


def within(records: list[Record], start: int, end: int) -> list[Record]:
    """Return those that were in a range."""
    return [record for record in records if start <= at_ms(record) < end]


def agrees(figures: RunFigures, runs: list[Record]) -> bool:
    """Tell whether counts are those of some runs, and quantiles theirs to within a hundredth."""
    failed = sum(run["status"] == "Failed" for run in runs)
    lasted = sorted(
        run["ended_at"] - run["started_at"] for run in runs if run.get("ended_at") and run.get("started_at")
    )
    counts = (len(runs), failed, failed / len(runs) if runs else None)
    told = (figures.duration_ms_p50, figures.duration_ms_p95)
    if not lasted:
        return counts == (figures.runs, figures.failed, figures.failure_rate) and told == (None, None)
    nearest = [lasted[math.ceil(share * len(lasted)) - 1] for share in (0.5, 0.95)]
    return counts == (figures.runs, figures.failed, figures.failure_rate) and told == tuple(
        pytest.approx(value, rel=0.01, abs=0.001) for value in nearest
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(range_=RANGES)
def test_runs_of_a_range_beside_those_before(known: Known, range_: tuple[int, int]) -> None:
    """Counts, durations, bars and functions are those of the records, on both sides."""
    start, end = range_
    found = asked(known.warehouse, start, end)
    runs = runs_of(known.world)
    now, before = within(runs, start, end), within(runs, 2 * start - end, start)
    assert (moment(start * MS), moment(end * MS), moment((2 * start - end) * MS)) == (
        found.start,
        found.end,
        found.before,
    )
    assert agrees(found.runs.now, now) and agrees(found.runs.before, before)
    step, width = ("hour", HOUR_MS) if end - start <= 2 * DAY_MS else ("day", DAY_MS)
    bars = {
        at * width: [run for run in now if at_ms(run) // width == at]
        for at in range(start // width, (end - 1) // width + 1)
    }
    assert step == found.runs.step
    assert [(moment(at * MS), len(own), sum(run["status"] == "Failed" for run in own)) for at, own in bars.items()] == [
        (bar.at, bar.runs, bar.failed) for bar in found.runs.series
    ]
    ids = {run.get("function_id") for run in now}
    assert ids == {one.function_id for one in found.functions}
    for one in found.functions:
        assert agrees(one.now, [run for run in now if run.get("function_id") == one.function_id])
        assert agrees(one.before, [run for run in before if run.get("function_id") == one.function_id])
        interval = scipy.stats.binomtest(one.now.failed, one.now.runs).proportion_ci(0.95, "wilson")
        assert interval.low == pytest.approx(one.failure_rate_low, abs=1e-12)
    lows = [one.failure_rate_low for one in found.functions]
    assert sorted(lows, reverse=True) == lows


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(range_=RANGES)
def test_usage_is_that_of_the_calls_that_count(known: Known, range_: tuple[int, int]) -> None:
    """A wrapper that repeats the usage of calls below it does not count, on either side of the beginning."""
    start, end = range_
    found = asked(known.warehouse, start, end).runs

    def expected(low: int, high: int) -> tuple[int, int | None, int | None]:
        # The oracle takes whole traces; no trace of this world lasts as long as the day after a range.
        counted = [usage for usage in _calls(known) if low <= usage["start"] < high]
        used = [span["tokens"] for span in counted if span["tokens"] is not None]
        return len(counted), sum(t[0] for t in used) if used else None, sum(t[1] for t in used) if used else None

    sides = [(found.usage, (start, end)), (found.usage_before, (2 * start - end, start))]
    for told, (low, high) in sides:
        assert expected(low, high) == (told.calls, told.input_tokens, told.output_tokens)
    whole = asked(known.warehouse, START_MS, START_MS + 6 * DAY_MS).runs.usage
    assert usage_of(known.world.spans) == (whole.calls, whole.input_tokens, whole.output_tokens)


def _calls(known: Known) -> list[Record]:
    from tests.queries.drill.world import counted  # noqa: PLC0415 - a name too plain for the module

    return counted(known.world.spans)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(range_=RANGES)
def test_scores_move_as_welch_says(known: Known, range_: tuple[int, int]) -> None:
    """Means, errors and z are scipy's Welch test's over the records."""
    start, end = range_
    found = asked(known.warehouse, start, end).scores
    sides: dict[str, tuple[list[float], list[float]]] = {}
    for record in known.world.of("score"):
        if "value" in record and 2 * start - end <= record["ts"] < end:
            sides.setdefault(record["name"], ([], []))[record["ts"] >= start].append(float(record["value"]))
    assert sides.keys() == {one.name for one in found}
    for one in found:
        before, now = sides[one.name]
        assert (len(before), len(now)) == (one.n_before, one.n)
        assert (statistics.mean(now) if now else None) == (None if one.mean is None else pytest.approx(one.mean))
        if len(before) > 1 and len(now) > 1 and one.standard_error:
            # From exact moments: of nearly identical values scipy's own only warn.
            moments = [(statistics.mean(side), statistics.stdev(side), len(side)) for side in (now, before)]
            welch = scipy.stats.ttest_ind_from_stats(*moments[0], *moments[1], equal_var=False)
            assert welch.statistic == pytest.approx(one.z)
            assert one.difference == pytest.approx(statistics.mean(now) - statistics.mean(before))
        assert one.moved == (min(len(now), len(before)) >= 30 and one.z is not None and abs(one.z) >= 3)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(range_=RANGES)
def test_sessions_in_trouble(known: Known, range_: tuple[int, int]) -> None:
    """The sessions of failed runs, those with the newest first, by themselves or by an event that started the run."""
    start, end = range_
    failed = {run["id"]: at_ms(run) for run in within(runs_of(known.world), start, end) if run["status"] == "Failed"}
    expected = sorted(
        (
            (max((failed[run], run) for run in runs & failed.keys()), pair, len(runs & failed.keys()))
            for pair, runs in members(known.world).items()
            if runs & failed.keys()
        ),
        reverse=True,
    )
    assert [(*pair, moment(at * MS), run, count) for (at, run), pair, count in expected[: module.MOST_SESSIONS]] == [
        (one.key, one.id, one.failed_at, one.run_id, one.failed_run_count)
        for one in asked(known.warehouse, start, end).sessions
    ]


def test_what_arrived(known: Known) -> None:
    """Rows are what a count says; the newest time is when the last of them came."""
    told = {one.name: one for one in asked(known.warehouse, START_MS, START_MS + DAY_MS).arrived}
    for name, one in told.items():
        stands = name == "runs"  # the view leaves out traces that turned out to be a part of a run
        [(rows,)] = known.warehouse.ask(f"SELECT count(*) FROM {'internal.current_runs' if stands else name}")
        assert rows == one.rows
        assert moment(NOW) == one.newest_at
    assert {"events", "runs", "scores", "assignments", "spans"} <= told.keys()


def test_what_arrived_again_counts_once(warehouse: Warehouse) -> None:
    """A run that was sealed, replaced in the log and replaced again after a seal is one row."""
    run: Record = {"type": "run", "id": ulid(START_MS, 1), "status": "Running", "started_at": START_MS}
    for status in ("Running", "Completed"):
        land(
            warehouse, [run | {"status": status}, {"type": "score", "id": "s", "name": "n", "value": 1, "run_id": "r"}]
        )
        assert [("runs", 1), ("scores", 1)] == [
            (one.name, one.rows) for one in asked(warehouse, START_MS, START_MS + 1).arrived
        ]
        warehouse.seal()


def moves(warehouse: Warehouse, before: list[float], now: list[float]) -> Any:
    """Return what an overview says of a score with these values on each side of a beginning."""
    sides = ((START_MS, before), (START_MS + DAY_MS, now))
    land(
        warehouse,
        [
            {"type": "score", "id": f"{at}/{n}", "name": "quality", "value": value, "run_id": f"{n}", "ts": at + n}
            for at, values in sides
            for n, value in enumerate(values)
        ],
    )
    [found] = asked(warehouse, START_MS + DAY_MS, START_MS + 2 * DAY_MS).scores
    return found


@pytest.mark.parametrize(
    ("before", "now", "moved"),
    [
        ([0.0, 1.0] * 15, [1.0] * 30, True),
        ([0.0, 1.0] * 14, [1.0] * 30, False),  # too few
        ([0.0, 1.0] * 50, [0.0, 1.0] * 50, False),  # the same
        ([0.0] * 30, [1.0] * 30, True),  # no spread at all
        ([1.0] * 30, [1.0] * 30, False),
        ([], [1.0] * 30, False),
    ],
)
def test_when_a_score_has_moved(warehouse: Warehouse, before: list[float], now: list[float], *, moved: bool) -> None:
    """Three standard errors, thirty scores a side."""
    assert moved == moves(warehouse, before, now).moved


def test_higher_is_better_as_declared(warehouse: Warehouse) -> None:
    """The direction is the declaration's."""
    declared = {"name": "quality", "kind": "numeric", "higher_is_better": False, "declared_at": NOW}
    warehouse.append("score_definitions", declared | {"_received_at": NOW, "_given": False, "_day_id": ""})
    assert moves(warehouse, [0.0], [1.0]).higher_is_better is False


def test_a_trace_that_is_part_of_a_run_is_no_run(warehouse: Warehouse) -> None:
    """A trace counts as a run until its spans name another one."""
    span: Record = {"trace": "a" * 32, "span": "1" * 16, "parent": None, "name": "agent", "start": START_MS}
    span |= {"end": START_MS + 5, "llm": False, "tokens": None, "failed": False, "run": None}
    land(warehouse, [], [span])
    warehouse.seal()
    assert 1 == asked(warehouse, START_MS, START_MS + DAY_MS).runs.now.runs
    land(warehouse, [], [span | {"span": "2" * 16, "parent": "1" * 16, "run": "named"}])
    for _ in range(2):
        assert 0 == asked(warehouse, START_MS, START_MS + DAY_MS).runs.now.runs
        warehouse.seal()


def test_an_empty_workspace_and_the_default_range(warehouse: Warehouse) -> None:
    """Nothing is an answer; without times it is of the seven days up to the end of this minute."""
    found: Overview = ask(warehouse, "overview")
    assert [] == [*found.arrived, *found.scores, *found.functions, *found.sessions]
    assert RunFigures(0, 0, None, None, None) == found.runs.now == found.runs.before
    now = 1_790_000_000_123_456
    assert {"from": "2026-09-14T14:14:00.000000Z", "to": "2026-09-21T14:14:00.000000Z"} == module.with_times({}, now)
    assert "2026-09-01T00:00:00Z" == module.with_times({"from": "2026-09-01T00:00:00Z"}, now)["from"]


def test_a_range_that_does_not_end_after_it_begins(warehouse: Warehouse) -> None:
    """Both ends are named."""
    with pytest.raises(InputError, match=r"from is 2026-09-01T00:00:00.000000Z, must be before to, which"):
        asked(warehouse, START_MS, START_MS)
