"""OTLP over HTTP to the letter of its specification: https://opentelemetry.io/docs/specs/otlp/#otlphttp.

Answers are read by the stock messages of opentelemetry-proto and google.rpc.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import time
import zlib
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from google.rpc.status_pb2 import Status
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData

from api import settings as settings_table
from api.app import create_app
from api.services import Services
from tests.api.otlp import GZIP, JSON, PROTOBUF, START_NS, as_json, evaluation, new_key, post, stored, trace_id, traces
from tests.support.server import serving
from warehouse.clock import system_clock
from warehouse.log import Log
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server import Server

VALUE = "gen_ai.evaluation.score.value"
MIB = 1 << 20
LIMIT = 20 * MIB
INVALID_ARGUMENT, PERMISSION_DENIED, UNIMPLEMENTED, UNAVAILABLE, UNAUTHENTICATED = 3, 7, 12, 14, 16


def status_of(answer: httpx.Response, kind: str) -> Status:
    """Return the Status of an error, which must be in the request's encoding and say something."""
    assert kind == answer.headers["content-type"]
    status = Status(**answer.json()) if kind == JSON else Status.FromString(answer.content)
    assert status.message
    return status


def bodies(trace: int) -> list[tuple[str, bytes]]:
    """Return a good request in both encodings."""
    return [(PROTOBUF, traces(trace).SerializeToString()), (JSON, as_json(traces(trace)))]


@pytest.mark.parametrize(
    "kind", [PROTOBUF, f"{PROTOBUF}; charset=utf-8", JSON, f"{JSON};charset=UTF-8", "Application/JSON ; a=b"]
)
def test_a_success_is_in_the_encoding_of_the_request(server: Server, kind: str) -> None:
    """Parameters of the content type are no other type; a full success leaves partial_success unset."""
    plain = JSON if "json" in kind.lower() else PROTOBUF
    answer = post(server, dict(bodies(100))[plain], kind=kind)
    assert (200, plain) == (answer.status_code, answer.headers["content-type"])
    if plain == JSON:
        assert {} == answer.json()
    else:
        assert not ExportTraceServiceResponse.FromString(answer.content).HasField("partial_success")
    assert 3 == stored(server, 100)


@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "application/protobuf", "application/jsonl", "application/grpc"]
)
@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs"])
def test_another_content_type_is_415_and_none_is_not_guessed(server: Server, kind: str | None, path: str) -> None:
    """What is neither protobuf nor JSON by its name is refused, and not looked at."""
    assert 415 == post(server, traces(101).SerializeToString(), path, kind).status_code
    assert 0 == stored(server, 101)


@pytest.mark.parametrize("packed", [False, True])
def test_bodies_may_come_in_chunks_without_a_length(server: Server, *, packed: bool) -> None:
    """As the exporter of JavaScript sends them: chunked, plain and gzip, in both encodings."""
    for number, (kind, body) in enumerate(bodies(110 + packed)):
        content = gzip.compress(body) if packed else body
        headers = {"content-type": kind} | (GZIP if packed else {})
        pieces = (content[at : at + 50] for at in range(0, len(content), 50))
        answer = server.http.post("/v1/traces", content=pieces, headers=headers)
        assert "chunked" == answer.request.headers["transfer-encoding"]
        assert 200 == answer.status_code, number
    assert 3 == stored(server, 110 + packed)


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs"])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (PROTOBUF, b""),
        (PROTOBUF, ExportTraceServiceRequest(resource_spans=[{"scope_spans": [{}]}]).SerializeToString()),  # type: ignore[list-item]
        (JSON, b"{}"),
        (JSON, b'{"resourceSpans":[],"resourceLogs":null}'),
        (JSON, b'{"resourceSpans":[{"scopeSpans":[{}]}],"resourceLogs":[{"scopeLogs":[{}]}]}'),
    ],
)
def test_an_empty_request_is_a_success(server: Server, path: str, kind: str, body: bytes) -> None:
    """No spans, or resources and scopes without any, are 200 with the empty answer."""
    answer = post(server, body, path, kind)
    assert (200, b"{}" if kind == JSON else b"") == (answer.status_code, answer.content)


