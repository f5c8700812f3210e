"""Decoded records become Arrow batches of the file tables: pure, a column at a time, a faulty record refused alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from ingest.columns import Checked, documents, or_now, payloads
from ingest.derived import Derived
from ingest.identity import deferral_id
from ingest.limits import EVENT_SESSIONS, RUN_SESSIONS
from ingest.records import Assignment, Deferral, Event, Metadata, Record, Run, Score, Step
from ingest.scores import score_columns
from ingest.texts import ID, NAME, WORD
from ingest.times import TIME
from warehouse.errors import shown
from warehouse.ids import new_id
from warehouse.schema import RUN_STATUSES, STEP_STATUSES

if TYPE_CHECKING:
    from ingest.verdict import Rejection

Columns = Mapping[str, "pa.Array[Any]"]
"""Columns by name; those of the table that are left out are null or follow from the request."""

_INTERNAL_EVENTS = "inngest/"
_INTERNAL_DATA = "_inngest"


@dataclass(frozen=True, slots=True)
class Normalised:
    """Batches by file table, and the records that none of them holds."""

    batches: dict[str, pa.RecordBatch]
    """The records' own rows."""
    derived: dict[str, pa.RecordBatch]
    """Rows that records bring besides: they stand behind the others of their table."""
    rejected: list[Rejection]

    def joined(self) -> dict[str, pa.RecordBatch]:
        """Return all rows by file table."""
        both = {table: [self.batches[table], self.derived[table]] for table in self.batches.keys() & self.derived}
        return self.batches | self.derived | {table: _joined(parts) for table, parts in both.items()}


def normalise(records: Sequence[Record], indices: Sequence[int], received_at_us: int) -> Normalised:
    """Return the rows of records.

    Args:
        records: decoded records of any types.
        indices: the place of each in its request.
        received_at_us: microseconds since 1970; also the time of records that bring none.
    """
    kinds = list(map(type, records))
    derived = Derived()
    batches: dict[str, pa.RecordBatch] = {}
    rejected: list[Rejection] = []
    for kind in dict.fromkeys(kinds):
        own = [one is kind for one in kinds]
        members = list(itertools.compress(records, own))
        table, columns_of = _TABLES[kind]
        checked = Checked(list(itertools.compress(indices, own)))
        columns = columns_of(members, checked, received_at_us, derived)
        batches[table] = checked.batch(table, columns, received_at_us)
        rejected.extend(checked.faults.values())
    return Normalised(batches, dict(derived.batches(received_at_us)), rejected)


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    return pa.Table.from_batches(parts).combine_chunks().to_batches()[0]


