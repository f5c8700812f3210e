"""Retention: whole days go when they are older than their table keeps, and never because a clock is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.rows import NOW, Warehouse, run, score, step
from warehouse.errors import InputError
from warehouse.manifest import Change
from warehouse.retention import FILE_TABLE, PAUSE_SECONDS, Watch, retain, retention, set_retention
from warehouse.schema import FILE, TABLE
from warehouse.upkeep import unlink

DAY = 86_400_000_000
SECOND = 1_000_000


@dataclass
class Ticks:
    """A monotonic clock that is moved by hand, in seconds."""

    seconds: float = 1_000.0

    def __call__(self) -> float:
        """Return seconds since some moment."""
        return self.seconds


@pytest.fixture
def ticks() -> Ticks:
    """A monotonic clock."""
    return Ticks()


def later(warehouse: Warehouse, ticks: Ticks, seconds: float) -> None:
    """Let time pass on both clocks."""
    warehouse.clock.us += int(seconds * SECOND)
    ticks.seconds += seconds


def land(warehouse: Warehouse, days: range) -> None:
    """Seal a run with a step and a score on each of so many days before now; each file has one day."""
    for ago in days:
        at = NOW - ago * DAY
        warehouse.append("runs", run(f"r{ago}", queued_at=at))
        warehouse.append("step_attempts", step(f"r{ago}", "s", 0, queued_at=at))
        warehouse.append("score_history", score(f"s{ago}", 1.0, ts=at, run_id=f"r{ago}"))
        warehouse.seal()


def counts(warehouse: Warehouse) -> tuple[int, int, int]:
    """Return how many runs, steps and scores there are."""
    (n_runs,), (n_steps,), (n_scores,) = (
        warehouse.ask(f"SELECT count(*) FROM {t}")[0] for t in ("runs", "steps", "scores")
    )
    return n_runs, n_steps, n_scores


def test_whole_days_go_and_no_more(warehouse: Warehouse, ticks: Ticks) -> None:
    """Of days 0 to 9 a table of n days keeps 0 to n; the others are untouched, and the files leave the disk."""
    land(warehouse, range(10))
    watch = Watch(ticks)
    assert 0 == retain(warehouse.workspace, warehouse.clock, watch)
    set_retention(warehouse.workspace.manifest, {"runs": 3, "steps": 1, "events": 1})
    later(warehouse, ticks, 60)
    assert 6 + 8 == retain(warehouse.workspace, warehouse.clock, watch)
    assert (4, 2, 10) == counts(warehouse)
    warehouse.snapshots.release()
    assert 6 + 8 == unlink(warehouse.workspace)
    assert 4 + 2 + 10 == len(list(warehouse.root.rglob("*.parquet")))
    assert 0 == retain(warehouse.workspace, warehouse.clock, watch)
    later(warehouse, ticks, DAY / SECOND)
    assert 2 == retain(warehouse.workspace, warehouse.clock, watch)


def test_a_kept_day_goes_with_the_last_file_of_its_day(warehouse: Warehouse, ticks: Ticks) -> None:
    """The day of an id without time is kept while any table has files of it, then forgotten, also after a kill."""
    land(warehouse, range(3))
    manifest = warehouse.workspace.manifest
    ids = ["r0", "r2", "s2"]
    watch = Watch(ticks)
    for days, known in (
        ({"runs": 1}, ids),
        ({"runs": 1, "steps": 1}, ids),
        ({"runs": 1, "steps": 1, "scores": 1}, ["r0"]),
    ):
        set_retention(manifest, days)
        later(warehouse, ticks, 60)
        assert 1 == retain(warehouse.workspace, warehouse.clock, watch)
        assert known == sorted(manifest.days(ids))
    land(warehouse, range(2, 3))
    assert {"r2", "s2"} <= set(manifest.days(ids))
    snapshot = manifest.read(None)[0]
    old = [file.id for file in snapshot.files if file.place.day == NOW // DAY - 2]
    manifest.commit(Change(snapshot.version, dropped=old))  # and killed before the days were forgotten
    assert 0 == retain(warehouse.workspace, warehouse.clock, Watch(ticks))
    assert ["r0"] == sorted(manifest.days(ids))


def test_a_forgotten_id_that_comes_again_counts_once(warehouse: Warehouse, ticks: Ticks) -> None:
    """A row whose day was dropped and forgotten may return, on a day of its own, and merges with its next record."""
    land(warehouse, range(2, 3))
    set_retention(warehouse.workspace.manifest, {"runs": 1, "steps": 1, "scores": 1})
    assert 3 == retain(warehouse.workspace, warehouse.clock, Watch(ticks))
    for status in ("Queued", "Running", "Completed"):
        warehouse.append("runs", run("r2", status=status, queued_at=NOW))
        assert [(1, status)] == warehouse.ask("SELECT count(*), max(status) FROM runs")
        warehouse.seal()
        assert [(1, status)] == warehouse.ask("SELECT count(*), max(status) FROM runs")


@pytest.mark.parametrize("jump", [1.0, 3_650.0, -1.0, -3_650.0], ids=lambda days: f"{days:+.0f}d")
def test_a_jumping_clock_drops_nothing(warehouse: Warehouse, ticks: Ticks, jump: float) -> None:
    """A clock that jumps by days drops no day while it is wrong for less than an hour, nor when it is put right."""
    land(warehouse, range(3))
    set_retention(warehouse.workspace.manifest, {"runs": 5})
    watch = Watch(ticks)
    assert 0 == retain(warehouse.workspace, warehouse.clock, watch)
    warehouse.clock.us += int(jump * DAY)
    for _ in range(58):
        later(warehouse, ticks, 60)
        assert 0 == retain(warehouse.workspace, warehouse.clock, watch)
    warehouse.clock.us -= int(jump * DAY)
    later(warehouse, ticks, 60)
    assert 0 == retain(warehouse.workspace, warehouse.clock, watch)
    assert (3, 3, 3) == counts(warehouse)
    set_retention(warehouse.workspace.manifest, {"runs": 1})
    later(warehouse, ticks, PAUSE_SECONDS - 61)
    assert 0 == retain(warehouse.workspace, warehouse.clock, watch)
    later(warehouse, ticks, 61)
    assert 1 == retain(warehouse.workspace, warehouse.clock, watch)


def test_a_clock_wrong_at_boot_is_not_trusted_at_once(warehouse: Warehouse, ticks: Ticks) -> None:
    """A new process whose clock is over a day past the newest row waits an hour; an idle workspace only waits."""
    land(warehouse, range(3))
    set_retention(warehouse.workspace.manifest, {"runs": 1})
    warehouse.clock.us += 2 * DAY
    watch = Watch(ticks)
    for _ in range(59):
        assert 0 == retain(warehouse.workspace, warehouse.clock, watch)
        later(warehouse, ticks, 60)
    assert 0 == retain(warehouse.workspace, warehouse.clock, watch)
    later(warehouse, ticks, 60)
    assert 3 == retain(warehouse.workspace, warehouse.clock, watch)


@given(st.lists(st.tuples(st.integers(60, 7_200), st.integers(-700, 700)), max_size=30))
def test_small_steps_are_no_jump_and_large_ones_pause_an_hour(steps: list[tuple[int, int]]) -> None:
    """Whatever the looks: trusted exactly when no step of over 10 minutes lies within the last hour."""
    ticks, wall = Ticks(), NOW
    watch = Watch(ticks)
    assert watch.trusts(wall, NOW)
    jumped_at: float | None = None
    for passed, slip in steps:
        ticks.seconds += passed
        wall += (passed + slip) * SECOND
        if abs(slip) > 600:
            jumped_at = ticks.seconds
        expected = jumped_at is None or ticks.seconds - jumped_at >= 3_600
        assert expected == watch.trusts(wall, NOW)


def test_days_are_checked_and_kept(warehouse: Warehouse) -> None:
    """Only tables of records, whole days of 1 to 36,500; a refusal changes nothing; none is said by leaving out."""
    manifest = warehouse.workspace.manifest
    assert {} == retention(manifest)
    assert {"runs": 7, "spans": 36_500} == set_retention(manifest, {"spans": 36_500, "runs": 7, "events": None})
    for days in ({"runs": 0}, {"runs": 36_501}, {"runs": 1.5}, {"runs": "7"}, {"runs": True}, {"spans": 1, "runs": -1}):
        with pytest.raises(InputError, match="the days of runs must be a whole number of 1 to 36500"):
            set_retention(manifest, days)
    for table in ("score_definitions", "experiments", "step_attempts", "nothing", ""):
        with pytest.raises(InputError, match="cannot be limited"):
            set_retention(manifest, {table: 1})
    assert {"runs": 7, "spans": 36_500} == retention(manifest)
    assert {} == set_retention(manifest, {})
    assert "retention" not in manifest.settings()
    assert all(public in TABLE and own in FILE for public, own in FILE_TABLE.items())
