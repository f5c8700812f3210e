"""Recipes on a handful of records of which the answer is known by eye: the traps that the demo does not have."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from api.demo.traces import traces
from api.demo.traffic import traffic
from tests.queries.cookbook.conftest import DEMO_NOW
from tests.queries.cookbook.workspace import RECIPE, Record, Workspace, holding, otlp

START = int(dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC).timestamp() * 1000)
HOUR = 3_600_000


def run(id_: str, **fields: Any) -> Record:
    made: Record = {"type": "run", "id": id_, "function_id": "f", "status": "Completed"}
    return made | {"queued_at": START, "started_at": START, "ended_at": START + 1_000} | fields


def score(run_id: str, value: float | str, name: str = "solved", **fields: Any) -> Record:
    said = {"label": value} if isinstance(value, str) else {"value": value}
    return {"type": "score", "run_id": run_id, "name": name, "ts": START + HOUR, **said, **fields}


def test_coverage_counts_labels_and_no_scores_of_steps() -> None:
    """A label is a score; a score of a step is none of its run; what only another function has is not missing."""
    records = [
        run("a"),
        run("b"),
        run("c", status="Failed"),
        run("d", status="Running", ended_at=None),
        run("g", function_id="other"),
        score("a", "calm", name="mood"),
        score("a", 1.0),
        score("b", 0.5, step_id="s"),
        score("b", 0.5, name="of-a-step", step_id="s"),
    ]
    with holding([{k: v for k, v in record.items() if v is not None} for record in records]) as workspace:
        rows = workspace.rows("score-coverage")
        assert [("mood", "f", 3, 1, 0.3333), ("solved", "f", 3, 1, 0.3333)] == [tuple(row.values()) for row in rows]
        without = {(row["function_id"], row["status"]): row["without_score"] for row in
                   workspace.rows("runs-without-score")}  # fmt: skip
        assert {("f", "Completed"): 0, ("f", "Failed"): 1, ("other", "Completed"): 1} == without


OF_RUNS = (
    "bad-sessions", "cost-per-good-outcome", "coverage-by-age", "judge-against-users", "model-by-segment",
    "prompt-length-outcome", "score-by-latency", "score-by-release", "score-correlation", "score-coverage",
    "score-drift-by-week", "scorer-disagreement", "session-length-outcome", "variant-by-segment", "variant-means",
)  # fmt: skip
"""Recipes that speak of runs as a whole."""


def the_same(rows: list[Record], others: list[Record]) -> bool:
    """Tell whether rows agree in all but the last digit of a sum, which differs between two runs of one query.

    A fraction that ends in a 5 is then rounded either way, to one in its last place; and the interval of two units of
    unlike size magnifies that digit, so intervals are left out.
    """
    return len(rows) == len(others) and all(
        other[name] == (pytest.approx(value, abs=1.5e-4) if isinstance(value, float) else value)
        for row, other in zip(rows, others, strict=True)
        for name, value in row.items()
        if name not in ("low", "high")
    )


def test_what_is_said_of_a_step_is_not_said_of_its_run() -> None:
    """The scores of steps and spans, contrary and of other scorers, change no recipe about runs."""
    records = list(traffic(now=DEMO_NOW, accounts=12))
    bodies = list(traces(records))
    of_runs = [one for one in records if one["type"] == "score" and "run_id" in one and "step_id" not in one]
    contrary: list[Record] = []
    for n, one in enumerate(of_runs):
        if one["name"] in ("resolved", "answer-quality", "csat"):
            said = {"type": "score", "run_id": one["run_id"], "name": one["name"], "value": one["value"] is not True}
            said |= {"source": one["source"], "scorer_id": "another", "ts": DEMO_NOW.isoformat()}
            contrary.append(said | {"id": f"step-{n}", "step_id": "call-model"})
            contrary.append(said | {"id": f"span-{n}", "trace_id": f"{n + 1:032x}", "span_id": f"{n + 1:016x}"})
    with holding(records, bodies) as plain, holding([*records, *contrary], bodies) as told:
        for name in OF_RUNS:
            assert the_same(plain.rows(name), told.rows(name)), name
        assert plain.rows("corrected-scores") != told.rows("corrected-scores")


def test_records_that_say_little(empty: Workspace) -> None:
    """Runs, steps, scores and spans with nothing but what they must have: no recipe fails, and none invents."""
    bare: list[Record] = [
        {"type": "run", "id": "a", "status": "Completed"},
        {"type": "run", "id": "b", "status": "Failed"},
        {"type": "run", "id": "c", "status": "Running"},
        {"type": "step", "run_id": "a", "id": "s", "status": "Errored", "attempt": 0},
        {"type": "step", "run_id": "nobody", "id": "s", "status": "Failed", "attempt": 1, "error": "gone"},
        {"type": "score", "run_id": "a", "name": "solved", "value": True},
        {"type": "score", "run_id": "nobody", "name": "solved", "value": False},
        {"type": "score", "run_id": "b", "name": "mood", "label": "calm"},
        {"type": "assignment", "run_id": "a", "experiment": "e", "variant": "v"},
        {"type": "deferral", "run_id": "b", "scorer_id": "s"},
        {"type": "event", "id": "e", "name": "n", "ts": START},
    ]
    silent: Record = {"trace": 9, "span": 1, "name": "chat", "start": START, "end": START, "told": {}}
    with holding(bare, [otlp(silent, silent | {"span": 2, "told": {"gen_ai.operation.name": "chat"}})]) as workspace:
        for name, recipe in RECIPE.items():
            workspace.rows(name)
            assert empty.columns(recipe) == workspace.columns(recipe)
        assert [("", "gone", 1, 1, 0)] == [tuple(row.values())[:5] for row in workspace.rows("error-messages")
                                           if row["message"]]  # fmt: skip
        assert {(None, "Completed", 1), (None, "Failed", 1)} <= {
            (row["function_id"], row["status"], row["runs"]) for row in workspace.rows("runs-without-score")
        }
        assert [(None, 1, 1)] == [(row["p"], row["units"], len(row["seen"])) for row in workspace.rows("sample-ratio")]


def test_a_judge_that_ties() -> None:
    """Of four pairs the judge is right in two and undecided in one: 2.5 of 4."""
    records = [run(name) for name in "abcd"]
    judged, solved = {"a": 0.9, "b": 0.4, "c": 0.4, "d": 0.6}, {"a": True, "b": True, "c": False, "d": False}
    records += [score(name, value, name="judge", source="llm") for name, value in judged.items()]
    records += [score(name, value, source="human") for name, value in solved.items()]
    with holding(records) as workspace:
        [row] = workspace.rows("judge-against-users")
        assert (2, 2, 0.65, 0.5, 0.625) == (
            row["good_runs"], row["bad_runs"], row["mean_when_good"], row["mean_when_bad"], row["auc"]
        )  # fmt: skip


def test_a_bad_outcome_is_the_declared_direction_s() -> None:
    """`hallucinated` is declared with false as good, so true is bad; the newest of a session decides."""
    records = [
        run("a", sessions={"ticket": "1"}),
        run("b", sessions={"ticket": "1"}, started_at=START + 10),
        run("c", sessions={"ticket": "2"}),
        run("d", sessions={"ticket": "3"}),
        score("a", False),  # replaced by what was said of the later run
        score("b", True, ts=START + 2 * HOUR),
        score("c", False),
        score("c", False, name="hallucinated"),
        score("d", True, name="hallucinated"),
    ]
    declared = [("scores", "hallucinated", {"kind": "boolean", "higher_is_better": False})]
    with holding(records, declarations=declared) as workspace:
        rows = workspace.rows("bad-sessions")
        assert [("2", "solved"), ("3", "hallucinated")] == [(row["session_id"], row["score"]) for row in rows]


def call(span: int, parent: int | None, start: int, end: int, **told: Any) -> Record:
    usage = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "house", "gen_ai.usage.input_tokens": 100}
    made: Record = {"trace": 7, "span": span, "name": "chat", "start": START + start, "end": START + end}
    return made | ({"parent": parent} if parent else {}) | {"told": usage | {"upshot.run_id": "a"} | told}


def test_a_wrapper_is_not_counted_twice() -> None:
    """A model span around two that report tokens is no call of its own: two calls, 200 tokens, 3 seconds."""
    wrapper = call(1, None, 0, 5_000, **{"gen_ai.usage.input_tokens": 200, "gen_ai.usage.cost": 0.02})
    inner = [
        call(2, 1, 0, 1_000, **{"gen_ai.usage.cache_read.input_tokens": 50, "gen_ai.usage.cost": 0.01}),
        call(3, 1, 2_000, 4_000, **{"gen_ai.usage.cost": 0.01}),
    ]
    with holding([run("a")], [otlp(wrapper, *inner)]) as workspace:
        [day] = workspace.rows("model-cost-latency-by-day")
        assert (2, 0.02, 1500, 1950) == (day["calls"], day["usd"], day["p50_ms"], day["p95_ms"])
        [cached] = workspace.rows("cached-input-share")
        assert (200, 50, 0.25) == (cached["input_tokens"], cached["cached_tokens"], cached["cached_share"])
        [trace] = workspace.rows("longest-traces")
        assert ("a", 3, 5, 3) == (trace["run_id"], trace["spans"], trace["seconds"], trace["model_s"])
        [function] = workspace.rows("cost-by-function")
        assert (1, 0.02, 2) == (function["runs"], function["usd"], function["calls_per_run"])


def test_an_agent_that_goes_round_in_circles() -> None:
    """Three times the same call; another run's call and other arguments are none of it."""

    def tool(span: int, arguments: str, run_id: str = "a", **more: Any) -> Record:
        told = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search", "upshot.run_id": run_id}
        told["gen_ai.tool.call.arguments"] = arguments
        made: Record = {"trace": 7 if run_id == "a" else 8, "span": span, "name": "search"}
        return made | {"start": START, "end": START + 200, "told": told} | more

    spans = [tool(1, "x"), tool(2, "x"), tool(3, "x", error="down"), tool(4, "y"), tool(5, "x", run_id="b")]
    steps = [
        {"type": "step", "run_id": "a", "id": f"s{n}", "name": "search", "status": "Completed", "attempt": 0}
        | {"input": {"q": words}, "started_at": START, "ended_at": START + 50}
        for n, words in enumerate(["x", "x", "y"])
    ]
    steps.append(steps[0] | {"id": "s8", "status": "Failed"})
    steps.append(steps[0] | {"id": "s9", "status": "Errored"})  # its next attempt is to come
    with holding([run("a"), run("b"), *steps], [otlp(*spans)]) as workspace:
        [row] = workspace.rows("repeated-tool-calls")
        assert ("a", "search", 3, 1, 600, "x") == tuple(row.values())
        [role] = workspace.rows("span-errors")
        assert ("tool", "search", 5, 1, 0.2, "down") == tuple(role.values())
        [again] = workspace.rows("repeated-steps")
        assert ("a", "search", 3, 1, 150, '{"q":"x"}') == tuple(again.values())
        [failing] = workspace.rows("tool-failures")
        assert (5, 1, 0.2, 2) == (failing["calls"], failing["failed"], failing["rate"], failing["runs"])


