"""Other ways to count, shown beside the report: they never make a winner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from queries.experiments.contrasts import EMPTY, WITHOUT_DF, Arm, arm, contrast, every_arm
from queries.stats.comparison import interval, p_value, per_run
from queries.stats.cuped import adjusted
from queries.stats.ranks import mann_whitney

if TYPE_CHECKING:
    from collections.abc import Mapping

    from queries.experiments.beside import Beside
    from queries.experiments.contrasts import Comparison, Contrasts
    from queries.experiments.observations import Observations
    from queries.experiments.slices import Sums
    from queries.stats.aggregates import Difference, Floats, Moments
    from queries.stats.jackknife import Estimand

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
    seen: Observations, contrasts: Contrasts, control: str, comparisons: tuple[Comparison, ...], beside: Beside
) -> tuple[Sensitivity, ...]:
    """Return, per variant, the usual test over runs and the other ways to count."""
    alpha, estimand = contrasts.options.alpha, contrasts.options.estimand
    other: Estimand = "units" if estimand == "runs" else "runs"
    freed = _adjusted(seen, contrasts, beside.history)
    found: list[Sensitivity] = []
    for comparison in comparisons:
        variant = comparison.variant
        moments = _moments(seen, variant), _moments(seen, control)
        naive = None if moments[0] is None or moments[1] is None else per_run(moments[0], moments[1])
        found.append(_sensitivity(NAIVE, variant, naive, alpha))
        first, second = contrasts.arms[variant], contrasts.arms[control]
        if not contrasts.is_paired:
            difference = contrast(first, second, is_paired=False, estimand=other)
            found.append(_sensitivity(other, variant, difference, alpha))
        ways: list[tuple[str, Arm, Arm]] = [
            ("without_largest_unit", first.without_largest(), second.without_largest()),
            ("all_scored_runs", _every(seen, variant, first), _every(seen, control, second)),
        ]
        if beside.winsorised is not None:
            ways.append(("winsorised", _cut(beside.winsorised, variant), _cut(beside.winsorised, control)))
        if freed is not None:
            ways.append(("cuped", freed[variant], freed[control]))
        for what, one, two in ways:
            difference = contrast(one, two, is_paired=contrasts.is_paired, estimand=estimand)
            found.append(_sensitivity(what, variant, difference, alpha))
        if not contrasts.is_paired:
            found.append(
                Sensitivity("mann_whitney", variant, None, None, mann_whitney(first.units.means, second.units.means))
            )
        if comparison.tested is not None and comparison.tested.method in WITHOUT_DF:  # t is then shown beside it
            found.append(_sensitivity("jackknife_t", variant, comparison.tested, alpha))
    return tuple(found)


def _adjusted(seen: Observations, contrasts: Contrasts, history: Mapping[str, Floats] | None) -> dict[str, Arm] | None:
    """Return every arm freed of what its units' history foretells; None without enough of it."""
    if history is None:
        return None
    named = [variant for variant, own in contrasts.arms.items() if len(own.unit)]
    if not named:
        return None
    before = [history[variant][seen.units[variant].scored > 0] for variant in named]
    made = adjusted([contrasts.arms[variant].units for variant in named], before, contrasts.options.estimand)
    if made is None:
        return None
    return {
        **contrasts.arms,
        **{v: Arm(contrasts.arms[v].unit, units) for v, units in zip(named, made.arms, strict=True)},
    }


def _cut(sums: Mapping[str, Sums], variant: str) -> Arm:
    own = sums.get(variant)
    return EMPTY if own is None else arm(own.unit, own.scored, own.total)


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
