"""Opening SQLite the one way: WAL, synchronous=FULL, our application id, a format version that is checked.

A commit returns after its fsync; that is the only durability this project relies on for acknowledged rows.
"""

from __future__ import annotations

import errno
import sqlite3
from typing import TYPE_CHECKING

from warehouse.errors import InputError, TransientError

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION_ID = 0x55505348
"""Marks a SQLite file as ours ("UPSH")."""

FORMAT = 1
"""Version of the layout of a data directory; raised with every change an older server could not read."""

BUSY_SECONDS = 10.0


def open_database(path: Path, schema: str, *, create: bool = True) -> sqlite3.Connection:
    """Open the SQLite file at `path`, making it with `schema` when it is new.

    Raises:
        InputError: the file is not ours, or was written by a newer version.
        TransientError: the file cannot be opened or written now.
    """
    if not create and not path.exists():
        raise InputError(f"{path} does not exist", code="not_found")
    try:
        con = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        con.execute("PRAGMA journal_mode=WAL")
        con.execute("PRAGMA synchronous=FULL")
        con.execute("PRAGMA foreign_keys=ON")
        _check_ours(con, path)
        if con.execute("PRAGMA user_version").fetchone()[0] == 0:
            con.executescript(
                f"BEGIN IMMEDIATE;\n{schema}\nPRAGMA application_id={APPLICATION_ID};\n"
                f"PRAGMA user_version={FORMAT};\nCOMMIT;"
            )
    except sqlite3.DatabaseError as error:
        raise storage_error(error, path) from error
    return con


def _check_ours(con: sqlite3.Connection, path: Path) -> None:
    owner = con.execute("PRAGMA application_id").fetchone()[0]
    version = con.execute("PRAGMA user_version").fetchone()[0]
    tables = con.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if owner != APPLICATION_ID and (tables or owner):
        raise InputError(f"{path} is a SQLite file of another program", hint="give an empty folder to --data")
    if version > FORMAT:
        raise InputError(
            f"{path} has format {version}; this version of upshot reads up to {FORMAT}",
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
    return TransientError(f"cannot use {where}: {text}", retry_after=1)
