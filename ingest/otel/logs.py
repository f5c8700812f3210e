"""OTLP log records -> scores: those that are a `gen_ai.evaluation.result`; all others are acknowledged and let go.

The event and its attributes are OpenTelemetry's semantic conventions for generative AI. Any logger of OpenTelemetry can
score with it; who sends all logs of an application here loses nothing by it, and finds none of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np
import pyarrow as pa

from ingest.columns import batch
from ingest.normalise import normalise
from ingest.otel.decoded import TEXT, Attributes
from ingest.otel.evaluations import EVENT_NAME, Evaluation, evaluations
from ingest.otel.joining import (
    EVALUATION,
    EVALUATION_EXPLANATION,
    EVALUATION_LABEL,
    EVALUATION_NAME,
    EVALUATION_VALUE,
    OWN_SESSION,
    SESSIONS,
    Found,
    Joining,
    session_runs,
)
from ingest.otel.keyed import NOWHERE, Keyed, encoded, keyed
from ingest.otel.rows import REPEATED_BYTES
from ingest.records import NULL, Score
from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

STEP_ID = ("upshot.step_id", "inngest.step.id")
"""Attributes, the first one present wins."""

_USED = frozenset({EVENT_NAME, *EVALUATION, *STEP_ID})
_TRACE_DIGITS, _SPAN_DIGITS = 32, 16
_PAIR_BYTES = 100
"""What an attribute of a resource takes besides its key and text, each time that it is repeated."""


@dataclass(frozen=True, slots=True)
class LogRecords:
    """The log records of a request: rows by file table, and how many evaluation results could not be kept and why."""

    batches: Mapping[str, pa.RecordBatch]
    rejected: int
    reasons: tuple[str, ...]
    """Why, each once; also why sessions of results that are kept are not."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What results say of the rest, an item of each list per result."""

    run: Sequence[str | None]
    step: Sequence[str | None]
    session: Sequence[tuple[str, str] | None]
    """Key and id of the one that is judged where neither a run nor a trace is named."""
    names: frozenset[str]
    """The attributes of records that name runs and sessions."""


def decode_logs(body: bytes, kind: str, received_at_us: int, join: Joining | None = None) -> LogRecords:
    """Return the scores of an ExportLogsServiceRequest, and the sessions that they join.

    A result is about the run it names, within that about the trace and span of its record; without a run about its
    span, without a span about its trace's run; without these about the session it names. Run and sessions are read as
    those of spans are, from the record, and from its resource where the record has none.

    Args:
        body: the unpacked body.
        kind: its content type, without parameters: JSON or protobuf.
        received_at_us: microseconds since 1970; also the time of records that bring none.
        join: this installation's own attributes.

    Raises:
        InputError: `malformed`, when the body cannot be parsed, or more is in it than may be; `too_large`, when a few
            resources would be repeated for too many records. Nothing of it is to be kept.
    """
    join = join or Joining()
    found = list(evaluations(body, kind))
    if not found:
        return LogRecords({}, 0, ())
    said = _said(found, join)
    scores: dict[int, Score] = {}
    faults: list[str] = []
    for row, evaluation in enumerate(found):
        try:
            scores[row] = _score(evaluation, said, row)
        except InputError as fault:
            faults.append(fault.message)
    normal = normalise(list(scores.values()), list(scores), received_at_us)
    faults += (rejection.message for rejection in normal.rejected)
    for rejection in normal.rejected:
        del scores[rejection.index]
    sessions, session_faults = _sessions([(found[row], score) for row, score in scores.items()], received_at_us, join)
    reasons = tuple(dict.fromkeys([*faults, *session_faults]))
    return LogRecords({**normal.joined(), **sessions}, len(faults), reasons)


def _said(found: Sequence[Evaluation], join: Joining) -> _Said:
    named = _named(found, join)
    own, whole = _keyed([nearest for nearest, _ in named]), _keyed([both for _, both in named])
    runs = zip(_first(own, join.run_names), _first(whole, join.run_names), strict=True)
    key_of = join.session_keys(whole)
    judged = sorted(key_of, key=lambda name: (not name.startswith(OWN_SESSION), name not in SESSIONS))
    places = whole.first(judged)
    keys = [None if place == NOWHERE else key_of[whole.keys[int(whole.code[int(place)])]] for place in places]
    ids = cast("list[str]", whole.taken(places).to_pylist())
    return _Said(
        run=[nearest or above for nearest, above in runs],
        step=_first(whole, STEP_ID),
        session=[None if key is None else (key, id_) for key, id_ in zip(keys, ids, strict=True)],
        names=frozenset({*join.run_names, *join.session_keys(own)}),
    )


