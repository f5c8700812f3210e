"""Plain tables in which everything that can occur several times does."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb
import pytest

from warehouse.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

CROSSED = """
INSERT INTO runs BY NAME
    SELECT r AS id, f AS function_id, 'Completed' AS status, i * 100.0 AS duration_ms
    FROM (VALUES ('r1', 'f1', 0), ('r2', 'f1', 1), ('r3', 'f2', 2), ('r4', 'f2', 3)) v(r, f, i);
INSERT INTO steps BY NAME
    SELECT r.id AS run_id, s AS id, 0 AS loop_index, s AS name, 1.0 AS duration_ms
    FROM runs r, (VALUES ('s1'), ('s2')) v(s);
INSERT INTO spans BY NAME
    SELECT 't' || r.id AS trace_id, r.id || s AS span_id, r.id AS run_id, s[:2] AS name, 1 AS input_tokens
    FROM runs r, (VALUES ('s1'), ('s1b'), ('s2'), ('s2b')) v(s);
INSERT INTO scores BY NAME
    SELECT r.id || n || k AS id, n AS name, 'numeric' AS kind, 1.0 AS value, r.id AS run_id, NULL AS step_id,
        e AS experiment
    FROM runs r, (VALUES ('a', '', 'e1'), ('b', '', 'e2')) v(n, k, e);
INSERT INTO score_definitions BY NAME SELECT n AS name, 'numeric' AS kind FROM (VALUES ('a'), ('b')) v(n);
INSERT INTO assignments BY NAME
    SELECT r.id AS run_id, e AS experiment, 'v' || (row_number() OVER ()) % 2 AS variant
    FROM runs r, (VALUES ('e1'), ('e2')) v(e);
INSERT INTO session_runs BY NAME
    SELECT k AS session_key, i AS session_id, r.id AS run_id
    FROM runs r, (VALUES ('k1', 'i1'), ('k1', 'i2'), ('k2', 'i1'), ('k2', 'i2')) v(k, i);
"""
"""Every run in two experiments and four sessions, with two steps, two scores, and two spans of each name."""


NAMED = """
INSERT INTO scores BY NAME
    SELECT 's' || i AS id, n AS name, k AS kind, CASE k WHEN 'label' THEN NULL ELSE 1.0 END AS value, 'r' || i AS run_id
    FROM (VALUES (1, 'task-solved', 'boolean'), (2, 'quality', 'numeric'), (3, 'quality', 'boolean'),
                 (4, 'csat', 'numeric'), (5, 'tone', 'numeric'), (6, 'tone', 'label')) v(i, n, k);
INSERT INTO score_definitions BY NAME SELECT 'refund-rate' AS name;
INSERT INTO experiments BY NAME SELECT 'prompt-v2' AS name;
INSERT INTO assignments BY NAME
    SELECT 'r' || i AS run_id, 'prompt-v2' AS experiment, v AS variant
    FROM (VALUES (1, 'control'), (2, 'short')) x(i, v);
"""
"""Names to be compared with: a score of two kinds, one with labels beside its numbers, one that is only declared."""


@contextmanager
def filled(rows: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a plain engine that holds the public tables with these rows."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET threads = 1")
        for table in TABLES:
            columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
            connection.execute(f'CREATE TABLE "{table.name}"({columns})')
        connection.execute(rows)
        yield connection


@pytest.fixture(scope="session")
def crossed() -> Iterator[duckdb.DuckDBPyConnection]:
    """Tables filled with `CROSSED`."""
    with filled(CROSSED) as connection:
        yield connection


@pytest.fixture(scope="session")
def named() -> Iterator[duckdb.DuckDBPyConnection]:
    """Tables filled with `NAMED`."""
    with filled(NAMED) as connection:
        yield connection
