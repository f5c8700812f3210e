"""API keys: who may do what in which workspace. Kept in server.db, only as SHA-256 hashes.

A revoked key stays there as revoked: who looks at the list sees that it was one, and a server that ever had a key never
opens again by itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import sqlite3
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from warehouse.database import coded, open_database, transaction
from warehouse.errors import InputError, NotFoundError, TransientError, shown
from warehouse.ids import workspace_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from warehouse.paths import DataPaths

RIGHTS = ("ingest", "query", "admin")
DEFAULT_WORKSPACE = "default"

ID_CHARS = 12
"""Hexadecimal digits of a key's hash that are its id: enough to tell keys apart, useless for being let in."""

NAME_CHARS = 128

_PREFIX = "upk_"
_SIGN_IN_PREFIX = "ups_"
_LOAN_PREFIX = "upr_"

SIGN_IN_SECONDS = 30 * 86_400
"""How long a browser stays signed in."""

_DAY_US = 86_400_000_000
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


_FORMAT_3 = """
ALTER TABLE key ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE key ADD COLUMN revoked_at INTEGER;
CREATE TABLE used (id TEXT PRIMARY KEY, day INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE closed (since INTEGER NOT NULL);
INSERT INTO closed SELECT min(created_at) FROM key HAVING count(*) > 0
"""

_FORMAT_4 = """
CREATE TABLE sign_in (token TEXT PRIMARY KEY, key TEXT NOT NULL, ends_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE loan (
    token TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    workspace TEXT NOT NULL,
    rights TEXT NOT NULL,
    ends_at INTEGER NOT NULL,
    crc INTEGER NOT NULL
) WITHOUT ROWID
"""

STEPS = (_FORMAT_1, _checksums, _FORMAT_3, _FORMAT_4)
"""What makes and upgrades a `server.db`; its format is how many of these were done."""

_SEALED = "hash, workspace, rights, revoked_at, crc"
"""What decides access, and the checksum of it."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a caller may do: one workspace, some rights."""

    workspace: str
    rights: frozenset[str]
    key: str = ""
    """The id of the caller's key; empty for everybody on an open loopback."""


