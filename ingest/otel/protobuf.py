"""Protobuf -> `Spans`, all attributes at once: one pass of Python over the spans, then numpy and Arrow.

The parser is told to leave attributes as bytes, since an object for each of them is what a plain loop spends its time
on; `keyvalues` takes them apart. Events and links are parsed one by one, for few spans have any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ingest.otel.decoded import (
    ATTRIBUTES,
    DROPPED,
    EVENTS,
    KINDS,
    LINKS,
    OWN_ATTRIBUTES,
    REASONS,
    SPANS,
    STATUSES,
    VALUE_BYTES,
    Attributes,
    Events,
    Spans,
    check_count,
)
from ingest.otel.gathered import Identities, families, links_text, numbers_below, text_column
from ingest.otel.keyvalues import columns
from ingest.otel.plain import REQUEST, message, messages, parsed, taken_link, text

if TYPE_CHECKING:
    from collections.abc import Sequence


LARGE_BYTES = 1 << 20
"""A body is counted before it is parsed when it is longer: a message of two bytes takes hundreds in memory."""

_UNDECODED = ("Span.attributes", "Span.events", "Span.links", "Resource.attributes", "Event.attributes")
_POOL = messages(_UNDECODED)
_REQUEST, _EVENT = message(_POOL, REQUEST), message(_POOL, "trace.v1.Span.Event")
_STOCK = messages()
_NAMES = ("trace.v1.Span", "trace.v1.Span.Link", "trace.v1.Span.Event", "resource.v1.Resource", "common.v1.KeyValue")
_WHOLE_SPAN, _WHOLE_LINK, _WHOLE_EVENT, _WHOLE_RESOURCE, _PAIR = (message(_STOCK, name) for name in _NAMES)
_LEVELS = (
    (messages(("ExportTraceServiceRequest.resource_spans",)), REQUEST, "resource_spans", "resources"),
    (messages(("ResourceSpans.scope_spans",)), "trace.v1.ResourceSpans", "scope_spans", "scopes"),
    (messages(("ScopeSpans.spans",)), "trace.v1.ScopeSpans", "spans", "spans"),
)
_COUNTED = tuple((message(pool, name), field, what) for pool, name, field, what in _LEVELS)


def decode_protobuf(body: bytes) -> Spans:
    """Return the spans of an ExportTraceServiceRequest, exactly as `plain.decode_plain`.

    Raises:
        InputError: `malformed`: no such message, or more in it than may be.
    """
    if len(body) > LARGE_BYTES:
        _count(body)
    request = parsed(_REQUEST, body)
    resources = request.resource_spans
    scopes: list[Any] = []
    in_resource: list[int] = []
    for number, each in enumerate(resources):
        scopes += each.scope_spans
        in_resource += [number] * (len(scopes) - len(in_resource))
    spans: list[Any] = []
    in_scope: list[int] = []
    for number, each in enumerate(scopes):
        spans += each.spans
        in_scope += [number] * (len(spans) - len(in_scope))
    for found, name in ((resources, "resources"), (scopes, "scopes"), (spans, "spans")):
        check_count(len(found), name, SPANS)
    listed = _identities(spans)
    faults = listed.faults()
    scope = np.array(in_scope, np.int32)
    if faults:
        keep = np.ones(len(spans), np.bool_)
        keep[list(faults)] = False
        for span in map(spans.__getitem__, faults):  # one that is not kept must still be a span
            if span.attributes or span.events or span.links:
                for found, name, most in (
                    (span.attributes, "attributes", ATTRIBUTES),
                    (span.events, "events", EVENTS),
                    (span.links, "links", LINKS),
                ):
                    check_count(len(found), name, most)  # before memory is taken for them
                parsed(_WHOLE_SPAN, span.SerializeToString())
        spans = [span for row, span in enumerate(spans) if row not in faults]
        listed, scope = _identities(spans), scope[keep]
    statuses = [span.status for span in spans]
    of_event, events = _events(spans)
    owners = ((spans, _WHOLE_SPAN), ([each.resource for each in resources], _WHOLE_RESOURCE), (events, _WHOLE_EVENT))
    of_spans, of_resources, of_events = _attributes(owners)
    return Spans(
        trace_id=pa.array(listed.traces, pa.string()),
        span_id=pa.array(listed.ids, pa.string()),
        parent_span_id=listed.parent_column(),
        name=_texts([span.name for span in spans]),
        kind=numbers_below(KINDS, [span.kind for span in spans]),
        start_ns=np.array(listed.starts, np.uint64),
        end_ns=np.array(listed.ends, np.uint64),
        status_code=numbers_below(STATUSES, [status.code for status in statuses]),
        status_message=_texts([status.message or None for status in statuses]),
        resource=np.array(in_resource, np.int32)[scope],
        scope=scope,
        scope_name=_texts([each.scope.name or None for each in scopes]),
        scope_version=_texts([each.scope.version or None for each in scopes]),
        attributes=of_spans,
        resource_attributes=of_resources,
        events=Events(
            np.array(of_event, np.int32),
            _texts([event.name for event in events]),
            np.array([event.time_unix_nano for event in events], np.uint64),
            of_events,
        ),
        links=_links(spans),
        rejected=len(faults),
        reasons=tuple(dict.fromkeys(faults.values()))[:REASONS],
    )


def _identities(spans: Sequence[Any]) -> Identities:
    return Identities(
        [span.trace_id.hex() for span in spans],
        [span.span_id.hex() for span in spans],
        [span.parent_span_id.hex() for span in spans],
        [span.start_time_unix_nano for span in spans],
        [span.end_time_unix_nano for span in spans],
    )


def _count(body: bytes) -> None:
    """Raise InputError when there are more resources, scopes or spans than may be, before memory is taken for them."""
    contents = [body]
    for kind, field, name in _COUNTED:
        found: list[bytes] = []
        for content in contents:
            items = getattr(parsed(kind, content), field)
            check_count(len(found) + len(items), name, SPANS)
            found += items
        contents = found


def _texts(contents: Sequence[bytes | None]) -> pa.StringArray:
    """Return UTF-8 as text; what is none becomes U+FFFD."""
    try:
        array = pa.array(contents, pa.string())
    except pa.ArrowInvalid:
        array = None
    if array is None or array.nbytes > VALUE_BYTES:
        return text_column([None if content is None else text(content) for content in contents])
    return array


def _events(spans: Sequence[Any]) -> tuple[list[int], list[Any]]:
    """Return the events of spans, and whose each is."""
    contents: list[bytes] = []
    owner: list[int] = []
    for row, span in enumerate(spans):
        own = span.events
        if own:
            contents += own
            owner += [row] * len(own)
            check_count(len(contents), "events", EVENTS)
    return owner, [parsed(_EVENT, content) for content in contents]


def _links(spans: Sequence[Any]) -> pa.StringArray:
    count = 0
    made: list[str | None] = [None] * len(spans)
    for row, span in enumerate(spans):
        own = span.links
        if own:
            count += len(own)
            check_count(count, "links", LINKS)
            made[row] = links_text([taken_link(parsed(_WHOLE_LINK, content)) for content in own])
    return pa.array(made, pa.string())


def _attributes(kinds: Sequence[tuple[Sequence[Any], Any]]) -> list[Attributes]:
    """Return the attributes of several kinds of owner.

    Args:
        kinds: of each the owners, messages that have their attributes as bytes, and the message that has them whole.
    """
    pairs: list[bytes] = []
    counts: list[list[int]] = []
    for owners, whole in kinds:
        sizes: list[int] = []
        for owner in owners:
            check_count(len(owner.attributes), "attributes", ATTRIBUTES)
            own = owner.attributes[:]
            if len(own) > OWN_ATTRIBUTES:
                parsed(whole, owner.SerializeToString())  # those that are not kept must still be attributes
                dropped = _PAIR(key=DROPPED.encode(), value={"int_value": len(own) - OWN_ATTRIBUTES})
                own = [*own[:OWN_ATTRIBUTES], dropped.SerializeToString()]
            sizes.append(len(own))
            pairs += own
        counts.append(sizes)
        check_count(len(pairs), "attributes", ATTRIBUTES)
    return families(counts, columns(pairs))
