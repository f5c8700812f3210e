"""`GET /v1/scores/{name}`: against plain Python over the same records."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from ingest.declare import score_definition
from tests.queries.drill.world import START_MS, ask, at_ms, land, runs_of
from tests.support.rows import NOW
from warehouse.errors import NotFoundError
from warehouse.log import encode

if TYPE_CHECKING:
    from tests.queries.drill.conftest import Known
    from tests.support.rows import Warehouse

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    "given_",
    [
        {},
        {"from": START_MS + DAY_MS, "to": START_MS + 3 * DAY_MS},
        {"function": "answer"},
        {"function": "triage", "from": START_MS + 2 * DAY_MS},
    ],
)
@pytest.mark.parametrize("name", ["solved", "quality", "tone"])
def test_how_a_score_is_spread(known: Known, name: str, given_: dict[str, Any]) -> None:
    """Totals, bars, days, functions and variants of the scores in a time and a function."""
    functions = {run["id"]: run.get("function_id") for run in runs_of(known.world)}
    low, high = given_.get("from", 0), given_.get("to", 1 << 60)
    function = given_.get("function")
    scores = [
        score
        for score in known.world.of("score")
        if score["name"] == name
        and low <= score["ts"] < high
        and function in {None, functions.get(score.get("run_id", ""))}
    ]
    found = ask(known.warehouse, "score", name=name, **given_)
    values = [float(score["value"]) for score in scores if "value" in score]
    assert len(scores) == found.n == sum(one.n for one in found.distribution) == sum(day.n for day in found.trend)
    assert (pytest.approx(sum(values) / len(values)) if values else None) == found.mean
    days = Counter(dt.datetime.fromtimestamp(score["ts"] / 1000, dt.UTC).date().isoformat() for score in scores)
    assert days == {day.day: day.n for day in found.trend}
    if name == "solved":
        assert [("false", values.count(0.0)), ("true", values.count(1.0))] == [
            (b.label, b.n) for b in found.distribution
        ]
    if name == "tone":
        labels = Counter(score["label"] for score in scores)
        assert labels == {one.label: one.n for one in found.distribution}
    if name == "quality":
        bars = [(one.low, one.high, one.n) for one in found.distribution]
        assert (20, min(values), max(values)) == (len(bars), bars[0][0], bars[-1][1])
        for low_edge, high_edge, n in bars:  # eighths lie within bars, or on an edge that is theirs exactly
            last = high_edge == bars[-1][1]
            assert n == sum(low_edge <= value < high_edge or (last and value == high_edge) for value in values)
    scope = {run["id"] for run in runs_of(known.world) if low <= at_ms(run) < high}
    scope = {run for run in scope if function in {None, functions[run]}}
    scored = {score.get("run_id") for score in scores} & scope
    assert (len(scope), len(scored)) == (found.runs, found.scored_runs)
    by_function = Counter(functions[run] for run in scored)
    assert by_function == {one.function_id: one.scored_runs for one in found.by_function if one.scored_runs}


def test_variants_without_a_score_are_shown(warehouse: Warehouse) -> None:
    """Coverage of none is what one looks for."""
    assigned = [
        {"type": "assignment", "run_id": run, "experiment": "e", "variant": variant, "ts": START_MS}
        for run, variant in (("1", "a"), ("2", "a"), ("3", "b"))
    ]
    land(warehouse, [*assigned, {"type": "score", "name": "solved", "value": True, "run_id": "1", "ts": START_MS}])
    found = ask(warehouse, "score", name="solved")
    assert [("a", 2, 1, 1, 1.0), ("b", 1, 0, 0, None)] == [
        (one.variant, one.runs, one.scored_runs, one.n, one.mean) for one in found.by_variant
    ]


@pytest.mark.parametrize("values", [[1.7e308, -1.7e308], [5e-324, 0.0], [3.0, 3.0], [0.0, 1e-300]])
def test_bars_of_any_doubles(warehouse: Warehouse, values: list[float]) -> None:
    """A range that is no double, one that is none, the smallest: every score is in a bar."""
    land(
        warehouse,
        [{"type": "score", "name": "x", "value": v, "run_id": str(i), "ts": START_MS} for i, v in enumerate(values)],
    )
    found = ask(warehouse, "score", name="x")
    assert len(values) == sum(one.n for one in found.distribution)
    assert (min(values), max(values)) == (found.distribution[0].low, found.distribution[-1].high)


def test_a_score_that_is_only_declared(warehouse: Warehouse) -> None:
    """An answer without numbers; an unknown one is not found, with the nearest name."""
    warehouse.log.append(
        encode({"score_definitions": score_definition("solved", {"kind": "boolean", "owner": "quality"}, NOW)})
    ).result(10)
    found = ask(warehouse, "score", name="solved")
    assert (0, None, [], "quality") == (found.n, found.coverage, found.distribution, found.declared["owner"])
    land(warehouse, [{"type": "score", "name": "csat", "value": 1, "run_id": "r"}])
    with pytest.raises(NotFoundError, match="no score 'csta' is declared or seen") as caught:
        ask(warehouse, "score", name="csta")
    assert "did you mean 'csat'?" == caught.value.hint
