"""OTLP traces -> rows of `spans`: protobuf and JSON, decoded by the stock messages. The only opentelemetry import.

This is the plain route: the names of DESIGN section 3 that follow from the current OpenTelemetry conventions. Other
conventions, cost, sessions and assignments from spans come with the OpenTelemetry issue.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pyarrow as pa
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service

from ingest.columns import batch, documents
from warehouse.errors import InputError
from warehouse.schema import FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.trace.v1 import trace_pb2 as trace

JSON_TYPE = "application/json"
PROTOBUF_TYPE = "application/x-protobuf"

_EARLIEST_NS = int(dt.datetime(1980, 1, 1, tzinfo=dt.UTC).timestamp()) * 10**9
_LATEST_NS = int(dt.datetime(2100, 1, 1, tzinfo=dt.UTC).timestamp()) * 10**9
_TRACE_BYTES, _SPAN_BYTES = 16, 8

_KINDS = (None, "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUSES = ("UNSET", "OK", "ERROR")

_TEXTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("run_id", ("upshot.run_id", "sdk.run.id")),
    ("step_id", ("upshot.step_id", "inngest.step.id")),
    ("provider", ("gen_ai.provider.name", "gen_ai.system")),
    ("request_model", ("gen_ai.request.model",)),
    ("response_model", ("gen_ai.response.model",)),
    ("agent_name", ("gen_ai.agent.name",)),
    ("workflow_name", ("gen_ai.workflow.name",)),
    ("tool_name", ("gen_ai.tool.name",)),
    ("user_id", ("user.id", "enduser.id")),
    ("input", ("gen_ai.input.messages", "gen_ai.tool.call.arguments")),
    ("output", ("gen_ai.output.messages", "gen_ai.tool.call.result")),
)
"""Column -> attributes, the first one present wins."""

_COUNTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("input_tokens", ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")),
    ("output_tokens", ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")),
    ("cache_read_tokens", ("gen_ai.usage.cache_read.input_tokens",)),
    ("cache_write_tokens", ("gen_ai.usage.cache_creation.input_tokens",)),
    ("reasoning_tokens", ("gen_ai.usage.reasoning.output_tokens",)),
)

_RESOURCE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("service_name", ("service.name",)),
    ("environment", ("deployment.environment.name", "deployment.environment")),
    ("release", ("service.version",)),
)

_TYPES: Mapping[str, str] = {
    "chat": "llm",
    "text_completion": "llm",
    "generate_content": "llm",
    "embeddings": "embedding",
    "execute_tool": "tool",
    "invoke_agent": "agent",
    "create_agent": "agent",
    "invoke_workflow": "workflow",
    "retrieval": "retriever",
}
"""`gen_ai.operation.name` -> the span's role."""


@dataclass(frozen=True, slots=True)
class Traces:
    """The spans of a request: rows, and how many could not be kept and why."""

    batch: pa.RecordBatch
    rejected: int
    reasons: tuple[str, ...]


@dataclass(slots=True)
class _Rows:
    rows: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    faults: list[str] = field(default_factory=list[str])


