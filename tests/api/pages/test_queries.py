"""SQL that the pages offer: it runs, it quotes, and it points at errors."""

from __future__ import annotations

import json
import shlex

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pages import queries
from warehouse.schema import TABLES


@pytest.fixture(scope="module")
def engine() -> duckdb.DuckDBPyConnection:
    """Return an engine that holds every public table, empty."""
    connection = duckdb.connect()
    for table in TABLES:
        columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
        connection.execute(f'create table "{table.name}" ({columns})')
    return connection


OFFERED = [
    *(example.sql for example in queries.EXAMPLES),
    *(queries.table_sample(table.name) for table in TABLES),
    queries.runs_of("it's", None),
    queries.runs_of("a'; drop table runs; --", "b"),
]


@pytest.mark.parametrize("sql", OFFERED)
def test_every_offered_query_runs(engine: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Examples and links are single statements over the public schema."""
    assert len(engine.extract_statements(sql)) == 1
    engine.execute(sql).fetchall()


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_literal_is_the_text_and_a_command_its_argument(text: str) -> None:
    """DuckDB reads back the very text, and so does a shell."""
    assert duckdb.execute(f"select {queries.literal(text)}").fetchall() == [(text,)]
    assert shlex.split(queries.as_command(text)) == ["upshot", "query", text]


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8787", "http://x$(reboot)"])
def test_the_first_commands_are_safe_to_paste(origin: str) -> None:
    """Whatever the server's name holds is one word for the shell; the score is valid JSON."""
    file, otlp, score = [shlex.split(command) for _, _, command in queries.first_commands(origin)]
    assert file == ["upshot", "ingest", "FILE", "--url", origin]
    assert f"OTEL_EXPORTER_OTLP_ENDPOINT={origin}" in otlp
    assert f"{origin}/v1/ingest" in score
    assert json.loads(score[-1])["type"] == "score"


@pytest.mark.parametrize(
    ("query", "line", "col", "shown", "indent"),
    [
        ("select x", 1, 8, [1], "       "),
        ("a\nb\n\tcd\ne\nf\ng", 3, 3, [1, 2, 3, 4, 5], "\t "),
        ("select '日', x", 1, 12, [1], " " * 8 + "\N{IDEOGRAPHIC SPACE}" + "  "),
        ("a\nb", 2, None, [1, 2], None),
        ("a", 1, 99, [1], " "),
    ],
)
def test_an_excerpt_points_at_the_column(
    query: str, line: int, col: int | None, shown: list[int], indent: str | None
) -> None:
    """Up to two lines around; the caret's indent is as wide as the text before the column."""
    found = queries.excerpt(query, {"line": line, "col": col})
    assert [entry.number for entry in found] == shown
    assert {entry.caret_indent for entry in found if entry.number != line} <= {None}
    assert next(entry.caret_indent for entry in found if entry.number == line) == indent


@pytest.mark.parametrize("place", [{}, {"line": None}, {"line": 0}, {"line": 3}, {"line": "1"}])
def test_an_error_without_a_place_has_no_excerpt(place: dict[str, object]) -> None:
    """A line that the query does not have points nowhere."""
    assert queries.excerpt("a\nb", place) == []


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        ("BIGINT", True),
        ("DECIMAL(18,3)", True),
        ("UINTEGER", True),
        ("DOUBLE", True),
        ("INTERVAL", False),
        ("INT[]", False),
        ("VARCHAR", False),
    ],
)
def test_numeric_columns_are_known_by_type(type_: str, expected: bool) -> None:  # noqa: FBT001
    """Only plain numbers are set to the right."""
    assert queries.is_numeric(type_) is expected
