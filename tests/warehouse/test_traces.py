"""Spans, runs and traces across requests: whose run a span is, and which model calls count."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.rows import NOW, assignment, run, score

if TYPE_CHECKING:
    from tests.support.rows import Warehouse

TRACE, OTHER = "a" * 32, "b" * 32


def span(id_: str, parent: str | None = None, trace: str = TRACE, **columns: Any) -> dict[str, Any]:
    """Return a row of `spans` as the OTLP routes make it."""
    return {
        "trace_id": trace, "span_id": id_, "parent_span_id": parent, "name": id_, "type": "other", "start_time": NOW,
        "end_time": NOW + 1000, "status_code": "UNSET", "attributes": [], "resource_attributes": [],
        "_received_at": NOW, "_given": True, "_day_id": "2026-09-21", **columns,
    }  # fmt: skip


def named(trace: str, run_id: str) -> dict[str, Any]:
    """Return a row of `trace_runs`."""
    return {"trace_id": trace, "run_id": run_id, "ts": NOW, "_received_at": NOW, "_given": True, "_day_id": trace}


def of_trace(trace: str) -> dict[str, Any]:
    """Return the run that a trace without a named one is."""
    return run(trace, trace_id=trace, function_id="root", status="Completed", started_at=NOW)


def test_a_score_of_a_span_is_of_the_run_that_its_trace_names(warehouse: Warehouse) -> None:
    """A log record knows trace and span only; another request names the run. Where none does, there is none."""
    of_span: dict[str, Any] = {"run_id": None, "span_id": "child"}
    warehouse.append("score_history", score("s1", 1.0, trace_id=TRACE, **of_span))
    warehouse.append("score_history", score("s2", 1.0, trace_id=OTHER, **of_span))
    asked = "SELECT id, run_id, span_id FROM scores ORDER BY 1"
    assert [("s1", None, "child"), ("s2", None, "child")] == warehouse.ask(asked)
    warehouse.append("trace_runs", named(TRACE, "r1"))
    for _ in range(2):
        assert [("s1", "r1", "child"), ("s2", None, "child")] == warehouse.ask(asked)
        assert [("s1",)] == warehouse.ask("SELECT id FROM scores WHERE run_id = 'r1'")
        warehouse.seal()


def test_calls_that_others_wrap_are_found_a_thousand_levels_up(warehouse: Warehouse) -> None:
    """Beyond, both count: a bound on the time that a chain of spans can take."""
    for trace, length in ((TRACE, 900), (OTHER, 1_100)):
        calls = {0: {"type": "llm", "input_tokens": 5}, length: {"type": "llm", "input_tokens": 7}}
        warehouse.append(
            "spans",
            *(span(f"s{n}", f"s{n - 1}" if n else None, trace, **calls.get(n, {})) for n in range(length + 1)),
        )
    usage = "SELECT trace_id, sum(input_tokens) FROM model_calls GROUP BY 1 ORDER BY 1"
    assert [(TRACE, 7), (OTHER, 12)] == warehouse.ask(usage)


RUNS = "SELECT span_id, run_id FROM spans ORDER BY 1"


@pytest.mark.parametrize("seal", [False, True])
def test_a_trace_is_a_run_until_it_names_one(warehouse: Warehouse, *, seal: bool) -> None:
    """Children and root first, the span that names the run in a later request: all follow, their own run is gone.

    Another trace stays a run of its own. A condition on the run must not leave files out.
    """
    warehouse.append("spans", span("child", "root"), span("root"), span("alone", trace=OTHER))
    warehouse.append("runs", of_trace(TRACE), of_trace(OTHER))
    if seal:
        warehouse.seal()
    assert [("alone", OTHER), ("child", TRACE), ("root", TRACE)] == warehouse.ask(RUNS)
    assert [(TRACE,), (OTHER,)] == warehouse.ask("SELECT id FROM runs ORDER BY 1")
    warehouse.append("spans", span("late", "child", run_id="r1"))
    warehouse.append("trace_runs", named(TRACE, "r1"))
    for _ in range(2):
        assert [("alone", OTHER), ("child", "r1"), ("late", "r1"), ("root", "r1")] == warehouse.ask(RUNS)
        assert [(OTHER,)] == warehouse.ask("SELECT id FROM runs ORDER BY 1")
        assert [(3,)] == warehouse.ask("SELECT count(*) FROM spans WHERE run_id = 'r1'")
        if seal:
            warehouse.seal()


def test_a_trace_of_several_runs_gives_none_to_the_rest(warehouse: Warehouse) -> None:
    """Spans keep the run they name; one that names none has none."""
    warehouse.append("spans", span("1", run_id="r1"), span("2", run_id="r2"), span("3"))
    warehouse.append("trace_runs", named(TRACE, "r1"), named(TRACE, "r2"))
    warehouse.append("runs", of_trace(TRACE))
    assert [("1", "r1"), ("2", "r2"), ("3", None)] == warehouse.ask(RUNS)
    assert [] == warehouse.ask("SELECT id FROM runs")


@pytest.mark.parametrize("seal", [False, True])
def test_what_was_said_of_the_trace_is_said_of_its_run(warehouse: Warehouse, *, seal: bool) -> None:
    """Sessions, assignments and scores with the trace's id as run; a trace that names no run keeps them."""
    for trace in (TRACE, OTHER):
        pair = {"session_key": "t", "session_id": "1", "run_id": trace, "ts": NOW, "_received_at": NOW, "_given": True}
        warehouse.append("session_runs", pair | {"_day_id": trace})
        warehouse.append("assignments", assignment(trace, "b", NOW, unit="u"))
        warehouse.append("score_history", score(f"s-{trace}", 0.5, run_id=trace))
    warehouse.append("assignments", assignment("r1", "a", NOW - 1, unit="u"))
    if seal:
        warehouse.seal()
    warehouse.append("trace_runs", named(TRACE, "r1"))
    for _ in range(2):
        assert [(OTHER,), ("r1",)] == warehouse.ask("SELECT run_id FROM session_runs ORDER BY 1")
        assert [(OTHER, "b"), ("r1", "a")] == warehouse.ask("SELECT run_id, variant FROM assignments ORDER BY 1")
        assert [(0.5,)] == warehouse.ask("SELECT value FROM scores WHERE run_id = 'r1'")
        assert [(0.5,)] == warehouse.ask("SELECT value FROM score_history WHERE run_id = 'r1'")
        assert [("a", 0.5)] == warehouse.ask("SELECT variant, value FROM experiment_scores WHERE run_id = 'r1'")
        warehouse.seal()


