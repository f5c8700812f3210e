"""The vectorised route: exactly what the plain loop makes of the same bytes, whatever they are."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.otel import decoded
from ingest.otel.plain import decode_plain
from ingest.otel.protobuf import decode_protobuf
from tests.ingest.otel.spans import (
    Wire,
    facts,
    integer,
    outcome,
    pair,
    request,
    rows,
    sized,
    span,
    wire_pairs,
)


@pytest.mark.parametrize("first", range(0, 1000, 250))
def test_requests_come_to_what_the_plain_loop_makes_of_them(first: int) -> None:
    """Any nesting, order, repetition, unknown field, over-long varint and invalid UTF-8; none is refused."""
    for seed in range(first, first + 250):
        body = Wire(seed).request()
        assert outcome(decode_plain, body) == facts(decode_protobuf(body)), seed


@given(st.integers(0, 2**32))
@settings(max_examples=100)
def test_damaged_requests_have_the_same_outcome(seed: int) -> None:
    """Either both routes refuse a body, as malformed, or both make the same of it."""
    body = Wire(seed).damaged()
    expected = outcome(decode_plain, body)
    assert expected == outcome(decode_protobuf, body)
    assert not isinstance(expected, str) or expected == "malformed"


KEPT = [
    request(span(sized(9, pair("a", b"")))),
    request(span(sized(9, sized(1, b"a")))),
    request(span(sized(9, b""))),
    request(span(sized(9, pair("a", b"\x10")))),
    request(span(sized(9, pair("a", b"\x18" + b"\xff" * 9 + b"\x02")))),
    request(span(sized(9, pair("a", b"\x18" + b"\xff" * 10)))),
    request(span(sized(9, pair("a", b"\x21\0\0\0\0\0\0\0")))),
    request(span(sized(9, pair("a", sized(1, b"\xff"))), sized(9, pair("a", sized(1, b"\xfe"))))),
    request(span(sized(9, sized(1, b"\xff") + sized(2, b"")), sized(9, sized(1, b"\xfe") + sized(2, b"")))),
    request(span(sized(15, integer(3, 2)), sized(15, sized(2, b"twice")))),
    request(span(sized(9, b"\x0a\x05"))),
    request(span(sized(9, b"\x0a\x01a\x12\x03\x0a\x02a"))),
    request(span(sized(9, b"\x0a\xff"), sized(9, pair("a", b"\x10\x01")))),
]


@pytest.mark.parametrize("body", KEPT)
def test_odd_attributes_have_the_same_outcome(body: bytes) -> None:
    """What is hard to tell from an attribute of the usual layout."""
    assert outcome(decode_plain, body) == outcome(decode_protobuf, body)


@given(st.binary(max_size=60))
def test_any_bytes_have_the_same_outcome(body: bytes) -> None:
    """Bytes of no origin."""
    assert outcome(decode_plain, body) == outcome(decode_protobuf, body)


@given(st.lists(wire_pairs, min_size=1, max_size=6), st.integers(0, 200), st.binary(min_size=1, max_size=1))
def test_damage_within_an_attribute_has_the_same_outcome(pairs: list[bytes], at: int, byte: bytes) -> None:
    """One byte of attributes that nothing before them has looked at."""
    content = pairs[0]
    damaged = content[: at % (len(content) + 1)] + byte + content[at % (len(content) + 1) + 1 :]
    body = request(span(*(sized(9, each) for each in (damaged, *pairs[1:]))))
    assert outcome(decode_plain, body) == outcome(decode_protobuf, body)


@pytest.mark.parametrize("bad", [span(id_=b""), span(start=1)])
def test_a_span_that_is_not_kept_must_still_be_one(bad: bytes) -> None:
    """A broken attribute of a rejected span refuses the request, as the stock parser does."""
    assert 1 == decode_protobuf(request(bad, span())).rejected
    for body in (request(bad + sized(9, b"\x0a\x05"), span()), request(bad + sized(11, sized(3, b"\x0a\x05")))):
        assert "malformed" == outcome(decode_plain, body) == outcome(decode_protobuf, body)


@pytest.mark.parametrize(
    "length", [0, 1, 127, 128, 129, 130, 131, 16_383, 16_384, 16_385, 16_390, 2**20, 2**20 + 1, 2**21]
)
def test_lengths_around_every_width_of_a_length(length: int) -> None:
    """A text of each length beside a short one, in every place where a length gets longer."""
    for less in range(8):
        body = request(
            span(sized(9, pair("k", sized(1, b"x" * max(length - less, 0)))), sized(9, pair("l", b"\x10\x01")))
        )
        assert facts(decode_plain(body)) == facts(decode_protobuf(body))


def test_counts_of_attributes() -> None:
    """Of 10,000 attributes a span keeps the first 1,024 and says how many others there were; they must be sound."""
    many = [sized(9, pair(f"k{number}", integer(3, number))) for number in range(10_000)]
    body = request(span(*many), span())
    made = decode_protobuf(body)
    assert facts(decode_plain(body)) == facts(made)
    assert 1025 == len(made.attributes.owner)
    assert [("k1023", "1023", decoded.INT), (decoded.DROPPED, "8976", decoded.INT)] == rows(made.attributes)[-2:]
    assert "malformed" == outcome(decode_protobuf, request(span(*many, sized(9, b"\x0a\x05"))))


BOMBS = {
    "spans": "sized(1, sized(2, b'\\x12\\0' * (16 << 20)))",
    "resources": "b'\\x0a\\0' * (16 << 20)",
    "scopes": "sized(1, b'\\x12\\0' * (16 << 20))",
    "events": "request(span(b'\\x5a\\0' * (16 << 20)))",
    "links": "request(span(b'\\x6a\\0' * (16 << 20)))",
    "attributes": "request(*[span(b'\\x4a\\0' * 1024)] * 5000)",
    "attributes of one span": "request(span(b'\\x4a\\0' * (16 << 20)))",
    "attributes of a span that is not kept": "request(span(b'\\x4a\\0' * (16 << 20), start=0))",
    "events of a span that is not kept": "request(span(b'\\x5a\\0' * (16 << 20), start=0))",
    "links of a span that is not kept": "request(span(b'\\x6a\\0' * (16 << 20), start=0))",
    "values in one attribute": "request(span(sized(9, pair('a', sized(5, b'\\x0a\\0' * (16 << 20))))))",
    "deeper": "request(span(sized(9, pair('a', nested(5000)))))",
}

_BOMB = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
from ingest.otel.protobuf import decode_protobuf
from tests.ingest.otel.spans import pair, request, sized, span
from warehouse.errors import InputError

def nested(levels):
    value = b''
    for _ in range(levels):
        value = sized(5, sized(1, value))
    return value

body = {body}
try:
    decode_protobuf(body)
except InputError as error:
    print(error.code, error.message)
"""


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_within_little_memory(name: str) -> None:
    """Millions of two-byte messages of every kind are refused by a process that may have 2 GiB of addresses."""
    script = _BOMB.format(body=BOMBS[name])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert "" == done.stderr
    assert done.stdout.startswith("malformed")
    assert name == "deeper" or name.partition(" of ")[0] in done.stdout
