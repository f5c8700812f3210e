"""API keys: who may do what in which workspace. Kept in server.db, only as SHA-256 hashes."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.database import open_database
from warehouse.errors import InputError, shown
from warehouse.ids import workspace_name

if TYPE_CHECKING:
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
STEPS = (_FORMAT_1,)
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
        self._con = open_database(data.server, STEPS)

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
        self._con.execute(
            "INSERT INTO key VALUES (?, ?, ?, ?)", (_hash(key), workspace_name(workspace), ",".join(wanted), now_us)
        )
        return key

    def any(self) -> bool:
        """Tell whether a key exists."""
        return self._con.execute("SELECT EXISTS (SELECT 1 FROM key)").fetchone()[0] == 1

    def access(self, key: str) -> Access | None:
        """Return what a key may do, or None when there is no such key."""
        row = self._con.execute("SELECT workspace, rights FROM key WHERE hash = ?", (_hash(key),)).fetchone()
        return None if row is None else Access(row[0], frozenset(row[1].split(",")))

    def close(self) -> None:
        """Close the connection."""
        self._con.close()


def _hash(key: str) -> str:
    # Keys are 256 random bits: a plain hash cannot be searched, and looking one up stays cheap.
    return hashlib.sha256(key.encode()).hexdigest()
