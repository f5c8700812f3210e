"""Dynamic PIVOT: the completed text answers as DuckDB's own dynamic PIVOT does, whatever the values are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.guard import GuardedQuery, check, complete, unlisted
from queries.guard.pivot import MAX_GAPS, MAX_VALUES, literal
from queries.guard.precheck import prechecked
from queries.run import bind
from tests.queries.guard.answers import answer
from tests.queries.guard.cases import COMPLETED, Case
from warehouse.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.rows import Warehouse
    from warehouse.engine import Relation

    Serialize = Callable[[str], str]
    Ask = Callable[[GuardedQuery], list[tuple[str | None, ...]]]


def relation(workspace: Warehouse, query: GuardedQuery, named: dict[str, str] | None = None) -> Relation:
    """Return a guarded query bound to the workspace's own engine."""
    return bind(workspace.snapshots.engine().cursor(query.tables), query, named or {})


@pytest.fixture
def ask(workspace: Warehouse) -> Ask:
    """Ask the workspace as a query worker does."""

    def asked(query: GuardedQuery) -> list[tuple[str | None, ...]]:
        found = relation(workspace, query, {name: PARAMETERS[name] for name in query.parameters})
        return [tuple(row.values()) for row in found.to_arrow_table().to_pylist()]

    return asked


PARAMETERS = {"since": "2026-01-01", "status": "Queued"}


@pytest.mark.parametrize("case", COMPLETED, ids=str)
def test_completed_pivot_is_duckdbs_own(
    case: Case, serialize: Serialize, workspace: Warehouse, plain_tables: duckdb.DuckDBPyConnection, ask: Ask
) -> None:
    """Names, types and rows are those of a plain DuckDB that is given the caller's text."""
    with pytest.raises(QueryError):
        check(case.sql, serialize)
    query = complete(case.sql, serialize, 0, ask)
    assert answer(plain_tables.sql(case.sql)) == answer(relation(workspace, query))


def test_sibling_expression_is_seen(serialize: Serialize, workspace: Warehouse, ask: Ask) -> None:
    """DuckDB's own dynamic PIVOT does not see an earlier common table expression from a later one; ours does."""
    query = complete(
        "WITH s AS (FROM runs), p AS (PIVOT s ON function_id USING count(*) GROUP BY status) FROM p", serialize, 0, ask
    )
    assert ["status", "answer", "triage"] == relation(workspace, query).columns


def test_named_parameters_reach_the_query_for_values(serialize: Serialize, workspace: Warehouse, ask: Ask) -> None:
    """The query for the values is bound with those of the caller's parameters that it has."""
    asked: list[GuardedQuery] = []

    def noted(query: GuardedQuery) -> list[tuple[str | None, ...]]:
        asked.append(query)
        return ask(query)

    sql = (
        "WITH s AS (FROM runs WHERE status <> $status) SELECT *, $since AS since "
        "FROM (PIVOT s ON status USING count(*) GROUP BY function_id)"
    )
    query = complete(sql, serialize, frozenset(PARAMETERS), noted)
    assert [frozenset({"status"})] == [one.parameters for one in asked]
    assert frozenset(PARAMETERS) == query.parameters
    columns = relation(workspace, query, PARAMETERS).columns
    assert "Queued" not in columns
    assert "Failed" in columns


def test_ordinary_query_asks_for_nothing(serialize: Serialize) -> None:
    """A query without a dynamic PIVOT is as `check` makes it."""
    sql = "PIVOT runs ON status IN ('Failed') USING count(*)"
    assert check(sql, serialize) == complete(sql, serialize, 0, never)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("PIVOT runs ON id", True),
        ("SELECT 1 FROM (pivot runs ON id, status IN ('a'))", True),
        ("PIVOT runs ON status IN (FROM runs SELECT status)", True),
        ("PIVOT runs ON id IN ('a')", False),
        ("FROM runs PIVOT (count(*) FOR id IN ('a')) p JOIN scores ON true", False),
        ("PIVOT runs USING count(*)", False),
        ("UNPIVOT runs ON id INTO NAME n VALUE v", False),
        ("SELECT 'PIVOT runs ON id' -- PIVOT runs ON id", False),
        ("SELECT pivot FROM runs", False),
        ("PIVOT", False),
        ("PIVOT runs ON id, (", False),
        ("PIVOT runs ON " + "(" * 20_000, False),
        ("PIVOT runs ON id" + " $a$ $b$" * 4_000, False),
    ],
)
def test_texts_that_need_a_list(sql: str, *, expected: bool) -> None:
    """Only a PIVOT statement without all its lists, in a text that passes gate 1, has to be completed."""
    assert expected == unlisted(sql)


def never(query: GuardedQuery) -> list[tuple[str | None, ...]]:
    """Fail: nothing may be asked."""
    raise AssertionError(query.sql)


