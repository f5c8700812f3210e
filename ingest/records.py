"""The typed records of DESIGN section 5, and decoding of NDJSON or a JSON array, each record on its own outcome."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Raw, Struct

from ingest.arrays import begins_array, elements
from ingest.explain import explained
from ingest.limits import Limits
from ingest.verdict import Rejection
from warehouse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

Moment = str | int | float | None
"""A time as sent: ISO 8601, or milliseconds since 1970."""

Sessions = dict[str, str | int | float] | None

NULL = Raw(b"null")
"""JSON that was not sent. Payloads stay the bytes they came as: nothing here looks inside them."""


class Experiment(Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """The variant of an experiment that a score or a deferral belongs to."""

    name: str
    variant: str


class Event(Struct, tag="event", tag_field="type", forbid_unknown_fields=True, frozen=True, gc=False):
    """Something that happened."""

    name: str
    id: str | None = None
    ts: Moment = None
    data: Raw = NULL
    v: str | None = None
    sessions: Sessions = None


class Run(Struct, tag="run", tag_field="type", forbid_unknown_fields=True, frozen=True, gc=False):
    """What is known of a function run."""

    id: str
    status: str
    app_id: str | None = None
    function_id: str | None = None
    triggering_event_name: str | None = None
    event_ids: list[str] | None = None
    parent_run_id: str | None = None
    trace_id: str | None = None
    user_id: str | None = None
    environment: str | None = None
    release: str | None = None
    queued_at: Moment = None
    started_at: Moment = None
    ended_at: Moment = None
    input: Raw = NULL
    output: Raw = NULL
    error: Raw = NULL
    attributes: Raw = NULL
    sessions: Sessions = None


class Step(Struct, tag="step", tag_field="type", forbid_unknown_fields=True, frozen=True, gc=False):
    """What is known of one attempt of a step."""

    run_id: str
    id: str
    status: str
    name: str | None = None
    step_type: str | None = None
    loop_index: int | None = None
    attempt: int | None = None
    queued_at: Moment = None
    started_at: Moment = None
    ended_at: Moment = None
    input: Raw = NULL
    output: Raw = NULL
    error: Raw = NULL
    attributes: Raw = NULL


class Assignment(Struct, tag="assignment", tag_field="type", forbid_unknown_fields=True, frozen=True, gc=False):
    """A run given a variant of an experiment."""

    run_id: str
    experiment: str
    variant: str
    unit: str | None = None
    strategy: str | None = None
    weights: Raw = NULL
    attributes: Raw = NULL
    ts: Moment = None


class Score(Struct, tag="score", tag_field="type", forbid_unknown_fields=True, frozen=True, gc=False):
    """A judgement of a run, a step, a span, a trace or a session."""

    name: str
    id: str | None = None
    value: bool | float | None = None
    label: str | None = None
    run_id: str | None = None
    session: Sessions = None
    trace_id: str | None = None
    span_id: str | None = None
    step_id: str | None = None
    experiment: Experiment | None = None
    sessions: Sessions = None
    ts: Moment = None
    source: str | None = None
    scorer_id: str | None = None
    comment: str | None = None
    attributes: Raw = NULL


class Deferral(Struct, tag="deferral", tag_field="type", forbid_unknown_fields=True, frozen=True, gc=False):
    """An outcome to be waited for."""

    scorer_id: str
    run_id: str
    id: str | None = None
    experiment: Experiment | None = None
    input: Raw = NULL
    created_at: Moment = None


class Metadata(Struct, tag="metadata", tag_field="type", forbid_unknown_fields=True, frozen=True, gc=False):
    """Values that some kind of metadata has for a run, a step or a span."""

    run_id: str
    kind: str
    values: Raw
    step_id: str | None = None
    span_id: str | None = None


Record = Event | Run | Step | Assignment | Score | Deferral | Metadata

TYPES: dict[str, type[Struct]] = {
    str(kind.__struct_config__.tag): kind for kind in (Event, Run, Step, Assignment, Score, Deferral, Metadata)
}
"""Each record by the name in its `type`."""

_DECODER: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)
_BOM = b"\xef\xbb\xbf"
_LINE = re.compile(rb"\S[^\n]*")
_BREAK, _RETURN, _SPACE, _OPENS, _CLOSES = b"\n\r {}"


@dataclass(frozen=True, slots=True)
class Decoded:
    """The records of a request that are of a known type and shape; their values are not judged yet."""

    records: Sequence[Record]
    indices: Sequence[int]
    """The place of each record among all records of the request, from 0."""
    rejected: tuple[Rejection, ...]


def decode(body: bytes, content_type: str | None, limits: Limits | None = None) -> Decoded:
    """Return the records of NDJSON or of a JSON array.

    Args:
        body: the unpacked body.
        content_type: `application/x-ndjson` means lines; otherwise a body that begins with `[` is an array. With
            `application/json`, a body that is one JSON value may span lines.
        limits: ceilings on the size of a record and the number of records.

    Raises:
        InputError: `malformed` when a JSON array does not close, `too_large` when there are too many records.
    """
    limits = limits or Limits()
    rest = only_lines(body, content_type)
    if rest is not None:
        return decode_lines(rest, limits)
    body = body.removeprefix(_BOM)
    return _each(elements(body) if begins_array(body) else [body], limits)


def only_lines(body: bytes, content_type: str | None) -> bytes | None:
    """Return a body that is lines, without its byte order mark; None when it is an array or one JSON value."""
    body = body.removeprefix(_BOM)
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind != "application/x-ndjson" and (begins_array(body) or (kind == "application/json" and _is_one_value(body))):
        return None
    return body


def decode_lines(body: bytes, limits: Limits) -> Decoded:
    """Return the records of lines; raises InputError `too_large` when there are too many."""
    records = _at_once(body, limits)
    if records is None:
        return _each(lines(body), limits)
    return Decoded(records, range(len(records)), ())


def too_many(limits: Limits) -> InputError:
    """Return the error of a request with more records than one may have."""
    message = f"the body has more than {limits.records} records"
    return InputError(message, code="too_large", hint="send it in several requests")


def lines(body: bytes) -> Iterator[bytes]:
    """Yield the lines that are not blank."""
    return (match[0] for match in _LINE.finditer(body))


def count(body: bytes) -> int:
    """Return how many lines are not blank."""
    text = np.frombuffer(body, np.uint8)
    breaks = np.flatnonzero(text == _BREAK)
    begins = np.append(0, breaks + 1)
    begins = begins[begins < len(text)]
    # Where no line begins with white space or a control character, none is blank.
    return len(begins) if (text[begins] > _SPACE).all() else sum(1 for _ in lines(body))


def _is_one_value(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _at_once(body: bytes, limits: Limits) -> list[Record] | None:
    """Return all records when nothing is wrong with any line; None when lines have to be taken one by one.

    The decoder itself would take two records from one line, or one from two. Where each line break stands between `}`
    and `{` no record can span it, as nothing but a comma may follow `}` inside a record; and as many records as lines
    then mean one a line.
    """
    body = body.rstrip()
    text = np.frombuffer(body, np.uint8)
    breaks = np.flatnonzero(text == _BREAK)
    if len(breaks) >= limits.records or not _between_records(text, breaks):
        return None
    if (
        len(body) > limits.record_bytes
        and np.diff(breaks, prepend=-1, append=len(body)).max() > limits.record_bytes + 1
    ):
        return None
    if not (body.isascii() or _is_utf8(body)):
        return None
    try:
        records = _DECODER.decode_lines(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return records if len(records) == len(breaks) + 1 or not body else None


def _between_records(text: NDArray[np.uint8], breaks: NDArray[np.intp]) -> bool:
    """Return whether each line break, perhaps with a carriage return before it, stands right between `}` and `{`."""
    if not len(breaks):
        return True
    before = text[breaks - 1]  # the text is stripped at its end, so something follows the last one
    returns = before == _RETURN
    if returns.any():
        before = np.where(returns, text[breaks - 2], before)
    # After nothing or one character at the very beginning this would look at the end, which is always `}`.
    return bool(breaks[0] > 1 and (before == _CLOSES).all() and (text[breaks + 1] == _OPENS).all())


def _is_utf8(body: bytes) -> bool:
    """Return whether all of it is UTF-8; the decoder does not look inside Raw fields."""
    try:
        pa.array([body], pa.large_binary()).cast(pa.large_string())
    except pa.ArrowInvalid:
        return False
    return True


def _each(pieces: Iterable[bytes], limits: Limits) -> Decoded:
    records: list[Record] = []
    indices: list[int] = []
    rejected: list[Rejection] = []
    for index, piece in enumerate(pieces):
        if index == limits.records:
            raise too_many(limits)
        if len(piece) > limits.record_bytes:
            message = f"the record has {len(piece)} bytes, the limit is {limits.record_bytes}"
            rejected.append(Rejection(index, "too_large", None, message))
            continue
        try:
            if not piece.isascii():
                piece.decode()
            records.append(_DECODER.decode(piece))
            indices.append(index)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            rejected.append(explained(error, index, piece, TYPES))
    return Decoded(records, indices, tuple(rejected))