def test_a_run_whose_id_is_its_traces_stays(warehouse: Warehouse) -> None:
    """It names itself."""
    warehouse.append("spans", span("1", run_id=TRACE))
    warehouse.append("trace_runs", named(TRACE, TRACE))
    warehouse.append("runs", of_trace(TRACE))
    assert [(TRACE,)] == warehouse.ask("SELECT id FROM runs")


CALL: dict[str, Any] = {
    "type": "llm",
    "input_tokens": 10,
    "output_tokens": 5,
    "cost_usd": 0.25,
    "response_model": "m",
    "provider": "p",
}
TRACES = itertools.count(1)
WRAPPERS = st.lists(st.sampled_from(["llm with usage", "llm", "agent", "other"]), max_size=6)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(WRAPPERS, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_wrapping_a_call_changes_no_total(warehouse: Warehouse, calls: list[list[str]], order: Any) -> None:
    """Each call in any wrappers, some of which repeat its usage: as many calls, tokens and dollars as calls made."""
    trace = f"{next(TRACES):032x}"
    rows = [span("root", None, trace, run_id=None)]
    for number, wrappers in enumerate(calls):
        parent = "root"
        for depth, wrapper in enumerate(wrappers):
            own: dict[str, Any] = {"type": wrapper.split()[0], **(CALL if wrapper == "llm with usage" else {})}
            rows.append(span(f"w{number}-{depth}", parent, trace, **own))
            parent = f"w{number}-{depth}"
        rows.append(span(f"call{number}", parent, trace, **CALL))
    order.shuffle(rows)
    warehouse.append("spans", *rows)
    usage = "SELECT calls, input_tokens, output_tokens, cost_usd, priced_calls FROM run_usage"
    n = len(calls)
    [found] = warehouse.ask(f"{usage} WHERE run_id = '{trace}'")
    assert (10 * n, 5 * n, 0.25 * n, n) == found[1:]
    calls_of = f"SELECT count(*) FROM model_calls WHERE trace_id = '{trace}' AND cost_usd IS NOT NULL"
    assert [(n,)] == warehouse.ask(calls_of)


def test_usage_by_model_tool_and_session(warehouse: Warehouse) -> None:
    """Counted by hand; an unknown cost is no cost, and errors are counted."""
    failed: dict[str, Any] = {**CALL, "cost_usd": None, "status_code": "ERROR"}
    warehouse.append(
        "spans",
        span("1", "0", run_id="r", **CALL, ttft_ms=100.0),
        span("2", "0", run_id="r", **failed, ttft_ms=300.0),
        span("3", "0", run_id="r", type="tool", tool_name="search", status_code="ERROR"),
        span("4", "0", run_id="r", type="tool", tool_name="search", end_time=NOW + 3000),
    )
    pair = {"session_key": "t", "session_id": "1", "run_id": "r", "ts": NOW, "_received_at": NOW}
    warehouse.append("session_runs", pair | {"_given": False, "_day_id": "r"})
    model = "SELECT provider, model, calls, errors, input_tokens, cost_usd, priced_calls, ttft_ms_p50 FROM model_usage"
    assert [("p", "m", 2, 1, 20, 0.25, 1, 200.0)] == warehouse.ask(model)
    tool = "SELECT tool_name, calls, errors, error_rate, duration_ms_p50 FROM tool_usage"
    assert [("search", 2, 1, 0.5, 2.0)] == warehouse.ask(tool)
    assert [(20, 10, 0.25)] == warehouse.ask("SELECT input_tokens, output_tokens, cost_usd FROM sessions")
