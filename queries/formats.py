"""The forms of an answer: record batches -> bytes, a batch at a time, so that memory stays flat.

Values are told as DESIGN section 5 says for JSON; in NDJSON and CSV they are the same texts. Arrow and Parquet carry
DuckDB's own types, and the facts of the answer (rows, truncated, snapshot) in their metadata under `upshot`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from queries.values import json_column

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from queries.spool import Spool

Facts = dict[str, Any]

ARROW_STREAM = "application/vnd.apache.arrow.stream"
"""Media type of an Arrow IPC stream."""

MEDIA_TYPES: Mapping[str, str] = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "arrow": ARROW_STREAM,
    "parquet": "application/vnd.apache.parquet",
}
"""Format -> media type of its answers."""

ACCEPTED: Mapping[str, str] = {
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "text/csv": "csv",
    ARROW_STREAM: "arrow",
    "application/vnd.apache.parquet": "parquet",
    "application/x-parquet": "parquet",
}
"""What an Accept header may name -> format."""


class Writer(Protocol):
    """Writes one answer."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Append some rows."""
        ...

    def finish(self, facts: Facts) -> bytes:
        """End the answer; returns what goes before everything that was written."""
        ...


class _Json:
    """One object: the columns with DuckDB's types, the rows as lists, then the facts."""

    def __init__(self, sink: Spool, schema: pa.Schema, types: Sequence[str]) -> None:
        columns = [{"name": name, "type": type_} for name, type_ in zip(schema.names, types, strict=True)]
        self._sink = sink
        self._sink.write(b'{"columns":' + msgspec.json.encode(columns) + b',"rows":[')
        self._separator = b""

    def write(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows:
            self._sink.write(self._separator + msgspec.json.encode(_rows(batch))[1:-1])
            self._separator = b","

    def finish(self, facts: Facts) -> bytes:
        rest = msgspec.json.encode(facts)[1:]
        self._sink.write(b"]" + (b"," if len(rest) > 1 else b"") + rest)
        return b""


class _Ndjson:
    """One object a row."""

    def __init__(self, sink: Spool, schema: pa.Schema, types: Sequence[str]) -> None:
        del types
        self._sink = sink
        self._names = distinct(schema.names)
        self._encoder = msgspec.json.Encoder()

    def write(self, batch: pa.RecordBatch) -> None:
        names = self._names
        self._sink.write(self._encoder.encode_lines(dict(zip(names, row, strict=True)) for row in _rows(batch)))

    def finish(self, facts: Facts) -> bytes:
        del facts
        return b""


class _Csv:
    """RFC 4180 with a header; null is an empty field, an empty text is quoted; other values are the texts of JSON."""

    def __init__(self, sink: Spool, schema: pa.Schema, types: Sequence[str]) -> None:
        del types
        self._columns = _Columns(schema, _is_plain)
        self._writer = arrow_csv.CSVWriter(_any(sink), self._columns.schema) if schema.names else None

    def write(self, batch: pa.RecordBatch) -> None:
        if self._writer is not None:
            self._writer.write(self._columns.of(batch))

    def finish(self, facts: Facts) -> bytes:
        del facts
        if self._writer is not None:
            self._writer.close()
        return b""


class _Arrow:
    """An Arrow IPC stream. Its schema, which holds the facts, is made last and goes first: messages are independent.

    Beside the facts stand the engine's `types` of the columns: Arrow's own do not tell JSON or a UUID from text.
    """

    def __init__(self, sink: Spool, schema: pa.Schema, types: Sequence[str]) -> None:
        self._types = types
        self._sink = sink
        self._schema = schema
        self._writer = pa.ipc.new_stream(_any(_Behind(sink, len(schema.serialize()))), schema)

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)

    def finish(self, facts: Facts) -> bytes:
        self._writer.close()
        said = msgspec.json.encode({**facts, "types": list(self._types)}).decode()
        told = self._schema.with_metadata({"upshot": said})
        return told.serialize().to_pybytes()


