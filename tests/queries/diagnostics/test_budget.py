"""The budget: the narrowing that a refusal names, put into the statement, makes it fit."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from queries.diagnostics import estimate, over_budget
from queries.diagnostics.budget import size
from queries.guard import check
from queries.pruning import moments, wishes
from tests.support.rows import assignment, run, score
from warehouse.engine import serializer
from warehouse.manifest import FileName, SealedFile
from warehouse.pruning import NO_WISHES
from warehouse.schema import FILE
from warehouse.views import sources

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.support.rows import Warehouse
    from warehouse.errors import QueryError

DAY = 86_400_000_000
START = int(dt.datetime(2026, 9, 1, tzinfo=dt.UTC).timestamp()) * 1_000_000
Files = dict[str, list[SealedFile]]

serialize = serializer()
moment = moments(serialize)

ADDED = re.compile(r"add (.*) \(the last [^:]*: (\d+) files?, (.*)\)")
TO_EACH = re.compile(r"(WHERE \S+ >= '[^']+') to every SELECT that reads (\w+)")

STATEMENTS = (
    "SELECT count(*) FROM scores{all}",
    "SELECT s.name FROM scores s{all}",
    "SELECT count(*) FROM scores s JOIN runs r ON r.id = s.run_id{all}",
    "SELECT count(*) FROM (SELECT * FROM runs{runs}) r LEFT JOIN (SELECT * FROM scores{scores}) x ON x.run_id = r.id",
    "WITH a AS (SELECT * FROM spans{spans}) SELECT count(*) FROM a",
    "SELECT count(*) FROM steps{steps} UNION ALL SELECT count(*) FROM steps{steps}",
    "SELECT count(*) FROM events, unnest([1]){all}",
    "SELECT count(*) FROM runs SEMI JOIN scores ON scores.run_id = runs.id{all}",
    "SELECT (SELECT count(*) FROM events{events}), count(*) FROM runs AS r{runs}",
)
"""Where a WHERE goes: the statement's own, or that of the SELECT that reads a table."""


def refusal(sql: str, files: Mapping[str, Sequence[SealedFile]], budget: int) -> QueryError | None:
    """Return what a budget says to a statement over these files, as the worker asks it."""
    query = check(sql, serialize)
    return over_budget(query, lambda name: files.get(name, ()), wishes(query.statement, (), moment), budget)


def narrowed(sql: str, hint: str = "") -> str:
    """Return a statement template with the conditions that a hint names."""
    places = dict.fromkeys(("all", "runs", "scores", "spans", "steps", "events"), "")
    if hint:
        found = ADDED.fullmatch(hint)
        assert found is not None, hint
        each = {table: f" {where}" for where, table in TO_EACH.findall(found[1])}
        places |= each or {"all": f" {found[1]}"}
    return sql.format(**places)


