"""Time as an argument: everything that needs "now" takes a Clock, so that tests can stop and move it."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Returns microseconds since 1970-01-01 UTC."""


def system_clock() -> int:
    """Return the machine's time in microseconds."""
    return time.time_ns() // 1_000


def iso(us: int) -> str:
    """Return microseconds since the epoch as ISO 8601 with Z."""
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=us)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
