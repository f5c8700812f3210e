"""Bayesian figures for display only: how likely the variant is better, and what choosing it wrongly would cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from collections.abc import Sequence

_REACH = 9.0
"""Standard deviations beyond which a normal has nothing left that a double could show."""
_POINTS, _FEWEST_POINTS = 1_001, 101
"""Points of the grid over each arm's reach: the fewer, the more arms there are."""
_GRID = 20_000
"""Points of all arms together, where they are many."""


@dataclass(frozen=True, slots=True)
class Belief:
    """After the data: P(better) and the expected loss of choosing the variant, in units of the score."""

    chance_to_beat: float
    expected_loss: float


def belief(improvement: float, variance: float, prior_sd: float) -> Belief:
    """Return what to believe of an improvement (positive is good) under the prior N(0, prior_sd^2).

    The posterior is normal with mean d * w and variance V * w, w = prior_sd^2 / (prior_sd^2 + V); the loss is
    E[max(0, -improvement)] = s * phi(m/s) - m * Phi(-m/s).
    """
    error = math.sqrt(variance)
    weight = 1 / (1 + error / prior_sd * (error / prior_sd))
    mean, sd = improvement * weight, error * math.sqrt(weight)
    z = improvement / error * math.sqrt(weight)
    density = math.exp(-(z * z) / 2) / math.sqrt(2 * math.pi)
    return Belief(float(special.ndtr(z)), max(0.0, sd * density - mean * float(special.ndtr(-z))))


def chances_best(means: Sequence[float], variances: Sequence[float], *, higher_is_better: bool = True) -> list[float]:
    """Return each arm's P(best) when their true means are independent normals (flat prior); they add up to 1.

    P(i) is the integral of prod Phi((x - m_j) / s_j) over j other than i, by dPhi((x - m_i) / s_i), on the grids of all
    arms together, so that a sharp arm is seen beside a wide one.

    Args:
        means: the arms' means.
        variances: their squared standard errors, not all 0; a 0 counts as one far sharper than the others.
        higher_is_better: whether the best is the largest.
    """
    centre = np.asarray(means, dtype=np.float64) * (1 if higher_is_better else -1)
    sd = np.sqrt(np.asarray(variances, dtype=np.float64))
    sd = np.maximum(sd, 1e-6 * sd.max())
    points = min(_POINTS, max(_FEWEST_POINTS, _GRID // len(centre)))
    grid = np.sort((centre[:, None] + sd[:, None] * np.linspace(-_REACH, _REACH, points)).ravel())
    below = special.ndtr((grid - centre[:, None]) / sd[:, None])
    before, after = np.ones_like(below), np.ones_like(below)
    np.cumprod(below[:-1], axis=0, out=before[1:])
    np.cumprod(below[:0:-1], axis=0, out=after[-2::-1])
    others = before * after  # of all arms but the row's own
    chances = ((others[:, 1:] + others[:, :-1]) / 2 * np.diff(below)).sum(axis=1)
    return [float(chance) for chance in chances / chances.sum()]
