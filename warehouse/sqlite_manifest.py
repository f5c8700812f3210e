"""The manifest in SQLite: one file a workspace, `log.db`, shared by the processes of one machine.

Rows that decide what is read carry a checksum of their own, because SQLite has none: a flipped byte is an error that
names its place, never another answer.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zlib
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from warehouse.database import BUSY_SECONDS, coded, open_database, storage_error, transaction
from warehouse.errors import TransientError, UpshotError, shown
from warehouse.ids import key_hash
from warehouse.manifest import (
    Change,
    Entry,
    Erasure,
    FileName,
    Hidden,
    NamedObject,
    NewFile,
    Quarantined,
    SealedFile,
    Snapshot,
    StaleError,
    Tombstone,
    Waiting,
)
from warehouse.pins import FilePin, oldest_pinned

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from warehouse.paths import WorkspacePaths

_FORMAT_1 = """
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

_FORMAT_2 = """
ALTER TABLE log ADD COLUMN crc INTEGER;
ALTER TABLE file ADD COLUMN current INTEGER NOT NULL DEFAULT 1;
ALTER TABLE file ADD COLUMN damaged TEXT NOT NULL DEFAULT '';
ALTER TABLE file ADD COLUMN checked_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE file ADD COLUMN crc INTEGER;
ALTER TABLE hidden RENAME TO hidden_1;
CREATE TABLE hidden (
    file INTEGER NOT NULL,
    version INTEGER NOT NULL,
    everywhere BLOB NOT NULL,
    superseded BLOB NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (file, version)
) WITHOUT ROWID;
CREATE INDEX hidden_version ON hidden (version);
CREATE TABLE announced ("table" TEXT, day INTEGER, name TEXT, PRIMARY KEY ("table", day, name)) WITHOUT ROWID;
CREATE TABLE dropped (
    "table" TEXT, day INTEGER, name TEXT, version INTEGER NOT NULL, PRIMARY KEY ("table", day, name)
) WITHOUT ROWID;
CREATE TABLE quarantine (
    seq INTEGER PRIMARY KEY,
    "table" TEXT NOT NULL,
    rows INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    payload BLOB NOT NULL,
    reason TEXT NOT NULL
);
CREATE TABLE tombstone (kind TEXT, subject TEXT, until INTEGER, PRIMARY KEY (kind, subject)) WITHOUT ROWID;
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO state VALUES ('wanted', 0), ('tombstones', 0)
"""


def _hidden_as_numbers(con: sqlite3.Connection) -> None:
    """Bring the rows hidden in format 1, one a database row, into lists of numbers, and add the missing checksums."""
    rows: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for file, row, everywhere in con.execute("SELECT file, row, everywhere FROM hidden_1 ORDER BY file, row"):
        rows[file][0 if everywhere else 1].append(row)
    for file, (everywhere, superseded) in rows.items():
        _insert_hidden(con, file, 0, Hidden(np.array(everywhere, np.uint32), np.array(superseded, np.uint32)))
    con.execute("DROP TABLE hidden_1")
    for row in con.execute(f"SELECT id, {_FILE_COLUMNS} FROM file").fetchall():
        con.execute("UPDATE file SET crc = ? WHERE id = ?", (_crc(row[1:]), row[0]))


_FORMAT_4 = """
CREATE TABLE erasure (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    rows TEXT NOT NULL,
    files TEXT NOT NULL,
    stage TEXT NOT NULL,
    version INTEGER NOT NULL,
    position INTEGER NOT NULL,
    awaited TEXT NOT NULL,
    waits_for TEXT NOT NULL,
    unsearched INTEGER NOT NULL,
    done_at INTEGER
);
INSERT INTO setting VALUES ('salt', json_quote(lower(hex(randomblob(32)))))
"""
_FORMAT_5 = """
INSERT INTO state VALUES ('days', 0);
UPDATE state SET value = (SELECT coalesce(sum({}), 0) FROM key_day) WHERE name = 'days'
"""
_FORMAT_6 = """
CREATE TABLE object (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (kind, name, version)
) WITHOUT ROWID
"""
_ERASURE = "id, kind, subject, asked_at, rows, files, stage, version, position, awaited, waits_for, unsearched, done_at"

