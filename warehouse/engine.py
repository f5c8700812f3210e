"""DuckDB: the only import of it. Connections, their lock, and the facts that depend on its version (DuckDB 2.0).

DuckDB is never trusted with an acknowledged row: all its tables are in memory and disposable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Connection = duckdb.DuckDBPyConnection
Relation = duckdb.DuckDBPyRelation
Error = duckdb.Error
BindError = duckdb.BinderException
InterruptError = duckdb.InterruptException
DataErrors = (duckdb.DataError, duckdb.ProgrammingError, duckdb.NotSupportedError)
"""What is wrong with the rows themselves; memory, disk and interrupts are not among them."""

_SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET python_enable_replacements = false",
)

_LOCK = ("SET enable_external_access = false", "SET lock_configuration = true")
"""External access first: it freezes `allowed_directories`; then nothing can be set (reference: sql-guard 2)."""


def text(value: str) -> str:
    """Return a SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def texts(values: Iterable[str]) -> str:
    """Return a SQL list of string literals."""
    return f"[{', '.join(text(value) for value in values)}]"


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
    """Return the rows of trusted SQL with positional parameters; none for a statement that gives no rows."""
    found: Any = con.sql(sql, params=list(parameters))  # None, whatever the stubs say, for a statement without rows
    return pa.table({}) if found is None else found.to_arrow_table()


def lock(con: Connection, folders: Iterable[str] = ()) -> None:
    """Take everything from the engine but reading files below these folders; cannot be undone."""
    roots = list(folders)
    if roots:
        con.execute(f"SET allowed_directories = {texts(roots)}")
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


def evaluator() -> Callable[[str], object]:
    """Return a function from a statement as `json_serialize_sql` writes it to its first value; None when it fails."""
    con = connect(threads=1, memory="256MB")
    lock(con)

    def evaluate(statement: str) -> object:
        try:
            row = con.execute("SELECT * FROM json_execute_serialized_sql(?::JSON)", [statement]).fetchone()
        except Error:
            return None
        return row[0] if row else None

    return evaluate
