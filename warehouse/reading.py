"""The engine queries run in: locked, over exactly the files a question needs, plus the log's unsealed end.

A view names no file. It reads lists that each connection is given as variables, so the engine lives on while the
manifest moves, and a question's lists hold only the files whose bounds it can meet.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from warehouse.engine import DataErrors, connect, lock, texts
from warehouse.errors import TransientError
from warehouse.fold import quoted
from warehouse.integrity import Verified
from warehouse.manifest import Hidden, Snapshot
from warehouse.pruning import NO_WISHES, may_hold
from warehouse.schema import FILES, FileTable
from warehouse.stage import Stage, arrived, hidden_by_fold, hidden_rows, together, unfit
from warehouse.views import RESOLVED, TRACED, reads, sources, views_over_files

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from warehouse.engine import Connection
    from warehouse.files import Files
    from warehouse.manifest import Entry, SealedFile
    from warehouse.pruning import Wish, Wishes

_LISTS = ("clean", "dirty", "superseded")


class _Shape(NamedTuple):
    """Which kinds of rows a table has at the moment."""

    hot: bool
    clean: bool
    dirty: bool
    superseded: bool
    superseded_hidden: bool


@dataclass
class _Table:
    """What the engine holds of one file table."""

    table: FileTable
    arriving: list[Entry] = field(default_factory=list["Entry"])
    """New entries that no question was about yet."""
    tail: dict[int, pa.Table] = field(default_factory=dict[int, "pa.Table"])
    """Rows that are not sealed, by log position."""
    stale: bool = True
    hidden: dict[int, Hidden] = field(default_factory=dict[int, Hidden])
    shape: _Shape | None = None
    lists: dict[str, list[SealedFile]] = field(default_factory=dict[str, "list[SealedFile]"])


class ReadEngine:
    """A locked engine over one workspace. `refresh` moves it to a state, `cursor` asks of that state.

    It only ever opens files below the workspace's table folders, by exact lists. Not for several threads at once.
    `prepare` is given the engine before it is locked, to add functions.
    """

    def __init__(
        self,
        files: Files,
        day_of: Callable[[pa.Table], pa.Array[Any]],
        *,
        past: bool = False,
        prepare: Callable[[Connection], None] | None = None,
        threads: int = 2,
        memory: str = "1GB",
        spill: str = "",
    ) -> None:
        self.snapshot: Snapshot = Snapshot(-1, 0)
        self.tail_position = 0
        self._files = files
        self._day_of = day_of
        self._past = past
        self._con = connect(threads=threads, memory=memory, spill=spill)
        self._verified = Verified(files)
        self._stage = Stage(self._con, files, self._verified)
        self._tables = {table.name: _Table(table) for table in FILES}
        self._views: set[str] = set()
        self._traced = False
        self._con.execute("CREATE SCHEMA internal")
        self._con.execute("SET VARIABLE known_at = 0")
        if prepare is not None:
            prepare(self._con)
        lock(self._con, files.roots())
        self._cursor = self._con.cursor()
        self._set: dict[str, str] = {}

    def refresh(self, snapshot: Snapshot, entries: Sequence[Entry]) -> None:
        """Move to a snapshot and take in the log entries beyond `tail_position`, or beyond the snapshot's end."""
        moved = snapshot.version != self.snapshot.version
        if moved:
            self.snapshot = snapshot
            self.tail_position = max(self.tail_position, snapshot.sealed)
            for own in self._tables.values():
                own.tail = {seq: rows for seq, rows in own.tail.items() if seq > snapshot.sealed}
                own.arriving = [entry for entry in own.arriving if entry.seq > snapshot.sealed]
                own.stale = True
        for entry in entries:
            self.tail_position = entry.seq
            if entry.table in self._tables:  # the keeper will put the others into quarantine
                own = self._tables[entry.table]
                own.arriving.append(entry)
                own.stale = True

    def cursor(
        self, tables: frozenset[str] | None = None, *, known_at: int | None = None, wishes: Wishes = NO_WISHES
    ) -> Connection:
        """Return a connection for a query over these public tables (all, when not given), until the next call.

        What arrived of them is folded in first. Of each file table only the files are listed that can hold a row the
        query wishes for; each listed file is checked against its digest when it is first listed by this engine, and
        again when it changed on disk.

        Raises:
            TransientError: a file the query needs is missing or damaged; the message names it.
        """
        views = tables if tables is not None else frozenset(self._public())
        variables = {"known_at": str(known_at or 0)}
        stored = _only_stored(views)
        for name in sorted(sources(views), key=lambda name: (name != TRACED, name)):
            own = self._tables[name]
            if own.stale:
                self._prepare(own)
            if name == TRACED and self._traced != bool(own.tail or any(own.lists.values())):
                self._traced = not self._traced
                self._views.clear()
            variables |= self._variables(own, self._wish(name, wishes, stored=stored))
        for name, value in variables.items():
            if self._set.get(name) != value:  # setting one takes 0.3 ms
                self._cursor.execute(f'SET VARIABLE "{name}" = {value}')
                self._set[name] = value
        for view in sorted(views):
            self._create(view)
        return self._cursor

    def listed(self, tables: frozenset[str], wishes: Wishes = NO_WISHES) -> list[SealedFile]:
        """Return the files a query over these public tables would be given."""
        return [
            file
            for name in sorted(sources(tables))
            for file in self.snapshot.of(name)
            if may_hold(file.bounds, self._wish(name, wishes, stored=_only_stored(tables)))
        ]

    def _wish(self, name: str, wishes: Wishes, *, stored: bool) -> Wish | None:
        """Return what is wanted of a file table, without conditions on runs where files do not hold the final ones.

        `stored`: the question is about rows as files hold them.
        """
        wish = wishes.get(name)
        if wish is None or stored or not (name == "spans" or (self._traced and name in RESOLVED)):
            return wish
        return [[condition for condition in all_of if condition.column != "run_id"] for all_of in wish]

    def _public(self) -> list[str]:
        return [name for name in views_over_files(past=self._past) if not name.startswith("internal.")]

    def _prepare(self, own: _Table) -> None:
        """Fold a table's tail in, and bring its lists, hidden rows and views to the present state."""
        table, con = own.table, self._con
        sealed = self.snapshot.of(table.name)
        hidden = {file.id: self.snapshot.hidden[file.id] for file in sealed if file.id in self.snapshot.hidden}
        con.execute(
            f'CREATE TABLE IF NOT EXISTS internal."hidden_{table.name}"(file BIGINT, row BIGINT, everywhere BOOLEAN)'
        )
        own.tail |= arrived(table, own.arriving).rows  # the keeper will put the bad ones into quarantine
        own.arriving = []
        if own.tail:
            self._fold(own)
            for id_, rows in hidden_by_fold(con).items():
                hidden[id_] = hidden[id_] | rows if id_ in hidden else rows
        if hidden or own.hidden:
            con.execute("BEGIN")
            try:
                con.register("_hidden", hidden_rows(hidden))
                con.execute(f'DELETE FROM internal."hidden_{table.name}"')
                con.execute(f'INSERT INTO internal."hidden_{table.name}" SELECT * FROM _hidden')
                con.unregister("_hidden")
            except BaseException:
                con.execute("ROLLBACK")
                raise
            con.execute("COMMIT")
        self._show(own)
        own.hidden = hidden
        own.lists = {
            "clean": [file for file in sealed if file.current and file.id not in hidden],
            "dirty": [file for file in sealed if file.current and file.id in hidden],
            "superseded": [file for file in sealed if not file.current],
        }
        self._shape(own)
        own.stale = False

    def _fold(self, own: _Table) -> None:
        """Fold a table's tail with the sealed rows it meets, without the entries that the engine cannot read."""
        try:
            self._stage.fold(own.table, together(own.table, own.tail.values()), self.snapshot, self._day_of)
        except DataErrors:
            unread = unfit(self._con, own.tail)
            if not unread:
                raise
            own.tail = {seq: rows for seq, rows in own.tail.items() if seq not in unread}
            self._stage.fold(own.table, together(own.table, own.tail.values()), self.snapshot, self._day_of)

    def _show(self, own: _Table) -> None:
        """Let both connections see the rows of the tail as they are in memory: nothing is copied."""
        hot = self._stage.folded(own.table) if own.tail else _none_of(own.table)
        self._stage.release()
        if not own.tail:
            pa.default_memory_pool().release_unused()
        self._cursor.abort()  # a question that was not read to its end
        for con in (self._con, self._cursor):
            con.register(f"hot_{own.table.name}", hot)

    def _shape(self, own: _Table) -> None:
        """Set the two views over a table's files, when they need other branches than before."""
        hot = bool(own.tail) or not any(own.lists.values())
        clean, dirty, superseded = (bool(own.lists[kind]) for kind in _LISTS)
        shape = _Shape(hot, clean, dirty, superseded, any(file.id in own.hidden for file in own.lists["superseded"]))
        if own.shape == shape:
            return
        name = own.table.name
        for variable, value in self._lists(
            own, {kind: self._any_whole(files) for kind, files in own.lists.items()}
        ).items():
            self._con.execute(f'SET VARIABLE "{variable}" = {value}')
        every, current = _branches(own.table, shape)
        self._con.execute(f'CREATE OR REPLACE VIEW internal."{name}" AS {" UNION ALL ".join(every)}')
        if not self._past:
            self._con.execute(f'CREATE OR REPLACE VIEW internal."current_{name}" AS {" UNION ALL ".join(current)}')
        own.shape = shape

    def _any_whole(self, files: Sequence[SealedFile]) -> list[SealedFile]:
        """Return one file that can be read, to stand for its kind where none is wanted; all that there are fail."""
        for file in files[:-1]:
            with contextlib.suppress(TransientError):
                self._verified.need(file)
                return [file]
        for file in files[-1:]:
            self._verified.need(file)
        return list(files[-1:])

    def _variables(self, own: _Table, wish: Wish | None) -> dict[str, str]:
        """Return the variables that give a connection a table's files, after checking those it will read."""
        chosen = {
            kind: [file for file in files if may_hold(file.bounds, wish)] or self._any_whole(files)
            for kind, files in own.lists.items()
        }
        for files in chosen.values():
            for file in files:
                self._verified.need(file)
        return self._lists(own, chosen)

    def _lists(self, own: _Table, chosen: dict[str, list[SealedFile]]) -> dict[str, str]:
        name = own.table.name
        made: dict[str, str] = {}
        for kind, files in chosen.items():
            if files:
                made[f"{kind}_{name}"] = texts(self._files.location(file.place) for file in files)
                if kind != "clean":
                    made[f"{kind}_ids_{name}"] = f"[{', '.join(str(file.id) for file in files)}]::BIGINT[]"
        return made

    def _create(self, view: str) -> None:
        """Create a view and those it stands on, once; where the files are known that a question now reads.

        To create a view is to open its files: those that another connection was last given may be gone from the disk.
        """
        views = views_over_files(past=self._past, traced=self._traced)
        if view in self._views or view not in views:
            return
        for name in reads(views[view]):
            self._create(name)
        self._cursor.execute(f"CREATE OR REPLACE VIEW {view} AS {views[view]}")
        self._views.add(view)

    def close(self) -> None:
        """Free the engine's memory."""
        self._con.close()