def _named(
    found: Iterable[Evaluation], join: Joining
) -> list[tuple[Mapping[str, str | None], Mapping[str, str | None]]]:
    """Return what names runs, steps and sessions: of each record, and with that of its resource where it has none.

    Raises:
        InputError: `too_large`, when resources would be repeated for too many records (`REPEATED_BYTES`).
    """
    names = frozenset({*join.run_names, *STEP_ID, *SESSIONS, *join.sessions})
    of_resources: dict[int, tuple[Mapping[str, str | None], int]] = {}
    made: list[tuple[Mapping[str, str | None], Mapping[str, str | None]]] = []
    repeated = 0
    for evaluation in found:
        number = id(evaluation.resource)  # one for all records of a resource
        if number not in of_resources:
            above = _among(evaluation.resource, names)
            of_resources[number] = above, sum(_PAIR_BYTES + len(key) + len(text or "") for key, text in above.items())
        above, size = of_resources[number]
        repeated += size
        if repeated > REPEATED_BYTES:
            said = "the request has resources that name runs and sessions for too many log records"
            raise InputError(f"{said}: at most {REPEATED_BYTES:,} bytes when repeated for each", code="too_large")
        own = _among(evaluation.attributes, names)
        made.append((own, {**above, **{key: text for key, text in own.items() if text}}))
    return made


def _among(attributes: Mapping[str, Any], names: Collection[str]) -> dict[str, str | None]:
    """Return the texts of attributes of some names, and of those that begin with `OWN_SESSION`."""
    return {key: _text(value) for key, value in attributes.items() if key in names or key.startswith(OWN_SESSION)}


def _keyed(of_owners: Sequence[Mapping[str, str | None]]) -> Keyed:
    """Return attributes as those of spans are, to be joined by the same functions."""
    sent = [(owner, key, text) for owner, own in enumerate(of_owners) for key, text in own.items()]
    owners, keys, texts = zip(*sent, strict=True) if sent else ((), (), ())
    key = cast("Any", pa.array(keys, pa.string())).dictionary_encode()
    kinds = np.full(len(owners), TEXT, np.uint8)
    return keyed(Attributes(np.array(owners, np.int32), key, pa.array(texts, pa.string()), kinds), len(of_owners))


def _first(attributes: Keyed, names: Sequence[str]) -> list[str | None]:
    return attributes.taken(attributes.first(names)).to_pylist()


def _score(evaluation: Evaluation, said: _Said, row: int) -> Score:
    attributes = evaluation.attributes
    name = attributes.get(EVALUATION_NAME)
    if not isinstance(name, str) or not name:
        raise InputError(f"an evaluation result must have a text as {EVALUATION_NAME}")
    trace_id, span_id = _id("trace", evaluation.trace_id, _TRACE_DIGITS), _id("span", evaluation.span_id, _SPAN_DIGITS)
    run_id, session = said.run[row], said.session[row]
    if run_id is None and span_id is None:  # what is said of a trace is said of its run, as at a root span
        run_id, trace_id = trace_id, None
    more = {key: value for key, value in attributes.items() if key not in _USED and key not in said.names}
    return Score(
        name=name,
        value=_value(attributes.get(EVALUATION_VALUE)),
        label=_text(attributes.get(EVALUATION_LABEL)),
        run_id=run_id,
        step_id=None if said.run[row] is None else said.step[row],
        trace_id=trace_id,
        span_id=span_id,
        session=dict([session]) if session and run_id is None and trace_id is None else None,
        ts=evaluation.time_ns // 1000 / 1000 if evaluation.time_ns else None,
        comment=_text(attributes.get(EVALUATION_EXPLANATION)),
        attributes=msgspec.Raw(msgspec.json.encode(more)) if more else NULL,
    )


def _value(value: Any) -> bool | float | None:
    """Return the number of a score: a truth value stays one."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    raise InputError(f"{EVALUATION_VALUE} is {shown(str(value))}, must be a finite number or a truth value")


def _id(what: str, digits: str, length: int) -> str | None:
    if not digits:
        return None
    made = digits.lower()
    if len(made) != length or not made.strip("0") or made.strip("0123456789abcdef"):
        raise InputError(f"{what} id {shown(digits)} must be {length} hexadecimal digits, not all zero")
    return made


def _sessions(
    kept: Sequence[tuple[Evaluation, Score]], received_at_us: int, join: Joining
) -> tuple[Mapping[str, pa.RecordBatch], list[str]]:
    """Return the rows of `session_runs` of results about runs or traces, and what is wrong with those left out."""
    about = [(evaluation, score.run_id or score.trace_id) for evaluation, score in kept]
    joined = [(evaluation, run_id) for evaluation, run_id in about if run_id is not None]
    whole = _keyed([both for _, both in _named((evaluation for evaluation, _ in joined), join)])
    key_of = join.session_keys(whole)
    run, runs = encoded(pa.array([run_id for _, run_id in joined], pa.string()))
    found = Found(run, runs, run, runs, run, np.ones(len(run), np.bool_), ())
    times = np.array([evaluation.time_ns // 1000 or received_at_us for evaluation, _ in joined], np.int64)
    columns, faults = session_runs(whole, whole.worded(key_of), found, times, key_of)
    if not columns or not len(columns["run_id"]):
        return {}, faults
    return {"session_runs": batch("session_runs", columns, len(columns["run_id"]), received_at_us)}, faults


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()
