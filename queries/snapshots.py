"""Keeps one read engine current: every question sees all rows acknowledged before it was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.days import Days
from warehouse.engine import ReadEngine
from warehouse.manifest import Manifest

if TYPE_CHECKING:
    from warehouse.manifest import Snapshot
    from warehouse.paths import WorkspacePaths


class Snapshots:
    """The read engines of one workspace, in one process and thread."""

    def __init__(self, paths: WorkspacePaths, *, memory: str = "1GB", spill: str = "") -> None:
        self._paths = paths
        self._memory = memory
        self._spill = spill
        self._manifest = Manifest(paths)
        self._days = Days(self._manifest)
        self._snapshot: Snapshot | None = None
        self._engine: ReadEngine | None = None

    def engine(self, known_at: int | None = None) -> ReadEngine:
        """Return an engine over every row acknowledged by now, or as known at a time (microseconds since 1970).

        It stays at that state until the next call, which may refresh or replace it.
        """
        kept = self._engine
        after = kept.tail_position if kept is not None and known_at is None else 0
        self._snapshot, entries = self._manifest.read(self._snapshot, after)
        if known_at is not None:
            past = self._open(self._snapshot, known_at)
            past.refresh(entries)
            return past
        if kept is None or kept.snapshot is not self._snapshot:
            if kept is not None:
                kept.close()  # what was read beyond its position is not all that the new one needs
                self._snapshot, entries = self._manifest.read(self._snapshot)
            kept = self._engine = self._open(self._snapshot, None)
        kept.refresh(entries)
        return kept

    def _open(self, snapshot: Snapshot, known_at: int | None) -> ReadEngine:
        return ReadEngine(
            self._paths, snapshot, self._days.known, known_at=known_at, memory=self._memory, spill=self._spill
        )
