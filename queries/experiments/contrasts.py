"""Arms and comparisons of arms: from figures per unit to estimates, tests and intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from queries.stats import lift as lifts
from queries.stats import sequence
from queries.stats.aggregates import Units
from queries.stats.belief import Belief, belief
from queries.stats.comparison import independent, interval, p_value, paired
from queries.stats.jackknife import estimate
from queries.stats.multiplicity import holm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from queries.experiments.observations import VariantUnits
    from queries.experiments.options import Options
    from queries.stats.aggregates import Difference, Estimate, Floats
    from queries.stats.jackknife import Estimand

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Arm:
    """The units of one variant that count, and which they are."""

    unit: NDArray[np.int64]
    units: Units

    def estimate(self, estimand: Estimand) -> Estimate | None:
        """Return the arm's mean (of shifted scores) and its standard error."""
        return estimate(self.units, estimand)

    def without_largest(self) -> Arm:
        """Return the arm without the unit that made most runs."""
        if len(self.unit) == 0:
            return self
        rest = np.arange(len(self.unit)) != int(np.argmax(self.units.runs))
        return Arm(self.unit[rest], Units(self.units.runs[rest], self.units.totals[rest]))


def arm(unit: NDArray[np.int64], runs: NDArray[np.int64], totals: Floats) -> Arm:
    """Return an arm of the units that have runs."""
    own = runs > 0
    return Arm(unit[own], Units(runs[own].astype(np.float64), totals[own].astype(np.float64)))


def mature_arm(seen: VariantUnits) -> Arm:
    """Return the mature scored runs of a variant."""
    return arm(seen.unit, seen.scored, seen.total)


def every_arm(seen: VariantUnits) -> Arm:
    """Return all scored runs of a variant, immature ones included."""
    return arm(seen.unit, seen.scored_all, seen.total_all)


def scored_arm(seen: VariantUnits) -> Arm:
    """Return the mature runs of a variant, the score being whether they have one."""
    return arm(seen.unit, seen.mature, seen.scored.astype(np.float64))


def pairs(first: Arm, second: Arm) -> tuple[Floats, Floats]:
    """Return the means of the units that both arms have, in one order."""
    _, at, to = np.intersect1d(first.unit, second.unit, assume_unique=True, return_indices=True)
    return first.units.means[at], second.units.means[to]


def contrast(first: Arm, second: Arm, *, is_paired: bool, estimand: Estimand) -> Difference | None:
    """Return first minus second; None when there are too few units for a standard error."""
    if is_paired:
        return paired(*pairs(first, second))
    return independent(first.estimate(estimand), second.estimate(estimand))


@dataclass(frozen=True, slots=True)
class Comparison:
    """One variant against another, with all that can be said of the difference; what cannot is None."""

    variant: str
    control: str
    difference: Difference | None
    improvement: float | None
    """The difference with the sign that makes positive good."""
    p: float | None
    ci: Interval | None
    p_adjusted: float | None
    lift: lifts.Lift | None
    sequence_ci: Interval | None
    sequence_p: float | None
    sequence_p_adjusted: float | None
    belief: Belief | None

    @property
    def tested(self) -> Difference | None:
        """Return the difference when there is variance to hold it against."""
        return self.difference if self.difference is not None and self.difference.testable else None


