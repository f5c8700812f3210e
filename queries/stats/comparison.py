"""Two arms against one another: the t test over units, over pairs of units, and the usual one over runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from queries.stats.aggregates import ROUNDING, Difference, Estimate, Moments

if TYPE_CHECKING:
    from queries.stats.aggregates import Floats

SMALLEST_P = float(np.finfo(np.float64).tiny)
"""A p-value is never 0: below this one it cannot be told from it."""


def satterthwaite(first: float, first_df: float, second: float, second_df: float) -> float:
    """Return the degrees of freedom of a sum of two independent variances (Satterthwaite 1946; Welch 1947)."""
    whole = first + second  # shares of it, so that squares neither overflow nor vanish
    parts = sum(v / whole * (v / whole) / df for v, df in ((first, first_df), (second, second_df)) if v > 0 and df > 0)
    return 1 / parts if parts > 0 else 0.0


def independent(first: Estimate | None, second: Estimate | None) -> Difference | None:
    """Return first minus second for arms without common units; None when either has fewer than two units.

    t with Satterthwaite's degrees of freedom, effective units standing for the number of units; with one run a unit
    this is Welch's test.
    """
    if first is None or second is None or first.variance is None or second.variance is None:
        return None
    return Difference(
        value=first.mean - second.mean,
        variance=first.variance + second.variance,
        df=satterthwaite(first.variance, first.df, second.variance, second.df),
        units=first.units + second.units,
        effective_units=min(first.effective_units, second.effective_units),
        method="jackknife_t",
    )


def paired(first: Floats, second: Floats) -> Difference | None:
    """Return the mean of the differences of paired unit means; None with fewer than two pairs.

    Student's paired t: every unit is its own control, and counts once.
    """
    count = len(first)
    if count < 2:  # noqa: PLR2004 - a variance needs two
        return None
    differences = first - second
    mean = float(differences.mean())
    deviations = differences - mean
    largest = max(float(np.abs(first).max()), float(np.abs(second).max()))
    steady = float(np.abs(deviations).max()) <= ROUNDING * largest
    return Difference(
        value=mean,
        variance=0.0 if steady else float((deviations**2).sum()) / (count - 1) / count,
        df=count - 1,
        units=count,
        effective_units=count,
        method="paired_t",
    )


def per_run(first: Moments, second: Moments) -> Difference | None:
    """Return Welch's t over single runs, as if each were a unit: shown beside the report, never decides."""
    if first.variance is None or second.variance is None:
        return None
    first_part, second_part = first.variance / first.count, second.variance / second.count
    return Difference(
        value=first.mean - second.mean,
        variance=first_part + second_part,
        df=satterthwaite(first_part, first.count - 1, second_part, second.count - 1),
        units=first.count + second.count,
        effective_units=min(first.count, second.count),
        method="welch_runs",
    )


def t_quantile(probability: float, df: float) -> float:
    """Return the quantile of Student's t."""
    return float(special.stdtrit(df, probability))


def interval(value: float, variance: float, df: float, alpha: float) -> tuple[float, float]:
    """Return the two-sided t interval at confidence 1 - alpha."""
    half = t_quantile(1 - alpha / 2, df) * float(np.sqrt(variance))
    return value - half, value + half


def p_value(difference: Difference) -> float | None:
    """Return the two-sided p of no difference; None when there is no variance to hold it against."""
    if not difference.testable:
        return None
    t = abs(difference.value) / difference.standard_error
    return max(float(2 * special.stdtr(difference.df, -t)), SMALLEST_P)
