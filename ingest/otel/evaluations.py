"""The evaluation results among the log records of a request, from protobuf and JSON; the other records are skipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from msgspec import Struct

from ingest.otel.answers import JSON_TYPE
from ingest.otel.joining import EVALUATION_EVENT
from warehouse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
    """Texts, numbers and truth values; None for what is none of these. Of a repeated key the last."""


def evaluations(body: bytes, kind: str) -> Iterator[Evaluation]:
    """Return the evaluation results of an ExportLogsServiceRequest, in their order.

    Args:
        body: the unpacked body.
        kind: its content type, without parameters: JSON or protobuf.

    Raises:
        InputError: `malformed`, when the body cannot be parsed.
    """
    try:
        yield from _of_json(body) if kind == JSON_TYPE else _of_protobuf(body)
    except (DecodeError, msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InputError(f"the body is no OTLP logs request: {error}", code="malformed") from error


# JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. Ids are hexadecimal, 64-bit integers numbers
# or texts, unknown fields (a record's body is one here) are skipped, null is as good as nothing.


class _JsonValue(Struct, rename="camel", frozen=True, gc=False):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None

    def plain(self) -> Any:
        if self.int_value is not None:
            return int(self.int_value)
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


class _JsonResource(Struct, rename="camel", frozen=True, gc=False):
    scope_logs: list[_JsonScope] | None = None


class _JsonRequest(Struct, rename="camel", frozen=True, gc=False):
    resource_logs: list[_JsonResource] | None = None


_JSON = msgspec.json.Decoder(_JsonRequest)


def _of_json(body: bytes) -> Iterator[Evaluation]:
    for resource in _JSON.decode(body).resource_logs or ():
        for scope in resource.scope_logs or ():
            for record in scope.log_records or ():
                pairs = record.attributes or ()
                if record.event_name == EVALUATION_EVENT or any(
                    pair.key == EVENT_NAME and pair.value and pair.value.string_value == EVALUATION_EVENT
                    for pair in pairs
                ):
                    attributes = {pair.key or "": pair.value and pair.value.plain() for pair in pairs}
                    time_ns = int(record.time_unix_nano or 0) or int(record.observed_time_unix_nano or 0)
                    yield Evaluation(record.trace_id or "", record.span_id or "", time_ns, attributes)


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
    "Resource": (("scopes", 2, _MANY, "Scope"),),
    "Request": (("resources", 1, _MANY, "Resource"),),
}
"""Message -> its fields: name, number as in opentelemetry-proto, label, type or message."""


def _message(name: str) -> Any:
    """Return the class of a message of `_MESSAGES`."""
    file = descriptor_pb2.FileDescriptorProto(name="upshot/logs.proto", package="upshot.logs", syntax="proto3")
    for own, fields in _MESSAGES.items():
        message = file.message_type.add(name=own)
        for field, number, label, kind in fields:
            made = message.field.add(name=field, number=number, label=label)
            if isinstance(kind, str):
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


def _of_protobuf(body: bytes) -> Iterator[Evaluation]:
    name, of_older = EVALUATION_EVENT.encode(), EVENT_NAME.encode()
    request = _Request()
    request.ParseFromString(body)
    for resource in request.resources:
        for scope in resource.scopes:
            for record in scope.records:
                if record.event_name == name or any(
                    pair.key == of_older and pair.value.text == name for pair in record.attributes
                ):
                    attributes = {_utf8(pair.key): _plain(pair.value) for pair in record.attributes}
                    ids = record.trace_id.hex(), record.span_id.hex()
                    yield Evaluation(*ids, record.time or record.observed, attributes)


def _plain(value: Any) -> Any:
    which = value.WhichOneof("value")
    if which is None:
        return None
    found = getattr(value, which)
    return _utf8(found) if which == "text" else found


def _utf8(text: bytes) -> str:
    return text.decode(errors="replace")
