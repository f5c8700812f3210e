"""Log records to scores: the two encodings agree, and so does the plain reading by the stock messages."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from ingest.otel.answers import JSON_TYPE, PROTOBUF_TYPE
from ingest.otel.evaluations import evaluations
from ingest.otel.joining import EVALUATION_EVENT as EVENT
from ingest.otel.joining import EVALUATION_EXPLANATION as EXPLANATION
from ingest.otel.joining import EVALUATION_LABEL as LABEL
from ingest.otel.joining import EVALUATION_NAME as NAME
from ingest.otel.joining import EVALUATION_VALUE as VALUE
from ingest.otel.logs import decode_logs
from tests.api.otlp import as_json, set_value
from warehouse.errors import InputError

NOW = 1_790_000_000_000_000

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PLAIN = st.none() | TEXTS | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
VALUES = st.recursive(
    PLAIN | st.binary(max_size=4), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=5
)
KEYS = st.sampled_from([NAME, VALUE, LABEL, EXPLANATION, "upshot.run_id", "session.id", "event.name", "other", ""])


@st.composite
def requests(draw: st.DrawFn) -> ExportLogsServiceRequest:
    """Return a request of log records, of which some are evaluation results."""
    request = ExportLogsServiceRequest()
    for _ in range(draw(st.integers(0, 3))):
        scope = request.resource_logs.add().scope_logs.add()
        for _ in range(draw(st.integers(0, 4))):
            record = scope.log_records.add(
                time_unix_nano=draw(st.sampled_from([0, NOW * 1000, 2**63])),
                observed_time_unix_nano=draw(st.sampled_from([0, NOW * 1000 + 1])),
                event_name=draw(st.sampled_from(["", EVENT, "other"])),
                trace_id=draw(st.sampled_from([b"", bytes(16), b"\1" * 16, b"short"])),
                span_id=draw(st.sampled_from([b"", bytes(8), b"\2" * 8])),
            )
            set_value(record.body, draw(VALUES))
            for key, value in draw(st.lists(st.tuples(KEYS, VALUES | st.just(EVENT)), max_size=6)):
                set_value(record.attributes.add(key=key).value, value)
    return request


def plain(value: Any) -> Any:
    """Return an AnyValue that is a text, a number or a truth value; None for any other."""
    which = value.WhichOneof("value")
    return getattr(value, which) if which in ("string_value", "bool_value", "int_value", "double_value") else None


@given(requests())
def test_both_encodings_are_read_as_the_stock_messages_are(request: ExportLogsServiceRequest) -> None:
    """The messages of our own, which leave out bodies, and the JSON find what a loop over the stock ones finds."""
    expected = [
        (
            record.trace_id.hex(),
            record.span_id.hex(),
            record.time_unix_nano or record.observed_time_unix_nano,
            {pair.key: plain(pair.value) for pair in record.attributes},
        )
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
        if record.event_name == EVENT
        or any(pair.key == "event.name" and pair.value.string_value == EVENT for pair in record.attributes)
    ]
    for body, kind in ((request.SerializeToString(), PROTOBUF_TYPE), (as_json(request), JSON_TYPE)):
        found = [(one.trace_id, one.span_id, one.time_ns, one.attributes) for one in evaluations(body, kind)]
        assert expected == found


@given(requests())
def test_every_result_is_a_score_or_counted(request: ExportLogsServiceRequest) -> None:
    """In both encodings alike; a reason is named for what is not kept."""
    made = [
        decode_logs(request.SerializeToString(), PROTOBUF_TYPE, NOW),
        decode_logs(as_json(request), JSON_TYPE, NOW),
    ]
    assert made[0] == made[1]
    results = len(list(evaluations(request.SerializeToString(), PROTOBUF_TYPE)))
    scores = made[0].batches.get("score_history")
    assert results == made[0].rejected + (0 if scores is None else scores.num_rows)
    assert bool(made[0].rejected) == bool(made[0].reasons)


@given(st.binary(max_size=40) | requests().map(lambda request: request.SerializeToString()), st.binary(max_size=3))
def test_bytes_of_any_kind_are_read_or_malformed(body: bytes, spoil: bytes) -> None:
    """No error but the one that is documented."""
    for sent, kind in ((body + spoil, PROTOBUF_TYPE), (spoil + body, JSON_TYPE)):
        code = "malformed"
        try:
            decode_logs(sent, kind, NOW)
        except InputError as error:
            code = error.code
        assert "malformed" == code


def rows(attributes: dict[str, Any], trace_id: bytes = b"", span_id: bytes = b"") -> dict[str, list[dict[str, Any]]]:
    """Return the rows that one evaluation result comes to, by table."""
    request = ExportLogsServiceRequest()
    record = (
        request.resource_logs.add()
        .scope_logs.add()
        .log_records.add(event_name=EVENT, trace_id=trace_id, span_id=span_id, time_unix_nano=NOW * 1000 + 999)
    )
    for key, value in {NAME: "solved", **attributes}.items():
        set_value(record.attributes.add(key=key).value, value)
    made = decode_logs(request.SerializeToString(), PROTOBUF_TYPE, NOW)
    assert () == made.reasons
    return {name: pa.Table.from_batches([batch]).to_pylist() for name, batch in made.batches.items()}


TRACE, SPAN = b"\1" * 16, b"\2" * 8


@pytest.mark.parametrize(
    ("attributes", "ids", "target"),
    [
        ({"upshot.run_id": "r"}, (), {"id": "r/solved", "run_id": "r"}),
        ({"sdk.run.id": "r", "inngest.step.id": "s"}, (), {"id": "r/step/s/solved", "run_id": "r", "step_id": "s"}),
        ({"upshot.run_id": "r"}, (TRACE, SPAN), {"run_id": "r", "trace_id": TRACE.hex(), "span_id": SPAN.hex()}),
        ({"session.id": "c"}, (TRACE, SPAN), {"run_id": None, "trace_id": TRACE.hex(), "session_id": None}),
        ({}, (TRACE,), {"id": f"@trace/{TRACE.hex()}/solved", "span_id": None}),
        ({"gen_ai.conversation.id": "c"}, (), {"session_key": "conversation_id", "session_id": "c", "run_id": None}),
        ({"upshot.session.ticket": "t"}, (), {"session_key": "ticket", "session_id": "t"}),
    ],
)
def test_what_a_result_is_about(attributes: dict[str, Any], ids: tuple[bytes, ...], target: dict[str, Any]) -> None:
    """Its run, within that its trace and span; else its trace and span; else its session."""
    [row] = rows({VALUE: 1.0, **attributes}, *ids)["score_history"]
    assert target == {name: row[name] for name in target}


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, (1.0, "boolean")), (0, (0.0, "numeric")), (0.25, (0.25, "numeric")), (None, (None, "label"))],
)
def test_the_kind_of_a_score_follows_from_its_value(value: Any, expected: tuple[float | None, str]) -> None:
    """A truth value is boolean, a number numeric, none of both a label; the time keeps its microseconds."""
    [row] = rows({VALUE: value, LABEL: "good", "upshot.run_id": "r", "model": "m"})["score_history"]
    assert (*expected, "good", '{"model":"m"}') == (row["value"], row["kind"], row["label"], row["attributes"])
    assert NOW == round(row["ts"].timestamp() * 1_000_000)


def test_a_run_and_its_session_are_joined() -> None:
    """As a score record's `sessions` are."""
    made = rows({VALUE: 1, "upshot.run_id": "r", "session.id": "c"})
    assert [("session_id", "c", "r")] == [
        (row["session_key"], row["session_id"], row["run_id"]) for row in made["session_runs"]
    ]


