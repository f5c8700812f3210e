"""Does the effect differ between segments of the runs: the deciding score in each, and a test that all are alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from queries.experiments.contrasts import EMPTY, arm
from queries.stats.heterogeneity import Q, cochran_q
from queries.stats.multiplicity import benjamini_hochberg

if TYPE_CHECKING:
    from queries.experiments.contrasts import Arm, Comparison, Contrasts
    from queries.experiments.slices import Dimension, Segment
    from queries.stats.aggregates import Estimate


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """One variant against the control in one segment."""

    name: str | None
    comparison: Comparison
    p_adjusted: float | None
    """Over all segments and variants (Benjamini, Hochberg 1995)."""
    estimate: Estimate | None
    control: Estimate | None


@dataclass(frozen=True, slots=True)
class Segmented:
    """One variant against the control by one dimension."""

    by: str
    variant: str
    groups: tuple[SegmentResult, ...]
    differ: Q | None
    """The test that the difference is the same in every segment."""
    sign_flip: bool
    """Some segments say better and some worse, both beyond chance."""
    left_out: int


def segmented(
    dimensions: tuple[Dimension, ...], contrasts: Contrasts, control: str, variants: list[str]
) -> tuple[Segmented, ...]:
    """Return each variant against the control in each segment; a unit may stand in several segments."""
    found = [_segmented(own, contrasts, control, variant) for own in dimensions for variant in variants]
    adjusted = iter(benjamini_hochberg([group.comparison.p for own in found for group in own.groups]))
    made: list[Segmented] = []
    for own in found:
        groups = tuple(replace(group, p_adjusted=next(adjusted)) for group in own.groups)
        made.append(replace(own, groups=groups, sign_flip=_flips(groups, contrasts.options.alpha)))
    return tuple(made)


def _segmented(own: Dimension, contrasts: Contrasts, control: str, variant: str) -> Segmented:
    groups = tuple(_result(segment, contrasts, control, variant) for segment in own.segments)
    known = [group.comparison.tested for group in groups]
    differences = [(tested.value, tested.variance) for tested in known if tested is not None]
    return Segmented(
        by=own.by,
        variant=variant,
        groups=groups,
        differ=cochran_q([d for d, _ in differences], [v for _, v in differences]),
        sign_flip=False,
        left_out=own.left_out,
    )


def _result(segment: Segment, contrasts: Contrasts, control: str, variant: str) -> SegmentResult:
    arms = {name: _arm(segment, name) for name in (variant, control)}
    own = replace(contrasts, arms=arms, shuffles=False)
    estimand = contrasts.options.estimand
    return SegmentResult(
        name=segment.name,
        comparison=own.compare(variant, control),
        p_adjusted=None,
        estimate=arms[variant].estimate(estimand),
        control=arms[control].estimate(estimand),
    )


def _arm(segment: Segment, variant: str) -> Arm:
    sums = segment.arms.get(variant)
    return EMPTY if sums is None else arm(sums.unit, sums.scored, sums.total)


def _flips(groups: tuple[SegmentResult, ...], alpha: float) -> bool:
    sure = [g.comparison.improvement or 0.0 for g in groups if g.p_adjusted is not None and g.p_adjusted <= alpha]
    return any(one > 0 for one in sure) and any(one < 0 for one in sure)