GZIPPED = gzip.compress(traces(120).SerializeToString())
DAMAGED: dict[str, tuple[str, bytes, str]] = {
    "no protobuf": (PROTOBUF, b"\xff\xff", ""),
    "protobuf cut short": (PROTOBUF, traces(120).SerializeToString()[:-1], ""),
    "JSON as protobuf": (PROTOBUF, as_json(traces(120)), ""),
    "JSON cut short": (JSON, as_json(traces(120))[:-1], ""),
    "no JSON": (JSON, b"{", ""),
    "nothing as JSON": (JSON, b"", ""),
    "a JSON array": (JSON, b"[]", ""),
    "nested without end": (JSON, b'{"resourceSpans":' + b"[" * 100_000, ""),
    "gzip cut short": (PROTOBUF, GZIPPED[:-9], "gzip"),
    "gzip with a wrong checksum": (PROTOBUF, GZIPPED[:-8] + b"\0" * 8, "gzip"),
    "no gzip": (PROTOBUF, traces(120).SerializeToString(), "gzip"),
    "an unknown packing": (PROTOBUF, traces(120).SerializeToString(), "br"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_what_cannot_be_read_is_400_with_a_status(server: Server, case: str) -> None:
    """Nothing of it is stored, and 400 tells an exporter not to send it again."""
    kind, body, packing = DAMAGED[case]
    headers = {"content-encoding": packing} if packing else {}
    answer = post(server, body, kind=kind, headers=headers)
    assert (400, INVALID_ARGUMENT) == (answer.status_code, status_of(answer, kind).code)
    assert 0 == stored(server, 120)
    assert "retry-after" not in answer.headers


def peak_mib(server: Server) -> float:
    """Return the most memory that the server process held since `forget_peak`."""
    [line] = [
        line for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines() if line.startswith("VmHWM")
    ]
    return int(line.split()[1]) / 1024


def forget_peak(server: Server) -> None:
    """Let the peak be what is held now."""
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")


def bomb(mib: int) -> bytes:
    """Return gzip of so many MiB of the letter a."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(packer.compress(b"a" * MIB) for _ in range(mib)), packer.flush()])


@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
def test_too_large_is_413_in_flat_memory(server: Server, kind: str) -> None:
    """By its announced length, while it comes, and while it is unpacked: never more than some multiple of 20 MiB."""
    small_bomb = bomb(400)
    assert len(small_bomb) < MIB
    post(server, b" " * LIMIT, kind=kind)  # 400 or 413 do not matter: what a full body takes is in memory now
    forget_peak(server)
    before = peak_mib(server)
    refused = [
        post(server, b" " * (LIMIT + 1), kind=kind),
        server.http.post("/v1/traces", content=(b" " * MIB for _ in range(200)), headers={"content-type": kind}),
        post(server, small_bomb, kind=kind, headers=GZIP),
        post(server, bomb(21), "/v1/logs", kind, GZIP),
    ]
    for answer in refused:
        assert (413, INVALID_ARGUMENT) == (answer.status_code, status_of(answer, kind).code)
    assert peak_mib(server) - before < 100


def test_the_limit_itself_is_let_in(server: Server) -> None:
    """20 MiB of gzip's contents are taken, a byte more is not."""
    request = traces(125, 1, {"filler": ""})
    body = request.SerializeToString()
    value = request.resource_spans[0].scope_spans[0].spans[0].attributes[0].value
    value.string_value = "x" * (LIMIT - len(body) - 100)
    value.string_value += "x" * (LIMIT - request.ByteSize())
    assert LIMIT == request.ByteSize()
    assert 200 == post(server, gzip.compress(request.SerializeToString(), 1), headers=GZIP).status_code
    value.string_value += "x"
    assert 413 == post(server, gzip.compress(request.SerializeToString(), 1), headers=GZIP).status_code
    assert 1 == stored(server, 125)


def test_partial_success_counts_exactly_and_says_why(server: Server) -> None:
    """Spans of impossible ids or times are counted and named; the good ones beside them are stored."""
    request = traces(130, 10)
    spans = request.resource_spans[0].scope_spans[0].spans
    spans[1].trace_id = bytes(16)
    spans[2].trace_id = b"short"
    spans[3].span_id = bytes(8)
    spans[4].span_id = b"much too long"
    spans[5].start_time_unix_nano = 0
    spans[6].start_time_unix_nano = 9_214_646_400 * 10**9  # 2262
    for kind, body in ((PROTOBUF, request.SerializeToString()), (JSON, as_json(request))):
        answer = post(server, body, kind=kind)
        assert 200 == answer.status_code
        if kind == JSON:
            found = answer.json()["partialSuccess"]
            assert "6" == found["rejectedSpans"]  # a 64-bit integer is a text in protobuf's JSON
            message = found["errorMessage"]
        else:
            partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
            assert 6 == partial.rejected_spans
            message = partial.error_message
        assert "trace id" in message
        assert "span id" in message
    assert 4 == server.ask(f"SELECT count(*) FROM spans WHERE trace_id = '{trace_id(130).hex()}'")[0][0]


def test_of_logs_only_evaluation_results_are_kept_and_counted(server: Server) -> None:
    """Other records are acknowledged; a result without a name, a number or a target is rejected, and counted."""
    request = evaluation(131, "relevance", {VALUE: 0.25, "upshot.run_id": "logs-run"})
    records = request.resource_logs[0].scope_logs[0].log_records
    records.add(time_unix_nano=START_NS, severity_text="INFO").body.string_value = "started"
    for event in (
        evaluation(131, "", {VALUE: 1}),
        evaluation(131, "text", {VALUE: "high"}),
        evaluation(131, "infinite", {VALUE: float("inf")}),
        evaluation(131, "nothing", {}),
    ):
        records.extend(event.resource_logs[0].scope_logs[0].log_records)
    records[5].trace_id = b"short"
    records[5].attributes.add(key=VALUE).value.int_value = 1
    answer = post(server, request.SerializeToString(), "/v1/logs")
    partial = ExportLogsServiceResponse.FromString(answer.content).partial_success
    assert (200, 4) == (answer.status_code, partial.rejected_log_records)
    for words in ("gen_ai.evaluation.name", "'high'", "inf", "trace id"):
        assert words in partial.error_message
    answer = post(server, as_json(request), "/v1/logs", JSON)
    assert "4" == answer.json()["partialSuccess"]["rejectedLogRecords"]
    sql = f"SELECT name, value, run_id, span_id FROM scores WHERE trace_id = '{trace_id(131).hex()}'"
    assert [["relevance", 0.25, "logs-run", "0000000000000002"]] == server.ask(sql)


@pytest.mark.parametrize("kind", [PROTOBUF, JSON, "text/plain"])
def test_metrics_are_refused_for_good(server: Server, kind: str) -> None:
    """404 with a Status: a client that gets it drops the data and does not retry."""
    answer = post(server, b"", "/v1/metrics", kind)
    assert (404, UNIMPLEMENTED) == (answer.status_code, status_of(answer, JSON if kind == "text/plain" else kind).code)
    assert "retry-after" not in answer.headers


def test_the_real_exporter_of_metrics_stops(server: Server) -> None:
    """It fails at once instead of waiting and sending again."""
    exporter = OTLPMetricExporter(endpoint=f"{server.url}/v1/metrics", timeout=30)
    started = time.monotonic()
    assert MetricExportResult.FAILURE == exporter.export(MetricsData(resource_metrics=[]))
    assert time.monotonic() - started < 5
    exporter.shutdown()


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
def test_other_methods_are_405(server: Server, method: str, path: str) -> None:
    """What may be done is named, as RFC 9110 asks for."""
    answer = server.http.request(method, path)
    assert (405, "POST") == (answer.status_code, answer.headers["allow"])
    assert UNIMPLEMENTED == status_of(answer, JSON).code


def test_a_connection_dropped_half_way_leaves_nothing(tmp_path: Path) -> None:
    """With a length and with chunks; the server goes on, and holds no defect against its client."""
    body = traces(140).SerializeToString()
    head = b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n"
    announced = head + b"Content-Length: %d\r\n\r\n" % len(body) + body[:-1]
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(body), body)  # the last chunk never comes
    with serving(tmp_path / "data") as server:
        url = httpx.URL(server.url)
        for sent in (announced, chunked):
            with socket.create_connection((url.host, url.port or 0)) as connection:
                connection.sendall(sent)
                time.sleep(0.1)
        assert 200 == post(server, traces(141).SerializeToString()).status_code
        assert 0 == stored(server, 140)
        assert 3 == stored(server, 141)
        server.stop()
    assert "defect" not in server.log
    assert "Traceback" not in server.log


def test_many_connections_at_once_are_normal(server: Server) -> None:
    """A hundred that stay open, each with a request of its own under way."""

    async def send(client: httpx.AsyncClient, number: int) -> int:
        body = traces(1500 + number).SerializeToString()
        answers = [await client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF}) for _ in range(3)]
        return max(answer.status_code for answer in answers)

    async def all_of_them() -> list[int]:
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
        async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=60, trust_env=False) as client:
            return await asyncio.gather(*(send(client, number) for number in range(100)))

    assert [200] * 100 == asyncio.run(all_of_them())
    ids = ", ".join(f"'{trace_id(1500 + number).hex()}'" for number in range(100))
    assert [[300, 100]] == server.ask(f"SELECT count(*), count(DISTINCT trace_id) FROM spans WHERE trace_id IN ({ids})")


