"""The stages of ingestion as types: bytes, `Decoded`, `Validated`; only the last can be logged."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from ingest.body import unpack
from ingest.normalise import normalise
from ingest.records import Decoded, decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa

    from ingest.limits import Limits
    from ingest.verdict import Rejection


@dataclass(frozen=True, slots=True)
class Validated:
    """What may be logged of a request, and what became of the rest."""

    batches: Mapping[str, pa.RecordBatch]
    """By file table; each has exactly the columns `arriving` of `warehouse/schema.py`."""
    accepted: int
    """Records, not rows: one record may bring rows of several tables."""
    rejected: tuple[Rejection, ...]
    """In the order of the records."""


def validate(decoded: Decoded, received_at_us: int) -> Validated:
    """Return the rows of the records that keep every rule, and a rejection for each that does not.

    Args:
        decoded: the records of one request.
        received_at_us: microseconds since 1970.
    """
    made = normalise(decoded.records, decoded.indices, received_at_us)
    rejected = sorted((*decoded.rejected, *made.rejected), key=attrgetter("index"))
    return Validated(made.joined(), len(decoded.records) - len(made.rejected), tuple(rejected))


def receive(
    body: bytes | Iterable[bytes],
    content_type: str | None,
    content_encoding: str | None,
    received_at_us: int,
    limits: Limits,
) -> Validated:
    """Unpack, decode and validate a request.

    Args:
        body: as sent, whole or in pieces.
        content_type: the header; see `ingest.records.decode`.
        content_encoding: the header; see `ingest.body.unpack`.
        received_at_us: microseconds since 1970.
        limits: ceilings of the request.

    Raises:
        InputError: the body as a whole cannot be taken: `malformed`, `too_large`, or `bad_parameter`. A bad record is
            no error but a rejection.
    """
    return validate(decode(unpack(body, content_encoding, limits), content_type, limits), received_at_us)
