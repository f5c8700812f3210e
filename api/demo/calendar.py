"""When the demo's runs happen: a week's rhythm of office hours, laid over the days before now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

_THURSDAY = 3
"""1970-01-01 was a Thursday; weekdays count from Monday = 0."""
_HOURS = np.array([2, 1, 1, 1, 1, 2, 4, 8, 14, 18, 20, 19, 16, 17, 18, 17, 15, 12, 9, 8, 7, 6, 4, 3], dtype=np.float64)
_WEEKDAYS = np.array([1.15, 1.05, 1.0, 1.0, 0.9, 0.35, 0.3], dtype=np.float64)


def starts(moments: npt.NDArray[np.float64], now_ms: int, days: int) -> npt.NDArray[np.int64]:
    """Return the times, in milliseconds since 1970, at which the given shares of the traffic have passed.

    The span is the `days` before `now_ms`. As the rhythm repeats every week, whole weeks hold the same share of the
    traffic wherever they begin: of 21 days, the first 14 hold two thirds for every `now_ms`, to the run. That keeps
    the runs that a seven-day maturity lets in, and so the verdicts, the same on every day of the year.
    """
    begin = now_ms - days * DAY_MS
    whole_hours = np.arange(begin // HOUR_MS + 1, now_ms // HOUR_MS + 1, dtype=np.int64) * HOUR_MS
    edges: npt.NDArray[np.int64] = np.unique(np.concatenate(([begin], whole_hours, [now_ms])))
    hours = edges[:-1] // HOUR_MS
    intensity = _HOURS[hours % 24] * _WEEKDAYS[(hours // 24 + _THURSDAY) % 7]
    passed: npt.NDArray[np.float64] = np.concatenate(([0.0], np.cumsum(intensity * np.diff(edges))))
    return np.interp(moments, passed / passed[-1], edges.astype(np.float64)).astype(np.int64)