_STATE = frozenset({"version", "sealed", "wanted", "tombstones", "days", "files", "hidden", "sum"})
_OBJECT = "kind, name, version, created_at, body"
_FILE_COLUMNS = '"table", day, name, rows, bytes, sha256, bounds, current'
_AS_JSON = ("rows", "files", "awaited")
_DAY_SUM = "(hash & 4294967295) * 3 + ((hash >> 32) & 4294967295) * 5 + (day & 65535) * 7 + 1"
"""What a kept day adds to the sum of all of them: any flipped bit of it changes the sum."""
SPARE_BYTES = 4 << 20
"""Free space that stays in the file, and in its write-ahead log, for the entries to come."""
_CHECKPOINT_MS = 50
FORGET_STEP = 10_000
"""Kept days forgotten in one commit."""


def _crc(values: Sequence[object]) -> int:
    return zlib.crc32(repr(tuple(values)).encode())


def _entry_crc(table: str, rows: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(f"{table}:{rows}".encode()))


def _sums(con: sqlite3.Connection) -> None:
    """Sum up the checksums of files and of hidden rows, and the state itself: so that a lost row is seen too."""
    for name, table in (("files", "file"), ("hidden", "hidden")):
        con.execute(f"INSERT INTO state SELECT ?, coalesce(sum(crc), 0) FROM {table}", (name,))
    con.execute("INSERT INTO state SELECT 'sum', sum(value) FROM state")
    con.execute(
        "CREATE TRIGGER state_sum AFTER UPDATE ON state WHEN new.name <> 'sum' BEGIN "
        "UPDATE state SET value = value + new.value - old.value WHERE name = 'sum'; END"
    )


STEPS = (_FORMAT_1, _FORMAT_2, _hidden_as_numbers, _FORMAT_4, _FORMAT_5.format(_DAY_SUM), _FORMAT_6, _sums)
"""What makes and upgrades a `log.db`; its format is how many of these were done."""


def _day_sum(number: int, day: int) -> int:
    return (number & 0xFFFFFFFF) * 3 + ((number >> 32) & 0xFFFFFFFF) * 5 + (day & 0xFFFF) * 7 + 1


def _insert_hidden(con: sqlite3.Connection, file: int, version: int, hidden: Hidden) -> int:
    """Insert hidden rows and return their checksum."""
    blobs = hidden.everywhere.astype("<u4").tobytes(), hidden.superseded.astype("<u4").tobytes()
    crc = _crc((file, version, *blobs))
    con.execute("INSERT INTO hidden VALUES (?, ?, ?, ?, ?)", (file, version, *blobs, crc))
    return crc


