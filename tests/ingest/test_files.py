"""Files: any size, packing and form, whole records only, and a clear word when they are no records."""

from __future__ import annotations

import gzip
import io
import json
import os
import tracemalloc
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.files import Chunk, chunks
from warehouse.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


def plain(content: bytes) -> bytes:
    return content


PACKINGS = [plain, gzip.compress, zstd]
LINES = b"".join(b'{"type":"event","name":"%d"}\n' % number for number in range(1000))


def until_error(source: Iterator[Chunk]) -> tuple[list[Chunk], InputError | None]:
    """Return the chunks that came, and the error that ended them if any."""
    came: list[Chunk] = []
    try:
        came.extend(source)
    except InputError as error:
        return came, error
    return came, None


@pytest.mark.parametrize("pack", PACKINGS)
@settings(deadline=None)
@given(
    lines=st.lists(st.sampled_from([b"{}", b"", b" ", b'{"a":"long"}', b"bad"]), min_size=1, max_size=30),
    ended=st.booleans(),
    target=st.integers(1, 60),
)
def test_chunks_are_the_file_in_whole_lines(
    pack: Callable[[bytes], bytes],
    lines: list[bytes],
    ended: bool,  # noqa: FBT001
    target: int,
) -> None:
    """Joined, the chunks are the file; each begins at the line and the record it says."""
    content = b"{}\n" + b"\n".join(lines) + (b"\n" if ended else b"")
    packed = pack(content)
    found = list(chunks(io.BytesIO(packed), target))
    assert content == b"".join(chunk.body for chunk in found)
    before = b""
    for chunk in found:
        earlier = before.split(b"\n")[:-1]
        assert len(earlier) + 1 == chunk.first_line
        assert sum(1 for line in earlier if line.strip()) + 1 == chunk.first_record
        assert len(chunk.body) <= max(target, max(map(len, content.split(b"\n"))) + 1)
        before += chunk.body
    assert len(packed) == found[-1].consumed


@pytest.mark.parametrize("pack", PACKINGS)
@pytest.mark.parametrize("indent", [None, 2])
@settings(deadline=None)
@given(
    values=st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=3) | st.lists(st.integers())), max_size=9),
    target=st.integers(1, 60),
)
def test_an_array_becomes_lines(
    pack: Callable[[bytes], bytes], indent: int | None, values: list[object], target: int
) -> None:
    """Each element of an array, however it is laid out, is one line of the chunks."""
    found = list(chunks(io.BytesIO(pack(json.dumps(values, indent=indent).encode())), target))
    lines = [line for chunk in found for line in chunk.body.split(b"\n")[:-1]]
    assert values == [json.loads(line) for line in lines]
    for chunk in found:
        assert values[chunk.first_record - 1] == json.loads(chunk.body.split(b"\n")[0])


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_file_cut_short_yields_what_came_before(pack: Callable[[bytes], bytes]) -> None:
    """Whole lines before the cut are yielded, then the error says that the file ends early."""
    content = LINES + os.urandom(1 << 19).hex().encode() + b"\n"
    packed = pack(content)
    came, error = until_error(chunks(io.BytesIO(packed[: len(packed) - 1000]), 1000))
    body = b"".join(chunk.body for chunk in came)
    assert LINES == body
    assert error is not None
    assert "ends before it is complete" in error.message


@pytest.mark.parametrize(
    ("array", "whole"),
    [(b'[{"a":1},{"b":2},{"c"', [b'{"a":1}', b'{"b":2}']), (b"[1,2] x", [b"1", b"2"]), (b"[", [])],
)
def test_an_array_that_breaks_off_yields_what_came_before(array: bytes, whole: list[bytes]) -> None:
    """Whole elements are yielded, then the error says where the array breaks off."""
    came, error = until_error(chunks(io.BytesIO(array)))
    assert whole == b"".join(chunk.body for chunk in came).split()
    assert error is not None
    assert error.code == "malformed"


def test_an_element_left_out_is_still_a_record() -> None:
    """A trailing comma does not go unnoticed: the empty element is a line that no decoder takes."""
    [chunk] = chunks(io.BytesIO(b"[1,]"))
    assert b"1\n,\n" == chunk.body


