"""Warnings: the golden files, silence over the legitimate corpus, and the divisions that really fail."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from queries.diagnostics import MAX_NODES, MAX_WARNINGS, RULES, warnings
from queries.diagnostics.values import VALUES_OF
from queries.guard import check
from tests.queries.diagnostics.cases import SILENT, WARNINGS, Case
from tests.queries.guard.cases import ACCEPTED
from warehouse.engine import serializer
from warehouse.errors import QueryError
from warehouse.schema import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from queries.diagnostics import QueryWarning

serialize = serializer()


def warned(connection: duckdb.DuckDBPyConnection, sql: str, params: int | frozenset[str] = 0) -> list[QueryWarning]:
    """Return the warnings of a statement over these tables; every question of a rule passes the guard too."""

    def facts(question: str) -> list[tuple[Any, ...]]:
        return connection.execute(check(question, serialize).sql).fetchall()

    return warnings(check(sql, serialize, params), sql, facts)


@pytest.mark.parametrize("case", WARNINGS, ids=str)
def test_what_misleads_is_warned_of_at_its_place(case: Case, named: duckdb.DuckDBPyConnection) -> None:
    """Each statement runs, and gets exactly the warnings its headers name."""
    named.execute(case.sql, case.params)
    found = warned(named, case.sql)
    assert case.warns == [f"{one.code} {one.line}:{one.col}+{one.length}" for one in found]
    assert all(one.message and one.hint for one in found)


@pytest.mark.parametrize("case", SILENT, ids=str)
def test_what_is_right_gets_no_warning(case: Case, named: duckdb.DuckDBPyConnection) -> None:
    """Statements that come close to a mistake and are none."""
    named.execute(case.sql, case.params)
    assert [] == warned(named, case.sql, len(case.params))


def test_legitimate_corpus_is_nearly_silent(named: duckdb.DuckDBPyConnection) -> None:
    """Of the guard's realistic queries hardly one is warned of without cause.

    Read one by one, all warnings of the corpus are right: means over scores of all names or two kinds, one coalesce of
    a score, one status that does not exist. No query misjoins, compares with NULL or divides by zero unawares.
    """
    loud = [(str(case), one.code) for case in ACCEPTED for one in warned(named, case.sql, case.parameters)]
    names = {"unknown_score", "unknown_experiment", "unknown_variant"}  # of other workspaces
    data = {"mixed_kinds", "mixed_scores", "missing_as_zero", "unknown_value"}
    assert [] == [one for one in loud if one[1] not in names | data]
    assert len({case for case, code in loud if code in data}) <= len(ACCEPTED) / 10, loud


PLAIN = [case.sql for case in ACCEPTED if not case.params and "LIMIT (SELECT" not in case.sql] + [
    case.sql for case in WARNINGS
]
WRAPPED = (
    "SELECT * FROM ({0}\n) x JOIN ({1}\n) y ON true",
    "WITH x AS ({0}\n), y AS ({1}\n) SELECT avg(x.value) / count(y.id) FROM x JOIN y USING (run_id)",
    "({0}\n) UNION ALL ({1}\n)",
    "SELECT ({0}\n), EXISTS ({1}\n)",
)


@settings(max_examples=150)
@given(st.sampled_from(WRAPPED), st.sampled_from(PLAIN), st.sampled_from(PLAIN))
def test_whatever_the_guard_accepts_is_read(wrapped: str, left: str, right: str) -> None:
    """Any two statements put together are read without an error, and every warning underlines some of the text."""
    sql = wrapped.format(left, right)
    try:
        query = check(sql, serialize)
    except QueryError:
        return
    for one in warnings(query, sql, lambda _: [("csat", "numeric"), ("csat", "boolean"), ("tone", "numeric")]):
        lines = sql.split("\n")
        before = sum(len(line) + 1 for line in lines[: one.line - 1]) + one.col - 1
        assert 0 <= before < before + one.length <= len(sql)


@pytest.mark.parametrize(
    ("sql", "most"),
    [
        ("SELECT a AS b, b AS c, c AS a, sum(a) / sum(b) FROM runs", 2),
        (" UNION ALL ".join(["SELECT 1 / 0"] * 400), MAX_WARNINGS),
        ("SELECT avg(a0.value) FROM " + ", ".join(f"scores a{i}" for i in range(400)), 1),
        ("SELECT * FROM runs WHERE status IN (" + ", ".join(f"'{i}'" for i in range(1000)) + ")", MAX_WARNINGS),
        ("SELECT [" + "1, " * (MAX_NODES - 1000) + "1 / 0]", 0),
        (
            "WITH t0 AS (SELECT sum(duration_ms) AS y FROM runs)"
            + "".join(f", t{i} AS (SELECT coalesce({'y, ' * 60} y) AS y FROM t{i - 1})" for i in range(1, 12))
            + " SELECT 1 / y FROM t11",
            1,
        ),
    ],
    ids=["aliases in a circle", "many", "wide", "long list", "huge", "columns of columns"],
)
def test_statements_made_to_be_slow_end(sql: str, most: int) -> None:
    """Circles end, and what would multiply is read once."""
    assert len(warnings(check(sql, serialize), sql, lambda _: [])) <= most


def test_division_by_zero_does_what_the_warning_says() -> None:
    """In the engine `/` gives no number, `//` and `%` fail the query, and nullif makes each of them null."""
    assert (math.inf,) == duckdb.execute("SELECT 1 / x FROM (VALUES (0)) t(x)").fetchone()
    for sign in ("//", "%"):
        with pytest.raises(duckdb.Error):
            duckdb.execute(f"SELECT 1 {sign} x FROM (VALUES (0)) t(x)").fetchall()
    guarded = ", ".join(f"1 {sign} nullif(x, 0)" for sign in ("/", "//", "%"))
    assert (None, None, None) == duckdb.execute(f"SELECT {guarded} FROM (VALUES (0)) t(x)").fetchone()


def test_every_rule_has_a_case() -> None:
    """No rule stands without a statement that it warns of."""
    codes = {line.split()[0] for case in WARNINGS for line in case.warns}
    named_by_rules = {rule.__name__ for rule in RULES} - {"unknown_name"}
    assert named_by_rules | {"unknown_score", "unknown_experiment", "unknown_variant", "mixed_kinds"} == codes


def test_known_values_are_those_of_the_documentation() -> None:
    """Each value that a column is said to have stands in its documentation, and the column exists."""
    for (table, name), values in VALUES_OF.items():
        column = next(one for one in TABLE[table].columns if one.name == name)
        assert [] == [value for value in values if value not in column.doc]


def test_no_question_is_asked_without_need() -> None:
    """A statement that compares no names costs the workspace nothing."""
    asked: list[str] = []

    def facts(question: str) -> list[tuple[Any, ...]]:
        asked.append(question)
        return []

    sql = "SELECT status, count(*) FROM runs WHERE started_at > now() - INTERVAL 1 DAY GROUP BY 1"
    assert ([], []) == (warnings(check(sql, serialize), sql, facts), asked)


DIVISORS = (
    *(
        "count(*)",
        "count(duration_ms)",
        "count(id)",
        "count_if(duration_ms > 9)",
        "count(*) FILTER (WHERE duration_ms > 9)",
        "sum(duration_ms)",
        "avg(duration_ms)",
    ),
    *(
        "nullif(sum(duration_ms), 0)",
        "greatest(count(duration_ms), 1)",
        "count(duration_ms) + 1",
        "sum(duration_ms)::DOUBLE",
        "coalesce(sum(duration_ms), 0)",
    ),
    *(
        "CASE WHEN sum(duration_ms) > 0 THEN sum(duration_ms) END",
        "sum(duration_ms) * 2",
        "max(duration_ms) - min(duration_ms)",
        "stddev_pop(duration_ms)",
        "round(avg(duration_ms))",
    ),
    *("1", "0", "2.5"),
)
DIVIDENDS = (
    "1",
    "count(*)",
    "sum(duration_ms)",
    "100.0 * sum(duration_ms)",
    "sum(duration_ms) FILTER (WHERE duration_ms > 9)",
)


@pytest.fixture(scope="session")
def zeros() -> Callable[[str], bool]:
    """Whether an aggregate statement over `runs` divides by zero in a group that has zeros, nulls, or one row."""
    connection = duckdb.connect()
    rows = "('zero', 0), ('null', NULL), ('sum zero', 5), ('sum zero', -5), ('alone', 10)"
    connection.execute(f"CREATE TABLE runs AS SELECT * FROM (VALUES {rows}) t(id, duration_ms)")

    def divides(sql: str) -> bool:
        rows = connection.execute(sql).fetchall()
        return any(isinstance(one, float) and not math.isfinite(one) for row in rows for one in row)

    return divides


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(DIVIDENDS), st.sampled_from(DIVISORS), st.sampled_from(["", " HAVING {} > 0", " HAVING {} <> 0"])
)
def test_division_is_warned_of_exactly_when_it_can_fail(
    zeros: Callable[[str], bool], above: str, below: str, having: str
) -> None:
    """A division by zero happens over zeros, nulls and single values where it is warned of, and nowhere else.

    A dividend with its own FILTER may be null wherever its divisor is zero, without the rule knowing why.
    """
    sql = f"SELECT {above} / ({below}) AS x FROM runs GROUP BY id{having.format(below)}"
    found = any(one.code == "division_by_zero" for one in warnings(check(sql, serialize), sql, lambda _: []))
    assert found or not zeros(sql), sql
    assert zeros(sql) or not found or "FILTER" in above, sql
