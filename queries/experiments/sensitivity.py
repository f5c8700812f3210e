"""Other ways to count, shown beside the report: they never make a winner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from queries.experiments.contrasts import Arm, contrast, every_arm
from queries.stats.comparison import interval, p_value, per_run

if TYPE_CHECKING:
    from queries.experiments.contrasts import Contrasts
    from queries.experiments.observations import Observations
    from queries.stats.aggregates import Difference, Moments

NAIVE = "runs_as_units"


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """A comparison counted another way."""

    what: str
    variant: str
    difference: Difference | None
    ci: tuple[float, float] | None
    p: float | None


def sensitivities(
    seen: Observations, contrasts: Contrasts, control: str, variants: tuple[str, ...]
) -> tuple[Sensitivity, ...]:
    """Return, per variant, the usual test over runs and the other ways to count units."""
    found: list[Sensitivity] = []
    alpha = contrasts.options.alpha
    other = "units" if contrasts.options.estimand == "runs" else "runs"
    for variant in variants:
        moments = _moments(seen, variant), _moments(seen, control)
        naive = None if moments[0] is None or moments[1] is None else per_run(moments[0], moments[1])
        found.append(_sensitivity(NAIVE, variant, naive, alpha))
        first, second = contrasts.arms[variant], contrasts.arms[control]
        if not contrasts.is_paired:
            difference = contrast(first, second, is_paired=False, estimand=other)
            found.append(_sensitivity(other, variant, difference, alpha))
        ways: tuple[tuple[str, Arm, Arm], ...] = (
            ("without_largest_unit", first.without_largest(), second.without_largest()),
            ("all_scored_runs", _every(seen, variant, first), _every(seen, control, second)),
        )
        for what, one, two in ways:
            difference = contrast(one, two, is_paired=contrasts.is_paired, estimand=contrasts.options.estimand)
            found.append(_sensitivity(what, variant, difference, alpha))
    return tuple(found)


def turned(variant: str, difference: Difference | None, others: tuple[Sensitivity, ...]) -> bool:
    """Return whether another way to count turns the sign of a variant's difference."""
    if difference is None:
        return False
    return any(s.variant == variant and s.difference and s.difference.value * difference.value < 0 for s in others)


def _moments(seen: Observations, variant: str) -> Moments | None:
    return seen.spreads[variant].moments if variant in seen.spreads else None


def _every(seen: Observations, variant: str, otherwise: Arm) -> Arm:
    return every_arm(seen.units[variant]) if variant in seen.units else otherwise


def _sensitivity(what: str, variant: str, difference: Difference | None, alpha: float) -> Sensitivity:
    if difference is None or not difference.testable:
        return Sensitivity(what, variant, difference, None, None)
    ends = interval(difference.value, difference.variance, difference.df, alpha)
    return Sensitivity(what, variant, difference, ends, p_value(difference))
