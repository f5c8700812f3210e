"""Codes of the report (DESIGN section 11) in plain words: what each means and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["good", "info", "neutral", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A kind of verdict: its short name, and the tone that picks icon and colour."""

    label: str
    tone: Tone


VERDICTS: dict[str, Verdict] = {
    "winner": Verdict("Winner", "good"),
    "winner_set": Verdict("Winning set", "good"),
    "no_difference": Verdict("No difference", "neutral"),
    "keep_running": Verdict("Keep running", "info"),
    "inconclusive": Verdict("Inconclusive", "neutral"),
    "winner_blocked": Verdict("Winner blocked", "warn"),
    "invalid": Verdict("Invalid", "bad"),
}

REASONS: dict[str, str] = {
    "srm": "Units did not arrive in the declared proportions, so the variants may not be comparable. "
    "Find out why before you trust any figure.",
    "empty_variant": "A variant that should get traffic got none.",
    "contaminated": "Too many units (over 5%) met more than one variant.",
    "differential_missingness": "Scores are missing more often in one variant than in another, enough to turn the "
    "result around.",
    "too_few_units": "Too few units so far for an error margin that can be trusted, however many runs they made.",
    "no_variance": "The scores do not vary, so no error margin can be computed.",
    "not_significant": "The difference lies within what chance alone produces between units like these.",
    "beats_control": "Better than the control by more than chance explains.",
    "beats_all": "Better than every other variant by more than chance explains.",
    "not_separated": "The best variants cannot be told apart yet.",
    "equivalent": "Whatever difference remains is smaller than the margin you declared to matter.",
    "immature": "Outcomes of recent runs are still on their way.",
}

FLAGS: dict[str, str] = {
    "heavy_tail": "A few runs or one unit carry much of the total, so the mean hangs on them.",
    "zero_variance": "All scores of a variant are the same.",
    "too_few_units": "A variant has few effective units: a handful of accounts makes most of its runs.",
    "fragile": "Another reasonable way to count turns the sign of the difference.",
    "default_value_frequent": "A typical default value is among the most frequent scores: a scorer may be failing "
    "silently.",
    "mixed_kinds": "The score was sent both as a boolean and as a number.",
    "srm_warning": "The sample ratio is a little off (p between 0.001 and 0.01): watch it.",
    "missing_scores": "Some mature runs were never scored.",
    "unit_unknown": "Some runs name no unit and stand for themselves. No winner is named until the unit is known, or "
    "declared to be the run.",
    "several_functions": "Runs of more than one function take part.",
    "kind_changed": "The score arrives with another kind than the declared one: somebody changed what it measures.",
    "out_of_range": "Some scores lie outside the declared range.",
    "conflicting_assignment": "Some scores name another variant than the one their run was assigned; the assignment "
    "holds.",
}

METHODS: dict[str, str] = {
    "jackknife_t": "t-test over units (leave-one-unit-out jackknife)",
    "paired_t": "paired t-test over units",
    "randomization": "randomisation test over units",
    "boschloo": "Boschloo's exact test",
    "pooled_z": "pooled z-test",
}

SENSITIVITIES: dict[str, str] = {
    "runs_as_units": "The usual per-run test",
    "units": "Every unit counts the same",
    "runs": "Every run counts the same",
    "winsorised": "Largest 1% of values capped",
    "without_largest_unit": "Without the largest unit",
    "all_scored_runs": "Recent runs included",
    "mann_whitney": "Ranks instead of values (Mann-Whitney)",
    "cuped": "Adjusted by each unit's history (CUPED)",
    "randomization": "Randomisation test over units",
    "jackknife_t": "t-test over units",
}

ORIGINS: dict[str, str] = {
    "request": "the request",
    "declared": "declared",
    "assignments": "seen in assignments",
    "default": "default",
}


def spelled(code: str) -> str:
    """Return a code without underscores: what is left to say about one that has no words of its own."""
    return code.replace("_", " ")


def verdict(kind: object) -> Verdict:
    """Return label and tone of a verdict kind; an unknown or missing kind stays neutral."""
    return VERDICTS.get(str(kind)) or Verdict(spelled(str(kind)) if kind else "No report", "neutral")


def reason(code: str) -> str:
    """Return what a reason code means; `guardrail:<score>` names its score."""
    kind, _, score = code.partition(":")
    if kind == "guardrail" and score:
        return f"The guardrail “{score}” may have become worse by more than its margin allows."
    return REASONS.get(code) or spelled(code)


def flag(code: str) -> str:
    """Return what a flag means."""
    return FLAGS.get(code) or spelled(code)


def method(code: object) -> str:
    """Return the name of a test method."""
    return METHODS.get(str(code)) or (spelled(str(code)) if code else "")


def sensitivity(code: object) -> str:
    """Return what a sensitivity analysis does differently."""
    return SENSITIVITIES.get(str(code)) or spelled(str(code))


def decided(code: object) -> str:
    """Return what froze the data of a report."""
    return {"planned_end": "the planned end", "planned_units": "the planned number of units"}.get(
        str(code), spelled(str(code))
    )


def origin(code: object) -> str:
    """Return where an option's value came from."""
    return ORIGINS.get(str(code)) or spelled(str(code or ""))
