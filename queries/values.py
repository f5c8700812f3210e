"""Arrow values as JSON says them (DESIGN section 5): exact integers, times with Z, no NaN, maps as objects."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import pyarrow as pa

EXACT = 2**53
"""Integers beyond this are strings: JSON readers hold numbers as doubles."""

_EXACT_DIGITS = 15


def json_rows(rows: pa.Table) -> list[list[Any]]:
    """Return the rows of a table as lists of JSON values."""
    columns = [json_column(column) for column in rows.columns]
    return [list(row) for row in zip(*columns, strict=True)] if columns else []


def json_column(column: pa.ChunkedArray[Any] | pa.Array[Any]) -> list[Any]:
    """Return a column as JSON values."""
    kind: pa.DataType = column.type
    if pa.types.is_string(kind) or pa.types.is_boolean(kind) or pa.types.is_large_string(kind):
        return column.to_pylist()
    return [json_value(value) for value in _listed(column)]


def _listed(column: pa.ChunkedArray[Any] | pa.Array[Any]) -> list[Any]:
    try:
        return column.to_pylist(maps_as_pydicts="lossy")
    except TypeError:  # maps whose keys are lists or structs: pairs
        return column.to_pylist()


def json_value(value: Any) -> Any:  # noqa: C901, PLR0911, PLR0912 - one case a type
    """Return one value as JSON says it."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if -EXACT <= value <= EXACT else str(value)
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return _decimal(value)
        case dt.datetime():
            return _moment(value)
        case dt.date() | dt.time():
            return value.isoformat()
        case dt.timedelta():
            return str(value)
        case bytes():
            return value.hex()
        case pa.MonthDayNano():
            return _duration(*value)
        case dict():
            return {str(key): json_value(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case list():
            items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
            return [json_value(item) for item in items]
        case tuple():
            pair: tuple[Any, ...] = value  # pyright: ignore[reportUnknownVariableType]
            return [json_value(item) for item in pair]
        case _:
            return str(value)


def _decimal(value: Decimal) -> int | float | str:
    if value == value.to_integral_value() and value.as_tuple().exponent == 0:
        return json_value(int(value))
    return float(value) if len(value.as_tuple().digits) <= _EXACT_DIGITS else str(value)


def _duration(months: int, days: int, nanoseconds: int) -> str:
    """Return an interval as an ISO 8601 duration; a part of its own sign has it, as `P1M-2D`."""
    hours, rest = divmod(abs(nanoseconds), 3_600_000_000_000)
    minutes, rest = divmod(rest, 60_000_000_000)
    sign = "-" if nanoseconds < 0 else ""
    seconds = f"{rest / 1e9:.9f}".rstrip("0").rstrip(".")
    date = "".join(f"{value}{unit}" for value, unit in ((months, "M"), (days, "D")) if value)
    time = "".join(
        f"{sign}{value}{unit}"
        for value, unit in ((hours, "H"), (minutes, "M"), (seconds, "S"))
        if value != "0" and value
    )
    return f"P{date}{'T' if time else ''}{time}" if date or time else "PT0S"


def _moment(value: dt.datetime) -> str:
    utc = value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
    return utc.isoformat(timespec="microseconds" if utc.microsecond % 1000 else "milliseconds").replace("+00:00", "Z")
