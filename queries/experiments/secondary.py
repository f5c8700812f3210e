"""Secondary scores: compared like the deciding one, corrected together, and never a reason for a verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from queries.experiments.contrasts import contrasts_of
from queries.stats.multiplicity import benjamini_hochberg

if TYPE_CHECKING:
    from queries.experiments.contrasts import Comparison
    from queries.experiments.declared import Secondary
    from queries.experiments.observations import Observations
    from queries.experiments.options import Options
    from queries.stats.aggregates import Estimate


@dataclass(frozen=True, slots=True)
class SecondaryResult:
    """One variant against the control on one secondary score."""

    own: Secondary
    kind: str | None
    comparison: Comparison
    p_adjusted: float | None
    """Over all secondary scores and variants (Benjamini, Hochberg 1995)."""
    estimate: Estimate | None
    control: Estimate | None
    shift: float
    """To be added to the means."""


def secondary(
    scores: tuple[tuple[Secondary, Observations], ...], options: Options, variants: tuple[str, ...]
) -> tuple[SecondaryResult, ...]:
    """Return each variant against the control on each secondary score."""
    found: list[SecondaryResult] = []
    for own, seen in scores:
        asked = replace(options, higher_is_better=own.higher_is_better)
        contrasts = contrasts_of(seen, asked, variants)
        estimates = {variant: arm.estimate(options.estimand) for variant, arm in contrasts.arms.items()}
        found += [
            SecondaryResult(
                own=own,
                kind=seen.kind,
                comparison=contrasts.compare(variant, variants[0]),
                p_adjusted=None,
                estimate=estimates[variant],
                control=estimates[variants[0]],
                shift=contrasts.shift,
            )
            for variant in variants[1:]
        ]
    adjusted = benjamini_hochberg([result.comparison.p for result in found])
    return tuple(replace(result, p_adjusted=p) for result, p in zip(found, adjusted, strict=True))
