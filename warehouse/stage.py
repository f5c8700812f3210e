"""Stages rows that arrived beside the sealed rows they meet, in the temporary tables of one connection, and folds them.

The keeper does so before it writes files, a query worker over the log's tail: both see the same rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import pyarrow as pa

from warehouse.engine import DataErrors, rows_of, texts
from warehouse.fold import NOTHING_HIDDEN, clash, current_key, fold, quoted
from warehouse.log import ROWS_BITS, decode
from warehouse.manifest import Hidden
from warehouse.tombstones import Blocked
from warehouse.twins import Twins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from warehouse.engine import Connection
    from warehouse.files import Files
    from warehouse.integrity import Verified
    from warehouse.manifest import Entry, SealedFile, Snapshot
    from warehouse.schema import FileTable

_COMPUTED = ("_first_received_at", "_versions")
"""Internal columns that only folding fills."""


class Stage:
    """Folds rows that arrived with the sealed rows they meet."""

    def __init__(self, con: Connection, files: Files, verified: Verified) -> None:
        self._con = con
        self._files = files
        self._verified = verified
        self._blocked = Blocked(con)
        self._twins = Twins(con, files, verified)
        self._rows: pa.Table | None = None

    def fold(
        self, table: FileTable, rows: pa.Table, snapshot: Snapshot, day_of: Callable[[pa.Table], pa.Array[Any]]
    ) -> None:
        """Fold rows that `arrived` returned (see `warehouse.fold`), for `folded` and the table `hide`.

        Rows of what was erased are left out.
        `day_of` returns the day of each row; one without a day has no sealed twin.

        Raises:
            TransientError: a sealed file that may hold a twin is damaged; the message names it.
        """
        self._blocked.know(snapshot)
        rows = self._blocked.without(table, rows)
        for name in _COMPUTED:
            field = next((column.arrow for column in table.stored if column.name == name), None)
            if field is not None:
                rows = rows.append_column(field, cast("Any", pa.nulls)(rows.num_rows, field.type))
        self._rows = rows.select([column.name for column in table.stored])
        self._rows = self._rows.append_column("_day", day_of(rows))
        # A view, not a table: most rows meet none, and are copied only where they go.
        self._con.register("incoming", self._rows)
        self._load_existing(table, snapshot)
        self._con.execute(clash(table))
        met = self._con.execute("SELECT count(*) FROM clash").fetchone() != (0,)
        for statement in fold(table) if met else (NOTHING_HIDDEN,):
            self._con.execute(statement)
        if met:
            self._rows = None

    def folded(self, table: FileTable) -> pa.Table:
        """Return the rows of `folded`: the stored columns, `_day` and `_current`."""
        if self._rows is not None:
            return self._rows.append_column("_current", pa.repeat(pa.scalar(value=True), self._rows.num_rows))
        return rows_of(self._con, f"SELECT {quoted(c.name for c in table.stored)}, _day, _current FROM folded")

    def release(self) -> None:
        """Let the rows of the last fold go."""
        self._rows = None
        self._con.unregister("incoming")

    def _load_existing(self, table: FileTable, snapshot: Snapshot) -> None:
        keys = current_key(table)
        files = self._twins.among(table, self._candidates(table, snapshot))
        columns = quoted((column.name for column in table.stored), "r.")
        if not files:
            types = ", ".join(f'NULL::{c.type} AS "{c.name}"' for c in table.stored)
            self._con.execute(
                f"CREATE OR REPLACE TEMP TABLE existing AS SELECT {types}, NULL::INTEGER AS _day, "
                f"NULL::BIGINT AS _file, NULL::BIGINT AS _row, true AS _current LIMIT 0"
            )
            return
        for file in files:
            self._verified.need(file)
        match = " AND ".join(f'k."{name}" IS NOT DISTINCT FROM r."{name}"' for name in keys)
        self._con.execute(
            f"CREATE OR REPLACE TEMP TABLE existing AS SELECT {columns}, r._day, r._file, r._row, r._current "
            f"FROM ({sealed_rows(self._con, self._files, files, snapshot.hidden)}) r "
            f"SEMI JOIN (SELECT DISTINCT {quoted(keys)} FROM incoming) k ON {match}"
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
            if file.place.day not in ranges:
                return False
            for name, (low, high) in zip(text_keys, ranges[file.place.day], strict=True):
                bound = file.bounds.get(name)
                if bound and low is not None and (high < bound[0] or low > bound[1]):
                    return False
            return True

        return [file for file in files if meets(file)]


def sealed_rows(con: Connection, files: Files, chosen: Sequence[SealedFile], hidden: Mapping[int, Hidden]) -> str:
    """Return a SELECT of the live rows of sealed files with `_file`, `_row`, `_day` and `_current`.

    It stands over temporary tables of `con` that hold until the next call.
    """
    paths = [files.location(file.place) for file in chosen]
    con.register(
        "_chosen",
        pa.table(
            {
                "at": pa.array(range(len(chosen)), pa.int64()),
                "id": pa.array([file.id for file in chosen], pa.int64()),
                "day": pa.array([file.place.day for file in chosen], pa.int32()),
                "current": pa.array([file.current for file in chosen], pa.bool_()),
            }
        ),
    )
    con.register("_hidden", hidden_rows({file.id: hidden[file.id] for file in chosen if file.id in hidden}))
    con.execute("CREATE OR REPLACE TEMP TABLE staged_files AS SELECT * FROM _chosen")
    con.execute("CREATE OR REPLACE TEMP TABLE staged_hidden AS SELECT * FROM _hidden")
    con.unregister("_chosen")
    con.unregister("_hidden")
    return (
        f"SELECT r.*, f.id AS _file, r.file_row_number AS _row, f.day AS _day, f.current AND h.row IS NULL AS _current "
        f"FROM (SELECT *, file_index, file_row_number FROM read_parquet({texts(paths)}, hive_partitioning = false)) r "
        f"JOIN staged_files f ON f.at = r.file_index "
        f"LEFT JOIN staged_hidden h ON h.file = f.id AND h.row = r.file_row_number "
        f"WHERE NOT coalesce(h.everywhere, false)"
    )


def hidden_rows(hidden: Mapping[int, Hidden]) -> pa.Table:
    """Return hidden rows as a table: file, row, everywhere; each row once."""
    files: list[np.ndarray] = []
    rows: list[np.ndarray] = []
    flags: list[np.ndarray] = []
    for id_, one in hidden.items():
        only = np.setdiff1d(one.superseded, one.everywhere)
        for numbers, everywhere in ((one.everywhere, True), (only, False)):
            files.append(np.full(len(numbers), id_, np.int64))
            rows.append(numbers.astype(np.int64))
            flags.append(np.full(len(numbers), everywhere))
    return pa.table(
        {
            "file": pa.array(np.concatenate(files) if files else [], pa.int64()),
            "row": pa.array(np.concatenate(rows) if rows else [], pa.int64()),
            "everywhere": pa.array(np.concatenate(flags) if flags else [], pa.bool_()),
        }
    )


def hidden_by_fold(con: Connection) -> dict[int, Hidden]:
    """Return what the last fold on a connection hides, by file id."""
    rows = rows_of(con, "SELECT _file, _row, _everywhere FROM hide ORDER BY ALL")
    ids, numbers = rows["_file"].to_numpy(), rows["_row"].to_numpy().astype(np.uint32)
    everywhere = rows["_everywhere"].to_numpy(zero_copy_only=False).astype(bool)
    return {
        int(id_): Hidden(numbers[(ids == id_) & everywhere], numbers[(ids == id_) & ~everywhere])
        for id_ in np.unique(ids)
    }


class Arrived(NamedTuple):
    """What log entries came to."""

    rows: dict[int, pa.Table]
    """By log position: the arriving columns and `_arrival`."""
    bad: dict[int, str]
    """The positions of those that cannot be applied, with the reason."""


def arrived(table: FileTable, entries: Iterable[Entry]) -> Arrived:
    """Return the rows of log entries; a column their writer did not know yet is null."""
    found = Arrived({}, {})
    for entry in entries:
        try:
            found.rows[entry.seq] = _arrived(table, entry)
        except (pa.ArrowException, KeyError) as error:
            found.bad[entry.seq] = str(error).partition("\n")[0] or "it does not match its checksum"
    return found


def together(table: FileTable, rows: Iterable[pa.Table]) -> pa.Table:
    """Return rows of several entries as one table."""
    parts = list(rows)
    return pa.concat_tables(parts) if parts else _arriving(table).empty_table()


def unfit(con: Connection, rows: Mapping[int, pa.Table]) -> dict[int, str]:
    """Return the positions of entries that the engine cannot read, with the reason: a defect of who wrote them."""
    bad: dict[int, str] = {}
    for position, own in rows.items():
        con.register("_tried", own)
        try:
            con.execute("CREATE OR REPLACE TEMP TABLE tried AS SELECT * FROM _tried")
        except DataErrors as error:
            bad[position] = str(error).partition("\n")[0]
        finally:
            con.unregister("_tried")
            con.execute("DROP TABLE IF EXISTS temp.tried")
    return bad


def _arriving(table: FileTable) -> pa.Schema:
    return table.arriving.append(pa.field("_arrival", pa.int64()))


def _arrived(table: FileTable, entry: Entry) -> pa.Table:
    rows = decode(entry.payload)
    if rows.schema != table.arriving:
        empty: Any = pa.nulls
        columns: list[Any] = [
            rows[field.name] if field.name in rows.column_names else empty(rows.num_rows, field.type)
            for field in cast("Any", table.arriving)
        ]
        rows = pa.table(columns, names=table.arriving.names).cast(table.arriving)
    arrival = np.arange(rows.num_rows, dtype=np.int64) + (entry.seq << ROWS_BITS)
    return rows.append_column("_arrival", pa.array(arrival))
