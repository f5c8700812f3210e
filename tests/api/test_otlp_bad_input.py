"""What no sender should send, over every transport: kept within bounds and marked, or refused and counted, alike.

The rules are those of issue 6, "Bad input", and of https://opentelemetry.io/docs/specs/otlp/. A trace of a million
spans takes longer than a test may: `python -m tests.api.test_otlp_bad_input --spans 1000000`.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData

from tests.api.otlp import (
    GZIP,
    JSON,
    LOGS,
    PROTOBUF,
    START_NS,
    TRACE,
    Grpc,
    as_json,
    evaluation,
    post,
    serving_grpc,
    set_value,
    span_id,
    stored,
    trace_id,
    traces,
)
from tests.api.test_otlp_protocol import bomb
from tests.ingest.otel.spans import Wire, sized
from tests.support.server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
VALUE = "gen_ai.evaluation.score.value"
TRANSPORTS = ("protobuf", "json", "grpc")
KEPT_BYTES, KEPT_ATTRIBUTES = MIB, 1024
"""What docs/opentelemetry.md says of the size of a text and the number of attributes."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grpc]:
    """A server that takes OTLP over HTTP and gRPC."""
    with serving_grpc(tmp_path_factory.mktemp("bad") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grpc]:
    """A server with attributes of its own for runs and sessions."""
    data = tmp_path_factory.mktemp("own") / "data"
    with serving_grpc(data, otlp_run_ids="other.id,job.id", otlp_sessions="chat.id=chat") as running:
        yield running


class Answer(NamedTuple):
    """What a request was answered with when it was not refused."""

    rejected: int
    reasons: str


def send(server: Grpc, transport: str, request: Any) -> Answer:
    """Send a request of spans or log records over one of `TRANSPORTS`; fails when it is refused."""
    is_logs = isinstance(request, ExportLogsServiceRequest)
    response: Any = ExportLogsServiceResponse if is_logs else ExportTraceServiceResponse
    counter = "rejectedLogRecords" if is_logs else "rejectedSpans"
    if transport == "grpc":
        partial = response.FromString(server.call(request.SerializeToString(), LOGS if is_logs else TRACE))
    else:
        body, kind = (as_json(request), JSON) if transport == "json" else (request.SerializeToString(), PROTOBUF)
        answer = post(server.server, body, "/v1/logs" if is_logs else "/v1/traces", kind)
        assert 200 == answer.status_code, answer.text
        if transport == "json":
            told = answer.json().get("partialSuccess", {})
            return Answer(int(told.get(counter, 0)), told.get("errorMessage", ""))
        partial = response.FromString(answer.content)
    told = partial.partial_success
    return Answer(told.rejected_log_records if is_logs else told.rejected_spans, told.error_message)


def numbers(first: int) -> Iterator[tuple[str, int]]:
    """Return each transport with a trace of its own."""
    return zip(TRANSPORTS, range(first, first + len(TRANSPORTS)), strict=True)


SECOND = 10**9
Y1980, Y2100, Y2262 = 315_532_800 * SECOND, 4_102_444_800 * SECOND, 9_214_646_400 * SECOND
NO_TIMES: dict[str, tuple[int, int]] = {
    "no start": (0, START_NS),
    "1970": (1, START_NS),
    "before 1980": (Y1980 - 1, START_NS),
    "2100": (Y2100, Y2100 + 1),
    "2262": (Y2262, Y2262 + 1),
    "the last of int64": (2**63 - 1, 2**63 - 1),
    "beyond int64": (2**63, 2**63),
    "the last of uint64": (2**64 - 1, START_NS),
    "ends in 1970": (START_NS, 1),
    "ends in 2262": (START_NS, Y2262),
    "ends beyond int64": (START_NS, 2**64 - 1),
}
TIMES: dict[str, tuple[int, int]] = {
    "ends before its start": (START_NS, START_NS - 3 * SECOND),
    "ends decades before": (Y2100 - SECOND, Y1980),
    "no end": (START_NS, 0),
    "no length": (START_NS, START_NS),
    "1980": (Y1980, Y1980 + SECOND),
    "the last of 2099": (Y2100 - SECOND, Y2100 - 1000),
}


