"""Mutated SQL: the guard raises nothing but its own error, and what it accepts reads public tables only.

The oracle is DuckDB's own list of the tables a text names (`get_table_names`), which the guard does not use.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from queries.guard import GuardedQuery, check
from tests.fuzz import Figures, escape, fuzz, state_of, surrounded
from tests.queries.guard.cases import ACCEPTED, REFUSED
from warehouse.errors import QueryError
from warehouse.schema import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    Serialize = Callable[[str], str]

PUBLIC = {*TABLE, *(f"main.{name}" for name in TABLE)}

_PIECES = re.compile(r"\w+|\s+|'[^']*'|.", re.DOTALL)

_NAME = re.compile(r'(?:"(?:[^"]|"")*+"|[^\s"])+')
"""A table's name, without the alias and the sampling that the oracle may put behind it."""

REALISTIC = [_PIECES.findall(case.sql) for case in ACCEPTED]
STATEMENTS = REALISTIC + [_PIECES.findall(case.sql) for case in REFUSED]
NAMES = [*TABLE, "secrets", "internal", "main", "a", "t", "calls", "scored", "duckdb_tables", "pg_class", "id", "query"]

FRAGMENTS = [
    *("(", ")", "[", "]", ",", ";", ".", "::", "--", "/*", "*/", "'", '"', "$$", "\n", " "),
    *("secrets", "internal.hot_runs", "main.", "'x.csv'", "sqlite_master", "recurring.", "runs", "a", "t"),
    *("WITH a AS (FROM secrets) ", "WITH secrets AS (SELECT 1) ", " UNION SELECT * FROM secrets ", ", LATERAL secrets"),
    *("WITH RECURSIVE ", "SELECT ", "FROM ", "(SELECT 1 FROM secrets)", "(DELETE FROM runs RETURNING *)", "PIVOT "),
    *(
        "read_text('x')",
        "query('SELECT 1')",
        "getvariable('x')",
        "$x",
        "?",
        "* ",
        "COLUMNS(*)",
        " AS secrets ",
        "lambda x: x",
    ),
]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """One statement of the corpora with a few pieces dropped, doubled, swapped, or replaced by foreign ones."""
    pieces = list(draw(st.sampled_from(draw(st.sampled_from((STATEMENTS, REALISTIC, REALISTIC))))))
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 4)))):
        at = draw(st.integers(0, max(0, len(pieces) - 1)))
        match draw(st.sampled_from(("rename", "rename", "drop", "double", "swap", "insert", "replace", "splice"))):
            case "rename":
                words = [i for i, piece in enumerate(pieces) if piece.isidentifier()]
                if words:
                    pieces[draw(st.sampled_from(words))] = draw(st.sampled_from(NAMES))
            case "drop":
                del pieces[at : at + draw(st.integers(1, 4))]
            case "double":
                pieces[at:at] = pieces[at : at + draw(st.integers(1, 8))]
            case "swap":
                other = draw(st.integers(0, max(0, len(pieces) - 1)))
                if pieces:
                    pieces[at], pieces[other] = pieces[other], pieces[at]
            case "insert":
                pieces.insert(at, draw(st.sampled_from(FRAGMENTS)))
            case "replace":
                pieces[at : at + 1] = [draw(st.sampled_from(FRAGMENTS))]
            case _:
                foreign = draw(st.sampled_from(STATEMENTS))
                start = draw(st.integers(0, len(foreign)))
                pieces[at:at] = foreign[start : start + draw(st.integers(1, 30))]
    return "".join(pieces)


@pytest.fixture(scope="module")
def namer() -> duckdb.DuckDBPyConnection:
    """A plain engine whose list of table names is the oracle."""
    connection = duckdb.connect()
    connection.execute("SET python_enable_replacements = false")
    return connection


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sql=mutated(), parameters=st.sampled_from([0, 1, 2, frozenset({"variant", "since"})]))
def test_mutated_sql_never_escapes(
    sql: str, parameters: int | frozenset[str], serialize: Serialize, namer: duckdb.DuckDBPyConnection
) -> None:
    """Whatever the text, the guard answers with a query over public tables or with QueryError."""
    try:
        query = check(sql, serialize, parameters)
    except QueryError:
        return
    try:
        found = namer.get_table_names(query.sql, qualified=True)
    except duckdb.Error:  # the oracle binds a little, and so refuses some texts that only fail when they run
        return
    names = {str(_NAME.findall(name)[0]).lower().replace('"', "") for name in found}
    assert names <= PUBLIC
    assert {name.removeprefix("main.") for name in names} <= query.tables  # the oracle skips a CTE nobody reads


def test_fuzzing_for_a_while_finds_no_escape() -> None:
    """What the guard accepts tells and changes nothing in an engine without locks; `make fuzz` goes on longer."""
    figures = fuzz(secrets.randbits(32), seconds=8)  # an escape names its seed
    print(figures)  # noqa: T201
    assert figures.accepted


@pytest.mark.parametrize(
    "sql",
    [
        "FROM internal.canary_hot",
        "FROM 'can*.csv'",
        "SELECT getvariable('can' || 'ary')",
        "SELECT current_setting('temp_directory')",
        "SELECT name FROM duckdb_variables()",
        "FROM query('FROM can' || 'ary_table')",
        "WITH d AS (DELETE FROM runs RETURNING id) FROM d",
        "WITH d AS (COPY runs TO 'made.csv') FROM d",
        "SELECT nextval('can' || 'ary_sequence')",
    ],
)
def test_an_escape_is_noticed(sql: str) -> None:
    """A guard that lets these pass would be caught."""
    with surrounded() as plain:
        assert escape(plain, GuardedQuery(sql, frozenset(TABLE), frozenset(), {}), state_of(plain), Figures(0))
