"""Opening a data directory: is it ours, may we write, and is nobody else writing. A refusal touches nothing."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import sqlite3
import time
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from warehouse import keys, sqlite_manifest
from warehouse.database import APPLICATION_ID
from warehouse.errors import InputError, NotFoundError, TransientError
from warehouse.files import make_folders
from warehouse.paths import DataPaths

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

MIN_FREE = 4 << 20
"""Bytes that must be free on the disk to begin: SQLite's own files beside two databases, and a few requests."""

KEEPER_SECONDS = 15.0
"""How long the keeper of a killed server is waited for; it ends by itself (`warehouse.keeper.LAST_SEAL_SECONDS`)."""

_SQLITE = b"SQLite format 3\0"


class NewerError(InputError):
    """A newer version of upshot wrote this: nothing of it may be touched."""


def open_directory(root: Path) -> DataPaths:
    """Return the paths of a data directory, making it when it is new or empty.

    Raises:
        InputError: the path is a file, belongs to another program, was written by a newer version, or cannot be
            written; nothing was touched.
        TransientError: its disk is full; nothing was touched.
    """
    root = root.resolve()
    data = DataPaths(root)
    try:
        if root.exists() and not root.is_dir():
            raise InputError(f"{root} is a file, not a folder", hint="give a folder to --data")
        if root.is_dir() and not data.server.exists() and any(path.name != "lock" for path in root.iterdir()):
            raise InputError(
                f"{root} is not empty and not a data directory of upshot (it has no server.db)",
                hint="give a new or empty folder to --data",
            )
        check_database(data.server, len(keys.STEPS))
        _check_workspaces(data)
        _check_writable(data)
        _make(data)
    except OSError as error:
        raise refusal(error, root) from error
    return data


def existing_directory(root: Path) -> DataPaths:
    """Return the paths of a data directory that is there already; makes and changes nothing.

    Raises:
        NotFoundError, InputError: there is none, or it is not ours.
        NewerError: a newer version wrote it.
    """
    root = root.resolve()
    data = DataPaths(root)
    try:
        if not root.exists():
            raise NotFoundError(f"{root} does not exist", hint="give the server's data folder to --data")
        if not root.is_dir() or not (data.server.exists() or data.workspaces()):
            raise InputError(
                f"{root} is not a data directory of upshot", hint="give the server's data folder to --data"
            )
        with _only_newer():
            check_database(data.server, len(keys.STEPS))
        _check_workspaces(data)
    except OSError as error:
        raise refusal(error, root) from error
    return data


def existing_workspace(data: DataPaths, name: str) -> None:
    """Raise NotFoundError when a data directory has no such workspace."""
    if not data.workspace(name).database.exists():
        known = ", ".join(data.workspaces()) or "none"
        raise NotFoundError(f"{data.root} has no workspace {name!r}", hint=f"it has: {known}")


def make_workspace(data: DataPaths, name: str) -> None:
    """Create the folder of a workspace if it is missing, so that a power cut cannot undo it."""
    make_folders(data.workspace(name).root, data.root)


