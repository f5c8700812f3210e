"""OTLP/JSON: the same columns as protobuf of the same spans, in every form that JSON allows."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.decode import Workload, in_json
from ingest.otel import decoded
from ingest.otel.json import decode_json
from ingest.otel.plain import decode_plain
from ingest.otel.protobuf import decode_protobuf
from tests.ingest.otel.spans import SPAN, START_NS, TRACE, InJson, facts, in_protobuf, outcome, python_requests, rows

SOUND: dict[str, Any] = {"traceId": TRACE.hex(), "spanId": SPAN.hex(), "startTimeUnixNano": START_NS}


def document(*attributes: Any, **members: Any) -> dict[str, Any]:
    """Return a request of one span."""
    span = SOUND | {"attributes": list(attributes)} | members
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def body(*attributes: Any, **members: Any) -> bytes:
    """Return the same as JSON."""
    return json.dumps(document(*attributes, **members)).encode()


@given(python_requests, st.data())
@settings(max_examples=150)
def test_json_comes_to_what_protobuf_does(resources: Any, data: st.DataObject) -> None:
    """Ids in either case, integers as numbers or text, unknown and missing fields, spaced or not, escaped or not."""
    sent = InJson(lambda choices: data.draw(st.sampled_from(choices))).request(resources)
    spaced, ascii_only = data.draw(st.booleans()), data.draw(st.booleans())
    text = json.dumps(sent, separators=None if spaced else (",", ":"), ensure_ascii=ascii_only)
    assert facts(decode_protobuf(in_protobuf(resources))) == facts(decode_json(text.encode()))


def test_a_workload_is_the_same_over_all_routes() -> None:
    """A request of the benchmark: 512 spans of agents, prompts, scores and errors."""
    sent = Workload().request()
    expected = facts(decode_plain(sent.SerializeToString()))
    assert 512 == len(expected["name"])
    assert expected == facts(decode_protobuf(sent.SerializeToString())) == facts(decode_json(in_json(sent)))


VALUES: list[tuple[Any, str | None, int]] = [
    ({"intValue": "-9223372036854775808"}, "-9223372036854775808", decoded.INT),
    ({"intValue": 9223372036854775807}, "9223372036854775807", decoded.INT),
    ({"intValue": 9007199254740993}, "9007199254740993", decoded.INT),
    ({"intValue": "007"}, "7", decoded.INT),
    ({"intValue": "-0"}, "0", decoded.INT),
    ({"doubleValue": 1}, "1.0", decoded.DOUBLE),
    ({"doubleValue": "0.25"}, "0.25", decoded.DOUBLE),
    ({"doubleValue": "NaN"}, "nan", decoded.DOUBLE),
    ({"doubleValue": "-Infinity"}, "-inf", decoded.DOUBLE),
    ({"bytesValue": "_-8"}, "/+8=", decoded.BYTES),
    ({"bytesValue": ""}, "", decoded.BYTES),
    ({"arrayValue": {"values": [{"intValue": "1"}, {}, None]}}, "[1,null,null]", decoded.ARRAY),
    ({"arrayValue": {}}, "[]", decoded.ARRAY),
    ({"kvlistValue": {"values": [{"key": "a"}, {"value": {"boolValue": True}}]}}, '{"a":null,"":true}', decoded.MAP),
    ({"string_value": "snake"}, None, decoded.EMPTY),
    ({"stringValue": "a\nb\r"}, "a\nb\r", decoded.TEXT),
]


@pytest.mark.parametrize(("value", "text", "kind"), VALUES, ids=range(len(VALUES)))
def test_values(value: Any, text: str | None, kind: int) -> None:
    """Numbers as text and as numbers, base64 of either alphabet, what is missing or null."""
    made = decode_json(body({"key": "k", "value": value})).attributes
    assert [("k", text, kind)] == rows(made)


@pytest.mark.parametrize(
    "value",
    [
        {"intValue": "9223372036854775808"},
        {"intValue": -9223372036854775809},
        {"intValue": 1.5},
        {"intValue": "1_0"},
        {"intValue": "१"},
        {"intValue": "9" * 5000},
        {"intValue": True},
        {"doubleValue": "one"},
        {"doubleValue": 10**400},
        {"bytesValue": "a"},
        {"bytesValue": "é"},
        {"boolValue": "true"},
        {"stringValue": 5},
        {"arrayValue": []},
        "text",
    ],
)
def test_values_that_are_none_refuse_the_request(value: Any) -> None:
    """A value of another type or out of its bounds is malformed."""
    assert "malformed" == outcome(decode_json, body({"key": "k", "value": value}))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b"5",
        b"{",
        b'{"resourceSpans":{}}',
        b'{"resourceSpans":[null]}',
        b"\xff",
        b'{"a":NaN}',
        b"{} {}",
    ],
)
def test_what_is_no_request(text: bytes) -> None:
    """No JSON, or JSON of another shape."""
    assert "malformed" == outcome(decode_json, text)


@pytest.mark.parametrize(
    "text", [b"{}", b'{"resourceSpans":null}', b'{"resourceSpans":[{"scopeSpans":[{}]}]}', b"\n{} "]
)
def test_an_empty_request_is_one(text: bytes) -> None:
    """Without spans."""
    assert 0 == len(decode_json(text).name)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"traceId": "AAECAwQFBgcICQoLDA0ODw=="}, "trace id 'aaecawqfbgcicqolda0odw=='"),
        ({"traceId": "g" * 32}, "trace id 'gggg"),
        ({"spanId": None}, "span id ''"),
        ({"spanId": "\u0660" * 16}, "span id '\u0660"),
        ({"startTimeUnixNano": None}, "start time 0 ns"),
        ({"endTimeUnixNano": str(2**64 - 1)}, "end time 18446744073709551615 ns"),
    ],
)
def test_ids_and_times_that_cannot_be_stored_reject_their_span(members: dict[str, Any], reason: str) -> None:
    """As in protobuf, the span is counted and its neighbours are kept."""
    sent = document()
    sent["resourceSpans"][0]["scopeSpans"][0]["spans"].insert(0, SOUND | members)
    made = decode_json(json.dumps(sent).encode())
    assert (1, 1) == (len(made.name), made.rejected)
    assert made.reasons[0].startswith(reason)


@pytest.mark.parametrize("time", ["18446744073709551616", 2**64, -1, "-1", "1e3", 1.5, ""], ids=repr)
def test_times_that_are_no_64_bit_integers_refuse_the_request(time: Any) -> None:
    """Unlike one that is merely out of range; an empty text is as good as nothing."""
    assert (time == "") == (outcome(decode_json, body(endTimeUnixNano=time)) != "malformed")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rb"cut \ud83d", "cut \ufffd"),
        (rb"\ude00\ud83d\ude00", "\ufffd😀"),
        (rb"\\ud83d \ud83d\\", "\\ud83d \ufffd\\"),
        (b"a\xff\xe2\x82", "a\ufffd\ufffd"),
    ],
)
def test_characters_that_are_none_are_replaced(text: bytes, expected: str) -> None:
    """JavaScript cuts text between the halves of a surrogate pair; that must not cost a whole request."""
    sent = body({"key": "k", "value": {"stringValue": "HERE"}}).replace(b"HERE", text)
    assert [expected] == decode_json(sent).attributes.text.to_pylist()


def test_enums_may_be_names() -> None:
    """Numbers by OTLP, names by protobuf's own mapping; anything else is unspecified."""
    for kind, code, expected in ((3, 2, (3, 2)), ("SPAN_KIND_CLIENT", "STATUS_CODE_ERROR", (3, 2)), ("x", -1, (0, 0))):
        made = decode_json(body(kind=kind, status={"code": code}))
        assert expected == (made.kind[0], made.status_code[0])


