"""What the lists share of their options: the size of a page, times, text that is looked for."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from queries.parameters import Parameter
from queries.values import json_value
from warehouse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE_ROWS = 50
MOST_ROWS = 500

PAGED = (Parameter("limit", "integer", required=False), Parameter("cursor", "text", required=False))
TIMES = (Parameter("from", "timestamp", required=False), Parameter("to", "timestamp", required=False))
"""From a time (inclusive) to a time (exclusive)."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def page_rows(given: Mapping[str, Any], default: int = PAGE_ROWS, most: int = MOST_ROWS) -> int:
    """Return the rows of a page; raises InputError beyond the bounds."""
    limit = given.get("limit")
    if limit is None:
        return default
    if not 1 <= limit <= most:
        raise InputError(f"limit is {limit}, must be 1 to {most}")
    return limit


def microseconds(given: Mapping[str, Any], name: str) -> int | None:
    """Return a time in microseconds since 1970; None when not given."""
    value = given.get(name)
    return None if value is None else (dt.datetime.fromisoformat(value) - _EPOCH) // dt.timedelta(microseconds=1)


def moment(us: int) -> str:
    """Return microseconds since 1970 as bodies say a time."""
    return json_value(_EPOCH + dt.timedelta(microseconds=us))