@pytest.mark.parametrize(
    ("sql", "code", "place"),
    [
        ("PIVOT secrets ON status USING count(*)", "unknown_table", (1, 7)),
        ("PIVOT runs\nON status USING\n read_text('x')", "refused_function", (3, 2)),
        ("PIVOT runs ON status, name USING count(*) GROUP BY getvariable('x')", "refused_function", (1, 52)),
        ("PIVOT (FROM runs) ON\nrepeat(status, 99999) USING count(*)", "refused_statement", (2, 1)),
        ("PIVOT internal.hot_runs ON status", "unknown_table", (1, 16)),
        ("WITH d AS (DELETE FROM runs RETURNING *) PIVOT d ON status", "refused_statement", (1, 1)),
        ("PIVOT runs ON status IN (FROM secrets) USING count(*)", "unknown_table", (1, 31)),
        ("PIVOT runs ON status; DROP VIEW runs", "refused_statement", (1, 1)),
        ("PIVOT runs ON status USING count($a)", "bad_parameter", (1, 1)),
        ("SELECT (", "syntax", (1, 8)),
    ],
)
def test_other_refusals_come_first(sql: str, code: str, place: tuple[int, int], serialize: Serialize) -> None:
    """Whatever else is wrong is said with its place in the caller's text, and nothing is asked."""
    with pytest.raises(QueryError) as caught:
        complete(sql, serialize, 0, never)
    assert (code, *place) == (caught.value.code, caught.value.line, caught.value.col)


@pytest.mark.parametrize(
    ("sql", "values", "words", "place"),
    [
        (
            "PIVOT runs ON id",
            [str(n) for n in range(MAX_VALUES + 1)],
            f"more than {MAX_VALUES} values of 'id'",
            (1, 15),
        ),
        ("PIVOT runs\nON id USING count(*)", [], "no value of 'id'", (2, 4)),
        ("PIVOT runs ON id", [None], "no value of 'id'", (1, 15)),
        (
            " UNION ALL ".join(["FROM (PIVOT runs ON id)"] * (MAX_GAPS + 1)),
            ["a"],
            f"more than {MAX_GAPS} lists",
            (1, 34 * MAX_GAPS + 21),
        ),
    ],
)
def test_bounds_of_what_is_asked(
    sql: str, values: list[str | None], words: str, place: tuple[int, int], serialize: Serialize
) -> None:
    """Too many values, none, and too many lists are refused at the PIVOT that is to blame."""
    with pytest.raises(QueryError) as caught:
        complete(sql, serialize, 0, lambda _: [(value,) for value in values])
    assert words in caught.value.message
    assert ("refused_statement", *place) == (caught.value.code, caught.value.line, caught.value.col)


def test_most_values_pass(serialize: Serialize) -> None:
    """What reaches the bound is completed."""
    query = complete("PIVOT runs ON id", serialize, 0, lambda _: [(str(n),) for n in range(MAX_VALUES)])
    assert query.sql.count("', '") == MAX_VALUES - 1


def test_failure_while_asking_is_placed_at_the_pivot(serialize: Serialize) -> None:
    """What the query for values ends in keeps its code, and has a place in the caller's text."""

    def late(_: GuardedQuery) -> list[tuple[str | None, ...]]:
        raise QueryError("too slow", code="timeout", line=7, col=7)

    with pytest.raises(QueryError) as caught:
        complete("SELECT 1 FROM (\nPIVOT runs ON id)", serialize, 0, late)
    assert ("timeout", 2, 15) == (caught.value.code, caught.value.line, caught.value.col)


def test_places_in_the_completed_text_are_told_in_the_callers(
    serialize: Serialize, workspace: Warehouse, ask: Ask
) -> None:
    """The engine's complaint about the completed text points into the text that was sent."""
    sql = "SELECT p.Failed,\n nope FROM (PIVOT runs ON environment, status USING count(*)) p JOIN scores ON nothere = 1"
    query = complete(sql, serialize, 0, ask)
    with pytest.raises(QueryError) as caught:
        relation(workspace, query)
    assert "nothere" in caught.value.message
    assert (2, sql.split("\n")[1].index("nothere") + 1) == (caught.value.line, caught.value.col)


def test_positional_parameters_in_the_source_are_refused(serialize: Serialize) -> None:
    """Parameters that are numbered by where they stand cannot move into another query."""
    with pytest.raises(QueryError) as caught:
        complete("PIVOT (FROM runs WHERE status = ?) ON id", serialize, 1, never)
    assert "$name" in str(caught.value.hint)


@given(st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=40))
def test_any_text_is_written_as_a_literal_that_passes(value: str) -> None:
    """DuckDB reads the literal as the very text, and gate 1 takes it for one token without refused characters."""
    connection = duckdb.cursor()
    written = literal(value)
    sql = prechecked(f"SELECT {written} AS x")
    assert [(value,)] == connection.execute(sql).fetchall()


@given(st.lists(st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=20), min_size=1, max_size=8))
def test_any_values_complete_a_pivot(serialize: Serialize, values: list[str]) -> None:
    """Whatever stands in the data, the completed text is one PIVOT over the same table with these very values."""
    query = complete("PIVOT runs ON id USING count(*)", serialize, 0, lambda _: [(value,) for value in values])
    written = check("PIVOT runs ON id IN ('x') USING count(*)", serialize)
    assert (written.tables, written.functions) == (query.tables, query.functions)
    pivot = query.statement["node"]["from_table"]
    listed = [entry["star_expr"]["literal"]["text"] for entry in pivot["pivots"][0]["entries"]]
    assert sorted(set(values)) == listed
