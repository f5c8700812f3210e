"""The times of a schedule, against the rule stepped through minute by minute, and against DBOS's own backfill."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING

import pytest
from dbos import DBOSClient, run_dbos_database_migrations
from hypothesis import example, given, settings
from hypothesis import strategies as st

from api.reports.occurring import newest, occurrences

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MINUTE = dt.timedelta(minutes=1)
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")

CHANGES = {
    "Europe/Berlin": ("2026-03-29T01:00Z", "2026-10-25T01:00Z"),
    "America/New_York": ("2026-03-08T07:00Z", "2026-11-01T06:00Z"),
    "Australia/Lord_Howe": ("2026-04-04T15:00Z", "2026-10-03T15:30Z"),  # by half an hour
    "Pacific/Apia": ("2011-12-30T10:00Z",),  # by a day
    "UTC": ("2026-06-01T00:00Z",),
}
"""Zone -> when its clock changes; from the IANA database, by `zdump -v`."""

FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))


def at(text: str) -> dt.datetime:
    """Return a moment."""
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)


def member(field: str, low: int, high: int) -> set[int]:
    """Return what a field of cron means, of the forms that these tests write."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        begin, end = (low, high) if span == "*" else (int(first), int(last or first))
        found |= set(range(begin, end + 1, int(step or 1)))
    return found


def matcher(cron: str) -> Callable[[dt.datetime], bool]:
    """Return whether a time of the wall clock is one of a schedule; of the days only one field may be restricted."""
    sets = [member(field, *bounds) for field, bounds in zip(cron.split(), FIELDS, strict=True)]

    def matches(wall: dt.datetime) -> bool:
        values = (wall.minute, wall.hour, wall.day, wall.month, wall.isoweekday() % 7)
        return all(value in known for value, known in zip(values, sets, strict=True))

    return matches


def stepped(cron: str, timezone: str, after: dt.datetime, until: dt.datetime) -> list[dt.datetime]:
    """Return the times in (`after`, `until`] by the rule itself: look at the clock on the wall each minute."""
    zone, matches = zoneinfo.ZoneInfo(timezone), matcher(cron)
    every_hour = cron.split()[1].startswith("*")
    found: list[dt.datetime] = []
    moment = after.replace(second=0, microsecond=0) + (MINUTE if after.second or after.microsecond else 0 * MINUTE)
    while moment <= until:
        wall = moment.astimezone(zone)
        before = (moment - MINUTE).astimezone(zone).replace(tzinfo=None) + MINUTE
        left_out: list[dt.datetime] = []
        while before < wall.replace(tzinfo=None):
            left_out.append(before)
            before += MINUTE
        fires = matches(wall) and (wall.fold == 0 or every_hour)
        if moment > after and (fires or (not every_hour and any(map(matches, left_out)))):
            found.append(moment)
        moment += MINUTE
    return found


minutes = st.one_of(
    st.sampled_from(["*", "*/15", "*/7", "0", "30", "15-20"]),
    st.lists(st.integers(0, 59), min_size=1, max_size=3).map(lambda given: ",".join(map(str, given))),
)
hours = st.one_of(
    st.sampled_from(["*", "*/2", "0-3", "1-2"]),
    st.lists(st.integers(0, 23), min_size=1, max_size=3).map(lambda given: ",".join(map(str, given))),
)
days = st.sampled_from(["* * *", "* * 0", "* * 1-5", "29 * *", "*/2 * *", "* 3,10 *", "30,31 * *"])
crons = st.tuples(minutes, hours, days).map(" ".join)


@given(
    cron=crons,
    place=st.sampled_from([(zone, change) for zone, changes in CHANGES.items() for change in changes]),
    back=st.integers(0, 26 * 60),
    on=st.integers(1, 26 * 60),
    seconds=st.sampled_from([0, 0, 17]),
)
@example(cron="30 2 * * *", place=("Europe/Berlin", "2026-03-29T01:00Z"), back=120, on=120, seconds=0)
@example(cron="30 2 * * *", place=("Europe/Berlin", "2026-10-25T01:00Z"), back=120, on=120, seconds=0)
@example(cron="0 * * * *", place=("Australia/Lord_Howe", "2026-10-03T15:30Z"), back=120, on=120, seconds=0)
@settings(max_examples=150)
def test_times_are_those_of_the_wall_clock(cron: str, place: tuple[str, str], back: int, on: int, seconds: int) -> None:
    """Around every kind of change: none is lost or twice, one that is left out comes when the clock goes on."""
    zone, change = place
    after = at(change) - back * MINUTE + dt.timedelta(seconds=seconds)
    until = at(change) + on * MINUTE
    expected = stepped(cron, zone, after, until)
    assert expected == list(occurrences(cron, zone, after, until))
    assert expected[-3:] == newest(cron, zone, after, until, 3)


@pytest.mark.parametrize(
    ("cron", "zone", "change", "expected"),
    [
        ("30 2 * * *", "Europe/Berlin", "2026-03-29T01:00Z", ["2026-03-29T01:00Z"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:00Z", ["2026-10-25T00:30Z"]),
        ("30 2 * * *", "America/New_York", "2026-03-08T07:00Z", ["2026-03-08T07:00Z"]),
        ("30 1 * * *", "America/New_York", "2026-11-01T06:00Z", ["2026-11-01T05:30Z"]),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T15:30Z", ["2026-10-03T15:30Z"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T15:00Z", ["2026-04-04T14:45Z"]),
        ("*/30 2 * * *", "Europe/Berlin", "2026-03-29T01:00Z", ["2026-03-29T01:00Z"]),
        ("0 * * * *", "Europe/Berlin", "2026-10-25T01:00Z", [f"2026-10-25T0{hour}:00Z" for hour in (0, 1, 2)]),
    ],
)
def test_a_change_of_the_clock(cron: str, zone: str, change: str, expected: list[str]) -> None:
    """What the documentation says, by the figures of the IANA database."""
    after, until = at(change) - 61 * MINUTE, at(change) + 61 * MINUTE
    assert [at(text) for text in expected] == list(occurrences(cron, zone, after, until))


@pytest.mark.parametrize("zone", ZONES)
def test_dbos_would_fire_at_the_same_times_but_those_that_come_twice(zone: str, tmp_path: Path) -> None:
    """DBOS's own backfill over a year: where the hour is named it fires in both of two equal hours; else it agrees."""
    url = f"sqlite:///{tmp_path / 'dbos.db'}"
    run_dbos_database_migrations(system_database_url=url)
    client = DBOSClient(system_database_url=url)
    # A launched application does so; nothing is queued for none.
    client._sys_db.create_application_version("1")  # pyright: ignore[reportPrivateUsage]
    try:
        for change in CHANGES[zone]:
            low, high = at(change) - 300 * MINUTE, at(change) + 300 * MINUTE
            for cron in ("0 8 * * *", "30 2 * * *", "15 1,2,3 * * *", "45 1 * * *", "0 * * * *", "*/30 * * * *"):
                name = f"{zone} {change} {cron}"
                client.create_schedule(schedule_name=name, workflow_name="w", schedule=cron, cron_timezone=zone)
                handles = client.backfill_schedule(name, low, high)
                fired = [h.workflow_id.removeprefix(f"sched-{name}-") for h in handles]
                seen: set[str] = set()
                once: list[dt.datetime] = []
                for text in fired:
                    wall = text[:16]
                    if cron.split()[1].startswith("*") or wall not in seen:
                        once.append(at(text))
                    seen.add(wall)
                assert once == list(occurrences(cron, zone, low, high - MINUTE)), name
    finally:
        client.destroy()
