"""Spans are joined to runs, sessions, experiments and scores; a trace that names no run is one of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.otel.joining import Joining
from tests.ingest.otel.sent import START_US, Event, Span, made, table

RUN = "upshot.run_id"


def trace(number: int) -> str:
    return f"{number:032x}"


def us(moment: Any) -> int:
    return round(moment.timestamp() * 1_000_000)


spans = st.lists(
    st.builds(
        Span,
        st.sampled_from(["r", "s", "", " ", "x" * 513, None, None, None]).map(
            lambda run: {} if run is None else {RUN: run}
        ),
        trace=st.integers(1, 2),
        id=st.integers(1, 9),
        parent=st.none() | st.integers(1, 9),
        start_us=st.integers(START_US, START_US + 3),
    ),
    min_size=1,
    max_size=12,
)


def own_run(span: Span) -> str | None:
    run = span.attributes.get(RUN)
    return run if run and run.strip() and len(run) <= 512 else None


def run_of(span: Span, sent: list[Span]) -> str | None:
    """Return the run of a span by walking up; the first of several spans of one id is a parent."""
    first: dict[tuple[int, int], Span] = {}
    for one in sent:
        first.setdefault((one.trace, one.id), one)
    at, seen = span, set[int]()
    while own_run(at) is None and at.parent is not None and id(at) not in seen:
        seen.add(id(at))
        above = first.get((at.trace, at.parent))
        if above is None:
            break
        at = above
    named = {own_run(one) for one in sent if one.trace == span.trace} - {None}
    return own_run(at) or (named.pop() if len(named) == 1 else None)


@settings(max_examples=300)
@given(spans)
@example([Span({}, id=2, parent=3), Span({}, id=3, parent=2), Span({RUN: "r"}, id=4), Span({RUN: "s"}, id=5)])
@example([Span({RUN: "r"}, trace=1, id=1), Span({}, trace=2, id=2, parent=1), Span({RUN: "s"}, trace=2, id=3)])
def test_a_span_belongs_to_its_own_its_nearest_or_its_traces_only_run(sent: list[Span]) -> None:
    """Over several traces, with rings, missing parents and ids twice: as a walk up the tree says."""
    rows = made(*sent)
    assert [run_of(span, sent) for span in sent] == [row["run_id"] for row in table(rows, "spans")]
    named: dict[tuple[str, str], int] = {}
    for span in sent:
        run = own_run(span)
        if run is not None:
            key = trace(span.trace), run
            named[key] = min(span.start_us, named.get(key, span.start_us))
    assert named == {(row["trace_id"], row["run_id"]): us(row["ts"]) for row in table(rows, "trace_runs")}
    assert len(named) == len(table(rows, "trace_runs"))


def test_a_chain_of_spans_is_no_deeper_for_being_long() -> None:
    """Ten thousand spans, each the child of the one before, belong to the first one's run."""
    chain = [Span({RUN: "r"} if at == 1 else {}, id=at, parent=at - 1 or None) for at in range(1, 10_001)]
    other = Span({RUN: "s"}, id=20_000)
    assert ["r"] * 10_000 + ["s"] == [row["run_id"] for row in table(made(*chain, other), "spans")]


def test_run_attributes_have_an_order() -> None:
    """Ours, Inngest's, then those of this installation."""
    join = Joining(run_ids=("b", "a"))
    sent = [
        {"a": "1", "b": "2", "sdk.run.id": "3", RUN: "4"},
        {"a": "1", "b": "2", "sdk.run.id": "3"},
        {"a": "1", "b": "2"},
    ]
    rows = made(*(Span(of, trace=at + 1) for at, of in enumerate(sent)), join=join)
    assert ["4", "3", "2"] == [row["run_id"] for row in table(rows, "spans")]


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        (Span(end_us=START_US + 5), {"status": "Completed", "started_at": START_US, "ended_at": START_US + 5}),
        (Span(end_us=None), {"status": "Running", "ended_at": None}),
        (Span(status=2, message='no "luck"'), {"status": "Failed", "error": '"no \\"luck\\""'}),
        (Span(status=2), {"status": "Failed", "error": None}),
        (Span(status=1, message="m"), {"status": "Completed", "error": None}),
        (Span({"user.id": "u"}), {"user_id": "u", "environment": "prod", "release": "7", "attributes": None}),
        (Span(name=" "), {"function_id": None}),
        (Span(name="é" * 300), {"function_id": "é" * 256}),
    ],
)
def test_a_trace_that_names_no_run_is_one(root: Span, expected: dict[str, Any]) -> None:
    """With the root's name, times, status and user; its children make none."""
    resource = {"deployment.environment.name": "prod", "service.version": "7"}
    (row,) = table(made(root, Span(id=2, parent=1), resource=resource), "runs")
    found = {name: us(row[name]) if name.endswith("_at") and row[name] else row[name] for name in expected}
    assert {"id": trace(1), "trace_id": trace(1), **expected} == {
        name: row[name] for name in ("id", "trace_id")
    } | found


