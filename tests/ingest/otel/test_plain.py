"""The plain loop, which the fast routes are held against: checked by hand and by the stock messages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ingest.otel import decoded
from ingest.otel.plain import decode_plain
from tests.ingest.otel.spans import (
    END_NS,
    SPAN,
    START_NS,
    TRACE,
    facts,
    fixed,
    in_protobuf,
    integer,
    outcome,
    pair,
    python_requests,
    request,
    rows,
    sized,
    span,
)

BIG = decoded.VALUE_BYTES


def nested(levels: int, *, maps: bool) -> bytes:
    """Return an AnyValue of arrays or maps in one another."""
    value = b""
    for _ in range(levels):
        value = sized(6, sized(1, pair("k", value))) if maps else sized(5, sized(1, value))
    return value


VALUES: list[tuple[bytes, str | None, int]] = [
    (sized(1, b"text"), "text", decoded.TEXT),
    (sized(1, b""), "", decoded.TEXT),
    (sized(1, b"a\xffb\xe2\x82"), "a\ufffdb\ufffd", decoded.TEXT),
    (sized(1, b"\xed\xa0\x80"), "\ufffd" * 3, decoded.TEXT),
    (integer(2, 1), "true", decoded.BOOL),
    (integer(2, 0), "false", decoded.BOOL),
    (integer(3, -(2**63)), "-9223372036854775808", decoded.INT),
    (integer(3, 2**63 - 1), "9223372036854775807", decoded.INT),
    (b"\x21\x00\x00\x00\x00\x00\x00\xe0\x3f", "0.5", decoded.DOUBLE),
    (b"\x21\x00\x00\x00\x00\x00\x00\xf0\x3f", "1.0", decoded.DOUBLE),
    (b"\x21\x00\x00\x00\x00\x00\x00\xf8\x7f", "nan", decoded.DOUBLE),
    (b"\x21\x00\x00\x00\x00\x00\x00\xf0\xff", "-inf", decoded.DOUBLE),
    (sized(7, b"\xff\xfe"), "//4=", decoded.BYTES),
    (
        sized(5, sized(1, sized(1, b'"')) + sized(1, b"") + sized(1, sized(7, b"\xff"))),
        '["\\"",null,"/w=="]',
        decoded.ARRAY,
    ),
    (sized(6, sized(1, pair("a", integer(3, 1))) + sized(1, pair("a", sized(5, b"")))), '{"a":[]}', decoded.MAP),
    (b"", None, decoded.EMPTY),
    (integer(8, 5), None, decoded.EMPTY),
    (sized(1, b"first") + integer(3, 7), "7", decoded.INT),
]


@pytest.mark.parametrize(("value", "text", "kind"), VALUES, ids=range(len(VALUES)))
def test_values_as_text(value: bytes, text: str | None, kind: int) -> None:
    """A text is as it is; anything else is its JSON, bytes base64, a number that JSON lacks its name."""
    made = decode_plain(request(span(sized(9, pair("k", value))))).attributes
    assert [("k", text, kind)] == rows(made)


def test_a_request_in_full() -> None:
    """Resources without spans, scopes, events and links: everything is where it belongs."""
    first = span(
        sized(5, b"chat"),
        integer(6, 3),
        sized(9, pair("b", sized(1, b"1"))),
        sized(9, pair("a", sized(1, b"2"))),
        sized(9, pair("b", sized(1, b"3"))),
        sized(11, fixed(1, 5) + sized(2, b"e1")),
        sized(11, fixed(1, 6) + sized(2, b"e2") + sized(3, pair("c", integer(2, 1)))),
        sized(13, sized(1, TRACE) + sized(2, SPAN) + sized(4, pair("l", b"")) + sized(4, pair("m", integer(3, 1)))),
        sized(15, sized(2, b"bad") + integer(3, 2)),
    )
    second = span(sized(4, SPAN), integer(6, 99), sized(15, integer(3, 7)), id_=b"\xff" * 8, end=0)
    scope = sized(1, sized(1, b"lib") + sized(2, b"1.0"))
    body = (
        sized(1, sized(1, sized(1, pair("r", sized(1, b"0")))))
        + sized(1, sized(2, b"") + sized(1, sized(1, pair("r", sized(1, b"1")))) + sized(2, scope + sized(2, first)))
        + sized(1, sized(2, sized(2, span(sized(4, bytes(8)))) + sized(2, span(start=0)) + sized(2, second)))
    )
    assert {
        "trace_id": [TRACE.hex()] * 3,
        "span_id": [SPAN.hex()] * 2 + ["f" * 16],
        "parent_span_id": [None, None, SPAN.hex()],
        "name": ["chat", "", ""],
        "kind": ("uint8", [3, 0, 0]),
        "start_ns": ("uint64", [START_NS] * 3),
        "end_ns": ("uint64", [END_NS, END_NS, 0]),
        "status_code": ("uint8", [2, 0, 0]),
        "status_message": ["bad", None, None],
        "resource": ("int32", [1, 2, 2]),
        "scope": ("int32", [1, 2, 2]),
        "scope_name": [None, "lib", None],
        "scope_version": [None, "1.0", None],
        "attributes": {
            "owner": ("int32", [0, 0, 0]),
            "key": ["b", "a", "b"],
            "text": ["1", "2", "3"],
            "kind": ("uint8", [decoded.TEXT] * 3),
        },
        "resource_attributes": {
            "owner": ("int32", [0, 1]),
            "key": ["r", "r"],
            "text": ["0", "1"],
            "kind": ("uint8", [decoded.TEXT] * 2),
        },
        "events": {
            "owner": ("int32", [0, 0]),
            "name": ["e1", "e2"],
            "time_ns": ("uint64", [5, 6]),
            "attributes": {"owner": ("int32", [1]), "key": ["c"], "text": ["true"], "kind": ("uint8", [decoded.BOOL])},
        },
        "links": [
            f'[{{"trace_id":"{TRACE.hex()}","span_id":"{SPAN.hex()}","attributes":{{"l":null,"m":"1"}}}}]',
            None,
            None,
        ],
        "rejected": 1,
        "reasons": ("start time 0 ns must lie from 1980 up to 2100",),
    } == facts(decode_plain(body))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (span(trace=b""), "trace id '' must be 16 bytes, not all zero"),
        (span(trace=bytes(16)), f"trace id '{'0' * 32}' must be 16 bytes, not all zero"),
        (span(id_=b"x" * 9), f"span id '{'78' * 9}' must be 8 bytes, not all zero"),
        (span(sized(4, b"x")), "parent span id '78' must be 8 bytes, or empty for a root"),
        (span(start=315_532_800 * 10**9 - 1), "start time 315532799999999999 ns must lie from 1980 up to 2100"),
        (span(end=4_102_444_800 * 10**9), "end time 4102444800000000000 ns must lie from 1980 up to 2100"),
    ],
)
def test_spans_that_cannot_be_stored(bad: bytes, reason: str) -> None:
    """They are left out and counted, each reason once; their neighbours stay."""
    made = decode_plain(request(span(), bad, bad, span()))
    assert (2, 2, (reason,)) == (len(made.name), made.rejected, made.reasons)


def test_reasons_are_few() -> None:
    """A request of bad ids only, each another, does not grow by its reasons."""
    made = decode_plain(request(*(span(trace=number.to_bytes(2, "big")) for number in range(100))))
    assert (100, decoded.REASONS) == (made.rejected, len(made.reasons))


def test_long_texts_are_cut_between_characters() -> None:
    """What is kept is at most 1 MiB, ends with a whole character and says what is missing; exactly 1 MiB is whole."""
    whole, long = "é" * (BIG // 2), "a" + "é" * BIG
    listed = sized(5, sized(1, sized(1, long.encode())))
    body = request(
        span(
            sized(5, long.encode()),
            *(sized(9, pair("k", sized(1, each.encode()))) for each in (whole, long)),
            sized(9, pair("k", listed)),
        )
    )
    made = decode_plain(body)
    text = "a" + "é" * (BIG // 2 - 1) + f"…[truncated {2 * BIG + 1 - BIG + 1} bytes]"
    assert [text] == made.name.to_pylist()
    assert [whole, text] == made.attributes.text.to_pylist()[:2]
    assert (made.attributes.text.to_pylist()[2] or "").startswith('["aéé')


@pytest.mark.parametrize("maps", [False, True])
def test_nesting_has_a_bound_that_the_stock_parser_does_not_reach(maps: bool) -> None:  # noqa: FBT001 - a parameter
    """Thirty levels are kept even in a link or an event, the deepest places; one more refuses the request."""
    for place in (9, 11, 13):
        number = {9: 9, 11: 3, 13: 4}[place]
        bodies = [
            request(span(attribute if place == number else sized(place, attribute)))
            for levels in (30, 31)
            for attribute in [sized(number, pair("k", nested(levels, maps=maps)))]
        ]
        assert "malformed" == outcome(decode_plain, bodies[1])
        assert isinstance(outcome(decode_plain, bodies[0]), dict)


@given(python_requests)
@settings(max_examples=60)
def test_stock_messages_say_the_same(resources: Any) -> None:
    """Keys, and the values of maps and arrays read back as JSON, are those that were put in, in every span kept."""
    body = in_protobuf(resources)
    made = decode_plain(body)
    stock = ExportTraceServiceRequest.FromString(body)
    sent = [each for rs in stock.resource_spans for ss in rs.scope_spans for each in ss.spans]
    assert len(sent) == len(made.name) + made.rejected
    python = [each for _, scopes in resources for _, _, spans in scopes for each in spans]
    kept = [each for each, s in zip(python, sent, strict=True) if s.span_id.hex() in made.span_id.to_pylist()]
    if made.rejected == 0:
        assert [each["name"] for each in kept] == made.name.to_pylist()
        assert [key for each in kept for key, _ in each["attributes"]] == [key for key, _, _ in rows(made.attributes)]
        nested_values = [value for each in kept for _, value in each["attributes"]]
        for value, text, kind in zip(
            nested_values, made.attributes.text.to_pylist(), made.attributes.kind, strict=True
        ):
            if kind == decoded.ARRAY:
                assert len(value) == len(json.loads(text or ""))
            if kind == decoded.MAP:
                assert {key for key, _ in value} == set(json.loads(text or ""))
