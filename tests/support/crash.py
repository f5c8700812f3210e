"""Kills the product at a named step: a real child process wraps one function and ends itself there by SIGKILL.

The product has no hooks. A point is a row of `POINTS`; a new one is data. Children are forked from one process that has
imported everything and started no thread (`Nursery`), so that a point costs a tenth of a second.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import msgspec

from queries.snapshots import Snapshots
from tests.support.history import ASKED, late
from tests.support.rows import Clock, batch
from warehouse import keeper, sealing
from warehouse.compaction import Compactor, Policy
from warehouse.log import Log, encode
from warehouse.logs import set_up_logs
from warehouse.manifest import FileName
from warehouse.paths import DataPaths
from warehouse.sealing import Limits, Sealer
from warehouse.upkeep import recover, unlink
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

CHILD_SECONDS = 60
"""A child that did not reach its point by then ends by SIGALRM, and its test fails."""

EAGER = Policy(files=2, hidden=0.0)
"""Merges whatever can be merged."""

Role = Literal["append", "seal", "compact", "unlink", "recover", "ask", "keep"]


def _anything(*_: Any) -> bool:
    return True


def _a_file(path: Path, *_: Any) -> bool:
    return path.is_file()


def _a_folder(path: Path, *_: Any) -> bool:
    return path.is_dir()


@dataclass(frozen=True, slots=True)
class Point:
    """A step at which a process is killed: before or after a call of a function, while it does its role."""

    role: Role
    when: Literal["before", "after"]
    target: str
    """`module:name` or `module:Class.name`, where the product looks it up."""
    calls: tuple[int, ...] = (1,)
    """Which calls to kill at, from 1: each is a run of its own."""
    only: Callable[..., bool] = _anything
    """Calls with other arguments do not count."""

    @property
    def name(self) -> str:
        """Return what messages and test ids call it."""
        which = "" if self.only is _anything else self.only.__name__.replace("_", " ")
        return f"{self.role}: {self.when} {self.target.partition(':')[2]}{which}"


_MANIFEST = "warehouse.sqlite_manifest:SqliteManifest"
_FILES = "warehouse.files:LocalFiles"


POINTS: tuple[Point, ...] = (
    # After one step is before the next: each gap between two steps stands here once.
    # Ingest: one commit of the log, killed before, in the middle, and after it but before anybody hears of it.
    Point("append", "before", f"{_MANIFEST}.append", (3,)),
    Point("append", "after", "warehouse.sqlite_manifest:_entry_crc", (2,)),
    Point("append", "after", f"{_MANIFEST}.append", (2,)),
    Point("append", "after", "warehouse.log:Log._commit"),
    # Sealing: fold, write, announce, fsync, rename, fsync of the folder, commit, trim step by step.
    Point("seal", "before", "warehouse.stage:Stage.fold", (2,)),
    Point("seal", "after", "warehouse.sealing:write_rows", (1, 3)),
    Point("seal", "before", f"{_MANIFEST}.announce"),
    Point("seal", "before", "warehouse.files:sync", (1,), _a_file),
    Point("seal", "after", "warehouse.files:sync", (2,), _a_file),
    Point("seal", "after", "pathlib:Path.rename", (1, 3)),
    Point("seal", "after", "warehouse.files:sync", (2,), _a_folder),
    Point("seal", "before", f"{_MANIFEST}.commit"),
    Point("seal", "after", "warehouse.sqlite_manifest:_insert_hidden", (2,)),
    Point("seal", "after", f"{_MANIFEST}.commit"),
    Point("seal", "after", f"{_MANIFEST}.trim", (1, 3)),
    # Compaction: write, announce, publish, carry over, commit.
    Point("compact", "before", "warehouse.compaction:write_rows"),
    Point("compact", "after", "warehouse.compaction:write_rows", (2,)),
    Point("compact", "after", f"{_MANIFEST}.announce"),
    Point("compact", "after", "warehouse.files:sync", (1,), _a_file),
    Point("compact", "after", "pathlib:Path.rename"),
    Point("compact", "after", "warehouse.compaction:publish", (2,)),
    Point("compact", "after", "warehouse.compaction:Compactor._carried"),
    Point("compact", "after", f"{_MANIFEST}.commit", (1, 2)),
    # Unlinking of what compaction dropped.
    Point("unlink", "before", "pathlib:Path.unlink"),
    Point("unlink", "after", "pathlib:Path.unlink", (2,)),
    Point("unlink", "before", f"{_MANIFEST}.forget"),
    Point("unlink", "after", f"{_MANIFEST}.forget"),
    # Recovery from another kill.
    Point("recover", "after", f"{_FILES}.clear_scratch"),
    Point("recover", "after", "pathlib:Path.unlink"),
    Point("recover", "after", f"{_MANIFEST}.forget"),
    # A reader's swap of views, before and after a seal.
    Point("ask", "after", "warehouse.reading:ReadEngine.refresh", (2,)),
    Point("ask", "before", "warehouse.reading:ReadEngine._shape", (2,)),
    Point("ask", "after", "warehouse.reading:ReadEngine._prepare", (4,)),
    Point("ask", "before", "warehouse.integrity:Verified.need", (3,)),
    # The keeper's own loop, sealing and upkeep in two threads.
    Point("keep", "after", f"{_FILES}.publish", (3,)),
    Point("keep", "after", f"{_MANIFEST}.commit", (1, 2)),
    Point("keep", "after", f"{_FILES}.remove", (2,)),
)

RUNS: tuple[tuple[Point, int], ...] = tuple((point, call) for point in POINTS for call in point.calls)


def arm(point: Point, call: int) -> None:
    """End this process at a call of a function, from now on."""
    module, _, path = point.target.partition(":")
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    original = getattr(owner, name)
    count = itertools.count(1)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        hit = point.only(*arguments) and next(count) == call
        if hit and point.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **named)
        if hit:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, wrapped)


def _append(data: DataPaths, ready: Callable[[], None], acknowledge: Callable[[int], None]) -> None:
    log = Log(open_workspace(data.workspace("default")).manifest, Clock())
    ready()
    for number, rows in enumerate(late()):
        log.append(encode({table: batch(table, own) for table, own in rows.items()})).result(30)
        acknowledge(number)


def _seal(data: DataPaths, ready: Callable[[], None], _: Any) -> None:
    sealing.TRIM_BYTES = 1  # an entry a step, as if each had 4 MB
    sealer = Sealer(open_workspace(data.workspace("default")), Limits(), Clock())
    ready()
    sealer.seal()


def _compact(data: DataPaths, ready: Callable[[], None], _: Any) -> None:
    compactor = Compactor(open_workspace(data.workspace("default")), EAGER)
    ready()
    while compactor.compact():
        pass


def _unlink(data: DataPaths, ready: Callable[[], None], _: Any) -> None:
    _compact(data, lambda: None, None)
    workspace = open_workspace(data.workspace("default"))
    ready()
    unlink(workspace)


def _recover(data: DataPaths, ready: Callable[[], None], _: Any) -> None:
    workspace = open_workspace(data.workspace("default"))
    left = [FileName("runs", 20_000 + at, "merged-000000000099.parquet") for at in range(2)]
    workspace.manifest.announce(left)
    for place in left:
        half = workspace.files.scratch()
        half.write_bytes(b"half")
        workspace.files.publish(half, place)
    workspace.files.scratch().write_bytes(b"half")
    ready()
    recover(workspace)


def _ask(data: DataPaths, ready: Callable[[], None], _: Any) -> None:
    snapshots = Snapshots(data.workspace("default"))
    ready()
    snapshots.engine().cursor(frozenset(ASKED))
    sealer = Sealer(open_workspace(data.workspace("default")), Limits(), Clock())
    sealer.seal()
    snapshots.engine().cursor(frozenset(ASKED))


def _keep(data: DataPaths, ready: Callable[[], None], _: Any) -> None:
    keeper.Policy = lambda: EAGER  # type: ignore[assignment,misc]
    ready()
    ticks = itertools.count()
    keeper.run(data, lambda seconds: next(ticks) * seconds > CHILD_SECONDS, Limits(rows=1))


_ROLES: dict[Role, Callable[[DataPaths, Callable[[], None], Callable[[int], None]], None]] = {
    "append": _append,
    "seal": _seal,
    "compact": _compact,
    "unlink": _unlink,
    "recover": _recover,
    "ask": _ask,
    "keep": _keep,
}


def wait_for(true: Callable[[], bool], seconds: float) -> bool:
    """Return whether something became true in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class Job(msgspec.Struct):
    """What a child is to do: its role in a data directory, and where it dies."""

    number: int
    """Index into `RUNS`."""
    data: str
    acknowledged: str
    """The file that gets a byte for each request that was acknowledged."""


