"""Rows of scores: one target each, a number or a label, an id made of both unless the writer gave one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from ingest.columns import or_now, present
from ingest.identity import is_plain, score_id
from ingest.limits import RUN_SESSIONS
from ingest.texts import ID, LABEL, NAME, SCORE_NAME
from warehouse.schema import SCORE_SOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingest.columns import Checked
    from ingest.derived import Derived
    from ingest.records import Score

_KIND = {bool: "boolean", float: "numeric", type(None): "label"}


def score_columns(
    scores: Sequence[Score], checked: Checked, received_at_us: int, derived: Derived
) -> Mapping[str, pa.Array[Any]]:
    """Return the columns of `score_history`; the sessions and experiments they name become derived rows."""
    names = [score.name for score in scores]
    run_ids = [score.run_id for score in scores]
    values = [score.value for score in scores]
    experiments = [score.experiment for score in scores]
    steps = [score.step_id for score in scores]
    traces = [score.trace_id for score in scores]
    spans = [score.span_id for score in scores]
    sent = checked.time("ts", [score.ts for score in scores])
    times = or_now(sent, received_at_us)
    given = sent.is_valid()
    sessions = checked.pairs("sessions", [score.sessions for score in scores], RUN_SESSIONS)
    judged = checked.pairs("session", [score.session for score in scores], 1)
    session_of = dict(zip(judged.rows, zip(judged.keys, judged.ids, strict=True), strict=True))
    name_column = checked.text("name", names, SCORE_NAME)
    run_column = checked.text("run_id", run_ids, ID)
    given_ids = [score.id for score in scores]
    if session_of or any(map(any, (given_ids, steps, traces, spans))) or not _plain_on_runs(names, run_ids):
        ids, day_ids = _ids(scores, session_of)
    else:
        ids, day_ids = cast("Any", pc).binary_join_element_wise(run_column, name_column, "/"), run_column
    columns: dict[str, pa.Array[Any]] = {
        "id": ids,
        "name": name_column,
        "value": pa.array([None if value is None else float(value) for value in values], pa.float64()),
        "label": checked.text("label", [score.label for score in scores], LABEL),
        "kind": pa.array([_KIND[type(value)] for value in values], pa.string()),
        "run_id": run_column,
        "step_id": checked.text("step_id", steps, ID),
        "trace_id": checked.text("trace_id", traces, ID),
        "span_id": checked.text("span_id", spans, ID),
        "experiment": checked.text("experiment.name", [e and e.name for e in experiments], NAME),
        "variant": checked.text("experiment.variant", [e and e.variant for e in experiments], NAME),
        "ts": times,
        "source": checked.choice("source", [score.source for score in scores], SCORE_SOURCES),
        "scorer_id": checked.text("scorer_id", [score.scorer_id for score in scores], ID),
        "comment": pa.array([score.comment for score in scores], pa.string()),
        "attributes": checked.attributes("attributes", [score.attributes for score in scores]),
        "_given": given,
        "_day_id": day_ids,
    }
    if session_of:
        columns["session_key"] = pa.array([session_of.get(row, (None,))[0] for row in range(len(scores))], pa.string())
        columns["session_id"] = pa.array([session_of.get(row, (None,))[-1] for row in range(len(scores))], pa.string())
    checked.text("id", given_ids, ID)
    _check_targets(columns | {"session": judged.column, "sessions": sessions.column}, checked)
    derived.join_sessions(sessions, run_ids, times, checked)
    derived.imply_assignments(experiments, run_ids, times, cast("list[bool]", given.to_pylist()), checked)
    return columns


def _plain_on_runs(names: Sequence[str], run_ids: Sequence[str | None]) -> bool:
    """Return whether every score names a run, and all ids made of run and name need no escape."""
    return None not in run_ids and is_plain("".join(cast("Sequence[str]", run_ids))) and is_plain("".join(set(names)))


def _ids(scores: Sequence[Score], session_of: Mapping[int, tuple[str, str]]) -> tuple[pa.StringArray, pa.StringArray]:
    """Return each score's id, and the id that has its day.

    A score whose id was made has its run's day. So has one whose writer gave the id that would have been made, which
    may come from a query's answer: both are rows of one key and must meet.
    """
    ids: list[str] = []
    day_ids: list[str] = []
    for row, score in enumerate(scores):
        made = score_id(
            score.name,
            run_id=score.run_id,
            step_id=score.step_id,
            trace_id=score.trace_id,
            span_id=score.span_id,
            session=session_of.get(row),
        )
        is_made = score.id is None or score.id == made
        ids.append(made if score.id is None else score.id)
        day_ids.append(score.run_id if is_made and score.run_id is not None else ids[-1])
    return pa.array(ids, pa.string()), pa.array(day_ids, pa.string())


def _check_targets(columns: Mapping[str, pa.Array[Any]], checked: Checked) -> None:
    """Refuse scores that have no target, several, or half of one, and those that say nothing."""
    run, step, trace, span, session, experiment, sessions, value, label = (
        present(columns[name])
        for name in (
            "run_id",
            "step_id",
            "trace_id",
            "span_id",
            "session",
            "experiment",
            "sessions",
            "value",
            "label",
        )
    )
    refuse = checked.refuse_where
    several = "a score has one target: session, or run_id, or trace_id"
    refuse(session & (run | step | trace | span), "bad_parameter", "session", several)
    none = "a score must have a target: run_id, session or trace_id"
    refuse(~(session | run | step | trace | span), "missing_field", "run_id", none)
    refuse(step & ~run, "missing_field", "run_id", "step_id needs the run_id of its run")
    refuse(span & ~trace, "missing_field", "trace_id", "span_id needs the trace_id of its trace")
    refuse(experiment & ~run, "missing_field", "run_id", "experiment needs the run_id it is about")
    refuse(experiment & step, "bad_parameter", "experiment", "a score with an experiment is about a run: no step_id")
    refuse(sessions & ~run, "missing_field", "run_id", "sessions needs the run_id that joins them")
    refuse(~(value | label), "missing_field", "value", "a score must have a value or a label")
