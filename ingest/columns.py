"""Columns of the records of one type: built as Arrow arrays and checked at once, keeping each record's first fault."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from ingest.explain import nearest
from ingest.records import NULL
from ingest.texts import ID, SESSION_ID, SESSION_KEY
from ingest.times import TIME, instants
from ingest.verdict import Code, Rejection
from warehouse.errors import SHOWN, shown
from warehouse.schema import FILE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ingest.records import Moment, Sessions
    from ingest.texts import TextRule

_PAIRS = pa.map_(pa.string(), pa.string())
LARGEST_INTEGER = 2**31 - 1
_OBJECT_BEGINS, _NULL_BEGINS, _BREAK = b"{n\n"
_RAWS = msgspec.json.Decoder(list[Raw])


@dataclass(frozen=True, slots=True)
class Pairs:
    """Session pairs of many records, laid out flat."""

    rows: list[int]
    """The row each pair belongs to, rising."""
    keys: list[str]
    ids: list[str]
    column: pa.Array[Any]


@dataclass(slots=True)
class Checked:
    """Builds the columns of some records and remembers, by row, the first thing wrong with each.

    A faulty value stays in its column or is null there; `batch` leaves the whole row out.
    """

    indices: Sequence[int]
    """The place of each row's record in the request."""
    faults: dict[int, Rejection] = field(default_factory=dict[int, Rejection])

    @property
    def rows(self) -> int:
        """Return how many records there are, faulty ones included."""
        return len(self.indices)

    def refuse(self, row: int, code: Code, name: str, message: str) -> None:
        """Remember that a row is faulty; the first reason stays."""
        self.faults.setdefault(row, Rejection(self.indices[row], code, name[:SHOWN], message))

    def refuse_where(self, where: NDArray[np.bool_], code: Code, name: str, message: str) -> None:
        """Remember one fault of all rows that `where` marks."""
        for row in np.flatnonzero(where):
            self.refuse(int(row), code, name, message)

    def text(self, name: str, values: Sequence[str | None], rule: TextRule) -> pa.StringArray:
        """Return a column of text that keeps a rule; null where nothing was sent."""
        if values == [None] * len(values):
            return pa.nulls(len(values), pa.string())
        column = pa.array(values, pa.string())
        for row, fault in rule.faults(values, column):
            self.refuse(row, "bad_parameter", name, f"{name} {fault}")
        return column

    def choice(self, name: str, values: Sequence[str | None], allowed: tuple[str, ...]) -> pa.StringArray:
        """Return a column of words out of a few."""
        strange = set(values) - {None, *allowed}
        if strange:
            for row, value in enumerate(values):
                if value is not None and value in strange:
                    bound = f"must be one of {', '.join(allowed)}{nearest(value, allowed)}"
                    self.refuse(row, "bad_parameter", name, f"{name} is {shown(value)}, {bound}")
        return pa.array(values, pa.string())

    def time(self, name: str, values: Sequence[Moment]) -> pa.Array[Any]:
        """Return a column of times."""
        if values == [None] * len(values):
            return pa.nulls(len(values), TIME)
        column, faults = instants(values)
        for row, fault in faults:
            self.refuse(row, "bad_parameter", name, f"{name} {fault}")
        return column

    def count(self, name: str, values: Sequence[int | None]) -> pa.Int32Array:
        """Return a column of whole numbers from 0, which stands for null too."""
        numbers = [value or 0 for value in values]
        if any(numbers) and not (min(numbers) >= 0 and max(numbers) <= LARGEST_INTEGER):
            for row, number in enumerate(numbers):
                if not 0 <= number <= LARGEST_INTEGER:
                    said = shown(str(number))
                    self.refuse(row, "bad_parameter", name, f"{name} is {said}, must be 0 to {LARGEST_INTEGER}")
                    numbers[row] = 0
        return pa.array(numbers, pa.int32())

    def objects(self, name: str, values: Sequence[Raw], *, required: bool = False) -> pa.StringArray:
        """Return the compact text of JSON objects; null where null or nothing was sent."""
        texts = _compacted(values)
        there = present(texts)
        strange = there & (_first_bytes(texts) != _OBJECT_BEGINS)
        for row in np.flatnonzero(strange | ~there if required else strange):
            text = cast("str | None", texts[int(row)].as_py())
            said = "null" if text is None else shown(text[: SHOWN + 1])
            self.refuse(int(row), "malformed", name, f"{name} is {said}, must be a JSON object")
        return texts

    def attributes(self, name: str, values: Sequence[Raw]) -> pa.ExtensionArray[Any]:
        """Return a JSON column of objects in which `{}` is as good as nothing: it must not replace what is known."""
        texts = self.objects(name, values)
        empty = pc.equal(texts, pa.scalar("{}"))
        if pc.any(empty).as_py():
            texts = pc.if_else(empty, pa.scalar(None, pa.string()), texts)
        return documents(texts)

    def pairs(self, name: str, values: Sequence[Sessions], most: int) -> Pairs:
        """Return session pairs, ids as text, at most `most` a record; `{}` is as good as nothing."""
        if not any(values):
            return Pairs([], [], [], pa.nulls(len(values), _PAIRS))
        rows: list[int] = []
        keys: list[str] = []
        ids: list[str] = []
        for row, sessions in enumerate(values):
            if sessions:
                if len(sessions) > most:
                    bound = "exactly 1 is" if most == 1 else f"at most {most} are"
                    self.refuse(row, "bad_parameter", name, f"{name} has {len(sessions)} pairs, {bound} allowed")
                for key, id_ in sessions.items():
                    rows.append(row)
                    keys.append(key)
                    ids.append(id_ if isinstance(id_, str) else number_text(id_))
        key_column, id_column = pa.array(keys, pa.string()), pa.array(ids, pa.string())
        for pair, fault in SESSION_KEY.faults(keys, key_column):
            self.refuse(rows[pair], "bad_parameter", name, f"a key of {name} {fault}")
        for pair, fault in SESSION_ID.faults(ids, id_column):
            path = f"{name}.{keys[pair]}"
            self.refuse(rows[pair], "bad_parameter", path, f"{shown(path)}: the id {fault}")
        offsets = _offsets(rows, len(values))
        return Pairs(rows, keys, ids, cast("Any", pa.MapArray).from_arrays(offsets, key_column, id_column))

    def ids(self, name: str, values: Sequence[Sequence[str] | None]) -> pa.ListArray[Any]:
        """Return a column of lists of ids; `[]` is as good as nothing."""
        if not any(values):
            return pa.nulls(len(values), pa.list_(pa.string()))
        flat = [text for texts in values if texts for text in texts]
        rows = [row for row, texts in enumerate(values) if texts for _ in texts]
        column = pa.array(flat, pa.string())
        for place, fault in ID.faults(flat, column):
            self.refuse(rows[place], "bad_parameter", name, f"an id of {name} {fault}")
        return pa.ListArray.from_arrays(_offsets(rows, len(values)), column)

    def batch(self, table: str, columns: Mapping[str, pa.Array[Any]], received_at_us: int) -> pa.RecordBatch:
        """Return the rows without a fault as a batch of a file table."""
        made = batch(table, columns, self.rows, received_at_us)
        if not self.faults:
            return made
        keep = np.ones(self.rows, np.bool_)
        keep[list(self.faults)] = False
        return made.filter(pa.array(keep))


