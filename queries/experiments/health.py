"""Whether the figures can be trusted: sample ratio, contamination, missing scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from queries.experiments.contrasts import contrast, scored_arm
from queries.stats.bounds import Coverage, worst_cases
from queries.stats.comparison import p_value
from queries.stats.multiplicity import holm
from queries.stats.ratio import Period, expected, sample_ratio_p

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from queries.experiments.contrasts import Comparison
    from queries.experiments.observations import VariantUnits

MISSING_P = 0.001
DOUBT_P = 0.05
"""From here on missing scores may be what made a winner; it takes less to doubt one than to call the rest invalid."""
MISSING_POINTS = 0.02
"""Shares of scored runs that differ this little cannot turn a result around."""


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Units per variant against the weights; `expected` is empty and `p` None when nothing was expected."""

    p: float | None
    observed: Mapping[str, int]
    expected: Mapping[str, float]
    empty: tuple[str, ...]
    """Variants that should have units and have none."""


@dataclass(frozen=True, slots=True)
class Missingness:
    """Share of mature runs that have the score, per variant, and whether it differs between them."""

    p: float | None
    """The smallest of `ps`."""
    ps: Mapping[str, float | None]
    """Per variant but the control, corrected for their number."""
    scored_share: Mapping[str, float | None]
    unscored: int
    bounds: Mapping[str, tuple[float, float] | None]
    """Per variant the differences to the control that the missing scores allow; None without a known range."""
    turns_result: bool
    """The shares differ, by enough, and the missing scores could change the sign of a difference."""


def sample_ratio(
    units: Mapping[str, VariantUnits],
    variants: Sequence[str],
    weights: Mapping[str, float] | None,
    recorded: Mapping[str, Mapping[str, float]],
) -> SampleRatio:
    """Test the units per variant against the weights.

    `recorded` maps the text of each recorded choice of weights to the weights, when they changed and each unit's own
    apply; units that recorded none are held against `weights`.
    """
    observed = {variant: len(units[variant].unit) if variant in units else 0 for variant in variants}
    if weights is None:
        return SampleRatio(None, observed, {}, ())
    tested = [variant for variant in variants if variant in weights]
    counts: dict[str, list[int]] = {}
    for at, variant in enumerate(tested):
        if variant not in units:
            continue
        for text in units[variant].weights:
            key = text if text in recorded else ""
            counts.setdefault(key, [0] * len(tested))[at] += 1
    periods = [
        Period(tuple(seen), tuple(recorded.get(text, weights).get(variant, 0.0) for variant in tested))
        for text, seen in sorted(counts.items())
    ]
    periods = [period for period in periods if sum(period.weights) > 0]
    wanted = np.sum([expected(period) for period in periods], axis=0) if periods else np.zeros(len(tested))
    return SampleRatio(
        p=sample_ratio_p(periods),
        observed=observed,
        expected=dict(zip(tested, wanted.tolist(), strict=True)),
        empty=tuple(v for v, want in zip(tested, wanted, strict=True) if want > 0 and observed[v] == 0),
    )


def missingness(
    units: Mapping[str, VariantUnits],
    means: Mapping[str, float],
    control: str,
    *,
    score_range: tuple[float, float] | None,
    is_paired: bool,
) -> Missingness:
    """Test whether mature runs are scored as often in each variant as in the control.

    `means` are the mean scores of variants with scored runs; `score_range` is what a score can be, None if unknown.
    """
    arms = {variant: scored_arm(seen) for variant, seen in units.items()}
    shares: dict[str, float | None] = {}
    for variant, own in arms.items():
        found = own.estimate("runs")
        shares[variant] = None if found is None else found.mean
    others = [variant for variant in arms if variant != control]
    tests: list[float | None] = []
    for variant in others:
        difference = None
        if control in arms:
            difference = contrast(arms[variant], arms[control], is_paired=is_paired, estimand="runs")
        tests.append(None if difference is None else p_value(difference))
    adjusted = holm(tests)
    coverage = {
        variant: Coverage(int(seen.mature.sum()), int(seen.scored.sum()), means[variant])
        for variant, seen in units.items()
        if variant in means
    }
    bounds = {v: _bounds(coverage.get(v), coverage.get(control), score_range) for v in others}
    turned = [
        p is not None
        and p < MISSING_P
        and abs((shares[variant] or 0.0) - (shares[control] or 0.0)) > MISSING_POINTS
        and not _same_sign(bounds[variant])
        for variant, p in zip(others, adjusted, strict=True)
    ]
    return Missingness(
        p=min((p for p in adjusted if p is not None), default=None),
        ps=dict(zip(others, adjusted, strict=True)),
        scored_share=shares,
        unscored=sum(int(seen.mature.sum() - seen.scored.sum()) for seen in units.values()),
        bounds=bounds,
        turns_result=any(turned),
    )


def _bounds(
    first: Coverage | None, second: Coverage | None, score_range: tuple[float, float] | None
) -> tuple[float, float] | None:
    return None if first is None or second is None or score_range is None else worst_cases(first, second, *score_range)


def _same_sign(bounds: tuple[float, float] | None) -> bool:
    """Return whether no values of the missing scores could turn the sign of the difference."""
    return bounds is not None and (bounds[0] > 0 or bounds[1] < 0)


def doubtful(missing: Missingness, control: str, comparisons: tuple[Comparison, ...], *, ended: bool) -> frozenset[str]:
    """Return the variants whose missing scores, with chance beside them, could turn their difference.

    The shares of scored runs differ (p < .05, over 2 points), and the worst case of the missing scores, widened by the
    deciding interval's half, reaches 0. So it is early on when failures come late: nothing has shown yet how late.
    """
    found: set[str] = set()
    for comparison in comparisons:
        variant = comparison.variant
        p, ends = missing.ps.get(variant), comparison.ci if ended else comparison.sequence_ci
        apart = abs((missing.scored_share.get(variant) or 0.0) - (missing.scored_share.get(control) or 0.0))
        if p is None or p >= DOUBT_P or apart <= MISSING_POINTS or ends is None:
            continue
        half, bounds = (ends[1] - ends[0]) / 2, missing.bounds.get(variant)
        if not _same_sign(None if bounds is None else (bounds[0] - half, bounds[1] + half)):
            found.add(variant)
    return frozenset(found)
