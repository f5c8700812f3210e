"""Retention: whole days of a table go once they are older than its days to keep.

A row's day is that of its key (`warehouse/days.py`), the same for a run and all that hangs on it. A wrong clock must
not cost data: a clock that jumps, or that a new process cannot trust yet, pauses retention.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from warehouse.errors import InputError, shown
from warehouse.manifest import Change, StaleError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from warehouse.clock import Clock
    from warehouse.manifest import Manifest, Snapshot
    from warehouse.workspace import Workspace

log = structlog.get_logger("keeper")

FILE_TABLE = {
    "runs": "runs",
    "steps": "step_attempts",
    "scores": "score_history",
    "events": "events",
    "assignments": "assignments",
    "session_runs": "session_runs",
    "spans": "spans",
    "metadata": "metadata",
    "deferrals": "deferrals",
}
"""Public table whose days may be limited -> where its rows are. Declarations are kept for ever."""

MAX_DAYS = 36_500
"""More days than this are refused: "for ever" is said by leaving the table out."""

SETTING = "retention"
EVERY_SECONDS = 60.0
"""Days are looked at this often."""

JUMP_SECONDS = 600.0
"""The wall clock may run ahead of or behind the monotonic one by so much between two looks."""

PAUSE_SECONDS = 3_600.0
_DAY_US = 86_400_000_000
_SECOND_US = 1_000_000


@dataclass
class Watch:
    """Tells whether a workspace's days may be dropped now. One instance a workspace, in the process that keeps it.

    Two rules, each of which pauses for an hour of monotonic time: the wall clock moved by more than 10 minutes against
    the monotonic one since the last look; or, at the first look of a process, it is more than a day past the newest
    row received, which an idle workspace and a clock that was set wrong at boot have in common. A clock that is put
    right within that hour is then seen to jump.
    """

    monotonic: Callable[[], float] = time.monotonic
    """Seconds since some moment; never jumps."""
    swept: bool = False
    """The kept days were cleared since this process began; a killed one may have left some."""
    _looked: float | None = field(default=None, init=False)
    _wall: int = field(default=0, init=False)
    _paused_until: float = field(default=0.0, init=False)

    def due(self) -> bool:
        """Tell whether the last look is long enough ago."""
        return self._looked is None or self.monotonic() - self._looked >= EVERY_SECONDS

    def trusts(self, now: int, newest: int | None) -> bool:
        """Look at the clock (microseconds since 1970), the newest row being received at `newest`; may days go?"""
        at = self.monotonic()
        if self._looked is None:
            doubtful = newest is not None and now - newest > _DAY_US
        else:
            doubtful = abs((now - self._wall) / _SECOND_US - (at - self._looked)) > JUMP_SECONDS
        self._looked, self._wall = at, now
        if doubtful:
            log.warning(
                "retention_paused", seconds=PAUSE_SECONDS, reason="the clock jumped or is not known to be right"
            )
            self._paused_until = at + PAUSE_SECONDS
        return at >= self._paused_until


def retain(workspace: Workspace, clock: Clock, watch: Watch) -> int:
    """Drop the files of every day that is older than its table keeps; return how many, 0 when it is not time to look.

    Once it returns no later query reads them; they are unlinked when no earlier one does. The kept day of an id goes
    once no table has files of that day.
    """
    manifest = workspace.manifest
    if not watch.due():
        return 0
    days = retention(manifest)
    snapshot, _ = manifest.read(None, max_rows=0)
    now = clock()
    if not watch.trusts(now, newest_received(snapshot)):
        return 0
    first = {FILE_TABLE[table]: now // _DAY_US - keep for table, keep in days.items()}
    old = [file for file in snapshot.files if file.place.day < first.get(file.place.table, file.place.day)]
    if old:
        try:
            manifest.commit(Change(snapshot.version, dropped=[file.id for file in old]))
        except StaleError:
            return 0  # the next look drops them
        log.info("days_dropped", files=len(old), rows=sum(file.rows for file in old))
    if old or not watch.swept:
        manifest.forget_days()
        watch.swept = True
    return len(old)


def newest_received(snapshot: Snapshot) -> int | None:
    """Return when the newest sealed row was received, microseconds since 1970; None when that is not known."""
    found = [file.bounds["received_at"][1] for file in snapshot.files if "received_at" in file.bounds]
    return max((us for us in found if isinstance(us, int)), default=None)


def retention(manifest: Manifest) -> dict[str, int]:
    """Return the days to keep of each table that is limited."""
    return dict(manifest.settings().get(SETTING, {}))


def set_retention(manifest: Manifest, days: Mapping[str, Any]) -> dict[str, int]:
    """Keep these days for these tables, and all others for ever (as those whose days are None); return what is kept.

    Raises:
        InputError: a table cannot be limited, or its days are no whole number of 1 to `MAX_DAYS`; nothing was changed.
    """
    for table, keep in days.items():
        if table not in FILE_TABLE:
            raise InputError(f"the days of {shown(table)} cannot be limited: give one of {', '.join(FILE_TABLE)}")
        whole = isinstance(keep, int) and not isinstance(keep, bool) and 1 <= keep <= MAX_DAYS
        if keep is not None and not whole:
            raise InputError(f"the days of {table} must be a whole number of 1 to {MAX_DAYS}, not {shown(str(keep))}")
    kept = {table: days[table] for table in FILE_TABLE if days.get(table) is not None}
    manifest.set(SETTING, kept or None)
    return kept
