"""The statistics as a caller has them: through the guard, over a workspace."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from queries.guard import check, functions
from queries.stats.sql import NAMES
from tests.support.command import ROOT
from tests.support.rows import assignment, score
from warehouse.engine import serializer
from warehouse.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.rows import Warehouse

    Serialize = Callable[[str], str]

EXAMPLES = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "statistics-in-sql.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def serialize() -> Serialize:
    """SQL text to DuckDB's own tree, as a worker has it."""
    return serializer()


def test_the_guard_knows_every_statistic() -> None:
    """Its own list of them is the list of those there are."""
    assert NAMES == functions.STATISTICS


@pytest.mark.parametrize("sql", EXAMPLES)
def test_the_examples_pass_and_run(sql: str, warehouse: Warehouse, serialize: Serialize) -> None:
    """Each example of the page is a query that a stranger may ask."""
    warehouse.ask(check(sql, serialize).sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT _mean_ci(1, 1, 1, 0.9)",
        "SELECT main._wilson_ci(1, 1, 0, 0.9)",
        "SELECT system.main._prop_test(1, 1, 0, 1, 1, 0, 0.9)",
        'SELECT "_CLUSTER_MEAN"([], 0.9)',
        "SELECT MAP {'a': 1}._srm_p(MAP {'a': 1})",
        "SELECT (0.5)._level()",
        "SELECT list_transform([0.5], lambda level: _level(level))",
        "SELECT * FROM _level(1)",
    ],
)
def test_the_functions_behind_them_are_refused(sql: str, serialize: Serialize) -> None:
    """However they are called."""
    with pytest.raises(QueryError) as caught:
        check(sql, serialize)
    assert caught.value.code == "refused_function"


def test_a_workspace_answers_with_them(warehouse: Warehouse, serialize: Serialize) -> None:
    """Over rows still in the log and sealed ones, and as known in the past."""
    for n in range(12):
        warehouse.append("assignments", assignment(f"r{n}", "ab"[n % 2], 1_790_000_000_000_000, unit=f"u{n % 5}"))
        warehouse.append("score_history", score(f"s{n}", float(n % 3 == 0), run_id=f"r{n}"))
        if n == 6:
            warehouse.seal()
    call = "wilson_ci(value).successes, cluster_mean(value, unit).units, srm_p(variant, {'a': 1, 'b': 1})"
    query = check(f"SELECT {call} FROM experiment_scores", serialize)
    assert [(4, 5, 1.0)] == warehouse.ask(query.sql) == warehouse.ask(query.sql, known_at=warehouse.clock.us)