class Nursery:
    """A process of which every child is killed at its point."""

    def __enter__(self) -> Self:
        """Start it."""
        command = [sys.executable, "-m", "tests.support.crash"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self._process.communicate()

    def kill(self, number: int, data: Path) -> tuple[int, int]:
        """Run a child to its point in a data directory; return the signal that ended it and what it acknowledged."""
        assert self._process.stdin is not None and self._process.stdout is not None
        acknowledged = data.with_suffix(".acknowledged")
        acknowledged.touch()
        self._process.stdin.write(msgspec.json.encode(Job(number, str(data), str(acknowledged))) + b"\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, acknowledged.stat().st_size


def _child(job: Job) -> None:
    signal.alarm(CHILD_SECONDS)
    os.dup2(2, 1)  # nothing that prints may end up between the answers
    set_up_logs("critical")
    point, call = RUNS[job.number]
    acknowledged = os.open(job.acknowledged, os.O_WRONLY | os.O_APPEND)

    def acknowledge(_: int) -> None:
        os.write(acknowledged, b".")

    _ROLES[point.role](DataPaths(Path(job.data)), lambda: arm(point, call), acknowledge)


def _serve() -> None:
    """Fork a child for each job on standard input; print how it ended."""
    for line in sys.stdin.buffer:
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                try:
                    _child(msgspec.json.decode(line, type=Job))
                except BaseException:
                    traceback.print_exc()
                    raise
            os._exit(0)
        sys.stdout.write(f"{os.waitpid(pid, 0)[1]}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