def test_times(server: Grpc) -> None:
    """1970, 2262 and beyond int64 are rejected and counted exactly; an end before its start is kept, as it was sent."""
    for transport, number in numbers(100):
        request = traces(number, len(NO_TIMES) + len(TIMES))
        spans = request.resource_spans[0].scope_spans[0].spans
        for span, (name, (start, end)) in zip(spans, [*NO_TIMES.items(), *TIMES.items()], strict=True):
            span.name, span.start_time_unix_nano, span.end_time_unix_nano = name, start, end
        answer = send(server, transport, request)
        assert len(NO_TIMES) == answer.rejected
        assert "must lie from 1980 up to 2100" in answer.reasons
        rows = server.server.ask(
            "SELECT name, epoch_us(start_time), epoch_us(end_time), duration_ms FROM spans "
            f"WHERE trace_id = '{trace_id(number).hex()}'"
        )
        expected = {
            name: (start // 1000, end // 1000 if end else None, (end // 1000 - start // 1000) / 1000 if end else None)
            for name, (start, end) in TIMES.items()
        }
        assert expected == {name: (int(start), end and int(end), ms) for name, start, end, ms in rows}


@pytest.mark.parametrize("member", ["startTimeUnixNano", "endTimeUnixNano"])
@pytest.mark.parametrize("time_ns", [str(2**64), 2**64, -1, "-1", "1e18", "soon", 1.5], ids=range(7))
def test_a_time_that_is_no_number_refuses_json(server: Grpc, member: str, time_ns: Any) -> None:
    """Beyond 64 bits it cannot have been sent as protobuf: malformed, and its neighbours are not kept either."""
    document = json.loads(as_json(traces(110, 2)))
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][1][member] = time_ns
    assert 400 == post(server.server, json.dumps(document).encode(), kind=JSON).status_code
    assert 0 == stored(server.server, 110)


def test_times_of_events_and_of_log_records(server: Grpc) -> None:
    """An event keeps the time that it was sent with, whatever it is; a result of an impossible time is counted."""
    times = [0, 1, START_NS, Y2262, 2**63, 2**64 - 1]
    for transport, number in numbers(111):
        request = traces(number, 1)
        for time_ns in times:
            request.resource_spans[0].scope_spans[0].spans[0].events.add(name="e", time_unix_nano=time_ns)
        assert (0, "") == send(server, transport, request)
        [[events]] = server.server.ask(f"SELECT events FROM spans WHERE trace_id = '{trace_id(number).hex()}'")
        found = json.loads(events) if isinstance(events, str) else events
        assert [str(time_ns) for time_ns in times] == [event["time_unix_nano"] for event in found]
        logs = ExportLogsServiceRequest()
        for at, time_ns in enumerate(times):
            logs.MergeFrom(evaluation(number, f"at {at}", {VALUE: 1}))
            logs.resource_logs[-1].scope_logs[0].log_records[0].time_unix_nano = time_ns
        assert 4 == send(server, transport, logs).rejected
        sql = f"SELECT name FROM scores WHERE trace_id = '{trace_id(number).hex()}' ORDER BY name"
        assert [["at 0"], ["at 2"]] == server.server.ask(sql)


def owners(request: ExportTraceServiceRequest) -> dict[str, Any]:
    """Return everything of a request's first span that has attributes."""
    resource = request.resource_spans[0]
    span = resource.scope_spans[0].spans[0]
    event = span.events[0] if span.events else span.events.add(name="e", time_unix_nano=START_NS)
    link = span.links[0] if span.links else span.links.add(trace_id=trace_id(1), span_id=span_id(1))
    return {"resource": resource.resource, "span": span, "event": event, "link": link}


KEPT = """
SELECT map_entries(resource_attributes), map_entries(attributes), events, links FROM spans
WHERE trace_id = '{}' AND span_id = '{}'
"""