def test_a_trace_that_names_a_run_is_none_of_its_own() -> None:
    """Not even when the root does not name it; a trace without its root waits for it."""
    assert [] == table(made(Span(), Span({RUN: "r"}, id=2, parent=1)), "runs")
    assert [] == table(made(Span(id=2, parent=1)), "runs")


def test_sessions_of_spans_join_their_runs() -> None:
    """Each pair once, since its earliest span, under the key that follows from the attribute."""
    named = {"session.id": "s", "gen_ai.conversation.id": "c", "upshot.session.ticket": "t", "my.session": "m"}
    rows = made(
        Span({RUN: "r", **named}, start_us=START_US + 2),
        Span({"session.id": "s"}, id=2, parent=1, start_us=START_US + 1),
        Span({"session.id": "s"}, trace=2),
        Span({"session.id": 5, "upshot.session.": "x", "gen_ai.conversation.id": "c" * 513}, trace=3),
        join=Joining(sessions={"my.session": "mine"}),
    )
    expected = {
        ("session_id", "s", "r", START_US + 1),
        ("conversation_id", "c", "r", START_US + 2),
        ("ticket", "t", "r", START_US + 2),
        ("mine", "m", "r", START_US + 2),
        ("session_id", "s", trace(2), START_US),
        ("session_id", "5", trace(3), START_US),
    }
    found = table(rows, "session_runs")
    assert expected == {(row["session_key"], row["session_id"], row["run_id"], us(row["ts"])) for row in found}
    assert len(expected) == len(found)
    assert ["key", "id"] == [reason.split()[2] for reason in sorted(rows.reasons, reverse=True)]


def test_experiments_of_spans_are_assignments() -> None:
    """Ours and Inngest's, each once, at the earliest span's start."""
    ours = {RUN: "r", "upshot.experiment": "e", "upshot.variant": "v", "upshot.unit": "u"}
    inngests = {
        "sdk.run.id": "q",
        "inngest.experiment.name": "f",
        "inngest.experiment.variant": "w",
        "inngest.experiment.selection_strategy": "weighted",
        "inngest.experiment.variant_weights": '{"w": 1, "x": 3}',
    }
    rows = made(
        Span(ours, start_us=START_US + 1),
        Span(ours, id=2),
        Span(inngests, trace=2),
        Span({"upshot.experiment": "no variant"}, trace=3),
        Span({"upshot.experiment": "x" * 129, "upshot.variant": "v"}, trace=4),
    )
    ours_row, inngests_row = sorted(table(rows, "assignments"), key=lambda row: row["experiment"])
    assert ("r", "e", "v", "u", START_US) == (
        *(ours_row[name] for name in ("run_id", "experiment", "variant", "unit")),
        us(ours_row["ts"]),
    )
    assert ("q", "f", "w", None, "weighted") == tuple(
        inngests_row[name] for name in ("run_id", "experiment", "variant", "unit", "strategy")
    )
    assert {"w": 1, "x": 3} == json.loads(inngests_row["weights"])
    assert 1 == len(rows.reasons) and rows.reasons[0].startswith("experiment ")
    internal = rows.tables["assignments"].to_pylist()
    assert {(False, True)} == {(row["_implied"], row["_given"]) for row in internal}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (
            {"feature_flag.key": "f", "feature_flag.result.variant": "on", "feature_flag.context.id": "acct"}
            | {"feature_flag.result.reason": "split"},
            [("f", "on", "acct", "split")],
        ),
        ({"feature_flag.key": "f", "feature_flag.variant": "off"}, [("f", "off", None, None)]),
        ({"feature_flag.key": "f", "feature_flag.result.value": True}, []),
        ({"feature_flag.result.variant": "on"}, []),
    ],
)
@pytest.mark.parametrize("name", ["feature_flag.evaluation", "feature_flag"])
def test_evaluations_of_feature_flags_are_assignments(name: str, attributes: dict[str, Any], expected: Any) -> None:
    """Flag, variant, and what the flag was evaluated for, at the event's time."""
    rows = table(made(Span({RUN: "r"}, events=(Event("other", attributes), Event(name, attributes)))), "assignments")
    assert expected == [tuple(row[name] for name in ("experiment", "variant", "unit", "strategy")) for row in rows]
    assert {("r", START_US + 7)} >= {(row["run_id"], us(row["ts"])) for row in rows}


