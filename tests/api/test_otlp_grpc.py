"""OTLP over gRPC: the rows, limits, keys and promises of HTTP, in gRPC's own words.

Error details are read by the stock messages of google.rpc.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Status as SpanStatus

from api import settings as settings_table
from api.app import create_app
from api.commands.serve import otlp_grpc_address
from api.services import Services
from tests.api.otlp import (
    GZIP,
    JSON,
    LOGS,
    METRICS,
    PROTOBUF,
    SERVICE,
    START_NS,
    TRACE,
    Grpc,
    as_json,
    evaluation,
    free_port,
    new_key,
    post,
    serving_grpc,
    set_value,
    span_id,
    stored,
    trace_id,
    traces,
)
from tests.support.command import upshot
from tests.support.server import serving
from warehouse.clock import system_clock
from warehouse.errors import TransientError
from warehouse.log import Log
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Code = grpc.StatusCode
MIB = 1 << 20
STOP_SECONDS = 6.0
"""Within which a server ends whose shutdown takes 2 s, on a machine that others use."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grpc]:
    """A server that takes OTLP over gRPC."""
    with serving_grpc(tmp_path_factory.mktemp("grpc") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Grpc, dict[str, dict[str, str]]]]:
    """A server with a key a workspace, and one in the first workspace that may only ask."""
    data = tmp_path_factory.mktemp("keyed") / "data"
    keys: dict[str, dict[str, str]] = {}
    for name in ("protobuf", "json", "grpc", "protobuf-gzip", "json-gzip", "grpc-gzip", "reader"):
        rights, workspace = ("query", "protobuf") if name == "reader" else ("ingest,query", name)
        keys[name] = new_key(data, workspace, rights)
    with serving_grpc(data) as running:
        yield running, keys


def code(error: Any) -> grpc.StatusCode:
    """Return the code of an error that says something."""
    assert error.details()
    return error.code()


@pytest.mark.parametrize("packed", [False, True])
def test_spans_and_scores_are_visible_at_once(server: Grpc, *, packed: bool) -> None:
    """Plain and gzip; the answer of a full success is empty."""
    assert b"" == server.call(traces(200 + packed).SerializeToString(), packed=packed)
    assert 3 == stored(server.server, 200 + packed)
    about = evaluation(200 + packed, "helpful", {"gen_ai.evaluation.score.value": True})
    assert b"" == server.call(about.SerializeToString(), LOGS, packed=packed)
    sql = f"SELECT name, value, kind, span_id FROM scores WHERE trace_id = '{trace_id(200 + packed).hex()}'"
    assert [["helpful", 1.0, "boolean", span_id(1).hex()]] == server.server.ask(sql)


def test_an_empty_request_is_a_success(server: Grpc) -> None:
    """Of either service."""
    assert b"" == server.call(b"")
    assert b"" == server.call(b"", LOGS)


def test_partial_success_counts_exactly(server: Grpc) -> None:
    """As over HTTP, for spans and for log records."""
    request = traces(202)
    request.resource_spans[0].scope_spans[0].spans[1].trace_id = bytes(16)
    partial = ExportTraceServiceResponse.FromString(server.call(request.SerializeToString())).partial_success
    assert (1, True) == (partial.rejected_spans, "trace id" in partial.error_message)
    assert 2 == stored(server.server, 202)
    answer = server.call(evaluation(202, "", {}).SerializeToString(), LOGS)
    logs = ExportLogsServiceResponse.FromString(answer).partial_success
    assert (1, True) == (logs.rejected_log_records, "gen_ai.evaluation.name" in logs.error_message)


def test_what_cannot_be_read_is_final(server: Grpc) -> None:
    """INVALID_ARGUMENT, and nothing of it is stored."""
    body = traces(203).SerializeToString()
    for bad in (b"\xff\xff", body[:-1], gzip.compress(body)[:-9], as_json(traces(203))):
        assert Code.INVALID_ARGUMENT == code(server.refusal(bad))
    assert Code.INVALID_ARGUMENT == code(server.refusal(b"\xff", LOGS, packed=True))
    assert 0 == stored(server.server, 203)


def test_too_large_is_final_and_says_nothing_of_retrying(server: Grpc) -> None:
    """By the announced length before it is read, and while it is unpacked, whatever it would unpack to."""
    too_large = server.refusal(b"a" * (20 * MIB + 1))
    assert (Code.RESOURCE_EXHAUSTED, ()) == (code(too_large), too_large.trailing_metadata())
    bomb = gzip.compress(b"a" * (300 * MIB), 1)
    assert len(bomb) < 2 * MIB
    refused = server.refusal(bomb)
    assert (Code.INVALID_ARGUMENT, ()) == (code(refused), refused.trailing_metadata())
    assert Code.INVALID_ARGUMENT == code(
        server.refusal(b"a" * (19 * MIB), packed=True)
    )  # packed once more: no protobuf


