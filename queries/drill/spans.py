"""Spans as rows of a tree, a page at a time, each with its scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from queries.drill import cursors
from queries.drill.bodies import SpanRow
from queries.drill.said import span_scores
from queries.drill.tree import Node, drawn
from queries.drill.usage import calls_among
from queries.values import json_rows
from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from queries.drill.bodies import Score
    from queries.drill.reading import Reader
    from queries.drill.usage import Traces

TREE_SPANS = 20_000
"""Spans that a tree is made of at the most; beyond, those that began first."""

PAGE_SPANS = 5_000
"""Spans of a page when nobody says how many."""

_SHOWN = (
    "p.type, p.name, p.status_code AS status, left(p.status_message, 2000) AS status_message, p.run_id, p.step_id, "
    "coalesce(p.response_model, p.request_model) AS model, p.tool_name, p.input_tokens, p.output_tokens, p.cost_usd, "
    "c.span_id IS NOT NULL AS counts"
)
_MORE = ("name", "status_message", "tool_name")


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a tree."""

    rows: list[SpanRow]
    truncated: bool
    """There are more spans than the tree is made of."""
    next: str | None
    first_us: int | None
    """When the first span of the tree began, microseconds since 1970."""


EMPTY = Page([], truncated=False, next=None, first_us=None)


def page_of(
    read: Reader, among: Traces, cursor: str | None, rows: int, *, run_id: str | None = None, zero_us: int | None = None
) -> Page:
    """Return a page of the tree of some spans.

    Spans that arrive while somebody walks through the pages stand where they belong: those before the cursor are not
    seen in this walk, and no span is seen twice unless a missing parent of it arrives.

    Args:
        read: what asks.
        among: the traces.
        cursor: the last page's `next`.
        rows: spans of a page.
        run_id: only the spans of this run.
        zero_us: when the offsets begin; with the first span, when not given.

    Raises:
        InputError: the cursor is not of this list, or its span is not there any more.
    """
    after = cursors.position(cursor, "spans", (str, str))
    found = _light(read, among, run_id)
    truncated = found.num_rows > TREE_SPANS
    found = found.slice(0, TREE_SPANS)
    if not found.num_rows:
        return EMPTY
    nodes = [Node(*row) for row in zip(*(found[name].to_pylist() for name in Node._fields), strict=True)]
    order = drawn(nodes)
    begin = 0 if after is None else 1 + _place(nodes, [placed.index for placed in order], after)
    page = order[begin : begin + rows]
    more = len(order) > begin + rows
    first = min((node.start_us for node in nodes if node.start_us is not None), default=None)
    zero = first if zero_us is None else zero_us
    told = _told(found.take(pa.array([placed.index for placed in page], pa.int64())))
    scores = _scores(read, [nodes[placed.index] for placed in page])
    made: list[SpanRow] = []
    for placed, row in zip(page, told, strict=True):
        node = nodes[placed.index]
        offset = None if node.start_us is None or zero is None else (node.start_us - zero) / 1000
        own = scores.get((node.trace_id, node.span_id), [])
        made.append(SpanRow(**row, depth=placed.depth, place=placed.place, start_offset_ms=offset, scores=own))
    last = nodes[page[-1].index] if page else None
    following = cursors.written("spans", (last.trace_id, last.span_id)) if last is not None and more else None
    return Page(made, truncated, following, first)


def _light(read: Reader, among: Traces, run_id: str | None) -> pa.Table:
    """Return what a row of each span needs; no prompt and no answer."""
    only, parameters = ("", []) if run_id is None else ("WHERE p.run_id = ?", [run_id])
    return read.table(
        f"WITH {calls_among(among.condition, *_MORE)} "
        f"SELECT p.trace_id, p.span_id, p.parent_span_id, epoch_us(p.start_time) AS start_us, "
        f"(epoch_us(p.end_time) - epoch_us(p.start_time)) / 1000.0 AS duration_ms, {_SHOWN} "
        f"FROM picked p LEFT JOIN calls c ON c.trace_id = p.trace_id AND c.span_id = p.span_id {only} "
        f"ORDER BY p.start_time, p.trace_id, p.span_id LIMIT {TREE_SPANS + 1}",
        [*among.twice, *parameters],
        tables=among.tables,
        wishes=among.wishes,
    )


def _told(found: pa.Table) -> list[dict[str, Any]]:
    told = found.drop_columns(["start_us"])
    return [dict(zip(told.column_names, row, strict=True)) for row in json_rows(told)]


def _place(nodes: list[Node], order: list[int], after: cursors.Position) -> int:
    for place, index in enumerate(order):
        if (nodes[index].trace_id, nodes[index].span_id) == after:
            return place
    raise InputError(
        f"cursor names the span {shown(str(after[1]))}, which is not there any more", hint="ask without a cursor"
    )


def _scores(read: Reader, nodes: list[Node]) -> dict[tuple[str | None, str | None], list[Score]]:
    traces = sorted({node.trace_id for node in nodes})
    made: dict[tuple[str | None, str | None], list[Score]] = {}
    if not traces:
        return made
    for score in span_scores(read, traces, most=TREE_SPANS):
        made.setdefault((score.trace_id, score.span_id), []).append(score)
    return made
