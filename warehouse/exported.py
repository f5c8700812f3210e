"""The public tables of an export, as views in a plain DuckDB: what a report said can be asked again of the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.engine import connect, texts
from warehouse.fold import quoted
from warehouse.restore import read_index
from warehouse.schema import FILES
from warehouse.views import TRACED, reads, views_over_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from warehouse.engine import Connection
    from warehouse.layout import Index
    from warehouse.schema import FileTable


def open_export(
    folder: Path, known_at: int | None = None, prepare: Callable[[Connection], None] | None = None
) -> Connection:
    """Return an engine with the public tables over the Parquet files of an export, as known at `known_at`.

    Args:
        folder: what `upshot export` made.
        known_at: microseconds since 1970; None: everything in the export is known.
        prepare: is given the engine, to add functions.

    Raises:
        NotFoundError: the folder is no export.
        InputError: a file is missing, foreign or of another length.
    """
    index = read_index(folder)
    con = connect()
    if prepare is not None:
        prepare(con)
    con.execute("CREATE SCHEMA internal")
    con.execute(f"SET VARIABLE known_at = {known_at or 0}")
    for table in FILES:
        current, superseded = (_rows(folder, index, table, current=kind) for kind in (True, False))
        con.execute(
            f'CREATE VIEW internal."{table.name}" AS SELECT *, true AS _current FROM ({current}) '
            f"UNION ALL SELECT *, false AS _current FROM ({superseded})"
        )
        if known_at is None:
            con.execute(f'CREATE VIEW internal."current_{table.name}" AS {current}')
    traced = any(file.table == TRACED for file in index.files)
    views = views_over_files(past=known_at is not None, traced=traced)
    made: set[str] = set()

    def make(view: str) -> None:
        """Make a view after those it stands on."""
        if view in made or view not in views:
            return
        made.add(view)
        for name in reads(views[view]):
            make(name)
        con.execute(f"CREATE VIEW {view} AS {views[view]}")

    for view in views:
        make(view)
    return con


def _rows(folder: Path, index: Index, table: FileTable, *, current: bool) -> str:
    files = [str(folder / file.path) for file in index.files if file.table == table.name and file.current == current]
    if not files:
        nothing = ", ".join(f'NULL::{column.type} AS "{column.name}"' for column in table.stored)
        return f"SELECT {nothing} WHERE false"
    columns = quoted(column.name for column in table.stored)
    return f"SELECT {columns} FROM read_parquet({texts(files)}, hive_partitioning = false)"
