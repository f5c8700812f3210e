"""Where everything of a data directory is: each path is built here and nowhere else.

DATA/server.db                                      workspaces and hashed keys
DATA/lock                                           held by the one process that may write
DATA/workspaces/NAME/log.db                         the log, the manifest, named objects
DATA/workspaces/NAME/TABLE/day=YYYY-MM-DD/FILE.parquet
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.ids import day_text, workspace_name

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class WorkspacePaths:
    """The directory of one workspace."""

    root: Path

    @property
    def database(self) -> Path:
        """The SQLite file that holds the log and the manifest."""
        return self.root / "log.db"

    def partition(self, table: str, day: int) -> Path:
        """Return the folder of a table's day (days since 1970-01-01)."""
        return self.root / table / f"day={day_text(day)}"

    def file(self, table: str, day: int, name: str) -> Path:
        """Return the path of a sealed file."""
        return self.partition(table, day) / name


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
