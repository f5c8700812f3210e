"""DuckDB: the only import of it. Connections, the staging of rows for a fold, and the locked engine queries run in.

DuckDB is never trusted with an acknowledged row: all its tables are in memory and disposable. Facts that depend on its
version stand in `connect` and `_LOCK` (DuckDB 2.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa

from warehouse.fold import clash, current_key, fold, keep_all, quoted
from warehouse.log import ROWS_BITS, decode
from warehouse.schema import FILE, FILES, FileTable
from warehouse.views import public_views, sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from warehouse.manifest import Entry, Hidden, SealedFile, Snapshot
    from warehouse.paths import WorkspacePaths

Connection = duckdb.DuckDBPyConnection
Relation = duckdb.DuckDBPyRelation
Error = duckdb.Error
BindError = duckdb.BinderException
InterruptError = duckdb.InterruptException

_SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET python_enable_replacements = false",
)

_LOCK = ("SET enable_external_access = false", "SET lock_configuration = true")
"""External access first: it freezes `allowed_paths`; then nothing can be set any more (reference: sql-guard 2)."""


def text(value: str) -> str:
    """Return a SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def connect(*, threads: int = 2, memory: str = "1GB", spill: str = "") -> Connection:
    """Open an in-memory engine with our settings, not locked yet. `spill` is its own folder; empty: none."""
    con = duckdb.connect(":memory:")
    for setting in _SETTINGS:
        con.execute(setting)
    con.execute(f"SET threads = {threads}")
    con.execute(f"SET memory_limit = {text(memory)}")
    con.execute(f"SET temp_directory = {text(spill)}")
    return con


def rows_of(con: Connection, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
    """Return the rows of trusted SQL with positional parameters."""
    return con.sql(sql, params=list(parameters)).to_arrow_table()


def lock(con: Connection, files: Iterable[str] = ()) -> None:
    """Take everything from the engine but reading exactly these files; cannot be undone."""
    paths = list(files)
    if paths:
        con.execute(f"SET allowed_paths = [{', '.join(text(path) for path in paths)}]")
    for setting in _LOCK:
        con.execute(setting)


def serializer() -> Callable[[str], str]:
    """Return a function from SQL text to DuckDB's own syntax tree as JSON, on a locked engine that holds nothing."""
    con = connect(threads=1, memory="512MB")
    lock(con)

    def serialize(sql: str) -> str:
        row = con.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
        return str(row[0]) if row else "{}"

    return serialize


def _arrived(table: FileTable, entries: Sequence[Entry]) -> pa.Table:
    """Return the rows of log entries with their arrival."""
    parts: list[pa.Table] = []
    for entry in entries:
        rows = decode(entry.payload)
        arrival = np.arange(rows.num_rows, dtype=np.int64) + (entry.seq << ROWS_BITS)
        parts.append(rows.append_column("_arrival", pa.array(arrival)))
    return pa.concat_tables(parts) if parts else table.arriving.append(pa.field("_arrival", pa.int64())).empty_table()


class Stage:
    """Folds rows that arrived with the sealed rows they meet, in the temporary tables of one connection."""

    def __init__(self, con: Connection, paths: WorkspacePaths) -> None:
        self._con = con
        self._paths = paths

    def path(self, file: SealedFile) -> str:
        """Return a sealed file's path as DuckDB is given it."""
        return str(self._paths.file(file.table, file.day, file.name))

    def fold(
        self,
        table: FileTable,
        entries: Sequence[Entry],
        snapshot: Snapshot,
        day_of: Callable[[pa.Table], pa.Table],
    ) -> None:
        """Make the temporary tables `folded` and `hide` of the rows in `entries` (see `warehouse.fold`).

        `day_of` returns the `_day_id` of rows with their days (`id`, `day`); one without a day has no sealed twin.
        """
        con = self._con
        rows = _arrived(table, entries)
        con.register("_arrived", rows)
        con.register("_days", day_of(rows))
        computed = {"_first_received_at": "NULL::TIMESTAMPTZ", "_versions": "NULL::VARCHAR[]"}
        columns = ", ".join(f'{computed.get(c.name, f"""a."{c.name}" """)} AS "{c.name}"' for c in table.stored)
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE incoming AS SELECT {columns}, d.day AS _day "
            f"FROM _arrived a LEFT JOIN _days d ON d.id = a._day_id"
        )
        con.unregister("_arrived")
        con.unregister("_days")
        self._load_existing(table, snapshot)
        con.execute(clash(table))
        met = con.execute("SELECT count(*) FROM clash").fetchone() != (0,)
        for statement in fold(table) if met else keep_all(table):
            con.execute(statement)

    def _load_existing(self, table: FileTable, snapshot: Snapshot) -> None:
        keys = current_key(table)
        files = self._candidates(table, snapshot)
        columns = quoted((column.name for column in table.stored), "r.")
        if not files:
            types = ", ".join(f'NULL::{c.type} AS "{c.name}"' for c in table.stored)
            self._con.execute(
                f"CREATE OR REPLACE TEMP TABLE existing AS SELECT {types}, NULL::INTEGER AS _day, "
                f"NULL::BIGINT AS _file, NULL::BIGINT AS _row, true AS _current LIMIT 0"
            )
            return
        register_files(self._con, [(self.path(file), file) for file in files], snapshot.hidden)
        match = " AND ".join(f'k."{name}" IS NOT DISTINCT FROM r."{name}"' for name in keys)
        self._con.execute(
            f"CREATE OR REPLACE TEMP TABLE existing AS "
            f"SELECT {columns}, f.day AS _day, f.id AS _file, r.file_row_number AS _row, h.row IS NULL AS _current "
            f"FROM {read_parquet([self.path(file) for file in files], numbered=True)} r "
            f"SEMI JOIN (SELECT DISTINCT {quoted(keys)} FROM incoming) k ON {match} "
            f"JOIN staged_files f ON f.path = r.filename "
            f"LEFT JOIN staged_hidden h ON h.file = f.id AND h.row = r.file_row_number "
            f"WHERE NOT coalesce(h.everywhere, false)"
        )

    def _candidates(self, table: FileTable, snapshot: Snapshot) -> list[SealedFile]:
        """Return the files that may hold a twin: same day, and key ranges that meet in every key column."""
        files = snapshot.of(table.name)
        if not files:
            return []
        keys = current_key(table)
        text_keys = [name for name in keys if any(c.name == name and c.type == "VARCHAR" for c in table.columns)]
        spans = ", ".join(f'min("{name}"), max("{name}")' for name in text_keys)
        ranges = {
            row[0]: list(zip(row[1::2], row[2::2], strict=True))
            for row in self._con.execute(f"SELECT _day, {spans} FROM incoming GROUP BY 1").fetchall()
        }

        def meets(file: SealedFile) -> bool:
            if file.day not in ranges:
                return False
            for name, (low, high) in zip(text_keys, ranges[file.day], strict=True):
                bound = file.bounds.get(name)
                if bound and low is not None and (high < bound[0] or low > bound[1]):
                    return False
            return True

        return [file for file in files if meets(file)]


