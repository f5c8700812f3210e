"""Bayesian figures for display only: how likely the variant is better, and what choosing it wrongly would cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special


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
