"""A report worker in a process of its own, without a server: what it runs needs none.

`python -m tests.api.reports.workers DATA NAME DATABASE WAITS DAYS`: with NAME `-` as `api.reports.worker` runs it,
behind the lock of the data directory; with another name without the lock, as if it were on another machine. Its clock
is DAYS ahead.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.reports import worker
from api.reports.asking import Asking
from api.reports.delivering import Means
from api.reports.editions import Editions
from api.reports.named import put
from api.reports.places import Places
from api.reports.work import Work
from tests.support.crash import wait_for
from warehouse.clock import system_clock
from warehouse.directory import make_workspace, open_directory
from warehouse.logs import set_up_logs
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.reports.editions import Edition
    from api.reports.scheduling import Firing

URL = "http://127.0.0.1:9"
"""Of no server."""

NO_MEANS = Means(None, plain_http=False)


def notebook(*cells: str, parameters: str = "") -> dict[str, Any]:
    """Return a notebook with a parameters cell and others."""
    made: list[dict[str, Any]] = [
        {"id": f"c{at}", "cell_type": "code", "source": source, "outputs": [], "execution_count": None, "metadata": {}}
        for at, source in enumerate((parameters, *cells))
    ]
    made[0]["metadata"] = {"tags": ["parameters"]}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made}


class Folder:
    """A data directory with reports, seen from a test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = open_directory(root)
        make_workspace(self.data, "default")
        self.places = Places(root)
        self.editions = Editions(self.places.editions)

    def put(self, name: str, now_us: int | None = None, **definition: Any) -> None:
        """Define a report, as the server does, now or at another time."""
        manifest = open_workspace(self.data.workspace("default")).manifest
        with contextlib.closing(manifest):
            put(manifest, name, {"title": name, "notebook": notebook()} | definition, now_us or system_clock())
        self.places.changed.touch()

    def ask(self, firing: Firing) -> None:
        """Ask for a run, as the server does."""
        Asking(self.places.asked).add(firing)

    def wait(self, report: str, number: int, seconds: float = 60.0) -> list[Edition]:
        """Return the editions of a report, once there are so many and no run is asked for any more."""

        def there() -> bool:
            return len(self.editions.list("default", report)) >= number and not Asking(self.places.asked).all()

        assert wait_for(there, seconds), f"{len(self.editions.list('default', report))} of {number} editions"
        return self.editions.list("default", report)


@contextlib.contextmanager
def working(
    folder: Folder, name: str = "-", database: str = "", waits: str = "", days: int = 0
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker, and kill it at the end; `waits` are its seconds between tries, instead of up to forty minutes."""
    command = [sys.executable, "-m", "tests.api.reports.workers", str(folder.root), name, database, waits, str(days)]
    with (folder.root.parent / "workers.log").open("ab") as log:
        process = subprocess.Popen(command, stderr=log, start_new_session=True)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def descendants(pid: int) -> list[int]:
    """Return the processes that a process started, and theirs."""
    found: list[int] = []
    for child in Path(f"/proc/{pid}/task").glob("*/children"):
        for text in child.read_text().split():
            found += [int(text), *descendants(int(text))]
    return found


def alive(pid: int) -> bool:
    """Return whether a process runs; one that ended and was not waited for does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def _run() -> None:
    from api.reports import firing  # noqa: PLC0415 - not in the tests' own process: DBOS is one a process

    root, name, database, waits, days = sys.argv[1:]
    set_up_logs("info")
    if waits:
        firing.RETRY_SECONDS = tuple(map(float, waits.split(",")))  # pyright: ignore[reportAttributeAccessIssue]
    ahead = int(days) * 86_400_000_000
    work = Work(open_directory(Path(root)), URL, URL, NO_MEANS, clock=lambda: system_clock() + ahead)
    database = worker.database_of(work, database)
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))

    def stop(seconds: float) -> bool:
        time.sleep(seconds)
        return bool(ended)

    if name == "-":
        worker.run(work, database, stop)
    else:
        firing.begin(work, database, name)
        loop = worker.Loop(work, firing.fire)
        while not stop(worker.WAIT_SECONDS):
            loop.tick()
    os._exit(0)


if __name__ == "__main__":
    _run()