def read_parquet(paths: Sequence[str], *, numbered: bool = False) -> str:
    """Return the table function over an explicit list of files."""
    options = ", filename = true, file_row_number = true" if numbered else ""
    return f"read_parquet([{', '.join(text(path) for path in paths)}]{options})"


def register_files(con: Connection, files: Sequence[tuple[str, SealedFile]], hidden: Sequence[Hidden]) -> None:
    """Make the temporary tables `staged_files` (path, id, day) and `staged_hidden` (file, row, everywhere)."""
    ids = {file.id for _, file in files}
    con.register(
        "_files",
        pa.table(
            {
                "path": pa.array([path for path, _ in files], pa.string()),
                "id": pa.array([file.id for _, file in files], pa.int64()),
                "day": pa.array([file.day for _, file in files], pa.int32()),
            }
        ),
    )
    con.register("_hidden", _hidden_table([row for row in hidden if row.file in ids]))
    con.execute("CREATE OR REPLACE TEMP TABLE staged_files AS SELECT * FROM _files")
    con.execute("CREATE OR REPLACE TEMP TABLE staged_hidden AS SELECT * FROM _hidden")
    con.unregister("_files")
    con.unregister("_hidden")


def _hidden_table(hidden: Sequence[Hidden]) -> pa.Table:
    return pa.table(
        {
            "file": pa.array([row.file for row in hidden], pa.int64()),
            "row": pa.array([row.row for row in hidden], pa.int64()),
            "everywhere": pa.array([row.everywhere for row in hidden], pa.bool_()),
        }
    )


