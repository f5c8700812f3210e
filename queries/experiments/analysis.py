"""Observations -> the figures, checks and verdict of a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from queries.experiments.beside import NOTHING, Beside
from queries.experiments.contrasts import Comparison, Contrasts, contrasts_of, distinct
from queries.experiments.declared import outside
from queries.experiments.health import Missingness, SampleRatio, doubtful, missingness, sample_ratio
from queries.experiments.secondary import SecondaryResult, secondary
from queries.experiments.segments import Segmented, segmented
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
from queries.stats.belief import chances_best
from queries.stats.power import smallest_detectable, units_needed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from queries.experiments.declared import Declared
    from queries.experiments.observations import Observations
    from queries.experiments.options import Options
    from warehouse.options import Guardrail

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
    segments: tuple[Segmented, ...]
    secondary: tuple[SecondaryResult, ...]
    chances_best: Mapping[str, float]


def analyse(declared: Declared, seen: Observations, beside: Beside = NOTHING, *, ended: bool = False) -> Analysis:
    """Return the figures of a report; `ended`: the planned end is reached, and what was seen is cut there."""
    options, variants = declared.options, declared.variants
    control, others = options.control or "", list(variants[1:])
    contrasts = contrasts_of(seen, options, variants)
    comparisons = contrasts.against(control, others)
    ratio = sample_ratio(seen.units, variants, None if seen.paired else options.weights, declared.recorded)
    missing = missingness(
        seen.units, _means(contrasts), control, score_range=_range(declared, seen), is_paired=seen.paired
    )
    mature_units = distinct(own.unit[own.mature > 0] for own in seen.units.values())
    guardrails = tuple(
        result for guardrail, own in beside.guardrails for result in _guardrail(guardrail, own, options, variants)
    )
    unknown = 0 if options.unit == "run" else sum(int(u.runs[~u.known].sum()) for u in seen.units.values())
    open_runs = sum(int((own.runs - own.mature).sum()) for own in seen.units.values())
    best, lead = _lead(contrasts, control, comparisons)
    evidence = Evidence(
        options=options,
        control=control,
        arms=_arm_facts(contrasts, control, comparisons),
        comparisons=comparisons,
        best=best,
        lead=lead,
        equivalence=tuple(c.equivalence_ci for c in comparisons),
        srm_p=ratio.p,
        empty_variants=ratio.empty,
        contaminated_share=seen.contaminated_units / seen.all_units if seen.all_units else 0.0,
        missing_turns_result=missing.turns_result,
        doubtful=doubtful(missing, control, comparisons, ended=ended),
        units_known=unknown == 0,
        ended=ended,
        open_runs=open_runs,
        guardrails=tuple(GuardrailFacts(g.guardrail.score, g.variant, g.passes) for g in guardrails),
    )
    other_ways = sensitivities(seen, contrasts, control, comparisons, beside)
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
        flags=_flags(declared, seen, evidence, missing, contrasts, other_ways),
        unknown_unit_runs=unknown,
        open_runs=open_runs,
        mature_units=mature_units,
        segments=segmented(beside.dimensions, contrasts, control, others),
        secondary=secondary(beside.secondary, options, variants),
        chances_best=_chances_best(contrasts, options),
    )


def _means(contrasts: Contrasts) -> dict[str, float]:
    """Return the mean score per run of each variant that has scores."""
    found = {variant: own.estimate("runs") for variant, own in contrasts.arms.items()}
    return {variant: e.mean + contrasts.shift for variant, e in found.items() if e is not None}


def _range(declared: Declared, seen: Observations) -> tuple[float, float] | None:
    """Return what a missing score could have been; None when nothing bounds it."""
    low, high = declared.definition.low, declared.definition.high
    if seen.kind == "boolean":
        return 0.0, 1.0
    return None if low is None or high is None else (low, high)


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
    """Return the variant with the best mean, and it against the second best, whichever way round."""
    ahead = {c.variant: c.improvement for c in comparisons if c.improvement is not None}
    ranked = sorted({control: 0.0, **ahead}.items(), key=lambda pair: -pair[1])
    if len(ranked) < 2:  # noqa: PLR2004 - best and second best
        return None, None
    best, second = ranked[0][0], ranked[1][0]
    known = next((c for c in comparisons if {c.variant, c.control} == {best, second}), None)
    return best, known or contrasts.compare(best, second)


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


def _chances_best(contrasts: Contrasts, options: Options) -> dict[str, float]:
    """Return P(best) of each variant whose mean has a standard error; empty when there are not two of them."""
    found = {variant: own.estimate(options.estimand) for variant, own in contrasts.arms.items()}
    known = {variant: (e.mean, e.variance) for variant, e in found.items() if e is not None and e.variance}
    if contrasts.is_paired or len(known) < 2:  # noqa: PLR2004 - best of several; pairs are not independent
        return {}
    means, variances = zip(*known.values(), strict=True)
    return dict(zip(known, chances_best(means, variances, higher_is_better=options.higher_is_better), strict=True))


def _flags(  # noqa: PLR0917 - all that a flag may be about
    declared: Declared,
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
        "heavy_tail": contrasts.heavy,
        "zero_variance": any(s.moments.count > 1 and s.low == s.high for s in seen.spreads.values()),
        "too_few_units": any(arm.effective_units < FEWEST_EFFECTIVE_RUNNING for arm in evidence.arms),
        "fragile": fragile,
        "default_value_frequent": seen.kind == "numeric" and halves > 0 and halves >= FREQUENT_DEFAULT * scored,
        "kind_changed": _kind_changed(declared, seen),
        "out_of_range": outside(
            declared.definition.low, declared.definition.high, None if seen.high is None else seen.low, seen.high
        ),
        "mixed_kinds": seen.boolean_scores > 0 and seen.numeric_scores > 0,
        "srm_warning": warned,
        "missing_scores": missing.unscored > 0,
        "unit_unknown": not evidence.units_known,
        "several_functions": seen.functions > 1,
        "conflicting_assignment": seen.conflicting_runs > 0,
    }
    return tuple(flag for flag, applied in applies.items() if applied)


def _kind_changed(declared: Declared, seen: Observations) -> bool:
    """Return whether runs have the score in another kind than it was declared."""
    kind = declared.definition.kind
    return (kind == "boolean" and seen.numeric_scores > 0) or (kind == "numeric" and seen.boolean_scores > 0)