def test_what_is_kept_is_what_protobuf_keeps() -> None:
    """Long texts are cut alike, and of 10,000 attributes the same are kept."""
    long = "a" + "é" * decoded.VALUE_BYTES
    attributes = [("k", long), ("l", [long]), *((f"k{number}", number) for number in range(10_000))]
    span = {"name": long, "kind": 0, "code": 0, "message": "", "events": [], "links": [], "end_time_unix_nano": 0} | {
        "trace_id": TRACE,
        "span_id": SPAN,
        "parent_span_id": b"",
        "start_time_unix_nano": START_NS,
        "attributes": attributes,
    }
    resources: Any = [([], [("", "", [span])])]
    text = json.dumps(InJson(lambda choices: choices[0]).request(resources))
    assert facts(decode_protobuf(in_protobuf(resources))) == facts(decode_json(text.encode()))


def nested(levels: int) -> Any:
    """Return arrays in one another."""
    value: Any = {}
    for _ in range(levels):
        value = {"arrayValue": {"values": [value]}}
    return value


def test_nesting_has_the_bound_of_protobuf() -> None:
    """Thirty levels; thousands are refused as well."""
    assert "malformed" == outcome(decode_json, body({"key": "k", "value": nested(31)}))
    assert isinstance(outcome(decode_json, body({"key": "k", "value": nested(30)})), dict)
    deep = b'{"arrayValue":{"values":[' * 50_000 + b"]}}" * 50_000
    assert "malformed" == outcome(decode_json, body({"key": "k", "value": "HERE"}).replace(b'"HERE"', deep))
    assert "malformed" == outcome(decode_json, b'{"unknown":' + b"[" * 50_000 + b"]" * 50_000 + b"}")


@given(st.binary(max_size=40), st.integers(0, 400), st.integers(0, 40))
def test_damaged_json_is_refused_or_taken(put: bytes, at: int, cut: int) -> None:
    """Whatever is done to a body, it is malformed or it is spans."""
    sent = body({"key": "k", "value": {"intValue": "5"}}, {"key": "l", "value": {"stringValue": "a\\"}}, events=[{}])
    expected = outcome(decode_json, sent[:at] + put + sent[at + cut :])
    assert isinstance(expected, dict) or expected == "malformed"


_BOMB = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
from ingest.otel.json import decode_json
from warehouse.errors import InputError

try:
    decode_json(b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b'{},' * (10 << 20) + b'{}]}]}]}')
except InputError as error:
    print(error.code, error.message)
"""


def test_a_bomb_is_refused_within_little_memory() -> None:
    """Millions of empty objects are refused by a process that may have 2 GiB of addresses."""
    done = subprocess.run([sys.executable, "-c", _BOMB], capture_output=True, text=True, check=False, timeout=120)
    assert ("", "malformed") == (done.stderr, done.stdout.split()[0])
