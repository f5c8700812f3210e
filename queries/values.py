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


def json_column(column: pa.ChunkedArray[Any]) -> list[Any]:
    """Return a column as JSON values."""
    kind: pa.DataType = column.type
    values: list[Any] = column.to_pylist()
    if pa.types.is_string(kind) or pa.types.is_boolean(kind) or pa.types.is_large_string(kind):
        return values
    return [json_value(value) for value in values]


def json_value(value: Any) -> Any:  # noqa: C901, PLR0911 - one case a type
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
        case dict():
            return {str(key): json_value(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case list():
            items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
            if items and all(isinstance(item, tuple) for item in items):  # Arrow gives a map as pairs
                return {str(key): json_value(item) for key, item in items}
            return [json_value(item) for item in items]
        case _:
            return str(value)


def _decimal(value: Decimal) -> int | float | str:
    if value == value.to_integral_value() and value.as_tuple().exponent == 0:
        return json_value(int(value))
    return float(value) if len(value.as_tuple().digits) <= _EXACT_DIGITS else str(value)


def _moment(value: dt.datetime) -> str:
    utc = value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
    return utc.isoformat(timespec="microseconds" if utc.microsecond % 1000 else "milliseconds").replace("+00:00", "Z")
