"""Sealing: moves acknowledged rows from the log into Parquet files.

    fold -> write -> announce the names -> fsync -> rename -> fsync folder -> one manifest commit -> drop the log rows

Killed between any two of these, a restart finds either the rows in the log and perhaps a file that was announced and is
not live, or the files live.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import structlog

from warehouse.days import Days
from warehouse.engine import DataErrors, connect
from warehouse.integrity import Verified
from warehouse.manifest import Change, FileName, Hidden, NewFile, StaleError
from warehouse.paths import sealed_name
from warehouse.schema import FILE, FILES
from warehouse.stage import Stage, arrived, hidden_by_fold, together, unfit
from warehouse.writing import Written, discard, publish, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from warehouse.clock import Clock
    from warehouse.manifest import Entry, Snapshot, Waiting
    from warehouse.schema import FileTable
    from warehouse.workspace import Workspace

log = structlog.get_logger("keeper")

TRIM_BYTES = 4 << 20
"""Bytes of sealed log entries dropped in one commit: ingest waits for one such commit at the most."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When to seal: any of these reached."""

    rows: int = 50_000
    bytes: int = 16 << 20
    min_age_us: int = 5_000_000
    max_age_us: int = 25_000_000
    """A row waits between these; the longer the last seal took, the longer, so that sealing stays a small share."""
    share: int = 20
    """The time between two seals by age is at least so many times what the last one took."""
    batch_rows: int = 100_000
    batch_bytes: int = 16 << 20
    """Rows and bytes of the log sealed in one commit at the most, so that memory stays flat."""


class Sealer:
    """Seals the log of one workspace. One instance a workspace, in one process."""

    def __init__(self, workspace: Workspace, limits: Limits, clock: Clock) -> None:
        self._workspace = workspace
        self._limits = limits
        self._clock = clock
        self._days = Days(workspace.manifest)
        self._con = connect(memory="500MB")
        self._con.execute("SET preserve_insertion_order = false")  # order is by `_arrival`, and where it matters stated
        self._stage = Stage(self._con, workspace.files, Verified(workspace.files))
        self._pin = workspace.manifest.pin()
        self._snapshot: Snapshot | None = None
        self._took_us = 0
        self._waiting: Waiting | None = None

    def due(self) -> bool:
        """Tell whether enough rows wait, the oldest has waited long enough, or somebody wants them sealed."""
        waiting = self._workspace.manifest.waiting()
        limits = self._limits
        age = min(max(limits.min_age_us, limits.share * self._took_us), limits.max_age_us)
        return waiting.rows > 0 and (
            waiting.wanted
            or waiting.rows >= limits.rows
            or waiting.bytes >= limits.bytes
            or abs(self._clock() - waiting.oldest) >= age
        )

    def seal(self) -> int:
        """Move the oldest waiting rows into files; returns how many log rows went, 0 when none waited.

        Once it returns the rows are in fsynced files that the manifest names, and out of the log. When it raises, they
        are still in the log and every query still sees them. An entry that cannot be applied is put into quarantine.
        """
        began = time.monotonic_ns()
        manifest, files = self._workspace.manifest, self._workspace.files
        while True:
            self._pin.protect()
            self._snapshot, entries = manifest.read(
                self._snapshot, max_rows=self._limits.batch_rows, max_bytes=self._limits.batch_bytes
            )
            self._pin.hold(self._snapshot.version)
            if not entries:
                self._pin.rest()
                return 0
            written: list[Written] = []
            hidden: dict[int, Hidden] = {}
            bad = {entry.seq: f"there is no table {entry.table!r}" for entry in entries if entry.table not in FILE}
            name = sealed_name(entries[0].seq, entries[-1].seq)
            self._days.forget()
            try:
                for table in FILES:
                    own = [entry for entry in entries if entry.table == table.name]
                    if own:
                        bad |= self._apply(table, own, name, written)
                        hidden |= hidden_by_fold(self._con)
                publish(manifest, files, written)
                manifest.commit(
                    Change(
                        self._snapshot.version,
                        [one.new for one in written],
                        hidden,
                        sealed=entries[-1].seq,
                        days=self._days.new,
                        quarantined=bad,
                    )
                )
                break
            except StaleError:
                continue  # compaction replaced a file that a row of this batch meets
            finally:
                self._pin.rest()
                self._stage.release()
                discard(written)
        for seq, reason in bad.items():
            log.error("entry_quarantined", position=seq, reason=reason)
        while manifest.trim(TRIM_BYTES):
            pass
        self._took_us = (time.monotonic_ns() - began) // 1_000
        return sum(entry.rows for entry in entries)

    def _apply(self, table: FileTable, entries: Sequence[Entry], name: str, written: list[Written]) -> dict[int, str]:
        """Write the files of a table's entries, noting each in `written`; return those that cannot be applied."""
        found = arrived(table, entries)
        before = len(written)
        try:
            self._fold(table, found.rows, name, written)
        except DataErrors:
            unread = unfit(self._con, found.rows)
            if not unread:
                raise
            discard(written[before:])
            del written[before:]
            self._fold(table, {seq: rows for seq, rows in found.rows.items() if seq not in unread}, name, written)
            return found.bad | unread
        return found.bad

    def _fold(self, table: FileTable, rows: Mapping[int, pa.Table], name: str, written: list[Written]) -> None:
        assert self._snapshot is not None  # noqa: S101 - `seal` has read one
        whole = together(table, rows.values())
        self._stage.fold(table, whole, self._snapshot, lambda rows: self._days.assign(table, rows))
        written.extend(self._write(table, name))

    def _write(self, table: FileTable, name: str) -> Iterator[Written]:
        rows = self._stage.folded(table)
        of_row = rows["_day"].to_numpy()
        days: list[int] = np.unique(of_row).tolist()
        order: list[tuple[str, Literal["ascending"]]] = [(name, "ascending") for name in (*table.sort, "_arrival")]
        for day in days:
            own = cast("Any", rows).filter(pa.array(of_row == day)) if len(days) > 1 else rows
            own = own.take(cast("Any", pc).sort_indices(own, sort_keys=order))
            current = own["_current"].to_numpy().astype(bool)
            place = FileName(table.name, day, name)
            one = write_rows(self._workspace.files, table, place, [own.drop_columns(["_day", "_current"])])
            superseded = np.flatnonzero(~current).astype(np.uint32)
            yield replace(one, new=NewFile(one.new.file, Hidden(superseded=superseded)))

    def tidy(self) -> None:
        """Give memory, and a piece of the log's free space on disk, back when no row came since the last call.

        Not sooner: pages that are taken again cost a seal a fifth of its time.
        """
        manifest = self._workspace.manifest
        waiting = manifest.waiting()
        if waiting == self._waiting:
            manifest.shrink(TRIM_BYTES)
            pa.default_memory_pool().release_unused()
        self._waiting = waiting

    def close(self) -> None:
        """Close the engine and the manifest."""
        self._con.close()
        self._pin.close()
        self._workspace.manifest.close()