def kept(server: Grpc, number: int) -> dict[str, dict[str, str]]:
    """Return the attributes of everything in the first span of a trace that has some, as `owners` names it."""
    [row] = server.server.ask(KEPT.format(trace_id(number).hex(), span_id(0).hex()))
    resource, own, events, links = (json.loads(each) if isinstance(each, str) else each for each in row)
    maps = [{pair["key"]: pair["value"] for pair in pairs} for pairs in (resource, own)]
    return dict(
        zip(
            ("resource", "span", "event", "link"), (*maps, events[0]["attributes"], links[0]["attributes"]), strict=True
        )
    )


def test_ten_thousand_attributes(server: Grpc) -> None:
    """Of a span, a resource, an event and a link the first 1,024 are kept, and the number of the others."""
    for transport, number in numbers(120):
        request = traces(number, 1)
        request.resource_spans[0].resource.ClearField("attributes")
        for owner in owners(request).values():
            for at in range(10_000):
                owner.attributes.add(key=f"k{at}").value.int_value = at
        assert (0, "") == send(server, transport, request)
        expected = {f"k{at}": str(at) for at in range(KEPT_ATTRIBUTES)}
        expected["upshot.dropped_attributes"] = str(10_000 - KEPT_ATTRIBUTES)
        for name, found in kept(server, number).items():
            assert expected == found, name


