"""SQL that the pages offer: it runs, it quotes, and it points at errors."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from urllib.parse import parse_qsl

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pages import queries
from queries.cookbook import GROUPS, RECIPES, Chart, Recipe
from queries.parameters import Parameter
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
    *(queries.table_sample(table.name) for table in TABLES),
    queries.runs_of("it's", None),
    queries.runs_of("a'; drop table runs; --", "b"),
]


@pytest.mark.parametrize("sql", OFFERED)
def test_every_offered_query_runs(engine: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Links are single statements over the public schema."""
    assert len(engine.extract_statements(sql)) == 1
    engine.execute(sql).fetchall()


def test_the_examples_are_the_cookbook() -> None:
    """Every recipe once, those of a group together, in its order."""
    assert [(one.title, one.group, one.sql) for one in RECIPES] == [
        (example.title, example.group, example.sql) for example in queries.EXAMPLES
    ]
    groups = [group for group, _ in itertools.groupby(example.group for example in queries.EXAMPLES)]
    assert [*GROUPS] == groups


FORM = re.compile(r"[A-Za-z0-9*\-._+&=]|%[0-9A-F]{2}")
"""What WHATWG's application/x-www-form-urlencoded serializer writes: all else is percent-encoded, a space is `+`."""


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=2, max_size=2))
def test_an_example_s_address_is_what_the_page_itself_writes(texts: list[str]) -> None:
    """`written` of web/src/state.ts: the query, [type, text] of each parameter, then the drawing; nothing else."""
    sql, default = texts
    parameters = (Parameter("a", "text", False, default), Parameter("n", "number[]", False, [1.5, 2.0]))
    recipe = Recipe("r", "R", "Scores", "A.", sql, parameters, Chart("bar", "day", "mean", None))
    path, _, query = queries.recipe_path(recipe).partition("?")
    assert "/sql" == path and FORM.sub("", query) == ""
    said = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    assert ["q", "params", "mark", "x", "y"] == [name for name, _ in said]
    given_ = {"a": ["text", default], "n": ["number[]", "[1.5, 2.0]"]}
    assert [sql, given_, "bar", "day", "mean"] == [said[0][1], json.loads(said[1][1]), *(text for _, text in said[2:])]


def test_every_example_s_address_is_short_enough() -> None:
    """`ADDRESS_CHARACTERS` of web/src/state.ts; a recipe without parameters or chart has only its query."""
    assert all(len(example.path) <= 16_000 for example in queries.EXAMPLES)
    plain = Recipe("r", "R", "Scores", "A.", "select '~ü'", (), None)
    assert "/sql?q=select+%27%7E%C3%BC%27" == queries.recipe_path(plain)


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
