"""Requests of spans: on the wire, of any layout that protobuf allows, and as the same spans in protobuf and in JSON."""

from __future__ import annotations

import base64
import math
import struct
from dataclasses import fields, is_dataclass
from random import Random
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from warehouse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.otel.decoded import Attributes, Spans

TRACE, SPAN = bytes(range(16)), bytes(range(8))
START_NS, END_NS = 1_790_000_000_000_000_000, 1_790_000_001_000_000_000


def facts(decoded: Any) -> Any:
    """Return columns as lists, to be compared; every Arrow array is checked."""
    if is_dataclass(decoded):
        return {each.name: facts(getattr(decoded, each.name)) for each in fields(decoded)}
    if isinstance(decoded, np.ndarray):
        numbers = cast("np.ndarray[Any, Any]", decoded)
        return str(numbers.dtype), numbers.tolist()
    if isinstance(decoded, pa.Array):
        array = cast("Any", decoded)
        array.validate(full=True)
        return array.to_pylist()
    return decoded


def rows(attributes: Attributes) -> list[tuple[str, str | None, int]]:
    """Return key, text and kind of each attribute."""
    columns = facts(attributes)
    return list(zip(columns["key"], columns["text"], columns["kind"][1], strict=True))


def outcome(decode: Callable[[bytes], Spans], body: bytes) -> Any:
    """Return what a body comes to: columns as lists, or the code of its refusal."""
    try:
        return facts(decode(body))
    except InputError as error:
        return error.code if len(error.message) < 500 else error.message


def varint(number: int, more: int = 0) -> bytes:
    """Return a varint of `more` bytes more than it needs."""
    out = bytearray()
    number &= 2**64 - 1
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    for _ in range(min(more, 10 - len(out))):
        out[-1] |= 0x80
        out.append(0)
    return bytes(out)


def sized(number: int, content: bytes, more: int = 0) -> bytes:
    """Return a field with a length, on the wire."""
    return varint(number << 3 | 2) + varint(len(content), more) + content


def integer(number: int, value: int, more: int = 0) -> bytes:
    """Return a varint field."""
    return varint(number << 3) + varint(value, more)


def fixed(number: int, value: int) -> bytes:
    """Return a fixed64 field."""
    return varint(number << 3 | 1) + struct.pack("<Q", value)


def pair(key: str, value: bytes) -> bytes:
    """Return a KeyValue of an AnyValue, as encoders write it."""
    return sized(1, key.encode()) + sized(2, value)


def span(*more: bytes, trace: bytes = TRACE, id_: bytes = SPAN, start: int = START_NS, end: int = END_NS) -> bytes:
    """Return a span and more fields of it."""
    return sized(1, trace) + sized(2, id_) + fixed(7, start) + fixed(8, end) + b"".join(more)


def request(*spans: bytes, resource: bytes = b"") -> bytes:
    """Return a request of one scope."""
    return sized(1, sized(1, resource) + sized(2, b"".join(sized(2, each) for each in spans)))