def _only_stored(views: frozenset[str]) -> bool:
    return all(view.startswith("internal.current_") for view in views)


def _branches(table: FileTable, shape: _Shape) -> tuple[list[str], list[str]]:
    """Return the SELECTs of every live row with `_current`, and of the current rows.

    Only of those kinds that have rows: an empty branch costs a scan 18 % (measured).
    """
    name = table.name
    columns = quoted([column.name for column in table.stored])
    hides = f'internal."hidden_{name}"'
    same = "h.file = r._file AND h.row = r._row"
    clean = f"read_parquet(getvariable('clean_{name}'), hive_partitioning = false)"

    def numbered(kind: str) -> str:
        return (
            f"(SELECT *, file_row_number AS _row, getvariable('{kind}_ids_{name}')[(file_index + 1)::BIGINT] AS _file "
            f"FROM read_parquet(getvariable('{kind}_{name}'), hive_partitioning = false)) r"
        )

    every: list[str] = []
    current: list[str] = []
    if shape.clean:
        every.append(f"SELECT {columns}, true AS _current FROM {clean}")
        current.append(f"SELECT {columns} FROM {clean}")
    if shape.dirty:
        every.append(
            f"SELECT {columns}, h.row IS NULL AS _current FROM {numbered('dirty')} LEFT JOIN {hides} h ON {same} "
            f"WHERE NOT coalesce(h.everywhere, false)"
        )
        current.append(f"SELECT {columns} FROM {numbered('dirty')} ANTI JOIN {hides} h ON {same}")
    if shape.superseded:
        gone = f"ANTI JOIN (SELECT * FROM {hides} WHERE everywhere) h ON {same}" if shape.superseded_hidden else ""
        every.append(f"SELECT {columns}, false AS _current FROM {numbered('superseded')} {gone}")
    if shape.hot:
        every.append(f'SELECT {columns}, _current FROM "hot_{name}"')
        current.append(f'SELECT {columns} FROM "hot_{name}" WHERE _current')
    return every, current or [f'SELECT {columns} FROM "hot_{name}" WHERE false']


def _none_of(table: FileTable) -> pa.Table:
    return table.stored_schema.append(pa.field("_current", pa.bool_())).empty_table()
