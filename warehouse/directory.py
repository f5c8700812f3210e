"""Opening a data directory: is it ours, may we write, and is nobody else writing."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Self

from warehouse.errors import InputError, TransientError
from warehouse.keys import Keys
from warehouse.paths import DataPaths

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


def open_directory(root: Path) -> DataPaths:
    """Return the paths of a data directory, making it when it is new or empty.

    Raises:
        InputError: the path is a file, belongs to another program, or cannot be written; nothing was touched.
    """
    data = DataPaths(root.resolve())
    if root.exists() and not root.is_dir():
        raise InputError(f"{root} is a file, not a folder", hint="give a folder to --data")
    if root.is_dir() and not data.server.exists() and any(path.name != "lock" for path in root.iterdir()):
        raise InputError(
            f"{root} is not empty and not a data directory of upshot (it has no server.db)",
            hint="give a new or empty folder to --data",
        )
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot create {root}: {error.strerror}") from error
    if not os.access(root, os.W_OK | os.X_OK):
        raise InputError(f"cannot write {root}", hint="check the folder's owner and permissions")
    Keys(data).close()
    return data


def make_workspace(data: DataPaths, name: str) -> None:
    """Create the folder of a workspace if it is missing."""
    data.workspace(name).root.mkdir(parents=True, exist_ok=True)


class WriterLock:
    """Held by the one process that writes into a data directory; the system frees it when the process ends."""

    def __init__(self, data: DataPaths) -> None:
        self._descriptor = os.open(data.lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise TransientError(
                f"{data.root} is in use by another upshot process",
                hint="send to the running server instead (--url), or stop it first",
            ) from error

    def release(self) -> None:
        """Let others write."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        """Return the held lock."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release it."""
        self.release()
