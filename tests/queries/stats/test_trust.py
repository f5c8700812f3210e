"""Shuffled labels, against a plain loop over the same shuffles with the report's own tests."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.stats import sequence, trust
from queries.stats.aggregates import Difference, Moments, Units
from queries.stats.comparison import independent, p_value, paired, per_run
from queries.stats.jackknife import Estimand, Estimate, estimate
from queries.stats.multiplicity import holm
from queries.stats.shuffling import drawn
from queries.stats.trust import Rule, Trust, flipped, shuffled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from queries.stats.aggregates import Floats

FIXED = Rule(alpha=0.04, sequence=False, planned_units=None, fewest_effective=4, fewest_units=5)
RUNNING = Rule(alpha=0.6, sequence=True, planned_units=90.0, fewest_effective=12, fewest_units=5)
"""A loose alpha: at 1 % nothing is named, which any fault would reproduce."""
EARLY = Rule(alpha=0.6, sequence=True, planned_units=60.0, fewest_effective=6, fewest_units=5)
"""Lets through what the sequence itself is still silent about."""
UNPLANNED = Rule(alpha=0.95, sequence=True, planned_units=None, fewest_effective=6, fewest_units=5)
"""Tuned to many more units than there are, so that it names hardly anything."""


def made(generator: np.random.Generator, count: int, spread: float = 0.6) -> list[Floats]:
    """Return the scores of units that make unequal numbers of runs; runs of a unit are alike."""
    runs = np.ceil(generator.lognormal(0.7, spread, count)).astype(int)
    return [generator.normal() + generator.normal(0, 0.7, own) for own in runs]


def taken(scores: Sequence[Floats], places: Any) -> list[Floats]:
    """Return the units at these places."""
    return [scores[int(at)] for at in places]


def units(scores: Sequence[Floats]) -> Units:
    """Return units of these scores."""
    return Units(np.array([len(own) for own in scores], float), np.array([own.sum() for own in scores]))


def squares(scores: Sequence[Floats]) -> Floats:
    """Return every unit's sum of squared scores."""
    return np.array([(own**2).sum() for own in scores])


def moments(scores: Sequence[Floats]) -> Moments:
    """Return the moments of single runs."""
    runs = np.concatenate(scores)
    return Moments(len(runs), float(runs.mean()), float(runs.var(ddof=1)))


def named(p_values: Sequence[float | None], alpha: float) -> bool:
    """Return whether any p is at alpha."""
    return any(p is not None and p <= alpha for p in p_values)


def sequence_p(difference: Difference | None, rule: Rule, units_in_all: int) -> float | None:
    """Return the sequence's p as `queries.experiments.contrasts` makes it."""
    if difference is None or difference.effective_units < sequence.FIRST_EFFECTIVE_UNITS:
        return None
    planned = sequence.UNPLANNED_UNITS
    if rule.planned_units is not None:
        planned = difference.units * rule.planned_units / units_in_all
    return sequence.sequence_p(difference, sequence.tuning(planned, rule.alpha))


def verdicts(
    naive: list[Difference | None],
    differences: list[Difference | None],
    effective: list[float],
    rule: Rule,
    units_in_all: int,
) -> list[bool]:
    """Return what the three tests name in one shuffle, by the report's own functions."""
    fixed = holm([None if one is None else p_value(one) for one in differences])
    decides = holm([sequence_p(one, rule, units_in_all) for one in differences]) if rule.sequence else fixed
    return [
        named([None if one is None else p_value(one) for one in naive], 0.05),
        named(fixed, 0.05),
        named(decides, rule.alpha) and min(effective) >= rule.fewest_effective,
    ]


