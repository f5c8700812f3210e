"""What a workspace needs now and then: recovery at the start, unlinking, the scrub of files, retention."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from warehouse.integrity import examine

if TYPE_CHECKING:
    from warehouse.clock import Clock
    from warehouse.manifest import FileName
    from warehouse.workspace import Workspace

log = structlog.get_logger("keeper")

SCRUB_EVERY_US = 7 * 86_400_000_000
"""Each file is checked against its digest this often."""


def recover(workspace: Workspace) -> list[FileName]:
    """Remove what a killed keeper left: scratch files, and files that were announced and never became live.

    Nothing else is touched: a file that nobody announced is a stranger's. Returns the removed names.
    """
    workspace.files.clear_scratch()
    left = workspace.manifest.leftovers()
    workspace.files.remove(left)
    workspace.manifest.forget(left)
    return left


def unlink(workspace: Workspace) -> int:
    """Take dropped files that no reader needs any more off the disk; return how many."""
    unneeded = workspace.manifest.unneeded()
    workspace.files.remove(unneeded)
    workspace.manifest.forget(unneeded)
    return len(unneeded)


def scrub(workspace: Workspace, clock: Clock) -> str | None:
    """Check the file whose check is longest ago against its digest, if it is due; return what is wrong with it.

    A damaged file is marked: questions that need it fail with its name, until it is whole again.
    """
    manifest = workspace.manifest
    found = manifest.least_checked()
    if found is None:
        return None
    file, checked_at = found
    if abs(clock() - checked_at) < SCRUB_EVERY_US:
        return None
    reason = examine(workspace.files, file)
    manifest.mark(file.id, damaged=reason, checked_at=clock())
    if reason and reason != file.damaged:
        log.error("file_damaged", file=str(file.place), reason=reason)
    return reason or None


class DaysCheck:
    """Checks the kept days of a workspace when its keeper starts, and as often as files are."""

    def __init__(self) -> None:
        self._at: int | None = None

    def tend(self, workspace: Workspace, clock: Clock) -> None:
        """Do so if it is due."""
        if self._at is None or abs(clock() - self._at) >= SCRUB_EVERY_US:
            self._at = clock()
            for problem in workspace.manifest.check_days():
                log.error("manifest_damaged", what=problem, hint="restore the workspace from a backup")
