"""`GET /v1/runs/{id}`: one run with everything that is known of it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from queries.drill import usage
from queries.drill.bodies import Deferral, Event, Metadata, ModelCall, Pair, Relative, Run
from queries.drill.members import candidates, listed, sessions_of
from queries.drill.options import PAGED, page_rows
from queries.drill.reading import marks, one_of
from queries.drill.rows import payload, run_rows, shortened
from queries.drill.said import said_of, scores_on
from queries.drill.spans import EMPTY, PAGE_SPANS, TREE_SPANS, page_of
from queries.drill.standing import STORED_RUNS, runs_among
from queries.drill.steps import steps_of
from queries.parameters import Parameter
from warehouse.errors import NotFoundError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from queries.drill.bodies import RunRow
    from queries.drill.reading import Reader
    from queries.drill.spans import Page
    from warehouse.pruning import Wishes

PARAMETERS = (Parameter("id", "text", required=True), *PAGED)

MOST_CALLS = 1_000
MOST_SCORES = 5_000
MOST_CHILDREN = 100
_MOST_RECORDS = 1_000
"""Metadata records, deferrals and events of a run that are shown."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_RELATIVE = "id, function_id, status, started_at, duration_ms"

_CALLS = """
SELECT trace_id, span_id, step_id, provider, model, start_time,
       (epoch_us(end_time) - epoch_us(start_time)) / 1000.0 AS duration_ms, status_code AS status, input_tokens,
       output_tokens, cost_usd, cost_source, ttft_ms, finish_reason
FROM calls WHERE run_id = ? ORDER BY start_time, trace_id, span_id"""


def run(read: Reader, given: Mapping[str, Any]) -> Run:
    """Return a run; `limit` and `cursor` are of its spans. One that is only spoken of has no fields of its own.

    Raises:
        NotFoundError: nothing is known of it.
        InputError: an option is out of its bounds.
    """
    id_ = given["id"]
    rows = page_rows(given, PAGE_SPANS, TREE_SPANS)
    own = _record(read, id_)
    row = run_rows(read, [id_])[id_]
    event_ids: list[str] = own.get("event_ids") or []
    with said_of(read, listed([id_])) as said:
        scores, scores_truncated = scores_on(read, said, most=MOST_SCORES)
    zero = _zero(row)
    steps, steps_truncated = steps_of(read, id_, [score for score in scores if score.step_id is not None], zero)
    calls, page = _spans(read, id_, given.get("cursor"), rows, zero)
    sessions = _sessions(read, id_)
    metadata = _metadata(read, id_)
    deferrals = _of_run(read, "deferrals", ", ".join(Deferral.__dataclass_fields__), id_, "created_at, id")
    children = _children(read, id_)
    if not any((own, row.scores, row.assignments, scores, steps, page.rows, sessions, metadata, deferrals, children)):
        raise _not_found(read, id_)
    return Run(
        run=row,
        event_ids=event_ids,
        received_at=own.get("received_at"),
        attributes=payload(own, "attributes"),
        input=payload(own, "input"),
        output=payload(own, "output"),
        sessions=sessions,
        scores=[score for score in scores if score.step_id is None],
        scores_truncated=scores_truncated,
        steps=steps,
        steps_truncated=steps_truncated,
        spans=page.rows,
        spans_truncated=page.truncated or page.next is not None,
        next=page.next,
        model_calls=calls[:MOST_CALLS],
        model_calls_truncated=len(calls) > MOST_CALLS,
        metadata=metadata,
        deferrals=[Deferral(**one) for one in deferrals],
        events=_events(read, event_ids[:_MOST_RECORDS]),
        parent=_parent(read, row.parent_run_id),
        children=[Relative(**one) for one in children[:MOST_CHILDREN]],
        children_truncated=len(children) > MOST_CHILDREN,
    )


def _record(read: Reader, id_: str) -> dict[str, Any]:
    """Return what only the page of one run shows of its record; empty when there is none."""
    texts = ", ".join(shortened(column) for column in ("input", "output", "attributes"))
    source, parameters, table = runs_among(read, listed([id_]))
    found = read.rows(
        f"SELECT event_ids, received_at, {texts} FROM {source}",
        parameters,
        tables=[table],
        wishes={"runs": one_of("id", [id_])},
    )
    return found[0] if found else {}