@pytest.mark.parametrize("rule", [FIXED, RUNNING, EARLY, UNPLANNED])
@pytest.mark.parametrize("estimand", ["runs", "units"])
@pytest.mark.parametrize("sizes", [(25, 30), (14, 20, 17)])
def test_shuffles_are_judged_as_the_report_judges(
    sizes: tuple[int, ...], estimand: Estimand, rule: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same shuffles one by one through Units, Estimate, Difference, Holm and sequence; the control is arm 1."""
    monkeypatch.setattr(trust, "SHUFFLES", 300)
    scores = made(np.random.default_rng(5), sum(sizes))
    every = units(scores)
    mean = every.totals.sum() / every.runs.sum()  # the order in which `shuffled` looks at the units
    key = (every.totals - mean * every.runs) if estimand == "runs" else every.means
    scores = taken(scores, np.argsort(key))
    starts = [0, *(int(end) for end in np.cumsum(sizes))]
    arms = [scores[start:end] for start, end in pairwise(starts)]
    found = shuffled(
        [units(arm) for arm in arms],
        [squares(arm) for arm in arms],
        control=1,
        alpha=0.05,
        rule=rule,
        estimand=estimand,
    )
    order = [1, *(at for at in range(len(sizes)) if at != 1)]
    dealt = drawn(np.random.default_rng(trust.SEED), 300, [sizes[at] for at in order])
    told = np.zeros(3)
    for row in dealt:
        own = [taken(scores, part) for part in np.split(row, np.cumsum([sizes[at] for at in order])[:-1])]
        estimates: list[Estimate | None] = [estimate(units(arm), estimand) for arm in own]
        told += verdicts(
            [per_run(moments(arm), moments(own[0])) for arm in own[1:]],
            [independent(arm, estimates[0]) for arm in estimates[1:]],
            [arm.effective_units for arm in estimates if arm is not None],
            rule,
            sum(sizes),
        )
    assert found is not None
    assert (300, sum(sizes)) == (found.shuffles, found.units)
    assert [found.per_run_test, found.fixed_test, found.this_report] == pytest.approx(list(told / 300), abs=1e-12)
    assert found.per_run_test > found.fixed_test > 0
    assert found.this_report > 0 or rule is UNPLANNED


@pytest.mark.parametrize("rule", [FIXED, RUNNING])
def test_swaps_are_judged_as_the_report_judges(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paired units: the same swaps one by one through the paired test and Welch over runs."""
    monkeypatch.setattr(trust, "SHUFFLES", 300)
    generator = np.random.default_rng(6)
    first, second = made(generator, 30), made(generator, 30)
    mean = np.concatenate([*first, *second]).mean()
    order = np.argsort([((own - mean) ** 2).sum() for own in second])  # in which `flipped` looks at the units
    first, second = taken(first, order), taken(second, order)
    found = flipped((units(first), units(second)), (squares(first), squares(second)), alpha=0.05, rule=rule)
    told = np.zeros(3)
    for swaps in np.random.default_rng(trust.SEED).integers(0, 2, (300, 30), np.int8):
        one = [b if swap else a for a, b, swap in zip(first, second, swaps, strict=True)]
        other = [a if swap else b for a, b, swap in zip(first, second, swaps, strict=True)]
        told += verdicts(
            [per_run(moments(one), moments(other))],
            [paired(units(one).means, units(other).means)],
            [30.0],
            rule,
            30,
        )
    assert found is not None
    assert [found.per_run_test, found.fixed_test, found.this_report] == pytest.approx(list(told / 300), abs=1e-12)
    assert found.fixed_test > 0 and found.this_report > 0


def test_the_usual_test_is_wrong_on_clustered_traffic_and_the_report_is_not() -> None:
    """Runs of a unit alike: Welch over runs names a false winner far too often, units at the rate they promise."""
    scores = made(np.random.default_rng(7), 200, 1.2)
    found = shuffled(
        [units(scores[:100]), units(scores[100:])],
        [squares(scores[:100]), squares(scores[100:])],
        control=0,
        alpha=0.05,
        rule=Rule(0.01, sequence=True, planned_units=None, fewest_effective=10, fewest_units=5),
    )
    assert found is not None
    assert 2000 == found.shuffles
    assert found.per_run_test > 0.2
    assert 0.03 < found.fixed_test < 0.065  # 5 %, within three errors of 2,000 shuffles
    assert found.this_report <= 0.01


@given(st.integers(0, 2**32))
def test_it_does_not_matter_who_was_where(seed: int) -> None:
    """Arms of one size: what the shuffles say is of the traffic, so dealing the units otherwise says the same."""
    generator = np.random.default_rng(seed)
    scores = made(generator, 16)
    said: set[Trust | None] = set()
    for _ in range(3):
        mixed = taken(scores, generator.permutation(16))
        arms = [mixed[:8], mixed[8:]]
        said.add(
            shuffled([units(arm) for arm in arms], [squares(arm) for arm in arms], control=0, alpha=0.1, rule=FIXED)
        )
    assert len(said) == 1 and None not in said


def test_too_few_units_name_no_winner_and_too_many_say_nothing() -> None:
    """The verdict's minima hold in every shuffle; one unit in an arm, no variance, or far too many: None."""
    scores = made(np.random.default_rng(9), 24)
    arms, sums = [units(scores[:12]), units(scores[12:])], [squares(scores[:12]), squares(scores[12:])]
    loose = Rule(0.5, sequence=False, planned_units=None, fewest_effective=1, fewest_units=2)
    asked = {
        rule: shuffled(arms, sums, control=0, alpha=0.5, rule=rule)
        for rule in (
            loose,
            Rule(0.5, sequence=False, planned_units=None, fewest_effective=12.1, fewest_units=2),
            Rule(0.5, sequence=False, planned_units=None, fewest_effective=1, fewest_units=13),
        )
    }
    free, *held = [one for one in asked.values() if one is not None]
    assert free.this_report == free.fixed_test > 0.3
    assert [0, 0] == [one.this_report for one in held]
    single, pair = (np.ones(1), np.ones(2))
    assert (
        shuffled([Units(single, single), Units(pair, pair)], [single, pair], control=0, alpha=0.1, rule=FIXED) is None
    )
    assert shuffled([Units(pair, pair), Units(pair, pair)], [pair, pair], control=0, alpha=0.1, rule=FIXED) is None
    assert flipped((Units(pair, pair), Units(pair, pair)), (pair, pair), alpha=0.1, rule=FIXED) is None
    many = np.arange(1.0, 100_002)
    assert shuffled([Units(many, many), Units(many, -many)], [many, many], control=0, alpha=0.1, rule=FIXED) is None