def test_a_connection_waits_for_its_next_request(server: Server) -> None:
    """Longer than the few seconds after which busy senders met a reset: the side that sends lets go first."""
    with contextlib.closing(HTTPConnection(server.http.base_url.host, server.http.base_url.port)) as connection:
        for seconds in (0, 7):
            time.sleep(seconds)
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            answer.read()
            assert 200 == answer.status


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, str], dict[str, str]]]:
    """A server with two keys: one that may send, one that may only ask."""
    data = tmp_path_factory.mktemp("keyed") / "data"
    headers = [new_key(data, "agents", rights) for rights in ("ingest,query", "query")]
    with serving(data) as server:
        yield server, headers[0], headers[1]


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs"])
def test_keys_are_asked_for(keyed: tuple[Server, dict[str, str], dict[str, str]], path: str) -> None:
    """Without a key or with a wrong one 401, with one that may not 403, each with its Status; else 200."""
    server, sender, reader = keyed
    for kind, body in bodies(150):
        for headers, http, code in (
            ({}, 401, UNAUTHENTICATED),
            ({"authorization": "Bearer upk_none"}, 401, UNAUTHENTICATED),
            (reader, 403, PERMISSION_DENIED),
        ):
            answer = post(server, body, path, kind, headers)
            assert (http, code) == (answer.status_code, status_of(answer, kind).code)
            assert (http == 401) == ("www-authenticate" in answer.headers)
    assert 200 == post(server, bodies(150)[0][1], headers=sender).status_code
    assert 3 == stored(server, 150, reader)