def _children(read: Reader, id_: str) -> list[dict[str, Any]]:
    """Return the runs that a run invoked, one more than are shown if there are more."""
    ids = read.rows(f"SELECT id FROM {STORED_RUNS} WHERE parent_run_id = ?", [id_], tables=[STORED_RUNS])
    if not ids:
        return []
    with candidates(read, [row["id"] for row in ids]) as runs:
        source, parameters, table = runs_among(read, runs)
        return read.rows(
            f"SELECT {_RELATIVE} FROM {source} ORDER BY started_at, id LIMIT {MOST_CHILDREN + 1}",
            parameters,
            tables=[table],
            wishes={"runs": runs.wish("id")},
        )


def _zero(row: RunRow) -> int | None:
    """Return the run's first moment, microseconds since 1970."""
    times = [dt.datetime.fromisoformat(text) for text in (row.queued_at, row.started_at) if text is not None]
    return (min(times) - _EPOCH) // dt.timedelta(microseconds=1) if times else None


def _spans(read: Reader, id_: str, cursor: str | None, rows: int, zero: int | None) -> tuple[list[ModelCall], Page]:
    """Return the model calls that count, one more than are shown if there are more, and a page of the spans."""
    among = usage.traces_of(read, listed([id_]))
    if among is None:
        return [], EMPTY
    calls = read.rows(
        f"WITH {usage.calls_among(among.condition)} {_CALLS} LIMIT {MOST_CALLS + 1}",
        [*among.twice, id_],
        tables=among.tables,
        wishes=among.wishes,
    )
    page = page_of(read, among, cursor, rows, run_id=id_, zero_us=zero)
    return [ModelCall(**call) for call in calls], page


def _sessions(read: Reader, id_: str) -> list[Pair]:
    return [Pair(key, session) for key, session, _ in sessions_of(read, [id_])]


def _metadata(read: Reader, id_: str) -> list[Metadata]:
    columns = f"level, step_id, span_id, kind, {shortened('values')}, updated_at"
    found = _of_run(read, "metadata", columns, id_, "updated_at, kind, step_id, span_id")
    return [Metadata(values=payload(row, "values"), **row) for row in found]


def _of_run(read: Reader, table: str, columns: str, id_: str, order: str) -> list[dict[str, Any]]:
    return read.rows(
        f"SELECT {columns} FROM {table} WHERE run_id = ? ORDER BY {order} LIMIT {_MOST_RECORDS}",
        [id_],
        tables=[table],
        wishes={table: one_of("run_id", [id_])},
    )


def _events(read: Reader, ids: list[str]) -> list[Event]:
    if not ids:
        return []
    found = read.rows(
        f"SELECT id, name, ts, {shortened('data')} FROM events WHERE id IN ({marks(ids)})",
        ids,
        tables=["events"],
        wishes={"events": one_of("id", ids)},
    )
    known = {row["id"]: Event(data=payload(row, "data"), **row) for row in found}
    return [known.get(id_, Event(id_, None, None, None)) for id_ in ids]


def _parent(read: Reader, id_: str | None) -> Relative | None:
    if id_ is None:
        return None
    source, parameters, table = runs_among(read, listed([id_]))
    wishes: Wishes = {"runs": one_of("id", [id_])}
    found = read.rows(f"SELECT {_RELATIVE} FROM {source}", parameters, tables=[table], wishes=wishes)
    return Relative(**found[0]) if found else Relative(id_, None, None, None, None)


def _not_found(read: Reader, id_: str) -> NotFoundError:
    """Return the error for an unknown run: the id may be written in another case, or be a trace's."""
    forms = [form for form in dict.fromkeys((id_.strip(), id_.strip().upper(), id_.strip().lower())) if form != id_]
    hint = None
    if forms:
        wishes: Wishes = {"runs": one_of("id", forms)}
        near = read.rows(f"SELECT id FROM runs WHERE id IN ({marks(forms)})", forms, tables=["runs"], wishes=wishes)
        hint = f"did you mean {near[0]['id']!r}?" if near else None
    traces = read.rows(
        "SELECT DISTINCT run_id FROM spans WHERE trace_id = ? AND run_id IS NOT NULL LIMIT 1",
        [id_],
        tables=["spans"],
        wishes={"spans": one_of("trace_id", [id_])},
    )
    if traces:
        hint = f"it is a trace of the run {traces[0]['run_id']!r}"
    return NotFoundError(f"no run {shown(id_)} is here", hint=hint)