class SqliteManifest:
    """A workspace's log and manifest (the promises stand in `warehouse.manifest.Manifest`)."""

    def __init__(self, paths: WorkspacePaths) -> None:
        self._paths = paths
        self.path = paths.database
        self._con = open_database(self.path, STEPS)
        self._known: dict[int, SealedFile] = {}

    def close(self) -> None:
        """Close the connection."""
        self._con.close()

    def append(self, requests: Sequence[Sequence[tuple[str, int, bytes]]], received_at: int) -> list[int]:
        """See `Manifest.append`.

        After a failed write the file is opened anew: what the old connection believes to be on disk may not be (a page
        whose fsync failed can be marked clean).
        """
        positions: list[int] = []
        position = 0
        try:
            with transaction(self._con):
                for entries in requests:
                    for table, rows, payload in entries:
                        inserted = self._con.execute(
                            'INSERT INTO log("table", rows, bytes, received_at, payload, crc) '
                            "VALUES (?, ?, ?, ?, ?, ?)",
                            (table, rows, len(payload), received_at, payload, _entry_crc(table, rows, payload)),
                        )
                        position = inserted.lastrowid or position
                    positions.append(position)
        except (sqlite3.Error, OSError) as error:
            self._reopen()
            raise storage_error(error, self.path) from error
        return positions

    def _reopen(self) -> None:
        """Open the file anew; while that fails too, the closed connection stays and every call says so."""
        self._con.close()
        with contextlib.suppress(UpshotError):
            self._con = open_database(self.path, STEPS)

    @coded
    def read(
        self, known: Snapshot | None, after: int = 0, *, max_rows: int | None = None, max_bytes: int | None = None
    ) -> tuple[Snapshot, list[Entry]]:
        """See `Manifest.read`."""
        con = self._con
        con.execute("BEGIN")
        try:
            state = self._state()
            if known is None or known.version != state["version"]:
                known = self._snapshot(state, known)
            entries: list[Entry] = []
            rows, size, last = 0, 0, max(known.sealed, after)
            for seq, table, count, payload, crc in con.execute(
                'SELECT seq, "table", rows, payload, crc FROM log WHERE seq > ? ORDER BY seq',
                (max(known.sealed, after),),
            ):
                rows, size = rows + count, size + len(payload)
                over = (max_rows is not None and rows > max_rows) or (max_bytes is not None and size > max_bytes)
                if entries and over:
                    break
                if seq != last + 1:
                    raise self._flipped(f"log entry {last + 1}, which is missing,")
                last = seq
                whole = crc is None or crc == _entry_crc(table, count, payload)
                entries.append(Entry(seq, table, count, payload if whole else b""))
            else:
                if last < (self._last_position() or 0):
                    raise self._flipped(f"log entry {last + 1}, which is missing,")
        finally:
            if con.in_transaction:
                con.execute("COMMIT")
        return known, entries

    def _last_position(self) -> int | None:
        """Return the last position that was ever given to a log entry, which may be gone by now."""
        row = self._con.execute("SELECT seq FROM sqlite_sequence WHERE name = 'log'").fetchone()
        return None if row is None else row[0]

    def _state(self) -> dict[str, int]:
        state: dict[str, int] = dict(self._con.execute("SELECT name, value FROM state"))
        if state.keys() != _STATE or sum(state.values()) != 2 * state["sum"]:
            raise self._flipped("its state")
        return state

    def _snapshot(self, state: dict[str, int], before: Snapshot | None) -> Snapshot:
        """Return the present snapshot, reading only what is new since an earlier one."""
        files: dict[int, SealedFile] = {}
        live = dict(self._con.execute("SELECT id, damaged FROM file"))
        for id_, damaged in live.items():
            file = self._known.get(id_)
            if file is None or file.damaged != damaged:
                row = self._con.execute(
                    f"SELECT {_FILE_COLUMNS}, damaged, crc FROM file WHERE id = ?", (id_,)
                ).fetchone()
                if _crc(row[:-2]) != row[-1]:
                    raise self._flipped(f"the entry of file {id_}")
                file = _sealed_file(id_, row)
            files[id_] = file
        self._known = files
        if self._con.execute("SELECT coalesce(sum(crc), 0) FROM file").fetchone()[0] != state["files"]:
            raise self._flipped("the list of files")
        hidden = {} if before is None else {id_: rows for id_, rows in before.hidden.items() if id_ in files}
        since, total = -1 if before is None else before.version, 0
        for file, version, everywhere, superseded, crc in self._con.execute(
            "SELECT file, version, everywhere, superseded, crc FROM hidden WHERE version > ?", (since,)
        ):
            if crc != _crc((file, version, everywhere, superseded)):
                raise self._flipped(f"the hidden rows of file {file}")
            total += crc
            rows = Hidden(np.frombuffer(everywhere, "<u4"), np.frombuffer(superseded, "<u4"))
            hidden[file] = hidden[file] | rows if file in hidden else rows
        if before is None and total != state["hidden"]:
            raise self._flipped("the list of hidden rows")
        tombstones, salt = (before.tombstones, before.salt) if before is not None else ((), "")
        if before is None or state["tombstones"] > before.version:
            salt = self.settings()["salt"]
            tombstones = tuple(
                Tombstone(*row) for row in self._con.execute("SELECT kind, subject, until FROM tombstone")
            )
        ordered = sorted(files.values(), key=lambda file: file.place)
        return Snapshot(state["version"], state["sealed"], tuple(ordered), hidden, tombstones, salt)

    def _flipped(self, what: str) -> TransientError:
        return TransientError(
            f"{self.path} is damaged: {what} does not match its checksum",
            hint="run `upshot doctor`, and restore the workspace from a backup",
            retry_after=60,
        )

    @coded
    def waiting(self) -> Waiting:
        """See `Manifest.waiting`."""
        rows, size, oldest, last = self._con.execute(
            "SELECT coalesce(sum(rows), 0), coalesce(sum(bytes), 0), coalesce(min(received_at), 0), "
            "coalesce(max(seq), 0) FROM log WHERE seq > (SELECT value FROM state WHERE name = 'sealed')"
        ).fetchone()
        state = self._state()
        return Waiting(rows, size, oldest, wanted=last > 0 and state["wanted"] > state["sealed"])

    @coded
    def want_sealed(self) -> int:
        """See `Manifest.want_sealed`."""
        with transaction(self._con):
            last = self._con.execute(
                "SELECT coalesce((SELECT max(seq) FROM log), (SELECT value FROM state WHERE name = 'sealed'))"
            ).fetchone()[0]
            self._con.execute("UPDATE state SET value = max(value, ?) WHERE name = 'wanted'", (last,))
        return last

    @coded
    def days(self, ids: Iterable[str]) -> dict[str, int]:
        """See `Manifest.days`."""
        by_hash = [(key_hash(text), text) for text in ids]
        if not by_hash:
            return {}
        kept: dict[int, int] = dict(
            self._con.execute(
                "SELECT hash, day FROM key_day WHERE hash IN (SELECT value FROM json_each(?))",
                (json.dumps([number for number, _ in by_hash]),),
            )
        )
        return {text: kept[number] for number, text in by_hash if number in kept}

    def all_days(self) -> Iterator[tuple[int, int]]:
        """See `Manifest.all_days`."""
        yield from self._con.cursor().execute("SELECT hash, day FROM key_day ORDER BY hash")

    @coded
    def start_after(self, position: int) -> None:
        """See `Manifest.start_after`."""
        with transaction(self._con):
            last = self._last_position()
            if last is None:
                self._con.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('log', ?)", (position,))
            elif last < position:
                self._con.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'log'", (position,))

    @coded
    def announce(self, files: Sequence[FileName]) -> None:
        """See `Manifest.announce`."""
        with transaction(self._con):
            self._con.executemany("INSERT OR IGNORE INTO announced VALUES (?, ?, ?)", files)

    @coded
    def commit(self, change: Change) -> int:
        """See `Manifest.commit`."""
        con = self._con
        with transaction(con):
            state = self._state()
            version = state["version"] + 1
            _check_order(state, change)
            touched = {*change.hidden, *change.dropped}
            live = {id_ for (id_,) in con.execute("SELECT id FROM file")} if touched else set[int]()
            if not touched <= live:
                raise StaleError("files changed meanwhile")
            sums = [self._drop(id_, version, change.based_on) for id_ in change.dropped]
            sums += [self._add(new, version) for new in change.added]
            sums += [(0, _insert_hidden(con, id_, version, rows)) for id_, rows in change.hidden.items()]
            for name, added in zip(("files", "hidden"), map(sum, zip(*sums, strict=True)), strict=False):
                con.execute("UPDATE state SET value = value + ? WHERE name = ?", (added, name))
            self._keep_days(change.days)
            con.executemany(
                'INSERT INTO quarantine SELECT seq, "table", rows, received_at, payload, ? FROM log WHERE seq = ?',
                [(reason, seq) for seq, reason in change.quarantined.items()],
            )
            con.executemany(
                "INSERT INTO tombstone VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET until = max(until, excluded.until)",
                [(stone.kind, stone.subject, stone.until) for stone in change.tombstones],
            )
            self._forget_days(change.forgotten)
            self._note_erased(change, version)
            if change.sealed is not None:
                con.execute("UPDATE state SET value = ? WHERE name = 'sealed'", (change.sealed,))
            con.execute("UPDATE state SET value = ? WHERE name = 'version'", (version,))
        return version

    def _drop(self, id_: int, version: int, based_on: int) -> tuple[int, int]:
        """Drop a file; return what that adds to the sums of the checksums of files and of hidden rows."""
        con = self._con
        if con.execute("SELECT 1 FROM hidden WHERE file = ? AND version > ?", (id_, based_on)).fetchone():
            raise StaleError("rows were hidden meanwhile")
        con.execute('INSERT INTO dropped SELECT "table", day, name, ? FROM file WHERE id = ?', (version, id_))
        hidden = con.execute("SELECT coalesce(sum(crc), 0) FROM hidden WHERE file = ?", (id_,)).fetchone()[0]
        con.execute("DELETE FROM hidden WHERE file = ?", (id_,))
        file = con.execute("DELETE FROM file WHERE id = ? RETURNING crc", (id_,)).fetchone()[0]
        return -file, -hidden

    def _add(self, new: NewFile, version: int) -> tuple[int, int]:
        """Add a file; returns the same of it."""
        con, file = self._con, new.file
        if not con.execute('DELETE FROM announced WHERE ("table", day, name) = (?, ?, ?)', file.place).rowcount:
            raise StaleError("a recovery removed what was written")
        bounds = json.dumps(file.bounds, ensure_ascii=False)
        row = (*file.place, file.rows, file.bytes, file.sha256, bounds, int(file.current))
        crc = _crc(row)
        inserted = con.execute(
            f"INSERT INTO file({_FILE_COLUMNS}, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, crc)
        )
        if not new.hidden or inserted.lastrowid is None:
            return crc, 0
        return crc, _insert_hidden(con, inserted.lastrowid, version, new.hidden)

    def _keep_days(self, days: Mapping[int, int]) -> None:
        if not days:
            return
        known = {
            number
            for (number,) in self._con.execute(
                "SELECT hash FROM key_day WHERE hash IN (SELECT value FROM json_each(?))", (json.dumps(list(days)),)
            )
        }
        new = [pair for pair in days.items() if pair[0] not in known]
        self._con.executemany("INSERT INTO key_day VALUES (?, ?)", sorted(new))
        added = sum(_day_sum(*pair) for pair in new)
        self._con.execute("UPDATE state SET value = value + ? WHERE name = 'days'", (added,))

    def _forget_days(self, hashes: Iterable[int]) -> int:
        """Forget the kept days of these ids; return how many there were."""
        delete = "DELETE FROM key_day WHERE hash = ? RETURNING hash, day"
        gone = [pair for number in hashes if (pair := self._con.execute(delete, (number,)).fetchone())]
        self._con.execute(
            "UPDATE state SET value = value - ? WHERE name = 'days'", (sum(_day_sum(*pair) for pair in gone),)
        )
        return len(gone)

    def _note_erased(self, change: Change, version: int) -> None:
        if change.tombstones or change.forgotten:  # the version since which they are what they are
            self._con.execute("UPDATE state SET value = ? WHERE name = 'tombstones'", (version,))
        if change.erasure is not None:
            marks = ", ".join("?" * len(_ERASURE.split(", ")))
            row = _erasure_row(replace(change.erasure, version=version))
            self._con.execute(f"INSERT INTO erasure({_ERASURE}) VALUES ({marks})", row)

    @coded
    def shrink(self, max_bytes: int) -> bool:
        """See `Manifest.shrink`."""
        con = self._con
        page: int = con.execute("PRAGMA page_size").fetchone()[0]
        before: int = con.execute("PRAGMA freelist_count").fetchone()[0]
        if before * page > SPARE_BYTES:
            con.executescript(f"PRAGMA incremental_vacuum({max_bytes // page})")  # `execute` would move one page
            if con.execute("PRAGMA freelist_count").fetchone()[0] < before:  # never, in files of before this was set
                return True
        log = self.path.with_name(f"{self.path.name}-wal")
        if log.exists() and log.stat().st_size > SPARE_BYTES:
            con.execute(f"PRAGMA busy_timeout={_CHECKPOINT_MS}")  # it holds writers up while it waits for readers
            con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            con.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
        return False

    @coded
    def trim(self, max_bytes: int) -> bool:
        """See `Manifest.trim`."""
        sealed = self._state()["sealed"]
        last, size = 0, 0
        for seq, length in self._con.execute("SELECT seq, bytes FROM log WHERE seq <= ? ORDER BY seq", (sealed,)):
            size += length
            if last and size > max_bytes:
                break
            last = seq
        if last:
            with transaction(self._con):
                self._con.execute("DELETE FROM log WHERE seq <= ?", (last,))
        return 0 < last < sealed

    @coded
    def leftovers(self) -> list[FileName]:
        """See `Manifest.leftovers`."""
        return [FileName(*row) for row in self._con.execute('SELECT "table", day, name FROM announced')]

    @coded
    def forget(self, files: Sequence[FileName]) -> None:
        """See `Manifest.forget`."""
        if files:
            with transaction(self._con):
                for table in ("announced", "dropped"):
                    self._con.executemany(f'DELETE FROM {table} WHERE ("table", day, name) = (?, ?, ?)', files)

    @coded
    def unneeded(self) -> list[FileName]:
        """See `Manifest.unneeded`."""
        needed = oldest_pinned(self._paths.pins)
        return [
            FileName(table, day, name)
            for table, day, name, version in self._con.execute('SELECT "table", day, name, version FROM dropped')
            if needed is None or version <= needed
        ]

    def pin(self) -> FilePin:
        """See `Manifest.pin`."""
        return FilePin(self._paths.pins)

    @coded
    def mark(self, file: int, *, damaged: str | None = None, checked_at: int | None = None) -> None:
        """See `Manifest.mark`."""
        with transaction(self._con):
            if checked_at is not None:
                self._con.execute("UPDATE file SET checked_at = ? WHERE id = ?", (checked_at, file))
            if damaged is not None:
                changed = self._con.execute(
                    "UPDATE file SET damaged = ? WHERE id = ? AND damaged <> ?", (damaged, file, damaged)
                ).rowcount
                self._con.execute("UPDATE state SET value = value + ? WHERE name = 'version'", (changed,))

    @coded
    def least_checked(self) -> tuple[SealedFile, int] | None:
        """See `Manifest.least_checked`."""
        row = self._con.execute(
            f"SELECT id, checked_at, {_FILE_COLUMNS}, damaged FROM file ORDER BY checked_at, id LIMIT 1"
        ).fetchone()
        return None if row is None else (_sealed_file(row[0], row[2:]), row[1])

    @coded
    def quarantine(self) -> list[Quarantined]:
        """See `Manifest.quarantine`."""
        return [
            Quarantined(*row)
            for row in self._con.execute(
                'SELECT seq, "table", rows, received_at, payload, reason FROM quarantine ORDER BY seq'
            )
        ]

    @coded
    def settings(self) -> dict[str, Any]:
        """See `Manifest.settings`."""
        return {name: json.loads(value) for name, value in self._con.execute("SELECT name, value FROM setting")}

    @coded
    def set(self, name: str, value: Any) -> None:
        """See `Manifest.set`."""
        with transaction(self._con):
            if value is None:
                self._con.execute("DELETE FROM setting WHERE name = ?", (name,))
            else:
                self._con.execute(
                    "INSERT INTO setting VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                    (name, json.dumps(value)),
                )

    @coded
    def put_object(self, kind: str, name: str, body: Mapping[str, Any], now_us: int) -> NamedObject:
        """See `Manifest.put_object`."""
        with transaction(self._con):
            last = self._last_version(kind, name)
            made = NamedObject(kind, name, (last.version if last else 0) + 1, now_us, dict(body))
            self._insert_object(made)
        return made

    @coded
    def remove_object(self, kind: str, name: str, now_us: int) -> bool:
        """See `Manifest.remove_object`: a removal is a version without a body."""
        with transaction(self._con):
            last = self._last_version(kind, name)
            if last is None or last.body is None:
                return False
            self._insert_object(NamedObject(kind, name, last.version + 1, now_us, None))
        return True

    @coded
    def object(self, kind: str, name: str, version: int | None = None) -> NamedObject | None:
        """See `Manifest.object`."""
        if version is None:
            found = self._last_version(kind, name)
        else:
            found = next(self._objects("kind = ? AND name = ? AND version = ?", kind, name, version), None)
        return None if found is None or found.body is None else found

    @coded
    def objects(self, kind: str) -> list[NamedObject]:
        """See `Manifest.objects`."""
        newest = "version = (SELECT max(version) FROM object o WHERE (o.kind, o.name) = (object.kind, object.name))"
        return [found for found in self._objects(f"kind = ? AND {newest}", kind) if found.body is not None]

    @coded
    def all_objects(self) -> list[NamedObject]:
        """See `Manifest.all_objects`."""
        return list(self._objects("true"))

    @coded
    def keep_objects(self, objects: Iterable[NamedObject]) -> None:
        """See `Manifest.keep_objects`."""
        with transaction(self._con):
            for one in objects:
                self._insert_object(one)

    def _last_version(self, kind: str, name: str) -> NamedObject | None:
        newest = "version = (SELECT max(version) FROM object WHERE kind = ? AND name = ?)"
        return next(self._objects(f"kind = ? AND name = ? AND {newest}", kind, name, kind, name), None)

    def _insert_object(self, one: NamedObject) -> None:
        row = (one.kind, one.name, one.version, one.created_at, json.dumps(one.body))
        self._con.execute("INSERT INTO object VALUES (?, ?, ?, ?, ?, ?)", (*row, _crc(row)))

    def _objects(self, condition: str, *values: object) -> Iterator[NamedObject]:
        """Yield the objects of a condition by kind, name and version, each held against its checksum."""
        select = f"SELECT {_OBJECT}, crc FROM object WHERE {condition} ORDER BY kind, name, version"
        for kind, name, version, created_at, body, crc in self._con.execute(select, values):
            if crc != _crc((kind, name, version, created_at, body)):
                raise self._flipped(f"version {version} of the {kind} {shown(str(name))}")
            yield NamedObject(kind, name, version, created_at, json.loads(body))

    @coded
    def erasures(self) -> list[Erasure]:
        """See `Manifest.erasures`."""
        return [_erasure(row) for row in self._con.execute(f"SELECT {_ERASURE} FROM erasure ORDER BY number")]

    @coded
    def note_erasure(self, erasure: Erasure) -> None:
        """See `Manifest.note_erasure`."""
        columns = ", ".join(f"{name} = ?" for name in _ERASURE.split(", "))
        with transaction(self._con):
            self._con.execute(f"UPDATE erasure SET {columns} WHERE id = ?", (*_erasure_row(erasure), erasure.id))

    @coded
    def dropped(self) -> list[FileName]:
        """See `Manifest.dropped`."""
        return [FileName(*row) for row in self._con.execute('SELECT "table", day, name FROM dropped')]

    @coded
    def replace_quarantined(self, seq: int, rows: int, payload: bytes) -> None:
        """See `Manifest.replace_quarantined`."""
        with transaction(self._con):
            if rows:
                self._con.execute("UPDATE quarantine SET rows = ?, payload = ? WHERE seq = ?", (rows, payload, seq))
            else:
                self._con.execute("DELETE FROM quarantine WHERE seq = ?", (seq,))

    @coded
    def erased_at(self) -> int:
        """See `Manifest.erased_at`."""
        return self._state()["tombstones"]

    @coded
    def forget_days(self) -> int:
        """See `Manifest.forget_days`. In steps, so that ingest waits for one of them at the most."""
        forgotten, last = 0, -(2**63)
        while True:
            found = self._con.execute(
                "SELECT hash, day FROM key_day WHERE hash >= ? AND day NOT IN (SELECT day FROM file) "
                "ORDER BY hash LIMIT ?",
                (last, FORGET_STEP),
            ).fetchall()
            if not found:
                return forgotten
            with transaction(self._con):
                used = {day for (day,) in self._con.execute("SELECT DISTINCT day FROM file")}
                forgotten += self._forget_days(number for number, day in found if day not in used)
                # A seal that goes by such a day is made anew, as one that was made before an erasure.
                self._con.execute("UPDATE state SET value = value + 1 WHERE name = 'version'")
                self._con.execute(
                    "UPDATE state SET value = (SELECT value FROM state WHERE name = 'version') "
                    "WHERE name = 'tombstones'"
                )
            last = found[-1][0] + 1

    def scour(self) -> bool:
        """See `Manifest.scour`: deleted entries stay in free pages and in the WAL until both are written anew."""
        try:
            self._con.execute("VACUUM")
            busy, _, _ = self._con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                return False
            raise storage_error(error, self.path) from error
        return not busy

    @coded
    def check_days(self) -> list[str]:
        """See `Manifest.check_days`."""
        found, wanted = self._con.execute(
            f"SELECT (SELECT coalesce(sum({_DAY_SUM}), 0) FROM key_day), value FROM state WHERE name = 'days'"
        ).fetchone()
        return [] if found == wanted else [f"{self.path}: the kept days of ids do not match their checksum"]

    def check(self) -> Iterator[str]:
        """See `Manifest.check`."""
        try:
            for (problem,) in self._con.execute("PRAGMA integrity_check(10)"):
                if problem != "ok":
                    yield f"{self.path}: {problem}"
            self._known = {}
            self.read(None, max_rows=0)
            yield from self.check_days()
            for seq, table, rows, payload, crc in self._con.execute(
                'SELECT seq, "table", rows, payload, crc FROM log ORDER BY seq'
            ):
                if crc is not None and crc != _entry_crc(table, rows, payload):
                    what = f"log entry {seq} ({rows} rows of {table})"
                    yield f"{self.path}: {what} does not match its checksum"
            self.all_objects()
        except (sqlite3.DatabaseError, UnicodeDecodeError, UpshotError) as error:
            yield f"{self.path}: {error}"