def test_a_broken_assignment_is_noticed() -> None:
    """Weights of one to one, 80 units against 20: p of chi-square 36 with one degree of freedom, 2e-9."""
    assigned = [
        {"type": "assignment", "run_id": f"r{n}", "experiment": "e", "variant": "a" if n % 5 else "b", "unit": f"u{n}"}
        | {"weights": {"a": 1, "b": 1}, "ts": START}
        for n in range(100)
    ]
    twice = assigned[0] | {"run_id": "again"}  # a unit's second run is no second unit
    torn = [assigned[0] | {"run_id": f"torn-{n}", "unit": "torn", "variant": variant} for n, variant in enumerate("ab")]
    with holding([*assigned, twice, *torn]) as workspace:
        [row] = workspace.rows("sample-ratio")
        assert ("e", 100, {"a": 80, "b": 20}) == (row["experiment"], row["units"], row["seen"])
        assert pytest.approx(1.973e-9, rel=1e-3) == row["p"]
        shares = workspace.rows("variant-share-by-day")  # who had both variants is in both
        assert [("a", 81, 0.7941), ("b", 21, 0.2059)] == [
            (row["variant"], row["units"], row["share"]) for row in shares
        ]


def test_a_run_in_two_experiments_counts_once_in_each() -> None:
    """And a value that is no yes or no is no proportion of solved."""
    records = [run("a"), run("b"), score("a", True), score("b", False)]
    records += [
        {"type": "assignment", "run_id": name, "experiment": experiment, "variant": "v", "ts": START}
        for name in "ab"
        for experiment in ("one", "two")
    ]
    with holding(records, [otlp(call(1, None, 0, 500, **{"gen_ai.usage.cost": 0.5}))]) as workspace:
        rows = workspace.rows("variant-means")
        assert [("one", 2, 2, 0.5), ("two", 2, 2, 0.5)] == [
            (row["experiment"], row["runs"], row["scored"], row["mean"]) for row in rows
        ]
        costs = workspace.rows("cost-per-good-outcome")  # only the run whose cost is known
        assert [("one", 1, 1, 0.5), ("two", 1, 1, 0.5)] == [
            (row["experiment"], row["runs"], row["good"], row["usd_per_good"]) for row in costs
        ]


