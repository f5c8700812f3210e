"""Which runs are due: the times of every schedule since the last look, and what of those missed is made up for.

Nothing here waits or has a clock of its own; `api.reports.worker` looks again and again. Two looks at the same time
give the same firings, with the same editions: who starts each edition once has each firing once.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from api.reports.definition import KIND, Schedule, kept
from api.reports.editions import key
from api.reports.occurring import newest, occurrences
from warehouse.clock import iso
from warehouse.errors import UpshotError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from warehouse.manifest import Manifest

log = structlog.get_logger("reports")

ON_TIME_SECONDS = 60
"""A firing that the worker comes to so late was not missed: a server that is started anew takes less."""

MAX_MADE_UP = 100
"""Missed firings of one report that are made up for at one time, the newest."""

MAX_COUNTED = 1000
"""Times that are looked at after an outage."""

_AHEAD = dt.timedelta(days=8 * 366)


class Firing(msgspec.Struct, frozen=True):
    """One run that is to be, and the edition it makes. The same edition is made once, however often it is asked for."""

    workspace: str
    report: str
    edition: str
    known_at: str
    """What the notebook asks is as known then, ISO 8601 with Z: a run that is late says what one in time would have."""
    scheduled_for: str | None = None
    """The time of the schedule; None: somebody asked."""
    params: dict[str, Any] = {}
    """Beside those of the definition, and before them."""
    deliver: bool = True
    """Whether its edition goes where the definition says."""

    @property
    def id(self) -> str:
        """Return what this run is called in the queue."""
        return f"{self.workspace}/{self.report}/{self.edition}"


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A report that runs by itself."""

    workspace: str
    report: str
    schedule: Schedule
    since_us: int
    """When it got this schedule; times before were never due."""


def firing(workspace: str, report: str, moment: dt.datetime) -> Firing:
    """Return the firing of a schedule's time."""
    time = iso(_us(moment))
    return Firing(workspace, report, key(report, time), time, time)


def scheduled(manifest: Manifest, workspace: str) -> list[Scheduled]:
    """Return the reports of a workspace that run by themselves. One that cannot be read is logged; the others go on."""
    found: list[Scheduled] = []
    for saved in manifest.objects(KIND):
        try:
            schedule = kept(saved.body or {}).schedule
        except UpshotError as error:
            log.exception("report_unreadable", workspace=workspace, report=saved.name, error=error.message)
            continue
        if schedule is not None:
            since = _since(manifest, saved.name, saved.version, saved.created_at, schedule)
            found.append(Scheduled(workspace, saved.name, schedule, since))
    return found


def _since(manifest: Manifest, name: str, version: int, created_at: int, schedule: Schedule) -> int:
    """Return since when a report has had this schedule: a new title is no new schedule."""
    while version > 1:
        before = manifest.object(KIND, name, version - 1)
        if before is None or before.body is None or before.body.get("schedule") != msgspec.to_builtins(schedule):
            break
        version, created_at = before.version, before.created_at
    return created_at


def due(schedule: Schedule, after: dt.datetime, now: dt.datetime) -> tuple[list[dt.datetime], int]:
    """Return the times in (`after`, `now`] that are to be run, and how many were missed and are left out.

    What was missed is run as `schedule.missed` says: none of it, the newest unless a later one is in time, or each up
    to the newest `MAX_MADE_UP`. Times before the newest `MAX_COUNTED` are not counted.
    """
    times = newest(schedule.cron, schedule.timezone, after, now, MAX_COUNTED)
    border = now - dt.timedelta(seconds=ON_TIME_SECONDS)
    missed = [time for time in times if time < border]
    in_time = times[len(missed) :]
    made_up = {"skip": [], "latest": [] if in_time else missed[-1:], "all": missed[-MAX_MADE_UP:]}[schedule.missed]
    return made_up + in_time, len(missed) - len(made_up)


class Watch:
    """Looks at schedules: each time of each comes out once, or as `due` says when nobody looked for long."""

    def __init__(self, looked_us: int) -> None:
        self.looked_us = looked_us
        """Until when everything that was due came out."""
        self._start_us = looked_us
        self._waits: dict[Scheduled, _Wait] = {}

    def look(self, reports: Iterable[Scheduled], now_us: int) -> list[Firing]:
        """Return what became due since the last look. A schedule that cannot be followed is logged once, and rests."""
        now, found = _moment(now_us), list[Firing]()
        waits: dict[Scheduled, _Wait] = {}
        for report in reports:
            try:
                wait = self._waits.get(report) or self._begun(report)
                if wait.next is not None and wait.next <= now:
                    found += _due(report, wait.after, now)
                    wait = _Wait(now, _next(report.schedule, now))
            except (UpshotError, ValueError, LookupError, ArithmeticError, OSError) as error:
                log.exception("schedule_rests", workspace=report.workspace, report=report.report, error=str(error))
                wait = _Wait(now, None)
            waits[report] = wait
        self._waits = waits
        self.looked_us = max(self.looked_us, now_us)
        return found

    def _begun(self, report: Scheduled) -> _Wait:
        # Not from the last look on: that may have been after the definition was put and before it was read.
        after = _moment(max(report.since_us, self._start_us))
        return _Wait(after, _next(report.schedule, after))


@dataclass(frozen=True, slots=True)
class _Wait:
    """How far a schedule was followed, and its next time; None when it has none."""

    after: dt.datetime
    next: dt.datetime | None


def _due(report: Scheduled, after: dt.datetime, now: dt.datetime) -> list[Firing]:
    times, left_out = due(report.schedule, after, now)
    if left_out:
        log.warning(
            "firings_left_out",
            workspace=report.workspace,
            report=report.report,
            missed=report.schedule.missed,
            left_out=left_out if len(times) + left_out < MAX_COUNTED else f"{left_out} or more",
        )
    return [firing(report.workspace, report.report, time) for time in times]


def next_at(schedule: Schedule | None, now_us: int) -> str | None:
    """Return the next time of a schedule, ISO 8601 with Z; None when there is none, or it cannot be followed here."""
    try:
        at = None if schedule is None else _next(schedule, _moment(now_us))
    except (ImportError, ValueError, LookupError, ArithmeticError):  # the extra is not installed, or zones are older
        return None
    return None if at is None else iso(_us(at))


def _next(schedule: Schedule, after: dt.datetime) -> dt.datetime | None:
    return next(occurrences(schedule.cron, schedule.timezone, after, after + _AHEAD), None)


def _moment(us: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=us)


def _us(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
