"""Observations -> the figures, checks and verdict of a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from queries.experiments.contrasts import Arm, Comparison, Contrasts, arm, mature_arm
from queries.experiments.health import Missingness, SampleRatio, missingness, sample_ratio
from queries.experiments.sensitivity import Sensitivity, sensitivities, turned
from queries.experiments.verdict import (
    FEWEST_EFFECTIVE_RUNNING,
    SRM_INVALID,
    SRM_WARNING,
    ArmFacts,
    Evidence,
    Finding,
    GuardrailFacts,
    decide,
)
from queries.stats.comparison import interval
from queries.stats.power import smallest_detectable, units_needed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from queries.experiments.declared import Declared
    from queries.experiments.observations import Observations
    from queries.experiments.options import Options
    from warehouse.options import Guardrail

HEAVY_RUNS_SHARE = 0.15
"""Share of the sum that the largest 1 % of runs may carry before the tail is heavy."""

HEAVY_UNIT_SHARE = 0.2
FREQUENT_DEFAULT = 0.05
"""Share of scores of exactly 0.5 from which they look like a default that a scorer wrote."""


@dataclass(frozen=True, slots=True)
class GuardrailResult:
    """One variant held against one guardrail."""

    guardrail: Guardrail
    variant: str
    ci: tuple[float, float] | None
    passes: bool | None


@dataclass(frozen=True, slots=True)
class Power:
    """The difference that would be found in 80 % of such experiments, and the units still needed for the margin."""

    detectable: float | None
    needed: int | None


@dataclass(frozen=True, slots=True)
class Analysis:
    """All figures of a report but the rows themselves."""

    contrasts: Contrasts
    comparisons: tuple[Comparison, ...]
    ratio: SampleRatio
    missing: Missingness
    guardrails: tuple[GuardrailResult, ...]
    sensitivities: tuple[Sensitivity, ...]
    power: Power
    evidence: Evidence
    finding: Finding
    flags: tuple[str, ...]
    unknown_unit_runs: int
    open_runs: int
    mature_units: int


def contrasts_of(seen: Observations, options: Options, variants: tuple[str, ...]) -> Contrasts:
    """Return the arms of a report, ready to be compared."""
    nothing = arm(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    arms = {v: mature_arm(seen.units[v]) if v in seen.units else nothing for v in variants}
    control = seen.spreads.get(options.control or "")
    variance = None if control is None else control.moments.variance
    return Contrasts(
        arms=arms,
        shift=seen.low,
        is_paired=seen.paired,
        units=_distinct(own.unit for own in arms.values()),
        prior_sd=None if variance is None else float(np.sqrt(variance)),
        options=options,
    )


def _distinct(units: Iterable[NDArray[np.int64]]) -> int:
    several = list(units)
    return len(np.unique(np.concatenate(several))) if several else 0


def analyse(declared: Declared, seen: Observations, guarded: Sequence[tuple[Guardrail, Observations]]) -> Analysis:
    """Return the figures of a report. `guarded` are the guardrails with what was seen of their scores."""
    options, variants = declared.options, declared.variants
    control, others = options.control or "", list(variants[1:])
    contrasts = contrasts_of(seen, options, variants)
    comparisons = contrasts.against(control, others)
    ratio = sample_ratio(seen.units, variants, None if seen.paired else options.weights, declared.recorded)
    missing = missingness(
        seen.units, _means(contrasts), control, score_range=_range(declared, seen), is_paired=seen.paired
    )
    mature_units = _distinct(own.unit[own.mature > 0] for own in seen.units.values())
    guardrails = tuple(result for guardrail, own in guarded for result in _guardrail(guardrail, own, options, variants))
    unknown = 0 if options.unit == "run" else sum(int(u.runs[~u.known].sum()) for u in seen.units.values())
    ended = _ended(options, seen, mature_units)
    open_runs = sum(int((own.runs - own.mature).sum()) for own in seen.units.values())
    best, lead = _lead(contrasts, control, comparisons)
    evidence = Evidence(
        options=options,
        control=control,
        arms=_arm_facts(contrasts, control, comparisons),
        comparisons=comparisons,
        best=best,
        lead=lead,
        equivalence=tuple(_equivalence(c, options.alpha) for c in comparisons),
        srm_p=ratio.p,
        empty_variants=ratio.empty,
        contaminated_share=seen.contaminated_units / seen.all_units if seen.all_units else 0.0,
        missing_turns_result=missing.turns_result,
        units_known=unknown == 0,
        ended=ended,
        open_runs=open_runs,
        guardrails=tuple(GuardrailFacts(g.guardrail.score, g.variant, g.passes) for g in guardrails),
    )
    other_ways = sensitivities(seen, contrasts, control, tuple(others))
    return Analysis(
        contrasts=contrasts,
        comparisons=comparisons,
        ratio=ratio,
        missing=missing,
        guardrails=guardrails,
        sensitivities=other_ways,
        power=_power(comparisons, options, contrasts.units),
        evidence=evidence,
        finding=decide(evidence),
        flags=_flags(seen, evidence, missing, contrasts, other_ways),
        unknown_unit_runs=unknown,
        open_runs=open_runs,
        mature_units=mature_units,
    )


def _means(contrasts: Contrasts) -> dict[str, float]:
    """Return the mean score per run of each variant that has scores."""
    found = {variant: own.estimate("runs") for variant, own in contrasts.arms.items()}
    return {variant: e.mean + contrasts.shift for variant, e in found.items() if e is not None}


def _range(declared: Declared, seen: Observations) -> tuple[float, float] | None:
    """Return what a missing score could have been; None when nothing bounds it."""
    low, high = declared.score_range
    if seen.kind == "boolean":
        return 0.0, 1.0
    return None if low is None or high is None else (low, high)


def _ended(options: Options, seen: Observations, mature_units: int) -> bool:
    """Return whether the planned end is reached: a time has passed and what ran by then is mature, or enough units."""
    if options.planned_units is not None and mature_units >= options.planned_units:
        return True
    return options.planned_end is not None and options.as_of >= options.planned_end + (seen.maturity or 0)


def _arm_facts(contrasts: Contrasts, control: str, comparisons: tuple[Comparison, ...]) -> tuple[ArmFacts, ...]:
    """Return the arms that should get traffic, the control among them whatever its weight."""
    weights = contrasts.options.weights or {}
    paired = {c.variant: c.difference.units if c.difference else 0 for c in comparisons}
    facts: list[ArmFacts] = []
    for variant, own in contrasts.arms.items():
        if weights.get(variant, 1.0) == 0 and variant != control:
            continue
        found = own.estimate(contrasts.options.estimand)
        if contrasts.is_paired and variant in paired:
            facts.append(ArmFacts(variant, paired[variant], paired[variant]))
        else:
            facts.append(ArmFacts(variant, found.units if found else 0, found.effective_units if found else 0.0))
    return tuple(facts)


def _lead(
    contrasts: Contrasts, control: str, comparisons: tuple[Comparison, ...]
) -> tuple[str | None, Comparison | None]:
    """Return the variant with the best mean, and it against the second best."""
    ahead = {c.variant: c.improvement for c in comparisons if c.improvement is not None}
    ranked = sorted({control: 0.0, **ahead}.items(), key=lambda pair: -pair[1])
    if len(ranked) < 2:  # noqa: PLR2004 - best and second best
        return None, None
    return ranked[0][0], contrasts.compare(ranked[0][0], ranked[1][0])


def _equivalence(comparison: Comparison, alpha: float) -> tuple[float, float] | None:
    tested = comparison.tested
    return None if tested is None else interval(tested.value, tested.variance, tested.df, 2 * alpha)


def _guardrail(
    guardrail: Guardrail, seen: Observations, options: Options, variants: tuple[str, ...]
) -> list[GuardrailResult]:
    """Return each variant against the control on another score: not worse than the margin allows, or not known."""
    contrasts = contrasts_of(seen, options, variants)
    results: list[GuardrailResult] = []
    for variant in variants[1:]:
        ci = contrasts.compare(variant, variants[0]).ci
        worst = None if ci is None else (ci[0] if guardrail.higher_is_better is not False else -ci[1])
        results.append(GuardrailResult(guardrail, variant, ci, None if worst is None else worst > -guardrail.margin))
    return results


def _power(comparisons: tuple[Comparison, ...], options: Options, units: int) -> Power:
    """Return what could have been found, by the comparison that knows least."""
    detectable = [
        smallest_detectable(c.tested.standard_error, c.tested.df, options.alpha) for c in comparisons if c.tested
    ]
    if not detectable:
        return Power(None, None)
    largest = max(detectable)
    if not options.margin or not np.isfinite(largest):
        return Power(largest, None)
    return Power(largest, units_needed(units, largest, options.margin))


def _flags(
    seen: Observations,
    evidence: Evidence,
    missing: Missingness,
    contrasts: Contrasts,
    others: tuple[Sensitivity, ...],
) -> tuple[str, ...]:
    p = evidence.srm_p
    warned = p is not None and p < SRM_WARNING and (p >= SRM_INVALID or not evidence.units_known)
    fragile = any(turned(c.variant, c.difference, others) for c in evidence.comparisons)
    halves = sum(spread.halves for spread in seen.spreads.values())
    scored = sum(spread.moments.count for spread in seen.spreads.values())
    applies = {
        "heavy_tail": seen.kind == "numeric" and _heavy_tail(seen, contrasts),
        "zero_variance": any(s.moments.count > 1 and s.low == s.high for s in seen.spreads.values()),
        "too_few_units": any(arm.effective_units < FEWEST_EFFECTIVE_RUNNING for arm in evidence.arms),
        "fragile": fragile,
        "default_value_frequent": seen.kind == "numeric" and halves > 0 and halves >= FREQUENT_DEFAULT * scored,
        "mixed_kinds": seen.boolean_scores > 0 and seen.numeric_scores > 0,
        "srm_warning": warned,
        "missing_scores": missing.unscored > 0,
        "unit_unknown": not evidence.units_known,
        "several_functions": seen.functions > 1,
        "conflicting_assignment": seen.conflicting_runs > 0,
    }
    return tuple(flag for flag, applied in applies.items() if applied)


def _heavy_tail(seen: Observations, contrasts: Contrasts) -> bool:
    if any((spread.heaviest_share or 0.0) > HEAVY_RUNS_SHARE for spread in seen.spreads.values()):
        return True
    return any(_largest_share(own, contrasts.shift) > HEAVY_UNIT_SHARE for own in contrasts.arms.values())


def _largest_share(own: Arm, shift: float) -> float:
    """Return the share of the sum of scores that the heaviest unit carries; 0 when there is no sum."""
    sums = np.abs(own.units.totals + shift * own.units.runs)
    whole = float(sums.sum())
    return float(sums.max()) / whole if whole > 0 else 0.0
