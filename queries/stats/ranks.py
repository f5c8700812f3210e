"""Ranks of unit means: is a unit of one arm more often above one of the other than below?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from queries.stats.comparison import SMALLEST_P

if TYPE_CHECKING:
    from queries.stats.aggregates import Floats

EXACT = 8
"""The exact distribution is used while one arm has at most so many units and no two values are equal."""


def mann_whitney(first: Floats, second: Floats) -> float | None:
    """Return the two-sided p of the Mann-Whitney U test; None without units in an arm, or when all values are equal.

    Few units without ties: the exact distribution (Mann, Whitney 1947). Otherwise the normal approximation with
    corrections for ties and continuity. It tests another question than the report: not whether the means differ.
    """
    n, m = len(first), len(second)
    if min(n, m) == 0:
        return None
    values, place, counts = np.unique(np.concatenate([first, second]), return_inverse=True, return_counts=True)
    if len(values) == 1:
        return None
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]  # equal values share the mean of their ranks
    u = float(ranks[:n].sum()) - n * (n + 1) / 2
    u = max(u, n * m - u)
    if min(n, m) <= EXACT and len(values) == n + m:
        p = 2 * _above(n, m, round(u))
    else:
        ties = float((counts.astype(np.float64) ** 3 - counts).sum())
        sd = math.sqrt(n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1))))
        p = 2 * float(special.ndtr(-(u - n * m / 2 - 0.5) / sd))
    return min(1.0, max(p, SMALLEST_P))


def _above(n: int, m: int, u: int) -> float:
    """Return P(U >= u) when all orders are equally likely.

    The numbers of orders by U are the coefficients of the Gaussian binomial prod (1 - q^(m+i)) / (1 - q^i), i = 1..n.
    """
    few, many = min(n, m), max(n, m)
    orders = [1] + [0] * (n * m)  # Python's integers, for these outgrow a double's
    for i in range(1, few + 1):
        for at in range(n * m, many + i - 1, -1):
            orders[at] -= orders[at - many - i]
        for at in range(i, n * m + 1):
            orders[at] += orders[at - i]
    return sum(orders[u:]) / math.comb(n + m, n)
