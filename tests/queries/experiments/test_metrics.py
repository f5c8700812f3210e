"""What a report measures besides scores: a run's own properties, and saved queries. Oracle: plain Python."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from queries.experiments.metrics import RUN_METRICS
from tests.queries.experiments.workspace import START, Workspace
from warehouse.errors import InputError

SECOND = dt.timedelta(seconds=1)


def traffic() -> tuple[Workspace, dict[str, dict[str, float]]]:
    """Return 60 runs of two variants with steps and model calls, and the value of each metric per run."""
    random = np.random.default_rng(3)
    workspace = Workspace()
    runs: list[dict[str, Any]] = []
    steps: list[dict[str, Any]] = []
    spans: list[dict[str, Any]] = []
    expected: dict[str, dict[str, float]] = defaultdict(dict)
    for n in range(60):
        run, variant = f"r{n}", "ab"[n % 2]
        status = ["Completed", "Failed", "Cancelled", "Running"][int(random.integers(4))]
        seconds = int(random.integers(1, 50))
        ended = None if status == "Running" else START + seconds * SECOND
        runs.append({"id": run, "status": status, "started_at": START, "ended_at": ended,
                     "duration_ms": None if ended is None else seconds * 1000.0})  # fmt: skip
        attempts = random.integers(0, 3, int(random.integers(0, 4))).tolist()
        steps += [{"run_id": run, "id": f"s{at}", "attempt": attempt} for at, attempt in enumerate(attempts)]
        calls = random.integers(1, 100, (int(random.integers(0, 3)), 2)).tolist()
        for at, (read, written) in enumerate(calls):
            spans.append({"trace_id": run, "span_id": f"{run}-{at}", "run_id": run, "type": "llm", "input_tokens": read,
                          "output_tokens": None if written > 90 else written, "cost_usd": written / 1000,
                          "end_time": START + SECOND})  # fmt: skip
        spans.append({"trace_id": run, "span_id": f"{run}-x", "run_id": run, "type": "tool", "input_tokens": 1_000_000,
                      "cost_usd": 1e6, "end_time": START})  # fmt: skip
        workspace.assign([{"run_id": run, "variant": variant, "unit": f"u{n}"}])
        if ended is None:
            continue
        expected["duration_ms"][run] = seconds * 1000
        expected["failed"][run] = float(status == "Failed")
        expected["retries"][run] = float(sum(attempts))
        expected["steps"][run] = float(len(attempts))
        if calls:
            expected["tokens"][run] = sum(read + (0 if written > 90 else written) for read, written in calls)
            expected["cost_usd"][run] = sum(written / 1000 for _, written in calls)
    workspace.insert("runs", runs)
    workspace.insert("steps", steps)
    workspace.insert("spans", spans)
    return workspace, expected


@pytest.mark.parametrize("name", RUN_METRICS)
def test_a_property_of_the_run(name: str) -> None:
    """Only runs that ended have one; model calls count, other spans do not; less is better."""
    workspace, expected = traffic()
    made = workspace.report(score=f"run:{name}", control="a", maturity="0s")
    for variant in made["variants"]:
        values = [value for run, value in expected[name].items() if "ab"[int(run[1:]) % 2] == variant["variant"]]
        assert variant["scored_runs"] == len(values)
        assert variant["mean"] == pytest.approx(np.mean(values))
    assert made["kind"] == ("boolean" if name == "failed" else "numeric")
    assert made["options"]["higher_is_better"] == {"value": False, "origin": "default"}


def test_an_unknown_property_is_named_with_the_nearest() -> None:
    """As score, secondary score and guardrail."""
    workspace, _ = traffic()
    asked: list[dict[str, Any]] = [
        {"score": "run:cost"},
        {"score": "run:steps", "secondary_scores": '["run:cost"]'},
        {"score": "run:steps", "guardrails": '[{"score": "run:cost", "margin": 0}]'},
    ]
    for request in asked:
        with pytest.raises(InputError, match="score is 'run:cost', which is no property of a run") as caught:
            workspace.report(**request)
        assert caught.value.hint == "did you mean 'run:cost_usd'?"


def test_a_saved_query_is_a_metric() -> None:
    """Several rows of a run count as their mean; runs of other experiments and nulls do not count."""
    workspace, expected = traffic()
    workspace.queries["long"] = "SELECT id AS run_id, duration_ms > 20000 AS value FROM runs -- over 20 s"
    made = workspace.report(score="query:long", control="a", maturity="0s")
    values = {run: float(ms > 20_000) for run, ms in expected["duration_ms"].items()}
    assert made["kind"] == "boolean"
    for variant in made["variants"]:
        own = [value for run, value in values.items() if "ab"[int(run[1:]) % 2] == variant["variant"]]
        assert (variant["scored_runs"], variant["mean"]) == (len(own), pytest.approx(np.mean(own)))
    assert made["receipt"]["queries"] == {"long": workspace.queries["long"]}
    workspace.queries["twice"] = (
        "SELECT run_id, v AS value FROM assignments, (VALUES (1), (2), (NULL)) t(v) UNION ALL SELECT 'stranger', 9"
    )
    twice = workspace.report(score="query:twice", control="a", maturity="0s")
    assert {v["mean"] for v in twice["variants"]} == {1.5}


def test_a_scores_declared_kind_and_range_are_held_against_what_came() -> None:
    """A silent change is flagged; what keeps to the declaration is not."""
    workspace = Workspace()
    workspace.fill({"a": [[0.0], [1.0]] * 10, "b": [[1.0], [0.5]] * 10})
    workspace.insert("score_definitions", [{"name": "s", "kind": "boolean", "min": 0.0, "max": 1.0}])
    assert "kind_changed" in workspace.report()["verdict"]["flags"]
    assert "out_of_range" not in workspace.report()["verdict"]["flags"]
    workspace.connection.execute("UPDATE score_definitions SET kind = 'numeric', max = 0.9")
    flags = workspace.report()["verdict"]["flags"]
    assert ("kind_changed" in flags, "out_of_range" in flags) == (False, True)