def _erasure_row(erasure: Erasure) -> tuple[object, ...]:
    values = {name: getattr(erasure, name) for name in _ERASURE.split(", ")}
    return tuple(json.dumps(values[name]) if name in _AS_JSON else values[name] for name in values)


def _erasure(row: Sequence[Any]) -> Erasure:
    values: dict[str, Any] = dict(zip(_ERASURE.split(", "), row, strict=True))
    values |= {name: json.loads(values[name]) for name in _AS_JSON}
    values["awaited"] = tuple(FileName(*place) for place in values["awaited"])
    return Erasure(**values)


def _check_order(state: Mapping[str, int], change: Change) -> None:
    """Refuse a seal made before an erasure or another seal, and an erasure made before a seal.

    Neither has seen the other's rows.
    """
    if change.sealed is not None and state["tombstones"] > change.based_on:
        raise StaleError("something was erased meanwhile")
    if change.sealed is not None and change.sealed <= state["sealed"]:
        raise StaleError("the rows were sealed meanwhile")
    if change.erasure is not None and state["sealed"] != change.erasure.position:
        raise StaleError("rows were sealed meanwhile")


def _sealed_file(id_: int, row: Sequence[Any]) -> SealedFile:
    table, day, name, rows, size, sha256, bounds, current, damaged, *_ = row
    limits = {column: (low, high) for column, (low, high) in json.loads(bounds).items()}
    return SealedFile(FileName(table, day, name), rows, size, sha256, limits, bool(current), damaged, id_)
