"""Protobuf -> `Spans`, a value at a time: the reference that the fast routes are held against, and their way out.

The messages are the stock ones of OpenTelemetry but that text is bytes: the stock ones refuse a request for one byte
that is not UTF-8.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service
from opentelemetry.proto.common.v1 import common_pb2 as common
from opentelemetry.proto.resource.v1 import resource_pb2 as resource
from opentelemetry.proto.trace.v1 import trace_pb2 as trace

from ingest.otel.decoded import (
    ARRAY,
    ATTRIBUTES,
    BOOL,
    BYTES,
    DOUBLE,
    DROPPED,
    EMPTY,
    INT,
    MAP,
    OWN_ATTRIBUTES,
    TEXT,
    Nesting,
    Spans,
    check_count,
)
from ingest.otel.gathered import Gathered, Pairs, number, written
from warehouse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection

_FILES = (common, resource, trace, service)
_FIELD = descriptor_pb2.FieldDescriptorProto


def messages(undecoded: Collection[str] = ()) -> Any:
    """Return a pool of OpenTelemetry's messages with text as bytes.

    Args:
        undecoded: fields (`Span.status`) that stay bytes too, one item for each time that they are on the wire.
            Joined, several of them are the message that protobuf would merge them into.
    """
    pool = descriptor_pool.DescriptorPool()
    for file in _FILES:
        described = descriptor_pb2.FileDescriptorProto()
        file.DESCRIPTOR.CopyToProto(described)
        for message in described.message_type:
            for own in (message, *message.nested_type):
                _as_bytes(own, undecoded)
        pool.Add(described)
    return pool


def _as_bytes(message: descriptor_pb2.DescriptorProto, undecoded: Collection[str]) -> None:
    for each in message.field:
        left = f"{message.name}.{each.name}" in undecoded
        if left:
            each.label = _FIELD.LABEL_REPEATED
            each.ClearField("type_name")
        if left or each.type == _FIELD.TYPE_STRING:
            each.type = _FIELD.TYPE_BYTES


def message(pool: Any, name: str) -> Any:
    """Return a message's class by its name after `opentelemetry.proto.`."""
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"opentelemetry.proto.{name}"))


REQUEST = "collector.trace.v1.ExportTraceServiceRequest"
_REQUEST = message(messages(), REQUEST)


def decode_plain(body: bytes) -> Spans:
    """Return the spans of an ExportTraceServiceRequest. Takes memory in proportion to the messages in it.

    Raises:
        InputError: `malformed`: no such message, or more in it than may be.
    """
    made = Gathered()
    resources, spans, events = Pairs(), Pairs(), Pairs()
    for resource_spans in parsed(_REQUEST, body).resource_spans:
        take(resources, made.resource(), resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            made.scope(text(scope_spans.scope.name), text(scope_spans.scope.version))
            for span in scope_spans.spans:
                row = _take_span(made, span)
                if row is not None:
                    take(spans, row, span.attributes)
                    for event in span.events:
                        take(events, made.event(row, text(event.name), event.time_unix_nano), event.attributes)
                    made.linked_to(row, [taken_link(link) for link in span.links])
    return made.columns(spans.columns(), resources.columns(), events.columns())


def _take_span(made: Gathered, span: Any) -> int | None:
    return made.span(
        (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()),
        (span.start_time_unix_nano, span.end_time_unix_nano),
        text(span.name),
        span.kind,
        (span.status.code, text(span.status.message)),
    )


def taken_link(link: Any) -> tuple[str, str, dict[str, str | None]]:
    """Return the trace id, the span id and the attributes of a link; of a repeated key the last."""
    pairs = Pairs()
    take(pairs, 0, link.attributes)
    return link.trace_id.hex(), link.span_id.hex(), dict(zip(pairs.key, pairs.text, strict=True))


def take(pairs: Pairs, owner: int, attributes: Any) -> None:
    """Append an owner's attributes: a sequence of KeyValue."""
    for pair in attributes[:OWN_ATTRIBUTES]:
        any_value = pair.value
        name = any_value.WhichOneof("value")
        pairs.key.append(text(pair.key))
        if name == "string_value":
            pairs.text.append(text(any_value.string_value))
            pairs.kind.append(TEXT)
        else:
            pairs.text.append(written(_plain(any_value, Nesting(), 0)))
            pairs.kind.append(_KINDS.get(name, EMPTY))
    dropped = len(attributes) - OWN_ATTRIBUTES
    if dropped > 0:
        pairs.key.append(DROPPED)
        pairs.text.append(str(dropped))
        pairs.kind.append(INT)
    pairs.owner += [owner] * (len(pairs.key) - len(pairs.owner))
    check_count(len(pairs.key), "attributes", ATTRIBUTES)


def parsed(kind: Any, body: bytes) -> Any:
    """Return a message.

    Raises:
        InputError: `malformed`, when it is none.
    """
    try:
        return kind.FromString(body)
    except DecodeError as error:
        raise InputError(f"the body is no OTLP trace request: {error}", code="malformed") from error


def text(content: bytes) -> str:
    """Return UTF-8 as text, what is none of it as U+FFFD."""
    return content.decode(errors="replace")


def _plain(value: Any, nesting: Nesting, level: int) -> Any:  # noqa: PLR0911 - one case a type
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value.decode(errors="replace")
        case "bool_value":
            return value.bool_value
        case "int_value":
            return value.int_value
        case "double_value":
            return number(value.double_value)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case "array_value":
            values = value.array_value.values
            nesting.enter(level + 1, len(values))
            return [_plain(item, nesting, level + 1) for item in values]
        case "kvlist_value":
            values = value.kvlist_value.values
            nesting.enter(level + 1, len(values))
            return {pair.key.decode(errors="replace"): _plain(pair.value, nesting, level + 1) for pair in values}
        case _:
            return None


_KINDS = {
    "bool_value": BOOL,
    "int_value": INT,
    "double_value": DOUBLE,
    "bytes_value": BYTES,
    "array_value": ARRAY,
    "kvlist_value": MAP,
}
