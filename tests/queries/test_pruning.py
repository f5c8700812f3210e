"""Pruning: which files a question is given, and that leaving files out never changes an answer."""

from __future__ import annotations

import datetime as dt
import json
import re
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from queries.guard import check
from queries.pruning import moments, wishes
from tests.support.rows import Warehouse, assignment, run, score
from warehouse.engine import rows_of, serializer

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = 86_400_000_000
START = int(dt.datetime(2026, 9, 1, tzinfo=dt.UTC).timestamp()) * 1_000_000
DAYS = 5
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

serialize = serializer()
moment = moments(serialize)


def ulid(day: int, tail: int) -> str:
    """Return a ULID of noon of a day after the first of September."""
    number = ((START + day * DAY + DAY // 2) // 1000 << 80) | tail
    return "".join(CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


@pytest.fixture(scope="module")
def days() -> Iterator[Warehouse]:
    """Five days of runs and scores, a file a table and day, a second one with a replaced score, and a hot tail."""
    with tempfile.TemporaryDirectory() as folder, Warehouse(Path(folder)) as warehouse:
        for day in range(DAYS):
            at = START + day * DAY + DAY // 2
            warehouse.append(
                "runs", *(run(ulid(day, n), started_at=at + n, user_id=f"u{n}", received_at=at) for n in range(3))
            )
            warehouse.append(
                "score_history",
                *(
                    score(f"s{day}-{n}", n / 2, at, ts=at + n, run_id=ulid(day, n), _day_id=ulid(day, n))
                    for n in range(3)
                ),
            )
            warehouse.append("assignments", assignment(ulid(day, 0), "a", at, received_at=at))
            warehouse.seal()
        warehouse.append(
            "score_history",
            score("s2-1", 9.0, START + 9 * DAY, ts=START + 9 * DAY, run_id=ulid(2, 1), _day_id=ulid(2, 1)),
        )
        warehouse.seal()
        warehouse.append("score_history", score("hot", 7.0, START, ts=START, run_id=ulid(0, 0), _day_id=ulid(0, 0)))
        yield warehouse


def listed(warehouse: Warehouse, sql: str, *params: Any) -> tuple[int, int]:
    """Return how many files a question is given, and of how many."""
    query = check(sql, serialize, len(params))
    engine = warehouse.snapshots.engine()
    wanted = wishes(query.statement, params, moment)
    return len(engine.listed(query.tables, wanted)), len(engine.listed(query.tables))


R2 = ulid(2, 1)
PLANS: tuple[tuple[str, tuple[Any, ...], int], ...] = (
    (f"SELECT * FROM runs WHERE id = '{R2}'", (), 1),
    ("SELECT * FROM runs WHERE id = ?", (R2,), 1),
    (f"SELECT * FROM scores WHERE run_id = '{R2}'", (), 2),
    (f"SELECT * FROM scores WHERE '{R2}' = run_id AND value > 0.1", (), 2),
    (f"SELECT * FROM scores WHERE run_id IN ('{R2}', '{ulid(4, 0)}')", (), 3),
    ("SELECT name, avg(value) FROM scores WHERE ts >= '2026-09-04' GROUP BY 1", (), 3),
    ("SELECT * FROM scores WHERE ts < TIMESTAMPTZ '2026-09-02'", (), 1),
    ("SELECT * FROM scores WHERE ts BETWEEN '2026-09-02' AND '2026-09-03T23:00:00Z'", (), 2),
    ("SELECT * FROM scores WHERE ts > now() - INTERVAL '36500 days'", (), 6),
    ("SELECT * FROM scores WHERE ts > now() + INTERVAL 36500 DAY", (), 0),
    (
        "SELECT * FROM scores s JOIN runs r ON r.id = s.run_id WHERE s.ts >= '2026-09-05' AND r.id >= ?",
        (ulid(4, 0),),
        3,
    ),
    ("SELECT (SELECT count(*) FROM runs WHERE started_at < '2026-09-02') FROM runs WHERE id = 'x'", (), 1),
    ("WITH old AS (SELECT * FROM runs WHERE started_at < '2026-09-02') SELECT * FROM old", (), 1),
)
"""A question, its parameters, and how many of the files it is given."""

WHOLE = (
    "SELECT * FROM scores",
    f"SELECT * FROM scores WHERE run_id = '{R2}' OR value > 0",
    f"SELECT * FROM scores WHERE NOT run_id = '{R2}'",
    f"SELECT * FROM scores WHERE lower(run_id) = '{R2}'",
    f"SELECT * FROM score_history WHERE run_id = '{R2}'",
    f"SELECT * FROM scores WHERE run_id = '{R2}' UNION ALL SELECT * FROM scores",
    f"SELECT * FROM scores LEFT JOIN runs r ON r.id = run_id AND r.id = '{R2}'",
    f"SELECT * FROM runs POSITIONAL JOIN scores s WHERE s.run_id = '{R2}'",
    f"SELECT * FROM runs AS r(a, id) WHERE id = '{R2}'",
    f"SELECT * FROM runs TABLESAMPLE 50% WHERE id = '{R2}'",
    "SELECT * FROM scores WHERE ts > 'epoch'",
    "WITH runs AS (SELECT * FROM runs WHERE started_at < '2026-09-02') SELECT * FROM runs",
)
"""Questions of which nothing is certain: they are given every file."""


@pytest.mark.parametrize(("sql", "params", "files"), PLANS, ids=[plan[0] for plan in PLANS])
def test_only_files_that_can_answer_are_given(days: Warehouse, sql: str, params: tuple[Any, ...], files: int) -> None:
    """By key, by time, in a list, through a join, a subquery or a WITH."""
    assert (files, True) == (listed(days, sql, *params)[0], listed(days, sql, *params)[1] >= DAYS)


@pytest.mark.parametrize("sql", WHOLE)
def test_what_is_not_certain_leaves_no_file_out(days: Warehouse, sql: str) -> None:
    """Alternatives, negations, functions, history, outer conditions, samples and odd joins."""
    given, every = listed(days, sql)
    assert every == given


values = st.sampled_from([ulid(day, n) for day in range(DAYS) for n in range(3)] + ["", "zzz"])
times = st.sampled_from([f"2026-09-0{day}{rest}" for day in range(1, 7) for rest in ("", "T12:00:00Z", " 11:59:59.5")])
comparisons = st.sampled_from(["=", "<", "<=", ">", ">="])
conditions = st.one_of(
    st.builds("{}run_id {} '{}'".format, st.just("{0}"), comparisons, values),
    st.builds("{}ts {} '{}'".format, st.just("{0}"), comparisons, times),
    st.builds("'{2}' {1} {0}ts".format, st.just("{0}"), comparisons, times),
    st.builds("{}ts BETWEEN '{}' AND '{}'".format, st.just("{0}"), times, times),
    st.builds("{}run_id IN ('{}', '{}')".format, st.just("{0}"), values, values),
    st.builds("{}value > {}".format, st.just("{0}"), st.sampled_from(["0", "0.4"])),
)
wheres = st.recursive(
    conditions,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "AND", "OR"]), inner)
        | st.builds("NOT ({})".format, inner)
    ),
    max_leaves=5,
)
shapes = st.sampled_from(
    [
        ("SELECT id, value FROM scores WHERE {} ORDER BY ALL", ""),
        ("SELECT s.id, r.user_id FROM scores s JOIN runs r ON r.id = s.run_id WHERE {} ORDER BY ALL", "s."),
        ("SELECT s.id, r.user_id FROM runs r LEFT JOIN scores s ON r.id = s.run_id WHERE {} ORDER BY ALL", "s."),
        ("SELECT s.id, r.user_id FROM scores s FULL JOIN runs r ON r.id = s.run_id WHERE {} ORDER BY ALL", "s."),
        ("SELECT id FROM runs r WHERE EXISTS (FROM scores s WHERE s.run_id = r.id AND {}) ORDER BY ALL", "s."),
        ("SELECT count(*) FROM (SELECT * FROM scores WHERE {}) t, runs", ""),
        ("SELECT s.id, a.variant FROM scores s ANTI JOIN runs r ON r.id = s.run_id AND r.user_id = 'u1' "
         "LEFT JOIN assignments a ON a.run_id = s.run_id WHERE {} ORDER BY ALL", "s."),
    ]
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shapes, wheres)
def test_leaving_files_out_changes_no_answer(days: Warehouse, shape: tuple[str, str], where: str) -> None:
    """Whatever the condition and the shape of the question, the pruned answer is the answer over all files."""
    sql = shape[0].format(where.format(shape[1]))
    query = check(sql, serialize)
    engine = days.snapshots.engine()
    wanted = wishes(query.statement, (), moment)
    pruned = rows_of(engine.cursor(query.tables, wishes=wanted), sql)
    assert rows_of(engine.cursor(query.tables), sql).to_pylist() == pruned.to_pylist()


