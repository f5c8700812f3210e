"""Recipes on tau-bench's airline runs (gpt-4o, MIT): 50 tasks, four trials each."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from math import comb
from statistics import fmean
from typing import TYPE_CHECKING, Any

import pytest

from tests.queries.cookbook.reading import HALF, milliseconds, parts
from tests.queries.cookbook.workspace import Record, Workspace, holding
from tests.support.command import SHARED

if TYPE_CHECKING:
    from collections.abc import Iterator

AIRLINE = SHARED / "tau-bench-airline.ndjson"
PASS_1 = 0.42
"""pass^1 of gpt-4o, function calling, airline: the benchmark's own table says 0.420 (tau-bench's README)."""

pytestmark = pytest.mark.skipif(not AIRLINE.exists(), reason="shared/data/tau-bench-airline.ndjson is absent")


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """The records, in the order in which they were written."""
    return [json.loads(line) for line in AIRLINE.read_text().splitlines()]


@pytest.fixture(scope="module")
def airline(records: list[Record]) -> Iterator[Workspace]:
    """They, landed."""
    with holding(records) as workspace:
        yield workspace


def of(records: list[Record], type_: str) -> list[Record]:
    return [record for record in records if record["type"] == type_]


def solved(records: list[Record]) -> dict[str, bool]:
    return {score["run_id"]: score["value"] for score in of(records, "score")}


def test_sessions_by_length_give_the_published_rate(airline: Workspace, records: list[Record]) -> None:
    """A task's four trials are a session: 50 of four runs, whose mean is the benchmark's pass^1."""
    [row] = [row for row in airline.rows("session-length-outcome") if row["session_key"] == "task_id"]
    assert ("task-solved", 4, 50) == (row["score"], row["runs"], row["sessions"])
    values = solved(records)
    assert pytest.approx(fmean(values.values()), abs=HALF) == row["mean"]
    assert round(sum(values.values()) / comb(200, 1), 2) == PASS_1 == round(row["mean"], 2)


def test_scores_by_latency(airline: Workspace, records: list[Record]) -> None:
    """Fifths of 40 runs."""
    fifths = parts({run["id"]: milliseconds(run) for run in of(records, "run")}, 5)
    values: dict[int, list[float]] = defaultdict(list)
    for run_id, value in solved(records).items():
        values[fifths[run_id]].append(float(value))
    rows = airline.rows("score-by-latency")
    assert [1, 2, 3, 4, 5] == [row["fifth"] for row in rows]
    for row in rows:
        assert (40, pytest.approx(fmean(values[row["fifth"]]), abs=HALF)) == (row["scores"], row["mean"])


def test_agents_that_go_round_in_circles(airline: Workspace, records: list[Record]) -> None:
    """The same tool with the same arguments more than once in a run, whether it worked or not."""
    asked = Counter(
        (step["run_id"], step["name"], json.dumps(step["input"], sort_keys=True))
        for step in of(records, "step")
        if "input" in step
    )
    most = sorted((n for n in asked.values() if n > 1), reverse=True)[:100]
    rows = airline.rows("repeated-steps")
    assert most and most == [row["times"] for row in rows]
    found: dict[tuple[Any, Any], set[int]] = defaultdict(set)
    for (run_id, name, _), times in asked.items():
        found[run_id, name].add(times)
    assert all(row["times"] in found[row["run_id"], row["step"]] for row in rows)


def test_slowest_steps(airline: Workspace, records: list[Record]) -> None:
    """Attempts and hours by step."""
    attempts: dict[tuple[str, str], list[float]] = defaultdict(list)
    for step in of(records, "step"):
        attempts[step["name"], step["step_type"]].append(milliseconds(step))
    rows = airline.rows("slowest-steps")
    assert len(attempts) == len(rows)
    for row in rows:
        lasts = attempts[row["step"], row["type"]]
        assert (len(lasts), pytest.approx(sum(lasts) / 3.6e6, abs=0.0051)) == (row["attempts"], row["hours"])