@st.composite
def manifests(draw: st.DrawFn) -> Files:
    """Draw files of the tables with times; some files know nothing of a column, some reach over many days."""
    files: Files = {"trace_runs": []}
    for table in ("scores", "runs", "spans", "steps", "events"):
        own = {"scores": "score_history", "steps": "step_attempts"}.get(table, table)
        files[own] = []
        for day, low, length, cost, known in draw(
            st.lists(
                st.tuples(
                    st.integers(0, 20),
                    st.integers(0, DAY - 1),
                    st.sampled_from([0, 1, DAY // 3, 3 * DAY]),
                    st.integers(1, 1000),
                    st.integers(0, 30),
                ),
                min_size=4,
                max_size=12,
            )
        ):
            first = START + day * DAY + low
            bounds = dict.fromkeys(FILE[own].time, (first, first + length)) if known else {}
            place = FileName(own, day, f"{len(files[own])}.parquet")
            files[own].append(SealedFile(place, rows=cost, bytes=cost * 1_000_000, sha256="", bounds=bounds))
    return files


@given(st.sampled_from(STATEMENTS), manifests(), st.integers(30, 99))
def test_named_narrowing_brings_a_query_under_its_budget(sql: str, files: Files, percent: int) -> None:
    """The condition of the hint, added, is accepted; it leaves what the hint says, and something of each table."""
    reads = sources(check(narrowed(sql), serialize).tables)
    budget = estimate([file for name in reads for file in files[name]]).bytes * percent // 100
    error = refusal(narrowed(sql), files, budget)
    assert error is not None
    assert ("too_large", True, True) == (error.code, error.line is not None, error.col is not None)
    assume(str(error.hint).startswith("add WHERE"))
    text = narrowed(sql, str(error.hint))
    assert refusal(text, files, budget) is None, text
    query = check(text, serialize)
    wanted = wishes(query.statement, (), moment)
    left = refusal(text, files, -1)
    named = ADDED.fullmatch(str(error.hint))
    assert named is not None
    assert left is not None
    assert wanted
    assert f"would read {named[3]} in {named[2]} files" in left.message


@given(manifests(), st.integers(30, 99))
def test_a_day_more_would_not_fit(files: Files, percent: int) -> None:
    """The narrowing is the cheapest: from a day earlier on, the budget is exceeded, or nothing was left out."""
    budget = sum(file.bytes for file in files["events"]) * percent // 100
    error = refusal("SELECT * FROM events", files, budget)
    assume(error is not None and "add WHERE" in str(error.hint))
    found = re.search(r"ts >= '(\d{4}-\d\d-\d\d)'", str(error.hint if error else ""))
    assume(found is not None)
    assert found is not None
    earlier = dt.date.fromisoformat(found[1]) - dt.timedelta(days=1)
    assert refusal(f"SELECT * FROM events WHERE ts >= '{earlier}'", files, budget) is not None


def test_query_within_its_budget_is_not_refused() -> None:
    """The budget itself still fits, and a statement without tables reads nothing."""
    files = {"events": [SealedFile(FileName("events", 1, "a"), 1, 100, "", {})]}
    assert refusal("SELECT * FROM events", files, 100) is None
    assert refusal("SELECT 1", files, 0) is None
    assert refusal("SELECT * FROM events", files, 99) is not None


@pytest.mark.parametrize(
    ("sql", "past", "hint"),
    [
        ("SELECT * FROM experiment_scores", False, "experiment_scores reads every file of score_history"),
        ("SELECT * FROM scores, scored_runs", False, "scored_runs reads every file of score_history"),
        ("SELECT * FROM scores", True, "with known_at every file is read"),
        ("SELECT * FROM scores", False, "most of it is scores: ask for fewer of its rows by id or ts"),
    ],
)
def test_where_no_time_helps_the_hint_says_so(sql: str, *, past: bool, hint: str) -> None:
    """Views and the past read every file; one file cannot be read in part."""
    whole = SealedFile(FileName("score_history", 1, "a"), 1, 10_000, "", {"ts": (START, START + DAY)})
    query = check(sql, serialize)
    files_of: Callable[[str], list[SealedFile]] = {"score_history": [whole]}.get  # pyright: ignore[reportAssignmentType]
    error = over_budget(query, lambda name: files_of(name) or [], NO_WISHES, 10, past=past)
    assert error is not None
    assert str(error.hint).startswith(hint)


def test_real_files_of_a_workspace_are_narrowed(warehouse: Warehouse) -> None:
    """The manifest's own bounds and sizes, over five days of runs, scores and assignments."""
    for day in range(5):
        at = START + day * DAY + DAY // 2
        warehouse.append("runs", *(run(f"r{day}-{n}", started_at=at + n, received_at=at) for n in range(9)))
        warehouse.append(
            "score_history", *(score(f"s{day}-{n}", 1.0, at, ts=at + n, run_id=f"r{day}-{n}") for n in range(9))
        )
        warehouse.append("assignments", assignment(f"r{day}-0", "a", at, received_at=at))
        warehouse.seal()
    files = warehouse.snapshots.engine().snapshot.of
    sql = "SELECT count(*) FROM scores s JOIN runs r ON r.id = s.run_id{all}"
    query = check(narrowed(sql), serialize)
    total = estimate([*files("runs"), *files("score_history")])
    error = over_budget(query, files, NO_WISHES, total.bytes * 2 // 3)
    assert error is not None
    text = narrowed(sql, str(error.hint))
    after = check(text, serialize)
    assert over_budget(after, files, wishes(after.statement, (), moment), total.bytes * 2 // 3) is None
    assert 0 < warehouse.ask(text)[0][0] < 5 * 9


def test_bytes_are_written_as_people_say_them() -> None:
    """Three digits, powers of a thousand."""
    counts = (0, 999, 1000, 999_999, 340_000_000, 1_250_000_000)
    assert ["0 bytes", "999 bytes", "1 kB", "1000 kB", "340 MB", "1.25 GB"] == [size(count) for count in counts]
