"""Times as sent, ISO 8601 or milliseconds since 1970, become microseconds since 1970 UTC."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
EARLIEST_US = (dt.datetime(1980, 1, 1, tzinfo=dt.UTC) - _EPOCH) // _MICROSECOND
LATEST_US = (dt.datetime(2100, 1, 1, tzinfo=dt.UTC) - _EPOCH) // _MICROSECOND
"""Times reach from `EARLIEST_US` up to, not including, `LATEST_US`."""

TIME = pa.timestamp("us", tz="UTC")


def instant(value: str | float) -> int:
    """Return microseconds since 1970 UTC; digits finer than that are dropped, a time without an offset is UTC.

    Raises:
        InputError: the value is no time, or not from 1980 up to 2100.
    """
    us = _parsed(value) if isinstance(value, str) else _from_milliseconds(value)
    if not EARLIEST_US <= us < LATEST_US:
        raise InputError(f"{_said(value)} must lie from 1980-01-01 up to 2100-01-01 UTC")
    return us


def instants(values: Sequence[str | float | None]) -> tuple[pa.Array[Any], list[tuple[int, str]]]:
    """Return a column of times, and (position, what is wrong) of those that are none; these are null in the column."""
    column = _all_texts(values) or _all_milliseconds(values)
    if column is not None:
        return column, []
    parsed: list[int | None] = []
    faults: list[tuple[int, str]] = []
    for position, value in enumerate(values):
        try:
            parsed.append(None if value is None else instant(value))
        except InputError as error:
            parsed.append(None)
            faults.append((position, error.message))
    return pa.array(parsed, TIME), faults


def _parsed(text: str) -> int:
    try:
        # A text of digits is more likely milliseconds than a date without hyphens: 2012010100000 would be both.
        moment = None if text.isdigit() else dt.datetime.fromisoformat(text.upper())
        if moment is not None:
            aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
            return (aware - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        pass
    raise InputError(f"{shown(text)} is no time: send ISO 8601 such as 2026-09-01T12:00:00Z, or epoch milliseconds")


def _from_milliseconds(value: float) -> int:
    us = value * 1000
    return round(us) if EARLIEST_US <= us < LATEST_US else 0  # it may be infinite, which cannot be rounded


def _said(value: str | float) -> str:
    return shown(value if isinstance(value, str) else str(value))


def _all_texts(values: Sequence[str | float | None]) -> pa.Array[Any] | None:
    """Return the column when every value is a time with an offset as Arrow reads it; None when any is not."""
    try:
        return _in_range(pa.array(values, pa.string()).cast(TIME))
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None


def _all_milliseconds(values: Sequence[str | float | None]) -> pa.Array[Any] | None:
    try:
        # As floating point, which holds microseconds up to 2100 exactly: to integers pyarrow would cut silently.
        microseconds = pc.multiply(pa.array(values, pa.float64()), 1000.0)
        return _in_range(microseconds.cast(pa.int64()).cast(TIME))
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return None


def _in_range(column: pa.Array[Any]) -> pa.Array[Any] | None:
    ends = pc.min_max(column.cast(pa.int64()))
    lowest, highest = ends["min"].as_py(), ends["max"].as_py()
    return column if lowest is None or (lowest >= EARLIEST_US and highest < LATEST_US) else None