@dataclass(frozen=True, slots=True)
class Contrasts:
    """Everything needed to compare any two arms of a report."""

    arms: Mapping[str, Arm]
    shift: float
    """What was subtracted from every score."""
    is_paired: bool
    units: int
    """Distinct units with a mature scored run, over all variants."""
    prior_sd: float | None
    """Standard deviation of the prior on the difference: that of the control's single runs."""
    options: Options

    def difference(self, first: str, second: str) -> Difference | None:
        """Return first minus second."""
        return contrast(self.arms[first], self.arms[second], is_paired=self.is_paired, estimand=self.options.estimand)

    def compare(self, variant: str, control: str) -> Comparison:
        """Return the comparison of a variant with a control, not yet corrected for others."""
        difference = self.difference(variant, control)
        improvement = None
        if difference is not None:
            improvement = difference.value if self.options.higher_is_better else -difference.value
        tested = difference if difference is not None and difference.testable else None
        rho2 = None if tested is None else self._rho2(tested)
        return Comparison(
            variant=variant,
            control=control,
            difference=difference,
            improvement=improvement,
            p=None if tested is None else p_value(tested),
            ci=None if tested is None else interval(tested.value, tested.variance, tested.df, self.options.alpha),
            p_adjusted=None,
            lift=None if tested is None else self._lift(variant, control, tested),
            sequence_ci=None if tested is None or rho2 is None else self._sequence(tested, rho2),
            sequence_p=None if tested is None or rho2 is None else sequence.sequence_p(tested, rho2),
            sequence_p_adjusted=None,
            belief=self._belief(improvement, tested),
        )

    def against(self, control: str, variants: list[str]) -> tuple[Comparison, ...]:
        """Return the comparison of each variant with the control, corrected for their number."""
        compared = [self.compare(variant, control) for variant in variants]
        adjusted = holm([c.p for c in compared])
        sequential = holm([c.sequence_p for c in compared])
        return tuple(_corrected(c, p, s) for c, p, s in zip(compared, adjusted, sequential, strict=True))

    def _rho2(self, difference: Difference) -> float | None:
        """Return the tuning of the sequence; None before it starts.

        The planned size of a comparison is its share of the planned units; without a plan it is the present size.
        """
        if difference.effective_units < sequence.FIRST_EFFECTIVE_UNITS:
            return None
        planned = float(difference.units)
        if self.options.planned_units is not None:
            planned *= self.options.planned_units / self.units
        return sequence.tuning(planned, self.options.alpha_sequence)

    def _sequence(self, difference: Difference, rho2: float) -> Interval:
        half = sequence.half_width(difference.variance, difference.units, rho2, self.options.alpha_sequence)
        return difference.value - half, difference.value + half

    def _lift(self, variant: str, control: str, difference: Difference) -> lifts.Lift | None:
        """Return the relative difference; None unless both means are surely above 0."""
        estimand = self.options.estimand
        first, second = self.arms[variant], self.arms[control]
        if self.is_paired:
            one, other = (means + self.shift for means in pairs(first, second))
            if not all(_above_zero(means, self.options.alpha) for means in (one, other)):
                return None
            variance = lifts.paired_log_variance(one, other)
            return lifts.lift(float(one.mean()), float(other.mean()), variance, difference.df, self.options.alpha)
        estimates = first.estimate(estimand), second.estimate(estimand)
        known = [(e.mean + self.shift, e.variance, e.df) for e in estimates if e is not None and e.variance is not None]
        if len(known) != len(estimates):
            return None
        if any(mean <= 0 or (v > 0 and interval(mean, v, df, self.options.alpha)[0] <= 0) for mean, v, df in known):
            return None
        (one, v_one, _), (other, v_other, _) = known
        variance = lifts.independent_log_variance(one, v_one, other, v_other)
        return lifts.lift(one, other, variance, difference.df, self.options.alpha)

    def _belief(self, improvement: float | None, tested: Difference | None) -> Belief | None:
        if improvement is None or tested is None or not self.prior_sd:
            return None
        return belief(improvement, tested.variance, self.prior_sd)


def _above_zero(means: Floats, alpha: float) -> bool:
    variance = float(np.var(means, ddof=1)) / len(means)
    low = float(means.mean())
    if variance > 0:
        low = interval(low, variance, len(means) - 1, alpha)[0]
    return low > 0 and math.isfinite(low)


def _corrected(comparison: Comparison, p_adjusted: float | None, sequence_p_adjusted: float | None) -> Comparison:
    return replace(comparison, p_adjusted=p_adjusted, sequence_p_adjusted=sequence_p_adjusted)
