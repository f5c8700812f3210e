"""What truly happens in the demo, before anything is told: accounts, their runs and how each turned out.

Nothing here knows the date. A run has a `moment`, its place in the whole span as a share of the traffic; the
calendar comes later (`api.demo.calendar`). So a seed has one truth, whenever the demo is started, and rewording a
record cannot move a verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from api.demo.ulids import ulid
from api.demo.variants import EXPERIMENTS, SUPPORT_PROMPT, bucket

Fate = Literal["Completed", "Failed", "Cancelled"]

RUNS_PER_ACCOUNT = {"answer-ticket": 19, "answer-chat": 10, "summarise-call": 3}
"""Mean number of runs of each function an account makes in the whole span."""
VOLUME_SPREAD = {"answer-ticket": 0.8, "answer-chat": 1.0, "summarise-call": 0.6}
"""Standard deviation of the logarithm of accounts' volumes: the larger, the fewer accounts make most runs."""

RESOLVED_LOWEST, RESOLVED_SPAN = 0.28, 0.40
EMPATHY_EFFECT = 0.20
"""What the `empathetic` prompt truly adds to an account's share of resolved tickets."""
FEEDBACK_SHARE = 0.85
"""Share of finished tickets whose customer ever says whether they were resolved, the same for every prompt."""

QUALITY_LOWEST, QUALITY_SPAN = 0.35, 0.55
QUALITY_NOISE = 0.08

FAILED_SHARE, CANCELLED_SHARE = 0.025, 0.01
FOLLOW_UP_SHARE = 0.3
"""Share of an account's runs that carry on with its last ticket or conversation."""

_PLANS = ("starter", "team", "enterprise")
_PLAN_SHARES = (0.5, 0.35, 0.15)
_MOST_USERS = 6


@dataclass(frozen=True, slots=True)
class Account:
    """A customer: what is assigned to a variant, and what the runs of one account have in common."""

    id: str
    plan: str
    users: int
    resolved_share: float
    """Share of its tickets that the control prompt resolves."""
    quality: float
    """Mean quality of the answers it gets, 0 to 1, whatever the tone."""

    def variant(self, function: str) -> str | None:
        """Return its variant in the experiment of `function`, or None when that has none."""
        experiment = EXPERIMENTS.get(function)
        return bucket(self.id, experiment.weights) if experiment else None


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run as it truly went."""

    number: int
    """Position in time, from 0."""
    account: Account
    function: str
    variant: str | None
    moment: float
    """When it starts: the share of the span's traffic, 0 to 1, that comes before it."""
    fate: Fate
    conversation: int
    """Number of the ticket, chat or call it belongs to."""
    follow_up: bool
    """Whether it carries on with an earlier run's conversation."""
    quality: float
    """What the judge will say of the answer, 0 to 1."""
    resolved: bool | None
    """What the customer will say days later; None when they never do."""


def plan(seed: int, accounts: int) -> list[PlannedRun]:
    """Return the runs of all accounts in order of time; the same seed gives the same runs.

    The two random streams keep accounts apart from runs: more runs do not change who the accounts are.
    """
    customers = _accounts(np.random.default_rng([seed, 1]), accounts)
    rng = np.random.default_rng([seed, 2])
    return _in_order([row for function in RUNS_PER_ACCOUNT for row in _runs(rng, customers, function)])


def _accounts(rng: np.random.Generator, count: int) -> list[Account]:
    words = rng.integers(0, 2**40, size=(count, 2)).tolist()
    plans = rng.choice(_PLANS, size=count, p=_PLAN_SHARES).tolist()
    users = rng.integers(1, _MOST_USERS, size=count, endpoint=True).tolist()
    resolved = (RESOLVED_LOWEST + RESOLVED_SPAN * rng.beta(2, 2, size=count)).tolist()
    quality = (QUALITY_LOWEST + QUALITY_SPAN * rng.beta(2, 2, size=count)).tolist()
    return [
        Account(f"acct_{ulid(0, high << 40 | low)[-8:].lower()}", *rest)
        for (high, low), *rest in zip(words, plans, users, resolved, quality, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Row:
    """A run before it has its place in time."""

    moment: float
    account: Account
    function: str
    variant: str | None
    fate: Fate
    follows: bool
    quality: float
    resolved: bool | None


def _runs(rng: np.random.Generator, accounts: list[Account], function: str) -> list[_Row]:
    owners = _owners(rng, accounts, function)
    size = len(owners)
    draws = rng.random((5, size))
    noise = rng.normal(0.0, QUALITY_NOISE, size)
    rows: list[_Row] = []
    for owner, (moment, fate, follows, answer, feedback), error in zip(owners, draws.T.tolist(), noise, strict=True):
        variant = owner.variant(function)
        outcome = _fate(fate)
        rows.append(
            _Row(
                moment=moment,
                account=owner,
                function=function,
                variant=variant,
                fate=outcome,
                follows=follows < FOLLOW_UP_SHARE,
                quality=round(min(max(owner.quality + float(error), 0.0), 1.0), 2),
                resolved=answer < resolved_share(owner, variant)
                if function == SUPPORT_PROMPT.function and outcome == "Completed" and feedback < FEEDBACK_SHARE
                else None,
            )
        )
    return rows


def resolved_share(account: Account, variant: str | None) -> float:
    """Return the true probability that a ticket of `account` is resolved under `variant`."""
    return account.resolved_share + (EMPATHY_EFFECT if variant == "empathetic" else 0.0)


def _owners(rng: np.random.Generator, accounts: list[Account], function: str) -> list[Account]:
    """Draw whose run each is: every account has one, the rest fall by very unequal volumes."""
    volumes = rng.lognormal(0.0, VOLUME_SPREAD[function], len(accounts))
    further = (RUNS_PER_ACCOUNT[function] - 1) * len(accounts)
    counts = 1 + rng.multinomial(further, volumes / volumes.sum())
    return [account for account, count in zip(accounts, counts.tolist(), strict=True) for _ in range(count)]


def _fate(draw: float) -> Fate:
    if draw < FAILED_SHARE:
        return "Failed"
    return "Cancelled" if draw < FAILED_SHARE + CANCELLED_SHARE else "Completed"


def _in_order(rows: list[_Row]) -> list[PlannedRun]:
    """Put runs in order of time; a follow-up carries on with the last conversation of its account and function."""
    open_conversations: dict[tuple[str, str], int] = {}
    planned: list[PlannedRun] = []
    for number, row in enumerate(sorted(rows, key=lambda row: row.moment)):
        key = (row.account.id, row.function)
        follow_up = row.follows and key in open_conversations
        conversation = open_conversations[key] if follow_up else number
        open_conversations[key] = conversation
        planned.append(
            PlannedRun(
                number=number,
                account=row.account,
                function=row.function,
                variant=row.variant,
                moment=row.moment,
                fate=row.fate,
                conversation=conversation,
                follow_up=follow_up,
                quality=row.quality,
                resolved=row.resolved,
            )
        )
    return planned
