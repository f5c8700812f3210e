"""Where everything of a data directory is: each path is built here and nowhere else.

DATA/server.db                                      workspaces and hashed keys
DATA/lock                                           held by the one process that may write
DATA/keeper.lock                                    held by the one keeper
DATA/logs/requests.ndjson                           a line for each query; not state
DATA/reports, DATA/reports.*                        reports: see api/reports/places.py
DATA/spool                                          large answers on their way out; not state
DATA/workspaces/NAME/log.db                         the log, the manifest, named objects
DATA/workspaces/NAME/TABLE/day=YYYY-MM-DD/FILE.parquet
DATA/workspaces/NAME/quarantine                     damaged files that were taken out of the tables
DATA/workspaces/NAME/{scratch,pins}                 of running processes; nothing in them is state
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.ids import day_text, workspace_name

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.manifest import FileName


@dataclass(frozen=True, slots=True)
class WorkspacePaths:
    """The directory of one workspace."""

    root: Path

    @property
    def database(self) -> Path:
        """The SQLite file that holds the log and the manifest."""
        return self.root / "log.db"

    @property
    def scratch(self) -> Path:
        """The folder of files that are being written; nothing in it is state."""
        return self.root / "scratch"

    @property
    def pins(self) -> Path:
        """The folder in which readers say what they read; nothing in it is state."""
        return self.root / "pins"

    @property
    def quarantine(self) -> Path:
        """The folder of damaged files that were taken out of the tables."""
        return self.root / "quarantine"

    def file(self, place: FileName) -> Path:
        """Return the path of a sealed file."""
        return self.root / place.table / f"day={day_text(place.day)}" / place.name


@dataclass(frozen=True, slots=True)
class DataPaths:
    """A data directory."""

    root: Path

    @property
    def server(self) -> Path:
        """The SQLite file of workspaces and keys."""
        return self.root / "server.db"

    @property
    def lock(self) -> Path:
        """The file whose lock the one writing server holds."""
        return self.root / "lock"

    @property
    def keeper_lock(self) -> Path:
        """The file whose lock the one keeper holds, which may outlive a killed server for a moment."""
        return self.root / "keeper.lock"

    @property
    def spool(self) -> Path:
        """The folder of large answers on their way out; nothing in it is state."""
        return self.root / "spool"

    @property
    def request_log(self) -> Path:
        """The newest file of the request log; not state."""
        return self.root / "logs" / "requests.ndjson"

    def workspace(self, name: str) -> WorkspacePaths:
        """Return the paths of a workspace; raises InputError when `name` cannot be one."""
        return WorkspacePaths(self.root / "workspaces" / workspace_name(name))

    def workspaces(self) -> list[str]:
        """Return the names of the workspaces on disk, sorted."""
        folder = self.root / "workspaces"
        return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def sealed_name(first: int, last: int) -> str:
    """Return the name of the file that seals log positions `first` to `last`; names sort in log order."""
    return f"{first:012d}-{last:012d}.parquet"


def merged_name(version: int, *, current: bool) -> str:
    """Return the name of a file that compaction makes from manifest version `version`."""
    return f"merged-{version:012d}{'' if current else '-superseded'}.parquet"
