"""One run, one trace, one payload: everything that was sent, in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from queries.drill import cursors
from queries.drill import spans as spans_module
from queries.drill.reading import Reader
from queries.drill.usage import calls_among
from tests.queries.drill.world import START_MS, ask, counted, land, usage_of, walked
from warehouse.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from tests.queries.drill.conftest import Known
    from tests.support.rows import Warehouse

RUN = "run/1 ünï"


def step(id_: str, attempt: int, **more: Any) -> dict[str, Any]:
    """Return an attempt of a step of the run."""
    at = START_MS + 100 * attempt
    made = {"type": "step", "run_id": RUN, "id": id_, "attempt": attempt, "started_at": at, "ended_at": at + 50}
    return made | {"status": "Errored", "input": {"try": attempt}} | more


@pytest.fixture
def told(warehouse: Warehouse) -> Warehouse:
    """A workspace with a run of which everything is known."""
    run = {"type": "run", "id": RUN, "status": "Completed", "queued_at": START_MS, "started_at": START_MS + 10}
    run |= {"ended_at": START_MS + 1_000, "event_ids": ["e1", "gone"], "parent_run_id": "parent", "input": "x" * 5_000}
    run |= {"output": {"ok": True}, "attributes": {"tier": "gold"}, "sessions": {"k": "s"}}
    spans = [
        {"trace": "a" * 32, "span": f"{n:016x}", "parent": f"{1:016x}" if n > 1 else None, "name": f"s{n}", "run": RUN}
        | {"start": START_MS + 20 * n, "end": START_MS + 20 * n + 5, "llm": n == 2, "failed": False}
        | {"tokens": (7, 3) if n == 2 else None}
        for n in (1, 2, 3)
    ]
    records: list[dict[str, Any]] = [
        run,
        {"type": "run", "id": "child", "status": "Running", "parent_run_id": RUN, "queued_at": START_MS},
        {
            "type": "event",
            "id": "e1",
            "name": "order.placed",
            "data": {"n": 1},
            "ts": START_MS,
            "sessions": {"k": "of event"},
        },
        step("think", 0),
        step("think", 1, status="Completed", output={"done": True}),
        step("act", 0, started_at=START_MS + 400, ended_at=START_MS + 500, status="Completed", loop_index=0),
        step("act", 0, started_at=START_MS + 600, ended_at=START_MS + 700, status="Completed", loop_index=1),
        {"type": "score", "name": "solved", "value": True, "run_id": RUN, "ts": START_MS, "comment": "c" * 3_000},
        {"type": "score", "name": "useful", "value": 0.5, "run_id": RUN, "step_id": "think", "ts": START_MS},
        {"type": "score", "name": "terse", "value": 1.0, "trace_id": "a" * 32, "span_id": f"{2:016x}", "ts": START_MS},
        {"type": "assignment", "run_id": RUN, "experiment": "prompt", "variant": "b"},
        {"type": "metadata", "run_id": RUN, "kind": "userland.note", "values": {"a": 1}},
        {"type": "deferral", "id": "d", "scorer_id": "csat", "run_id": RUN, "created_at": START_MS},
    ]
    land(warehouse, records, spans)
    return warehouse


@pytest.mark.parametrize("seal", [False, True])
def test_everything_that_was_sent(told: Warehouse, *, seal: bool) -> None:
    """Attempts under their step, scores where they were earned, relatives, events, what still waits."""
    if seal:
        told.seal()
    found = ask(told, "run", id=RUN)
    assert ("Completed", 990.0, "parent") == (found.run.status, found.run.duration_ms, found.run.parent_run_id)
    assert (2_000, 5_002, '{"ok":true}') == (len(found.input.text), found.input.length, found.output.text)
    assert [
        ("think", 0, "Completed", 0.0, 2),
        ("act", 0, "Completed", 400.0, 1),
        ("act", 1, "Completed", 600.0, 1),
    ] == [(one.id, one.loop_index, one.status, one.start_offset_ms, len(one.attempts)) for one in found.steps]
    assert [("Errored", '{"try":0}', None), ("Completed", '{"try":1}', '{"done":true}')] == [
        (one.status, one.input.text, one.output and one.output.text) for one in found.steps[0].attempts
    ]
    assert ["useful"] == [score.name for score in found.steps[0].scores]
    assert [("solved", 2_000)] == [(score.name, len(score.comment)) for score in found.scores]
    assert [("s1", 0, 20.0), ("s2", 1, 40.0), ("s3", 1, 60.0)] == [
        (span.name, span.depth, span.start_offset_ms) for span in found.spans
    ]
    assert [[], ["terse"], []] == [[score.name for score in span.scores] for span in found.spans]
    assert [(7, 3)] == [(call.input_tokens, call.output_tokens) for call in found.model_calls]
    assert (1, 7, 3) == (found.run.usage.calls, found.run.usage.input_tokens, found.run.usage.output_tokens)
    assert [("k", "of event"), ("k", "s")] == [(pair.key, pair.id) for pair in found.sessions]
    assert [("prompt", "b")] == [(one.experiment, one.variant) for one in found.run.assignments]
    assert [("userland.note", '{"a":1}')] == [(one.kind, one.values.text) for one in found.metadata]
    assert [("csat", "waiting")] == [(one.scorer_id, one.status) for one in found.deferrals]
    assert [("e1", "order.placed"), ("gone", None)] == [(event.id, event.name) for event in found.events]
    assert ("parent", None, ["child"]) == (found.parent.id, found.parent.status, [one.id for one in found.children])


@pytest.mark.parametrize(
    ("given_", "text"),
    [
        ({"of": "input"}, '"' + "x" * 5_000 + '"'),
        ({"of": "error"}, None),
        ({"of": "input", "step": "think"}, '{"try":1}'),
        ({"of": "input", "step": "think", "attempt": 0}, '{"try":0}'),
        ({"of": "output", "step": "act", "loop": 1}, None),
        ({"of": "error", "span": f"{2:016x}"}, None),
    ],
)
def test_a_payload_as_a_whole(told: Warehouse, given_: dict[str, Any], text: str | None) -> None:
    """Of the run, of a step's newest attempt or a named one, of a span."""
    assert text == ask(told, "payload", id=RUN, **given_).text


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"of": "input", "step": "none"}, "no such attempt of a step 'none'"),
        ({"of": "input", "span": "none"}, "has no span 'none'"),
        ({"of": "input", "step": "a", "span": "b"}, "step and span are both given"),
        ({"of": "input", "loop": 1}, "loop is given without step"),
        ({"of": "secrets"}, "'of' is 'secrets', must be one of input, output, error"),
    ],
)
def test_a_payload_that_is_not_there(told: Warehouse, given_: dict[str, Any], message: str) -> None:
    """Not found, or a bad question."""
    with pytest.raises(InputError, match=message):
        ask(told, "payload", id=RUN, **given_)


