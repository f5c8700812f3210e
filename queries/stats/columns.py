"""The statistics that SQL may call, for many groups at once: arrays in, one item a group, arrays out.

What cannot be told is NaN: too few rows, no variance, values that are no proportion. A comparison is `a` minus `b`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from queries.stats.aggregates import ROUNDING
from queries.stats.comparison import SMALLEST_P

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from queries.stats.aggregates import Floats

    Integers = NDArray[np.int64]


class Clusters(NamedTuple):
    """The mean over rows and how well it is known when units, not rows, are the sample."""

    units: Integers
    effective_units: Floats
    n: Integers
    mean: Floats
    se: Floats


def t_interval(mean: Floats, se: Floats, df: Floats, level: Floats) -> tuple[Floats, Floats]:
    """Return the ends of Student's t interval; NaN where there is no variance, or no degree of freedom."""
    known = (se > 0) & (df > 0)
    half = np.where(known, special.stdtrit(np.where(known, df, 1.0), (1 + level) / 2) * se, np.nan)
    return mean - half, mean + half


def wilson(successes: Floats, n: Floats, level: Floats) -> tuple[Floats, Floats]:
    """Return the ends of the score interval of a proportion (Wilson 1927)."""
    z = special.ndtri((1 + level) / 2)
    rate = successes / n
    centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    low = np.where(successes == 0, 0 * half, centre - half)  # exact, where rounding would leave a trace of half
    high = np.where(successes == n, 1 + 0 * half, centre + half)
    return low, high


def newcombe(
    successes_a: Floats, n_a: Floats, successes_b: Floats, n_b: Floats, level: Floats
) -> tuple[Floats, Floats]:
    """Return the ends of the interval of a difference of proportions (Newcombe 1998, method 10)."""
    a, b = successes_a / n_a, successes_b / n_b
    low_a, high_a = wilson(successes_a, n_a, level)
    low_b, high_b = wilson(successes_b, n_b, level)
    return a - b - np.hypot(a - low_a, high_b - b), a - b + np.hypot(high_a - a, b - low_b)


def proportions_p(successes_a: Floats, n_a: Floats, successes_b: Floats, n_b: Floats) -> Floats:
    """Return the two-sided p of two equal proportions: the pooled z, which is Pearson's chi-square of the 2x2 table."""
    pooled = (successes_a + successes_b) / (n_a + n_b)
    z = (successes_a / n_a - successes_b / n_b) / np.sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b))
    return np.maximum(2 * special.ndtr(-np.abs(z)), SMALLEST_P)


def clusters(group: Integers, groups: int, unit: Integers, x: Floats) -> Clusters:
    """Return `queries.stats.jackknife.estimate` of every group.

    Args:
        group: the group of each unit.
        groups: how many groups there are; one may have no unit.
        unit: the unit of each row.
        x: the value of each row.
    """
    runs = np.bincount(unit, minlength=len(group)).astype(np.float64)
    totals = _sums(unit, x, len(group))
    units, n = np.bincount(group, minlength=groups), _sums(group, runs, groups)
    mean = _sums(group, totals, groups) / n
    deviations = _sums(unit, x - mean[group][unit], len(group))
    deviations[_largest(deviations, group, groups)[group] <= ROUNDING * _largest(totals, group, groups)[group]] = 0.0
    variance = _sums(group, (deviations / (n[group] - runs)) ** 2, groups) * (units - 1) / units
    return Clusters(
        units=units,
        effective_units=n**2 / _sums(group, runs**2, groups),
        n=n.astype(np.int64),
        mean=mean,
        se=np.sqrt(variance),  # with one unit 0 / 0: nothing is left without it
    )


def _sums(group: Integers, values: Floats, groups: int) -> Floats:
    """Return the sum of each group's values."""
    return np.bincount(group, values, groups).astype(np.float64)


def _largest(values: Floats, group: Integers, groups: int) -> Floats:
    """Return the largest size of each group's values, 0 where it has none."""
    largest = np.zeros(groups)
    np.maximum.at(largest, group, np.abs(values))
    return largest


def sample_ratio_p(group: Integers, groups: int, observed: Floats, weights: Floats) -> Floats:
    """Return Pearson's chi-square p of each group's counts against its weights, one item a group and variant.

    Variants of weight 0 are left out with their degree of freedom. NaN with fewer than two others, without any count,
    or when a weight is negative or unknown.
    """
    kept = weights != 0
    bad = np.bincount(group, ~(weights >= 0), groups) > 0
    group, observed, weights = group[kept], observed[kept], weights[kept]
    total, whole = _sums(group, observed, groups), _sums(group, weights, groups)
    wanted = total[group] * weights / whole[group]
    statistic = _sums(group, (observed - wanted) ** 2 / wanted, groups)
    df = np.bincount(group, minlength=groups) - 1.0
    p = special.chdtrc(np.maximum(df, 1), statistic)
    return np.where(bad | (df < 1) | (total == 0), np.nan, np.maximum(p, SMALLEST_P))
