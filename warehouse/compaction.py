"""Compaction: few, large, sorted files a table and day, without the rows that are hidden.

It changes no answer: the rows of the new files are the live rows of the old ones, superseded ones in a file of their
own. Readers and sealing go on meanwhile; what they hide in the old files while it runs is carried over.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import structlog

from warehouse.errors import TransientError
from warehouse.integrity import verify
from warehouse.manifest import Change, FileName, Hidden, StaleError
from warehouse.merging import Source, merged
from warehouse.paths import merged_name
from warehouse.schema import FILE
from warehouse.writing import discard, publish, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from warehouse.manifest import SealedFile, Snapshot
    from warehouse.workspace import Workspace
    from warehouse.writing import Written

log = structlog.get_logger("keeper")

NICE = 10
"""Added to the niceness of the thread that compacts: ingest and queries go first."""

ATTEMPTS = 5
"""How often rows hidden meanwhile are carried over before the work is thrown away."""


@dataclass(frozen=True, slots=True)
class Policy:
    """When files of one table and day are merged."""

    files: int = 4
    """So many files of like size are merged into one."""
    ratio: float = 2.0
    """Files are of like size while each is at most so many times as large as all smaller ones together."""
    small: int = 1 << 20
    """Bytes below which every file is of like size."""
    target: int = 192 << 20
    """Bytes of a file that is large enough."""
    hidden: float = 0.05
    """Share of hidden rows above which a file is written anew."""
    closed_days: int = 2
    """Days without a row in the log after which a day is merged whole."""


def choose(files: Sequence[SealedFile], hidden: Mapping[int, Hidden], policy: Policy) -> list[SealedFile]:
    """Return the files of one table and day that are to be merged now; empty: none."""
    heavy = [file for file in files if file.rows and len(hidden.get(file.id, Hidden())) > policy.hidden * file.rows]
    merged: list[SealedFile] = []
    for current in (True, False):
        alike: list[SealedFile] = []
        size = 0
        for file in sorted((f for f in files if f.current == current and f not in heavy), key=lambda f: f.bytes):
            if file.bytes >= policy.target or (file.bytes > policy.small and file.bytes > policy.ratio * size):
                break
            alike.append(file)
            size += file.bytes
        if len(alike) >= policy.files:
            merged.extend(alike)
    return heavy + merged


class Compactor:
    """Compacts one workspace. One instance a workspace, in the process that keeps it."""

    def __init__(self, workspace: Workspace, policy: Policy | None = None) -> None:
        self.workspace = workspace
        self._policy = policy or Policy()
        self._pin = workspace.manifest.pin()
        self._stopped = threading.Event()

    def compact(self, *, whole: bool = False) -> int:
        """Do one piece of work: merge some files of one table and day; return how many, 0 when there is none.

        `whole` merges every day that has more than one file. Once it returns, the new files are live and the old ones
        wait to be unlinked; when it raises, nothing has changed.
        """
        manifest = self.workspace.manifest
        self._pin.protect()
        try:
            snapshot, _ = manifest.read(None, max_rows=0)
            self._pin.hold(snapshot.version)
            for _, group in groupby(snapshot.files, key=lambda file: (file.place.table, file.place.day)):
                files = [file for file in group if not file.damaged]
                chosen = files if whole and _mergeable(files) else choose(files, snapshot.hidden, self._policy)
                if chosen:
                    return self.rewrite(snapshot, chosen)
            return 0
        finally:
            self._pin.rest()

    def rewrite(self, snapshot: Snapshot, chosen: Sequence[SealedFile]) -> int:
        """Write the live rows of some files of one table and day anew, and swap; returns how many files went.

        Raises:
            StaleError: the files changed meanwhile, more often than could be followed.
            TransientError: one of them is damaged.
        """
        manifest, files = self.workspace.manifest, self.workspace.files
        for file in chosen:
            verify(files, file)
        written = self._write(snapshot, chosen)
        try:
            publish(manifest, files, written)
            ids = [file.id for file in chosen]
            for attempt in range(ATTEMPTS):
                carried = self._carried(snapshot, manifest.read(None, max_rows=0)[0], chosen, written)
                based_on, hidden = carried
                added = [replace(one.new, hidden=rows) for one, rows in zip(written, hidden, strict=True)]
                try:
                    manifest.commit(Change(based_on, added, dropped=ids))
                    break
                except StaleError:
                    if attempt == ATTEMPTS - 1:
                        raise
        except StaleError:
            files.remove(one.new.file.place for one in written)
            manifest.forget([one.new.file.place for one in written])
            raise
        finally:
            discard(written)
        table, day, _ = chosen[0].place
        log.debug("compacted", table=table, day=day, files=len(chosen), into=len(written))
        return len(chosen)

    def _write(self, snapshot: Snapshot, chosen: Sequence[SealedFile]) -> list[Written]:
        files = self.workspace.files
        name, day, _ = chosen[0].place
        written: list[Written] = []
        for current in (True, False):
            sources = [
                Source(files.location(file.place), _live(file, snapshot.hidden.get(file.id, Hidden()), current=current))
                for file in chosen
            ]
            sources = [source for source in sources if source.chosen.any()]
            if sources:
                place = FileName(name, day, merged_name(snapshot.version, current=current))
                parts = self._unless_stopped(merged(FILE[name], sources))
                written.append(write_rows(files, FILE[name], place, parts, current=current))
        return written

    def _unless_stopped(self, parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
        for part in parts:
            if self._stopped.is_set():
                raise TransientError("compaction was broken off: the keeper stops")
            yield part

    def _carried(
        self, before: Snapshot, now: Snapshot, chosen: Sequence[SealedFile], written: Sequence[Written]
    ) -> tuple[int, list[Hidden]]:
        """Return the version looked at, and what was hidden in the old files meanwhile as rows of the new ones.

        Rows are recognised by their arrival, which is unique in a table.
        """
        late: dict[int, Hidden] = {}
        for file in chosen:
            old, new = before.hidden.get(file.id, Hidden()), now.hidden.get(file.id, Hidden())
            rows = Hidden(np.setdiff1d(new.everywhere, old.everywhere), np.setdiff1d(new.superseded, old.superseded))
            if rows:
                late[file.id] = rows
        if not late:
            return now.version, [Hidden() for _ in written]
        sources = [file for file in chosen if file.id in late]
        everywhere = self._arrivals([(file, late[file.id].everywhere) for file in sources])
        superseded = self._arrivals([(file, late[file.id].superseded) for file in sources])
        return now.version, [Hidden(self._numbers(one, everywhere), self._numbers(one, superseded)) for one in written]

    def _arrivals(self, rows: Sequence[tuple[SealedFile, NDArray[np.uint32]]]) -> NDArray[np.int64]:
        """Return the arrivals of some rows of some files."""
        found = [self._column(file.place)[numbers] for file, numbers in rows if len(numbers)]
        return np.concatenate(found) if found else np.empty(0, np.int64)

    def _numbers(self, one: Written, arrivals: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Return the numbers of a written file's rows that have one of these arrivals."""
        if not len(arrivals):
            return np.empty(0, np.uint32)
        return np.flatnonzero(np.isin(self._column(one.new.file.place), arrivals)).astype(np.uint32)

    def _column(self, place: FileName) -> NDArray[np.int64]:
        return pq.read_table(self.workspace.files.location(place), columns=["_arrival"])["_arrival"].to_numpy()

    def interrupt(self) -> None:
        """Break off the work of another thread, for good, if it is not done already."""
        self._stopped.set()

    def close(self) -> None:
        """Close the manifest."""
        self._pin.close()
        self.workspace.manifest.close()


def _live(file: SealedFile, hidden: Hidden, *, current: bool) -> NDArray[np.bool_]:
    """Return which rows of a file are live and current, or live and superseded."""
    live = np.full(file.rows, fill_value=file.current == current)
    if file.current:
        live[hidden.superseded] = not current
    live[hidden.everywhere] = False
    return live


def _mergeable(files: Sequence[SealedFile]) -> bool:
    return any(sum(file.current == kind for file in files) > 1 for kind in (True, False))


def go_last() -> None:
    """Let every other thread of the machine go first (Linux keeps a niceness for each thread)."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
