"""OTLP log records -> scores: those that are a `gen_ai.evaluation.result`; all others are acknowledged and let go.

The event and its attributes are OpenTelemetry's semantic conventions for generative AI. Any logger of OpenTelemetry can
score with it; who sends all logs of an application here loses nothing by it, and finds none of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from ingest.normalise import normalise
from ingest.otel.evaluations import EVENT_NAME, Evaluation, evaluations
from ingest.otel.joining import (
    EVALUATION,
    EVALUATION_EXPLANATION,
    EVALUATION_LABEL,
    EVALUATION_NAME,
    EVALUATION_VALUE,
    OWN_SESSION,
    RUN_ID,
)
from ingest.records import NULL, Score
from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

STEP_ID = ("upshot.step_id", "inngest.step.id")
"""Attributes, the first one present wins."""

SESSIONS: Mapping[str, str] = {"session.id": "session_id", "gen_ai.conversation.id": "conversation_id"}
"""Attribute -> session key."""

_USED = frozenset({EVENT_NAME, *EVALUATION, *RUN_ID, *STEP_ID, *SESSIONS})
_TRACE_DIGITS, _SPAN_DIGITS = 32, 16


@dataclass(frozen=True, slots=True)
class LogRecords:
    """The log records of a request: rows by file table, and how many evaluation results could not be kept and why."""

    batches: Mapping[str, pa.RecordBatch]
    rejected: int
    reasons: tuple[str, ...]


@dataclass(slots=True)
class _Scores:
    scores: list[Score] = field(default_factory=list[Score])
    faults: list[str] = field(default_factory=list[str])


def decode_logs(body: bytes, kind: str, received_at_us: int) -> LogRecords:
    """Return the scores of an ExportLogsServiceRequest.

    A result is about the run it names, within that about the trace and span of its record; without a run about its
    trace and span; without these about the session it names.

    Args:
        body: the unpacked body.
        kind: its content type, without parameters: JSON or protobuf.
        received_at_us: microseconds since 1970; also the time of records that bring none.

    Raises:
        InputError: `malformed`, when the body cannot be parsed; nothing of it is to be kept.
    """
    made = _Scores()
    for evaluation in evaluations(body, kind):
        try:
            made.scores.append(_score(evaluation))
        except InputError as fault:
            made.faults.append(fault.message)
    normal = normalise(made.scores, range(len(made.scores)), received_at_us)
    reasons = [*made.faults, *(rejection.message for rejection in normal.rejected)]
    return LogRecords(normal.joined(), len(reasons), tuple(dict.fromkeys(reasons)))


def _score(evaluation: Evaluation) -> Score:
    attributes = evaluation.attributes
    name = attributes.get(EVALUATION_NAME)
    if not isinstance(name, str) or not name:
        raise InputError(f"an evaluation result must have a text as {EVALUATION_NAME}")
    trace_id, span_id = _id("trace", evaluation.trace_id, _TRACE_DIGITS), _id("span", evaluation.span_id, _SPAN_DIGITS)
    run_id = _first(attributes, RUN_ID)
    sessions = _sessions(attributes)
    about_session = run_id is None and trace_id is None
    more = {key: value for key, value in attributes.items() if not (key in _USED or key.startswith(OWN_SESSION))}
    return Score(
        name=name,
        value=_value(attributes.get(EVALUATION_VALUE)),
        label=_text(attributes.get(EVALUATION_LABEL)),
        run_id=run_id,
        step_id=None if run_id is None else _first(attributes, STEP_ID),
        trace_id=trace_id,
        span_id=span_id,
        session=dict([next(iter(sessions.items()))]) if about_session and sessions else None,
        sessions=sessions if run_id is not None else None,
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


def _sessions(attributes: Mapping[str, Any]) -> dict[str, str | int | float]:
    named = {key: _text(attributes.get(attribute)) for attribute, key in SESSIONS.items()}
    named |= {
        key.removeprefix(OWN_SESSION): _text(value) for key, value in attributes.items() if key.startswith(OWN_SESSION)
    }
    return {key: id_ for key, id_ in named.items() if id_}


def _first(attributes: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((text for name in names if (text := _text(attributes.get(name)))), None)


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()
