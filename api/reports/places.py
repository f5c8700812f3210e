"""Where reports are kept in a data directory, beside what `warehouse.paths` builds.

DATA/reports/WORKSPACE/NAME/EDITION   see `api.reports.editions`
DATA/reports.db                       the worker's queue and history, when no Postgres has them
DATA/reports.lock                     held by the one worker
DATA/reports.looked                   until when the worker looked at the schedules
DATA/reports.changed                  touched when a definition changes; not state
DATA/reports.asked/EDITION.json       runs that somebody asked for, until their edition is kept
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """The reports of a data directory."""

    root: Path
    """DATA."""

    @property
    def editions(self) -> Path:
        """The folder of all editions."""
        return self.root / "reports"

    @property
    def database(self) -> Path:
        """The SQLite file of the worker's queue and history."""
        return self.root / "reports.db"

    @property
    def lock(self) -> Path:
        """The file whose lock the one worker holds."""
        return self.root / "reports.lock"

    @property
    def looked(self) -> Path:
        """The file that says until when the worker looked at the schedules."""
        return self.root / "reports.looked"

    @property
    def changed(self) -> Path:
        """The file that is touched when a definition changes."""
        return self.root / "reports.changed"

    @property
    def asked(self) -> Path:
        """The folder of runs that somebody asked for."""
        return self.root / "reports.asked"
