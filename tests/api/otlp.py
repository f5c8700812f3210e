"""Requests of OTLP, made with the stock messages, and the ways to send them."""

from __future__ import annotations

import base64
import contextlib
import socket
from typing import TYPE_CHECKING, Any, cast

import grpc
import msgspec
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.server import Server, serving
from warehouse.clock import system_clock
from warehouse.directory import open_directory
from warehouse.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import httpx

PROTOBUF, JSON = "application/x-protobuf", "application/json"
GZIP = {"content-encoding": "gzip"}
SERVICE = "/opentelemetry.proto.collector.{}.v1.{}Service/Export"
TRACE, LOGS, METRICS = (
    SERVICE.format("trace", "Trace"),
    SERVICE.format("logs", "Logs"),
    SERVICE.format("metrics", "Metrics"),
)

START_NS = 1_790_000_000_123_456_789
_IDS = ("traceId", "spanId", "parentSpanId")


def trace_id(number: int) -> bytes:
    """Return the id of a trace."""
    return (0xA << 120 | number).to_bytes(16)


def span_id(number: int) -> bytes:
    """Return the id of a span, from 0."""
    return (number + 1).to_bytes(8)


def traces(trace: int, spans: int = 3, attributes: Mapping[str, Any] | None = None) -> ExportTraceServiceRequest:
    """Return a request with the spans of one trace, the first one its root."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "otlp"
    scope = resource.scope_spans.add()
    scope.scope.name = "tests"
    for number in range(spans):
        span = scope.spans.add(
            trace_id=trace_id(trace),
            span_id=span_id(number),
            parent_span_id=span_id(0) if number else b"",
            name=f"span {number}",
            kind=3,
            start_time_unix_nano=START_NS + number,
            end_time_unix_nano=START_NS + 5_000_000 * (number + 1),
        )
        for key, value in (attributes or {}).items():
            set_value(span.attributes.add(key=key).value, value)
    return request


def set_value(to: Any, value: Any) -> None:
    """Set an AnyValue, nested ones too."""
    if isinstance(value, list):
        to.array_value.SetInParent()
        for item in cast("list[Any]", value):
            set_value(to.array_value.values.add(), item)
    elif isinstance(value, dict):
        to.kvlist_value.SetInParent()
        for key, item in cast("dict[str, Any]", value).items():
            set_value(to.kvlist_value.values.add(key=key).value, item)
    elif value is not None:
        names = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value", bytes: "bytes_value"}
        setattr(to, names[type(value)], value)


def evaluation(
    trace: int, name: str, attributes: Mapping[str, Any], event: str = "gen_ai.evaluation.result"
) -> ExportLogsServiceRequest:
    """Return a request with one log record: the evaluation of the second span of a trace."""
    request = ExportLogsServiceRequest()
    record = (
        request.resource_logs.add()
        .scope_logs.add()
        .log_records.add(time_unix_nano=START_NS, event_name=event, trace_id=trace_id(trace), span_id=span_id(1))
    )
    for key, value in {"gen_ai.evaluation.name": name, **attributes}.items():
        set_value(record.attributes.add(key=key).value, value)
    return request


def as_json(request: Any) -> bytes:
    """Return a request as OTLP/JSON, which is protobuf's but for hexadecimal ids."""
    document = MessageToDict(request)

    def hexadecimal(node: Any) -> Any:
        if isinstance(node, list):
            return [hexadecimal(item) for item in cast("list[Any]", node)]
        if isinstance(node, dict):
            return {
                key: base64.b64decode(value).hex() if key in _IDS and isinstance(value, str) else hexadecimal(value)
                for key, value in cast("dict[str, Any]", node).items()
            }
        return node

    return msgspec.json.encode(hexadecimal(document))


def post(
    server: Server,
    body: bytes,
    path: str = "/v1/traces",
    kind: str | None = PROTOBUF,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """Send a body over HTTP."""
    return server.http.post(
        path, content=body, headers={**({} if kind is None else {"content-type": kind}), **(headers or {})}
    )


def new_key(data: Path, workspace: str, rights: str) -> dict[str, str]:
    """Return the header, or the metadata, that carries a new key."""
    keys = Keys(open_directory(data))
    key = keys.create(workspace, rights.split(","), system_clock())
    keys.close()
    return {"authorization": f"Bearer {key}"}


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Grpc:
    """A server and a channel to its gRPC port."""

    def __init__(self, server: Server, port: int, channel: grpc.Channel) -> None:
        self.server = server
        self.address = f"127.0.0.1:{port}"
        self.channel: Any = channel  # its stubs leave the types of messages open

    def call(
        self, body: bytes, method: str = TRACE, metadata: Mapping[str, str] | None = None, *, packed: bool = False
    ) -> bytes:
        """Send a body and return the answer's; raises grpc.RpcError."""
        compression = grpc.Compression.Gzip if packed else grpc.Compression.NoCompression
        return self.channel.unary_unary(method)(
            body, timeout=60, compression=compression, metadata=tuple((metadata or {}).items())
        )

    def refusal(
        self, body: bytes, method: str = TRACE, metadata: Mapping[str, str] | None = None, *, packed: bool = False
    ) -> Any:
        """Send a body that must be refused and return the error, which has a code, details and trailing metadata."""
        try:
            self.call(body, method, metadata, packed=packed)
        except grpc.RpcError as error:
            return error
        raise AssertionError("the call succeeded")


@contextlib.contextmanager
def serving_grpc(data: Path, **settings: str) -> Iterator[Grpc]:
    """Start a server that takes OTLP over gRPC too."""
    port = free_port()
    with (
        serving(data, "--otlp-grpc-port", str(port), **settings) as server,
        grpc.insecure_channel(f"127.0.0.1:{port}", options=(("grpc.use_local_subchannel_pool", 1),)) as channel,
    ):
        yield Grpc(server, port, channel)


def stored(server: Server, trace: int, headers: Mapping[str, str] | None = None) -> int:
    """Return how many spans of a trace there are."""
    sql = f"SELECT count(*) FROM spans WHERE trace_id = '{trace_id(trace).hex()}'"
    answer = server.http.post("/v1/query", json={"sql": sql}, headers=dict(headers or {})).json()
    assert "error" not in answer, answer
    return answer["rows"][0][0]
