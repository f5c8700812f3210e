"""The manifest: which files are live, which of their rows are hidden, and how far the log is sealed.

One commit moves rows from the log into files; a reader's snapshot is one read transaction, so it sees each row once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from warehouse.database import open_database
from warehouse.ids import key_hash

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from warehouse.paths import WorkspacePaths

SCHEMA = """
CREATE TABLE log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    "table" TEXT NOT NULL,
    rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE TABLE file (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    "table" TEXT NOT NULL,
    day INTEGER NOT NULL,
    name TEXT NOT NULL,
    rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    bounds TEXT NOT NULL,
    UNIQUE ("table", day, name)
);
CREATE TABLE hidden (
    file INTEGER NOT NULL REFERENCES file (id),
    row INTEGER NOT NULL,
    everywhere INTEGER NOT NULL,
    PRIMARY KEY (file, row)
) WITHOUT ROWID;
CREATE TABLE key_day (hash INTEGER PRIMARY KEY, day INTEGER NOT NULL);
CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO state VALUES ('version', 0), ('sealed', 0);
"""


@dataclass(frozen=True, slots=True)
class SealedFile:
    """A Parquet file as the manifest names it; `bounds` maps a key column to its smallest and largest value."""

    table: str
    day: int
    name: str
    rows: int
    bytes: int
    sha256: str
    bounds: Mapping[str, tuple[str, str]]
    id: int = 0


@dataclass(frozen=True, slots=True)
class Hidden:
    """A row of a sealed file that no longer counts: in any table (`everywhere`), or only among the current rows."""

    file: int
    row: int
    everywhere: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A log entry that is not sealed yet."""

    seq: int
    table: str
    rows: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The sealed rows at one version of the manifest."""

    version: int
    sealed: int
    """The last log position that is in the files."""
    files: tuple[SealedFile, ...] = ()
    hidden: tuple[Hidden, ...] = ()

    def of(self, table: str) -> list[SealedFile]:
        """Return the live files of a table, oldest day first."""
        return [file for file in self.files if file.table == table]


@dataclass(frozen=True, slots=True)
class Sealing:
    """What one commit of the manifest changes."""

    sealed: int
    files: Sequence[tuple[SealedFile, Sequence[int]]]
    """New files, each with the row numbers that are hidden from the current rows."""
    hidden: Sequence[Hidden] = ()
    days: Mapping[int, int] = field(default_factory=dict[int, int])
    """Hash of an id without time -> its day, to be kept."""


class Manifest:
    """One process's view of a workspace's manifest and of the log's unsealed end."""

    def __init__(self, paths: WorkspacePaths) -> None:
        self._con: sqlite3.Connection = open_database(paths.database, SCHEMA)

    def close(self) -> None:
        """Close the connection."""
        self._con.close()

    def position(self) -> tuple[int, int]:
        """Return the manifest's version and the log's last position: equal positions mean equal answers."""
        return self._con.execute(
            "SELECT (SELECT value FROM state WHERE name = 'version'), "
            "coalesce((SELECT max(seq) FROM log), (SELECT value FROM state WHERE name = 'sealed'))"
        ).fetchone()

    def read(
        self, known: Snapshot | None, after: int = 0, *, max_rows: int | None = None, max_bytes: int | None = None
    ) -> tuple[Snapshot, list[Entry]]:
        """Return the snapshot and the unsealed entries beyond position `after`, as of one instant.

        `known` is returned itself when its version still holds. With `max_rows` and `max_bytes` at most as many rows
        and bytes of the log are read, but one entry at the least.
        """
        self._con.execute("BEGIN")
        try:
            state = dict(self._con.execute("SELECT name, value FROM state"))
            if known is None or known.version != state["version"]:
                known = Snapshot(
                    version=state["version"],
                    sealed=state["sealed"],
                    files=tuple(self._files()),
                    hidden=tuple(
                        Hidden(file, row, bool(everywhere))
                        for file, row, everywhere in self._con.execute("SELECT file, row, everywhere FROM hidden")
                    ),
                )
            entries: list[Entry] = []
            rows, size = 0, 0
            for entry in self._con.execute(
                'SELECT seq, "table", rows, payload FROM log WHERE seq > ? ORDER BY seq', (max(known.sealed, after),)
            ):
                rows, size = rows + entry[2], size + len(entry[3])
                over = (max_rows is not None and rows > max_rows) or (max_bytes is not None and size > max_bytes)
                if entries and over:
                    break
                entries.append(Entry(*entry))
        finally:
            self._con.execute("COMMIT")
        return known, entries

    def _files(self) -> Iterable[SealedFile]:
        for id_, table, day, name, rows, size, sha256, bounds in self._con.execute(
            'SELECT id, "table", day, name, rows, bytes, sha256, bounds FROM file ORDER BY "table", day, name'
        ):
            yield SealedFile(table, day, name, rows, size, sha256, json.loads(bounds), id_)

    def waiting(self) -> tuple[int, int, int]:
        """Return rows, bytes and oldest receipt (microseconds since 1970) of the unsealed entries; zeros if none."""
        return self._con.execute(
            "SELECT coalesce(sum(rows), 0), coalesce(sum(bytes), 0), coalesce(min(received_at), 0) FROM log "
            "WHERE seq > (SELECT value FROM state WHERE name = 'sealed')"
        ).fetchone()

    def days(self, ids: Iterable[str]) -> dict[str, int]:
        """Return the days that are kept for ids without a time of their own; unknown ids are absent."""
        found: dict[str, int] = {}
        for text in ids:
            row = self._con.execute("SELECT day FROM key_day WHERE hash = ?", (key_hash(text),)).fetchone()
            if row is not None:
                found[text] = row[0]
        return found

    def commit(self, sealing: Sealing) -> int:
        """Make new files live, hide rows, and drop the sealed log entries, all in one durable commit.

        Once it returns, readers see the rows in the files instead of in the log; before, only in the log; never both,
        never neither. Every named file must already be fsynced under its final name.

        Returns:
            The new version of the manifest.
        """
        self._con.execute("BEGIN IMMEDIATE")
        try:
            for file, not_current in sealing.files:
                cursor = self._con.execute(
                    'INSERT INTO file("table", day, name, rows, bytes, sha256, bounds) VALUES (?, ?, ?, ?, ?, ?, ?)',
                    (file.table, file.day, file.name, file.rows, file.bytes, file.sha256, json.dumps(file.bounds)),
                )
                self._con.executemany(
                    "INSERT INTO hidden VALUES (?, ?, 0)", [(cursor.lastrowid, row) for row in not_current]
                )
            self._con.executemany(
                "INSERT INTO hidden VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET everywhere = max(everywhere, excluded.everywhere)",
                [(hidden.file, hidden.row, hidden.everywhere) for hidden in sealing.hidden],
            )
            self._con.executemany("INSERT OR IGNORE INTO key_day VALUES (?, ?)", sealing.days.items())
            self._con.execute("UPDATE state SET value = ? WHERE name = 'sealed'", (sealing.sealed,))
            self._con.execute("UPDATE state SET value = value + 1 WHERE name = 'version'")
            self._con.execute("DELETE FROM log WHERE seq <= ?", (sealing.sealed,))
            version = self._con.execute("SELECT value FROM state WHERE name = 'version'").fetchone()[0]
            self._con.execute("COMMIT")
        except BaseException:
            if self._con.in_transaction:
                self._con.execute("ROLLBACK")
            raise
        return version
