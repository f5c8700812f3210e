"""What the experiment could have found so far, and how many more units a difference would need."""

from __future__ import annotations

import math

from queries.stats.comparison import t_quantile

POWER = 0.8


def smallest_detectable(standard_error: float, df: float, alpha: float) -> float:
    """Return the true difference found in 80 % of such experiments: (t_{1-alpha/2} + t_{0.8}) * se (Bloom 1995)."""
    return (t_quantile(1 - alpha / 2, df) + t_quantile(POWER, df)) * standard_error


def units_needed(units: int, detectable: float, wanted: float) -> int | None:
    """Return how many units more make `wanted` (above 0) detectable: the error falls as one over their root."""
    ratio = detectable / wanted
    wanted_units = units * ratio * ratio
    return max(0, math.ceil(wanted_units) - units) if math.isfinite(wanted_units) else None