def score(**more: Any) -> Event:
    named = {"name": "gen_ai.evaluation.name", "value": "gen_ai.evaluation.score.value"}
    named |= {"label": "gen_ai.evaluation.score.label", "why": "gen_ai.evaluation.explanation", "else_": "else"}
    return Event("gen_ai.evaluation.result", {named[key]: value for key, value in more.items()})


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (score(name="n", value=0.5, why="so"), {"value": 0.5, "kind": "numeric", "comment": "so", "label": None}),
        (score(name="n", value=2), {"value": 2.0, "kind": "numeric"}),
        (score(name="n", value="0.25"), {"value": 0.25, "kind": "numeric"}),
        (score(name="n", value=True), {"value": 1.0, "kind": "boolean"}),
        (score(name="n", value=False, label="bad"), {"value": 0.0, "kind": "boolean", "label": "bad"}),
        (score(name="n", label="good"), {"value": None, "kind": "label", "label": "good"}),
        (score(name="n", value=1, else_="more"), {"attributes": '{"else":"more"}'}),
        (score(name="n", value="true"), None),
        (score(name="n", value=float("nan")), None),
        (score(name="n"), None),
        (score(name="it's", value=1), None),
        (score(value=1), None),
    ],
)
def test_evaluation_results_are_scores(event: Event, expected: dict[str, Any] | None) -> None:
    """A number, a truth value or a label; what is none of these is left out, and said."""
    rows = made(Span({RUN: "r"}, events=(event,)))
    found = table(rows, "score_history")
    if expected is None:
        assert [] == found and 1 == len(rows.reasons)
        assert 1 == rows.tables["spans"].num_rows and 0 == rows.rejected
    else:
        (row,) = found
        assert expected == {name: row[name] for name in expected}
        assert (START_US + 7, "r/n", ()) == (us(row["ts"]), row["id"], rows.reasons)


def test_a_score_is_about_its_run_or_its_span() -> None:
    """About the run at its root, named or the trace itself; else about the span, in its run if one is known."""
    event = (score(name="n", value=1),)
    rows = made(
        Span({RUN: "r"}, events=event),
        Span(id=2, parent=1, events=event),
        Span({RUN: "q"}, id=3, parent=1, events=event),
        Span(trace=2, events=event),
        Span(trace=2, id=2, parent=1, events=event),
    )
    expected = {
        "r/n": ("r", None, None),
        f"r/span/{trace(1)}/{2:016x}/n": ("r", trace(1), f"{2:016x}"),
        "q/n": ("q", None, None),
        f"{trace(2)}/n": (trace(2), None, None),
        f"@trace/{trace(2)}/{2:016x}/n": (None, trace(2), f"{2:016x}"),
    }
    found = table(rows, "score_history")
    assert expected == {row["id"]: (row["run_id"], row["trace_id"], row["span_id"]) for row in found}
    assert {None} == {row["step_id"] for row in found}


def test_a_time_that_cannot_be_stored_is_the_spans() -> None:
    """An event of 1970 is not refused for its time."""
    event = Event("gen_ai.evaluation.result", score(name="n", value=1).attributes, time_us=0)
    (row,) = table(made(Span({RUN: "r"}, events=(event,))), "score_history")
    assert START_US == us(row["ts"])