def refusal(error: OSError, place: Path) -> InputError | TransientError:
    """Return the coded form of what the system said about a place that was to be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TransientError(f"no space left for {place}", code="disk_full", retry_after=10)
    return InputError(
        f"cannot use {error.filename or place}: {error.strerror}", hint="check the folder's owner and permissions"
    )


def check_database(path: Path, newest: int) -> None:
    """Refuse a SQLite file that is another program's or of a newer format, without changing a byte of it.

    Raises:
        NewerError: its format is above `newest`.
        InputError: it is no SQLite file, or not ours.
    """
    if not path.exists() or (path.is_file() and not path.stat().st_size):
        return
    if not path.is_file() or not _begins_as_sqlite(path):
        raise InputError(f"{path} is not a SQLite file", hint="restore it from a backup, or give an empty folder")
    try:
        with contextlib.closing(read_only(path)) as con:
            [owner] = con.execute("PRAGMA application_id").fetchone()
            [form] = con.execute("PRAGMA user_version").fetchone()
            [tables] = con.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError:
        return  # damaged, or in the middle of something: opening it says so
    if owner != APPLICATION_ID and (tables or owner):
        raise InputError(f"{path} is a SQLite file of another program", hint="give an empty folder to --data")
    if form > newest:
        raise NewerError(
            f"{path} has format {form}; this version of upshot reads up to {newest}",
            hint="a newer upshot wrote it: upgrade, nothing was touched",
        )


def _begins_as_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def read_only(path: Path) -> sqlite3.Connection:
    """Return a connection to a SQLite file that changes no byte of its folder.

    Without a WAL beside it SQLite can be told that nobody writes: then it makes no files of its own.
    """
    alone = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro{alone}", uri=True)


def _check_workspaces(data: DataPaths) -> None:
    """Refuse newer workspaces. One that is damaged refuses by itself when it is opened; the others go on."""
    for path in sorted(data.root.glob("workspaces/*/log.db")):
        with _only_newer():
            check_database(path, len(sqlite_manifest.STEPS))


@contextlib.contextmanager
def _only_newer() -> Iterator[None]:
    try:
        yield
    except NewerError:
        raise
    except InputError:
        pass


def _check_writable(data: DataPaths) -> None:
    place = next(path for path in (data.root, *data.root.parents) if path.exists())
    for path in (
        place,
        data.server,
        data.lock,
        *data.root.glob("workspaces/*"),
        *data.root.glob("workspaces/*/log.db"),
    ):
        if path.exists() and not os.access(path, os.W_OK | (os.X_OK if path.is_dir() else 0)):
            raise InputError(
                f"cannot write {path}", hint="check its owner and permissions, and that its disk is writable"
            )
    free = shutil.disk_usage(place).free
    if free < MIN_FREE:
        raise TransientError(
            f"no space left for {data.root}: {free} bytes are free, {MIN_FREE} are needed to begin",
            code="disk_full",
            retry_after=10,
        )


def _make(data: DataPaths) -> None:
    """Make what is missing of a data directory; when that fails, take it back."""
    new = not data.server.exists()
    missing = [path for path in (data.root, *data.root.parents) if not path.exists()]
    try:
        for path in reversed(missing):
            make_folders(path, path.parent)
        keys.Keys(data).close()
    except BaseException:
        if new:
            for path in data.root.glob("server.db*"):
                path.unlink()
            for path in missing:
                with contextlib.suppress(OSError):
                    path.rmdir()
        raise


class FileLock:
    """An exclusive lock on a file; the system frees it when the process that holds it ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def acquire(self) -> bool:
        """Take it if nobody has it; tell whether it is held now."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise refusal(error, self._path) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if not isinstance(error, BlockingIOError):
                raise refusal(error, self._path) from error
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let others have it."""
        os.close(self._descriptor)


class WriterLock:
    """Held by the one process that writes into a data directory, and starts its keeper if it needs one.

    With `alone` also no keeper is left of a server that was killed: it is waited for.

    Raises:
        TransientError: another process holds it.
    """

    def __init__(self, data: DataPaths, *, alone: bool = True) -> None:
        self._lock = FileLock(data.lock)
        if not self._lock.acquire():
            raise TransientError(
                f"{data.root} is in use by another upshot process",
                hint="send to the running server instead (--url), or stop it first",
            )
        keeper = FileLock(data.keeper_lock)
        deadline = time.monotonic() + KEEPER_SECONDS
        while alone and not keeper.acquire():
            if time.monotonic() > deadline:
                self._lock.release()
                raise TransientError(
                    f"{data.root} is in use by the keeper of a server that was killed",
                    hint="it ends by itself: try again in a moment",
                )
            time.sleep(0.05)
        if alone:
            keeper.release()

    def release(self) -> None:
        """Let others write."""
        self._lock.release()

    def __enter__(self) -> Self:
        """Return the held lock."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release it."""
        self.release()
