"""The randomisation test over units: had the labels fallen otherwise, how often would the arms differ as much.

Two-sided on the studentised difference |t| of `queries.stats.comparison.independent`, so that it also holds where the
arms vary differently (Fisher 1935; Janssen 1997; Chung, Romano 2013). Where t's assumptions are least to be trusted,
few units, unequal ones, heavy tails, this test keeps its size.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from queries.stats.shuffling import drawn, estimates, pooled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from queries.stats.aggregates import Floats, Units
    from queries.stats.jackknife import Estimand

DRAWS = 9_999
"""Assignments drawn where there are too many to try all; fewer where units are many (`_CELLS`)."""
EXACT = 10_000
"""So many assignments are all tried."""
MOST_UNITS = 2_000
"""Units of both arms beyond which the test is not made: there t is as good, and this takes long."""
SEED = 20_260_901
"""Fixed, so that a report asked again gives the same p."""

_CELLS = 4_000_000
"""Places drawn in all: of 2,000 units 2,000 assignments."""
_AT_ONCE = 1 << 17
"""Places worked on at a time: what a processor holds near itself."""
_SAME = 1 + 1e-9
"""Statistics closer than this are the same but for rounding."""
_NOTHING = 1e-9
"""Statistics below this are 0 but for rounding."""


@dataclass(frozen=True, slots=True)
class Randomized:
    """Outcome of the test."""

    p: float
    """Two-sided; never 0: the labels as they fell are one of the assignments."""
    sizes: Floats
    """|t| of every assignment tried, the observed one among them, ascending; infinite where no unit varies."""

    def critical(self, alpha: float) -> float | None:
        """Return the |t| beyond which p is at most `alpha`: difference -+ |t| * se is the interval that p belongs to.

        None when there is no such number: so few assignments, or so many alike, that none is rare enough.
        """
        rare = math.floor(len(self.sizes) * alpha + 1e-9)
        found = float(self.sizes[-1 - rare]) * _SAME if rare < len(self.sizes) else math.inf
        return found if math.isfinite(found) and found < self.sizes[-1] else None


def randomization(first: Units, second: Units, estimand: Estimand = "runs") -> Randomized | None:
    """Return the test of no difference between two arms; None with under two units in one, too many, or no variance.

    All assignments are tried when there are at most 10,000, otherwise as many are drawn, with a fixed seed. Neither the
    order of the units nor which arm is first changes the outcome.
    """
    arms = sorted((first, second), key=lambda arm: len(arm.runs))
    count, whole = len(arms[0].runs), len(arms[0].runs) + len(arms[1].runs)
    if count < 2 or whole > MOST_UNITS:  # noqa: PLR2004 - a variance needs two
        return None
    runs, totals = pooled(arms, estimand)
    if not totals.any():
        return None
    observed = float(_sizes(runs, totals, np.arange(whole)[None], count)[0])
    order = np.lexsort((totals, runs))
    sizes = _sizes(runs[order], totals[order], _assignments(whole, count), count)
    if math.comb(whole, count) > EXACT:
        sizes = np.append(sizes, observed)
    at_least = int(np.count_nonzero(sizes * _SAME + _NOTHING >= observed))
    return Randomized(at_least / len(sizes), np.sort(sizes))


@lru_cache(maxsize=4)
def _assignments(whole: int, count: int) -> NDArray[np.uint16]:
    """Return assignments of `count` of the units to the first arm: every one, or drawn; remembered (8 MB at most)."""
    if math.comb(whole, count) <= EXACT:
        chosen = np.array(list(itertools.combinations(range(whole), count)))
        rest = np.ones((len(chosen), whole), bool)
        np.put_along_axis(rest, chosen, values=False, axis=1)
        places = np.hstack([chosen, np.nonzero(rest)[1].reshape(len(chosen), whole - count)])
    else:
        assignments = min(DRAWS, _CELLS // whole)
        places = drawn(np.random.default_rng(SEED), assignments, (count, whole - count))
    kept = places.astype(np.uint16)
    kept.setflags(write=False)
    return kept


def _sizes(runs: Floats, totals: Floats, places: NDArray[np.integer], count: int) -> Floats:
    """Return |t| of each assignment: the difference of the arms' means over its jackknife standard error."""
    sizes = np.empty(len(places))
    step = max(1, _AT_ONCE // len(runs))
    for start in range(0, len(places), step):
        block = places[start : start + step]
        one, other = block[:, :count], block[:, count:]
        mean, variance, _ = estimates(runs[one], totals[one])
        mean_other, variance_other, _ = estimates(runs[other], totals[other])
        difference, error = np.abs(mean - mean_other), np.sqrt(variance + variance_other)
        with np.errstate(divide="ignore", invalid="ignore"):
            sizes[start : start + step] = np.where(error > 0, difference / error, np.where(difference > 0, np.inf, 0.0))
    return sizes
