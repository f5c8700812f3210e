"""Two shares of true among units that have one run each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import special

from queries.stats.columns import newcombe, proportions_p
from queries.stats.comparison import SMALLEST_P
from queries.stats.ratio import SMALLEST_EXPECTED

if TYPE_CHECKING:
    from queries.stats.aggregates import Floats
    from queries.stats.columns import Integers

MOST_UNITS = 1_500
"""Units of both arms above which Fisher's test is made where Boschloo's would be: that takes a tenth of a second."""

_PER_WIDTH = 8
"""Points of the search for the worst common share, per standard deviation of an observed one."""
_TRIED = 4
"""Best points around which the search is made finer."""
_FINER = 81
"""Points from the neighbour before to the neighbour after such a point."""
_SAME = 1 + 1e-9
"""Probabilities closer than this are the same but for rounding."""


@dataclass(frozen=True, slots=True)
class Proportions:
    """The test of two equal shares."""

    p: float
    method: Literal["pooled_z", "boschloo", "randomization"]


def proportions(successes_a: int, n_a: int, successes_b: int, n_b: int) -> Proportions | None:
    """Return the test of share a against share b; None without units, or when all are true or all are false.

    Pooled z, that is Pearson's chi-square of the 2x2 table; when an expected count is below 5 Boschloo's exact test
    (1970), and where that is too large Fisher's, the randomisation test of a 2x2 table.
    """
    successes, n = successes_a + successes_b, n_a + n_b
    if min(n_a, n_b) == 0 or successes in {0, n}:
        return None
    method: Literal["pooled_z", "boschloo", "randomization"] = "pooled_z"
    if min(n_a, n_b) * min(successes, n - successes) < SMALLEST_EXPECTED * n:
        method = "boschloo" if n <= MOST_UNITS else "randomization"
    if method == "pooled_z":
        p = float(proportions_p(*np.array([[float(x)] for x in (successes_a, n_a, successes_b, n_b)]))[0])
    elif method == "boschloo":
        p = boschloo(successes_a, n_a, successes_b, n_b)
    else:
        p = fisher(successes_a, n_a, successes_b, n_b)
    return Proportions(min(1.0, max(p, SMALLEST_P)), method)


def shares_apart(successes_a: int, n_a: int, successes_b: int, n_b: int, alpha: float) -> tuple[float, float]:
    """Return the interval at 1 - alpha of share a minus share b (Newcombe 1998, method 10).

    It is not the inversion of the test, and may disagree with it close to alpha.
    """
    low, high = newcombe(*np.array([[float(x)] for x in (successes_a, n_a, successes_b, n_b, 1 - alpha)]))
    return float(low[0]), float(high[0])


def fisher(successes_a: int, n_a: int, successes_b: int, n_b: int) -> float:
    """Return the two-sided p of Fisher's exact test: the weight of all tables not likelier than the observed one."""
    successes = successes_a + successes_b
    first = np.arange(max(0, successes - n_b), min(n_a, successes) + 1)
    log = _log_choose(n_a, first) + _log_choose(n_b, successes - first)
    weights = np.exp(log - log.max())
    return float(weights[weights <= weights[first == successes_a] * _SAME].sum() / weights.sum())


def boschloo(successes_a: int, n_a: int, successes_b: int, n_b: int) -> float:
    """Return the two-sided p of Boschloo's test: twice the smaller of the one-sided ones, as in scipy.

    One-sided: the chance that Fisher's one-sided p is at most the observed one, at the common share where that chance
    is largest. Never above Fisher's, for given the sum of successes that chance is one of Fisher's levels.
    """
    if n_a > n_b:  # the cells are laid out by the smaller arm
        successes_a, n_a, successes_b, n_b = successes_b, n_b, successes_a, n_a
    few = _largest_level(successes_a, n_a, successes_b, n_b)
    many = _largest_level(n_a - successes_a, n_a, n_b - successes_b, n_b)
    return min(1.0, 2 * min(_worst(few), _worst(many)))


def _largest_level(successes_a: int, n_a: int, successes_b: int, n_b: int) -> Floats:
    """Return, for each sum of successes, Fisher's largest one-sided level (few in a) not above the observed one."""
    n = n_a + n_b
    first, sums = np.arange(n_a + 1), np.arange(n + 1)
    second = sums[:, None] - first
    inside = (second >= 0) & (second <= n_b)
    log = _log_choose(n_a, first) + _log_choose(n_b, np.clip(second, 0, n_b))
    log -= _log_choose(n, sums)[:, None]
    levels = np.cumsum(np.where(inside, np.exp(log), 0.0), axis=1)
    observed = levels[successes_a + successes_b, successes_a]
    return np.where(levels <= observed * _SAME, levels, 0.0).max(axis=1)


def _worst(levels: Floats) -> float:
    """Return the largest chance of rejection over all common shares: the mean level when the sum is binomial.

    Searched on the arcsine scale, where the chance changes at the same pace everywhere.
    """
    n = len(levels) - 1
    ends = (1e-9, np.pi / 2 - 1e-9)
    angles, step = np.linspace(*ends, int(_PER_WIDTH * np.pi * np.sqrt(n)) + 8, retstep=True)
    chances = _chances(levels, angles)
    best = angles[np.argsort(chances)[-_TRIED:]]
    finer = np.clip(best[:, None] + np.linspace(-step, step, _FINER), *ends)
    return float(max(chances.max(), _chances(levels, finer.ravel()).max()))


def _chances(levels: Floats, angles: Floats) -> Floats:
    sums = np.arange(len(levels))
    log = np.multiply.outer(2 * np.log(np.sin(angles)), sums)
    log += np.multiply.outer(2 * np.log(np.cos(angles)), sums[::-1])
    log += _log_choose(len(sums) - 1, sums)
    return np.exp(log, out=log) @ levels


def _log_choose(n: int, k: Integers) -> Floats:
    """Return the logarithm of the number of ways to choose each of `k` (0 to n) out of `n`."""
    logs = special.gammaln(np.arange(n + 1) + 1.0)
    return logs[n] - logs[k] - logs[n - k]
