"""Sufficient statistics: what the tests need to know of one arm, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ROUNDING = 1e-12
"""Deviations below this share of the largest value are rounding of sums, not variance."""


@dataclass(frozen=True, slots=True)
class Units:
    """The units of one arm that have scored runs: how many (`runs`, each above 0) and the sum of their scores.

    Scores may be shifted by a constant; means then are shifted by the same, variances and differences are not.
    """

    runs: Floats
    totals: Floats

    @property
    def means(self) -> Floats:
        """Return each unit's mean score."""
        return self.totals / self.runs


@dataclass(frozen=True, slots=True)
class Estimate:
    """An arm's mean score and how well it is known."""

    mean: float
    variance: float | None
    """Squared standard error of the mean; null with fewer than two units, 0.0 when the units do not vary."""
    units: int
    runs: int
    effective_units: float
    """As many equal units would tell as much."""
    largest_unit_share: float
    """Share of the scored runs that the largest unit made."""

    @property
    def df(self) -> float:
        """Degrees of freedom of the standard error."""
        return self.effective_units - 1


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of two arms' means (first minus second) and how well it is known."""

    value: float
    variance: float
    df: float
    units: int
    """Units behind it: of both arms, or pairs."""
    effective_units: float
    """Of the arm that has fewer, or pairs."""
    method: str

    @property
    def standard_error(self) -> float:
        """Return the standard error."""
        return float(np.sqrt(self.variance))

    @property
    def testable(self) -> bool:
        """Return whether there is variance to hold the difference against."""
        return self.variance > 0 and self.df > 0


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean and sample variance of single runs; the variance is null with fewer than two."""

    count: int
    mean: float
    variance: float | None
