"""The whole guard: places, hints, parameters, conditions, and names that only look alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from queries.guard import check, check_condition
from warehouse.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable

    Serialize = Callable[[str], str]


def refusal(sql: str, serialize: Serialize, parameters: int | frozenset[str] = 0) -> QueryError:
    """Return the error with which the guard refuses `sql`."""
    with pytest.raises(QueryError) as caught:
        check(sql, serialize, parameters)
    return caught.value


@pytest.mark.parametrize(
    ("sql", "code", "place", "hint"),
    [
        ("SELECT *\nFROM rums", "unknown_table", (2, 6), "did you mean runs?"),
        ("SELECT 'é',\n é FROM scorse", "unknown_table", (2, 9), "did you mean scores?"),
        ("SELECT 1,\n  cuont(id) FROM runs", "refused_function", (2, 3), "did you mean count?"),
        ("SELECT 'é', read_text('x')", "refused_function", (1, 13), None),
        ("SELECT 1 FROM runs WHERE\n  repeat('x', 99999) = 'x'", "refused_statement", (2, 3), None),
        ("SELECT id FROM runs\nWHERE WHERE", "syntax", (2, 7), None),
        ("SELECT id\nFROM runs AT (VERSION => 1)", "refused_statement", (2, 6), None),
        ("SUMMARIZE runs", "refused_statement", (1, 1), "GET /v1/tables lists tables and columns"),
    ],
)
def test_refusal_says_where_and_what_was_meant(
    sql: str, code: str, place: tuple[int | None, int | None], hint: str | None, serialize: Serialize
) -> None:
    """A refusal has the line and column of its cause, in characters, and the nearest known name."""
    error = refusal(sql, serialize)
    assert (code, place) == (error.code, (error.line, error.col))
    if hint is not None:
        assert hint == error.hint


def test_dynamic_pivot_is_refused_with_its_remedy(serialize: Serialize) -> None:
    """A PIVOT without a list of values says to give one."""
    assert "IN ('a', 'b')" in str(refusal("PIVOT runs ON status USING count(*)", serialize).hint)


@pytest.mark.parametrize("hidden", ["internal.hot_runs", "pg_catalog.pg_tables", "main.folded"])
def test_hidden_table_reads_like_a_missing_one(hidden: str, serialize: Serialize) -> None:
    """The refusal of a table that exists but is hidden tells nothing more than that of one that does not exist."""
    schema, table = hidden.split(".")
    missing = f"{'q' * len(schema)}.{'q' * len(table)}"
    shown, made_up = refusal(f"FROM {hidden}", serialize), refusal(f"FROM {missing}", serialize)
    assert shown.code == made_up.code
    assert shown.message.replace(hidden, missing) == made_up.message


@pytest.mark.parametrize(
    "sql",
    [
        'WITH k AS (SELECT 1) SELECT * FROM "\u212a"',
        'SELECT * FROM "run\u017f"',
        "SELECT * FROM ru\u200bns",
        'SELECT * FROM "runs "',
        'SELECT * FROM "r\u0075\u0308ns"',
    ],
)
def test_name_that_only_looks_alike_is_another_name(sql: str, serialize: Serialize) -> None:
    """Names fold as DuckDB folds them, by ASCII only: other letters never become a known name."""
    assert refusal(sql, serialize).code == "unknown_table"


def test_result_says_what_is_read(serialize: Serialize) -> None:
    """The guarded query names its tables and functions, and keeps the text."""
    query = check("SELECT Upper(id) FROM Runs JOIN main.scores USING (id) ;\n", serialize)
    assert ("SELECT Upper(id) FROM Runs JOIN main.scores USING (id)", {"runs", "scores"}, {"upper"}) == (
        query.sql,
        set(query.tables),
        set(query.functions),
    )


@pytest.mark.parametrize(
    ("sql", "given"),
    [
        ("SELECT ?, ?", 2),
        ("SELECT $2, $1", 2),
        ("SELECT $a, $B", frozenset({"A", "b"})),
        ("SELECT 1", 0),
        ("SELECT 1", frozenset[str]()),
    ],
)
def test_bound_parameters_are_accepted(sql: str, given: int | frozenset[str], serialize: Serialize) -> None:
    """Parameters with a value each pass."""
    assert sql == check(sql, serialize, given).sql


@pytest.mark.parametrize(
    ("sql", "given"),
    [
        ("SELECT ?", 0),
        ("SELECT ?", 2),
        ("SELECT $3", 2),
        ("SELECT $a", frozenset({"b"})),
        ("SELECT $a", 1),
        ("SELECT ?", frozenset({"a"})),
        ("SELECT 1", 1),
    ],
)
def test_parameters_must_match_their_values(sql: str, given: int | frozenset[str], serialize: Serialize) -> None:
    """A parameter without value (DuckDB would look for a variable) and a value without parameter are refused."""
    assert refusal(sql, serialize, given).code == "bad_parameter"


def test_deep_nesting_is_a_coded_refusal(serialize: Serialize) -> None:
    """What exhausts a parser's recursion is refused like anything else."""
    sql = "SELECT " + "CASE WHEN " * 400 + "true" + " THEN 1 END" * 400
    assert refusal(sql, serialize).code == "refused_statement"


@pytest.mark.parametrize(
    "condition", ["status = 'Failed'", "environment = 'x' OR user_id IN ('a', 'b') -- mine", "(true)"]
)
def test_condition_over_a_run_is_accepted(condition: str, serialize: Serialize) -> None:
    """A condition passes as it is."""
    assert condition == check_condition(condition, "runs", serialize)


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("true) UNION SELECT (1", "syntax"),
        ("true) OR (true", "syntax"),
        ("true /*", "syntax"),
        ("true GROUP BY id", "syntax"),
        ("true; SELECT 1", "syntax"),
        ("id IN (SELECT run_id FROM secrets)", "unknown_table"),
        ("read_text('x') = ''", "refused_function"),
        ("", "syntax"),
    ],
)
def test_condition_cannot_reach_beyond_its_brackets(condition: str, code: str, serialize: Serialize) -> None:
    """A condition that closes a bracket it did not open, or is no condition, is refused."""
    with pytest.raises(QueryError) as caught:
        check_condition(condition, "runs", serialize)
    assert code == caught.value.code
    assert caught.value.line in {None, 1}
