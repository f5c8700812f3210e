"""Attributes by key: which of an owner's attributes holds what, for all owners at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from ingest.otel.decoded import Attributes

NOWHERE = -1
"""The place of an attribute that is not there."""

_SHORT, _LARGEST = 2**15, 2**62


class Worded(NamedTuple):
    """Values as words."""

    word: NDArray[np.int64]
    """The word at each place, `NOWHERE` at others."""
    words: list[str]

    def at(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the words at some places, `NOWHERE` at `NOWHERE`."""
        return np.where(places == NOWHERE, NOWHERE, self.word[places]) if len(self.word) else places


@dataclass(frozen=True, slots=True, eq=False)
class Keyed:
    """Attributes of some owners, each key once an owner: of a repeated one the last is kept.

    An attribute's place is its position here. One without a value, or with empty text, is as good as none, but for
    `maps`.
    """

    owners: int
    owner: NDArray[np.int32]
    text: pa.StringArray
    kind: NDArray[np.uint8]
    keys: Sequence[str]
    """The distinct ones; `code` says which of them an attribute has."""
    code: NDArray[np.int32]
    filled: NDArray[np.bool_]
    """Whether an attribute has a value that is not empty."""
    lacking: frozenset[str]
    """The keys of which not all are."""
    order: NDArray[np.int64]
    """Places by key, those of one key by owner."""
    ranges: Mapping[str, tuple[int, int]]
    """Key -> from where to where in `order`."""

    def places(self, key: str) -> NDArray[np.int64]:
        """Return where the values of a key are, by owner."""
        found = self.ranges.get(key)
        if found is None:
            return self.order[:0]
        places = self.order[found[0] : found[1]]
        return places[self.filled[places]] if key in self.lacking else places

    def first(self, keys: Iterable[str]) -> NDArray[np.int64]:
        """Return for each owner the place of the first of some keys that it has a value of, else `NOWHERE`."""
        first = np.full(self.owners, NOWHERE, np.int64)
        for key in reversed([key for key in keys if key in self.ranges]):
            places = self.places(key)
            first[self.owner[places]] = places
        return first

    def worded(self, keys: Iterable[str]) -> Worded:
        """Return the values of some keys as words; best where few words are said often."""
        word = np.full(len(self.owner), NOWHERE, np.int64)
        places = [self.places(key) for key in keys if key in self.ranges]
        if not places:
            return Worded(word, [])
        together = np.concatenate(places)
        word[together], words = encoded(self.taken(together))
        return Worded(word, words)

    def taken(self, places: NDArray[np.int64]) -> pa.StringArray:
        """Return the texts at some places, null for `NOWHERE`."""
        missing = places == NOWHERE
        return cast("Any", self.text).take(pa.array(places, mask=missing) if missing.any() else pa.array(places))

    def without(self, places: NDArray[np.int64]) -> Keyed:
        """Return the same attributes without the texts at some places; `NOWHERE` is none."""
        gone = np.zeros(len(self.owner), np.bool_)
        gone[places[places != NOWHERE]] = True
        # Not `if_else`: it would keep the bytes.
        text = cast("Any", self.text).take(pa.array(np.arange(len(gone)), mask=gone))
        return replace(self, text=text) if gone.any() else self

    def maps(self, among: NDArray[np.int32] | None = None) -> pa.MapArray[Any, Any]:
        """Return all attributes of each owner as a map; given `among`, those of the owner that each of it names."""
        offsets = np.zeros(self.owners + 1, np.int32)
        np.cumsum(np.bincount(self.owner, minlength=self.owners), out=offsets[1:])
        code, text = self.code, self.text
        if among is not None:
            lengths = np.diff(offsets)[among]
            ends = np.cumsum(lengths, dtype=np.int64)
            places = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(
                offsets[among] - (ends - lengths), lengths
            )
            code, text = code[places], cast("Any", text).take(pa.array(places))
            offsets = np.zeros(len(among) + 1, np.int32)
            offsets[1:] = ends
        names = cast("Any", pa.array(self.keys, pa.string())).take(pa.array(code))
        return cast("Any", pa.MapArray).from_arrays(pa.array(offsets), names, text)


def encoded(texts: pa.StringArray) -> tuple[NDArray[np.int64], list[str]]:
    """Return each text as a number, -1 for null, and the distinct texts in that order."""
    made = cast("Any", texts).dictionary_encode()
    indices = made.indices.fill_null(NOWHERE) if made.null_count else made.indices
    numbers = indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers, made.dictionary.to_pylist()


def combined(*columns: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return a number for each row, equal where the rows are; columns are of numbers from -1."""
    whole = np.zeros(len(columns[0]), np.int64)
    most = 1
    for column in columns:
        size = int(column.max(initial=0)) + 2
        if most * size >= _LARGEST:
            _, whole = np.unique(whole, return_inverse=True)
            most = len(whole) + 1
        whole = whole * size + (column + 1)
        most *= size
    return whole


def earliest(
    times: NDArray[np.int64], *columns: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return one row of those that are equal in all columns, the first, and the earliest time of these."""
    if not len(times):
        return np.zeros(0, np.int64), times
    whole = combined(*columns)
    order = np.argsort(whole, kind="stable")
    begins = np.flatnonzero(np.diff(whole[order], prepend=-1))
    return order[begins], np.minimum.reduceat(times[order], begins)


def keyed(attributes: Attributes, owners: int) -> Keyed:
    """Return attributes of some number of owners by key."""
    keys = cast("list[str]", attributes.key.dictionary.to_pylist())
    code = np.asarray(attributes.key.indices.to_numpy(zero_copy_only=False), np.int32)
    if len(set(keys)) < len(keys):  # two codes of one key
        number = {key: at for at, key in enumerate(dict.fromkeys(keys))}
        code = np.array([number[key] for key in keys], np.int32)[code]
        keys = list(number)
    owner, text, kind = attributes.owner, attributes.text, attributes.kind
    order = _by_code(code, len(keys))
    sorted_code, sorted_owner = code[order], owner[order]
    again = (sorted_code[1:] == sorted_code[:-1]) & (sorted_owner[1:] == sorted_owner[:-1])
    if again.any():
        last = np.ones(len(code), np.bool_)
        last[order[:-1][again]] = False
        owner, kind, code = owner[last], kind[last], code[last]
        text = text.filter(pa.array(last))
        order = _by_code(code, len(keys))
        sorted_code = code[order]
    bounds = np.searchsorted(sorted_code, np.arange(len(keys) + 1)).tolist()
    ranges = {key: (bounds[at], bounds[at + 1]) for at, key in enumerate(keys) if bounds[at] < bounds[at + 1]}
    filled = _filled(text)
    lacking = frozenset(keys[one] for one in cast("list[int]", np.unique(code[~filled]).tolist()))
    return Keyed(owners, owner, text, kind, keys, code, filled, lacking, order, ranges)


def _by_code(code: NDArray[np.int32], keys: int) -> NDArray[np.int64]:
    """Return the order of attributes by code; numpy sorts short integers in linear time."""
    return np.argsort(code.astype(np.int16) if keys <= _SHORT else code, kind="stable")


def _filled(text: pa.StringArray) -> NDArray[np.bool_]:
    lengths = np.asarray(pc.binary_length(text).fill_null(0).to_numpy(zero_copy_only=False))
    return lengths > 0