def test_what_is_not_served_is_unimplemented(server: Grpc) -> None:
    """Metrics deliberately; other services and methods as gRPC does."""
    assert Code.UNIMPLEMENTED == code(server.refusal(b"", METRICS))
    assert Code.UNIMPLEMENTED == code(server.refusal(b"", SERVICE.format("profiles", "Profiles")))
    assert Code.UNIMPLEMENTED == code(server.refusal(b"", TRACE.replace("Export", "Import")))


def test_keys_are_asked_for(keyed: tuple[Grpc, dict[str, dict[str, str]]]) -> None:
    """By the metadata `authorization`: a key is a workspace, none or a wrong one is UNAUTHENTICATED."""
    server, keys = keyed
    body = traces(210).SerializeToString()
    assert Code.UNAUTHENTICATED == code(server.refusal(body))
    assert Code.UNAUTHENTICATED == code(server.refusal(body, metadata={"authorization": "Bearer upk_none"}))
    assert Code.PERMISSION_DENIED == code(server.refusal(body, metadata=keys["reader"]))
    assert Code.UNAUTHENTICATED == code(server.refusal(b"", LOGS))
    server.call(body, metadata=keys["grpc"])
    assert 3 == stored(server.server, 210, keys["grpc"])
    server.call(traces(212).SerializeToString(), metadata=keys["protobuf"])
    assert 0 == stored(server.server, 210, keys["reader"])


def test_the_same_spans_are_the_same_rows_over_every_transport(keyed: tuple[Grpc, dict[str, dict[str, str]]]) -> None:
    """Protobuf, JSON and gRPC, plain and gzip, each into a workspace of its own: equal but for the time of receipt."""
    server, keys = keyed
    request = traces(211, 4, {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "n": 2**60, "x": 0.1})
    span = request.resource_spans[0].scope_spans[0].spans[2]
    for number, value in enumerate(
        ("ünï \U0001f600 \"'\n", True, -(2**63), b"\0\xff", [1, ["a"]], {"k": {"d": 1.5}}, "")
    ):
        set_value(span.attributes.add(key=f"v{number}").value, value)
    span.status.MergeFrom(SpanStatus(code=SpanStatus.STATUS_CODE_ERROR, message="cut off"))
    event = span.events.add(name="exception", time_unix_nano=START_NS)
    set_value(event.attributes.add(key="exception.type").value, "ValueError")
    span.links.add(trace_id=trace_id(1), span_id=span_id(1))
    scores = evaluation(
        211, "relevance", {"gen_ai.evaluation.score.value": 0.5, "upshot.run_id": "r", "b": True, "i": 7}
    )
    for packed in (False, True):
        gz = "-gzip" if packed else ""
        for kind, name in ((PROTOBUF, "protobuf"), (JSON, "json")):
            for path, sent in (("/v1/traces", request), ("/v1/logs", scores)):
                body = sent.SerializeToString() if kind == PROTOBUF else as_json(sent)
                headers = keys[name + gz] | (GZIP if packed else {})
                answer = post(server.server, gzip.compress(body) if packed else body, path, kind, headers)
                assert 200 == answer.status_code
        server.call(request.SerializeToString(), TRACE, keys["grpc" + gz], packed=packed)
        server.call(scores.SerializeToString(), LOGS, keys["grpc" + gz], packed=packed)
    found: list[list[Any]] = []
    for name in keys.keys() - {"reader"}:
        for sql in (
            f"SELECT * FROM spans WHERE trace_id = '{trace_id(211).hex()}' ORDER BY span_id",
            "SELECT * EXCLUDE (received_at) FROM scores ORDER BY id",
        ):
            answer = server.server.http.post("/v1/query", json={"sql": sql}, headers=keys[name]).json()
            found.append(answer["rows"])
    assert [4, 1] * 6 == [len(rows) for rows in found]
    assert found[:2] * 6 == found


def test_a_resend_over_another_transport_adds_nothing(server: Grpc) -> None:
    """A span is its trace and its span id, however and however often it comes."""
    body = traces(220).SerializeToString()
    for _ in range(3):
        server.call(body)
        assert 200 == post(server.server, body).status_code
    assert 3 == stored(server.server, 220)


def test_calls_given_up_leave_the_server_whole(server: Grpc) -> None:
    """Deadlines that pass at any moment of a call: spans of a trace are all there or none, and later calls succeed."""
    numbers = range(2000, 2200)
    for number in numbers:
        call = server.channel.unary_unary(TRACE).future(traces(number, 20).SerializeToString())
        time.sleep(number % 20 / 4000)
        call.cancel()
    assert b"" == server.call(traces(221).SerializeToString())
    assert 3 == stored(server.server, 221)
    ids = ", ".join(f"'{trace_id(number).hex()}'" for number in numbers)
    sizes = server.server.ask(f"SELECT count(*) FROM spans WHERE trace_id IN ({ids}) GROUP BY trace_id")
    assert {20} >= {size for [size] in sizes}


