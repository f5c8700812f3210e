"""The interval that holds at every look: an asymptotic confidence sequence.

Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences"
(arXiv 2103.06476). Units that keep producing runs are outside its theory; the simulation in the tests is the evidence.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from queries.stats.aggregates import Difference

FIRST_EFFECTIVE_UNITS = 10
"""Effective units an arm must have before the sequence says anything: the first days are its weak spot."""

UNPLANNED_UNITS = 500.0
"""Size a comparison is tuned to where no units are planned.

It must not follow the data: a boundary that is tuned anew at every look is crossed more often the longer one looks (by
a Brownian motion at 5 % in 8.9 % of 1,000 looks at up to 2 million units).
"""

RUNNING_SHARE = 0.2
"""Share of alpha that looks before the planned end may spend; the end has the rest (a union bound)."""


def tuning(planned_units: float, alpha: float) -> float:
    """Return rho^2 that makes the sequence tightest at `planned_units` (equation for rho in the paper's appendix)."""
    log = -2 * math.log(alpha)
    return (log + math.log(log + 1)) / planned_units


def half_width(variance: float, units: int, rho2: float, alpha: float) -> float:
    """Return half the width of the sequence at `units` for an estimate with squared standard error `variance`."""
    n = float(units)
    spread = 2 * (n * rho2 + 1) / (n**2 * rho2) * math.log(math.sqrt(n * rho2 + 1) / alpha)
    return math.sqrt(variance * n) * math.sqrt(spread)


def sequence_p(difference: Difference, rho2: float) -> float:
    """Return the smallest alpha whose sequence excludes 0 (`half_width` solved for alpha), at most 1."""
    n = difference.units * rho2
    errors = difference.value / difference.standard_error
    return min(1.0, math.exp(0.5 * math.log(n + 1) - errors * errors * n / (2 * (n + 1))))
