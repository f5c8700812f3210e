"""Records to send: one score from its arguments, many in batches of bounded size, and what became of them."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

from upshot._call import Answer, Call, Question, body_of, checked, dumped, fault, not_upshot
from upshot._errors import ArgumentError, RejectedError
from upshot._settings import Moment, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BATCH_BYTES = 4 << 20
"""A batch is sent when it has this many bytes; one record may have as many by itself."""
BATCH_RECORDS = 10_000

INGEST_SECONDS = 60.0

Source = Literal["code", "llm", "human", "deferred", "import"]
"""Who says a score."""

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that was not accepted: its place among all that were sent, from 0; `field` is None for all of it."""

    index: int
    code: str
    field: str | None
    message: str


@dataclass(slots=True)
class Ingested:
    """What became of records: how many are in, durable and visible, and those that are not."""

    accepted: int = 0
    rejected: list[Rejected] = field(default_factory=list[Rejected])

    def add(self, other: Ingested) -> None:
        """Add what became of the next batch."""
        self.accepted += other.accepted
        self.rejected += other.rejected

    def raise_rejected(self) -> None:
        """Raise RejectedError when a record was not accepted."""
        if self.rejected:
            first = self.rejected[0]
            where = f"record {first.index}{f', {first.field}' if first.field else ''}"
            others = f" (and {len(self.rejected) - 1} more)" if len(self.rejected) > 1 else ""
            told = f"{len(self.rejected)} of {self.accepted + len(self.rejected)} records not accepted"
            raise RejectedError(f"{told}: {where}: {first.message}{others}", self)


@dataclass(slots=True)
class Batch:
    """Records of one request as NDJSON, and those that have no JSON."""

    lines: list[bytes] = field(default_factory=list[bytes])
    indices: list[int] = field(default_factory=list[int])
    size: int = 0
    refused: list[Rejected] = field(default_factory=list[Rejected])

    def add(self, index: int, record: Any) -> None:
        """Add a record, or refuse it."""
        if not _is_record(record):
            message = f"is a {type(record).__name__}, must be a dict"
            self.refused.append(Rejected(index, "malformed", None, message))
            return
        try:
            line = dumped(_with_id(record)).encode()
        except (TypeError, ValueError, RecursionError):
            at, why = fault(record)
            self.refused.append(Rejected(index, "bad_parameter", at or None, f"{at} {why}".strip()))
            return
        self.lines.append(line)
        self.indices.append(index)
        self.size += len(line) + 1

    @property
    def full(self) -> bool:
        """Return whether it is to be sent."""
        return self.size >= BATCH_BYTES or len(self.lines) >= BATCH_RECORDS


def batches(records: Iterable[Mapping[str, Any]]) -> Iterator[Batch]:
    """Yield records in batches, as they are drawn from the iterable; nothing for none."""
    given: Any = records
    if isinstance(given, Mapping | str | bytes):
        raise ArgumentError(f"records is a {type(records).__name__}, must be an iterable of dicts")
    batch = Batch()
    for index, record in enumerate(records):
        batch.add(index, record)
        if batch.full:
            yield batch
            batch = Batch()
    if batch.lines or batch.refused:
        yield batch


def sent(batch: Batch) -> Question[Ingested] | None:
    """Return a batch as a question; None when it has no record to send."""
    if not batch.lines:
        return None
    call = Call(
        "POST",
        "/v1/ingest",
        body=b"\n".join(batch.lines),
        headers={"Content-Type": "application/x-ndjson", "Accept": "application/json"},
        patience=INGEST_SECONDS,
        also=frozenset({400}),
    )

    def read(answer: Answer) -> Ingested:
        try:
            body = body_of(answer)
            if "error" in body:
                checked(answer, Call("POST", "/v1/ingest"))
            told: list[dict[str, Any]] = body["rejected"]
            rejected = [
                Rejected(batch.indices[int(one["index"])], one["code"], one["field"], one["message"]) for one in told
            ]
            return Ingested(body["accepted"], rejected)
        except (LookupError, TypeError):
            raise not_upshot(answer) from None

    return Question(call, read)


def _is_record(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


def _with_id(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a record that counts once however often it is sent.

    Only an event has neither an id nor a key of its fields. A score without an id is known by its target and name: an
    id of ours would make it a rater of its own.
    """
    if record.get("type") == "event" and record.get("id") is None:
        return {**record, "id": new_id()}
    return record


def new_id() -> str:
    """Return a ULID: 48 bits of milliseconds, 80 random ones, in Crockford's base 32 (github.com/ulid/spec)."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def score_record(
    name: str,
    value: float | str | None,
    label: str | None,
    experiment: tuple[str, str] | Mapping[str, str] | None,
    ts: Moment | None,
    **others: object,
) -> dict[str, object]:
    """Return the record of a score; a text as value is its label.

    Raises:
        ArgumentError: it says nothing, two things, or something without a form in JSON.
    """
    if isinstance(value, str):
        if label is not None:
            raise ArgumentError(f"value is the text {value!r} and label is {label!r}, must be one of them")
        value, label = None, value
    if value is None and label is None:
        raise ArgumentError("value is None, must be a number, a bool or a text")
    if isinstance(experiment, tuple):
        if len(experiment) != 2:  # pyright: ignore[reportUnnecessaryComparison]  # noqa: PLR2004 - a name and a variant
            raise ArgumentError(f"experiment is {experiment!r}, must be a name and a variant")
        experiment = {"name": experiment[0], "variant": experiment[1]}
    fields = {"name": name, "value": value, "label": label, "experiment": experiment, "ts": moment("ts", ts), **others}
    record = {"type": "score", **{key: item for key, item in fields.items() if item is not None}}
    try:
        return json.loads(dumped(record))
    except (TypeError, ValueError, RecursionError):
        at, why = fault(record)
        raise ArgumentError(f"{at} {why}") from None
