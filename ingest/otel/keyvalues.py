"""KeyValue messages of protobuf -> keys, texts and kinds, all at once.

A message of the usual layout (a key of up to 127 bytes, then one text, truth or number, each length in as many bytes as
it needs) is taken apart by looking at the same place in all of them: its key and text are copied once, from where they
are to where they stay. Any other, an array or a map among them, is parsed by itself, equal ones once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np
import pyarrow as pa

from ingest.otel.decoded import BOOL, DOUBLE, INT, NESTED_VALUES, TEXT, VALUE_BYTES, check_count, kept
from ingest.otel.gathered import Pairs, text_column
from ingest.otel.plain import message, messages, parsed, take, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    Places = NDArray[np.intp]
    Marks = NDArray[np.bool_]

_PAIR = message(messages(), "common.v1.KeyValue")

_KEY_TAG, _VALUE_TAG = 0x0A, 0x12
_MORE = 0x80
"""The bit of a varint's byte that says that another follows."""
_INTEGER_BYTES, _DOUBLE_BYTES = 10, 8

_ODD = 255
_KINDS = np.full(256, _ODD, np.uint8)
"""Tag of an AnyValue's only field -> kind."""
_KINDS[[0x0A, 0x10, 0x18, 0x21]] = TEXT, BOOL, INT, DOUBLE

_MARGIN = bytes(512)
"""Follows the last message: where a damaged one ends early, what is looked at must still be there."""

_MOST_BYTES = 2**31 - 1
_COMMA = ord(",")

_ITEM_TAGS = (b"\x0a", b"\x8a")
"""Every item of an array or a map has one of these bytes on the wire: their number bounds the items before a parser
takes some 50 bytes for each. Text may have them too, hence the allowance of four a value."""


def columns(pairs: Sequence[bytes]) -> tuple[pa.DictionaryArray[Any, Any], pa.StringArray, NDArray[np.uint8]]:
    """Return the keys, texts and kinds (see `decoded.Attributes`) of some KeyValue messages.

    Raises:
        InputError: `malformed`: one of them is none, is nested too deeply or holds too much.
    """
    content = b"".join([*pairs, _MARGIN])
    data = np.frombuffer(content, np.uint8)
    lengths = np.fromiter(map(len, pairs), np.intp, len(pairs))
    ends = np.cumsum(lengths)
    starts = ends - lengths
    key_sizes = data[starts + 1]
    keys = starts + 2
    key_ends = keys + key_sizes
    values, fits = _sized(data, key_ends + 1, ends)
    fits &= (data[starts] == _KEY_TAG) & (key_sizes < _MORE) & (data[key_ends] == _VALUE_TAG)
    kind = np.where(fits & (values < ends) & (lengths <= VALUE_BYTES), _KINDS[data[values]], _ODD).astype(np.uint8)
    texts, fits = _sized(data, values + 1, ends)
    kind[(kind == TEXT) & ~fits] = _ODD

    numbers: list[Any] = []
    numbered: list[Places] = []
    for name, read in _READ:
        rows = np.flatnonzero(kind == name)
        if len(rows):
            found, fits = read(data, values[rows] + 1, ends[rows])
            kind[rows[~fits]] = _ODD
            numbers += found[fits].tolist()
            numbered.append(rows[fits])
    odd = np.flatnonzero(kind == _ODD)
    for places in (keys, key_ends, texts):
        places[odd] = starts[odd]
    made = _Segments(content, np.stack((keys, key_ends, texts, ends), axis=1).ravel())
    segments = np.arange(len(pairs), dtype=np.intp) * 4
    key_segments, text_segments = segments, segments + 2
    missing = np.zeros(len(pairs), np.bool_)
    if numbers:
        text_segments[np.concatenate(numbered)] = made.add_numbers(numbers)
    if len(odd):
        which, taken = _parsed([pairs[row] for row in odd.tolist()])
        kind[odd] = np.array(taken.kind, np.uint8)[which]
        missing[odd] = np.array([each is None for each in taken.text], np.bool_)[which]
        key_segments = segments.copy()
        key_segments[odd] = made.add(map(kept, taken.key))[which]
        text_segments[odd] = made.add([kept(each or "") for each in taken.text])[which]
    array = made.array()
    key = array.take(pa.array(key_segments)).dictionary_encode()
    return (
        _dictionary(key),
        as_text(array.take(pa.array(text_segments, mask=missing if missing.any() else None))),
        kind,
    )


def _sized(data: NDArray[np.uint8], at: Places, ends: Places) -> tuple[Places, Marks]:
    """Return where something begins whose length stands at `at`, and whether it ends at `ends` by that length."""
    left = ends - at
    begins = at + 1
    fits = (data[at] == left - 1) & (left <= _MORE)
    for more in (1, 2):  # bytes of the length before its last
        size = left - more - 1
        rows = np.flatnonzero((size >= 1 << 7 * more) & (size < 1 << 7 * (more + 1)))
        if len(rows):
            first, size = at[rows], size[rows]
            begins[rows] += more
            same = data[first + more] == size >> 7 * more
            for place in range(more):
                same &= data[first + place] == (size >> 7 * place) & 0x7F | _MORE
            fits[rows] = same
    return begins, fits


