"""Spans taken one at a time, gathered into columns."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.otel.decoded import (
    EARLIEST_NS,
    EVENTS,
    KINDS,
    LATEST_NS,
    LINKS,
    REASONS,
    SPAN_BYTES,
    SPANS,
    STATUSES,
    TRACE_BYTES,
    VALUE_BYTES,
    Attributes,
    Events,
    Spans,
    check_count,
    fault,
    kept,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Columns = tuple[pa.DictionaryArray[Any, Any], pa.StringArray, NDArray[np.uint8]]


@dataclass(slots=True)
class Pairs:
    """Attributes: an item of each list per attribute."""

    owner: list[int] = field(default_factory=list[int])
    key: list[str] = field(default_factory=list[str])
    text: list[str | None] = field(default_factory=list["str | None"])
    kind: list[int] = field(default_factory=list[int])

    def columns(self) -> Attributes:
        """Return them as columns."""
        return Attributes(
            np.array(self.owner, np.int32),
            encoded(text_column(self.key)),
            text_column(self.text),
            np.array(self.kind, np.uint8),
        )


@dataclass(slots=True)
class Gathered:
    """The spans so far. Resources, scopes and events belong to what was taken last."""

    spans: list[tuple[str, str, str | None, str, int, int, int, int, str | None, int, int]] = field(
        default_factory=list[tuple[str, str, "str | None", str, int, int, int, int, "str | None", int, int]]
    )
    resources: int = 0
    scopes: list[tuple[str | None, str | None]] = field(default_factory=list["tuple[str | None, str | None]"])
    events: list[tuple[int, str, int]] = field(default_factory=list[tuple[int, str, int]])
    links: dict[int, str] = field(default_factory=dict[int, str])
    linked: int = 0
    rejected: int = 0
    reasons: dict[str, None] = field(default_factory=dict[str, None])

    def resource(self) -> int:
        """Take a resource and return its number."""
        self.resources += 1
        check_count(self.resources, "resources", SPANS)
        return self.resources - 1

    def scope(self, name: str, version: str) -> None:
        """Take a scope of the resource taken last."""
        self.scopes.append((name or None, version or None))
        check_count(len(self.scopes), "scopes", SPANS)

    def span(
        self,
        ids: tuple[str, str, str],
        times_ns: tuple[int, int],
        name: str,
        kind: int,
        status: tuple[int, str],
    ) -> int | None:
        """Take a span and return its number, or None when it cannot be stored.

        Args:
            ids: of trace, span and parent, in hexadecimal.
            times_ns: start and end.
            name: what it is called.
            kind: OpenTelemetry's number.
            status: code and message.
        """
        check_count(len(self.spans) + self.rejected + 1, "spans", SPANS)
        trace_id, span_id, parent = ids
        reason = fault(trace_id, span_id, parent, *times_ns)
        if reason:
            self.rejected += 1
            if len(self.reasons) < REASONS:
                self.reasons[reason] = None
            return None
        code, message = status
        self.spans.append(
            (
                trace_id,
                span_id,
                parent if parent.strip("0") else None,
                name,
                kind,
                *times_ns,
                code,
                message or None,
                self.resources - 1,
                len(self.scopes) - 1,
            )
        )
        return len(self.spans) - 1

    def event(self, span: int, name: str, time_ns: int) -> int:
        """Take an event of a span and return its number."""
        self.events.append((span, name, time_ns))
        check_count(len(self.events), "events", EVENTS)
        return len(self.events) - 1

    def linked_to(self, span: int, links: Sequence[tuple[str, str, Mapping[str, str | None]]]) -> None:
        """Take the links of a span: of each the trace id, the span id and the attributes."""
        self.linked += len(links)
        check_count(self.linked, "links", LINKS)
        if links:
            self.links[span] = links_text(links)

    def columns(self, attributes: Attributes, resource_attributes: Attributes, event_attributes: Attributes) -> Spans:
        """Return all of it as columns, with the attributes of its spans, resources and events."""
        trace, span, parent, name, kind, start, end, code, message, resource, scope = _columns(self.spans, 11)
        scope_name, scope_version = _columns(self.scopes, 2)
        owner, event_name, event_time = _columns(self.events, 3)
        return Spans(
            trace_id=pa.array(trace, pa.string()),
            span_id=pa.array(span, pa.string()),
            parent_span_id=pa.array(parent, pa.string()),
            name=text_column(name),
            kind=numbers_below(KINDS, kind),
            start_ns=np.array(start, np.uint64),
            end_ns=np.array(end, np.uint64),
            status_code=numbers_below(STATUSES, code),
            status_message=text_column(message),
            resource=np.array(resource, np.int32),
            scope=np.array(scope, np.int32),
            scope_name=text_column(scope_name),
            scope_version=text_column(scope_version),
            attributes=attributes,
            resource_attributes=resource_attributes,
            events=Events(
                np.array(owner, np.int32),
                text_column(event_name),
                np.array(event_time, np.uint64),
                event_attributes,
            ),
            links=pa.array([self.links.get(number) for number in range(len(self.spans))], pa.string()),
            rejected=self.rejected,
            reasons=tuple(self.reasons),
        )


@dataclass(frozen=True, slots=True)
class Identities:
    """Ids and times of spans: what decides whether they can be stored."""

    traces: list[str]
    """Hexadecimal, as are the others."""
    ids: list[str]
    parents: list[str]
    """Empty for a root."""
    starts: list[int]
    """Nanoseconds since 1970."""
    ends: list[int]
    """0: none."""

    def faults(self) -> dict[int, str]:
        """Return the spans that cannot be stored, and why."""
        if self._sound():
            return {}
        each = zip(self.traces, self.ids, self.parents, self.starts, self.ends, strict=True)
        return {row: reason for row, facts in enumerate(each) if (reason := fault(*facts))}

    def _sound(self) -> bool:
        """Tell whether nothing is wrong with any: one look at all of them."""
        times = [*self.starts, *filter(None, self.ends)]
        return (
            {*map(len, self.traces)} <= {2 * TRACE_BYTES}
            and {*map(len, self.ids)} <= {2 * SPAN_BYTES}
            and {*map(len, self.parents)} <= {0, 2 * SPAN_BYTES}
            and _DIGITS("".join([*self.traces, *self.ids, *self.parents])) is not None
            and "0" * 2 * TRACE_BYTES not in self.traces
            and "0" * 2 * SPAN_BYTES not in self.ids
            and min(times, default=EARLIEST_NS) >= EARLIEST_NS
            and max(times, default=EARLIEST_NS) < LATEST_NS
        )

    def parent_column(self) -> pa.StringArray:
        """Return the parents, null where empty or all zero."""
        none = {"", "0" * 2 * SPAN_BYTES}
        return pa.array([None if each in none else each for each in self.parents], pa.string())


_DIGITS = re.compile("[0-9a-f]*").fullmatch


def families(counts: Sequence[Sequence[int]], columns: Columns) -> list[Attributes]:
    """Return the attributes of several kinds of owner, as parts of columns that have them one kind after the other.

    Args:
        counts: how many attributes each owner of each kind has.
        columns: keys, texts and kinds.
    """
    key, text, kind = columns
    made: list[Attributes] = []
    begin = 0
    for own in counts:
        owner = np.repeat(np.arange(len(own), dtype=np.int32), own)
        size = len(owner)
        made.append(Attributes(owner, key.slice(begin, size), text.slice(begin, size), kind[begin : begin + size]))
        begin += size
    return made


def numbers_below(end: int, numbers: Sequence[int]) -> NDArray[np.uint8]:
    """Return numbers of an enum that has `end` of them; 0 for those that it does not have."""
    return np.array([number if 0 <= number < end else 0 for number in numbers], np.uint8)


def text_column(texts: Sequence[str | None]) -> pa.StringArray:
    """Return texts as a column, each of at most `VALUE_BYTES`."""
    column = pa.array(texts, pa.string())
    if column.nbytes <= VALUE_BYTES:
        return column
    sizes = cast("Any", pc).binary_length(column)
    if (cast("Any", pc).max(sizes).as_py() or 0) <= VALUE_BYTES:
        return column
    return pa.array([None if text is None else kept(text) for text in texts], pa.string())


def encoded(keys: pa.StringArray) -> pa.DictionaryArray[Any, Any]:
    """Return keys as a dictionary and which of it each is."""
    return cast("Any", keys).dictionary_encode()


def written(plain: Any) -> str | None:
    """Return a value as an attribute's text: text as it is, None for None, anything else as JSON."""
    if plain is None:
        return None
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()


def number(double: float) -> float | str:
    """Return a double, or its name when JSON has no number for it."""
    return double if math.isfinite(double) else str(double)


def links_text(links: Sequence[tuple[str, str, Mapping[str, str | None]]]) -> str:
    """Return links as JSON; see `Spans.links`."""
    made = [
        {
            "trace_id": kept(trace),
            "span_id": kept(span),
            "attributes": {kept(key): text if text is None else kept(text) for key, text in attributes.items()},
        }
        for trace, span, attributes in links
    ]
    return msgspec.json.encode(made).decode()


def _columns(rows: Sequence[tuple[Any, ...]], count: int) -> Sequence[Sequence[Any]]:
    return list(zip(*rows, strict=True)) or [()] * count
