"""The verdict in one sentence that a manager understands, with the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from queries.experiments.sensitivity import NAIVE

if TYPE_CHECKING:
    from queries.experiments.contrasts import Comparison
    from queries.experiments.options import Options
    from queries.experiments.sensitivity import Sensitivity
    from queries.experiments.verdict import Evidence, Finding

_NOUNS = {"run": "runs", "user_id": "users", "assignment": "units"}

_INVALID = {
    "empty_variant": "a variant that should get traffic got none",
    "srm": "units did not arrive in the expected proportions",
    "contaminated": "too many units met more than one variant",
    "differential_missingness": "scores are missing more often in one variant than in another",
}

_BECAUSE = {
    "too_few_units": "too few {units} stand behind those runs",
    "no_variance": "the scores of {units} do not vary, so there is nothing to hold the difference against",
    "not_significant": "runs of one unit resemble each other, and counted by {units} the difference is within chance",
    "not_separated": "counted by {units} it cannot be told apart from the next best variant",
    "differential_missingness": "scores are missing more often in one variant, which may have made the difference",
    "equivalent": "whatever difference remains is smaller than the margin that matters",
    "beats_all": "counted by {units} another variant is the best",
    "beats_control": "counted by {units} another variant is the best",
}


@dataclass(frozen=True, slots=True)
class Words:
    """How this report's figures are said."""

    options: Options
    score: str | None
    boolean: bool
    units: int
    runs: int
    scored_runs: int
    detectable: float | None
    units_needed: int | None

    @property
    def noun(self) -> str:
        """Return what the units are called."""
        kind, _, name = self.options.unit.partition(":")
        return _NOUNS.get(kind) or f"`{name}` values"

    def amount(self, value: float) -> str:
        """Return a difference without its sign."""
        return f"{abs(value) * 100:.1f} points" if self.boolean else f"{abs(value):,.4g}"

    def range(self, ends: tuple[float, float]) -> str:
        """Return an interval of differences."""
        if self.boolean:
            return f"{ends[0] * 100:.1f} to {ends[1] * 100:.1f}"
        return f"{ends[0]:,.4g} to {ends[1]:,.4g}"


def sentence(evidence: Evidence, finding: Finding, words: Words, others: tuple[Sensitivity, ...]) -> str:
    """Return the verdict as a sentence; a second one says so when the usual per-run test would have named a winner."""
    told = _main(evidence, finding, words)
    naive = crowned(evidence, others)
    if naive is None or (naive.variant in finding.variants and finding.kind in ("winner", "winner_set")):
        return told
    return (
        f"{told} Note that the usual per-run test would have crowned {naive.variant} (p = {_p(naive.p)}); "
        f"this report does not, because {_because(finding, words)}."
    )


def crowned(evidence: Evidence, others: tuple[Sensitivity, ...]) -> Sensitivity | None:
    """Return the variant that a test over single runs at alpha would name: of those that win, the one with the lead."""
    sign = 1 if evidence.options.higher_is_better else -1
    winning = [
        (sign * s.difference.value, s)
        for s in others
        if s.what == NAIVE and s.difference and s.p is not None and s.p < evidence.options.alpha
    ]
    ahead = [pair for pair in winning if pair[0] > 0]
    return max(ahead, key=lambda pair: pair[0])[1] if ahead else None


def _main(evidence: Evidence, finding: Finding, words: Words) -> str:
    match finding.kind:
        case "winner" if finding.variants == (evidence.control,):
            return f"`{evidence.control}` wins: every other variant is worse on {_score(words)} ({_size(words)})."
        case "winner" | "winner_blocked" | "winner_set":
            return _won(evidence, finding, words)
        case "no_difference":
            margin = words.amount(evidence.options.margin or 0.0)
            return (
                f"No difference that matters: on {_score(words)} every variant is within {margin} of "
                f"`{evidence.control}` ({_size(words)})."
            )
        case "invalid":
            why = " and ".join(_INVALID[reason] for reason in finding.reasons)
            return f"The variants cannot be compared: {why}. No winner is named."
        case "inconclusive":
            return _undecided(evidence, finding, words)
        case "keep_running":
            return _early(evidence, finding, words)


