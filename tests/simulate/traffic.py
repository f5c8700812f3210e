"""Runs of made-up experiments: accounts of unequal size whose runs resemble one another, day by day, scored late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

Sizes = Callable[[np.random.Generator, int], Floats]
"""How many runs each of so many units makes in the whole time, at least 1 on average."""

Scores = Callable[[np.random.Generator, Integers, Floats], Floats]
"""The score of each run: from the unit of each run and the effect on each unit."""

Delays = Callable[[np.random.Generator, Integers, Floats], Floats]
"""Days until the score of each run is there: from the variant and the score of each run."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """One experiment. Times are days since it began."""

    variant: Integers
    """Of each unit, in ascending order."""
    arrived: Floats
    """When each unit came: its first run."""
    unit: Integers
    """Of each run."""
    started: Floats
    value: Floats
    scored: Floats
    """When the score of each run arrived."""


Arrivals = Callable[[np.random.Generator, int], Floats]
"""When each of so many units arrives, as a share of the whole time."""


def evenly(generator: np.random.Generator, count: int) -> Floats:
    """Return arrivals at a constant rate."""
    return generator.random(count)


def growing(factor: float) -> Arrivals:
    """Return arrivals under which the units grow exponentially, `factor`-fold over the whole time."""
    return lambda generator, count: np.log1p(generator.random(count) * (factor - 1)) / np.log(factor)


def on_time(_generator: np.random.Generator, _variant: Integers, value: Floats) -> Floats:
    """Return no delay: a score comes with its run."""
    return np.zeros(len(value))


@dataclass(frozen=True, slots=True)
class Population:
    """What a kind of experiment is made of."""

    units: tuple[int, ...]
    """Per variant, the control first."""
    sizes: Sizes
    scores: Scores
    days: int = 0
    """Days over which units arrive; each goes on making runs to the end. 0: all runs are there at once."""
    arrivals: Arrivals = evenly
    delays: Delays = on_time

    def draw(self, generator: np.random.Generator, effects: Floats) -> Traffic:
        """Return one experiment; `effects` are per variant, and what they do is the score's to say."""
        variant = np.repeat(np.arange(len(self.units)), self.units)
        arrived = self.arrivals(generator, len(variant)) if self.days else np.zeros(len(variant))
        more = (self.sizes(generator, len(variant)) - 1) * (1 - arrived)
        runs = 1 + np.floor(more + generator.random(len(variant))).astype(np.int64)
        unit = np.repeat(np.arange(len(variant)), runs)
        started = arrived[unit] + generator.random(len(unit)) * (1 - arrived[unit])
        started[np.cumsum(runs) - runs] = arrived  # a unit is there from its first run on
        value = self.scores(generator, unit, effects[variant])
        started *= self.days
        return Traffic(
            variant, arrived * self.days, unit, started, value, started + self.delays(generator, variant[unit], value)
        )


def once(_generator: np.random.Generator, count: int) -> Floats:
    """Return one run a unit."""
    return np.ones(count)


def geometric(mean: float) -> Sizes:
    """Return sizes of many small and some large units."""
    return lambda generator, count: generator.geometric(1 / mean, count).astype(np.float64)


def poisson(mean: float) -> Sizes:
    """Return units of about one size."""
    return lambda generator, count: 1 + generator.poisson(mean - 1, count).astype(np.float64)


def whales(median: float, sigma: float) -> Sizes:
    """Return lognormal sizes: a few units make most runs."""
    return lambda generator, count: np.ceil(generator.lognormal(np.log(median), sigma, count)).astype(np.float64)


def normal(icc: float) -> Scores:
    """Return scores of standard deviation 1, of which the units' own levels have the share `icc` of the variance.

    An effect moves the mean of a unit by so many standard deviations.
    """

    def scores(generator: np.random.Generator, unit: Integers, effect: Floats) -> Floats:
        level = effect + generator.normal(0, np.sqrt(icc), len(effect))
        return level[unit] + generator.normal(0, np.sqrt(1 - icc), len(unit))

    return scores


def boolean(rate: float, icc: float) -> Scores:
    """Return 0 or 1; the rates of units are beta with mean `rate` and intraclass correlation `icc` (0: all alike).

    An effect is added to the mean rate.
    """

    def scores(generator: np.random.Generator, unit: Integers, effect: Floats) -> Floats:
        mean = rate + effect
        share = mean if icc == 0 else generator.beta(mean * (1 / icc - 1), (1 - mean) * (1 / icc - 1))
        return (generator.random(len(unit)) < share[unit]).astype(np.float64)

    return scores


def lognormal(sigma: float) -> Scores:
    """Return independent scores with a heavy tail, such as costs; an effect raises all of them by that share."""
    return lambda generator, unit, effect: generator.lognormal(0, sigma, len(unit)) * (1 + effect[unit])


def late_failures(first: float, last: float) -> Delays:
    """Return delays under which failures (scores of 0) of variant 1 arrive late and everything else at once."""

    def delays(generator: np.random.Generator, variant: Integers, value: Floats) -> Floats:
        late = (variant == 1) & (value == 0)
        return np.where(late, generator.uniform(first, last, len(value)), 0.0)

    return delays