class Wire:
    """Writes requests of every layout that protobuf allows, from a seed.

    Not a Hypothesis strategy: a request is some hundred choices, and the attributes, which are, shrink well alone.
    """

    _CONTENTS = (b"", b"a", b"key", b"x" * 127, b"x" * 128, b"y" * 300, "é€😀".encode(), b"a\0b")
    _NOT_UTF_8 = (b"\xff", b"\xc3", b"\xe2\x82", b"a\xf0\x9f\x98", b"\xed\xa0\x80")
    _INTEGERS = (0, 1, -1, 127, 128, -(2**63), 2**63 - 1, 2**64 - 1)
    _TIMES = (START_NS, END_NS, START_NS, END_NS, 0, 1, 2**64 - 1, 315_532_800 * 10**9, 4_102_444_800 * 10**9)

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - not a secret
        self._odd = self._random.choice([0.0, 0.02, 0.2])
        """How often something is not as encoders write it."""

    def request(self) -> bytes:
        return self._many(1, self._resource_spans)

    def pairs(self, number: int) -> bytes:
        return self._many(number, self._pair)

    def damaged(self) -> bytes:
        """Return a request with bytes replaced, removed, put in and cut off."""
        body, random = bytearray(self.request()), self._random
        for _ in range(random.randint(1, 3)):
            at = random.randint(0, len(body))
            body[at : at + random.randint(0, 2)] = random.randbytes(random.randint(0, 2))
        return bytes(body[: random.choice([len(body), len(body), random.randint(0, len(body))])])

    def _is_odd(self) -> bool:
        return self._random.random() < self._odd

    def _sized(self, number: int, content: bytes) -> bytes:
        return sized(number, content, self._random.randint(1, 2) if self._is_odd() else 0)

    def _integer(self, number: int, value: int) -> bytes:
        return integer(number, value, self._random.randint(1, 9) if self._is_odd() else 0)

    def _many(self, number: int, make: Callable[[], bytes]) -> bytes:
        return b"".join(self._sized(number, make()) for _ in range(self._random.randint(0, 3)))

    def _content(self) -> bytes:
        return self._random.choice(self._NOT_UTF_8 if self._is_odd() else self._CONTENTS)

    def _message(self, *fields: bytes) -> bytes:
        if not self._is_odd():
            return b"".join(fields)
        unknown = (integer(77, 5), sized(900, b"ab"), fixed(20, 7), varint(30 << 3 | 5) + bytes(4))
        parts = self._random.choices([*fields, *unknown], k=self._random.randint(0, len(fields) + 2))
        return b"".join(parts)

    def _resource_spans(self) -> bytes:
        return self._message(
            self._sized(1, self._message(self.pairs(1), self._integer(2, 3))),
            self._many(2, self._scope_spans),
            self._sized(3, self._content()),
        )

    def _scope_spans(self) -> bytes:
        scope = self._message(self._sized(1, self._content()), self._sized(2, self._content()), self.pairs(3))
        return self._message(self._sized(1, scope), self._many(2, self._span), self._sized(3, self._content()))

    def _span(self) -> bytes:
        choice = self._random.choice
        ids = (choice([TRACE, TRACE, TRACE, bytes(16), b"x" * 15]), choice([SPAN, SPAN, SPAN, b"", bytes(8)]))
        return self._message(
            self._sized(1, ids[0] if self._is_odd() else TRACE),
            self._sized(2, ids[1] if self._is_odd() else SPAN),
            self._sized(3, self._content()),
            self._sized(4, choice([b"", SPAN, bytes(8), b"x" * 9 if self._is_odd() else b""])),
            self._sized(5, self._content()),
            self._integer(6, self._random.randint(-1, 9)),
            fixed(7, choice(self._TIMES) if self._is_odd() else START_NS),
            fixed(8, choice(self._TIMES) if self._is_odd() else END_NS),
            self.pairs(9),
            self._many(11, self._event),
            self._many(13, self._link),
            self._sized(
                15, self._message(self._sized(2, self._content()), self._integer(3, self._random.randint(-1, 4)))
            ),
        )

    def _event(self) -> bytes:
        return self._message(fixed(1, self._random.choice(self._TIMES)), self._sized(2, self._content()), self.pairs(3))

    def _link(self) -> bytes:
        return self._message(
            self._sized(1, TRACE), self._sized(2, SPAN), self._sized(3, self._content()), self.pairs(4)
        )

    def _pair(self) -> bytes:
        return self._message(self._sized(1, self._content()), self._sized(2, self._value(0)))

    def _value(self, level: int) -> bytes:
        random = self._random
        makes = (
            lambda: self._sized(1, self._content()),
            lambda: self._integer(2, random.randint(0, 3)),
            lambda: self._integer(3, random.choice(self._INTEGERS)),
            lambda: (
                varint(4 << 3 | 1)
                + struct.pack("<d", random.choice([0.5, -0.0, 1e300, 5e-324, 1e16, math.inf, math.nan]))
            ),
            lambda: self._sized(7, random.randbytes(random.randint(0, 9))),
            lambda: self._integer(8, 3),
            bytes,
            lambda: self._sized(5, self._many(1, lambda: self._value(level + 1))),
            lambda: self._sized(6, self._many(1, self._pair)),
        )
        make = random.choices(makes, [8, 2, 4, 3, 1, 1, 1, 3 / (level + 1), 2 / (level + 1) if level < 3 else 0])[0]
        return self._message(make(), make() if self._is_odd() else b"")


