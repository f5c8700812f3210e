"""Merging: the same records in any order, any grouping into requests and seals, give the same rows.

The oracle is a plain reading of DESIGN section 3 in Python, one record at a time, that knows nothing of SQL.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.rows import NOW, Warehouse, assignment, run, score, step
from warehouse.schema import FILES, STATUS_RANK, FileTable

SECOND = 1_000_000

FIELDS = ("status", "started_at", "ended_at", "queued_at", "app_id", "output")


def newest_fields(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what records of one run come to: of each field the newest non-null value."""

    def version(record: dict[str, Any]) -> tuple[int, ...]:
        times = (record.get(name) or 0 for name in ("ended_at", "started_at", "queued_at"))
        return (STATUS_RANK[str(record["status"])], *times)

    merged: dict[str, Any] = {}
    for record in sorted(records, key=version):
        merged |= {name: record[name] for name in FIELDS if record.get(name) is not None}
    return merged


times = st.none() | st.integers(0, 5).map(lambda n: NOW + n * SECOND)
run_records = st.lists(
    st.fixed_dictionaries(
        {
            "status": st.sampled_from(["Queued", "Running", "Completed", "Failed"]),
            "queued_at": times,
            "started_at": times,
            "ended_at": times,
            "app_id": st.none() | st.sampled_from(["a", "b"]),
            "output": st.none() | st.sampled_from(['{"x":1}', '{"x":2}']),
        }
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda r: (
        STATUS_RANK[str(r["status"])],
        *(r[name] or 0 for name in ("ended_at", "started_at", "queued_at")),
    ),
)
"""Records of one run, no two of one version: ties are excepted by the design."""

SLOW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SLOW
@given(run_records, st.data())
def test_a_run_merges_the_same_in_any_order_and_any_seals(records: list[dict[str, Any]], data: st.DataObject) -> None:
    """Whatever the order of arrival, the requests and the moments of sealing, a run's row is the oracle's."""
    order = data.draw(st.permutations(records))
    seals = data.draw(st.lists(st.booleans(), min_size=len(order), max_size=len(order)))
    with tempfile.TemporaryDirectory() as folder, Warehouse(Path(folder)) as warehouse:
        for record, seal in zip(order, seals, strict=True):
            warehouse.append("runs", run("r", **record))
            if seal:
                warehouse.seal()
        expected = newest_fields(records)
        names = ", ".join(f"epoch_us({name})" if name.endswith("_at") else name for name in FIELDS)
        hot = warehouse.ask(f"SELECT {names} FROM runs")
        warehouse.seal()
        sealed = warehouse.ask(f"SELECT {names} FROM runs")
    assert [tuple(expected.get(name) for name in FIELDS)] == hot == sealed


score_writes = st.lists(
    st.tuples(st.sampled_from(["s1", "s2"]), st.integers(0, 2).map(float), st.none() | st.integers(0, 3)),
    min_size=1,
    max_size=7,
)


def score_state(writes: list[tuple[str, float, int | None]]) -> dict[str, tuple[float, int]]:
    """Return id -> (current value, number of versions) after writes in order of arrival."""
    kept: dict[str, list[tuple[int, int, float]]] = {}
    for arrival, (id_, value, at) in enumerate(writes):
        versions = kept.setdefault(id_, [])
        ts = NOW + arrival * SECOND if at is None else NOW - 100 * SECOND + at * SECOND
        if at is not None and any(seen == (ts, value) for seen in ((t, v) for t, _, v in versions)):
            continue
        if at is None and versions and versions[-1][2] == value:
            continue
        versions.append((ts, arrival, value))
    return {id_: (max(versions)[2], len(versions)) for id_, versions in kept.items()}


@SLOW
@given(score_writes, st.data())
def test_scores_replace_and_keep_history(writes: list[tuple[str, float, int | None]], data: st.DataObject) -> None:
    """A new value replaces the old one, an identical resend adds nothing, and history has every other write."""
    seals = data.draw(st.lists(st.booleans(), min_size=len(writes), max_size=len(writes)))
    with tempfile.TemporaryDirectory() as folder, Warehouse(Path(folder)) as warehouse:
        for arrival, ((id_, value, at), seal) in enumerate(zip(writes, seals, strict=True)):
            now = NOW + arrival * SECOND
            ts = None if at is None else NOW - 100 * SECOND + at * SECOND
            warehouse.append("score_history", score(id_, value, received_at=now, ts=ts))
            if seal:
                warehouse.seal()
        sql = (
            "SELECT s.id, s.value, h.n FROM scores s "
            "JOIN (SELECT id, count(*) AS n FROM score_history GROUP BY 1) h USING (id)"
        )
        hot = {id_: (value, n) for id_, value, n in warehouse.ask(sql)}
        warehouse.seal()
        sealed = {id_: (value, n) for id_, value, n in warehouse.ask(sql)}
    assert score_state(writes) == hot == sealed


@SLOW
@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from("abc"), st.integers(0, 9)),
        min_size=1,
        max_size=6,
        unique_by=lambda r: (r[0], r[2]),
    ),
    st.data(),
)
def test_the_first_assignment_stays(records: list[tuple[bool, str, int]], data: st.DataObject) -> None:
    """The earliest assignment record stays, then the earliest one a score implied, in any order of arrival."""
    order = data.draw(st.permutations(records))
    seals = data.draw(st.lists(st.booleans(), min_size=len(order), max_size=len(order)))
    with tempfile.TemporaryDirectory() as folder, Warehouse(Path(folder)) as warehouse:
        for (implied, variant, at), seal in zip(order, seals, strict=True):
            warehouse.append("assignments", assignment("r", variant, NOW + at, _implied=implied))
            if seal:
                warehouse.seal()
        expected = min(records, key=lambda r: (r[0], r[2]))[1]
        assert [(expected,)] == warehouse.ask("SELECT variant FROM assignments")
        warehouse.seal()
        assert [(expected,)] == warehouse.ask("SELECT variant FROM assignments")


