"""The keeper: moves acknowledged rows from the log into sealed Parquet files.

    fold -> write temporary file -> fsync -> rename -> fsync folder -> one manifest commit (which drops the log rows)

Killed between any two of these, a restart finds either the rows in the log and perhaps a stray file, or the files live.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from warehouse.clock import Clock, system_clock
from warehouse.days import Days
from warehouse.engine import Stage, connect, text
from warehouse.errors import UpshotError
from warehouse.fold import quoted
from warehouse.logs import set_up_logs
from warehouse.manifest import Hidden as HiddenRow
from warehouse.manifest import Manifest, SealedFile, Sealing, Snapshot
from warehouse.paths import DataPaths, WorkspacePaths, sealed_name
from warehouse.schema import FILES, FileTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from warehouse.manifest import Entry

log = structlog.get_logger("keeper")

ROW_GROUP = 122_880
"""Rows of a Parquet row group (measured: reference/storage.md 7.2)."""

_PARTIAL = ".partial"


@dataclass(frozen=True, slots=True)
class Limits:
    """When to seal: any of these reached."""

    rows: int = 50_000
    bytes: int = 16 << 20
    age_us: int = 10_000_000
    batch_rows: int = 250_000
    batch_bytes: int = 64 << 20
    """Rows and bytes of the log sealed in one commit at the most, so that memory stays flat."""


class Keeper:
    """Seals the log of one workspace. One instance a workspace, in one process."""

    def __init__(self, paths: WorkspacePaths, limits: Limits | None = None, clock: Clock = system_clock) -> None:
        self._paths = paths
        self._limits = limits or Limits()
        self._clock = clock
        self._manifest = Manifest(paths)
        self._days = Days(self._manifest)
        self._con = connect(memory="1GB")
        self._stage = Stage(self._con, paths)
        self._snapshot: Snapshot | None = None

    def recover(self) -> list[Path]:
        """Delete files that no commit named: what a killed keeper left. Returns them."""
        snapshot, _ = self._manifest.read(None, max_rows=0)
        live = {self._paths.file(file.table, file.day, file.name) for file in snapshot.files}
        strays = [
            path
            for table in FILES
            for pattern in ("*.parquet", f"*{_PARTIAL}")
            for path in (self._paths.root / table.name).glob(f"day=*/{pattern}")
            if path not in live
        ]
        for path in strays:
            path.unlink()
        return strays

    def due(self) -> bool:
        """Tell whether enough rows wait, or the oldest has waited long enough."""
        rows, size, oldest = self._manifest.waiting()
        limits = self._limits
        return rows > 0 and (
            rows >= limits.rows or size >= limits.bytes or abs(self._clock() - oldest) >= limits.age_us
        )

    def seal(self) -> int:
        """Move the oldest waiting rows into files; returns how many log rows went, 0 when none waited.

        Once it returns the rows are in fsynced files that the manifest names, and out of the log. When it raises, they
        are still in the log and every query still sees them.
        """
        limits = self._limits
        self._snapshot, entries = self._manifest.read(
            self._snapshot, max_rows=limits.batch_rows, max_bytes=limits.batch_bytes
        )
        if not entries:
            return 0
        files: list[tuple[SealedFile, list[int]]] = []
        hidden: list[HiddenRow] = []
        name = sealed_name(entries[0].seq, entries[-1].seq)
        self._days.forget()
        for table in FILES:
            own = [entry for entry in entries if entry.table == table.name]
            if own:
                files.extend(self._write(table, own, self._snapshot, name))
                hidden.extend(
                    HiddenRow(*row) for row in self._con.execute("SELECT _file, _row, _everywhere FROM hide").fetchall()
                )
        self._manifest.commit(Sealing(entries[-1].seq, files, hidden, self._days.new))
        return sum(entry.rows for entry in entries)

    def _write(
        self, table: FileTable, entries: list[Entry], snapshot: Snapshot, name: str
    ) -> Iterator[tuple[SealedFile, list[int]]]:
        self._stage.fold(table, entries, snapshot, lambda rows: self._days.assign(table, rows))
        days = [row[0] for row in self._con.execute("SELECT DISTINCT _day FROM folded ORDER BY 1").fetchall()]
        columns = quoted([column.name for column in table.stored])
        bounded = [c.name for c in table.columns if c.name in (*table.key, "run_id") and c.type == "VARCHAR"]
        for day in days:
            path = self._paths.file(table.name, day, name)
            rows = f"SELECT {columns}, _current FROM folded WHERE _day = {day} ORDER BY {quoted(table.sort)}, _arrival"
            counts = f"SELECT count(*), count(*) FILTER (NOT _current) FROM folded WHERE _day = {day}"
            count, superseded = self._con.execute(counts).fetchone() or (0, 0)
            not_current: list[int] = []
            if superseded:  # only then the numbers of rows matter, and the sort is made once and kept
                self._con.execute(f"CREATE OR REPLACE TEMP TABLE sorted AS {rows}")
                rows = "SELECT * FROM sorted ORDER BY rowid"
                not_current = [
                    r[0] for r in self._con.execute("SELECT rowid FROM sorted WHERE NOT _current").fetchall()
                ]
            self._publish(path, f"SELECT * EXCLUDE (_current) FROM ({rows})")
            ranges = ", ".join(f'min("{column}"), max("{column}")' for column in bounded)
            ends = self._con.execute(f"SELECT {ranges} FROM folded WHERE _day = {day}").fetchone() or ()
            bounds = {
                column: (low, high)
                for column, low, high in zip(bounded, ends[::2], ends[1::2], strict=True)
                if low is not None
            }
            content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            yield SealedFile(table.name, day, name, count, len(content), digest, bounds), not_current

    def _publish(self, path: Path, select: str) -> None:
        """Write a Parquet file so that, once it has its name, it is whole and on disk."""
        make_folders(path.parent, self._paths.root)
        partial = path.with_suffix(_PARTIAL)
        self._con.execute(
            f"COPY ({select}) TO {text(str(partial))} "
            f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP}, PARQUET_VERSION v2)"
        )
        sync(partial)
        partial.rename(path)
        sync(path.parent)

    def close(self) -> None:
        """Close the manifest and the engine."""
        self._manifest.close()
        self._con.close()


def make_folders(folder: Path, root: Path) -> None:
    """Create `folder` below `root` so that a power cut cannot undo it: every new level's parent is fsynced."""
    missing = [path for path in (folder, *folder.parents) if root in path.parents and not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        sync(path.parent)


def sync(path: Path) -> None:
    """Fsync a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def run(data: DataPaths, stop: Callable[[float], bool], limits: Limits | None = None) -> None:
    """Keep every workspace sealed until `stop` (which waits that many seconds) says so; then seal what is left."""
    keepers: dict[str, Keeper] = {}
    stopping = False
    while not stopping:
        stopping = stop(0.25)
        for name in data.workspaces():
            try:
                if name not in keepers:
                    keepers[name] = Keeper(data.workspace(name), limits)
                    for path in keepers[name].recover():
                        log.info("stray_file_removed", workspace=name, file=path.name)
                keeper = keepers[name]
                while (stopping or keeper.due()) and (rows := keeper.seal()):
                    log.debug("sealed", workspace=name, rows=rows)
            except (UpshotError, OSError) as error:
                log.exception("seal_failed", workspace=name, error=str(error))  # rows stay in the log
    for keeper in keepers.values():
        keeper.close()


def main() -> None:
    """Run the keeper of the data directory named by the only argument, until SIGTERM or the parent's end."""
    set_up_logs("info")
    stopped = threading.Event()
    parent = os.getppid()

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
