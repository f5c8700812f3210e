"""A locked engine for the guard's gate 3, and a plain one with empty public tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from tests.queries.guard.tables import fill, plain
from tests.support.rows import Warehouse
from warehouse.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def serialize() -> Callable[[str], str]:
    """SQL text to DuckDB's own tree, on a connection that can do nothing else."""
    connection = duckdb.connect()
    for setting in (
        "SET autoinstall_known_extensions = false",
        "SET autoload_known_extensions = false",
        "SET python_enable_replacements = false",
        "SET threads = 1",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    ):
        connection.execute(setting)

    def run(sql: str) -> str:
        row = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
        assert row is not None
        return str(row[0])

    return run


@pytest.fixture
def empty_tables() -> Iterator[duckdb.DuckDBPyConnection]:
    """A plain engine that holds the public tables without rows."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET python_enable_replacements = false")
        for table in TABLES:
            columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
            connection.execute(f'CREATE TABLE "{table.name}"({columns})')
        yield connection


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A workspace with rows in every table."""
    with Warehouse(tmp_path_factory.mktemp("workspace")) as opened:
        fill(opened)
        yield opened


@pytest.fixture(scope="session")
def plain_tables(workspace: Warehouse) -> Iterator[duckdb.DuckDBPyConnection]:
    """A plain engine that holds the same rows as tables."""
    with plain(workspace) as connection:
        yield connection
