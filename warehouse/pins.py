"""Pins as files: a reader says which version it reads, and the system takes the word back when the reader dies.

Each reader holds the lock of a file of its own and writes one number into it. A file whose lock is free belongs to
nobody any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NUMBER = struct.Struct("<q")
_EVERYTHING = 0
_NOTHING = 2**63 - 1


class FilePin:
    """A pin of this process (the promises stand in `warehouse.manifest.Pin`)."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        while True:
            self._path = folder / uuid.uuid4().hex
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            if os.fstat(self._descriptor).st_nlink:  # else taken for a dead reader's before it was locked
                break
            os.close(self._descriptor)
        self.rest()

    def protect(self) -> None:
        """See `Pin.protect`."""
        self._write(_EVERYTHING)

    def hold(self, version: int) -> None:
        """See `Pin.hold`."""
        self._write(version)

    def rest(self) -> None:
        """See `Pin.rest`."""
        self._write(_NOTHING)

    def _write(self, version: int) -> None:
        os.pwrite(self._descriptor, _NUMBER.pack(version), 0)

    def close(self) -> None:
        """See `Pin.close`."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def oldest_pinned(folder: Path) -> int | None:
    """Return the lowest version a living reader needs, None when none needs any; clears away what the dead left.

    A pin that is being made has no number yet and counts as one that needs everything.
    """
    needed: int | None = None
    for path in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if _is_free(descriptor):
                    path.unlink()
                    continue
                number = os.pread(descriptor, _NUMBER.size, 0)
                version = _NUMBER.unpack(number)[0] if len(number) == _NUMBER.size else _EVERYTHING
                if version != _NOTHING:
                    needed = version if needed is None else min(needed, version)
            finally:
                os.close(descriptor)
    return needed


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