def test_steps_show_the_newest_attempt_and_attempts_show_all(warehouse: Warehouse) -> None:
    """A late record of an older attempt reaches `step_attempts` and leaves `steps` alone."""
    warehouse.append("step_attempts", step("r", "s", 1, status="Completed", output='"second"'))
    warehouse.seal()
    warehouse.append("step_attempts", step("r", "s", 0, status="Errored", error='"first"'))
    for _ in range(2):
        assert warehouse.ask("SELECT attempt, status, output, error FROM steps") == [(1, "Completed", '"second"', None)]
        assert warehouse.ask("SELECT attempt, status FROM step_attempts ORDER BY 1") == [
            (0, "Errored"),
            (1, "Completed"),
        ]
        warehouse.seal()


def test_an_identical_resend_writes_nothing(warehouse: Warehouse) -> None:
    """A run, a score and an assignment sent again change no row, no file and no time of receipt."""
    sent = (
        ("runs", run("r", status="Completed", ended_at=NOW)),
        ("score_history", score("s", 1.0)),
        ("assignments", assignment("r", "a", NOW)),
    )
    for table, row in sent:
        warehouse.append(table, row)
    warehouse.seal()
    count = (
        "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM score_history), (SELECT count(*) FROM assignments)"
    )
    files = sorted(path.name for path in warehouse.root.rglob("*.parquet"))
    for table, row in sent:
        received = {"received_at": NOW + SECOND} | ({"ts": NOW + SECOND} if table == "score_history" else {})
        warehouse.append(table, row | received)
    warehouse.seal()
    assert warehouse.ask(count) == [(1, 1, 1)]
    assert files == sorted(path.name for path in warehouse.root.rglob("*.parquet"))
    assert warehouse.ask("SELECT epoch_us(received_at) FROM runs") == [(NOW,)]


@pytest.mark.parametrize("table", FILES, ids=lambda table: table.name)
def test_every_table_takes_a_row_twice_and_keeps_it_once(warehouse: Warehouse, table: FileTable) -> None:
    """A row of any table sent again, at once or after a seal, is there once, hot and sealed."""
    row: dict[str, Any] = {
        name: "k" for name in (*table.key, *table.current_key) if name not in ("loop_index", "attempt")
    }
    row |= {name: 0 for name in table.key if name in ("loop_index", "attempt")}
    row |= {name: NOW for name in (*table.order, *table.time) if name not in ("status", "_implied")}
    row |= {table.received: NOW, "_given": True, "_day_id": "k"}
    count = f'SELECT count(*) FROM internal."{table.name}"'
    warehouse.append(table.name, row, row)
    assert [(1,)] == warehouse.ask(count)
    warehouse.seal()
    warehouse.append(table.name, row)
    assert [(1,)] == warehouse.ask(count)
    warehouse.seal()
    assert [(1,)] == warehouse.ask(count)