@pytest.mark.parametrize(("busy", "http"), [(True, 429), (False, 503)])
def test_what_may_succeed_later_says_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, busy: bool, http: int
) -> None:
    """A log that is full is 429, one that is closed 503, both with a Retry-After of whole seconds."""

    async def answers() -> list[httpx.Response]:
        services = Services(settings_table.load({"data": tmp_path / "data"}, {}))
        app = create_app(services, request_log=False)
        async with app.router.lifespan_context(app):
            manifest = open_workspace(services.data.workspace("default")).manifest
            log = Log(manifest, system_clock, max_rows=0)
            log.append([]).result()

            def log_of(_: str) -> Log:
                return log

            monkeypatch.setattr(services, "log", log_of)
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await _refused_later(client, log, busy=busy)

    for kind, answer in zip((PROTOBUF, JSON), asyncio.run(answers()), strict=True):
        assert (http, UNAVAILABLE) == (answer.status_code, status_of(answer, kind).code)
        assert answer.headers["retry-after"].isdigit()


async def _refused_later(client: httpx.AsyncClient, log: Log, *, busy: bool) -> list[httpx.Response]:
    if busy:
        first = await client.post("/v1/traces", content=bodies(160)[0][1], headers={"content-type": PROTOBUF})
        assert 200 == first.status_code
    else:
        log.close()
    return [await client.post("/v1/traces", content=body, headers={"content-type": kind}) for kind, body in bodies(161)]