def _truths(data: NDArray[np.uint8], at: Places, ends: Places) -> tuple[Marks, Marks]:
    return data[at] == 1, (ends - at == 1) & (data[at] <= 1)


def _integers(data: NDArray[np.uint8], at: Places, ends: Places) -> tuple[NDArray[np.int64], Marks]:
    """Return varints that reach up to `ends`, and which of them are some."""
    sizes = ends - at
    numbers = np.zeros(len(at), np.uint64)
    fits = (sizes > 0) & (sizes <= _INTEGER_BYTES)
    for place in range(min(int(sizes.max()), _INTEGER_BYTES)):
        byte = np.where(place < sizes, data[at + place], 0).astype(np.uint64)
        numbers |= (byte & np.uint64(0x7F)) << np.uint64(7 * place)
        fits &= (byte >= _MORE) == (place < sizes - 1)
    fits &= (sizes < _INTEGER_BYTES) | (data[at + _INTEGER_BYTES - 1] <= 1)  # of the tenth byte one bit is left
    return numbers.view(np.int64), fits


def _doubles(data: NDArray[np.uint8], at: Places, ends: Places) -> tuple[NDArray[np.float64], Marks]:
    numbers = data[at[:, None] + np.arange(_DOUBLE_BYTES)].view("<f8").ravel()
    return numbers, (ends - at == _DOUBLE_BYTES) & np.isfinite(numbers)


_READ: tuple[tuple[int, Callable[..., tuple[Any, Marks]]], ...] = (
    (BOOL, _truths),
    (INT, _integers),
    (DOUBLE, _doubles),
)


def _parsed(pairs: Sequence[bytes]) -> tuple[Places, Pairs]:
    """Return attributes of any layout, each distinct one once, and which of these each is."""
    distinct: dict[bytes, int] = {}
    which = np.array([distinct.setdefault(pair, len(distinct)) for pair in pairs], np.intp)
    taken = Pairs()
    for pair in distinct:
        if len(pair) > 4 * NESTED_VALUES:
            check_count(sum(map(pair.count, _ITEM_TAGS)), "values in one attribute", 4 * NESTED_VALUES)
        take(taken, 0, [parsed(_PAIR, pair)])
    return which, taken


class _Segments:
    """Pieces of bytes by number, to be put together in any order: every other one is a piece, the rest lies between."""

    def __init__(self, content: bytes, offsets: Places) -> None:
        self._contents = [content]
        self._offsets = [offsets]
        self._bytes = len(content)
        self._count = len(offsets)

    def add(self, texts: Iterable[str]) -> Places:
        """Return the numbers of added texts."""
        contents = [each.encode() for each in texts]
        ends = np.cumsum([len(each) for each in contents], dtype=np.intp)
        return self._add(b"".join(contents), np.append(0, ends[:-1]), ends)

    def add_numbers(self, numbers: Sequence[Any]) -> Places:
        """Return the numbers of the JSON texts of added numbers and truths."""
        content = msgspec.json.encode(numbers)
        commas = np.flatnonzero(np.frombuffer(content, np.uint8) == _COMMA)
        return self._add(content, np.append(0, commas) + 1, np.append(commas, len(content) - 1))

    def _add(self, content: bytes, begins: Places, ends: Places) -> Places:
        added = self._count + 2 * np.arange(len(begins))
        self._offsets.append(np.stack((begins, ends), axis=1).ravel() + self._bytes)
        self._count += 2 * len(begins)
        self._contents.append(content)
        self._bytes += len(content)
        return added

    def array(self) -> Any:
        """Return all of them."""
        check_count(self._bytes, "bytes", _MOST_BYTES)
        offsets = np.concatenate([*self._offsets, [self._bytes]]).astype(np.int32)
        content = self._contents[0] if len(self._contents) == 1 else b"".join(self._contents)
        buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(content)]
        return cast("Any", pa.Array).from_buffers(pa.binary(), len(offsets) - 1, buffers)


def as_text(array: Any) -> pa.StringArray:
    """Return UTF-8 as text; what is none becomes U+FFFD."""
    try:
        return array.cast(pa.string())
    except pa.ArrowInvalid:
        contents: list[bytes | None] = array.to_pylist()
        return text_column([None if content is None else text(content) for content in contents])


def _dictionary(key: Any) -> pa.DictionaryArray[Any, Any]:
    try:
        return cast("Any", pa.DictionaryArray).from_arrays(key.indices, key.dictionary.cast(pa.string()))
    except pa.ArrowInvalid:
        # Two keys may have become the same.
        return cast("Any", as_text(key.dictionary)).take(key.indices).dictionary_encode()