OPEN = Access(DEFAULT_WORKSPACE, frozenset(RIGHTS))
"""Everybody's access on loopback while no key was ever made."""


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key as lists show it: everything but the key."""

    id: str
    """The first `ID_CHARS` digits of its hash."""
    name: str
    workspace: str
    rights: tuple[str, ...]
    created_at: int
    """Microseconds since 1970, as `revoked_at`."""
    used: int | None
    """The last day of a request with it (days since 1970-01-01, UTC); None: it never was used."""
    revoked_at: int | None

    def __str__(self) -> str:
        """Return it as messages show it."""
        return f"{self.id} ({self.name or 'no name'}, workspace {self.workspace}, {','.join(self.rights)})"


class Keys:
    """The keys of a data directory. Safe to use from several threads and beside other processes."""

    def __init__(self, data: DataPaths) -> None:
        self.path = data.server
        self._con = open_database(self.path, STEPS)
        self._noted: dict[str, int] = {}

    @coded
    def create(self, workspace: str, rights: Iterable[str], now_us: int, name: str = "") -> str:
        """Make a key, durable once returned, and return it; it cannot be shown again.

        Several keys may have one name.

        Raises:
            InputError: the workspace's name or a right is unknown, or `name` is too long or not printable.
        """
        wanted = sorted(set(rights), key=lambda right: RIGHTS.index(right) if right in RIGHTS else -1)
        for right in wanted:
            if right not in RIGHTS:
                raise InputError(f"unknown right {shown(right)}: give some of {', '.join(RIGHTS)}")
        if not wanted:
            raise InputError(f"a key without rights is of no use: give some of {', '.join(RIGHTS)}")
        if len(name) > NAME_CHARS or not name.isprintable():
            raise InputError(f"name {shown(name)} must be at most {NAME_CHARS} printable characters")
        key = _PREFIX + secrets.token_urlsafe(32)
        row = _hash(key), workspace_name(workspace), ",".join(wanted)
        with transaction(self._con):
            self._con.execute(
                "INSERT INTO key(hash, workspace, rights, created_at, crc, name) VALUES (?, ?, ?, ?, ?, ?)",
                (*row, now_us, _crc(*row), name),
            )
            # Beside the keys, so that no single damaged page of the file opens the server.
            self._con.execute("INSERT INTO closed SELECT ? WHERE NOT EXISTS (SELECT 1 FROM closed)", (now_us,))
        return key

    @coded
    def any(self) -> bool:
        """Tell whether a key was ever made, revoked ones counted: then nobody is let in without one."""
        return (
            self._con.execute("SELECT EXISTS (SELECT 1 FROM key) OR EXISTS (SELECT 1 FROM closed)").fetchone()[0] == 1
        )

    @coded
    def access(self, key: str) -> Access | None:
        """Return what a key may do, or None when there is no such key or it was revoked."""
        return self._access(_hash(key))

    def _access(self, hashed: str) -> Access | None:
        row = self._con.execute(f"SELECT {_SEALED} FROM key WHERE hash = ?", (hashed,)).fetchone()
        if row is None:
            return None
        hashed, workspace, rights, revoked_at = self._checked(row)
        return None if revoked_at is not None else Access(workspace, frozenset(rights.split(",")), hashed[:ID_CHARS])

    @coded
    def lend(self, workspace: str, rights: Iterable[str], ends_at_us: int, now_us: int, name: str) -> str:
        """Return a token that may do this until a time, or until `end_loan`; it opens what a key opens.

        Its holder is shown under `name`. For a program that runs once, a report's notebook say: what it leaves behind
        is worth nothing. It is no key, so a server that is open stays open.
        """
        token = _LOAN_PREFIX + secrets.token_urlsafe(32)
        row = _hash(token), name, workspace_name(workspace), ",".join(sorted(rights)), ends_at_us
        with transaction(self._con):
            self._con.execute("DELETE FROM loan WHERE ends_at <= ?", (now_us,))
            self._con.execute("INSERT INTO loan VALUES (?, ?, ?, ?, ?, ?)", (*row, _crc(*row[:1], *row[2:])))
        return token

    @coded
    def lent(self, token: str, now_us: int) -> Access | None:
        """Return what a lent token may do; None when it has ended, or is none."""
        if not token.startswith(_LOAN_PREFIX):
            return None
        columns = "token, workspace, rights, ends_at, crc, name"
        row = self._con.execute(f"SELECT {columns} FROM loan WHERE token = ?", (_hash(token),)).fetchone()
        if row is None:
            return None
        *sealed, name = row
        _, workspace, rights, ends_at = self._checked(sealed)
        assert ends_at is not None  # noqa: S101 - the column says so
        return Access(workspace, frozenset(rights.split(",")), name) if ends_at > now_us else None

    @coded
    def end_loan(self, token: str) -> None:
        """End a lent token; durable once returned."""
        self._con.execute("DELETE FROM loan WHERE token = ?", (_hash(token),))

    @coded
    def sign_in(self, key: str, now_us: int) -> str | None:
        """Return a token that stands for a key for `SIGN_IN_SECONDS`; None when the key opens nothing.

        A browser holds the token instead of the key: it ends by itself, by `sign_out`, and with the key.
        """
        if self.access(key) is None:
            return None
        token = _SIGN_IN_PREFIX + secrets.token_urlsafe(32)
        with transaction(self._con):
            self._con.execute("DELETE FROM sign_in WHERE ends_at <= ?", (now_us,))
            row = _hash(token), _hash(key), now_us + SIGN_IN_SECONDS * 1_000_000
            self._con.execute("INSERT INTO sign_in VALUES (?, ?, ?)", row)
        return token

    @coded
    def signed_in(self, token: str, now_us: int) -> Access | None:
        """Return what the key may do that a token stands for; None when either has ended."""
        found = self._con.execute(
            "SELECT key FROM sign_in WHERE token = ? AND ends_at > ?", (_hash(token), now_us)
        ).fetchone()
        return None if found is None else self._access(found[0])

    @coded
    def sign_out(self, token: str) -> None:
        """End a token; durable once returned."""
        self._con.execute("DELETE FROM sign_in WHERE token = ?", (_hash(token),))

    @coded
    def entries(self) -> list[KeyEntry]:
        """Return every key there ever was, oldest first."""
        return [entry for _, entry in self._all()]

    @coded
    def revoke(self, which: str, now_us: int) -> KeyEntry:
        """Revoke the key of an id or a name; durable once returned, and no later request is let in with it.

        Raises:
            NotFoundError: no key in use has this id or name.
            InputError: several have it; they are named.
        """
        with transaction(self._con):
            found = [
                (hashed, entry)
                for hashed, entry in self._all()
                if entry.revoked_at is None and which and which in (entry.id, entry.name)
            ]
            if not found:
                raise NotFoundError(f"no key in use has the id or name {shown(which)}", hint="see `upshot keys list`")
            if len(found) > 1:
                raise InputError(
                    f"{len(found)} keys have the name {shown(which)}: {'; '.join(str(entry) for _, entry in found)}",
                    hint="give the id of the one that is meant",
                )
            [(hashed, entry)] = found
            self._con.execute(
                "UPDATE key SET revoked_at = ?, crc = ? WHERE hash = ?",
                (now_us, _crc(hashed, entry.workspace, ",".join(entry.rights), now_us), hashed),
            )
        return replace(entry, revoked_at=now_us)

    def _all(self) -> list[tuple[str, KeyEntry]]:
        """Return every key as (hash, entry)."""
        used = dict(self._con.execute("SELECT id, day FROM used"))
        found: list[tuple[str, KeyEntry]] = []
        for *sealed, name, created_at in self._con.execute(
            f"SELECT {_SEALED}, name, created_at FROM key ORDER BY created_at, hash"
        ):
            hashed, workspace, rights, revoked_at = self._checked(sealed)
            id_ = hashed[:ID_CHARS]
            rights = tuple(rights.split(","))
            found.append((hashed, KeyEntry(id_, name, workspace, rights, created_at, used.get(id_), revoked_at)))
        return found

    def note_use(self, id_: str, now_us: int) -> None:
        """Remember on which day a key was last used: one write a key and day. A failure is no error: it is a hint."""
        day = now_us // _DAY_US
        if not id_ or self._noted.get(id_) == day:
            return
        self._noted[id_] = day
        with contextlib.suppress(sqlite3.Error):
            self._con.execute(
                "INSERT INTO used VALUES (?, ?) ON CONFLICT DO UPDATE SET day = max(day, excluded.day)", (id_, day)
            )

    def _checked(self, row: Sequence[Any]) -> tuple[str, str, str, int | None]:
        """Return what decides access of a key's row, without its checksum, when it matches that."""
        hashed, workspace, rights, revoked_at, crc = row
        if crc != _crc(hashed, workspace, rights, revoked_at):
            raise TransientError(
                f"{self.path} is damaged: a key does not match its checksum",
                hint="restore it from a backup, or make the key anew",
                retry_after=60,
            )
        return hashed, workspace, rights, revoked_at

    def close(self) -> None:
        """Close the connection."""
        self._con.close()


def _crc(hashed: str, workspace: str, rights: str, revoked_at: int | None = None) -> int:
    values = (hashed, workspace, rights, *(() if revoked_at is None else (revoked_at,)))
    return zlib.crc32("\0".join(map(str, values)).encode())  # a flipped bit can make another type of a value


def _hash(key: str) -> str:
    # Keys are 256 random bits: a plain hash cannot be searched, and looking one up stays cheap.
    return hashlib.sha256(key.encode()).hexdigest()
