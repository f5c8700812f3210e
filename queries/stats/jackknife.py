"""An arm's mean and its standard error, by leaving out one unit at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from queries.stats.aggregates import ROUNDING, Estimate, Units

if TYPE_CHECKING:
    from queries.stats.aggregates import Floats

Estimand = Literal["runs", "units"]


def estimate(units: Units, estimand: Estimand = "runs") -> Estimate | None:
    """Return the mean and its jackknife variance; None without units.

    `runs` weighs every run the same: R = sum s_i / N, with the leave-one-unit-out variance
    V = (K-1)/K * sum ((s_i - R n_i) / (N - n_i))^2, the deviations being taken from R and not from the mean of the
    replicates (CR3: MacKinnon, Nielsen, Webb 2023), and effective units G = N^2 / sum n_i^2 (Carter, Schnepel,
    Steigerwald 2017). `units` weighs every unit the same: the mean of unit means, whose jackknife variance is the
    sample variance over K, and G = K. With one run a unit both are the mean and its usual squared standard error.
    """
    count = len(units.runs)
    if count == 0:
        return None
    runs = float(units.runs.sum())
    means = units.means
    if estimand == "units":
        mean, effective = float(means.mean()), float(count)
        deviations, rest = _steady(means - mean, means), np.full(count, count - 1.0)
    else:
        mean, effective = float(units.totals.sum()) / runs, runs**2 / float((units.runs**2).sum())
        deviations, rest = _steady(units.totals - mean * units.runs, units.totals), runs - units.runs
    return Estimate(
        mean=mean,
        variance=None if count == 1 else float(((deviations / rest) ** 2).sum()) * (count - 1) / count,
        units=count,
        runs=round(runs),
        effective_units=effective,
        largest_unit_share=float(units.runs.max()) / runs,
    )


def _steady(deviations: Floats, values: Floats) -> Floats:
    """Return deviations, all zero when they are but rounding of the values."""
    if np.abs(deviations).max() <= ROUNDING * np.abs(values).max():
        return np.zeros_like(deviations)
    return deviations