class _Behind:
    """A stream without its first bytes."""

    closed = False

    def __init__(self, sink: Spool, skip: int) -> None:
        self._sink = sink
        self._skip = skip

    def write(self, data: bytes) -> int:
        count = len(data)
        skipped = min(self._skip, count)
        self._skip -= skipped
        if skipped < count:
            self._sink.write(memoryview(data)[skipped:])
        return count

    def writable(self) -> bool:
        return True

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


class _Parquet:
    """A Parquet file, compressed with zstd; what it has no type for (intervals, unions) is text as in JSON."""

    def __init__(self, sink: Spool, schema: pa.Schema, types: Sequence[str]) -> None:
        del types
        self._columns = _Columns(schema, _fits_parquet)
        self._writer = pq.ParquetWriter(_any(sink), self._columns.schema, compression="zstd")

    def write(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows:
            self._writer.write_batch(self._columns.of(batch))

    def finish(self, facts: Facts) -> bytes:
        self._writer.add_key_value_metadata({"upshot": msgspec.json.encode(facts).decode()})
        self._writer.close()
        return b""


class Rows:
    """Keeps the rows instead, for questions a worker asks itself."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []

    def begin(self, schema: pa.Schema, types: Sequence[str]) -> Rows:
        """Return itself, whatever the columns are."""
        del schema, types
        return self

    def write(self, batch: pa.RecordBatch) -> None:
        """See `Writer.write`."""
        self.rows += _rows(batch)

    def finish(self, facts: Facts) -> bytes:
        """See `Writer.finish`."""
        del facts
        return b""


class _Columns:
    """Turns columns a format has no type for into texts, and gives every column a name of its own."""

    def __init__(self, schema: pa.Schema, fits: Callable[[pa.DataType], bool]) -> None:
        self._fits = [fits(kind) for kind in schema.types]
        kinds = [kind if plain else pa.string() for kind, plain in zip(schema.types, self._fits, strict=True)]
        self.schema = pa.schema([*zip(distinct(schema.names), kinds, strict=True)])

    def of(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return a batch with these columns."""
        arrays: list[Any] = [
            column if plain else pa.array([_text(value) for value in json_column(column)], pa.string())
            for column, plain in zip(_any(batch).columns, self._fits, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


_WRITERS: Mapping[str, Any] = {"json": _Json, "ndjson": _Ndjson, "csv": _Csv, "arrow": _Arrow, "parquet": _Parquet}


def writer(format_: str, sink: Spool, schema: pa.Schema, types: Sequence[str]) -> Writer:
    """Return what writes an answer with these columns in a format; `types` are DuckDB's names."""
    return _WRITERS[format_](sink, schema, types)


def distinct(names: Sequence[str]) -> list[str]:
    """Return column names of which no two are equal: the second `n` is `n_2`."""
    taken: set[str] = set()
    made: list[str] = []
    for name in names:
        unique, number = name, 1
        while unique in taken or (number > 1 and unique in names):
            number += 1
            unique = f"{name}_{number}"
        taken.add(unique)
        made.append(unique)
    return made


def _any(value: Any) -> Any:
    """Return `value`: pyarrow's stubs do not know every file and column."""
    return value


def _rows(batch: pa.RecordBatch) -> list[tuple[Any, ...]]:
    columns = [json_column(column) for column in _any(batch).columns]
    return list(zip(*columns, strict=True)) if columns else []


def _is_plain(kind: pa.DataType) -> bool:
    """Tell whether Arrow's own CSV text of a type is that of JSON."""
    return (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_boolean(kind)
    )


def _fits_parquet(kind: pa.DataType) -> bool:
    """Tell whether Parquet has a type for values of this one."""
    children: list[Any] = [_any(kind).field(at).type for at in range(kind.num_fields)]
    if pa.types.is_union(kind) or pa.types.is_interval(kind):
        return False
    return all(_fits_parquet(child) for child in children)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
