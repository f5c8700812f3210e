"""OTLP over HTTP with a real exporter: spans are visible at once, in the documented columns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Status, StatusCode

if TYPE_CHECKING:
    from tests.support.server import Server


def test_a_real_exporters_spans_are_visible_at_once(server: Server) -> None:
    """What the SDK of OpenTelemetry sends is a row per span, with model, tokens, run and status."""
    provider = TracerProvider(resource=Resource.create({"service.name": "agent", "service.version": "1.2"}))
    exporter = OTLPSpanExporter(endpoint=f"{server.url}/v1/traces")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("tests", "0.1")
    with (
        tracer.start_as_current_span("answer", attributes={"upshot.run_id": "otlp-run", "tags": ["a", "b"]}),
        tracer.start_as_current_span("chat", attributes={"gen_ai.operation.name": "chat"}) as chat,
    ):
        chat.set_attribute("gen_ai.request.model", "gpt-x")
        chat.set_attribute("gen_ai.usage.input_tokens", 120)
        chat.set_status(Status(StatusCode.ERROR, "cut off"))
    provider.shutdown()
    rows = server.ask(
        "SELECT name, type, request_model, input_tokens, status_code, status_message, service_name, release, "
        "parent_span_id IS NULL, duration_ms >= 0, attributes['tags'] FROM spans "
        "WHERE service_name = 'agent' ORDER BY name"
    )
    assert [
        ["answer", "other", None, None, "UNSET", None, "agent", "1.2", True, True, '["a","b"]'],
        ["chat", "llm", "gpt-x", 120, "ERROR", "cut off", "agent", "1.2", False, True, None],
    ] == rows
    before = "2026-01-01T00:00:00Z"
    assert [[0]] == server.ask("SELECT count(*) FROM spans WHERE service_name = 'agent'", known_at=before)
    assert [["otlp-run"]] == server.ask("SELECT run_id FROM spans WHERE name = 'answer' AND service_name = 'agent'")


def test_json_counts_bad_spans_and_keeps_the_others(server: Server) -> None:
    """OTLP/JSON has hexadecimal ids; a span with a bad id is counted in partial_success, a resend adds nothing."""
    good = {"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174", "name": "json"}
    times = {"startTimeUnixNano": "1790000000000000000", "endTimeUnixNano": 1790000001000000000}
    bad = {**good, "spanId": "00", "name": "bad"}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [good | times, bad | times]}]}]}
    for _ in range(2):
        answer = server.http.post("/v1/traces", json=body)
        assert 200 == answer.status_code
        assert "1" == answer.json()["partialSuccess"]["rejectedSpans"]
    sql = "SELECT span_id, duration_ms FROM spans WHERE trace_id = '5b8efff798038103d269b633813fc60c'"
    assert [["eee19b7ec3c1b174", 1000.0]] == server.ask(sql)


def test_what_is_no_trace_request_is_refused_for_good(server: Server) -> None:
    """Bad bodies are 400 with a Status in the request's encoding, other types 415; an empty request is a success."""
    bad = server.http.post("/v1/traces", content=b"\xff\xff", headers={"content-type": "application/x-protobuf"})
    assert (400, "application/x-protobuf") == (bad.status_code, bad.headers["content-type"])
    bad = server.http.post("/v1/traces", content=b"{", headers={"content-type": "application/json"})
    assert (400, 3) == (bad.status_code, json.loads(bad.content)["code"])
    assert 415 == server.http.post("/v1/traces", content=b"", headers={"content-type": "text/plain"}).status_code
    empty = server.http.post("/v1/traces", content=b"", headers={"content-type": "application/x-protobuf"})
    assert (200, b"") == (empty.status_code, empty.content)
