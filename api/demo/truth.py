"""What the demo declares about its experiments and scores, and the truth that its verdicts are held against."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal

from api.demo.plan import EMPATHY_EFFECT
from api.demo.variants import REPLY_TONE, SUPPORT_PROMPT, Experiment

SEED = 39
"""Picked, not drawn: the first seed from 0 whose `reply-tone` fools the usual per-run test with room to spare
(p < 0.001 for B, over accounts p > 0.2, hardly changed by more or fewer days of runs or by counting every account
alike), every arm having 20 effective accounts.

How lucky is that? `reply-tone` has no effect at all. Over the seeds 0 to 599 Welch's test on its mature runs says
p < 0.01 in 43 % and p < 0.05 in 56 %; the jackknife t over accounts says p < 0.05 in 4 %. With this seed the per-run
test crowns B with p = 0.0002, where the accounts say p = 0.31. `support-prompt` needs no luck: over the same seeds the
rule of the planned end (Holm p <= 0.04, runner-up p <= 0.05) names `empathetic` in 98.7 %.
"""
ACCOUNTS = 150
DAYS = 21
MATURITY = dt.timedelta(days=7)
"""The latest feedback comes six days after its run, so a run of seven days ago has all it will ever have."""

_PLAN_PASSED = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of an experiment: the winner, if there is one, and by how much it beats the control."""

    winner: str | None
    effect: float
    """True difference of the primary score's means, winner minus control."""


TRUTH = {SUPPORT_PROMPT.name: Truth("empathetic", EMPATHY_EFFECT), REPLY_TONE.name: Truth(None, 0.0)}


def declarations(now: dt.datetime) -> list[tuple[Literal["experiments", "scores"], str, dict[str, Any]]]:
    """Return what a careful team would declare: kind, name and body of `PUT /v1/{kind}/{name}`.

    The planned end of both experiments lies an hour and a maturity before `now`, so the fixed test applies.
    """
    planned_end = (now.astimezone(dt.UTC) - MATURITY - _PLAN_PASSED).isoformat(timespec="seconds")
    plan = {"planned_units": ACCOUNTS, "planned_end": planned_end.replace("+00:00", "Z")}
    return [
        (
            "experiments",
            SUPPORT_PROMPT.name,
            _declared(SUPPORT_PROMPT, "control", "resolved")
            | plan
            | {
                "secondary_scores": ["answer-quality", "csat"],
                "guardrails": [{"score": "cost-usd", "margin": 0.003, "higher_is_better": False}],
            },
        ),
        ("experiments", REPLY_TONE.name, _declared(REPLY_TONE, "A", "answer-quality") | plan),
        *(("scores", name, body) for name, body in _SCORES.items()),
    ]


def _declared(experiment: Experiment, control: str, primary: str) -> dict[str, Any]:
    return {
        "control": control,
        "unit": "assignment",
        "primary_score": primary,
        "higher_is_better": True,
        "weights": dict(experiment.weights),
        "maturity": f"{MATURITY.days}d",
    }


def _score(kind: str, owner: str, description: str, **fields: object) -> dict[str, Any]:
    return {"kind": kind, "owner": owner, "description": description, **fields}


_SHARE: dict[str, Any] = {"higher_is_better": True, "min": 0, "max": 1}

_SCORES: dict[str, dict[str, Any]] = {
    "resolved": _score(
        "boolean", "support", "the customer says, one to six days later, that the ticket is resolved", **_SHARE
    ),
    "answer-quality": _score("numeric", "agent-team", "a model judges the answer right after the run", **_SHARE),
    "csat": _score(
        "numeric", "support", "the customer's rating, 1 to 5", higher_is_better=True, min=1, max=5, unit="points"
    ),
    "cost-usd": _score(
        "numeric", "platform", "what the models of a run cost", higher_is_better=False, min=0, unit="USD"
    ),
    "retrieval-relevance": _score("numeric", "search", "how well the articles found fit the message", **_SHARE),
    "tone-review": _score("numeric", "quality", "people read the reply and judge its tone", **_SHARE),
    "customer-effort": _score(
        "numeric", "support", "how hard it was to get a ticket settled", higher_is_better=False, min=1, max=7
    ),
    "customer-mood": _score("label", "agent-team", "annoyed, calm or grateful, as a model reads the message"),
}
