"""When a schedule's times are: cron in a time zone, by the wall clock there, and what a change of that clock means.

The clock goes forward: a time that does not exist happens once the clock goes on, and once, however many were left out.
The clock goes back: a time that comes twice happens the first time. Neither holds where the hour is `*` or `*/n`: who
says "every hour" means hours that pass, so those that come twice happen twice and those that never come do not.
That is the rule of cron since Vixie's (cron(8) of Debian, "Notes"). DBOS would fire each time that comes twice, twice.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_JUMP = dt.timedelta(hours=25)
"""More than any clock was ever changed by: Samoa left out a day in 2011."""
_FIRST_STEP = dt.timedelta(days=1)
_LAST_STEP = dt.timedelta(days=256)
_MINUTE = dt.timedelta(minutes=1)
_YEARS = 8
"""A cron expression without a time so many years long never has one; as `api.reports.definition` has it."""


def occurrences(cron: str, timezone: str, after: dt.datetime, until: dt.datetime) -> Iterator[dt.datetime]:
    """Yield the times of a schedule in (`after`, `until`], in order, in UTC.

    Args:
        cron: five fields.
        timezone: a name of the IANA database.
        after: with a time zone, as `until`.
        until: the last moment that counts.
    """
    low, step = after.astimezone(dt.UTC), _FIRST_STEP
    while low < until:
        high = min(low + step, until.astimezone(dt.UTC))
        yield from _within(cron, timezone, low, high)
        low, step = high, min(2 * step, _LAST_STEP)


def newest(cron: str, timezone: str, after: dt.datetime, until: dt.datetime, limit: int) -> list[dt.datetime]:
    """Return the last `limit` times of a schedule in (`after`, `until`], in order, without looking at all of them."""
    found: list[dt.datetime] = []
    high, step = until.astimezone(dt.UTC), _MINUTE
    while high > after and len(found) < limit:
        low = max(high - step, after.astimezone(dt.UTC))
        found[:0] = _within(cron, timezone, low, high)
        high, step = low, min(2 * step, _LAST_STEP)
    return found[-limit:]


def _within(cron: str, timezone: str, low: dt.datetime, high: dt.datetime) -> list[dt.datetime]:
    """Return the times in (`low`, `high`], both in UTC."""
    from croniter import CroniterBadDateError, croniter  # noqa: PLC0415 - of the extra `reports`

    zone = zoneinfo.ZoneInfo(timezone)
    every_hour = cron.split()[1].startswith("*")
    # The wall clock is walked without its zone, over all that it can show between the two: what croniter does with a
    # zone differs from release to release, what it does without one cannot.
    last = high.astimezone(zone).replace(tzinfo=None) + _JUMP
    clock = croniter(
        cron, low.astimezone(zone).replace(tzinfo=None) - _JUMP - _MINUTE, max_years_between_matches=_YEARS
    )
    found: set[dt.datetime] = set()
    try:
        while (wall := clock.get_next(dt.datetime)) <= last:
            found.update(moment for moment in _moments(wall, zone, every_hour=every_hour) if low < moment <= high)
    except CroniterBadDateError:
        pass
    return sorted(found)


def _moments(wall: dt.datetime, zone: zoneinfo.ZoneInfo, *, every_hour: bool) -> tuple[dt.datetime, ...]:
    """Return when a time of the wall clock happens, in UTC: once, twice or never."""
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
    if first.astimezone(zone).replace(tzinfo=None) != wall:  # it is left out; `second` is before the change (PEP 495)
        return () if every_hour else (_change(zone, second, first),)
    return (first, second) if every_hour else (first,)


def _change(zone: zoneinfo.ZoneInfo, low: dt.datetime, high: dt.datetime) -> dt.datetime:
    """Return the moment in (`low`, `high`] from which the clock has the offset that it has at `high`."""
    before = low.astimezone(zone).utcoffset()
    while high - low > dt.timedelta(seconds=1):
        middle = low + (high - low) // 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)
