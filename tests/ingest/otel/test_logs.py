"""Log records to scores: the two encodings agree, and so does the plain reading by the stock messages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

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
from ingest.otel.joining import OWN_SESSION, RUN_ID, SESSIONS, Joining
from ingest.otel.logs import decode_logs
from ingest.otel.taken import LOGS, Reading, receive
from tests.api.otlp import as_json, set_value
from tests.ingest.otel.sent import Span, made, table
from warehouse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
        logs = request.resource_logs.add()
        for key, value in draw(st.lists(st.tuples(KEYS, VALUES), max_size=2)):
            set_value(logs.resource.attributes.add(key=key).value, value)
        scope = logs.scope_logs.add()
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
            {pair.key: plain(pair.value) for pair in resource.resource.attributes},
        )
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
        if record.event_name == EVENT
        or any(pair.key == "event.name" and pair.value.string_value == EVENT for pair in record.attributes)
    ]
    for body, kind in ((request.SerializeToString(), PROTOBUF_TYPE), (as_json(request), JSON_TYPE)):
        found = [
            (one.trace_id, one.span_id, one.time_ns, one.attributes, one.resource) for one in evaluations(body, kind)
        ]
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
    assert not made[0].rejected or made[0].reasons


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


def one_result(
    attributes: Mapping[str, Any],
    trace_id: bytes = b"",
    span_id: bytes = b"",
    resource: Mapping[str, Any] | None = None,
) -> ExportLogsServiceRequest:
    """Return a request with one evaluation result."""
    request = ExportLogsServiceRequest()
    logs = request.resource_logs.add()
    for key, value in (resource or {}).items():
        set_value(logs.resource.attributes.add(key=key).value, value)
    record = logs.scope_logs.add().log_records.add(
        event_name=EVENT, trace_id=trace_id, span_id=span_id, time_unix_nano=NOW * 1000 + 999
    )
    for key, value in {NAME: "solved", **attributes}.items():
        set_value(record.attributes.add(key=key).value, value)
    return request


def rows(
    attributes: Mapping[str, Any],
    trace_id: bytes = b"",
    span_id: bytes = b"",
    resource: Mapping[str, Any] | None = None,
    join: Joining | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Return the rows that one evaluation result comes to, by table; both encodings must come to the same."""
    request = one_result(attributes, trace_id, span_id, resource)
    made = decode_logs(request.SerializeToString(), PROTOBUF_TYPE, NOW, join)
    assert made == decode_logs(as_json(request), JSON_TYPE, NOW, join)
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
        ({}, (TRACE,), {"id": f"{TRACE.hex()}/solved", "run_id": TRACE.hex(), "trace_id": None}),
        ({"gen_ai.conversation.id": "c"}, (), {"session_key": "conversation_id", "session_id": "c", "run_id": None}),
        ({"upshot.session.ticket": "t"}, (), {"session_key": "ticket", "session_id": "t"}),
    ],
)
def test_what_a_result_is_about(attributes: dict[str, Any], ids: tuple[Any, ...], target: dict[str, Any]) -> None:
    """Its run, within that its trace and span; else its span; else its trace's run; else its session."""
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


JOIN = Joining(run_ids=("b", "a"), sessions={"my.session": "mine"})
RUN_NAMES = ["upshot.run_id", "sdk.run.id", "b", "a"]
SESSION_NAMES = ["session.id", "langfuse.session.id", "gen_ai.conversation.id", "upshot.session.ticket", "my.session"]
SAID = st.dictionaries(
    st.sampled_from([*RUN_NAMES, *SESSION_NAMES, "traceloop.association.properties.session_id"]),
    st.sampled_from(["x", "y", "", 7, 0, True, 2.5]),
)


def session_rows(found: Iterable[Mapping[str, Any]]) -> set[tuple[str, str, str]]:
    """Return key, id and run of rows of `session_runs`."""
    return {(row["session_key"], row["session_id"], row["run_id"]) for row in found}


@given(SAID, st.sampled_from([JOIN, Joining()]))
def test_runs_and_sessions_are_those_of_a_span_that_says_the_same(said: dict[str, Any], join: Joining) -> None:
    """Whatever attributes name, configured ones among them: a record of a span says of its run what the span does."""
    of_span = made(Span(said, 0x01010101010101010101010101010101, 0x0202020202020202, parent=9), join=join)
    found = rows({VALUE: 1, **said}, TRACE, SPAN, join=join)
    [score], [span] = found["score_history"], table(of_span, "spans")
    assert (span["run_id"], span["trace_id"], span["span_id"]) == (score["run_id"], score["trace_id"], score["span_id"])
    sessions = table(of_span, "session_runs")
    assert session_rows(sessions) == session_rows(found.get("session_runs", []))
    assert len(sessions) == len(found.get("session_runs", []))
    left = {name: value for name, value in said.items() if name not in join.sessions.keys() | {*RUN_ID, *join.run_ids}}
    left = {name: value for name, value in left.items() if name not in SESSIONS and not name.startswith(OWN_SESSION)}
    assert (left or None) == json.loads(score["attributes"] or "null")


