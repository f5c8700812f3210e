"""The verdict: rules in the order in which they apply, the first match wins (reference: statistics, section 5)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from queries.experiments.contrasts import Comparison
    from queries.experiments.options import Options

Kind = Literal["winner", "winner_set", "no_difference", "keep_running", "inconclusive", "winner_blocked", "invalid"]

SRM_INVALID, SRM_WARNING = 0.001, 0.01
CONTAMINATED_SHARE = 0.05
FEWEST_UNITS = 5
FEWEST_EFFECTIVE = 4
FEWEST_EFFECTIVE_RUNNING = 10
"""Effective units an arm needs for a verdict before the planned end."""


@dataclass(frozen=True, slots=True)
class ArmFacts:
    """What the rules look at in one variant that should get traffic."""

    variant: str
    units: int
    """Units with mature scored runs; pairs in the paired design."""
    effective_units: float


@dataclass(frozen=True, slots=True)
class GuardrailFacts:
    """Whether a variant is surely not worse than the margin allows; None when it cannot be told."""

    score: str
    variant: str
    passes: bool | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the rules look at."""

    options: Options
    control: str
    arms: tuple[ArmFacts, ...]
    comparisons: tuple[Comparison, ...]
    best: str | None
    """The variant with the best mean, the control included."""
    lead: Comparison | None
    """The best against the second best."""
    equivalence: tuple[tuple[float, float] | None, ...]
    """Per comparison the interval at 1 - 2 alpha."""
    srm_p: float | None
    empty_variants: tuple[str, ...]
    contaminated_share: float
    missing_turns_result: bool
    doubtful: frozenset[str]
    """Variants whose missing scores could turn their difference to the control."""
    units_known: bool
    ended: bool
    """The planned end is reached."""
    open_runs: int
    guardrails: tuple[GuardrailFacts, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule concludes."""

    kind: Kind
    variants: tuple[str, ...]
    reasons: tuple[str, ...]


def invalid(evidence: Evidence) -> Finding | None:
    """Rule 1: the variants are not comparable. Runs that stand in for unknown units prove no sample ratio wrong."""
    skewed = evidence.srm_p is not None and evidence.srm_p < SRM_INVALID and evidence.units_known
    reasons = [
        code
        for code, applies in (
            ("empty_variant", skewed and bool(evidence.empty_variants)),
            ("srm", skewed),
            ("contaminated", evidence.contaminated_share > CONTAMINATED_SHARE),
            ("differential_missingness", evidence.missing_turns_result),
        )
        if applies
    ]
    return Finding("invalid", (), tuple(reasons)) if reasons else None


def too_few_units(evidence: Evidence) -> Finding | None:
    """Rule 2: a variant's units are too few for a standard error that can be trusted."""
    effective = FEWEST_EFFECTIVE if evidence.ended else FEWEST_EFFECTIVE_RUNNING
    enough = len(evidence.arms) > 1 and all(
        arm.units >= FEWEST_UNITS and arm.effective_units >= effective for arm in evidence.arms
    )
    return None if enough else _running(evidence, "too_few_units")


def no_variance(evidence: Evidence) -> Finding | None:
    """Rule 3: nothing varies, so there is nothing to hold a difference against."""
    if any(comparison.tested is not None for comparison in evidence.comparisons):
        return None
    return _running(evidence, "no_variance")


def before_the_end(evidence: Evidence) -> Finding | None:
    """Rule 4: while the experiment runs, only the sequence decides."""
    if evidence.ended:
        return None
    alpha = evidence.options.alpha_sequence
    better = _beating(evidence, lambda c: c.sequence_p_adjusted, alpha, 1)
    lead = evidence.lead.sequence_p if evidence.lead is not None else None
    if evidence.best in better and lead is not None and lead <= alpha:
        return Finding("winner", (str(evidence.best),), ("beats_control", "beats_all"))
    if len(_beating(evidence, lambda c: c.sequence_p_adjusted, alpha, -1)) == len(evidence.comparisons):
        return Finding("winner", (evidence.control,), ("beats_all",))
    if _inside_margin(evidence, tuple(c.sequence_ci for c in evidence.comparisons)):
        return Finding("no_difference", (), ("equivalent",))
    return _running(evidence, "not_separated" if better else "not_significant")


def at_the_end(evidence: Evidence) -> Finding | None:
    """Rule 5: at the planned end the fixed test decides."""
    options = evidence.options
    alpha = options.alpha if options.alpha_end is None else options.alpha_end
    better = _beating(evidence, lambda c: c.p_adjusted, alpha, 1)
    lead = evidence.lead.p if evidence.lead is not None else None
    if evidence.best in better and lead is not None and lead <= options.alpha:
        return Finding("winner", (str(evidence.best),), ("beats_control", "beats_all"))
    if better:
        return Finding("winner_set", tuple(sorted(better)), ("beats_control", "not_separated"))
    if len(_beating(evidence, lambda c: c.p_adjusted, alpha, -1)) == len(evidence.comparisons):
        return Finding("winner", (evidence.control,), ("beats_all",))
    if _inside_margin(evidence, evidence.equivalence):
        return Finding("no_difference", (), ("equivalent",))
    return Finding("inconclusive", (), ("not_significant",))


RULES: tuple[Callable[[Evidence], Finding | None], ...] = (
    invalid,
    too_few_units,
    no_variance,
    before_the_end,
    at_the_end,
)


def decide(evidence: Evidence) -> Finding:
    """Return the verdict: the first rule that matches, then what can take a winner back."""
    finding = next(found for rule in RULES if (found := rule(evidence)) is not None)
    return _blocked(evidence, _doubted(evidence, _unknown_units(evidence, finding)))


def _unknown_units(evidence: Evidence, finding: Finding) -> Finding:
    """Take a winner back when runs stood in for unknown units: a thousand runs may be one account."""
    if evidence.units_known or finding.kind not in ("winner", "winner_set"):
        return finding
    kind: Kind = "inconclusive" if evidence.ended else "keep_running"
    return Finding(kind, (), ("too_few_units",))


def _doubted(evidence: Evidence, finding: Finding) -> Finding:
    """Take a winner back that missing scores may have made, the control's too."""
    named = set(finding.variants)
    if evidence.control in named:
        named = {comparison.variant for comparison in evidence.comparisons}
    if finding.kind not in ("winner", "winner_set") or not named & evidence.doubtful:
        return finding
    if evidence.ended:
        return Finding("inconclusive", (), ("differential_missingness",))
    return _running(evidence, "differential_missingness")


def _blocked(evidence: Evidence, finding: Finding) -> Finding:
    """Rule 6: block a winner that is not surely harmless to every guardrail."""
    if finding.kind not in ("winner", "winner_set"):
        return finding
    failed = {g.score: None for g in evidence.guardrails if g.variant in finding.variants and g.passes is not True}
    if not failed:
        return finding
    return replace(finding, kind="winner_blocked", reasons=(*(f"guardrail:{s}" for s in failed), *finding.reasons))


def _running(evidence: Evidence, reason: str) -> Finding:
    return Finding("keep_running", (), (reason, "immature") if evidence.open_runs else (reason,))


def _beating(evidence: Evidence, p_of: Callable[[Comparison], float | None], alpha: float, direction: int) -> set[str]:
    """Return the variants that differ from the control in a direction (1 better, -1 worse) at `alpha`."""
    return {
        c.variant
        for c in evidence.comparisons
        if (p := p_of(c)) is not None and p <= alpha and (c.improvement or 0.0) * direction > 0
    }


def _inside_margin(evidence: Evidence, intervals: tuple[tuple[float, float] | None, ...]) -> bool:
    """Return whether every difference is surely smaller than the margin (two one-sided tests, Schuirmann 1987)."""
    margin = evidence.options.margin
    if margin is None or not intervals:
        return False
    return all(ends is not None and -margin < ends[0] and ends[1] < margin for ends in intervals)
