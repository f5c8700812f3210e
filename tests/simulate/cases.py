"""The simulated experiments: what each is made of, how it is looked at, and what it must hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from tests.simulate.traffic import (
    Population,
    boolean,
    geometric,
    growing,
    late_failures,
    lognormal,
    normal,
    once,
    poisson,
    whales,
)

if TYPE_CHECKING:
    from queries.stats.jackknife import Estimand

FALSE_WINNERS = 0.055
"""No more false winners than this share, apart from two Monte-Carlo errors."""

LOST_POWER = 0.03
"""No more power lost than this to the best valid method, apart from two Monte-Carlo errors."""

USUAL = ("welch_over_runs", "delta", "unit_means", "chance_to_win")
SHARES = ("welch_over_runs", "pooled_z", "fisher")
"""For booleans with one run a unit, where `welch_over_runs` is Welch's t on 0 and 1."""


def _once_or_daily(*names: str) -> frozenset[str]:
    return frozenset(names) | {f"{name}_daily" for name in names}


_TEN_PERCENT = _once_or_daily("chance_to_win")
_PER_UNIT = _once_or_daily("unit_means")
_PER_RUN = _once_or_daily("welch_over_runs", "delta", "without_waiting")


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of experiment: without an effect it bounds false winners, with one lost power."""

    what: str
    population: Population
    trials: int
    effects: tuple[float, ...] = ()
    """True effect per variant, the control first; none: only false winners are counted."""
    plan: Literal["end", "units"] | None = "end"
    """What was declared: the last day, the number of units, or nothing."""
    maturity: float | None = 0.0
    """Days a run waits before it counts; None: nobody said, and the report takes the delays it sees."""
    waiting: int = 0
    """Days of looks after the last one planned, until its runs are mature."""
    estimand: Estimand = "runs"
    beside: tuple[str, ...] = USUAL

    @property
    def no_match(self) -> frozenset[str]:
        """Return the methods whose power does not compare.

        A chance to win above 95 % is a test at 10 %. And some estimate another mean than the report was asked for;
        where every unit makes one run the means are the same.
        """
        if self.population.sizes is once:
            return _TEN_PERCENT
        return _TEN_PERCENT | (_PER_RUN if self.estimand == "units" else _PER_UNIT)


def _clustered(units: tuple[int, ...], icc: float) -> Population:
    return Population(units, geometric(10), normal(icc))


_FEW, _ALIKE = _clustered((10, 10), 0.5), _clustered((50, 50), 0.5)
_WHALES = Population((100, 100), whales(3, 1.5), normal(0.5))
_BUSY = Population((60, 60), poisson(20), normal(0.3), days=20)
_LATE = Population((100, 100), geometric(5), boolean(0.5, 0.2), days=14, delays=late_failures(4, 7))

CASES: dict[str, Case] = {
    "few": Case("10+10 units, about 10 runs each, ICC .5", _FEW, 2000, (0.0, 1.2)),
    "few_per_unit": Case("the same, the mean of units being asked for", _FEW, 2000, (0.0, 1.0), estimand="units"),
    "fewest": Case("5+5 units, about 10 runs each, ICC .5", _clustered((5, 5), 0.5), 2000),
    "some": Case("50+50 units, about 10 runs each, ICC .1", _clustered((50, 50), 0.1), 2000, (0.0, 0.3)),
    "alike": Case("50+50 units, about 10 runs each, ICC .5", _ALIKE, 2000, (0.0, 0.6)),
    "alike_per_unit": Case("the same, the mean of units being asked for", _ALIKE, 2000, (0.0, 0.45), estimand="units"),
    "unequal": Case("200+20 units, about 10 runs each, ICC .5", _clustered((200, 20), 0.5), 1000, (0.0, 0.8)),
    "yes_or_no": Case(
        "50+50 units, about 10 runs each, booleans at 50 %, ICC .3",
        Population((50, 50), geometric(10), boolean(0.5, 0.3)),
        2000,
        (0.0, 0.18),
    ),
    "whales": Case("100+100 units, a few of which make most runs, ICC .5", _WHALES, 1000, (0.0, 0.7)),
    "whales_per_unit": Case(
        "the same, the mean of units being asked for", _WHALES, 1000, (0.0, 0.35), estimand="units"
    ),
    "few_whales": Case(
        "20+20 units, a few of which make most runs, ICC .5", Population((20, 20), whales(3, 1.5), normal(0.5)), 2000
    ),
    "daily": Case("60+60 units that go on making runs, 20 daily looks", _BUSY, 500, (0.0, 0.35)),
    "daily_per_unit": Case("the same, the mean of units being asked for", _BUSY, 300, (0.0, 0.3), estimand="units"),
    "daily_units": Case(
        "60+60 units that go on making runs, 20 daily looks, the number of units being planned",
        _BUSY,
        300,
        (0.0, 0.35),
        plan="units",
    ),
    "daily_no_plan": Case("60+60 units that go on making runs, 20 daily looks, no planned end", _BUSY, 400, plan=None),
    "daily_few": Case(
        "10+10 units that go on making runs, 20 daily looks", Population((10, 10), poisson(20), normal(0.3), 20), 400
    ),
    "daily_whales": Case(
        "100+100 units, a few of which make most runs, 20 daily looks", replace(_WHALES, days=20), 300
    ),
    "daily_independent": Case(
        "750+750 units of one run, 30 daily looks", Population((750, 750), once, normal(0), 30), 400, (0.0, 0.2)
    ),
    "for_ever": Case(
        "units grow from 20 to 20,000 while 100 looks are taken, no planned end",
        Population((10_000, 10_000), once, normal(0), 100, growing(300)),
        300,
        plan=None,
        beside=("welch_over_runs",),
    ),
    "late": Case(
        "failures of one variant arrive 4 to 7 days late, 14 days and then 7 to wait, daily looks",
        _LATE,
        400,
        maturity=7.0,
        waiting=7,
        beside=(*USUAL, "without_waiting"),
    ),
    "late_unknown": Case(
        "the same, nobody having said how late scores can be",
        _LATE,
        400,
        maturity=None,
        waiting=7,
        beside=(*USUAL, "without_waiting"),
    ),
    "five": Case(
        "five variants of 50 units, about 10 runs each, ICC .3",
        _clustered((50,) * 5, 0.3),
        1000,
        (0.0, 0.0, 0.0, 0.0, 0.6),
    ),
    "five_daily": Case(
        "five variants of 60 units that go on making runs, 20 daily looks",
        Population((60,) * 5, poisson(20), normal(0.3), 20),
        200,
    ),
    "rare": Case(
        "booleans, 100+10 units of one run, 20 %", Population((100, 10), once, boolean(0.2, 0)), 2000, beside=SHARES
    ),
    "tiny": Case(
        "booleans, 10+10 units of one run, 30 %", Population((10, 10), once, boolean(0.3, 0)), 2000, beside=SHARES
    ),
    "shares": Case(
        "booleans, 200+200 units of one run, 30 %",
        Population((200, 200), once, boolean(0.3, 0)),
        2000,
        (0.0, 0.12),
        beside=SHARES,
    ),
    "heavy_unequal": Case(
        "costs with a heavy tail (lognormal 1.8), 900+100 units of one run",
        Population((900, 100), once, lognormal(1.8)),
        500,
    ),
    "heavy": Case(
        "costs with a heavy tail (lognormal 1.8), 300+300 units of one run",
        Population((300, 300), once, lognormal(1.8)),
        500,
        (0.0, 0.7),
    ),
}