class ReadEngine:
    """A locked engine over one snapshot, plus the log's unsealed end, brought up to date by `refresh`.

    It only ever opens this workspace's files of this snapshot (an exact list); a new manifest version wants a new one.
    """

    def __init__(
        self,
        paths: WorkspacePaths,
        snapshot: Snapshot,
        day_of: Callable[[pa.Table], pa.Table],
        *,
        known_at: int | None = None,
        threads: int = 2,
        memory: str = "1GB",
        spill: str = "",
    ) -> None:
        self.snapshot = snapshot
        self.tail_position = snapshot.sealed
        self._con = connect(threads=threads, memory=memory, spill=spill)
        self._stage = Stage(self._con, paths)
        self._day_of = day_of
        self._stale: set[str] = set()
        self._tail: dict[str, list[Entry]] = {}
        self._shape: dict[str, tuple[frozenset[int], bool]] = {}
        self._con.execute("CREATE SCHEMA internal")
        self._con.register("_hidden", _hidden_table(snapshot.hidden))
        self._con.execute("CREATE TABLE internal.sealed_hidden AS SELECT * FROM _hidden")
        self._con.unregister("_hidden")
        self._con.execute("CREATE TABLE internal.file(id BIGINT, path VARCHAR)")
        rows = [[file.id, self._stage.path(file)] for file in snapshot.files]
        if rows:
            self._con.executemany("INSERT INTO internal.file VALUES (?, ?)", rows)
        for table in FILES:
            columns = ", ".join(f'"{column.name}" {column.type}' for column in table.stored)
            self._con.execute(f'CREATE TABLE internal."hot_{table.name}"({columns}, _current BOOLEAN)')
            self._con.execute(
                f'CREATE TABLE internal."hidden_{table.name}"(path VARCHAR, row BIGINT, everywhere BOOLEAN)'
            )
            self._hide(table, {row.file for row in snapshot.hidden})
        for name, sql in public_views(known_at).items():
            self._con.execute(f"CREATE VIEW {name} AS {sql}")
        lock(self._con, [self._stage.path(file) for file in snapshot.files])

    def refresh(self, entries: Sequence[Entry]) -> None:
        """Take in log entries beyond `tail_position`; every cursor opened afterwards sees them."""
        for entry in entries:
            self._tail.setdefault(entry.table, []).append(entry)
            self._stale.add(entry.table)
            self.tail_position = entry.seq

    def cursor(self, tables: frozenset[str] | None = None) -> Connection:
        """Return a connection of its own for a query over these public tables (all, when not given).

        What arrived of them is folded in first; what arrived of other tables waits until somebody asks.
        """
        needed = frozenset(self._stale) if tables is None else self._stale & sources(tables)
        for name in sorted(needed):
            self._fold(FILE[name])
        self._stale -= needed
        return self._con.cursor()

    def _fold(self, table: FileTable) -> None:
        name = table.name
        self._stage.fold(table, self._tail[name], self.snapshot, self._day_of)
        columns = quoted([column.name for column in table.stored])
        self._con.execute("BEGIN")
        try:
            self._con.execute(f'DELETE FROM internal."hot_{name}"')
            self._con.execute(f'INSERT INTO internal."hot_{name}" SELECT {columns}, _current FROM folded')
            touched = {row[0] for row in self._con.execute("SELECT DISTINCT _file FROM hide").fetchall()}
            self._hide(table, {row.file for row in self.snapshot.hidden} | touched, folded=True)
        except BaseException:
            self._con.execute("ROLLBACK")
            self._shape.pop(name, None)
            raise
        self._con.execute("COMMIT")

    def _hide(self, table: FileTable, files: set[int], *, folded: bool = False) -> None:
        """Set what is hidden of a table's files, and the view over its rows accordingly."""
        name = table.name
        own = self.snapshot.of(name)
        dirty = frozenset(file.id for file in own if file.id in files)
        more = " UNION ALL SELECT _file, _row, _everywhere FROM hide" if folded else ""
        if dirty:
            self._con.execute(f'DELETE FROM internal."hidden_{name}"')
            self._con.execute(
                f'INSERT INTO internal."hidden_{name}" SELECT f.path, h.row, bool_or(h.everywhere) '
                f"FROM (SELECT file, row, everywhere FROM internal.sealed_hidden{more}) h "
                f"JOIN internal.file f ON f.id = h.file GROUP BY ALL"
            )
        # Without the hot branch the optimiser treats the view as it would plain files (measured: 1.18x against 1.0x).
        hot = bool(self._tail.get(name)) or not own
        if self._shape.get(name) == (dirty, hot):
            return
        self._shape[name] = (dirty, hot)
        columns = quoted([column.name for column in table.stored])
        sources = [f'SELECT {columns}, _current FROM internal."hot_{name}"'] if hot else []
        clean = [self._stage.path(file) for file in own if file.id not in dirty]
        if clean:
            sources.append(f"SELECT {columns}, true AS _current FROM {read_parquet(clean)}")
        if dirty:
            paths = [self._stage.path(file) for file in own if file.id in dirty]
            sources.append(
                f"SELECT {columns}, h.row IS NULL AS _current FROM {read_parquet(paths, numbered=True)} r "
                f'LEFT JOIN internal."hidden_{name}" h ON h.path = r.filename AND h.row = r.file_row_number '
                f"WHERE NOT coalesce(h.everywhere, false)"
            )
        self._con.execute(f'CREATE OR REPLACE VIEW internal."{name}" AS {" UNION ALL ".join(sources)}')

    def close(self) -> None:
        """Free the engine's memory."""
        self._con.close()
