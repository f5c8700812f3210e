"""The demo's traffic: typed records of `POST /v1/ingest` in the order in which a real sender would send them."""

from __future__ import annotations

import random
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from api.demo.calendar import starts
from api.demo.plan import plan
from api.demo.story import Open, Record, Sent, tell
from api.demo.truth import ACCOUNTS, DAYS, SEED, TRUTH, Truth, declarations

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from api.demo.plan import PlannedRun

__all__ = ["TRUTH", "Truth", "declarations", "traffic"]

_LEFT_OPEN: tuple[tuple[Open, int], ...] = (
    ("Running", 48_000), ("Running", 37_000), ("Running", 21_000), ("Running", 9_000),
    ("Queued", 7_000), ("Queued", 5_000), ("Queued", 4_000), ("Queued", 3_000), ("Queued", 2_000),
)  # fmt: skip
"""How the last runs stand when the demo starts, and how many milliseconds ago they began."""

_RESENT_SHARE = 0.005
_RESENT_AFTER_MS = (1_000, 90_000)


def traffic(seed: int = SEED, *, now: dt.datetime, days: int = DAYS, accounts: int = ACCOUNTS) -> Iterator[Record]:
    """Yield the records of a support agent's last `days` days, ordered by when they are sent, none after `now`.

    Feedback comes days after its run, some runs report start and end apart, and some records are sent twice, as a
    sender does that got no answer. The same arguments give the same records. With the default seed and three weeks the
    verdicts agree with `TRUTH` for every `now` (`api.demo.calendar.starts` says why).
    """
    now_ms = int(now.timestamp() * 1000)
    sent = [
        record
        for run, started, left in _begun(plan(seed, accounts), now_ms, days)
        for record in tell(run, started, seed, left)
    ]
    sent += _resent(sent, random.Random(f"{seed}/resent"))  # noqa: S311 - a story, not a secret
    sent.sort(key=itemgetter(0))
    return (record for at, record in sent if at <= now_ms)


def _begun(runs: list[PlannedRun], now_ms: int, days: int) -> Iterator[tuple[PlannedRun, int, Open | None]]:
    """Yield each run with when it starts (milliseconds since 1970) and how it is left, if it is still open."""
    times = starts(np.array([run.moment for run in runs]), now_ms, days).tolist()
    finished = max(len(runs) - len(_LEFT_OPEN), 0)
    for run, started in zip(runs[:finished], times[:finished], strict=True):
        yield run, started, None
    for run, (left, ago_ms) in zip(runs[finished:], _LEFT_OPEN, strict=False):
        yield run, now_ms - ago_ms, left


def _resent(sent: list[Sent], rng: random.Random) -> list[Sent]:
    """Return the records that are sent a second time, a little later."""
    return [(at + rng.randrange(*_RESENT_AFTER_MS), record) for at, record in sent if rng.random() < _RESENT_SHARE]