def batch(table: str, columns: Mapping[str, pa.Array[Any]], rows: int, received_at_us: int) -> pa.RecordBatch:
    """Return a batch of exactly the arriving columns of a file table.

    Columns that are not given are null, but for the time of receipt and `_given`, which is false.
    """
    schema = FILE[table].arriving
    received = pa.repeat(pa.scalar(received_at_us, TIME), rows)
    unsaid = {"received_at": received, "_received_at": received, "_given": pa.repeat(pa.scalar(value=False), rows)}
    filled: dict[str, pa.Array[Any]] = {**unsaid, **columns}
    arrays = [
        filled[name] if name in filled else _nulls(kind, rows)
        for name, kind in zip(schema.names, schema.types, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def or_now(times: pa.Array[Any], now_us: int) -> pa.Array[Any]:
    """Return times with `now_us` (microseconds since 1970) where there is none."""
    return times.fill_null(pa.scalar(now_us, TIME)) if times.null_count else times


def present(column: pa.Array[Any]) -> NDArray[np.bool_]:
    """Return which rows have a value."""
    return np.asarray(column.is_valid().to_numpy(zero_copy_only=False), np.bool_)


def payloads(values: Sequence[Raw]) -> pa.ExtensionArray[Any]:
    """Return a JSON column of anything: compact, otherwise as sent; null where null or nothing was sent."""
    return documents(_compacted(values))


def documents(texts: Sequence[bytes | None] | pa.StringArray) -> pa.ExtensionArray[Any]:
    """Return JSON texts as a column."""
    column = texts if isinstance(texts, pa.StringArray) else pa.array(texts, pa.string())
    return cast("pa.ExtensionArray[Any]", pa.ExtensionArray.from_storage(pa.json_(), column))


def number_text(number: float) -> str:
    """Return a session id that was sent as a number: 1 and 1.0 are the id "1"."""
    return str(int(number)) if number == int(number) else repr(number)


def _offsets(owners: Sequence[int], rows: int) -> Any:
    """Return where each row's items begin, given the rows (rising) that own the items; a row without any is null."""
    counts = np.bincount(np.array(owners, np.int64), minlength=rows)
    ends = np.cumsum(counts, dtype=np.int32)
    return pa.array(np.append(ends - counts, len(owners)).astype(np.int32), mask=np.append(counts == 0, values=False))


def _nulls(kind: pa.DataType, rows: int) -> pa.Array[Any]:
    return documents(pa.nulls(rows, pa.string())) if kind == pa.json_() else cast("Any", pa).nulls(rows, kind)


def _compacted(values: Sequence[Raw]) -> pa.StringArray:
    """Return JSON texts without white space between their tokens, which stay as sent; null where null."""
    if all(value is NULL for value in values):
        return pa.nulls(len(values), pa.string())
    content = b"".join(values)
    if _has_space(content):
        try:
            values = _RAWS.decode(msgspec.json.format(msgspec.json.encode(values), indent=-1))
            content = b"".join(values)
        except RecursionError:
            return pa.array([_compact(bytes(value)) for value in values], pa.string())
    if b"\n" in content:  # inside a string, where the decoder lets it pass
        return pa.array([_compact(bytes(value)) for value in values], pa.string())
    # Joined once more with line breaks between: where these stand says how long each text is.
    text = np.frombuffer(b"\n".join(values), np.uint8)
    ends = np.append(np.flatnonzero(text == _BREAK), len(text))
    lengths = np.diff(ends, prepend=-1) - 1
    valid = text[ends - lengths] != _NULL_BEGINS
    if not valid.all():
        lengths[~valid] = 0
        content = b"".join(itertools.compress(values, valid.tolist()))
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    bits = pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(offsets.tobytes()), pa.py_buffer(content), bits)


def _has_space(text: bytes) -> bool:
    return b" " in text or b"\n" in text or b"\t" in text or b"\r" in text


def _compact(text: bytes) -> bytes | None:
    if text == b"null":
        return None
    if _has_space(text):
        try:
            return msgspec.json.format(text, indent=-1)
        except RecursionError:  # nested so deeply that it could just be decoded
            return text
    return text


def _first_bytes(column: pa.StringArray) -> NDArray[np.uint8]:
    """Return the first byte of each text; any byte where there is none."""
    _, offsets, data = column.buffers()
    if offsets is None or not data:
        return np.zeros(len(column), np.uint8)
    content = np.frombuffer(memoryview(data), np.uint8)
    return content[np.minimum(np.frombuffer(memoryview(offsets), np.int32)[: len(column)], len(content) - 1)]