@pytest.mark.parametrize("busy", [True, False])
def test_what_may_succeed_later_is_unavailable_with_retry_info(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, busy: bool
) -> None:
    """A full log and a closed one: UNAVAILABLE, never RESOURCE_EXHAUSTED, and when to send again."""
    port = free_port()

    async def refused() -> grpc.aio.AioRpcError:
        services = Services(settings_table.load({"data": tmp_path / "data"}, {}))
        app = create_app(services, request_log=False, otlp_grpc=f"127.0.0.1:{port}")
        connecting: Any = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        async with app.router.lifespan_context(app), connecting as channel:
            log = Log(open_workspace(services.data.workspace("default")).manifest, system_clock, max_rows=0)

            def log_of(_: str) -> Log:
                return log

            monkeypatch.setattr(services, "log", log_of)
            export = channel.unary_unary(TRACE)
            assert b"" == await export(traces(230).SerializeToString())
            if not busy:
                log.close()
            with pytest.raises(grpc.aio.AioRpcError) as found:
                await export(traces(231).SerializeToString())
            log.close()
            return found.value

    error = asyncio.run(refused())
    assert Code.UNAVAILABLE == code(error)
    details: dict[str, Any] = dict(error.trailing_metadata())
    status = Status.FromString(details["grpc-status-details-bin"])
    assert (14, error.details()) == (status.code, status.message)
    info = RetryInfo()
    assert status.details[0].Unpack(info)
    assert info == RetryInfo.FromString(details["google.rpc.retryinfo-bin"])
    assert info.retry_delay.seconds >= 1


def test_a_stop_waits_for_no_open_connection(tmp_path: Path) -> None:
    """SIGTERM with idle channels, a call whose message never comes, and half a frame: exit code 0, soon."""
    with serving_grpc(tmp_path / "data") as server:
        never = threading.Event()

        def nothing() -> Iterator[bytes]:
            never.wait(30)
            yield b""

        waiting = server.channel.stream_unary(TRACE).future(nothing())
        host, _, port = server.address.partition(":")
        with socket.create_connection((host, int(port))) as half:
            half.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0")
            server.call(traces(240).SerializeToString())
            started = time.monotonic()
            assert 0 == server.server.stop()
            assert time.monotonic() - started < STOP_SECONDS
        never.set()
        assert waiting.code() is not Code.OK
    with serving_grpc(tmp_path / "data") as again:
        assert 3 == stored(again.server, 240)


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """Kill -9 while four senders send over HTTP and gRPC: every acknowledged trace is there, whole, once."""
    acknowledged: list[int] = []
    sent: list[int] = []
    with serving_grpc(tmp_path / "data") as server:

        def send(first: int, *, over_grpc: bool) -> None:
            for number in range(first, first + 1000):
                body = traces(number, 5).SerializeToString()
                sent.append(number)
                try:
                    if over_grpc:
                        server.call(body)
                    elif post(server.server, body).status_code != 200:
                        return
                except Exception:  # noqa: BLE001 - killed, in one of many ways
                    return
                acknowledged.append(number)

        senders = [
            threading.Thread(target=send, args=(first,), kwargs={"over_grpc": first % 2000 == 0})
            for first in (3000, 4000, 5000, 6000)
        ]
        for sender in senders:
            sender.start()
        while len(acknowledged) < 100:
            time.sleep(0.005)
        server.server.kill()
        for sender in senders:
            sender.join()
    with serving(tmp_path / "data") as again:
        rows = again.ask("SELECT trace_id, count(*) FROM spans GROUP BY trace_id")
        found = {int(trace[-8:], 16): count for trace, count in rows}
    assert {number // 1000 for number in acknowledged} == {3, 4, 5, 6}
    assert set(acknowledged) <= set(found) <= set(sent)
    assert {5} == set(found.values())


def test_a_port_that_was_asked_for_and_is_taken_ends_the_start(server: Grpc, tmp_path: Path) -> None:
    """The message names it, and what to do."""
    taken = server.address.partition(":")[2]
    done = upshot("serve", "--data", tmp_path / "data", "--port", "0", "--otlp-grpc-port", taken)
    assert done.returncode != 0
    for words in (server.address, "--otlp-grpc-port", "0 for none"):
        assert words in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


def test_a_default_port_that_is_taken_is_only_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    """A collector often has it. 0 and nothing both mean none."""
    for text in ("0", ""):
        none = settings_table.load({}, {"UPSHOT_OTLP_GRPC_PORT": text})
        assert (0, None) == (none.otlp_grpc_port, otlp_grpc_address(none))
    with socket.socket() as collector:
        collector.bind(("127.0.0.1", 0))
        collector.listen()
        port = collector.getsockname()[1]
        assert otlp_grpc_address(replace(settings_table.load({}, {}), otlp_grpc_port=port)) is None
        assert f"127.0.0.1:{port}" in capsys.readouterr().err
        with pytest.raises(TransientError):
            otlp_grpc_address(settings_table.load({"otlp_grpc_port": port}, {}))
