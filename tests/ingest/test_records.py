"""Decoding: every record on its own outcome, whatever the format, whichever way it is taken."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.limits import Limits
from ingest.records import Decoded, Event, decode
from warehouse.errors import InputError

GOOD = '{"type":"event","name":"é"}'
NDJSON, JSON = "application/x-ndjson", "application/json"


def outcomes(decoded: Decoded) -> dict[int, str]:
    """Return what each record came to, by index."""
    kept = {
        index: str(type(record).__struct_config__.tag)
        for index, record in zip(decoded.indices, decoded.records, strict=True)
    }
    return kept | {rejection.index: rejection.code for rejection in decoded.rejected}


BAD_LINES: list[tuple[str, str, str | None]] = [
    ("nope", "malformed", None),
    ('{"type":"event","name":"a"} {}', "malformed", None),
    ('{"type":"event","name":"a",}', "malformed", None),
    ('{"type":"event","name":"a\tb"}', "malformed", None),
    ('{"type":"event","name":"\\ud800"}', "malformed", None),
    ('{"type":"event","name":"a","data":{"a":NaN}}', "malformed", None),
    ('{"type":"event","name":"a","data":' + "[" * 5000 + "]" * 5000 + "}", "malformed", None),
    ('{"type":"score","name":"a","run_id":"r","value":NaN}', "malformed", None),
    ('{"type":"score","name":"a","run_id":"r","value":-Infinity}', "malformed", None),
    ("5", "malformed", None),
    ("null", "malformed", None),
    ('[{"type":"event","name":"a"}]', "malformed", None),
    ("{}", "missing_field", "type"),
    ('{"type":"event"}', "missing_field", "name"),
    ('{"type":"metadata","run_id":"r","kind":"k"}', "missing_field", "values"),
    (
        '{"type":"score","name":"a","run_id":"r","value":1,"experiment":{"name":"e"}}',
        "missing_field",
        "experiment.variant",
    ),
    ('{"type":"rum","id":"a"}', "unknown_type", "type"),
    ('{"type":5}', "malformed", "type"),
    ('{"type":"run","id":"a","status":"Running","usr_id":"u"}', "unknown_field", "usr_id"),
    ('{"type":"event","name":"a","meta":{}}', "unknown_field", "meta"),
    (
        '{"type":"score","name":"a","run_id":"r","value":1,"experiment":{"name":"e","varient":"v"}}',
        "unknown_field",
        "experiment.varient",
    ),
    ('{"type":"event","name":7}', "malformed", "name"),
    ('{"type":"event","name":null}', "malformed", "name"),
    ('{"type":"score","name":"a","run_id":"r","value":"1"}', "malformed", "value"),
    ('{"type":"score","name":"a","run_id":"r","value":[1]}', "malformed", "value"),
    ('{"type":"score","name":"a","run_id":"r","value":1e400}', "bad_parameter", "value"),
    ('{"type":"event","name":"a","ts":true}', "malformed", "ts"),
    ('{"type":"event","name":"a","sessions":{"x":"1","ticket":true}}', "malformed", "sessions.ticket"),
    ('{"type":"event","name":"a","sessions":{"x":null}}', "malformed", "sessions.x"),
    ('{"type":"event","name":"a","sessions":["x"]}', "malformed", "sessions"),
    ('{"type":"run","id":"a","status":"Running","event_ids":["a",1]}', "malformed", "event_ids[1]"),
    ('{"type":"step","run_id":"a","id":"b","status":"Running","attempt":1.5}', "malformed", "attempt"),
]


@pytest.mark.parametrize(("line", "code", "field"), BAD_LINES, ids=range(len(BAD_LINES)))
@pytest.mark.parametrize("form", [NDJSON, None, JSON])
def test_a_bad_record_is_refused_alone(line: str, code: str, field: str | None, form: str | None) -> None:
    """A record that cannot be decoded has its code and field; its neighbours are kept, in lines and in arrays."""
    records = [GOOD, line, GOOD]
    body = "\n".join(records) if form != JSON else f"[{','.join(records)}]"
    decoded = decode(body.encode(), form)
    assert [0, 2] == list(decoded.indices)
    [rejection] = decoded.rejected
    assert (1, code, field) == (rejection.index, rejection.code, rejection.field)
    assert not rejection.message[0].isupper()
    assert len(rejection.message) < 1000


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ('{"type":"run","id":"a","status":"Running","usr_id":"u"}', "did you mean 'user_id'?"),
        ('{"type":"scores"}', "did you mean 'score'?"),
        ('{"type":"deferral","scorer_id":"s","run_id":"r","experiment":{"nmae":"e"}}', "did you mean 'name'?"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest(line: str, hint: str) -> None:
    """An unknown field or type is answered with the nearest known one."""
    [rejection] = decode(line.encode(), NDJSON).rejected
    assert hint in rejection.message


@pytest.mark.parametrize("place", [b'{"type":"event","name":"%s"}', b'{"type":"event","name":"a","data":{"x":"%s"}}'])
@pytest.mark.parametrize("form", [NDJSON, JSON])
def test_bytes_that_are_not_utf_8_are_refused_alone(place: bytes, form: str) -> None:
    """Invalid UTF-8 is found in a name and inside a payload that is never decoded."""
    records = [GOOD.encode(), place % b"\xff", GOOD.encode()]
    body = b"\n".join(records) if form == NDJSON else b"[" + b",".join(records) + b"]"
    decoded = decode(body, form)
    assert {0: "event", 1: "malformed", 2: "event"} == outcomes(decoded)


BODIES: list[tuple[bytes, str | None, list[str]]] = [
    (b"", None, []),
    (b"\n \r\n", None, []),
    (b"[]", None, []),
    (b"[ ]", JSON, []),
    (b'{"type":"event","name":"a"}', None, ["event"]),
    (b'{"type":"event",\n"name":"a"}', JSON, ["event"]),
    (b'{"type":"event",\n"name":"a"}', NDJSON, ["malformed", "malformed"]),
    (b'\xef\xbb\xbf{"type":"event","name":"a"}\r\n\r\n {"type":"event","name":"a"} \r\n', None, ["event"] * 2),
    (b'{"type":"event","name":"a"}{"type":"event","name":"a"}\n{"type":"event",\n"name":"a"}', None, ["malformed"] * 3),
    (b'[{"type":"event","name":"a"}]', "application/json; charset=utf-8", ["event"]),
    (b'[{"type":"event","name":"a"}]', NDJSON, ["malformed"]),
    (b'[{"type":"event","name":"a"},]', None, ["event", "malformed"]),
    (b'{"type":"event","name":"a"}\n[1]', JSON, ["event", "malformed"]),
    (b'{"type":"event","name":"a"}\n{"type":"ev\n{"type":"event","name":"a"}', None, ["event", "malformed", "event"]),
]


@pytest.mark.parametrize(("body", "form", "expected"), BODIES)
def test_a_body_is_taken_in_the_form_it_has(body: bytes, form: str | None, expected: list[str]) -> None:
    """Lines, an array, one object, blank lines, line ends of Windows, a byte order mark."""
    found = outcomes(decode(body, form))
    assert dict(enumerate(expected)) == found


@pytest.mark.parametrize("body", [b"[", b'[{"type":"event","name":"a"}', b"[1] 2", b'["a]'])
def test_an_array_that_does_not_close_is_malformed(body: bytes) -> None:
    """An array that is no JSON at all is refused as a whole."""
    with pytest.raises(InputError) as caught:
        decode(body, JSON)
    assert caught.value.code == "malformed"


@pytest.mark.parametrize("form", [NDJSON, JSON])
def test_a_long_record_is_refused_alone(form: str) -> None:
    """A record above the limit is too large, one of exactly the limit is not, in lines and in arrays."""
    limits = Limits(record_bytes=100)
    record = '{"type":"event","name":"' + "x" * 74 + '"}'
    assert len(record) == 100
    records = [record, record.replace("x", "xx", 1), record]
    body = "\n".join(records) if form == NDJSON else f"[{','.join(records)}]"
    assert {0: "event", 1: "too_large", 2: "event"} == outcomes(decode(body.encode(), form, limits))


@pytest.mark.parametrize("form", [NDJSON, JSON])
@pytest.mark.parametrize("record", [GOOD, "1"])
def test_too_many_records_are_refused_as_a_whole(form: str, record: str) -> None:
    """The number of records is bounded whether they are good or bad, and not off by one."""
    for count, refused in ((3, False), (4, True)):
        body = "\n".join([record] * count) if form == NDJSON else f"[{','.join([record] * count)}]"
        if refused:
            with pytest.raises(InputError) as caught:
                decode(body.encode(), form, Limits(records=3))
            assert caught.value.code == "too_large"
        else:
            assert 3 == len(outcomes(decode(body.encode(), form, Limits(records=3))))


good_events = st.fixed_dictionaries({"type": st.just("event"), "name": st.text(max_size=3)})
some_records: st.SearchStrategy[Any] = good_events | st.sampled_from([{}, 1, "}\n{", {"type": "x"}, {"type": "event"}])


@settings(deadline=None)
@given(st.lists(some_records, max_size=8), st.sampled_from(["\n", "\r\n", "\n\n", " \n\t"]))
def test_lines_taken_at_once_are_the_lines_taken_one_by_one(records: list[Any], end: str) -> None:
    """What a record comes to does not depend on its neighbours, nor on the form it is sent in."""
    texts = [json.dumps(record) for record in records]
    alone = {index: outcomes(decode(text.encode(), NDJSON))[0] for index, text in enumerate(texts)}
    assert alone == outcomes(decode(end.join(texts).encode(), NDJSON))
    assert alone == outcomes(decode(f"[{','.join(texts)}]".encode(), JSON))


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(['{"type":"event","name":"a"}', "{", "}", "\n", "\r", " ", ",", '"', "{}"]), max_size=9)
)
def test_a_record_is_a_line(pieces: list[str]) -> None:
    """However braces and line breaks are strewn, each line that is not blank is one record with one outcome."""
    body = "".join(pieces)
    lines = [line for line in body.split("\n") if line.strip()]
    decoded = decode(body.encode(), NDJSON)
    assert list(range(len(lines))) == sorted(outcomes(decoded))
    kept = [index for index, line in enumerate(lines) if line.strip() == GOOD.replace("é", "a")]
    assert kept == list(decoded.indices)


def test_payloads_stay_as_sent() -> None:
    """A payload is kept as the text it was, not decoded and written anew."""
    [record] = decode(b'{"type":"event","name":"a","data":{"a":1.0,"a":1e5,"b":"\\u0041"}}', NDJSON).records
    assert isinstance(record, Event)
    assert b'{"a":1.0,"a":1e5,"b":"\\u0041"}' == bytes(record.data)
