"""The report worker: one process that starts every report of a data directory when it is due or asked for.

Crash-only: it may be killed at any instruction. What it began is in the database of `api.reports.firing`, what was
asked for is on disk until its edition is, and until when it looked at the schedules too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from api import settings as settings_table
from api.reports import delivering
from api.reports.asking import Asking
from api.reports.editions import Editions
from api.reports.scheduling import Scheduled, Watch, scheduled
from api.reports.work import Work
from warehouse.clock import iso
from warehouse.directory import FileLock
from warehouse.errors import UpshotError
from warehouse.logs import set_up_logs
from warehouse.paths import DataPaths
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

log = structlog.get_logger("reports")

NICE = 5
"""Niceness of the worker and its notebooks: who asks the server now goes first."""

WAIT_SECONDS = 0.5
"""Between two looks; a run that is asked for, and a change of a schedule, wait so long at the most."""

_READ_SECONDS = 60.0
"""Between two readings of the definitions when nobody says that one changed, as after a restore."""
_NOTE_SECONDS = 30.0
"""Between two notes of until when it looked; below `scheduling.ON_TIME_SECONDS`: no kill makes a firing late."""
_TELL_SECONDS = 20.0
"""Between two looks for runs that were given up."""
_TIDY_SECONDS = 86_400.0


class Loop:
    """What the worker does again and again. `tick` does all of it once."""

    def __init__(self, work: Work, fire: Callable[..., None]) -> None:
        self._work = work
        self._fire = fire
        self._asking = Asking(work.places.asked)
        self._watch = Watch(_noted(work))
        self._reports: list[Scheduled] = []
        self._read_at = self._noted_at = -_READ_SECONDS
        self._changed = -1
        self._begun: set[str] = set()

    def tick(self) -> None:
        """Start what was asked for and what is due; raises nothing that a later tick may not mend."""
        self._ask()
        self._read()
        due = self._watch.look(self._reports, self._work.clock())
        for firing in due:
            self._fire(firing)
        if due or time.monotonic() - self._noted_at > _NOTE_SECONDS:
            _note(self._work, self._watch.looked_us)
            self._noted_at = time.monotonic()

    def _ask(self) -> None:
        asked = [one.firing for one in self._asking.all() if one.state != "failed"]
        for firing in asked:
            if firing.id not in self._begun:
                self._fire(firing)
        self._begun = {firing.id for firing in asked}

    def _read(self) -> None:
        """Read the schedules if a definition may have changed. A workspace that cannot be read keeps those it had."""
        changed = _touched(self._work.places.changed)
        if changed == self._changed and time.monotonic() - self._read_at < _READ_SECONDS:
            return
        self._changed, self._read_at = changed, time.monotonic()
        found: list[Scheduled] = []
        for name in self._work.data.workspaces():
            try:
                workspace = open_workspace(self._work.data.workspace(name))
                with contextlib.closing(workspace.manifest) as manifest:
                    found += scheduled(manifest, name)
            except (UpshotError, OSError) as error:
                log.exception("reports_unread", workspace=name, error=str(error))
                found += [one for one in self._reports if one.workspace == name]
        self._reports = found


def _touched(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _noted(work: Work) -> int:
    """Return until when schedules were looked at, in microseconds; now when nobody did, or the clock was wrong."""
    now = work.clock()
    try:
        return min(int(work.places.looked.read_text("ascii")), now)
    except (FileNotFoundError, ValueError):
        return now


def _note(work: Work, looked_us: int) -> None:
    # Not synced: after a power cut an older one may stand there, and what is looked at twice is fired once.
    half = work.places.looked.with_suffix(".half")
    half.write_text(str(looked_us), "ascii")
    half.rename(work.places.looked)


def run(work: Work, database: str, stop: Callable[[float], bool]) -> None:
    """Start reports until `stop` (which waits that many seconds) says so.

    A worker that still runs is waited for: then what it leaves is resumed.
    """
    from api.reports import firing  # noqa: PLC0415 - who only waits is smaller without DBOS

    lock = FileLock(work.places.lock)
    while not lock.acquire():
        if stop(WAIT_SECONDS):
            return
    Editions(work.places.editions).clear_scratch()
    firing.begin(work, database)
    log.info("reports_begin", database=database.partition(":")[0])
    loop, told, tidied = Loop(work, firing.fire), 0.0, -_TIDY_SECONDS
    asking = Asking(work.places.asked)
    try:
        while not stop(WAIT_SECONDS):
            try:
                loop.tick()
                if time.monotonic() - told > _TELL_SECONDS:
                    told = time.monotonic()
                    for one in asking.all():
                        if one.state == "running" and firing.given_up(one.firing):
                            asking.say(one.firing, "failed", "the worker was killed in it again and again")
                if time.monotonic() - tidied > _TIDY_SECONDS:
                    tidied = time.monotonic()
                    asking.forget_failed(time.time())
                    firing.forget(iso(work.clock() - firing.HISTORY_DAYS * 86_400_000_000))
            except Exception as error:  # a database away, a disk full: the next look may do
                log.exception("reports_failed", error=str(error))
    finally:
        firing.end()
        lock.release()


def database_of(work: Work, url: str) -> str:
    """Return the URL of the queue's database: the one that was set, else SQLite in the data folder."""
    return url or f"sqlite:///{work.places.database}"


def main() -> None:
    """Run the worker of a data directory until SIGTERM or the end of its parent.

    Arguments are the folder, the server's URL on this machine, and the parent's id, given as `warehouse.keeper` is.
    """
    settings = settings_table.load({})
    set_up_logs(settings.log_level)
    os.setpriority(os.PRIO_PROCESS, 0, NICE)
    folder, url, parent = sys.argv[1:]
    stopped = threading.Event()

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)

    def stop(seconds: float) -> bool:
        return stopped.wait(seconds) or os.getppid() != int(parent)

    means = delivering.means(settings.smtp_url, settings.smtp_from, plain_http=settings.report_http)
    work = Work(DataPaths(Path(folder)), url, settings.public_url.rstrip("/") or url, means)
    run(work, database_of(work, settings.reports_database), stop)
    sys.stderr.flush()
    os._exit(0)  # notebooks in their middle have threads that wait for them; both are resumed


if __name__ == "__main__":
    main()
