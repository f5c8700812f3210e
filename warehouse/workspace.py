"""The one place that decides where a workspace's manifest and files are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.files import LocalFiles
from warehouse.sqlite_manifest import SqliteManifest

if TYPE_CHECKING:
    from warehouse.files import Files
    from warehouse.manifest import Manifest
    from warehouse.paths import WorkspacePaths


@dataclass(frozen=True, slots=True)
class Workspace:
    """What a process needs of a workspace: its manifest and its files."""

    manifest: Manifest
    files: Files
    paths: WorkspacePaths


def open_workspace(paths: WorkspacePaths) -> Workspace:
    """Open a workspace for this process; its manifest is to be closed at the end.

    Raises:
        InputError: what is there is not ours, or newer than this version reads.
        TransientError: it cannot be opened now.
    """
    return Workspace(SqliteManifest(paths), LocalFiles(paths), paths)
