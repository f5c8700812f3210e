"""A trace request taken out of its encoding and not yet interpreted: columns of spans, attributes, events and links.

The same for every encoding, so that nothing after this can tell protobuf from JSON.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.errors import InputError

if TYPE_CHECKING:
    from typing import Any

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

TEXT, BOOL, INT, DOUBLE, BYTES, ARRAY, MAP, EMPTY = range(8)
"""What an attribute's value was before it became text."""

VALUE_BYTES = 1 << 20
"""Longest text that is kept whole, in bytes of UTF-8; of a longer one the beginning is kept, and marked."""

OWN_ATTRIBUTES = 1024
"""Attributes that a span, a resource or an event keeps, the first received."""

DROPPED = "upshot.dropped_attributes"
"""The attribute that counts the others."""

NESTED_LEVELS = 30
"""Arrays and maps in one another, at the most. The stock parser stops at 100 messages: between 31 and 47 levels."""

SPANS, EVENTS, LINKS, ATTRIBUTES, NESTED_VALUES = 1 << 19, 1 << 18, 1 << 18, 1 << 22, 1 << 20
"""Most of each that a request may hold, and most values that one attribute may; resources and scopes are bounded as
spans are. On the wire two bytes would do for any of them, in memory it takes hundreds."""

REASONS = 16
"""Reasons that are kept, the first; they name ids, so there could be one for each span."""

EARLIEST_NS = int(dt.datetime(1980, 1, 1, tzinfo=dt.UTC).timestamp()) * 10**9
LATEST_NS = int(dt.datetime(2100, 1, 1, tzinfo=dt.UTC).timestamp()) * 10**9
TRACE_BYTES, SPAN_BYTES = 16, 8
_TRACE_ID = re.compile("(?!0*$)[0-9a-f]{32}").fullmatch
_SPAN_ID = re.compile("(?!0*$)[0-9a-f]{16}").fullmatch
_PARENT_ID = re.compile("[0-9a-f]{16}").fullmatch

KINDS, STATUSES = 6, 3
"""How many kinds of span and codes of status there are; any other number stands for 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Attributes:
    """Attributes of several owners, flat and in the order received: an item per attribute."""

    owner: NDArray[np.int32]
    """Which span (resource, event) has it; ascending."""
    key: pa.DictionaryArray[Any, Any]
    """int32 -> string."""
    text: pa.StringArray
    """A string as it is, bytes as base64, anything else as JSON; null for an empty value."""
    kind: NDArray[np.uint8]
    """`TEXT` to `EMPTY`."""


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Events of several spans, in the order received."""

    owner: NDArray[np.int32]
    """Which span; ascending."""
    name: pa.StringArray
    time_ns: NDArray[np.uint64]
    attributes: Attributes
    """Owned by events."""


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """The spans of a request that can be stored, in the order received."""

    trace_id: pa.StringArray
    """32 lower-case hexadecimal digits, not all 0."""
    span_id: pa.StringArray
    """16 of them."""
    parent_span_id: pa.StringArray
    """16; null for a root."""
    name: pa.StringArray
    kind: NDArray[np.uint8]
    """OpenTelemetry's number; 0 for one it does not have."""
    start_ns: NDArray[np.uint64]
    end_ns: NDArray[np.uint64]
    """0: none. May lie before the start."""
    status_code: NDArray[np.uint8]
    status_message: pa.StringArray
    """Null when empty."""
    resource: NDArray[np.int32]
    """Which resource."""
    scope: NDArray[np.int32]
    """Which scope."""
    scope_name: pa.StringArray
    """One a scope; null when empty."""
    scope_version: pa.StringArray
    attributes: Attributes
    """Owned by spans. A repeated key is repeated here: the last counts."""
    resource_attributes: Attributes
    """Owned by resources."""
    events: Events
    links: pa.StringArray
    """One a span: a JSON list of objects of `trace_id`, `span_id` and `attributes`; null without links."""
    rejected: int
    """How many spans cannot be stored."""
    reasons: tuple[str, ...]
    """Why, each once."""


def fault(trace_id: str, span_id: str, parent_span_id: str, start_ns: int, end_ns: int) -> str | None:
    """Return why a span cannot be stored, or None. Ids are hexadecimal, times nanoseconds since 1970."""
    if not _TRACE_ID(trace_id):
        return f"trace id {trace_id[:64]!r} must be {TRACE_BYTES} bytes, not all zero"
    if not _SPAN_ID(span_id):
        return f"span id {span_id[:64]!r} must be {SPAN_BYTES} bytes, not all zero"
    if parent_span_id and not _PARENT_ID(parent_span_id):
        return f"parent span id {parent_span_id[:64]!r} must be {SPAN_BYTES} bytes, or empty for a root"
    if not EARLIEST_NS <= start_ns < LATEST_NS:
        return f"start time {start_ns} ns must lie from 1980 up to 2100"
    if end_ns and not EARLIEST_NS <= end_ns < LATEST_NS:
        return f"end time {end_ns} ns must lie from 1980 up to 2100"
    return None


def kept(text: str) -> str:
    """Return a text of at most `VALUE_BYTES`, cut between characters, and what says how many bytes are missing."""
    if len(text) * 4 <= VALUE_BYTES:  # no character takes more
        return text
    content = text.encode()
    if len(content) <= VALUE_BYTES:
        return text
    head = content[:VALUE_BYTES].decode(errors="ignore")
    return f"{head}…[truncated {len(content) - len(head.encode())} bytes]"


def check_count(count: int, name: str, most: int) -> None:
    """Raise InputError `malformed` when there is more of something than a request may hold."""
    if count > most:
        raise InputError(f"the request has {count:,} {name}, at most {most:,} are taken", code="malformed")


class Nesting:
    """Bounds one attribute's arrays and maps."""

    def __init__(self) -> None:
        self._values = 0

    def enter(self, level: int, values: int) -> None:
        """Count the values of an array or map at a level, the outermost being 1.

        Raises:
            InputError: `malformed`, beyond `NESTED_LEVELS` or `NESTED_VALUES`.
        """
        if level > NESTED_LEVELS:
            raise InputError(f"an attribute is nested deeper than {NESTED_LEVELS} levels", code="malformed")
        self._values += values
        if self._values > NESTED_VALUES:
            check_count(self._values, "values in one attribute", NESTED_VALUES)