LONG = "a" + "é" * (5 << 19)
"""5 MiB and a byte of UTF-8, so that the bound lies within a character."""
CUT = LONG[: KEPT_BYTES // 2] + f"…[truncated {(5 << 20) + 1 - (KEPT_BYTES - 1)} bytes]"
LONG_PLACES = ("name", "status_message", "scope_name", "attribute", "array", "key", "resource", "event", "link")


@pytest.mark.parametrize("place", LONG_PLACES)
def test_five_megabytes(server: Grpc, place: str) -> None:
    """Wherever a text is, 1 MiB of it is kept, whole characters, and what says how many bytes are missing."""
    for transport, number in numbers(130 + 3 * LONG_PLACES.index(place)):
        request = traces(number, 1)
        scope = request.resource_spans[0].scope_spans[0]
        span, has = scope.spans[0], owners(request)
        match place:
            case "name":
                span.name = LONG
            case "status_message":
                span.status.message = LONG
            case "scope_name":
                scope.scope.name = LONG
            case "key":
                span.attributes.add(key=LONG).value.int_value = 1
            case "array":
                set_value(span.attributes.add(key="k").value, [LONG])
            case _:
                set_value(has["span" if place == "attribute" else place].attributes.add(key="k").value, LONG)
        assert (0, "") == send(server, transport, request)
        where = f"WHERE trace_id = '{trace_id(number).hex()}'"
        if place in ("name", "status_message", "scope_name"):
            [[found]] = server.server.ask(f"SELECT {place} FROM spans {where}")
        elif place == "key":
            [found] = [key for key, value in kept(server, number)["span"].items() if value == "1"]
        else:
            found = kept(server, number)["span" if place in ("attribute", "array") else place]["k"]
        if place == "array":
            assert LONG[:1000] == found[2:1002]
            assert len(found.partition("…")[0].encode()) in (KEPT_BYTES - 1, KEPT_BYTES)
            assert found.endswith(" bytes]")
        else:
            assert CUT == found


def test_five_megabytes_in_an_evaluation_result(server: Grpc) -> None:
    """Its explanation and its other attributes are cut and marked as those of a span are."""
    for transport, number in numbers(160):
        request = evaluation(number, "long", {VALUE: 1, "gen_ai.evaluation.explanation": LONG, "more": LONG})
        assert (0, "") == send(server, transport, request)
        sql = f"SELECT comment, attributes->>'more' FROM scores WHERE trace_id = '{trace_id(number).hex()}'"
        assert [[CUT, CUT]] == server.server.ask(sql)


def test_repeated_keys(server: Grpc) -> None:
    """The last of them counts, also where it is of another type, or empty; in a map within, too."""
    for transport, number in numbers(170):
        request = traces(number, 1)
        for owner in owners(request).values():
            for key, value in (("k", "first"), ("k", 2), ("k", "last"), ("n", 1), ("n", True), ("e", "x"), ("e", "")):
                set_value(owner.attributes.add(key=key).value, value)
            pairs = owner.attributes.add(key="m").value.kvlist_value.values
            for value in (1, 2):
                pairs.add(key="a").value.int_value = value
        assert (0, "") == send(server, transport, request)
        for name, found in kept(server, number).items():
            found.pop("service.name", None)
            assert {"k": "last", "n": "true", "e": "", "m": '{"a":2}'} == found, name


def test_texts_that_are_no_utf_8(server: Grpc) -> None:
    """In every text of a span: U+FFFD for what cannot be read, the rest as it is; ids and neighbours are untouched."""
    for number, over_grpc in ((180, False), (181, True)):
        request = traces(number, 2)
        scope = request.resource_spans[0].scope_spans[0]
        span = scope.spans[0]
        span.name = span.status.message = span.trace_state = scope.scope.name = scope.scope.version = "caf#"
        request.resource_spans[0].schema_url = scope.schema_url = "caf#"
        for owner in owners(request).values():
            set_value(owner.attributes.add(key="caf#").value, "caf#")
            set_value(owner.attributes.add(key="nested").value, {"caf#": ["caf#"]})
        span.events[0].name = "caf#"
        body = request.SerializeToString().replace(b"caf#", b"caf\xe9")
        with pytest.raises(Exception, match="parsing"):
            ExportTraceServiceRequest.FromString(body)
        if over_grpc:
            assert b"" == server.call(body)
        else:
            assert (200, b"") == ((answer := post(server.server, body)).status_code, answer.content)
        bad = "caf\N{REPLACEMENT CHARACTER}"
        sql = (
            "SELECT name, status_message, scope_name, scope_version FROM spans "
            f"WHERE trace_id = '{trace_id(number).hex()}' ORDER BY span_id"
        )
        assert [[bad] * 4, ["span 1", None, bad, bad]] == server.server.ask(sql)
        for name, found in kept(server, number).items():
            assert (bad, f'{{"{bad}":["{bad}"]}}') == (found[bad], found["nested"]), name


@pytest.mark.parametrize("escaped", [rb"\ud83d", rb"\ude00", rb"\ud83dx", b"\xe9"])
def test_texts_of_json_that_are_no_characters(server: Grpc, escaped: bytes) -> None:
    """Half a surrogate pair, which exporters make when they cut text, and bytes that are no UTF-8: U+FFFD."""
    number = 185 + [rb"\ud83d", rb"\ude00", rb"\ud83dx", b"\xe9"].index(escaped)
    body = as_json(traces(number, 1, {"k": "caf#"})).replace(b"caf#", b"caf" + escaped)
    assert 200 == post(server.server, body, kind=JSON).status_code
    [[found]] = server.server.ask(f"SELECT attributes['k'] FROM spans WHERE trace_id = '{trace_id(number).hex()}'")
    assert "caf\N{REPLACEMENT CHARACTER}" == found.removesuffix("x")


def test_ids_in_either_case_are_one_span(server: Grpc) -> None:
    """Hexadecimal, not base64: upper case in JSON is the same span as lower case, and as the bytes."""
    request = traces(189, 2)
    body = as_json(request)
    for name in ("traceId", "spanId", "parentSpanId"):
        for span in json.loads(as_json(request))["resourceSpans"][0]["scopeSpans"][0]["spans"]:
            if name in span:
                body = body.replace(f'"{name}":"{span[name]}"'.encode(), f'"{name}":"{span[name].upper()}"'.encode())
    assert b"A" in body.partition(b'"traceId":"')[2][:32]
    assert 200 == post(server.server, body, kind=JSON).status_code
    server.call(request.SerializeToString())
    assert 2 == stored(server.server, 189)


def family(pid: int) -> list[int]:
    """Return a process and all below it."""
    try:
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:  # it has ended
        return []
    return [pid, *(each for child in below for each in family(int(child)))]


def held_mib(server: Grpc) -> dict[int, float]:
    """Return the most memory that each process of a server held since `forget`."""
    found: dict[int, float] = {}
    for pid in family(server.server.process.pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            found[pid] = sum(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    return found


def forget(server: Grpc) -> dict[int, float]:
    """Let the peaks be what is held now, and return that."""
    for pid in family(server.server.process.pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            Path(f"/proc/{pid}/clear_refs").write_text("5")
    return held_mib(server)


def grown_mib(server: Grpc, before: dict[int, float]) -> float:
    """Return how much more the processes held than before, a process that was started since with all of it."""
    return sum(max(0.0, peak - before.get(pid, 0)) for pid, peak in held_mib(server).items())


def test_a_gzip_bomb_over_grpc_is_refused_in_flat_memory(server: Grpc) -> None:
    """As over HTTP: what a full body takes is all that it may take."""
    small_bomb = bomb(400)
    server.call(gzip.compress(b" " * (20 * MIB), 1))  # a field that is not known, over and over: no spans
    before = forget(server)
    for method in (TRACE, LOGS):
        assert grpc.StatusCode.INVALID_ARGUMENT == server.refusal(small_bomb, method).code()
    assert grown_mib(server, before) < 100


MESSAGE_BOMBS: dict[str, tuple[str, bytes]] = {
    "spans": (TRACE, sized(1, sized(2, b"\x12\0" * (10 * MIB - 20)))),
    "log records": (LOGS, sized(1, sized(2, b"\x12\0" * (10 * MIB - 20)))),
    "attributes": (LOGS, sized(1, sized(2, sized(2, b"\x32\0" * (10 * MIB - 20))))),
}
"""Ten million messages of two bytes, which gzip makes small."""


@pytest.mark.parametrize("name", MESSAGE_BOMBS)
def test_a_bomb_of_messages_is_refused(server: Grpc, name: str) -> None:
    """Over HTTP and gRPC: each would take a hundred times its bytes in memory, and is counted before that."""
    method, body = MESSAGE_BOMBS[name]
    server.call(traces(192, 200, {"filler": "x" * 1000}).SerializeToString())  # every process that decodes is there
    before = forget(server)
    path = "/v1/traces" if method == TRACE else "/v1/logs"
    answer = post(server.server, gzip.compress(body, 1), path, headers=GZIP)
    assert (400, True) == (answer.status_code, f" {name}, at most ".encode() in answer.content)
    refused = server.refusal(gzip.compress(body, 1), method)
    assert grpc.StatusCode.INVALID_ARGUMENT == refused.code()
    assert f" {name}, at most " in refused.details()
    assert grown_mib(server, before) < 700


def test_a_chunked_gzip_that_ends_early_leaves_nothing(server: Grpc) -> None:
    """A body of chunks is complete only with its last chunk, and a gzip only with its checksum."""
    packed = gzip.compress(traces(190).SerializeToString())
    head = (
        b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n"
        b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    url = httpx.URL(server.server.url)
    for sent in (packed, packed[:-4]):
        with socket.create_connection((url.host, url.port or 0)) as connection:
            connection.sendall(head + b"%x\r\n%s\r\n" % (len(sent), sent))
            time.sleep(0.1)
    headers = {"content-type": PROTOBUF, **GZIP}
    for pieces, status, count in (([packed[:-4]], 400, 0), ([packed[:9], packed[9:]], 200, 3)):
        assert status == server.server.http.post("/v1/traces", content=iter(pieces), headers=headers).status_code
        assert count == stored(server.server, 190)
    log = server.server.log
    assert "/v1/traces" in log
    assert "defect" not in log
    assert "Traceback" not in log


class Cutting:
    """Passes a connection on to another port, and cuts it after some bytes."""

    def __init__(self, port: int, after: int) -> None:
        self._to, self._after = port, after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cuts = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._to)) as server:
            threading.Thread(target=self._back, args=(server, client), daemon=True).start()
            left = self._after
            while left > 0 and (content := client.recv(min(left, 1 << 16))):
                server.sendall(content)
                left -= len(content)
            self.cuts += left == 0
            for side in (server, client):
                side.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _back(server: socket.socket, client: socket.socket) -> None:
        try:
            while content := server.recv(1 << 16):
                client.sendall(content)
        except OSError:  # cut
            return

    def close(self) -> None:
        self._listener.close()


def test_a_grpc_connection_cut_half_way_leaves_nothing(server: Grpc) -> None:
    """In the middle of a message of 2 MB: the call fails, nothing of it is stored, and the next one is whole."""
    body = traces(191, 20, {"filler": "x" * 100_000}).SerializeToString()
    cutting = Cutting(int(server.address.partition(":")[2]), len(body) // 2)
    options = (("grpc.use_local_subchannel_pool", 1),)
    with grpc.insecure_channel(f"127.0.0.1:{cutting.port}", options=options) as channel:
        through = Grpc(server.server, cutting.port, channel)
        refused = through.refusal(body)
        cutting.close()
    assert grpc.StatusCode.UNAVAILABLE == refused.code()
    assert cutting.cuts > 0
    assert 0 == stored(server.server, 191)
    assert b"" == server.call(body)
    assert 20 == stored(server.server, 191)


def test_the_real_exporter_of_metrics_over_grpc_stops(server: Grpc) -> None:
    """UNIMPLEMENTED is final for it: it fails at once instead of waiting and sending again."""
    exporter = OTLPMetricExporter(endpoint=server.address, insecure=True, timeout=30)
    started = time.monotonic()
    assert MetricExportResult.FAILURE == exporter.export(MetricsData(resource_metrics=[]))
    assert time.monotonic() - started < 5
    exporter.shutdown()


LLM = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.provider.name": "openai",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
}


def long_trace(number: int, first: int, count: int) -> bytes:
    """Return spans of one trace: a root, below it agents, ten below each, of which nine are calls of a model."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    model_call = traces(0, 1, LLM).resource_spans[0].scope_spans[0].spans[0].attributes
    for at in range(first, first + count):
        agent = at // 10 * 10
        parent = b"" if at == 0 else span_id(0) if at == agent else span_id(agent)
        span = scope.spans.add(
            trace_id=trace_id(number),
            span_id=span_id(at),
            parent_span_id=parent,
            name="root" if at == 0 else "agent" if at == agent else "call",
            start_time_unix_nano=START_NS + at * 1000,
            end_time_unix_nano=START_NS + at * 1000 + 500,
        )
        if at != agent:
            span.attributes.extend(model_call)
    return request.SerializeToString()


def check_long_trace(server: Grpc, number: int, spans: int, step: int) -> dict[str, float]:
    """Send a trace, the last spans first, ask for its totals and for its spans, and return the seconds of each."""
    seconds: dict[str, float] = {}
    started = time.monotonic()
    for at, first in enumerate(reversed(range(0, spans, step))):
        body = long_trace(number, first, min(step, spans - first))
        if at % 2:
            assert b"" == server.call(body)
        else:
            assert (200, b"") == ((answer := post(server.server, body)).status_code, answer.content)
    seconds["send"] = time.monotonic() - started
    trace, calls = trace_id(number).hex(), spans - spans // 10
    asked: dict[str, tuple[str, list[Any]]] = {
        "count": (
            "SELECT count(*), count(DISTINCT span_id), count(DISTINCT run_id), min(run_id) FROM spans "
            f"WHERE trace_id = '{trace}'",
            [spans, spans, 1, trace],
        ),
        "run": (f"SELECT id, function_id, status FROM runs WHERE trace_id = '{trace}'", [trace, "root", "Completed"]),
        "totals": (
            "SELECT calls, input_tokens, output_tokens, round(cost_usd / calls, 6) FROM run_usage "
            f"WHERE run_id = '{trace}'",
            [calls, calls * 1000, calls * 100, 0.0035],
        ),
    }
    for name, (sql, expected) in asked.items():
        started = time.monotonic()
        assert [expected] == server.server.ask(sql, timeout_s=30), name
        seconds[name] = time.monotonic() - started
    started = time.monotonic()
    sql = f"SELECT span_id, parent_span_id, name, start_time FROM spans WHERE trace_id = '{trace}' ORDER BY start_time"
    answer = server.server.http.post("/v1/query", json={"sql": sql, "limit": 1000}).json()
    assert (1000, True) == (answer["row_count"], answer["truncated"])
    assert [span_id(at).hex() for at in range(1000)] == [row[0] for row in answer["rows"]]
    seconds["first thousand"] = time.monotonic() - started
    return seconds


def test_a_long_trace(server: Grpc) -> None:
    """50,000 spans of one trace: one run, its exact totals, and an answer that is cut at its limit and says so."""
    check_long_trace(server, 200, 50_000, 10_000)


@pytest.mark.parametrize(("first", "filler"), [(300, 10), (310, 100_000)], ids=["small", "large"])
def test_an_installations_attributes_name_runs_in_spans_and_log_records(own: Grpc, first: int, filler: int) -> None:
    """As configured, over every transport, of requests that are decoded where they come and of those handed over."""
    for transport, number in numbers(first):
        run = f"{transport} {filler}"
        said = {"job.id": run, "chat.id": "c", "filler": "x" * filler}
        assert (0, "") == send(own, transport, traces(number, 2, said))
        assert (0, "") == send(own, transport, evaluation(number, "own", {VALUE: 1, **said}))
        where = f"WHERE run_id = '{run}'"
        assert [[2]] == own.server.ask(f"SELECT count(*) FROM spans {where}")
        assert [["own", span_id(1).hex()]] == own.server.ask(f"SELECT name, span_id FROM scores {where}")
        assert [["chat", "c"]] == own.server.ask(f"SELECT session_key, session_id FROM session_runs {where}")


SEEDS = (1, 7, 23, 57, 112, 4096)
"""Of requests that were once of interest: each of the odd layouts that `Wire` has, and damage in each of them."""


COUNT = "SELECT (SELECT count(*) FROM spans) + (SELECT count(*) FROM scores) + (SELECT count(*) FROM runs)"


def taken(server: Grpc, body: bytes, method: str, *, packed: bool = False) -> bytes | None:
    """Send a body over gRPC and return the answer, None when it is refused for good; nothing of it is there then."""
    before = server.server.ask(COUNT)
    try:
        return server.call(body, method, packed=packed)
    except grpc.RpcError as error:
        refused: Any = error
    assert grpc.StatusCode.INVALID_ARGUMENT == refused.code()
    assert before == server.server.ask(COUNT)
    return None


@settings(max_examples=80)
@given(st.integers(0, 2**32), st.sampled_from([TRACE, LOGS]), st.sampled_from([GZIP, {}]))
@example(SEEDS[0], TRACE, GZIP)
@example(SEEDS[1], TRACE, {})
@example(SEEDS[2], TRACE, GZIP)
@example(SEEDS[3], LOGS, GZIP)
@example(SEEDS[4], TRACE, {})
@example(SEEDS[5], LOGS, {})
def test_damaged_requests_are_taken_or_refused_alike(
    server: Grpc, seed: int, method: str, headers: dict[str, str]
) -> None:
    """Any bytes near a request, over gRPC and HTTP: both take it, or both refuse it and nothing of it is there."""
    body = Wire(seed).damaged()
    expected = taken(server, body, method, packed=bool(headers))
    there = server.server.ask(COUNT)
    path = "/v1/traces" if method == TRACE else "/v1/logs"
    answer = post(server.server, gzip.compress(body) if headers else body, path, headers=headers)
    assert (400 if expected is None else 200) == answer.status_code
    assert expected is None or expected == answer.content
    assert there == server.server.ask(COUNT)  # sent again, it adds nothing


@settings(max_examples=80)
@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6),
    st.integers(0, 10_000),
    st.sampled_from([TRACE, LOGS]),
)
@example([], 0, TRACE)
@example([], 0, LOGS)
@example([(0, 0)], 0, TRACE)
@example([(1, 255)], 0, LOGS)
def test_a_spoiled_grpc_message_is_taken_or_refused_and_never_both(
    server: Grpc, changes: list[tuple[int, int]], cut: int, method: str
) -> None:
    """Bytes changed and cut off anywhere: OK or INVALID_ARGUMENT, and of what was refused nothing is there."""
    values: dict[str, Any] = {"nested": {"a": [1]}, "n": 7, "x": 2.5, "upshot.run_id": "spoiled"}
    request = traces(210, 2, values) if method == TRACE else evaluation(210, "spoiled", values | {VALUE: 1})
    body = bytearray(request.SerializeToString())
    for place, byte in changes:
        body[place % len(body)] = byte
    expected = taken(server, bytes(body[: max(1, len(body) - cut // 20)]), method)
    assert expected == b"" if not (changes or cut // 20) else True


def export_to(server: Grpc, kind: str, number: int) -> bool:
    """Send spans or a score, with the number as their trace, and return whether that was acknowledged."""
    if kind == "json":
        packed = gzip.compress(as_json(traces(number, 5)))
        answer = server.server.http.post("/v1/traces", content=iter([packed]), headers={"content-type": JSON, **GZIP})
        return answer.status_code == 200
    body = evaluation(number, "kept", {VALUE: 1}).SerializeToString()
    if kind == "scores over grpc":
        return server.call(body, LOGS) == b""
    return post(server.server, body, "/v1/logs").status_code == 200


@pytest.mark.long
def test_what_was_acknowledged_of_json_and_of_scores_survives_a_kill(tmp_path: Path) -> None:
    """Kill -9 while senders send JSON in packed chunks, and results in protobuf and over gRPC: all that got a 200."""
    acknowledged: list[tuple[str, int]] = []
    sent: list[tuple[str, int]] = []
    with serving_grpc(tmp_path / "data") as server:

        def send_all(kind: str, first: int) -> None:
            for number in range(first, first + 1000):
                sent.append((kind, number))
                try:
                    if not export_to(server, kind, number):
                        return
                except Exception:  # noqa: BLE001 - killed, in one of many ways
                    return
                acknowledged.append((kind, number))

        kinds = {"json": 1000, "scores": 2000, "scores over grpc": 3000}
        senders = [threading.Thread(target=send_all, args=each) for each in kinds.items()]
        for sender in senders:
            sender.start()
        deadline = time.monotonic() + 60
        while {kind for kind, _ in acknowledged} < kinds.keys() or len(acknowledged) < 60:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        server.server.kill()
        for sender in senders:
            sender.join()
    with serving(tmp_path / "data") as again:
        spans = again.ask("SELECT trace_id, count(*) FROM spans GROUP BY trace_id")
        scores = again.ask("SELECT trace_id, count(*) FROM scores GROUP BY trace_id")
    assert {5} == {count for _, count in spans}
    assert {1} == {count for _, count in scores}
    found = {int(trace[-8:], 16) for trace, _ in [*spans, *scores]}
    assert {number for _, number in acknowledged} <= found <= {number for _, number in sent}


def main() -> None:
    """Send a trace as long as wanted to a server of its own and print how long everything took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=1_000_000)
    given_ = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving_grpc(Path(folder) / "data") as server:
        seconds = check_long_trace(server, 1, given_.spans, 50_000)
    print(given_.spans, "spans:", ", ".join(f"{name} {took:.1f} s" for name, took in seconds.items()))  # noqa: T201


if __name__ == "__main__":
    main()
