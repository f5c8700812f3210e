"""Every recipe: its head, the guard, an empty workspace, the demo, its chart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from queries.cookbook import GROUPS, RECIPES, Recipe, parsed
from tests.support.command import ROOT
from warehouse.errors import InputError

if TYPE_CHECKING:
    from tests.queries.cookbook.conftest import Demo
    from tests.queries.cookbook.workspace import Workspace

WARNED: dict[str, list[str]] = {}
"""Recipe -> codes of the warnings that it is worth. None is worth any."""

SILENT: dict[str, str] = {"repeated-steps": "no run of the demo does a finished step twice with the same input"}
"""Recipe -> why the demo has no row for it."""

FIRST: dict[str, tuple[str, ...]] = {
    "bad-sessions": ("usd",),
    "cached-input-share": ("input_tokens",),
    "corrected-scores": ("replaced",),
    "cost-by-function": ("usd",),
    "dearest-sessions": ("usd",),
    "error-messages": ("attempts",),
    "failing-users": ("failed", "share"),
    "failure-rate": ("low",),
    "longest-traces": ("seconds",),
    "newly-failing": ("difference",),
    "outcome-delay": ("p99_hours",),
    "repeated-tool-calls": ("calls",),
    "retries-and-tokens": ("retries",),
    "runs-without-score": ("without_score",),
    "scorer-disagreement": ("apart",),
    "slow-runs-in-common": ("lift",),
    "slowest-steps": ("hours",),
    "span-errors": ("failed",),
    "tool-failures": ("rate",),
    "unpriced-calls": ("without_cost",),
}
"""What a reader wants to see first: columns by which the answer falls."""

each = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)

GOOD = """-- title: Runs
-- group: Scores
-- about: How many there are,
--   by status.
-- chart: bar x=status y=runs
-- param: since timestamp 2026-09-01T00:00:00Z
-- param: names text[] ["a","b"]

select status, count(*) as runs
from runs
"""


@each
def test_the_guard_lets_it_through_without_a_warning(recipe: Recipe, demo: Demo, empty: Workspace) -> None:
    """As `POST /v1/query/check` says, where there is data and where there is none."""
    for workspace in (demo.workspace, empty):
        assert WARNED.get(recipe.name, []) == [one["code"] for one in workspace.check(recipe)]


@each
def test_it_runs_on_an_empty_workspace(recipe: Recipe, empty: Workspace) -> None:
    """With no rows, and the columns it always has."""
    assert [] == empty.rows(recipe.name)


@each
def test_it_answers_on_the_demo_the_same_way_twice(recipe: Recipe, demo: Demo, empty: Workspace) -> None:
    """At least a row, in one order, none that is all null; and the chart's columns are there."""
    rows = demo.workspace.rows(recipe.name)
    assert (recipe.name in SILENT) == (not rows)
    assert rows == demo.workspace.rows(recipe.name)
    assert all(any(value is not None for value in row.values()) for row in rows)
    assert empty.columns(recipe) == demo.workspace.columns(recipe)


@each
def test_its_chart_draws_each_point_once(recipe: Recipe, demo: Demo) -> None:
    """The columns exist, and x and colour tell the demo's rows apart: nothing is drawn over another."""
    if recipe.chart is None:
        return
    drawn = [name for name in (recipe.chart.x, recipe.chart.y, recipe.chart.color) if name is not None]
    assert set(drawn) <= set(demo.workspace.columns(recipe))
    places = [
        (row[recipe.chart.x], row[recipe.chart.color] if recipe.chart.color else None)
        for row in demo.workspace.rows(recipe.name)
    ]
    assert len(places) == len(set(places))


@each
def test_it_reads_well(recipe: Recipe) -> None:
    """A title without a full stop, sentences about it, lines that fit, and a name that is its file's."""
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", recipe.name)
    assert (ROOT / "queries" / "cookbook" / f"{recipe.name}.sql").exists()
    assert not recipe.title.endswith(".") and len(recipe.title) <= 60
    assert recipe.about.endswith(".") and "  " not in recipe.about
    assert max(map(len, recipe.sql.splitlines())) <= 120
    assert not re.search(r"\bnow\(|current_|random\(", recipe.sql), "its answer changes by itself"


@pytest.mark.parametrize("name", FIRST)
def test_what_matters_comes_first(name: str, demo: Demo) -> None:
    """The largest of it, and of its equals the largest of the next column; a row without it is last."""
    values = [tuple(row[column] for column in FIRST[name]) for row in demo.workspace.rows(name)]
    known = [value for value in values if None not in value]
    assert len(known) > 1 and known == values[: len(known)]
    assert sorted(known, reverse=True) == known


def test_there_are_enough_and_no_two_are_alike() -> None:
    """At least 28; every file is one; by group and title."""
    assert len(RECIPES) >= 28
    files = {path.stem for path in (ROOT / "queries" / "cookbook").glob("*.sql")}
    assert files == {recipe.name for recipe in RECIPES}
    assert len(RECIPES) == len({recipe.title for recipe in RECIPES}) == len({recipe.sql for recipe in RECIPES})
    assert [*GROUPS] == list(dict.fromkeys(recipe.group for recipe in RECIPES))


def test_a_head_is_read() -> None:
    """Everything it can say."""
    recipe = parsed("runs", GOOD)
    assert ("Runs", "Scores", "How many there are, by status.") == (recipe.title, recipe.group, recipe.about)
    assert "select status, count(*) as runs\nfrom runs" == recipe.sql
    assert recipe.chart is not None
    assert ("bar", "status", "runs", None) == (
        recipe.chart.mark,
        recipe.chart.x,
        recipe.chart.y,
        recipe.chart.color,
    )
    assert [("since", "timestamp", "2026-09-01T00:00:00.000000Z"), ("names", "text[]", ["a", "b"])] == [
        (one.name, one.type, one.default) for one in recipe.params
    ]
    assert not any(one.required for one in recipe.params)


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("title: Runs", "titel: Runs", 1, "titel"),
        ("-- group: Scores\n", "", 7, "group"),
        ("group: Scores", "group: Odds", 2, "Odds"),
        ("--   by status.", "-- by status.", 4, "by status"),
        ("-- title: Runs\n", "--   Runs\n", 1, "Runs"),
        ("-- about: How", "-- title: Again\n-- about: How", 3, "second"),
        ("bar x=status", "pie x=status", 5, "pie"),
        ("y=runs", "y=runs size=n", 5, "size=n"),
        ("2026-09-01T00:00:00Z", "yesterday", 6, "yesterday"),
        ("since timestamp", "since moment", 6, "moment"),
        ("-- param: since timestamp 2026-09-01T00:00:00Z", "-- param: since", 6, "NAME TYPE DEFAULT"),
        ("select status, count(*) as runs\nfrom runs\n", "", 8, "no SQL"),
    ],
)
def test_a_broken_head_is_named_with_its_line(old: str, new: str, line: int, says: str) -> None:
    """A defect is found when the package is imported, and says where it is."""
    assert old in GOOD
    with pytest.raises(InputError, match=re.escape(f"queries/cookbook/runs.sql, line {line}:")) as caught:
        parsed("runs", GOOD.replace(old, new, 1))
    assert says in str(caught.value)