def _events(events: Sequence[Event], checked: Checked, received_at_us: int, _: Derived) -> Columns:
    names = [event.name for event in events]
    for row, name in enumerate(names):
        if name.startswith(_INTERNAL_EVENTS):
            bound = f"names that begin with {_INTERNAL_EVENTS} are Inngest's own"
            checked.refuse(row, "bad_parameter", "name", f"name is {shown(name)}: {bound}")
    given_ids = [event.id for event in events]
    ids = checked.text("id", [new_id(received_at_us // 1000) if id_ is None else id_ for id_ in given_ids], ID)
    sent = checked.time("ts", [None if event.ts == 0 else event.ts for event in events])
    data = checked.objects("data", [event.data for event in events])
    return {
        "id": ids,
        "name": checked.text("name", names, ID),
        "data": documents(_without_internal(data)),
        "v": checked.text("v", [event.v for event in events], WORD),
        "ts": or_now(sent, received_at_us),
        "sessions": checked.pairs("sessions", [event.sessions for event in events], EVENT_SESSIONS).column,
        "_given": sent.is_valid(),
        "_day_id": ids,
    }


def _without_internal(texts: pa.StringArray) -> pa.StringArray:
    """Return events' data without what Inngest keeps in it for itself."""
    _, _, content = texts.buffers()
    spelled = memoryview(content or b"").tobytes()
    if _INTERNAL_DATA.encode() not in spelled and b"\\u" not in spelled:
        return texts
    return pa.array([None if text is None else _stripped(text.encode()) for text in texts.to_pylist()], pa.string())


def _stripped(text: bytes) -> bytes:
    if _INTERNAL_DATA.encode() not in text and b"\\u" not in text:
        return text
    try:
        data = msgspec.json.decode(text, type=dict[str, Raw])
    except (msgspec.DecodeError, RecursionError):  # not an object, or too deep to look into: refused or kept elsewhere
        return text
    if _INTERNAL_DATA not in data:
        return text
    return msgspec.json.encode({key: value for key, value in data.items() if key != _INTERNAL_DATA})


def _runs(runs: Sequence[Run], checked: Checked, received_at_us: int, derived: Derived) -> Columns:
    ids = [run.id for run in runs]
    id_column = checked.text("id", ids, ID)
    queued = checked.time("queued_at", [run.queued_at for run in runs])
    started = checked.time("started_at", [run.started_at for run in runs])
    ended = checked.time("ended_at", [run.ended_at for run in runs])
    sessions = checked.pairs("sessions", [run.sessions for run in runs], RUN_SESSIONS)
    columns: Columns = {
        "id": id_column,
        "app_id": checked.text("app_id", [run.app_id for run in runs], ID),
        "function_id": checked.text("function_id", [run.function_id for run in runs], ID),
        "status": checked.choice("status", [run.status for run in runs], RUN_STATUSES),
        "triggering_event_name": checked.text(
            "triggering_event_name", [run.triggering_event_name for run in runs], WORD
        ),
        "event_ids": checked.ids("event_ids", [run.event_ids for run in runs]),
        "parent_run_id": checked.text("parent_run_id", [run.parent_run_id for run in runs], ID),
        "trace_id": checked.text("trace_id", [run.trace_id for run in runs], ID),
        "user_id": checked.text("user_id", [run.user_id for run in runs], ID),
        "environment": checked.text("environment", [run.environment for run in runs], WORD),
        "release": checked.text("release", [run.release for run in runs], WORD),
        "queued_at": queued,
        "started_at": started,
        "ended_at": ended,
        "input": payloads([run.input for run in runs]),
        "output": payloads([run.output for run in runs]),
        "error": payloads([run.error for run in runs]),
        "attributes": checked.attributes("attributes", [run.attributes for run in runs]),
        "sessions": sessions.column,
        "_day_id": id_column,
    }
    times = or_now(pc.coalesce(queued, started, ended), received_at_us)
    derived.join_sessions(sessions, ids, times, checked)
    return columns


def _steps(steps: Sequence[Step], checked: Checked, _now: int, _: Derived) -> Columns:
    run_ids = checked.text("run_id", [step.run_id for step in steps], ID)
    return {
        "run_id": run_ids,
        "id": checked.text("id", [step.id for step in steps], ID),
        "name": checked.text("name", [step.name for step in steps], WORD),
        "type": checked.text("step_type", [step.step_type for step in steps], WORD),
        "loop_index": checked.count("loop_index", [step.loop_index for step in steps]),
        "attempt": checked.count("attempt", [step.attempt for step in steps]),
        "status": checked.choice("status", [step.status for step in steps], STEP_STATUSES),
        "queued_at": checked.time("queued_at", [step.queued_at for step in steps]),
        "started_at": checked.time("started_at", [step.started_at for step in steps]),
        "ended_at": checked.time("ended_at", [step.ended_at for step in steps]),
        "input": payloads([step.input for step in steps]),
        "output": payloads([step.output for step in steps]),
        "error": payloads([step.error for step in steps]),
        "attributes": checked.attributes("attributes", [step.attributes for step in steps]),
        "_day_id": run_ids,
    }


def _assignments(assignments: Sequence[Assignment], checked: Checked, received_at_us: int, _: Derived) -> Columns:
    run_ids = checked.text("run_id", [assignment.run_id for assignment in assignments], ID)
    sent = checked.time("ts", [assignment.ts for assignment in assignments])
    return {
        "run_id": run_ids,
        "experiment": checked.text("experiment", [assignment.experiment for assignment in assignments], NAME),
        "variant": checked.text("variant", [assignment.variant for assignment in assignments], NAME),
        "unit": checked.text("unit", [assignment.unit for assignment in assignments], ID),
        "strategy": checked.text("strategy", [assignment.strategy for assignment in assignments], WORD),
        "weights": checked.attributes("weights", [assignment.weights for assignment in assignments]),
        "attributes": checked.attributes("attributes", [assignment.attributes for assignment in assignments]),
        "ts": or_now(sent, received_at_us),
        "_implied": pa.repeat(pa.scalar(value=False), len(assignments)),
        "_given": sent.is_valid(),
        "_day_id": run_ids,
    }


def _deferrals(deferrals: Sequence[Deferral], checked: Checked, received_at_us: int, _: Derived) -> Columns:
    run_ids = [deferral.run_id for deferral in deferrals]
    scorer_ids = [deferral.scorer_id for deferral in deferrals]
    experiments = [deferral.experiment for deferral in deferrals]
    given_ids = [deferral.id for deferral in deferrals]
    checked.text("id", given_ids, ID)
    made_ids = (deferral_id(run_id, scorer_id) for run_id, scorer_id in zip(run_ids, scorer_ids, strict=True))
    ids = pa.array([made if id_ is None else id_ for id_, made in zip(given_ids, made_ids, strict=True)], pa.string())
    return {
        "id": ids,
        "scorer_id": checked.text("scorer_id", scorer_ids, ID),
        "run_id": checked.text("run_id", run_ids, ID),
        "experiment": checked.text("experiment.name", [e and e.name for e in experiments], NAME),
        "variant": checked.text("experiment.variant", [e and e.variant for e in experiments], NAME),
        "input": documents(checked.objects("input", [deferral.input for deferral in deferrals])),
        "created_at": or_now(checked.time("created_at", [d.created_at for d in deferrals]), received_at_us),
        "status": pa.repeat("waiting", len(deferrals)),
        "_day_id": ids,
    }


def _metadata(metadata: Sequence[Metadata], checked: Checked, received_at_us: int, _: Derived) -> Columns:
    run_ids = checked.text("run_id", [record.run_id for record in metadata], ID)
    levels = ["span" if m.span_id is not None else "run" if m.step_id is None else "step" for m in metadata]
    return {
        "run_id": run_ids,
        "step_id": checked.text("step_id", [record.step_id for record in metadata], ID),
        "span_id": checked.text("span_id", [record.span_id for record in metadata], ID),
        "level": pa.array(levels, pa.string()),
        "kind": checked.text("kind", [record.kind for record in metadata], NAME),
        "values": documents(checked.objects("values", [record.values for record in metadata], required=True)),
        "updated_at": pa.repeat(pa.scalar(received_at_us, TIME), len(metadata)),
        "_day_id": run_ids,
    }


_TABLES: dict[type[Record], tuple[str, Callable[[Sequence[Any], Checked, int, Derived], Columns]]] = {
    Event: ("events", _events),
    Run: ("runs", _runs),
    Step: ("step_attempts", _steps),
    Assignment: ("assignments", _assignments),
    Score: ("score_history", score_columns),
    Deferral: ("deferrals", _deferrals),
    Metadata: ("metadata", _metadata),
}
"""The file table of each type of record, and what makes its columns."""