def test_a_line_break_inside_an_element_neither_joins_nor_mends_it() -> None:
    """An element stays one line, and one that was no JSON stays none."""
    [chunk] = chunks(io.BytesIO(b'[1\n2,"a\nb",{\n}]'))
    for line, good in zip(chunk.body.split(b"\n")[:-1], [False, False, True], strict=True):
        try:
            json.loads(line)
        except ValueError:
            assert not good
        else:
            assert good


UNREADABLE: list[tuple[bytes, str]] = [
    (b"", "empty"),
    (b"\n \r\n", "white space"),
    (b" " * (3 << 20), "white space"),
    (gzip.compress(b""), "empty"),
    (zstd(b""), "empty"),
    (b"PAR1\x15\x04\x15\x00", "binary"),
    (b"PK\x03\x04rest", "binary"),
    (b"SQLite format 3\x00", "binary"),
    (gzip.compress(gzip.compress(LINES)), "binary"),
    ('{"type":"event"}'.encode("utf-16"), "UTF-16"),
    (b"\x1f\x8b" + b"garbage" * 9, "damaged"),
    (b"\x28\xb5\x2f\xfd" + b"\xff" * 99, "damaged"),
    (gzip.compress(LINES)[:5], "ends before it is complete"),
]


@pytest.mark.parametrize(("content", "said"), UNREADABLE, ids=range(len(UNREADABLE)))
def test_what_holds_no_records_is_refused_in_words(content: bytes, said: str) -> None:
    """An empty, blank, binary or damaged file raises InputError that says which."""
    with pytest.raises(InputError, match=said):
        list(chunks(io.BytesIO(content)))


@settings(deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"[", b"{"]))
def test_any_bytes_are_chunks_or_an_input_error(tail: bytes, head: bytes) -> None:
    """No file raises anything but InputError."""
    until_error(chunks(io.BytesIO(head + tail), 50))


def test_a_path_is_opened_and_a_missing_one_is_named(tmp_path: Path) -> None:
    """A path is read; a missing file, a folder and an impossible name are refused by name."""
    path = tmp_path / "records.ndjson"
    path.write_bytes(LINES)
    assert LINES == b"".join(chunk.body for chunk in chunks(path))
    with pytest.raises(NotFoundError, match=r"missing\.ndjson"):
        list(chunks(tmp_path / "missing.ndjson"))
    with pytest.raises(InputError, match="is a folder"):
        list(chunks(tmp_path))
    with pytest.raises(InputError, match="cannot open"):
        list(chunks(tmp_path / "a\x00b"))


def test_a_byte_order_mark_is_no_part_of_the_first_record() -> None:
    """A mark at the beginning is dropped."""
    [chunk] = chunks(io.BytesIO(b"\xef\xbb\xbf{}\n"))
    assert b"{}\n" == chunk.body


LONG_LINE = b'{"type":"event","name":"a","data":{"a":"' + b"x" * 981 + b'"}}\n'


class Endless(io.RawIOBase):
    """A stream of as many bytes as asked for, `total` in all, that never holds them."""

    def __init__(self, block: bytes, total: int) -> None:
        self._block = block
        self._left = total

    def read(self, size: int = -1, /) -> bytes:
        part = (self._block * (size // len(self._block) + 1))[: min(size, self._left)]
        self._left -= len(part)
        return part


@pytest.mark.parametrize(
    ("source", "most"),
    [(Endless(LONG_LINE, 96 << 20), 32 << 20), (io.BytesIO(zstd(LONG_LINE * (96 << 10))), 64 << 20)],
)
def test_memory_is_flat(source: io.BytesIO, most: int) -> None:
    """A long file is never held as a whole, and neither is what it unpacks to."""
    tracemalloc.start()
    try:
        total = sum(len(chunk.body) for chunk in chunks(source))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total > 80 << 20
    assert peak < most


def test_a_line_that_does_not_end_is_refused() -> None:
    """A line too long to send ends the file with an error instead of filling memory."""
    came, error = until_error(chunks(io.BytesIO(b"{}\n" + b"x" * (40 << 20)), 1 << 20))
    assert b"{}\n" == b"".join(chunk.body for chunk in came)
    assert error is not None
    assert error.code == "too_large"
