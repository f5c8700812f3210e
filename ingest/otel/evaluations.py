"""The evaluation results among the log records of a request, from protobuf and JSON; the other records are skipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from msgspec import Struct

from ingest.otel.answers import JSON_TYPE
from ingest.otel.decoded import ATTRIBUTES, DROPPED, OWN_ATTRIBUTES, SPANS, check_count, kept
from ingest.otel.joining import EVALUATION_EVENT
from ingest.otel.json import OBJECTS, mended
from ingest.otel.protobuf import LARGE_BYTES
from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

EVENT_NAME = "event.name"
"""The attribute in which older SDKs put the event's name."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What matters of an evaluation result."""

    trace_id: str
    """Hexadecimal, as sent; empty when there is none."""
    span_id: str
    time_ns: int
    """Nanoseconds since 1970; 0 when there is none."""
    attributes: Mapping[str, Any]
    """Texts, numbers and truth values; None for what is none of these. Of a repeated key the last.

    Cut to what a span keeps (`decoded.VALUE_BYTES`, `decoded.OWN_ATTRIBUTES`), and marked.
    """
    resource: Mapping[str, Any]
    """The same of the record's resource."""


def evaluations(body: bytes, kind: str) -> Iterator[Evaluation]:
    """Return the evaluation results of an ExportLogsServiceRequest, in their order.

    Args:
        body: the unpacked body.
        kind: its content type, without parameters: JSON or protobuf.

    Raises:
        InputError: `malformed`, when the body cannot be parsed, or more is in it than may be.
    """
    try:
        yield from _of_json(body) if kind == JSON_TYPE else _of_protobuf(body)
    except (DecodeError, msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InputError(f"the body is no OTLP logs request: {error}", code="malformed") from error


def _attributes(pairs: Sequence[tuple[str, Any]], sent: int) -> dict[str, Any]:
    """Return the attributes of an owner that sent some number of them, given the first `OWN_ATTRIBUTES`."""
    made = {kept(key): kept(value) if isinstance(value, str) else value for key, value in pairs}
    return made if sent <= OWN_ATTRIBUTES else {**made, DROPPED: sent - OWN_ATTRIBUTES}


# JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. Ids are hexadecimal, 64-bit integers numbers
# or texts, unknown fields (a record's body is one here) are skipped, null is as good as nothing.


class _JsonValue(Struct, rename="camel", frozen=True, gc=False):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None

    def plain(self) -> Any:
        if self.int_value is not None:
            return _whole(self.int_value, -(2**63), 2**63)
        if self.double_value is not None:
            return float(self.double_value)
        return self.bool_value if self.string_value is None else self.string_value


class _JsonPair(Struct, frozen=True, gc=False):
    key: str | None = None
    value: _JsonValue | None = None


class _JsonRecord(Struct, rename="camel", frozen=True, gc=False):
    time_unix_nano: int | str | None = None
    observed_time_unix_nano: int | str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    event_name: str | None = None
    attributes: list[_JsonPair] | None = None


class _JsonScope(Struct, rename="camel", frozen=True, gc=False):
    log_records: list[_JsonRecord] | None = None


class _JsonOwner(Struct, frozen=True, gc=False):
    attributes: list[_JsonPair] | None = None


class _JsonResource(Struct, rename="camel", frozen=True, gc=False):
    resource: _JsonOwner | None = None
    scope_logs: list[_JsonScope] | None = None


class _JsonRequest(Struct, rename="camel", frozen=True, gc=False):
    resource_logs: list[_JsonResource] | None = None


_JSON = msgspec.json.Decoder(_JsonRequest)


def _of_json(body: bytes) -> Iterator[Evaluation]:
    if len(body) > OBJECTS:
        check_count(body.count(b"{"), "objects", OBJECTS)
    for resource in _json_request(body).resource_logs or ():
        of_resource: Mapping[str, Any] | None = None
        for scope in resource.scope_logs or ():
            for record in scope.log_records or ():
                if _is_json_result(record):
                    if of_resource is None:
                        of_resource = _json_attributes(resource.resource and resource.resource.attributes)
                    ids = record.trace_id or "", record.span_id or ""
                    times = (record.time_unix_nano, record.observed_time_unix_nano)
                    time_ns, observed = (_whole(time or 0, 0, 2**64) for time in times)
                    yield Evaluation(*ids, time_ns or observed, _json_attributes(record.attributes), of_resource)


def _json_request(body: bytes) -> _JsonRequest:
    try:
        return _JSON.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        whole = mended(body)
        if whole == body:
            raise
        return _JSON.decode(whole)


def _is_json_result(record: _JsonRecord) -> bool:
    return record.event_name == EVALUATION_EVENT or any(
        pair.key == EVENT_NAME and pair.value and pair.value.string_value == EVALUATION_EVENT
        for pair in record.attributes or ()
    )


def _whole(value: int | str, least: int, end: int) -> int:
    found = int(value)
    if not least <= found < end:
        raise InputError(f"{shown(str(value))} is not from {least} to {end - 1}", code="malformed")
    return found


def _json_attributes(pairs: list[_JsonPair] | None) -> dict[str, Any]:
    own = pairs or []
    return _attributes([(pair.key or "", pair.value and pair.value.plain()) for pair in own[:OWN_ATTRIBUTES]], len(own))


# Protobuf: messages of our own, compatible on the wire, of what is read here. Texts are declared as bytes, so that one
# which is no UTF-8 does not spoil a whole request, and what is not declared (the body of a record) costs nothing.

_TYPE = descriptor_pb2.FieldDescriptorProto
_ONE, _MANY = _TYPE.LABEL_OPTIONAL, _TYPE.LABEL_REPEATED
_MESSAGES: Mapping[str, tuple[tuple[str, int, _TYPE.Label.ValueType, _TYPE.Type.ValueType | str], ...]] = {
    "Value": (
        ("text", 1, _ONE, _TYPE.TYPE_BYTES),
        ("truth", 2, _ONE, _TYPE.TYPE_BOOL),
        ("whole", 3, _ONE, _TYPE.TYPE_INT64),
        ("number", 4, _ONE, _TYPE.TYPE_DOUBLE),
    ),
    "Pair": (("key", 1, _ONE, _TYPE.TYPE_BYTES), ("value", 2, _ONE, "Value")),
    "Record": (
        ("time", 1, _ONE, _TYPE.TYPE_FIXED64),
        ("observed", 11, _ONE, _TYPE.TYPE_FIXED64),
        ("attributes", 6, _MANY, "Pair"),
        ("trace_id", 9, _ONE, _TYPE.TYPE_BYTES),
        ("span_id", 10, _ONE, _TYPE.TYPE_BYTES),
        ("event_name", 12, _ONE, _TYPE.TYPE_BYTES),
    ),
    "Scope": (("records", 2, _MANY, "Record"),),
    "Owner": (("attributes", 1, _MANY, "Pair"),),
    "Resource": (("owner", 1, _ONE, "Owner"), ("scopes", 2, _MANY, "Scope")),
    "Request": (("resources", 1, _MANY, "Resource"),),
}
"""Message -> its fields: name, number as in opentelemetry-proto, label, type or message."""


_COUNTED: Mapping[str, tuple[str, int]] = {
    "Resource": ("resources", SPANS),
    "Owner": ("resources", SPANS),
    "Scope": ("scopes", SPANS),
    "Record": ("log records", SPANS),
    "Pair": ("attributes", ATTRIBUTES),
}
"""Message -> what it is called, and how many of it a request may have."""


def _message(name: str, undecoded: Collection[str] = ()) -> Any:
    """Return the class of a message of `_MESSAGES`; those left undecoded are bytes, one item each time on the wire."""
    file = descriptor_pb2.FileDescriptorProto(name="upshot/logs.proto", package="upshot.logs", syntax="proto3")
    for own, fields in _MESSAGES.items():
        message = file.message_type.add(name=own)
        for field, number, label, kind in fields:
            made = message.field.add(name=field, number=number, label=label)
            if kind in undecoded:
                made.type, made.label = _TYPE.TYPE_BYTES, _MANY
            elif isinstance(kind, str):
                made.type, made.type_name = _TYPE.TYPE_MESSAGE, f".{file.package}.{kind}"
            else:
                made.type = kind
            if own == "Value":
                made.oneof_index = 0
        if own == "Value":
            message.oneof_decl.add(name="value")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{name}"))


_Request = _message("Request")
_OUTER: Mapping[str, tuple[Any, tuple[tuple[str, str], ...]]] = {
    name: (_message(name, _COUNTED), tuple((field, str(kind)) for field, _, _, kind in fields if kind in _COUNTED))
    for name, fields in _MESSAGES.items()
    if name not in ("Value", "Pair")
}
"""Message -> its class with what is counted in it left undecoded, and the fields and names of that."""


def _count(name: str, content: bytes, counts: dict[str, int]) -> None:
    """Raise InputError when there is more in a message than may be, before memory is taken for it."""
    outer, inner = _OUTER[name]
    message = outer.FromString(content)
    for field, kind in inner:
        items = getattr(message, field)
        counts[kind] = counts.get(kind, 0) + len(items)
        check_count(counts[kind], *_COUNTED[kind])
        if kind in _OUTER:
            for item in items:
                _count(kind, item, counts)


def _of_protobuf(body: bytes) -> Iterator[Evaluation]:
    if len(body) > LARGE_BYTES:
        _count("Request", body, {})
    name, of_older = EVALUATION_EVENT.encode(), EVENT_NAME.encode()
    request = _Request.FromString(body)
    for resource in request.resources:
        of_resource: Mapping[str, Any] | None = None
        for scope in resource.scopes:
            for record in scope.records:
                if record.event_name == name or any(
                    pair.key == of_older and pair.value.text == name for pair in record.attributes
                ):
                    if of_resource is None:
                        of_resource = _protobuf_attributes(resource.owner.attributes)
                    ids = record.trace_id.hex(), record.span_id.hex()
                    attributes = _protobuf_attributes(record.attributes)
                    yield Evaluation(*ids, record.time or record.observed, attributes, of_resource)


def _protobuf_attributes(pairs: Any) -> dict[str, Any]:
    return _attributes([(_utf8(pair.key), _plain(pair.value)) for pair in pairs[:OWN_ATTRIBUTES]], len(pairs))


def _plain(value: Any) -> Any:
    which = value.WhichOneof("value")
    if which is None:
        return None
    found = getattr(value, which)
    return _utf8(found) if which == "text" else found


def _utf8(text: bytes) -> str:
    return text.decode(errors="replace")