@given(SAID, SAID)
def test_a_resource_says_what_its_records_do_not(of_record: dict[str, Any], of_resource: dict[str, Any]) -> None:
    """A record's own run comes first, whatever it is called; attribute by attribute its sessions replace those."""
    found = rows({VALUE: 1, **of_record}, TRACE, SPAN, of_resource, JOIN)
    alone, above = (rows({VALUE: 1, **said}, TRACE, SPAN, join=JOIN) for said in (of_record, of_resource))
    [score], [own], [resource] = (each["score_history"] for each in (found, alone, above))
    assert (own["run_id"] or resource["run_id"]) == score["run_id"]
    assert own["attributes"] == score["attributes"]
    filled = {name: value for name, value in of_record.items() if value != ""}
    both = rows({VALUE: 1, "upshot.run_id": score["run_id"], **of_resource, **filled}, TRACE, SPAN, join=JOIN)
    whole = {(key, id_) for key, id_, _ in session_rows(both.get("session_runs", []))}
    run = score["run_id"] or TRACE.hex()
    assert {(key, id_, run) for key, id_ in whole} == session_rows(found.get("session_runs", []))


def test_a_resource_is_that_of_its_own_records() -> None:
    """Of two resources in a request, each speaks for its own."""
    request = one_result({VALUE: 1}, resource={"upshot.run_id": "first"})
    request.MergeFrom(one_result({VALUE: 1}))
    request.MergeFrom(one_result({VALUE: 1}, resource={"upshot.run_id": "third", "upshot.step_id": "s"}))
    for body, kind in ((request.SerializeToString(), PROTOBUF_TYPE), (as_json(request), JSON_TYPE)):
        made = decode_logs(body, kind, NOW)
        [scores] = [batch for name, batch in made.batches.items() if name == "score_history"]
        assert ["first/solved", "third/step/s/solved"] == scores.column("id").to_pylist()
        assert (1, ("a score must have a target: run_id, session or trace_id",)) == (made.rejected, made.reasons)


@pytest.mark.parametrize(
    ("sessions", "judged"),
    [
        (dict.fromkeys(SESSION_NAMES, "c"), "ticket"),
        (dict.fromkeys([*SESSION_NAMES[:3], "my.session"], "c"), "session_id"),
        ({"gen_ai.conversation.id": "c", "my.session": "c"}, "conversation_id"),
        ({"my.session": "c", "session.id": ""}, "mine"),
    ],
)
def test_the_session_that_is_judged(sessions: dict[str, str], judged: str) -> None:
    """Of several the first: our own, those of conventions, those of this installation; none of them is joined."""
    found = rows({VALUE: 1, **sessions}, join=JOIN)
    [row] = found["score_history"]
    assert (judged, "c", None) == (row["session_key"], row["session_id"], row["run_id"])
    assert "session_runs" not in found


def test_an_installations_attributes_are_read_in_log_records_too() -> None:
    """What is configured for spans reaches them: the row of the log names the run."""
    body = one_result({VALUE: 1, "b": "r", "my.session": "m"}).SerializeToString()
    ours, others = (receive(LOGS, body, None, PROTOBUF_TYPE, NOW, Reading(joining=join)) for join in (JOIN, Joining()))
    assert (0, 1) == (ours.rejected, others.rejected)
    assert ["score_history", "session_runs"] == sorted(entry.table for entry in ours.entries)


def test_only_results_that_are_kept_join_their_sessions() -> None:
    """A session that is none is left out of a result that is kept, and told of; a result that is none joins nothing."""
    bad = "x" * 513
    request = one_result({VALUE: 1, "upshot.run_id": "r", "session.id": bad, "upshot.session.ticket": "t"})
    request.MergeFrom(one_result({VALUE: "high", "upshot.run_id": "s", "session.id": "c"}))
    request.MergeFrom(one_result({VALUE: 1, "upshot.run_id": bad, "session.id": "c"}))
    made = decode_logs(request.SerializeToString(), PROTOBUF_TYPE, NOW)
    assert ["r/solved"] == made.batches["score_history"].column("id").to_pylist()
    assert {("ticket", "t", "r")} == session_rows(made.batches["session_runs"].to_pylist())
    assert (2, 3) == (made.rejected, len(made.reasons))
    assert any(reason.startswith("the session id ") for reason in made.reasons)


def test_a_session_is_joined_since_its_earliest_result() -> None:
    """Once, at the time of the record; at the time of receipt when the record has none."""
    request = one_result({VALUE: 1, "upshot.run_id": "r", "session.id": "c"})
    request.MergeFrom(request)
    [first, second] = [resource.scope_logs[0].log_records[0] for resource in request.resource_logs]
    first.time_unix_nano = 0
    second.time_unix_nano = (NOW - 5) * 1000
    second.attributes[0].value.string_value = "other"
    [row] = decode_logs(request.SerializeToString(), PROTOBUF_TYPE, NOW).batches["session_runs"].to_pylist()
    assert NOW - 5 == round(row["ts"].timestamp() * 1_000_000)
    second.time_unix_nano = 0
    [row] = decode_logs(request.SerializeToString(), PROTOBUF_TYPE, NOW).batches["session_runs"].to_pylist()
    assert NOW == round(row["ts"].timestamp() * 1_000_000)


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


@pytest.mark.parametrize("escaped", [rb"\ud83d", rb"\ude00", b"\xe9"])
def test_a_text_of_json_that_is_no_characters_spoils_nothing(escaped: bytes) -> None:
    """Half a surrogate pair, which exporters make when they cut text, and bytes that are no UTF-8."""
    request = one_result({VALUE: 1, EXPLANATION: "caf#", "upshot.run_id": "r"})
    request.resource_logs[0].scope_logs[0].log_records.add().body.string_value = "caf#"
    made = decode_logs(as_json(request).replace(b"caf#", b"caf" + escaped), JSON_TYPE, NOW)
    assert ["caf\N{REPLACEMENT CHARACTER}"] == made.batches["score_history"].column("comment").to_pylist()


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
