"""The waterfall: every step and span once, below what it belongs to, inside the width."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from api.pages import timeline

if TYPE_CHECKING:
    from api.pages.timeline import Row

BEGAN = dt.datetime(2026, 11, 20, 9, 30, tzinfo=dt.UTC)
offsets = st.none() | st.floats(-1_000, 100_000)
lengths = st.none() | st.floats(0, 50_000)
STEP_IDS = ("plan", "answer", "send")


def at(ms: float | None) -> str | None:
    """Return a time so many milliseconds after the beginning, as bodies have it."""
    return None if ms is None else (BEGAN + dt.timedelta(milliseconds=ms)).isoformat()


def attempt(number: int, start: float | None, length: float | None, status: str = "Completed") -> dict[str, Any]:
    """Return an `Attempt` of the drill-down, what the waterfall reads of it."""
    return {"attempt": number, "status": status, "started_at": at(start), "duration_ms": length}


def step(id_: str, start: float | None, *tries: dict[str, Any], loop: int | None = None) -> dict[str, Any]:
    """Return a `Step`."""
    return {"id": id_, "loop_index": loop, "type": "run", "start_offset_ms": start, "attempts": [*tries]}


def span(id_: str, depth: int, start: float | None, length: float | None, step_id: str | None = None) -> dict[str, Any]:
    """Return a `SpanRow`."""
    return {"span_id": id_, "depth": depth, "start_offset_ms": start, "duration_ms": length, "step_id": step_id}


@st.composite
def steps(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw steps of a run: an id may come again in a loop, each with up to three attempts."""
    keys = draw(st.lists(st.tuples(st.sampled_from(STEP_IDS), st.none() | st.integers(0, 2)), unique=True, max_size=6))
    return [
        step(id_, draw(offsets), *(attempt(n, draw(offsets), draw(lengths)) for n in range(tries)), loop=loop)
        for id_, loop in keys
        for tries in [draw(st.integers(0, 3))]
    ]


@st.composite
def spans(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw spans as the drill-down sends them: a parent before its children, so depth grows by one at the most."""
    made: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 12))):
        depth = draw(st.integers(0, made[-1]["depth"] + 1)) if made else 0
        named = draw(st.none() | st.sampled_from((*STEP_IDS, "a step that is not here")))
        made.append(span(f"s{number}", depth, draw(offsets), draw(lengths), named))
    return made


def parents(found: list[dict[str, Any]]) -> dict[str, str | None]:
    """Return each span's parent by the order and the depths alone: the nearest above that is less deep."""
    return {
        one["span_id"]: next((other["span_id"] for other in reversed(found[:n]) if other["depth"] < one["depth"]), None)
        for n, one in enumerate(found)
    }


def above(rows: list[Row], n: int) -> list[Row]:
    """Return the rows above a row in the tree, by the depths that are drawn."""
    found: list[Row] = []
    depth = rows[n].depth
    for row in reversed(rows[:n]):
        if row.depth < depth:
            found.append(row)
            depth = row.depth
    return found


@given(steps(), spans(), st.none() | st.floats(0, 1e6))
def test_a_tree_of_all_there_is(known: list[dict[str, Any]], traced: list[dict[str, Any]], whole: float | None) -> None:
    """Each step and span once, each span below its own ancestors, depths without gaps, bars within the width."""
    rows = timeline.rows(known, traced, whole)
    drawn = {kind: [row.body for row in rows if row.kind == kind] for kind in ("step", "attempt", "span")}
    assert sorted(map(id, known)) == sorted(map(id, drawn["step"]))
    assert sorted(map(id, traced)) == sorted(map(id, drawn["span"]))
    tried = [one for own in known if len(own["attempts"]) > 1 for one in own["attempts"]]
    assert sorted(map(id, tried)) == sorted(map(id, drawn["attempt"]))
    assert not rows or rows[0].depth == 0
    assert all(after.depth <= before.depth + 1 for before, after in pairwise(rows))
    of = parents(traced)
    for n, row in enumerate(rows):
        assert 0 <= row.start and 0 < row.width and row.start + row.width <= 100.001
        assert row.has_below == (n + 1 < len(rows) and rows[n + 1].depth == row.depth + 1)
        if row.kind == "span":
            higher = [one.body.get("span_id") for one in above(rows, n) if one.kind == "span"]
            assert of[row.body["span_id"]] == (higher[0] if higher else None)


@given(steps(), spans())
def test_a_span_stands_below_the_step_it_names(known: list[dict[str, Any]], traced: list[dict[str, Any]]) -> None:
    """Or that step stands elsewhere; the topmost span that names one is always below it."""
    rows = timeline.rows(known, traced)
    ids = {own["id"] for own in known}
    seen: set[str] = set()
    for row in traced:
        named = row["step_id"]
        if named in ids and named not in seen:
            seen.add(named)
            n = next(n for n, one in enumerate(rows) if one.body is row)
            assert named in {one.body["id"] for one in above(rows, n) if one.kind == "step"}


@given(steps(), spans())
def test_siblings_go_by_their_beginning(known: list[dict[str, Any]], traced: list[dict[str, Any]]) -> None:
    """At the top; what has no time comes last."""
    top = [row.body.get("start_offset_ms") for row in timeline.rows(known, traced) if row.depth == 0]
    timed = [start for start in top if start is not None]
    assert sorted(timed) == timed == top[: len(timed)]


def test_an_agent_whose_step_was_tried_twice() -> None:
    """By hand: the agent's span over all, the step inside it with its attempts where they began, its call below it."""
    answer = step("answer", 200, attempt(0, 200, 100, "Failed"), attempt(1, 700, 300))
    later = step("send", 1_200, attempt(0, 1_200, 800))
    traced = [span("agent", 0, 0, 2_000), span("call", 1, 750, 200, "answer")]
    rows = timeline.rows([answer, later], traced)
    assert [
        ("span", 0, 0.0, 100.0, 2_000),
        ("step", 1, 10.0, 40.0, 800),
        ("attempt", 2, 10.0, 5.0, 100),
        ("attempt", 2, 35.0, 15.0, 300),
        ("span", 2, 37.5, 10.0, 200),
        ("step", 0, 60.0, 40.0, 800),
    ] == [(row.kind, row.depth, row.start, row.width, row.duration_ms) for row in rows]
    assert ["other", "other", "bad", "other", "other", "other"] == [row.tone for row in rows]


def test_a_repetition_of_a_loop_has_its_own_spans() -> None:
    """The one that had begun last when the span did."""
    looped = [step("answer", 1_000.0 * n, attempt(0, 1_000.0 * n, 500), loop=n) for n in range(3)]
    rows = timeline.rows(looped, [span(f"s{n}", 0, 1_000.0 * n + 100, 50, "answer") for n in range(3)])
    said = [row.body.get("span_id") or row.body["loop_index"] for row in rows]
    assert [0, "s0", 1, "s1", 2, "s2"] == said


def test_nothing_has_no_rows() -> None:
    """And what has no time at all still has a row, whose bar can be seen."""
    assert [] == timeline.rows([], [])
    [row] = timeline.rows([], [span("s", 0, None, None)])
    assert (0.0, None) == (row.start, row.duration_ms) and row.width > 0