_contents = st.sampled_from([b"", b"a", b"\xff", b"x" * 127, b"x" * 128]) | st.text(max_size=3).map(str.encode)
_integers = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, -1, 127, 128, -(2**63), 2**63 - 1])
_wire_values = st.one_of(
    _contents.map(lambda content: sized(1, content)),
    st.booleans().map(lambda truth: integer(2, truth)),
    _integers.map(lambda number: integer(3, number)),
    st.floats().map(lambda number: b"\x21" + struct.pack("<d", number)),
    st.sampled_from([b"", sized(5, b""), sized(5, sized(1, integer(3, 5))), sized(6, sized(1, pair("a", b"")))]),
)
wire_pairs = st.tuples(_contents, _wire_values).map(lambda both: sized(1, both[0]) + sized(2, both[1]))
"""KeyValue messages as encoders write them."""


# The same spans in both encodings

_text = st.text(max_size=6) | st.sampled_from(["é€😀", 'a"b\\c\n', "x" * 200, "\ufffd\x00"])
_doubles = st.floats() | st.integers(-(2**60), 2**60).map(float)
_python_values = st.recursive(
    st.none() | _text | st.booleans() | _integers | _doubles | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(_text, inner), max_size=3).map(tuple),
    max_leaves=6,
)
"""A tuple is a map of pairs."""
_attributes = st.lists(st.tuples(_text, _python_values), max_size=4)
_python_events = st.lists(st.tuples(_text, st.sampled_from([0, START_NS, 2**64 - 1]), _attributes), max_size=2)
_python_links = st.lists(st.tuples(st.just(TRACE), st.just(SPAN), _attributes), max_size=2)
_times = st.sampled_from([START_NS, END_NS] * 5 + [0, 1, 2**64 - 1, 315_532_800 * 10**9, 4_102_444_800 * 10**9])
python_spans = st.fixed_dictionaries(
    {
        "trace_id": st.sampled_from([TRACE, bytes(16), b"\xab" * 16, b"short"]) | st.just(TRACE),
        "span_id": st.sampled_from([bytes(8), b"\xcd" * 8]) | st.just(SPAN),
        "parent_span_id": st.sampled_from([b"", bytes(8), SPAN, b"\xef" * 8]),
        "name": _text,
        "kind": st.integers(-1, 7),
        "start_time_unix_nano": _times,
        "end_time_unix_nano": _times,
        "code": st.integers(-1, 4),
        "message": _text,
        "attributes": _attributes,
        "events": _python_events,
        "links": _python_links,
    }
)
python_requests = st.lists(
    st.tuples(_attributes, st.lists(st.tuples(_text, _text, st.lists(python_spans, max_size=3)), max_size=2)),
    max_size=2,
)
"""Resources: attributes and scopes; scopes: name, version and spans."""


def in_protobuf(resources: Any) -> bytes:
    """Return spans as protobuf, by the stock messages."""
    made = ExportTraceServiceRequest()
    for attributes, scopes in resources:
        resource_spans = made.resource_spans.add()
        _put(resource_spans.resource.attributes, attributes)
        for name, version, spans in scopes:
            scope_spans = resource_spans.scope_spans.add()
            scope_spans.scope.name, scope_spans.scope.version = name, version
            for each in spans:
                _put_span(scope_spans.spans.add(), each)
    return made.SerializeToString()


def _put_span(made: Any, each: dict[str, Any]) -> None:
    for name in ("trace_id", "span_id", "parent_span_id", "name", "kind", "start_time_unix_nano", "end_time_unix_nano"):
        setattr(made, name, each[name])
    made.status.code, made.status.message = each["code"], each["message"]
    _put(made.attributes, each["attributes"])
    for name, time_ns, attributes in each["events"]:
        event = made.events.add()
        event.name, event.time_unix_nano = name, time_ns
        _put(event.attributes, attributes)
    for trace, id_, attributes in each["links"]:
        link = made.links.add()
        link.trace_id, link.span_id = trace, id_
        _put(link.attributes, attributes)


