"""The keeper: one process that seals, erases, compacts, unlinks and scrubs every workspace of a data directory.

Crash-only: it may be killed at any instruction. What it promises stands where it is done: `Sealer.seal`,
`Compactor.compact`, `warehouse/upkeep.py`.
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

from warehouse.clock import Clock, system_clock
from warehouse.compaction import Compactor, Policy, go_last
from warehouse.directory import FileLock
from warehouse.engine import Error as EngineError
from warehouse.erasure import advance
from warehouse.errors import UpshotError
from warehouse.inspection import strangers
from warehouse.logs import set_up_logs
from warehouse.paths import DataPaths
from warehouse.retention import Watch, retain
from warehouse.sealing import Limits, Sealer
from warehouse.upkeep import DaysCheck, recover, scrub, unlink
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

log = structlog.get_logger("keeper")

LAST_SEAL_SECONDS = 5.0
"""How long sealing goes on after SIGTERM; what is left then stays in the log, as safe as before."""

NICE = 5
"""Niceness of the keeper: beside a busy server it gets a quarter of a core at least."""

RETRY_SECONDS = 1.0
"""How long a workspace rests after a failure."""

_WAIT_SECONDS = 0.25


def seal_all(data: DataPaths, stop: Callable[[float], bool], limits: Limits, clock: Clock = system_clock) -> None:
    """Keep every workspace sealed until `stop` (which waits that many seconds) says so; then seal what is left."""
    sealers: dict[str, Sealer] = {}
    not_before: dict[str, float] = {}
    stopping, deadline = False, 0.0
    while not stopping:
        stopping = stop(_WAIT_SECONDS)
        deadline = time.monotonic() + LAST_SEAL_SECONDS
        for name in data.workspaces():
            if time.monotonic() < not_before.get(name, 0.0):
                continue
            try:
                if name not in sealers:
                    sealers[name] = Sealer(open_workspace(data.workspace(name)), limits, clock)
                while sealers[name].due() or (stopping and time.monotonic() < deadline):
                    rows = sealers[name].seal()
                    if not rows:
                        break
                    log.debug("sealed", workspace=name, rows=rows)
                if not stopping:
                    sealers[name].tidy()
            except (UpshotError, OSError, EngineError) as error:
                log.exception("seal_failed", workspace=name, error=str(error))  # rows stay in the log
                not_before[name] = time.monotonic() + RETRY_SECONDS
    for sealer in sealers.values():
        sealer.close()


class Upkeep:
    """Erases, retains, compacts, unlinks and scrubs, one piece of work at a time and after everybody else."""

    def __init__(self, data: DataPaths, policy: Policy | None = None, clock: Clock = system_clock) -> None:
        self._data = data
        self._policy = policy or Policy()
        self._clock = clock
        self._stop = threading.Event()
        self._compactors: dict[str, Compactor] = {}
        self._watches: dict[str, Watch] = {}
        self._days: dict[str, DaysCheck] = {}
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        go_last()
        while not self._stop.is_set():
            busy = False
            for name in self._data.workspaces():
                try:
                    if name not in self._compactors:
                        self._compactors[name] = Compactor(open_workspace(self._data.workspace(name)), self._policy)
                        self._watches[name] = Watch()
                        self._days[name] = DaysCheck()
                    self._days[name].tend(self._compactors[name].workspace, self._clock)
                    busy |= tend(self._compactors[name], self._watches[name], self._clock)
                except (UpshotError, OSError, EngineError) as error:
                    if not self._stop.is_set():
                        log.exception("upkeep_failed", workspace=name, error=str(error))
                if self._stop.is_set():
                    break
            self._stop.wait(0 if busy else 1.0)
        for compactor in self._compactors.values():
            compactor.close()

    def close(self) -> None:
        """Stop. A compaction in its middle is thrown away; recovery removes what it wrote."""
        self._stop.set()
        while self._thread.is_alive():
            for compactor in self._compactors.values():
                compactor.interrupt()
            self._thread.join(0.05)


def tend(compactor: Compactor, watch: Watch, clock: Clock) -> bool:
    """Do one piece of each kind of upkeep, erasure first; tell whether there was any."""
    done = advance(compactor.workspace, compactor, clock)
    done |= retain(compactor.workspace, clock, watch) > 0
    done |= compactor.compact() > 0
    done |= unlink(compactor.workspace) > 0
    scrub(compactor.workspace, clock)
    return done


def run(data: DataPaths, stop: Callable[[float], bool], limits: Limits | None = None) -> None:
    """Recover what a killed keeper left, then keep every workspace until `stop` (which waits so many seconds).

    A keeper that still runs is waited for: two would undo each other's work.
    """
    lock = FileLock(data.keeper_lock)
    while not lock.acquire():
        if stop(_WAIT_SECONDS):
            return
    for name in data.workspaces():
        try:
            workspace = open_workspace(data.workspace(name))
            with contextlib.closing(workspace.manifest):
                for file in recover(workspace):
                    log.info("unfinished_file_removed", workspace=name, file=str(file))
                for path in strangers(workspace):
                    log.warning("foreign_file", workspace=name, file=str(path))  # never read, never removed
        except (UpshotError, OSError) as error:
            log.exception("recovery_failed", workspace=name, error=str(error))  # the other workspaces go on
    upkeep = Upkeep(data)
    try:
        seal_all(data, stop, limits or Limits())
    finally:
        upkeep.close()
        lock.release()


def _after_others() -> None:
    """Let those go first who are waited for. Rows that wait for a seal are safe and visible; a full log pushes back."""
    os.setpriority(os.PRIO_PROCESS, 0, NICE)
    if os.getsid(0) == os.getpid():  # Linux may weigh whole sessions, and then ours is another one than the server's
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(NICE), "ascii")


def main() -> None:
    """Run the keeper of a data directory until SIGTERM or the end of its parent: arguments are the folder and its id.

    Given and not asked for: a parent may be gone before this process has imported what it needs.
    """
    set_up_logs("info")
    _after_others()
    stopped = threading.Event()
    parent = int(sys.argv[2])

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)

    def stop(seconds: float) -> bool:
        return stopped.wait(seconds) or os.getppid() != parent

    with contextlib.suppress(KeyboardInterrupt):
        run(DataPaths(Path(sys.argv[1])), stop)


if __name__ == "__main__":
    main()
