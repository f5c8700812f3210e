"""The relative difference of two positive means."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from queries.stats.comparison import t_quantile

if TYPE_CHECKING:
    from queries.stats.aggregates import Floats


@dataclass(frozen=True, slots=True)
class Lift:
    """first / second - 1, with its interval."""

    value: float
    ci: tuple[float, float]


def lift(first: float, second: float, log_variance: float, df: float, alpha: float) -> Lift:
    """Return the lift of two positive means with the log-ratio interval exp(log(first/second) +- t * se) - 1."""
    log = math.log(first) - math.log(second)
    half = t_quantile(1 - alpha / 2, df) * math.sqrt(log_variance)
    return Lift(first / second - 1, (_beyond(log - half), _beyond(log + half)))


def _beyond(log_ratio: float) -> float:
    try:
        return math.expm1(log_ratio)
    except OverflowError:
        return math.inf


def independent_log_variance(first: float, first_variance: float, second: float, second_variance: float) -> float:
    """Return the variance of log(first/second) of independent means, by the delta method: V_A/A^2 + V_B/B^2."""
    return first_variance / first / first + second_variance / second / second


def paired_log_variance(first: Floats, second: Floats) -> float:
    """Return the variance of log(mean first / mean second) over pairs, by the delta method with their covariance."""
    influence = first / first.mean() - second / second.mean()
    return float(np.var(influence, ddof=1)) / len(influence)
