"""Arms and comparisons of arms: from figures per unit to estimates, tests and intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from queries.stats import lift as lifts
from queries.stats import sequence
from queries.stats.aggregates import Units
from queries.stats.belief import Belief, belief
from queries.stats.comparison import independent, interval, p_value, paired
from queries.stats.jackknife import estimate
from queries.stats.multiplicity import holm
from queries.stats.proportions import proportions, shares_apart
from queries.stats.randomization import randomization

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from queries.experiments.observations import Observations, VariantUnits
    from queries.experiments.options import Options
    from queries.stats.aggregates import Difference, Estimate, Floats
    from queries.stats.jackknife import Estimand

Interval = tuple[float, float]

FEW_EFFECTIVE_UNITS = 20
"""Effective units of an arm below which the randomisation test decides, not t."""

WITHOUT_DF = frozenset({"randomization", "boschloo", "pooled_z"})
"""Methods that decide instead of t, and have no degrees of freedom."""

MOST_SHUFFLED = 20
"""Variants beside the control up to which labels are shuffled: with more of them it would take long."""

HEAVY_RUNS_SHARE = 0.15
"""Share of the sum that the largest 1 % of runs may carry before the tail is heavy."""

HEAVY_UNIT_SHARE = 0.2


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


EMPTY = arm(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


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


def _one_run_each(units: Units) -> bool:
    return bool((units.runs == 1).all())


@dataclass(frozen=True, slots=True)
class Test:
    """The test of a difference that decides."""

    method: str
    p: float | None
    interval: Callable[[float], Interval | None]
    """The interval at 1 - alpha; None where too few units allow none."""


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
    equivalence_ci: Interval | None
    """At 1 - 2 alpha: two one-sided tests (Schuirmann 1987)."""
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
    """Everything needed to compare any two arms on one score."""

    arms: Mapping[str, Arm]
    shift: float
    """What was subtracted from every score."""
    is_paired: bool
    units: int
    """Distinct units with a mature scored run, over all variants."""
    prior_sd: float | None
    """Standard deviation of the prior on the difference: that of the control's single runs."""
    options: Options
    boolean: bool = False
    """Every score is 0 or 1."""
    heavy: bool = False
    """The scores have a heavy tail: t is not to be trusted however many units there are."""
    shuffles: bool = True
    """Few units are worth the randomisation test; in many small segments t does, which then errs on the safe side."""

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
        test = None if tested is None else self._test(variant, control, tested)
        if difference is not None and test is not None:
            difference = tested = replace(difference, method=test.method)
        rho2 = None if tested is None else self._rho2(tested)
        return Comparison(
            variant=variant,
            control=control,
            difference=difference,
            improvement=improvement,
            p=None if test is None else test.p,
            ci=None if test is None else test.interval(self.options.alpha),
            equivalence_ci=None if test is None else test.interval(2 * self.options.alpha),
            p_adjusted=None,
            lift=None if tested is None else self._lift(variant, control, tested),
            sequence_ci=None if tested is None or rho2 is None else self._sequence(tested, rho2),
            sequence_p=None if tested is None or rho2 is None else sequence.sequence_p(tested, rho2),
            sequence_p_adjusted=None,
            belief=self._belief(improvement, tested),
        )

    def _test(self, variant: str, control: str, tested: Difference) -> Test:
        """Return the test that decides: by what the units are like, never by what it says.

        Booleans with one run a unit: the test of two proportions. Few effective units or a heavy tail: the
        randomisation test, as far as it can be made. Else t over units.
        """
        student = Test(tested.method, p_value(tested), partial(interval, tested.value, tested.variance, tested.df))
        if self.is_paired:
            return student
        first, second = self.arms[variant].units, self.arms[control].units
        if self.boolean and _one_run_each(first) and _one_run_each(second):
            counts = self._trues(first), len(first.runs), self._trues(second), len(second.runs)
            found = proportions(*counts)
            return student if found is None else Test(found.method, found.p, partial(shares_apart, *counts))
        if not self.shuffles or (tested.effective_units >= FEW_EFFECTIVE_UNITS and not self.heavy):
            return student
        shuffled = randomization(first, second, self.options.estimand)
        if shuffled is None:
            return student

        def around(alpha: float) -> Interval | None:
            critical = shuffled.critical(alpha)
            half = math.inf if critical is None else critical * tested.standard_error
            return (tested.value - half, tested.value + half) if math.isfinite(half) else None

        return Test("randomization", shuffled.p, around)

    def _trues(self, units: Units) -> int:
        return round(float((units.totals + self.shift * units.runs).sum()))

    def against(self, control: str, variants: list[str]) -> tuple[Comparison, ...]:
        """Return the comparison of each variant with the control, corrected for their number."""
        compared = [self.compare(variant, control) for variant in variants]
        adjusted = holm([c.p for c in compared])
        sequential = holm([c.sequence_p for c in compared])
        return tuple(_corrected(c, p, s) for c, p, s in zip(compared, adjusted, sequential, strict=True))

    def _rho2(self, difference: Difference) -> float | None:
        """Return the tuning of the sequence; None before it starts.

        The planned size of a comparison is its share of the planned units; without a plan it is a constant.
        """
        if difference.effective_units < sequence.FIRST_EFFECTIVE_UNITS:
            return None
        planned = sequence.UNPLANNED_UNITS
        if self.options.planned_units is not None:
            planned = difference.units * self.options.planned_units / self.units
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


def contrasts_of(seen: Observations, options: Options, variants: tuple[str, ...]) -> Contrasts:
    """Return the arms of a score, ready to be compared."""
    arms = {v: mature_arm(seen.units[v]) if v in seen.units else EMPTY for v in variants}
    control = seen.spreads.get(options.control or "")
    variance = None if control is None else control.moments.variance
    return Contrasts(
        arms=arms,
        shift=seen.low,
        is_paired=seen.paired,
        units=distinct(own.unit for own in arms.values()),
        prior_sd=None if variance is None else float(np.sqrt(variance)),
        options=options,
        boolean=seen.kind == "boolean",
        shuffles=len(variants) - 1 <= MOST_SHUFFLED,
        heavy=seen.kind == "numeric" and _heavy_tail(seen, arms.values()),
    )


def distinct(units: Iterable[NDArray[np.int64]]) -> int:
    """Return how many units there are in several arms, those in more than one counted once."""
    return int(np.count_nonzero(np.bincount(np.concatenate([np.empty(0, np.int64), *units]))))


def _heavy_tail(seen: Observations, arms: Iterable[Arm]) -> bool:
    if any((spread.heaviest_share or 0.0) > HEAVY_RUNS_SHARE for spread in seen.spreads.values()):
        return True
    return any(_largest_share(own, seen.low) > HEAVY_UNIT_SHARE for own in arms)


def _largest_share(own: Arm, shift: float) -> float:
    """Return the share of the sum of scores that the heaviest unit carries; 0 when there is no sum."""
    sums = np.abs(own.units.totals + shift * own.units.runs)
    whole = float(sums.sum())
    return float(sums.max()) / whole if whole > 0 else 0.0
