"""How many rows each table has and when the newest came: from what the manifest says of files, which stay closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from queries.drill.bodies import Arrived
from queries.drill.options import moment
from warehouse.schema import FILE, TABLES

if TYPE_CHECKING:
    from queries.drill.reading import Reader
    from warehouse.schema import FileTable

_COUNTED = {table.name: FILE[table.source] for table in TABLES if table.source}

_UNSEALED = """
SELECT '{0}' AS name, count(*) FILTER (_current) AS rows, epoch_us(max("{1}")) AS newest,
       (SELECT count(*) FROM internal."hidden_{0}"{2}) AS hidden FROM "hot_{0}\""""


def arrived(read: Reader) -> list[Arrived]:
    """Return the tables that have rows.

    Rows are those of the table's source, so a trace that turned out to belong to a run counts among `runs`, which show
    it no more. A row that was replaced or is being erased still says when something came.
    """
    names = [table.name for table in _COUNTED.values()]
    found = read.rows(
        " UNION ALL ".join(_unsealed(read, table) for table in _COUNTED.values()),
        tables=[f"internal.current_{name}" for name in names],
        wishes=dict.fromkeys(names, ()),
    )
    unsealed = {row["name"]: row for row in found}
    made: list[Arrived] = []
    for name, table in _COUNTED.items():
        own = unsealed[table.name]
        sealed = [file for file in read.files(table.name) if file.current]
        times = [int(file.bounds[table.received][1]) for file in sealed if table.received in file.bounds]
        times += [own["newest"]] if own["newest"] is not None else []
        rows = sum(file.rows for file in sealed) - own["hidden"] + own["rows"]
        if rows:
            made.append(Arrived(name, rows, moment(max(times)) if times else None))
    return made


def _unsealed(read: Reader, table: FileTable) -> str:
    kept = [str(file.id) for file in read.files(table.name) if not file.current]
    return _UNSEALED.format(table.name, table.received, f" WHERE file NOT IN ({', '.join(kept)})" if kept else "")
