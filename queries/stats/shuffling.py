"""Units under other labels: which unit falls to which arm, and each arm's estimate, for many assignments at once.

An assignment is a row of places in the units of all arms: the first arm's, then the second's, and so on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from queries.stats.aggregates import ROUNDING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from queries.stats.aggregates import Floats, Units
    from queries.stats.jackknife import Estimand

    Places = NDArray[np.intp]


def pooled(arms: Sequence[Units], estimand: Estimand) -> tuple[Floats, Floats]:
    """Return runs and totals of all units, the arms one after another; a unit counts one run in the estimand `units`.

    Totals are taken from the mean over all, which changes no difference and keeps far values precise; all are 0 when
    nothing varies.
    """
    runs = np.concatenate([arm.runs for arm in arms])
    totals = np.concatenate([arm.totals for arm in arms])
    if estimand == "units":
        runs, totals = np.ones(len(runs)), totals / runs
    centred = totals - runs * (totals.sum() / runs.sum())
    steady = np.abs(centred).max() <= ROUNDING * np.abs(totals).max()
    return runs, np.zeros_like(totals) if steady else centred


def drawn(generator: np.random.Generator, assignments: int, sizes: Sequence[int]) -> Places:
    """Return assignments drawn at random, all equally likely, to arms of these numbers of units."""
    keys = generator.random((assignments, sum(sizes)), np.float32)
    return np.argpartition(keys, np.cumsum(sizes)[:-1], axis=1)


def estimates(runs: Floats, totals: Floats) -> tuple[Floats, Floats, Floats]:
    """Return mean, jackknife variance and effective units of an arm under each assignment, one a row.

    `queries.stats.jackknife.estimate` row by row; what remains of a variance by rounding is 0.
    """
    count = runs.shape[1]
    weight, sums = runs.sum(axis=1), totals.sum(axis=1)
    mean = sums / weight
    deviations = mean[:, None] * runs
    np.subtract(totals, deviations, out=deviations)
    deviations /= weight[:, None] - runs
    variance = np.einsum("ij,ij->i", deviations, deviations) * ((count - 1) / count)
    variance[variance <= (ROUNDING * np.abs(totals).max(axis=1) / weight) ** 2] = 0.0
    return mean, variance, weight**2 / np.einsum("ij,ij->i", runs, runs)
