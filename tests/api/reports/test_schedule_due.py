"""Which runs are due, by a clock that the test moves: in time, missed, changed, broken."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from api.reports.definition import KIND, Schedule
from api.reports.named import put
from api.reports.occurring import occurrences
from api.reports.scheduling import MAX_MADE_UP, Firing, Scheduled, Watch, due, next_at, scheduled
from tests.api.reports.workers import notebook
from warehouse.errors import InputError, UpshotError

if TYPE_CHECKING:
    from tests.support.rows import Warehouse
    from warehouse.manifest import Manifest

MONDAY = dt.datetime(2026, 11, 23, 7, tzinfo=dt.UTC)
"""Eight o'clock in Berlin."""
HOUR = dt.timedelta(hours=1)
DAY = 24 * HOUR


def us(moment: dt.datetime) -> int:
    """Return a moment as clocks say it."""
    return round(moment.timestamp() * 1e6)


def daily(missed: Any = "latest", name: str = "r", since: dt.datetime = MONDAY - 30 * DAY) -> Scheduled:
    """Return a report of every day at eight in Berlin."""
    return Scheduled("default", name, Schedule("0 8 * * *", "Europe/Berlin", missed), us(since))


def times(firings: list[Firing]) -> list[str | None]:
    """Return what firings are for."""
    return [one.scheduled_for for one in firings]


def test_a_time_comes_out_once_and_with_the_same_edition_wherever_it_is_looked_for() -> None:
    """Looking every second from a minute before to a minute after gives one firing; another worker gives its twin."""
    made: list[list[Firing]] = []
    for _ in range(2):
        watch = Watch(us(MONDAY - HOUR))
        seconds = (watch.look([daily()], us(MONDAY) + at * 1_000_000) for at in range(-60, 60))
        made.append([one for found in seconds for one in found])
    assert ["2026-11-23T07:00:00.000000Z"] == times(made[0])
    assert made[0] == made[1]
    assert made[0][0].scheduled_for == made[0][0].known_at


@pytest.mark.parametrize(
    ("missed", "expected"),
    [("skip", []), ("latest", [0]), ("all", [-2, -1, 0])],
)
def test_missed_firings_are_made_up_for_as_declared(missed: str, expected: list[int]) -> None:
    """Down from Friday to Monday noon: none, the newest, each; what is left out is logged with its number."""
    watch = Watch(us(MONDAY - 3 * DAY + HOUR))
    with capture_logs() as logs:
        found = watch.look([daily(missed)], us(MONDAY + 5 * HOUR))
    assert [(MONDAY + at * DAY).isoformat(timespec="microseconds")[:-6] + "Z" for at in expected] == times(found)
    left_out = [line["left_out"] for line in logs if line["event"] == "firings_left_out"]
    assert ([3 - len(expected)] if len(expected) < 3 else []) == left_out
    assert [] == watch.look([daily(missed)], us(MONDAY + 6 * HOUR))


@pytest.mark.parametrize("missed", ["skip", "latest", "all"])
def test_a_restart_misses_nothing(missed: str) -> None:
    """A worker that is back within a minute of a time runs it, also where missed ones are skipped."""
    watch = Watch(us(MONDAY - 10 * HOUR))
    assert 1 == len(watch.look([daily(missed)], us(MONDAY) + 59_000_000))


def test_a_long_outage_is_bounded() -> None:
    """A report of every minute and a month without a worker: the newest hundred, and the log says so."""
    every_minute = Scheduled("default", "r", Schedule("* * * * *", "UTC", "all"), us(MONDAY - 30 * DAY))
    watch = Watch(us(MONDAY - 30 * DAY))
    with capture_logs() as logs:
        found = watch.look([every_minute], us(MONDAY) + 70_000_000)
    assert MAX_MADE_UP + 1 == len(found)
    assert [(MONDAY + dt.timedelta(minutes=1)).isoformat(timespec="microseconds")[:-6] + "Z"] == times(found[-1:])
    assert any(line["event"] == "firings_left_out" and "or more" in str(line["left_out"]) for line in logs)


@given(
    missed=st.sampled_from(["skip", "latest", "all"]),
    looks=st.lists(st.integers(0, 60 * 48), min_size=1, max_size=20).map(sorted),
    hour=st.integers(0, 23),
)
def test_however_often_one_looks_no_time_comes_twice(missed: Any, looks: list[int], hour: int) -> None:
    """Firings are times of the schedule, rising; one policy gives all up to its bound, each of the others a part."""
    schedule = Schedule(f"0 {hour},{(hour + 7) % 24} * * *", "Europe/Berlin", missed)
    report = Scheduled("default", "r", schedule, us(MONDAY))
    watch = Watch(us(MONDAY))
    found: list[Firing] = []
    for minute in looks:
        found += watch.look([report], us(MONDAY) + minute * 60_000_000)
    last = MONDAY + dt.timedelta(minutes=looks[-1])
    every = [us(time) for time in occurrences(schedule.cron, schedule.timezone, MONDAY, last)]
    fired = [us(dt.datetime.fromisoformat(str(one.scheduled_for))) for one in found]
    assert sorted(set(fired)) == fired
    assert set(fired) <= set(every)
    if missed == "all":
        assert every == fired
    if missed == "latest" and every:
        assert every[-1] == fired[-1]