def test_a_function_that_a_release_broke_leads() -> None:
    """Ten of ten fail after none of ten; the function that fails as ever is below it."""
    records: list[Record] = []
    for n in range(10):
        for release, at in (("1", START), ("2", START + 24 * HOUR)):
            times = {"started_at": at + n, "ended_at": at + n + 5, "release": release}
            broken = "Failed" if release == "2" else "Completed"
            records.append(run(f"broken-{release}-{n}", function_id="broken", status=broken, **times))
            records.append(
                run(f"same-{release}-{n}", function_id="same", status="Failed" if n < 5 else "Completed") | times
            )
    with holding(records) as workspace:
        rows = workspace.rows("newly-failing")
        assert [("broken", 0.0, 1.0, 1.0), ("same", 0.5, 0.5, 0.0)] == [
            (row["function_id"], row["failed_before"], row["failed_newest"], row["difference"]) for row in rows
        ]
        assert rows[0]["low"] > 0.5


def test_errors_of_one_cause_are_one_row() -> None:
    """Numbers and long ids differ, the cause does not; a message that is a plain text is read too."""
    errors: list[Any] = [
        {"name": "E", "message": "order 12 of 0f8b6a1c-77aa-4b7e-9a7e-0123456789ab is locked"},
        {"name": "E", "message": "order 7 of 1f8b6a1c-77aa-4b7e-9a7e-0123456789ff is locked"},
        {"name": "E", "message": "order of nobody"},
    ]
    steps = [
        {"type": "step", "run_id": "a", "id": f"s{n}", "name": "s", "status": "Errored", "attempt": 0, "error": error}
        | {"started_at": START, "ended_at": START + 50}
        for n, error in enumerate(errors)
    ]
    with holding([run("a"), *steps]) as workspace:
        rows = workspace.rows("error-messages")
        assert [("order # of # is locked", 2, 1), ("order of nobody", 1, 1)] == [
            (row["message"], row["attempts"], row["runs"]) for row in rows
        ]


