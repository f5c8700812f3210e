"""API keys: who may do what in which workspace. Kept in server.db, only as SHA-256 hashes."""

from __future__ import annotations

import hashlib
import secrets
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.database import coded, open_database
from warehouse.errors import InputError, TransientError, shown
from warehouse.ids import workspace_name

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from warehouse.paths import DataPaths

RIGHTS = ("ingest", "query", "admin")
DEFAULT_WORKSPACE = "default"

_PREFIX = "upk_"
_FORMAT_1 = """
CREATE TABLE key (
    hash TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    rights TEXT NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID
"""


def _checksums(con: sqlite3.Connection) -> None:
    """Give each key a checksum of its own: a flipped bit must not give anybody more."""
    con.execute("ALTER TABLE key ADD COLUMN crc INTEGER")
    for row in con.execute("SELECT hash, workspace, rights FROM key").fetchall():
        con.execute("UPDATE key SET crc = ? WHERE hash = ?", (_crc(*row), row[0]))


STEPS = (_FORMAT_1, _checksums)
"""What makes and upgrades a `server.db`; its format is how many of these were done."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a caller may do: one workspace, some rights."""

    workspace: str
    rights: frozenset[str]


OPEN = Access(DEFAULT_WORKSPACE, frozenset(RIGHTS))
"""Everybody's access on loopback while no key exists."""


class Keys:
    """The keys of a data directory. Safe to use from several threads and beside other processes."""

    def __init__(self, data: DataPaths) -> None:
        self.path = data.server
        self._con = open_database(self.path, STEPS)

    @coded
    def create(self, workspace: str, rights: Iterable[str], now_us: int) -> str:
        """Make a key, durable once returned, and return it; it cannot be shown again.

        Raises:
            InputError: the workspace's name or a right is unknown.
        """
        wanted = sorted(set(rights), key=lambda right: RIGHTS.index(right) if right in RIGHTS else -1)
        for right in wanted:
            if right not in RIGHTS:
                raise InputError(f"unknown right {shown(right)}: give some of {', '.join(RIGHTS)}")
        if not wanted:
            raise InputError(f"a key without rights is of no use: give some of {', '.join(RIGHTS)}")
        key = _PREFIX + secrets.token_urlsafe(32)
        row = _hash(key), workspace_name(workspace), ",".join(wanted)
        self._con.execute("INSERT INTO key VALUES (?, ?, ?, ?, ?)", (*row, now_us, _crc(*row)))
        return key

    @coded
    def any(self) -> bool:
        """Tell whether a key exists."""
        return self._con.execute("SELECT EXISTS (SELECT 1 FROM key)").fetchone()[0] == 1

    @coded
    def access(self, key: str) -> Access | None:
        """Return what a key may do, or None when there is no such key."""
        hashed = _hash(key)
        row = self._con.execute("SELECT workspace, rights, crc FROM key WHERE hash = ?", (hashed,)).fetchone()
        if row is None:
            return None
        workspace, rights, crc = row
        if crc != _crc(hashed, workspace, rights):
            raise TransientError(
                f"{self.path} is damaged: a key does not match its checksum",
                hint="restore it from a backup, or make the key anew",
                retry_after=60,
            )
        return Access(workspace, frozenset(rights.split(",")))

    def close(self) -> None:
        """Close the connection."""
        self._con.close()


def _crc(*values: str) -> int:
    return zlib.crc32("\0".join(values).encode())


def _hash(key: str) -> str:
    # Keys are 256 random bits: a plain hash cannot be searched, and looking one up stays cheap.
    return hashlib.sha256(key.encode()).hexdigest()