def test_due_says_how_many_are_left_out() -> None:
    """The count is of those that were missed; one in time is none of them."""
    schedule = Schedule("0 * * * *", "UTC", "latest")
    found, left_out = due(schedule, MONDAY - 5 * HOUR, MONDAY + dt.timedelta(seconds=30))
    assert ([MONDAY], 4) == (found, left_out)


def test_a_broken_schedule_is_logged_and_the_others_go_on() -> None:
    """A zone that this machine does not have, and a cron line that cannot be read, rest; logged once, not each look."""
    broken = [
        Scheduled("default", "zone", Schedule("0 8 * * *", "Mars/Olympus"), 0),
        Scheduled("default", "cron", Schedule("61 8 * * *", "UTC"), 0),
    ]
    watch = Watch(us(MONDAY - HOUR))
    with capture_logs() as logs:
        found = [one for at in range(-3, 3) for one in watch.look([*broken, daily()], us(MONDAY) + at * 1_000_000)]
    assert ["r"] == [one.report for one in found]
    assert ["zone", "cron"] == [line["report"] for line in logs if line["event"] == "schedule_rests"]
    assert [None, None] == [next_at(one.schedule, us(MONDAY)) for one in broken]


def body(**more: Any) -> dict[str, Any]:
    """Return a definition."""
    schedule = {"cron": "0 8 * * *", "timezone": "Europe/Berlin"}
    return {"title": "Daily", "notebook": notebook(), "schedule": schedule} | more


def since(manifest: Manifest) -> dict[str, int]:
    """Return since when each report has its schedule."""
    return {one.report: one.since_us for one in scheduled(manifest, "default")}


def test_a_schedule_begins_when_it_is_put_and_not_with_another_title(warehouse: Warehouse) -> None:
    """No time before the definition is due; an edit beside the schedule leaves it alone, a change begins anew."""
    manifest = warehouse.workspace.manifest
    put(manifest, "r", body(), 1_000)
    put(manifest, "r", body(title="Every day"), 2_000)
    assert {"r": 1_000} == since(manifest)
    put(manifest, "r", body(schedule={"cron": "0 9 * * *", "timezone": "Europe/Berlin"}), 3_000)
    assert {"r": 3_000} == since(manifest)
    put(manifest, "r", body(schedule=None), 4_000)
    assert {} == since(manifest)
    put(manifest, "r", body(), 5_000)
    manifest.remove_object(KIND, "r", 6_000)
    put(manifest, "r", body(), 7_000)
    assert {"r": 7_000} == since(manifest)


def test_what_was_put_between_a_look_and_a_reading_is_not_lost() -> None:
    """Put a second before eight, read a second after: it runs."""
    watch = Watch(us(MONDAY - HOUR))
    assert [] == watch.look([], us(MONDAY) + 500_000)
    put_late = daily(since=MONDAY - dt.timedelta(seconds=1))
    assert 1 == len(watch.look([put_late], us(MONDAY) + 1_000_000))


def test_a_definition_that_cannot_be_read_is_logged_and_the_others_go_on(warehouse: Warehouse) -> None:
    """What an unlike version of the server wrote stops nobody else."""
    manifest = warehouse.workspace.manifest
    manifest.put_object(KIND, "strange", {"title": 7}, 1)
    put(manifest, "r", body(), 2)
    with capture_logs() as logs:
        assert ["r"] == [one.report for one in scheduled(manifest, "default")]
    assert ["strange"] == [line["report"] for line in logs if line["event"] == "report_unreadable"]


@pytest.mark.parametrize(
    ("schedule", "named"),
    [
        ({"cron": "61 * * * *"}, "61 * * * *"),
        ({"cron": "0 8 * *"}, "0 8 * *"),
        ({"cron": "0 8 * * 1", "timezone": "Berlin"}, "Berlin"),
        ({"cron": "0 8 * * 1", "missed": "sometimes"}, "sometimes"),
        ({"cron": "R R * * *"}, "R R * * *"),
    ],
)
def test_a_bad_schedule_is_refused_and_named(warehouse: Warehouse, schedule: dict[str, Any], named: str) -> None:
    """Nothing is kept, and what was put before stays."""
    manifest = warehouse.workspace.manifest
    put(manifest, "r", body(), 1)
    with pytest.raises(InputError) as refused:
        put(manifest, "r", body(schedule=schedule), 2)
    assert named in refused.value.message
    assert {"r": 1} == since(manifest)
    assert isinstance(refused.value, UpshotError)
