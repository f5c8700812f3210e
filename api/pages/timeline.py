"""The waterfall of a run: its steps, their attempts and its spans in one tree, as rows with bars."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from api.pages.body import entries
from api.pages.numbers import finite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from api.pages.body import Body

_THINNEST = 0.2
"""Percent of the width below which a bar would not be seen."""

BAD = frozenset({"Failed", "Errored", "ERROR"})
"""Statuses whose bar says so."""

TONED = frozenset({"llm", "embedding", "tool", "agent", "workflow", "retriever", "memory"})
"""Types of spans whose bar has a colour of its own."""


@dataclass(slots=True)
class _Node:
    kind: str
    body: Body
    start: float | None
    end: float | None
    below: list[_Node] = field(default_factory=list["_Node"])


@dataclass(frozen=True, slots=True)
class Row:
    """A row: what it is (`step`, `attempt` or `span`), how deep, and its bar in percent of the width."""

    kind: str
    body: Body
    depth: int
    has_below: bool
    start: float
    width: float
    duration_ms: float | None
    tone: str


def rows(steps: Sequence[Body], spans: Sequence[Body], whole_ms: object = None) -> list[Row]:
    """Return the tree of a run, or of a trace, as rows in the order they are drawn.

    A step stands above the topmost spans that name it, where the first of these stood; a step without spans stands at
    the top. A span never leaves its parent: one that names a step which stands elsewhere stays where it is. Siblings go
    by their beginning. Several attempts of a step are rows of their own.

    Args:
        steps: `Step` of the drill-down.
        spans: `SpanRow` of the drill-down, a parent before its children.
        whole_ms: what the whole width stands for, when it is more than what the rows need.
    """
    top = _of_spans(spans, {_step_key(step): _of_step(step) for step in steps})
    ends = [one.end for one in _walk(top) if one.end is not None]
    whole = max([finite(whole_ms) or 0.0, *ends]) or 1.0
    return [_row(node, depth, whole) for node, depth in _in_order(top)]


def _step_key(step: Body) -> tuple[str, int | None]:
    loop = step.get("loop_index")
    return str(step.get("id")), loop if isinstance(loop, int) else None


def _of_step(step: Body) -> _Node:
    start, tries = finite(step.get("start_offset_ms")), entries(step, "attempts")
    first = min((at for one in tries if (at := _at(one)) is not None), default=None)
    made = [_of_attempt(one, start, first) for one in tries]
    ends = [one.end for one in made if one.end is not None]
    return _Node("step", step, start, max(ends, default=None), made if len(made) > 1 else [])


def _of_attempt(one: Body, start: float | None, first: dt.datetime | None) -> _Node:
    """Return an attempt, placed by how long after the step's first one it began."""
    at, length = _at(one), finite(one.get("duration_ms"))
    if start is not None and at is not None and first is not None:
        start += (at - first) / dt.timedelta(milliseconds=1)
    return _Node("attempt", one, start, None if start is None or length is None else start + length)


def _at(one: Body) -> dt.datetime | None:
    began = one.get("started_at") or one.get("queued_at")
    try:
        return dt.datetime.fromisoformat(began) if isinstance(began, str) else None
    except ValueError:
        return None


def _of_spans(spans: Sequence[Body], steps: Mapping[tuple[str, int | None], _Node]) -> list[_Node]:
    """Return the nodes at the top: spans hung below the steps they name, and all steps."""
    by_id: dict[str, list[_Node]] = {}
    for (step_id, _), node in steps.items():
        by_id.setdefault(step_id, []).append(node)
    top: list[_Node] = []
    placed: dict[int, list[_Node]] = {}
    above: list[tuple[int, _Node, frozenset[str]]] = []  # depth as sent, node, steps on the way down
    for span in spans:
        depth = int(finite(span.get("depth")) or 0)
        while above and above[-1][0] >= depth:
            above.pop()
        start, length = finite(span.get("start_offset_ms")), finite(span.get("duration_ms"))
        node = _Node("span", span, start, None if start is None or length is None else start + length)
        siblings = above[-1][1].below if above else top
        within = above[-1][2] if above else frozenset[str]()
        step_id = span.get("step_id")
        if isinstance(step_id, str) and step_id in by_id and step_id not in within:
            step = _nearest(by_id[step_id], start)
            if id(step) not in placed:
                placed[id(step)] = siblings
                siblings.append(step)
            if placed[id(step)] is siblings:  # elsewhere, the span would be drawn apart from its own parent
                siblings, within = step.below, within | {step_id}
        siblings.append(node)
        above.append((depth, node, within))
    top += [node for node in steps.values() if id(node) not in placed]
    return top


def _nearest(repetitions: Sequence[_Node], start: float | None) -> _Node:
    """Return the repetition of a step that a span belongs to: the last that had begun when the span did."""
    if start is None:
        return repetitions[0]
    begun = [one for one in repetitions if one.start is not None and one.start <= start + 1]
    return max(begun, key=lambda one: one.start or 0.0) if begun else repetitions[0]


def _walk(nodes: Sequence[_Node]) -> Iterator[_Node]:
    return (node for node, _ in _in_order(nodes))


def _in_order(nodes: Sequence[_Node]) -> Iterator[tuple[_Node, int]]:
    waiting = [(node, 0) for node in _sorted(nodes)]
    waiting.reverse()
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        waiting.extend((below, depth + 1) for below in reversed(_sorted(node.below)))


def _sorted(nodes: Sequence[_Node]) -> list[_Node]:
    return sorted(nodes, key=lambda node: (node.start is None, node.start or 0.0))


def _row(node: _Node, depth: int, whole: float) -> Row:
    start = min(max((node.start or 0.0) / whole * 100, 0.0), 100.0 - _THINNEST)
    length = None if node.start is None or node.end is None else node.end - node.start
    width = min(max((length or 0.0) / whole * 100, _THINNEST), 100.0 - start)
    kind = str(node.body.get("type"))
    tone = "bad" if node.body.get("status") in BAD else kind if kind in TONED else "other"
    return Row(node.kind, node.body, depth, bool(node.below), round(start, 3), round(width, 3), length, tone)