def _put(made: Any, attributes: Any) -> None:
    for key, value in attributes:
        each = made.add()
        each.key = key
        put_value(each.value, value)


def put_value(made: Any, value: Any) -> None:
    """Set an AnyValue."""
    match value:
        case None:
            made.SetInParent()
        case str():
            made.string_value = value
        case bool():
            made.bool_value = value
        case int():
            made.int_value = value
        case float():
            made.double_value = value
        case bytes():
            made.bytes_value = value
        case list():
            made.array_value.SetInParent()
            for item in cast("list[Any]", value):
                put_value(made.array_value.values.add(), item)
        case _:
            made.kvlist_value.SetInParent()
            _put(made.kvlist_value.values, value)


class InJson:
    """Writes spans as OTLP/JSON, choosing among what it allows.

    Source: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.
    """

    def __init__(self, choose: Callable[[list[Any]], Any]) -> None:
        self._choose = choose

    def request(self, resources: Any) -> Any:
        return self._object(
            resourceSpans=[
                self._object(
                    resource=self._object(attributes=self._attributes(attributes)),
                    scopeSpans=[
                        self._object(
                            scope=self._object(name=name, version=version), spans=[self._span(each) for each in spans]
                        )
                        for name, version, spans in scopes
                    ],
                )
                for attributes, scopes in resources
            ]
        )

    def _object(self, **members: Any) -> dict[str, Any]:
        strange: list[Any] = [
            {},
            {},
            {},
            {"unknownField": {"a": [1, None]}},
            {"trace_id": 5, "string_value": [], "start_time": {}},
        ]
        return self._choose(strange) | members

    def _number(self, number: int) -> Any:
        return self._choose([number, str(number)])

    def _hex(self, content: bytes) -> Any:
        return self._choose([content.hex(), content.hex().upper()])

    def _span(self, each: dict[str, Any]) -> Any:
        made = self._object(
            traceId=self._hex(each["trace_id"]),
            spanId=self._hex(each["span_id"]),
            name=each["name"],
            kind=each["kind"],
            startTimeUnixNano=self._number(each["start_time_unix_nano"]),
            endTimeUnixNano=self._number(each["end_time_unix_nano"]),
            attributes=self._attributes(each["attributes"]),
            status=self._object(code=each["code"], message=each["message"]),
            events=[
                self._object(name=name, timeUnixNano=self._number(time), attributes=self._attributes(attributes))
                for name, time, attributes in each["events"]
            ],
            links=[
                self._object(traceId=self._hex(trace), spanId=self._hex(id_), attributes=self._attributes(attributes))
                for trace, id_, attributes in each["links"]
            ],
        )
        if each["parent_span_id"] or self._choose([True, False]):
            made["parentSpanId"] = self._hex(each["parent_span_id"])
        empty = {name for name, value in made.items() if value in ("", [], 0, "0")}
        return {name: value for name, value in made.items() if name not in empty or self._choose([True, False])}

    def _attributes(self, attributes: Any) -> Any:
        return [self._object(key=key, value=self._value(value)) for key, value in attributes]

    def _value(self, value: Any) -> Any:
        if value is None:
            return self._choose([{}, {"stringValue": None}, None])
        makes: tuple[tuple[type, str, Callable[[Any], Any]], ...] = (
            (str, "stringValue", str),
            (bool, "boolValue", bool),
            (int, "intValue", self._number),
            (float, "doubleValue", _json_double),
            (bytes, "bytesValue", lambda content: base64.b64encode(content).decode()),
            (list, "arrayValue", lambda items: {"values": [self._value(item) for item in items]}),
            (tuple, "kvlistValue", lambda pairs: {"values": self._attributes(pairs)}),
        )
        name, make = next((name, make) for kind, name, make in makes if isinstance(value, kind))
        return self._object(**{name: make(cast("Any", value))})


def _json_double(value: float) -> Any:
    names = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    return names.get(str(value), value)