def decode_traces(body: bytes, content_type: str, received_at_us: int) -> Traces:
    """Return the spans of an ExportTraceServiceRequest.

    Args:
        body: the unpacked body.
        content_type: `application/json` or `application/x-protobuf`.
        received_at_us: microseconds since 1970.

    Raises:
        InputError: `malformed`, when the body cannot be parsed; nothing of it is to be kept.
    """
    try:
        request = _from_json(body) if content_type == JSON_TYPE else service.ExportTraceServiceRequest.FromString(body)
    except (DecodeError, json_format.ParseError, ValueError, RecursionError, AttributeError, TypeError) as error:
        raise InputError(f"the body is no OTLP trace request: {error}", code="malformed") from error
    made = _Rows()
    for resource_spans in request.resource_spans:
        resource = _texts(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope
            for span in scope_spans.spans:
                fault = _fault(span)
                if fault:
                    made.faults.append(fault)
                else:
                    row = _row(span, resource)
                    row |= {"scope_name": scope.name or None, "scope_version": scope.version or None}
                    made.rows.append(row | {"_given": True})
    return Traces(_batch(made.rows, received_at_us), len(made.faults), tuple(dict.fromkeys(made.faults)))


def answer(traces: Traces, content_type: str) -> bytes:
    """Return the ExportTraceServiceResponse, in the request's encoding."""
    response = service.ExportTraceServiceResponse()
    if traces.rejected:
        response.partial_success.rejected_spans = traces.rejected
        response.partial_success.error_message = "; ".join(traces.reasons[:5])
    if content_type == JSON_TYPE:
        return json_format.MessageToJson(response, indent=None).encode()
    return response.SerializeToString()


def status_body(code: int, message: str, content_type: str) -> bytes:
    """Return a google.rpc.Status (code and message, fields 1 and 2), in the request's encoding."""
    if content_type == JSON_TYPE:
        return msgspec.json.encode({"code": code, "message": message})
    text = message.encode()
    return bytes((0x08, code, 0x12)) + _varint(len(text)) + text


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _from_json(body: bytes) -> service.ExportTraceServiceRequest:
    document = json.loads(body)
    _ids_to_base64(document)
    return json_format.ParseDict(document, service.ExportTraceServiceRequest(), ignore_unknown_fields=True)


def _ids_to_base64(node: Any) -> None:
    """OTLP/JSON writes ids as hexadecimal, where protobuf's JSON mapping has base64."""
    if isinstance(node, list):
        for item in cast("list[Any]", node):
            _ids_to_base64(item)
    elif isinstance(node, dict):
        fields = cast("dict[str, Any]", node)
        for name, value in fields.items():
            if name in ("traceId", "spanId", "parentSpanId") and isinstance(value, str):
                fields[name] = base64.b64encode(bytes.fromhex(value)).decode()
            elif name != "attributes":
                _ids_to_base64(value)


def _fault(span: trace.Span) -> str | None:
    if len(span.trace_id) != _TRACE_BYTES or not any(span.trace_id):
        return f"trace id {span.trace_id.hex()[:64]!r} must be 16 bytes, not all zero"
    if len(span.span_id) != _SPAN_BYTES or not any(span.span_id):
        return f"span id {span.span_id.hex()[:64]!r} must be 8 bytes, not all zero"
    if not _EARLIEST_NS <= span.start_time_unix_nano < _LATEST_NS:
        return f"start time {span.start_time_unix_nano} ns must lie from 1980 up to 2100"
    if span.end_time_unix_nano and not _EARLIEST_NS <= span.end_time_unix_nano < _LATEST_NS:
        return f"end time {span.end_time_unix_nano} ns must lie from 1980 up to 2100"
    return None


def _row(span: trace.Span, resource: dict[str, str]) -> dict[str, Any]:
    attributes = _texts(span.attributes)
    start = span.start_time_unix_nano
    row: dict[str, Any] = {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex() or None,
        "name": span.name,
        "kind": _KINDS[span.kind] if span.kind < len(_KINDS) else None,
        "type": _TYPES.get(attributes.get("gen_ai.operation.name", ""), "other"),
        "start_time": start // 1000,
        "end_time": span.end_time_unix_nano // 1000 or None,
        "status_code": _STATUSES[span.status.code] if span.status.code < len(_STATUSES) else "UNSET",
        "status_message": span.status.message or None,
        "attributes": list(attributes.items()),
        "resource_attributes": list(resource.items()),
        "events": _events(span.events),
        "links": _links(span.links),
        # Not an id but the day itself: a span's day is its start's.
        "_day_id": dt.datetime.fromtimestamp(start // 10**9, dt.UTC).date().isoformat(),
    }
    row |= {column: _first(attributes, names) for column, names in _TEXTS}
    row |= {column: _first(resource, names) for column, names in _RESOURCE}
    row |= {column: _count(_first(attributes, names)) for column, names in _COUNTS}
    row["finish_reason"] = _finish_reason(attributes.get("gen_ai.response.finish_reasons"))
    row["convention"] = "otel_genai" if any(name.startswith("gen_ai.") for name in attributes) else None
    return row


def _first(attributes: dict[str, str], names: tuple[str, ...]) -> str | None:
    return next((attributes[name] for name in names if attributes.get(name)), None)


def _count(text: str | None) -> int | None:
    try:
        return None if text is None else int(float(text))
    except (ValueError, OverflowError):
        return None


def _finish_reason(text: str | None) -> str | None:
    if text is None or not text.startswith("["):
        return text
    reasons = msgspec.json.decode(text)
    return str(reasons[0]) if reasons else None


def _events(events: Iterable[trace.Span.Event]) -> bytes | None:
    made = [
        {"name": event.name, "time_unix_nano": str(event.time_unix_nano), "attributes": _texts(event.attributes)}
        for event in events
    ]
    return msgspec.json.encode(made) if made else None


def _links(links: Iterable[trace.Span.Link]) -> bytes | None:
    made = [
        {"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex(), "attributes": _texts(link.attributes)}
        for link in links
    ]
    return msgspec.json.encode(made) if made else None


def _texts(attributes: Iterable[KeyValue]) -> dict[str, str]:
    """Return attributes as text; what is not text is its JSON text. Of a repeated key the last counts."""
    texts: dict[str, str] = {}
    for pair in attributes:
        value = _plain(pair.value)
        texts[pair.key] = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return texts


def _plain(value: AnyValue) -> Any:  # noqa: PLR0911 - one case a type
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "int_value":
            return value.int_value
        case "double_value":
            number = value.double_value
            return number if math.isfinite(number) else str(number)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case "array_value":
            return [_plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return {pair.key: _plain(pair.value) for pair in value.kvlist_value.values}
        case _:
            return None


def _batch(rows: list[dict[str, Any]], received_at_us: int) -> pa.RecordBatch:
    schema = FILE["spans"].arriving
    columns: dict[str, pa.Array[Any]] = {}
    for name, kind in zip(schema.names, schema.types, strict=True):
        if name == "_received_at":
            continue
        values = [row.get(name) for row in rows]
        columns[name] = documents(values) if kind == pa.json_() else pa.array(values, kind)
    return batch("spans", columns, len(rows), received_at_us)
