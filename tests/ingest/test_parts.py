"""A body cut at any line breaks comes to what it comes to whole: rows, their order, verdicts, refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.limits import Limits
from ingest.parts import Part, Taken, cut, part, put_together, taken
from ingest.pipeline import receive
from ingest.records import count, lines
from tests.ingest import strategies
from tests.ingest.oracle import sent
from tests.ingest.support import NDJSON, NOW, rows
from warehouse.errors import InputError
from warehouse.log import decode

_BAD = [
    b'{"type":"score","name":"it\'s","run_id":"r","value":1}',
    b'{"type":"run","id":"r","status":"Running","nmae":1}',
    b'{"type":"rum"}',
    b"{",
    b"null",
    b'\xef\xbb\xbf{"type":"event","id":"e","name":"a"}',
    b'{"type":"event","id":"e","name":"\xff"}',
    b'{"type":"event","id":"a","name":"a"}{"type":"event","id":"b","name":"b"}',
    b'{"type":"event","id":"a",',
    b'"name":"a"}',
]
_BLANK = [b"", b" \t", b"\r", b"\x0b\x0c"]
_few = st.sampled_from(["a", "b"])
_moments = st.none() | st.integers(NOW - 3_000, NOW + 3_000)
_repeating = st.fixed_dictionaries(
    {"type": st.just("score"), "name": st.just("n"), "run_id": _few, "value": st.just(1)},
    optional={
        "ts": _moments,
        "experiment": st.fixed_dictionaries({"name": st.just("e"), "variant": _few}),
        "sessions": st.dictionaries(_few, _few, max_size=2),
    },
)
"""Scores whose derived rows often repeat those of others, with and without a time."""

_lines = st.one_of(
    st.one_of(_repeating, strategies.records).map(lambda record: json.dumps(sent(record)).encode()),
    st.sampled_from(_BAD),
    st.sampled_from(_BLANK),
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Return lines, good, bad and blank, perhaps behind a byte order mark and with or without a last line break."""
    parts = draw(st.lists(_lines, max_size=14))
    ends = draw(st.sampled_from([b"\n", b"\r\n"]))
    return ends.join(parts) + draw(st.sampled_from([b"", ends]))


def tables(found: Taken) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of all entries by table, in the order in which they would be logged.

    Those of `session_runs` sorted: no two of a request have one key, so nothing depends on their order, which in the
    whole follows the records' types.
    """
    made: dict[str, list[dict[str, Any]]] = {}
    for entry in found.entries:
        for one in decode(entry.payload).to_batches():
            made.setdefault(entry.table, []).extend(rows(one))
    keys = ("session_key", "session_id", "run_id")
    joined = made.get("session_runs", [])
    assert len({tuple(row[key] for key in keys) for row in joined}) == len(joined)
    joined.sort(key=lambda row: [row[key] for key in keys])
    return made


def whole(body: bytes) -> Taken:
    return taken(receive(body, NDJSON, None, NOW, Limits()))


def in_parts(pieces: list[bytes]) -> Taken:
    return put_together((part(piece, NOW, Limits()) for piece in pieces), NOW, Limits())


@pytest.mark.parametrize("first", [b"", b"\r", b"}", b"{"])
def test_two_records_on_one_line_are_none(first: bytes) -> None:
    """Also where a line of nothing or of one character would make up the number."""
    event = b'{"type":"event","id":"a","name":"a"}'
    found = whole(first + b"\n" + event + event + b"\n" + event)
    assert 1 == found.accepted
    assert "malformed" in {no.code for no in found.rejected}


@settings(deadline=None, max_examples=150)
@given(bodies(), st.data())
def test_cut_anywhere_it_is_the_same(body: bytes, data: st.DataObject) -> None:
    """Wherever lines are cut apart, every table has the same rows in the same order, every record the same verdict."""
    breaks = [place + 1 for place, byte in enumerate(body) if byte == ord("\n")]
    places = sorted(data.draw(st.sets(st.sampled_from(breaks)))) if breaks else []
    pieces = [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]
    if pieces:  # the mark at the very beginning goes before a body is cut
        pieces[0] = pieces[0].removeprefix(b"\xef\xbb\xbf")
    expected, found = whole(body), in_parts(pieces)
    assert (expected.accepted, expected.rejected) == (found.accepted, found.rejected)
    assert tables(expected) == tables(found)


@settings(deadline=None)
@given(bodies(), st.integers(1, 200))
def test_parts_are_whole_lines_and_all_of_them(body: bytes, size: int) -> None:
    """Parts joined are the body; each ends with a line break but the last, and is longer than asked only for a line."""
    parts = [bytes(piece) for piece in cut(body, size)]
    assert body == b"".join(parts)
    assert all(piece.endswith(b"\n") for piece in parts[:-1])
    assert all(len(piece) <= size or piece.count(b"\n") <= 1 for piece in parts)


@settings(deadline=None)
@given(bodies() | st.binary(max_size=60))
def test_lines_are_counted_as_they_are_taken(body: bytes) -> None:
    """The fast count of lines that are not blank is that of taking them one by one."""
    assert len(list(lines(body))) == count(body)


def test_the_limit_of_records_is_that_of_the_whole() -> None:
    """One record more than the limit refuses the request, however it is cut; exactly the limit does not."""
    limits = Limits(records=4)
    line = b'{"type":"event","id":"e","name":"a"}\n'
    fits = put_together([part(line * 2, NOW, limits)] * 2, NOW, limits)
    assert (4, ()) == (fits.accepted, fits.rejected)
    for pieces in ([line * 2, line * 3], [line * 5], [b"1\n" * 3, line * 2]):
        with pytest.raises(InputError, match="more than 4 records") as caught:
            put_together((part(piece, NOW, limits) for piece in pieces), NOW, limits)
        assert "too_large" == caught.value.code


def test_no_part_is_taken_after_too_many_records() -> None:
    """A request that is refused does not wait for its other parts."""
    seen: list[int] = []

    def parts() -> Any:
        for number in range(9):
            seen.append(number)
            yield Part([], [], 3, 3, b"")

    with pytest.raises(InputError):
        put_together(parts(), NOW, Limits(records=4))
    assert [0, 1] == seen


def test_a_contradiction_is_settled_as_in_the_whole() -> None:
    """Of implied assignments at one time the one named first stays first, though it got its time from a later part."""
    at = NOW // 1000
    # Many others between, so that groups come in an order of their own unless told otherwise.
    others = [(f"other-{n % 400}", at + 9) for n in range(800)]
    records = [*others[:400], ("x", at + 5), ("y", at), ("x", at), *others[400:]]
    made = [
        json.dumps(
            {
                "type": "score",
                "name": "n",
                "run_id": "r",
                "value": 1,
                "ts": ts,
                "experiment": {"name": "e", "variant": v},
            }
        ).encode()
        + b"\n"
        for v, ts in records
    ]
    found = tables(in_parts([b"".join(made[:402]), b"".join(made[402:])]))["assignments"]
    assert [("x", NOW), ("y", NOW)] == [(row["variant"], row["ts"]) for row in found if row["variant"] in ("x", "y")]
    assert tables(whole(b"".join(made)))["assignments"] == found
