"""Opening SQLite the one way: WAL, synchronous=FULL, our application id, a format version that is checked.

A commit returns after its fsync; that is the only durability this project relies on for acknowledged rows.
"""

from __future__ import annotations

import errno
import functools
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

from warehouse.errors import InputError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

APPLICATION_ID = 0x55505348
"""Marks a SQLite file as ours ("UPSH")."""

BUSY_SECONDS = 10.0

_GONE = (ValueError, TypeError, LookupError)
_UNREADABLE = (sqlite3.DatabaseError, *_GONE)
"""What reading a damaged file ends in: SQLite's own word, text that is no UTF-8 or JSON, a value that is gone."""


def open_database(path: Path, steps: Sequence[str | Callable[[sqlite3.Connection], None]]) -> sqlite3.Connection:
    """Open the SQLite file at `path`, made or brought up to date by `steps`; its format is the number of steps done.

    A step is SQL or a function; each runs once in the life of a file, all that are missing in one transaction.

    Raises:
        InputError: the file is not ours, or was written by a newer version.
        TransientError: the file cannot be opened or written now.
    """
    try:
        con = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        _check_ours(con, path, len(steps))
        if not _format(con):
            con.execute("PRAGMA auto_vacuum=INCREMENTAL")  # only a file without a page yet takes it
        con.execute("PRAGMA journal_mode=WAL")
        con.execute("PRAGMA synchronous=FULL")
        con.execute("PRAGMA foreign_keys=ON")
        if _format(con) < len(steps):
            with transaction(con):
                for step in steps[_format(con) :]:
                    if isinstance(step, str):
                        for statement in filter(str.strip, step.split(";")):
                            con.execute(statement)
                    else:
                        step(con)
                con.execute(f"PRAGMA application_id={APPLICATION_ID}")
                con.execute(f"PRAGMA user_version={len(steps)}")
    except _UNREADABLE as error:
        raise storage_error(error, path) from error
    return con


class _OfFile(Protocol):
    @property
    def path(self) -> Path: ...


_S = TypeVar("_S", bound=_OfFile)
_P = ParamSpec("_P")
_R = TypeVar("_R")


def coded(method: Callable[Concatenate[_S, _P], _R]) -> Callable[Concatenate[_S, _P], _R]:
    """Decorate a method that uses the SQLite file at `self.path`: what SQLite says comes out with a code."""

    @functools.wraps(method)
    def call(self: _S, *arguments: _P.args, **named: _P.kwargs) -> _R:
        try:
            return method(self, *arguments, **named)
        except _UNREADABLE as error:
            raise storage_error(error, self.path) from error

    return call


@contextmanager
def transaction(con: sqlite3.Connection) -> Iterator[None]:
    """Run a block as one durable commit: once left, all of it is on disk; when it raises, none of it."""
    con.execute("BEGIN IMMEDIATE")
    try:
        yield
        con.execute("COMMIT")
    except BaseException:
        if con.in_transaction:
            con.execute("ROLLBACK")
        raise


def _format(con: sqlite3.Connection) -> int:
    return con.execute("PRAGMA user_version").fetchone()[0]


def _check_ours(con: sqlite3.Connection, path: Path, newest: int) -> None:
    owner = con.execute("PRAGMA application_id").fetchone()[0]
    tables = con.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if owner != APPLICATION_ID and (tables or owner):
        raise InputError(f"{path} is a SQLite file of another program", hint="give an empty folder to --data")
    if _format(con) > newest:
        raise InputError(
            f"{path} has format {_format(con)}; this version of upshot reads up to {newest}",
            hint="a newer upshot wrote it: upgrade, nothing was touched",
        )


def storage_error(error: Exception, where: object) -> TransientError | InputError:
    """Return the coded form of an SQLite or operating system error met while storing."""
    text = str(error)
    if "full" in text or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return TransientError(f"no space left for {where}; nothing was acknowledged", code="disk_full", retry_after=10)
    if "readonly" in text or "unable to open" in text or getattr(error, "errno", None) in (errno.EROFS, errno.EACCES):
        return InputError(f"cannot write {where}: {text}", hint="check the folder's owner and permissions")
    if "not a database" in text:
        return InputError(f"{where} is not a SQLite file", hint="give an empty folder to --data")
    if "malformed" in text or "no such" in text or isinstance(error, _GONE):  # or a flipped schema
        return TransientError(
            f"{where} is damaged: {text}", hint="run `upshot doctor`, and restore it from a backup", retry_after=60
        )
    return TransientError(f"cannot use {where}: {text}", retry_after=1)