MAIN = (
    (
        "a run's scores",
        f"SELECT name, value FROM scores WHERE run_id = '{R2}'",
        {"clean": 1, "dirty": 1},
        """
        UNION
          READ_PARQUET name, value
          HASH_JOIN ANTI: _file = file, _row = row
            PROJECTION name, value, _row, _file
              READ_PARQUET name, value; (run_id = '...')
            SEQ_SCAN hidden_score_history
          PROJECTION #0, #1
            FILTER
              PYTHON_ARROW_SCAN name, value, run_id, _current
        """,
    ),
    (
        "a table without hidden rows",
        "SELECT status, count(*) AS n FROM runs WHERE started_at >= '2026-09-04' GROUP BY 1",
        {"clean": 2},
        """
        HASH_GROUP_BY
          PROJECTION status
            READ_PARQUET status; (started_at >= '...'::TIMESTAMP WITH TIME ZONE)
        """,
    ),
)
"""A question, how many files of each kind it is given, and the engine's plan: no other branch, no deduplication."""


@pytest.mark.parametrize(("sql", "files", "plan"), [case[1:] for case in MAIN], ids=[case[0] for case in MAIN])
def test_the_plan_of_the_main_questions(days: Warehouse, sql: str, files: dict[str, int], plan: str) -> None:
    """The engine opens just those files, filters in the scan, and drops hidden rows by file and row number alone."""
    query = check(sql, serialize)
    engine = days.snapshots.engine()
    cursor = engine.cursor(query.tables, wishes=wishes(query.statement, (), moment))
    table = "score_history" if "scores" in query.tables else "runs"
    for kind, count in files.items():
        assert cursor.execute(f"SELECT len(getvariable('{kind}_{table}'))").fetchone() == (count,)
    [(_, text)] = cursor.execute(f"EXPLAIN (FORMAT json) {sql}").fetchall()
    assert textwrap.dedent(plan).strip() == "\n".join(lines(json.loads(text)[0]))


def lines(node: dict[str, Any], depth: int = 0) -> Iterator[str]:
    """Yield a plan as indented text: operator, columns, join, filters; literals left out."""
    facts = node["extra_info"]
    told = node["name"].strip()
    if "Conditions" in facts:
        told += f" {facts['Join Type']}: {', '.join(facts['Conditions'])}"
    elif "Table" in facts:
        told += f" {facts['Table'].rpartition('.')[2]}"
    elif "Projections" in facts:
        listed = facts["Projections"]
        told += f" {listed if isinstance(listed, str) else ', '.join(listed)}"
        if "Filters" in facts:
            told += "; " + re.sub(r"'[^']*'", "'...'", str(facts["Filters"]))
    yield "  " * depth + told
    for child in node["children"]:
        yield from lines(child, depth + 1)
