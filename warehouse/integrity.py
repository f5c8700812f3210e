"""Is a sealed file what was sealed: nothing is read from one before it was held against its digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.engine import text
from warehouse.errors import TransientError
from warehouse.ids import day_text

if TYPE_CHECKING:
    from warehouse.files import Files, Stamp
    from warehouse.manifest import FileName, SealedFile


def examine(files: Files, file: SealedFile) -> str:
    """Return what is wrong with a sealed file; empty: nothing."""
    if files.stamp(file.place) is None:
        return "it is missing"
    try:
        whole = files.digest(file.place) == file.sha256
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return "" if whole else "its content does not match its digest"


def verify(files: Files, file: SealedFile) -> None:
    """Raise TransientError, which names the file, when it is not what was sealed."""
    if reason := examine(files, file):
        raise damaged(file, reason)


def damaged(file: SealedFile, reason: str) -> TransientError:
    """Return the error of whoever needs a file that cannot be trusted."""
    table, day, name = file.place
    return TransientError(
        f"the file {text(name)} of {table}, day {day_text(day)}, cannot be read: {reason}",
        hint="restore it from a backup, or run `upshot doctor --repair` to go on without its rows",
        retry_after=60,
    )


class Verified:
    """Remembers which files of a workspace were whole, until they change on disk: a digest is computed once."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._stamps: dict[FileName, Stamp] = {}

    def need(self, file: SealedFile) -> None:
        """Raise TransientError, which names the file, when it is marked, missing or not what was sealed."""
        if file.damaged:
            raise damaged(file, file.damaged)
        stamp = self._files.stamp(file.place)
        if stamp is None or self._stamps.get(file.place) != stamp:
            verify(self._files, file)
            if stamp is not None:
                self._stamps[file.place] = stamp