def _undecided(evidence: Evidence, finding: Finding, words: Words) -> str:
    told = "The planned end is reached without a winner"
    if finding.reasons == ("differential_missingness",):
        why = f"{_INVALID['differential_missingness']}, and that may have made the difference"
        return f"{told}: {why}{_best(evidence, words)}."
    found = "" if words.detectable is None else f"; a true difference of {words.amount(words.detectable)}"
    return f"{told}{_best(evidence, words)}{found}{' would usually have been found' if found else ''}."


def _won(evidence: Evidence, finding: Finding, words: Words) -> str:
    told = [_compared(evidence, c, words) for c in evidence.comparisons if c.variant in finding.variants]
    text = "; ".join(told)
    if finding.kind == "winner":
        return f"{text}; it is the winner."
    if finding.kind == "winner_set":
        several = "they cannot be told apart" if len(told) > 1 else "it cannot be told apart from the next best"
        return f"{text}; better than `{evidence.control}`, but {several} yet."
    scores = [reason.removeprefix("guardrail:") for reason in finding.reasons if reason.startswith("guardrail:")]
    named = " and ".join(f"`{score}`" for score in scores)
    return f"{text}; it would win, but {named} may have become worse by more than its margin allows."


def _compared(evidence: Evidence, comparison: Comparison, words: Words) -> str:
    difference = comparison.difference
    value = 0.0 if difference is None else difference.value
    ends, what = comparison.ci, "CI"
    if not evidence.ended:
        ends, what = comparison.sequence_ci, "interval at any look"
    level = 1 - (evidence.options.alpha if evidence.ended else evidence.options.alpha_sequence)
    interval = "" if ends is None else f"{100 * level:g}% {what} {words.range(ends)}, "
    side = "above" if value >= 0 else "below"
    return (
        f"`{comparison.variant}` is {words.amount(value)} {side} `{comparison.control}` on {_score(words)} "
        f"({interval}{_size(words)})"
    )


def _best(evidence: Evidence, words: Words) -> str:
    """Return the figures of the comparison that matters most, to follow a statement."""
    known = [c for c in evidence.comparisons if c.difference is not None]
    if not known:
        return ""
    best = max(known, key=lambda c: c.improvement or 0.0)
    return f": {_compared(evidence, best, words)}"


def _early(evidence: Evidence, finding: Finding, words: Words) -> str:
    if words.scored_runs == 0:
        return (
            f"It is too early to tell: {words.runs:,} runs have been assigned and none "
            f"{'has a mature score' if words.score else 'has been scored'}."
        )
    needed = f" About {words.units_needed:,} more {words.noun} are needed." if words.units_needed else ""
    match finding.reasons[0]:
        case "too_few_units":
            return _too_few(evidence, words, needed)
        case "no_variance":
            return f"It is too early to tell: the scores on {_score(words)} do not vary ({_size(words)})."
        case "differential_missingness":
            return (
                f"No winner yet: {_INVALID['differential_missingness']}, and that may turn it{_best(evidence, words)}."
            )
        case "not_separated":
            best = _best(evidence, words)
            return f"Some variant beats `{evidence.control}`, but the best cannot be told apart yet{best}."
        case _:
            return f"No winner yet{_best(evidence, words)}.{needed}"


def _too_few(evidence: Evidence, words: Words, needed: str) -> str:
    if not evidence.comparisons:
        return f"There is nothing to compare yet: `{evidence.control}` is the only variant seen ({_size(words)})."
    if not evidence.units_known:
        return (
            "No winner can be named while the unit of some runs is unknown: a thousand runs may be one account"
            f"{_best(evidence, words)}."
        )
    return f"It is too early to tell: too few {words.noun} have scores yet ({_size(words)}).{needed}"


def _because(finding: Finding, words: Words) -> str:
    if finding.kind == "invalid":
        return _INVALID[finding.reasons[0]]
    if finding.kind == "winner_blocked":
        return "a guardrail may have become worse by more than its margin allows"
    return _BECAUSE[finding.reasons[0]].format(units=words.noun)


def _score(words: Words) -> str:
    return f"`{words.score}`" if words.score else "the score"


def _size(words: Words) -> str:
    return f"{words.units:,} {words.noun if words.units != 1 else words.noun.removesuffix('s')}"


def _p(p: float | None) -> str:
    return f"{p or 0.0:.2g}" if p is None or p < 0.001 else f"{p:.3f}"  # noqa: PLR2004 - decimals shown
