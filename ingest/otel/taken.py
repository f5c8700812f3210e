"""A request of OTLP, whatever brought it, becomes entries of the log: unpacked, decoded, counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ingest.body import unpack
from ingest.limits import Limits
from ingest.otel.answers import JSON_TYPE
from ingest.otel.joining import Joining
from ingest.otel.json import decode_json
from ingest.otel.logs import decode_logs
from ingest.otel.prices import Prices
from ingest.otel.protobuf import decode_protobuf
from ingest.otel.rows import rows
from warehouse.log import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from warehouse.log import Encoded

LIMITS = Limits(body_bytes=20 << 20, unpacked_bytes=20 << 20)
"""Of one request, as sent and unpacked (DESIGN section 5)."""


class Taken(NamedTuple):
    """A request, ready for the log."""

    entries: list[Encoded]
    """To be appended together."""
    rejected: int
    """Records that cannot be kept, however often they are sent."""
    reasons: tuple[str, ...]
    """Why, distinct, in the order in which they were met."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One of OpenTelemetry's kinds of data that is taken."""

    name: str
    """As in the path and in the names of its messages, such as `traces`."""
    take: Callable[[bytes, str, int, Reading], Taken]
    """(unpacked body, content type without parameters, microseconds since 1970) -> its rows; InputError `malformed`."""
    counter: str
    """JSON name of the count of rejected records."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How this installation reads requests; one for all of a process, for prices are remembered."""

    prices: Prices = field(default_factory=Prices)
    joining: Joining = field(default_factory=Joining)


def _traces(body: bytes, kind: str, received_at_us: int, reading: Reading) -> Taken:
    decoded = decode_json(body) if kind == JSON_TYPE else decode_protobuf(body)
    made = rows(decoded, received_at_us, reading.prices, reading.joining)
    return Taken(encode(made.tables), made.rejected, made.reasons)


def _logs(body: bytes, kind: str, received_at_us: int, reading: Reading) -> Taken:
    made = decode_logs(body, kind, received_at_us, reading.joining)
    return Taken(encode(made.batches), made.rejected, made.reasons)


TRACES = Signal("traces", _traces, "rejectedSpans")
LOGS = Signal("logs", _logs, "rejectedLogRecords")
SIGNALS: Mapping[str, Signal] = {signal.name: signal for signal in (TRACES, LOGS)}


def receive(  # noqa: PLR0917 - what a request is
    signal: Signal, body: bytes, encoding: str | None, kind: str, received_at_us: int, reading: Reading
) -> Taken:
    """Return the rows of a request as it was sent.

    Raises:
        InputError: `too_large` above `LIMITS`, `malformed` when it cannot be unpacked or parsed, `bad_parameter` for
            another content encoding.
    """
    return signal.take(unpack(body, encoding, LIMITS), kind, received_at_us, reading)
