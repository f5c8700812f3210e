"""Rows as Arrow: read from a stream of bytes, as Python values, as frames. Imported only where pyarrow is there."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from upshot._errors import Error, MissingPackageError, UnreachableError
from upshot._names import distinct

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    import polars as pl

_HUGEINT = pa.decimal128(38, 0)
"""How the engine hands over what `sum` makes of whole numbers."""

BROKEN = "the answer broke off before its end, or is no Arrow stream"


def opened(source: Any) -> pa.RecordBatchReader:
    """Return a reader of a stream: bytes, or something with `read`; raises UnreachableError when it is none."""
    try:
        return pa.ipc.open_stream(source)
    except (pa.ArrowInvalid, OSError) as error:
        raise UnreachableError(f"{BROKEN}: {error}") from error


def room(length: int) -> memoryview:
    """Return memory of Arrow's pool, which keeps what it was given: fresh pages cost more than what is put there."""
    return memoryview(_any(pa.allocate_buffer(length))).cast("B")


def facts(schema: pa.Schema) -> dict[str, Any]:
    """Return what the server says of the rows; raises Error when it says nothing."""
    told = (schema.metadata or {}).get(b"upshot")
    if told is None:
        raise Error("the Arrow stream does not say how many rows it has, as an Upshot server does")
    return json.loads(told)


def table(body: bytes | bytearray | memoryview) -> tuple[pa.Table, dict[str, Any]]:
    """Return the rows of a whole answer, without copying them, and its facts; raises Error when rows are missing."""
    reader = opened(pa.py_buffer(body))
    told = facts(reader.schema)
    schema = tidied(reader.schema)
    return pa.Table.from_batches([*batches(reader, schema, told["row_count"])], schema), told


def batches(reader: pa.RecordBatchReader, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the batches that have rows, under a tidied schema; raises UnreachableError unless there are `rows`."""
    seen = 0
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            break
        except (pa.ArrowInvalid, OSError) as error:
            raise UnreachableError(f"{BROKEN}: {error}") from error
        seen += batch.num_rows
        if batch.num_rows:
            columns = [column.view(type_) for column, type_ in zip(_columns(batch), schema.types, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)
    if seen != rows:
        raise UnreachableError(f"{BROKEN}: it has {seen} of {rows} rows")


def tidied(schema: pa.Schema) -> pa.Schema:
    """Return a schema of which no two names are equal, times in `UTC`, without the server's facts.

    The engine says `Etc/UTC`, which frames do not join or append to times in `UTC`.
    """
    utc = [
        pa.timestamp(kind.unit, "UTC") if pa.types.is_timestamp(kind) and kind.tz == "Etc/UTC" else kind
        for kind in schema.types
    ]
    return pa.schema([*zip(distinct(schema.names), utc, strict=True)])


def _columns(batch: pa.RecordBatch | pa.Table) -> list[Any]:
    return _any(batch).columns


def rows(batch: pa.RecordBatch | pa.Table) -> list[dict[str, Any]]:
    """Return rows with Python values: `upshot._values` has the same from JSON."""
    names = batch.schema.names
    columns = [_listed(column) for column in _columns(batch)]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _listed(column: Any) -> list[Any]:
    kind: pa.DataType = column.type
    if pa.types.is_timestamp(kind):
        if kind.unit == "ns":  # Python's own have microseconds
            column = column.cast(pa.timestamp("us", kind.tz), safe=False)
        if kind.tz == "UTC":  # without a look into a database of time zones, which not every machine has
            naive = column.cast(pa.timestamp("us")).to_pylist()
            return [moment and moment.replace(tzinfo=dt.UTC) for moment in naive]
    try:
        values = column.to_pylist(maps_as_pydicts="lossy")
    except TypeError:  # maps whose keys are lists or structs: pairs
        values = column.to_pylist()
    return [_plain(value) for value in values] if _has_wrapped(kind) else values


def _has_wrapped(kind: pa.DataType) -> bool:
    """Tell whether values of a type have parts that `_plain` changes."""
    if pa.types.is_interval(kind) or (isinstance(kind, pa.Decimal128Type) and kind.scale == 0):
        return True
    children: list[Any] = [_any(kind).field(at).type for at in range(kind.num_fields)]
    return any(_has_wrapped(child) for child in children)


def _any(value: Any) -> Any:
    return value


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {_plain(key): _plain(item) for key, item in _any(value).items()}
        case list():
            return [_plain(item) for item in _any(value)]
        case pa.MonthDayNano():
            return _duration(*value)
        case tuple():
            return tuple(_plain(item) for item in _any(value))
        case _:
            return int(value) if type(value).__name__ == "Decimal" and value.as_tuple().exponent == 0 else value


def _duration(months: int, days: int, nanoseconds: int) -> str:
    """Return an interval as ISO 8601, as the server's JSON has it: Python has no type for months."""
    hours, rest = divmod(abs(nanoseconds), 3_600_000_000_000)
    minutes, rest = divmod(rest, 60_000_000_000)
    sign = "-" if nanoseconds < 0 else ""
    seconds = f"{rest / 1e9:.9f}".rstrip("0").rstrip(".")
    date = "".join(f"{value}{unit}" for value, unit in ((months, "M"), (days, "D")) if value)
    time = "".join(f"{sign}{value}{unit}" for value, unit in ((hours, "H"), (minutes, "M")) if value)
    time += f"{sign}{seconds}S" if seconds != "0" else ""
    return f"P{date}{'T' if time else ''}{time}" if date or time else "PT0S"


def _whole(rows: pa.Table) -> pa.Table:
    """Return rows whose sums of whole numbers are 64-bit integers where they fit, for frames know no larger ones."""
    for at, (name, kind) in enumerate(zip(rows.schema.names, rows.schema.types, strict=True)):
        if kind == _HUGEINT:
            try:
                rows = rows.set_column(at, name, _any(rows.column(at)).cast(pa.int64()))
            except pa.ArrowInvalid:  # too large: they stay decimals, which are exact
                continue
    return rows


def polars(rows: pa.Table) -> pl.DataFrame:
    """Return a frame of polars."""
    try:
        import polars as pl  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise missing("polars", "polars") from error
    for name, kind in zip(rows.schema.names, rows.schema.types, strict=True):
        if pa.types.is_interval(kind):
            raise Error(
                f"column {name!r} is an interval, and polars has none with months",
                hint=f'select "{name}"::VARCHAR, or the difference of two times in seconds',
            )
    frame = pl.from_arrow(_whole(rows))
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - of a table
    return frame


def pandas(rows: pa.Table) -> pd.DataFrame:
    """Return a frame of pandas; whole numbers with nulls have its nullable types, so that no digit is lost."""
    try:
        import pandas as pd  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise missing("pandas", "pandas") from error
    rows = _whole(rows)
    frame = rows.to_pandas()
    for name, column in zip(rows.column_names, _columns(rows), strict=True):
        if column.null_count and pa.types.is_integer(column.type):
            kind = str(column.type).replace("int", "Int").replace("uI", "UI")
            frame[name] = pd.array(column.to_pylist(), dtype=_any(kind))
    return frame


def missing(package: str, extra: str) -> MissingPackageError:
    """Return the error for a form that needs a package that is not here."""
    return MissingPackageError(f"{package} is not installed", hint=f"pip install 'upshot[{extra}]'")