def test_without_any_declaration_more_is_better() -> None:
    """Scores nobody declared are in every answer; labels are no means, and no bad outcomes."""
    records = [run(name, attributes={"plan": "pro"}, sessions={"ticket": name}, release="1") for name in "ab"]
    records += [score("a", 0.2, name="quality"), score("b", 0.8, name="quality"), score("a", "calm", name="mood")]
    records += [
        {"type": "assignment", "run_id": name, "experiment": "e", "variant": name, "ts": START} for name in "ab"
    ]
    calls = [
        call(1, None, 0, 500, **{"gen_ai.usage.output_tokens": 9}),
        call(2, None, 0, 500, **{"upshot.run_id": "b", "gen_ai.request.model": "other"}) | {"trace": 8},
    ]
    with holding(records, [otlp(*calls)]) as workspace:
        assert [("a", 0.2), ("b", 0.8)] == [(row["run_id"], row["value"]) for row in workspace.rows("low-scored-runs")]
        assert [] == workspace.rows("bad-sessions")
        for name, column, first in (("variant-by-segment", "variant", "b"), ("model-by-segment", "model", "other")):
            rows = workspace.rows(name)
            assert [("quality", "pro", first, 0.8, 1)] == [
                (row["score"], row["segment"], row[column], row["mean"], row["place"]) for row in rows[:1]
            ]
            assert 2 == len(rows)
        assert ["quality"] == [row["score"] for row in workspace.rows("score-drift-by-week")]
        assert ["quality"] == [row["score"] for row in workspace.rows("score-by-release")]


def test_times_count_from_the_end_of_a_long_run() -> None:
    """Ten hours of work, the outcome one hour later and again five hours later; another outcome is still awaited."""
    records = [run("a", ended_at=START + 10 * HOUR), run("b", ended_at=START + 10 * HOUR)]
    records += [
        score("a", 1.0, ts=START + 11 * HOUR, scorer_id="s", id="first"),
        score("a", 0.0, ts=START + 15 * HOUR, scorer_id="s", id="second"),
        *({"type": "deferral", "run_id": name, "scorer_id": "s", "created_at": START + 10 * HOUR} for name in "ab"),
        {"type": "deferral", "run_id": "c", "scorer_id": "s", "created_at": START + 12 * HOUR},
        {"type": "run", "id": "new", "function_id": "never-ended", "status": "Running", "started_at": START + 9 * HOUR},
    ]
    with holding(records) as workspace:
        [delay] = workspace.rows("outcome-delay")
        assert (2, 3, 4.6, 4.96) == tuple(delay.values())[1:]
        [awaited] = workspace.rows("overdue-outcomes")  # b waits for two hours, a waited for one
        assert ("s", 0, 3, 1, 2, 1) == tuple(awaited.values())
        [stuck] = workspace.rows("stuck-runs")
        assert ("new", 60, None) == (stuck["run_id"], stuck["minutes"], stuck["usual_p99_s"])