def test_a_run_that_is_only_spoken_of(known: Known) -> None:
    """No record, but a score and a variant: there, with nothing of its own."""
    found = ask(known.warehouse, "run", id="ghost")
    assert (None, None, ["quality"], "b") == (
        found.run.status,
        found.input,
        [score.name for score in found.scores],
        found.run.assignments[0].variant,
    )


def test_an_unknown_run(told: Warehouse) -> None:
    """The same id in another case is near; a trace's id says whose it is."""
    with pytest.raises(NotFoundError, match="no run 'CHILD' is here") as caught:
        ask(told, "run", id="CHILD")
    assert "did you mean 'child'?" == caught.value.hint
    with pytest.raises(NotFoundError) as caught:
        ask(told, "run", id="a" * 32)
    assert f"it is a trace of the run {RUN!r}" == caught.value.hint


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_a_trace_is_its_spans_in_order(known: Known, limit: int) -> None:
    """Every span once over the pages; totals of the whole on each page, leaf calls only."""
    for trace in {span["trace"] for span in known.world.spans}:
        own = [span for span in known.world.spans if span["trace"] == trace]
        pages = walked(known.warehouse, "trace", "spans", trace_id=trace, limit=limit)
        rows = [row for page in pages for row in page]
        assert sorted(span["span"] for span in own) == sorted(row.span_id for row in rows)
        assert {span["span"] for span in counted(own)} == {row.span_id for row in rows if row.counts}
        whole = ask(known.warehouse, "trace", trace_id=trace, limit=limit)
        begun, ended = min(span["start"] for span in own), max(span["end"] for span in own)
        assert (len(own), ended - begun, sum(span["failed"] for span in own), [own[0]["run"] or trace]) == (
            whole.span_count,
            whole.duration_ms,
            whole.error_count,
            whole.run_ids,
        )
        assert usage_of(own) == (whole.usage.calls, whole.usage.input_tokens, whole.usage.output_tokens)
        offsets = {span["span"]: span["start"] - begun for span in own}
        assert offsets == {row.span_id: row.start_offset_ms for row in rows}
        assert {span["span"] for span in own if span["parent"] == "f" * 16} == {
            row.span_id for row in rows if row.place == "orphan"
        }


def test_calls_of_some_traces_are_those_of_the_view(known: Known) -> None:
    """The narrowed text of `model_calls` says over each trace what the view says of it, runs included."""
    read = Reader(known.warehouse.snapshots.engine())
    columns = "trace_id, span_id, run_id, model, input_tokens"
    views = read.rows(f"SELECT {columns} FROM model_calls ORDER BY ALL", tables=["model_calls"])
    found: list[dict[str, Any]] = []
    for trace in sorted({span["trace"] for span in known.world.spans}):
        found += read.rows(
            f"WITH {calls_among('trace_id = ?')} SELECT {columns} FROM calls ORDER BY ALL",
            [trace, trace],
            tables=["internal.current_spans", "internal.current_trace_runs"],
        )
    known.warehouse.snapshots.release()
    assert views == found and views


def test_a_tree_has_its_bounds(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace of more spans than a tree is made of says so and shows those that began first; totals are of all."""
    monkeypatch.setattr(spans_module, "TREE_SPANS", 3)
    own = [span for span in known.world.spans if span["trace"] == known.world.spans[0]["trace"]]
    found = ask(known.warehouse, "trace", trace_id=own[0]["trace"])
    assert (True, len(own)) == (found.tree_truncated, found.span_count)
    first = sorted(own, key=lambda span: (span["start"], span["span"]))[:3]
    assert {span["span"] for span in first} == {row.span_id for row in found.spans}


def test_a_trace_that_is_not_here(told: Warehouse) -> None:
    """The id as OpenTelemetry writes it is near; a cursor of another trace's span is refused."""
    with pytest.raises(NotFoundError, match="no span of the trace") as caught:
        ask(told, "trace", trace_id="A" * 32)
    assert f"did you mean {'a' * 32!r}?" == caught.value.hint
    elsewhere = cursors.written("spans", ("b" * 32, "c" * 16))
    with pytest.raises(InputError, match="which is not there any more"):
        ask(told, "trace", trace_id="a" * 32, cursor=elsewhere)
