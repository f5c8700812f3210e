"""Keeps the read engines current: every question sees all rows acknowledged before it was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from queries.saved import found
from queries.stats.sql import register
from warehouse.days import Days
from warehouse.reading import ReadEngine
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from warehouse.manifest import Snapshot
    from warehouse.paths import WorkspacePaths


class Snapshots:
    """The read engines of one workspace, in one process and thread: one for now, one for the past."""

    def __init__(self, paths: WorkspacePaths, *, memory: str = "1GB", spill: str = "") -> None:
        self._memory = memory
        self._spill = spill
        self._workspace = open_workspace(paths)
        self._pin = self._workspace.manifest.pin()
        self._days = Days(self._workspace.manifest)
        self._snapshot: Snapshot | None = None
        self._engines: dict[bool, ReadEngine] = {}

    def engine(self, *, past: bool = False) -> ReadEngine:
        """Return an engine over every row acknowledged by now; `past`: for questions with `known_at`.

        It stays at that state, and its files stay on disk, until `release` or the next call.
        """
        if past not in self._engines:
            self._engines[past] = ReadEngine(
                self._workspace.files,
                self._days.known,
                past=past,
                prepare=register,
                memory=self._memory,
                spill=self._spill,
            )
        engine = self._engines[past]
        self._pin.protect()
        self._snapshot, entries = self._workspace.manifest.read(self._snapshot, engine.tail_position)
        self._pin.hold(self._snapshot.version)
        engine.refresh(self._snapshot, entries)
        return engine

    def saved_query(self, name: str) -> str:
        """Return the text of a saved query in its newest version; raises NotFoundError with the nearest name."""
        saved = found(self._workspace.manifest, name)
        return str((saved.body or {})["sql"])

    def release(self) -> None:
        """Let the files go; the next question pins its own."""
        self._pin.rest()

    def close(self) -> None:
        """Close everything."""
        for engine in self._engines.values():
            engine.close()
        self._pin.close()
        self._workspace.manifest.close()
