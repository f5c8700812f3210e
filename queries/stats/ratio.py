"""The sample-ratio test: did units arrive in the proportions they were meant to?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from collections.abc import Sequence

    from queries.stats.aggregates import Floats

SMALLEST_EXPECTED = 5
"""Below this expected count the chi-square approximation is not trusted (Cochran 1954)."""

_DRAWS = 99_999
_SEED = 20_260_901


@dataclass(frozen=True, slots=True)
class Period:
    """Units per variant that came while the weights stayed the same; both in the order of the variants."""

    observed: tuple[int, ...]
    weights: tuple[float, ...]


def expected(period: Period) -> Floats:
    """Return the units each variant should have had."""
    weights = np.asarray(period.weights, dtype=np.float64)
    share = weights / weights.sum()
    return share * sum(period.observed)


def _chi_square(observed: Floats, wanted: Floats) -> Floats:
    return ((observed - wanted) ** 2 / wanted).sum(axis=-1)


def sample_ratio_p(periods: Sequence[Period]) -> float | None:
    """Return p of the observed counts of units; None when there is nothing to test.

    Pearson's chi-square, summed over periods of constant weights (Fabijan et al. 2019); variants of weight 0 are left
    out with their degree of freedom. With an expected count below 5 the same statistic against Monte-Carlo multinomial
    draws of a fixed seed, p = (1 + draws at least as far) / (1 + draws).
    """
    kept = [_weighted(period) for period in periods]
    kept = [period for period in kept if len(period.observed) > 1 and sum(period.observed) > 0]
    if not kept:
        return None
    wanted = [expected(period) for period in kept]
    statistic = sum(
        float(_chi_square(np.asarray(period.observed, dtype=np.float64), want))
        for period, want in zip(kept, wanted, strict=True)
    )
    if min(float(want.min()) for want in wanted) < SMALLEST_EXPECTED:
        return _monte_carlo_p(kept, wanted, statistic)
    df = sum(len(period.observed) - 1 for period in kept)
    return float(special.chdtrc(df, statistic))


def _weighted(period: Period) -> Period:
    pairs = [(n, w) for n, w in zip(period.observed, period.weights, strict=True) if w > 0]
    return Period(tuple(n for n, _ in pairs), tuple(w for _, w in pairs))


def _monte_carlo_p(periods: Sequence[Period], wanted: Sequence[Floats], statistic: float) -> float:
    generator = np.random.default_rng(_SEED)
    drawn = np.zeros(_DRAWS)
    for period, want in zip(periods, wanted, strict=True):
        counts = generator.multinomial(sum(period.observed), want / want.sum(), size=_DRAWS)
        drawn += _chi_square(counts.astype(np.float64), want)
    at_least = np.count_nonzero(drawn >= statistic * (1 - 1e-9))  # equal tables must count as equal
    return (1 + int(at_least)) / (1 + _DRAWS)