def test_a_text_that_is_no_utf_8_spoils_nothing() -> None:
    """The stock messages refuse such a request; here the text has U+FFFD, and the others of the request are kept."""
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add(event_name=EVENT)
    for key, text in ((NAME, "solved"), (EXPLANATION, "caf#"), ("upshot.run_id", "r"), (LABEL, "yes")):
        record.attributes.add(key=key).value.string_value = text
    body = request.SerializeToString().replace(b"caf#", b"caf\xe9")
    with pytest.raises(DecodeError):
        ExportLogsServiceRequest.FromString(body)
    made = decode_logs(body, PROTOBUF_TYPE, NOW)
    assert ["caf�"] == made.batches["score_history"].column("comment").to_pylist()


def test_numbers_of_json_are_numbers_or_texts() -> None:
    """64-bit integers as either, NaN and Infinity as texts, null as nothing, snake_case not at all."""
    attributes = (
        b'[{"key":"gen_ai.evaluation.name","value":{"stringValue":"n"}},{"key":"upshot.run_id","value":{"stringValue":"r"}},'
        b'{"key":"gen_ai.evaluation.score.value","value":%s},{"key":null,"value":null},{"key":"x","value":{"int_value":1}}]'
    )
    record = (
        b'{"eventName":"gen_ai.evaluation.result","timeUnixNano":1790000000000000000,"traceId":null,"attributes":%s}'
    )
    request = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[%s]}]}]}'
    for text, value in ((b'{"intValue":"3"}', 3.0), (b'{"intValue":3}', 3.0), (b'{"doubleValue":2}', 2.0)):
        made = decode_logs(request % (record % (attributes % text)), JSON_TYPE, NOW)
        assert ([value], 0) == (made.batches["score_history"].column("value").to_pylist(), made.rejected)
    for text in (b'{"doubleValue":"NaN"}', b'{"doubleValue":"-Infinity"}'):
        assert 1 == decode_logs(request % (record % (attributes % text)), JSON_TYPE, NOW).rejected