ODD: dict[str, tuple[dict[str, Any], str]] = {
    "an end before its start": ({"end_time_unix_nano": START_NS - 10**9}, "duration_ms < 0 OR duration_ms IS NULL"),
    "no end": ({"end_time_unix_nano": 0}, "end_time IS NULL"),
    "a kind that does not exist": ({"kind": 99}, "kind IS NULL"),
    "no name": ({"name": ""}, "name = ''"),
    "a parent of its own": ({"parent_span_id": (1).to_bytes(8)}, "parent_span_id = span_id"),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_spans_are_kept(server: Server, case: str) -> None:
    """What is strange but can be stored is stored."""
    change, there = ODD[case]
    number = 170 + list(ODD).index(case)
    request = traces(number, 1)
    for name, value in change.items():
        setattr(request.resource_spans[0].scope_spans[0].spans[0], name, value)
    for kind, body in ((PROTOBUF, request.SerializeToString()), (JSON, as_json(request))):
        answer = post(server, body, kind=kind)
        assert (200, b"{}" if kind == JSON else b"") == (answer.status_code, answer.content)
    assert [[1]] == server.ask(f"SELECT count(*) FROM spans WHERE trace_id = '{trace_id(number).hex()}' AND ({there})")


def test_huge_spans_are_kept(server: Server) -> None:
    """10,000 attributes, a value of 5 MB, repeated and empty keys, bytes, nested and extreme values: 200, one row."""
    values: dict[str, Any] = {
        "long": "é" * (5 << 19),
        "": "empty",
        "bytes": b"\0\xff",
        "least": -(2**63),
        "nan": float("nan"),
        "none": None,
        "nested": {"a": [1, {"b": [[]]}]},
    }
    request = traces(180, 1, values)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    for text in ("first", "last"):
        span.attributes.add(key="again").value.string_value = text
    for number in range(10_000):
        span.attributes.add(key=f"k{number}").value.int_value = number
    for kind, body in ((PROTOBUF, request.SerializeToString()), (JSON, as_json(request))):
        assert 200 == post(server, body, kind=kind).status_code
    [[again, long, first, nested, least, kept, dropped]] = server.ask(
        "SELECT attributes['again'], attributes['long'], attributes['k0'], attributes['nested'], attributes['least'], "
        "cardinality(attributes), attributes['upshot.dropped_attributes'] "
        f"FROM spans WHERE trace_id = '{trace_id(180).hex()}'"
    )
    assert ["last", "0", {"a": [1, {"b": [[]]}]}, str(-(2**63))] == [again, first, json.loads(nested), least]
    sent = len(values) + 2 + 10_000
    assert 1024 == kept  # of the first 1024 the repeated key is one; the number of the dropped ones is another
    assert sent - 1024 == int(dropped)
    assert long.startswith("é" * (1 << 19))
    assert long.endswith(f"…[truncated {(5 << 20) - (1 << 20)} bytes]")


def test_texts_that_are_no_utf_8_spoil_nothing(server: Server) -> None:
    """On the wire they can be anything: what cannot be read is U+FFFD, and the spans beside it are as sent."""
    body = traces(181, 2, {"word": "caf#"}).SerializeToString().replace(b"caf#", b"caf\xe9")
    assert (200, b"") == ((answer := post(server, body)).status_code, answer.content)
    sql = f"SELECT DISTINCT attributes['word'] FROM spans WHERE trace_id = '{trace_id(181).hex()}'"
    assert [["caf\N{REPLACEMENT CHARACTER}"]] == server.ask(sql)


def test_a_long_trace_in_any_order_is_whole(server: Server) -> None:
    """20,000 spans of one trace, the last first, children long before their parents."""
    spans = list(traces(182, 20_000).resource_spans[0].scope_spans[0].spans)
    for first in reversed(range(0, len(spans), 1000)):
        request = ExportTraceServiceRequest()
        request.resource_spans.add().scope_spans.add().spans.extend(spans[first : first + 1000])
        assert (200, b"") == ((answer := post(server, request.SerializeToString())).status_code, answer.content)
    sql = (
        "SELECT count(*), count(DISTINCT span_id), count(*) FILTER (parent_span_id IS NULL) "
        f"FROM spans WHERE trace_id = '{trace_id(182).hex()}'"
    )
    assert [20_000, 20_000, 1] == server.ask(sql)[0]


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6),
    st.integers(0, 10_000),
    st.sampled_from([PROTOBUF, JSON]),
    st.sampled_from(["/v1/traces", "/v1/logs"]),
)
def test_a_spoiled_body_is_taken_or_refused_and_never_both(
    server: Server, changes: list[tuple[int, int]], cut: int, kind: str, path: str
) -> None:
    """Bytes changed and cut off anywhere: 200 or 400, and of what was refused nothing is there."""
    values: dict[str, Any] = {"nested": {"a": [1]}, "n": 7, "x": 2.5}
    request = traces(190, 2, values) if path == "/v1/traces" else evaluation(190, "spoiled", values)
    body = bytearray(request.SerializeToString() if kind == PROTOBUF else as_json(request))
    for place, byte in changes:
        body[place % len(body)] = byte
    spoiled = bytes(body[: max(1, len(body) - cut // 20)])
    count = "SELECT (SELECT count(*) FROM spans) + (SELECT count(*) FROM scores)"
    before = server.ask(count)
    answer = post(server, spoiled, path, kind)
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 400:
        assert INVALID_ARGUMENT == status_of(answer, kind).code
        assert before == server.ask(count)
