"""A body of lines taken in parts, each perhaps in another process, and put together as if it had been taken whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa

from ingest.columns import batch
from ingest.normalise import normalise
from ingest.records import decode_lines, too_many
from ingest.verdict import Code, Rejection
from warehouse.log import Encoded, decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ingest.limits import Limits
    from ingest.pipeline import Validated

_EQUAL_BY: Mapping[str, list[str]] = {
    "session_runs": ["session_key", "session_id", "run_id"],
    "assignments": ["run_id", "experiment", "variant", "_given"],
}
"""What makes derived rows of a table equal; of equal ones the earliest counts (`ingest.derived.Derived`)."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A request, ready for the log."""

    entries: list[Encoded]
    """To be appended together: within a table, rows stand in the order of the records."""
    accepted: int
    rejected: tuple[Rejection, ...]
    """In the order of the records."""


@dataclass(frozen=True, slots=True)
class Part:
    """What some lines of a request come to."""

    entries: list[Encoded]
    derived: list[Encoded]
    """Rows that records of other parts may bring as well."""
    records: int
    """Lines that are not blank, refused ones included."""
    accepted: int
    rejected: bytes
    """The rejections, packed (`packed`): of a request that is refused as a whole they are never looked at."""


def taken(validated: Validated) -> Taken:
    """Return a request that was taken whole."""
    return Taken(encode(validated.batches), validated.accepted, validated.rejected)


def part(lines: bytes, received_at_us: int, limits: Limits) -> Part:
    """Return what whole lines of a request come to.

    Raises:
        InputError: `too_large`, when there are more records than a whole request may have.
    """
    decoded = decode_lines(lines, limits)
    made = normalise(decoded.records, decoded.indices, received_at_us)
    rejected = [*decoded.rejected, *made.rejected]
    records = len(decoded.records) + len(decoded.rejected)
    return Part(encode(made.batches), encode(made.derived), records, records - len(rejected), packed(rejected))


def cut(body: bytes, size: int) -> Iterator[memoryview]:
    """Yield whole lines of a body, at most `size` bytes at a time unless a line is longer."""
    start = 0
    whole = memoryview(body)
    while start < len(body):
        end = len(body)
        if start + size < end:
            end = body.rfind(b"\n", start, start + size) + 1 or body.find(b"\n", start + size) + 1 or end
        yield whole[start:end]
        start = end


def put_together(parts: Iterable[Part], received_at_us: int, limits: Limits) -> Taken:
    """Return what the parts of a request, in their order, come to as a whole; takes no more of them than it needs.

    Raises:
        InputError: `too_large`, when together they have too many records.
    """
    entries: dict[str, list[Encoded]] = {}
    derived: dict[str, list[Encoded]] = {}
    refused: list[tuple[int, bytes]] = []
    records = accepted = 0
    for one in parts:
        for entry in one.entries:
            entries.setdefault(entry.table, []).append(entry)
        for entry in one.derived:
            derived.setdefault(entry.table, []).append(entry)
        refused.append((records, one.rejected))
        records += one.records
        accepted += one.accepted
        if records > limits.records:
            raise too_many(limits)
    for table, rows in derived.items():  # behind the records' own rows, as in a request taken whole
        entries.setdefault(table, []).extend(rows if len(rows) == 1 else _merged(table, rows, received_at_us))
    rejected = (no for first, text in refused for no in _unpacked(text, first))
    return Taken([entry for of_table in entries.values() for entry in of_table], accepted, tuple(rejected))


def packed(rejected: Iterable[Rejection]) -> bytes:
    """Return rejections as bytes, in the order of the records."""
    rows = sorted((no.index, no.code, no.field, no.message) for no in rejected)
    return msgspec.msgpack.encode(rows) if rows else b""


def _unpacked(text: bytes, first: int) -> Iterator[Rejection]:
    """Yield rejections of a part whose first record is the `first` of the request."""
    for index, code, field, message in _REJECTIONS.decode(text) if text else ():
        yield Rejection(first + index, code, field, message)


_REJECTIONS = msgspec.msgpack.Decoder(list[tuple[int, Code, str | None, str]])


def _merged(table: str, rows: list[Encoded], received_at_us: int) -> list[Encoded]:
    """Return derived rows of several parts without repetitions, in the order in which they first occur.

    Of implied assignments that contradict one another at one time the first counts, so their order must be kept;
    Arrow's groups come in none.
    """
    names = _EQUAL_BY[table]
    known: Any = pa.concat_tables([decode(entry.payload) for entry in rows])
    known = known.append_column("place", pa.array(np.arange(len(known))))
    once = known.group_by(names).aggregate([("ts", "min"), ("place", "min")]).sort_by("place_min").combine_chunks()
    columns: dict[str, pa.Array[Any]] = {name: once[name].chunk(0) for name in names}
    columns |= {"ts": once["ts_min"].chunk(0), "_day_id": columns["run_id"]}
    if table == "assignments":
        columns["_implied"] = pa.repeat(pa.scalar(value=True), len(once))
    return encode({table: batch(table, columns, len(once), received_at_us)})
