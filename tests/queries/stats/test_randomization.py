"""The randomisation test against every assignment one by one, scipy's permutation test, and what must hold of it."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from queries.stats.aggregates import Units
from queries.stats.comparison import independent
from queries.stats.jackknife import Estimand, estimate
from queries.stats.randomization import DRAWS, EXACT, MOST_UNITS, randomization

Pairs = list[tuple[int, int]]

UNITS = st.lists(st.tuples(st.integers(1, 9), st.integers(-50, 50)), min_size=2, max_size=5)
ESTIMANDS = st.sampled_from(["runs", "units"])


def units(pairs: Pairs) -> Units:
    """Return units of (runs, sum of scores)."""
    return Units(*(np.array(column, float) for column in zip(*pairs, strict=True)))


def drawn(generator: np.random.Generator, count: int) -> Units:
    """Return unequal units with heavy tails: too many to try all assignments."""
    runs = np.ceil(generator.lognormal(1.0, 1.0, count))
    return Units(runs, generator.lognormal(0.0, 1.0, count) * runs)


def t(first: Units, second: Units, estimand: Estimand) -> float:
    """Return |t| by the report's own difference."""
    found = independent(estimate(first, estimand), estimate(second, estimand))
    assert found is not None
    if found.variance > 0:
        return abs(found.value) / found.standard_error
    return math.inf if abs(found.value) > 1e-9 else 0.0


def varies(pairs: Pairs) -> bool:
    """Return whether units' means differ."""
    return len({total / runs for runs, total in pairs}) > 1


@given(UNITS, UNITS, ESTIMANDS)
def test_all_assignments_of_few_units(first: Pairs, second: Pairs, estimand: Estimand) -> None:
    """The oracle: each assignment one by one, with the report's own t; those equal but for rounding may count or not.

    Its p is that, and the interval made with its critical size leaves out 0 exactly when p is at most alpha.
    """
    whole = first + second
    assume(varies(whole))
    observed = t(units(first), units(second), estimand)
    sizes = [
        t(units([whole[i] for i in own]), units([whole[i] for i in range(len(whole)) if i not in own]), estimand)
        for own in itertools.combinations(range(len(whole)), len(first))
    ]
    found = randomization(units(first), units(second), estimand)
    assert found is not None
    assert len(sizes) == len(found.sizes)
    same = 1e-6 * max(1.0, observed) if math.isfinite(observed) else 0.0
    surely = sum(size > observed + same for size in sizes)
    perhaps = sum(size >= observed - same for size in sizes)
    assert surely < found.p * len(sizes) <= perhaps + 1e-9
    for alpha in (0.01, 0.05, 0.2, 0.5):
        critical = found.critical(alpha)
        if critical is not None and abs(observed - critical) > 1e-6 * critical:
            assert (found.p <= alpha) == (observed > critical)
        if critical is None and math.isfinite(observed):
            assert found.p > alpha


def welch(x: Any, y: Any, axis: int) -> Any:
    """Return |t| of Welch's test."""
    tested: Any = stats.ttest_ind
    return np.abs(tested(x, y, axis=axis, equal_var=False).statistic)


@pytest.mark.parametrize("counts", [(40, 15), (6, 7)])
def test_scipys_permutation_test_agrees(counts: tuple[int, int]) -> None:
    """One run a unit: the studentised difference is Welch's; scipy draws its own assignments, or tries all too."""
    generator = np.random.default_rng(4)
    one, other = generator.lognormal(0, 1.5, counts[0]), generator.lognormal(0.9, 1.5, counts[1])
    found = randomization(Units(np.ones(counts[0]), one), Units(np.ones(counts[1]), other))
    oracle = stats.permutation_test(
        (one, other),
        welch,
        vectorized=True,
        n_resamples=20_000,
        alternative="greater",
        rng=np.random.default_rng(5),
    )
    assert found is not None
    assert 0.01 < oracle.pvalue < 0.9
    exact = math.comb(sum(counts), counts[0]) <= EXACT
    error = 1e-12 if exact else 4 * math.sqrt(oracle.pvalue * (1 - oracle.pvalue) * (1 / DRAWS + 1 / 20_000))
    assert found.p == pytest.approx(oracle.pvalue, abs=error)


@given(st.integers(0, 2**32), st.sampled_from([(3, 3), (4, 6), (12, 12), (9, 30)]))
def test_neither_the_first_arm_nor_the_order_of_units_matters(seed: int, counts: tuple[int, int]) -> None:
    """Nor does a shift or a scale of every score; p is never 0, also when assignments are drawn."""
    generator = np.random.default_rng(seed)
    first, second = (drawn(generator, count) for count in counts)
    found, turned = randomization(first, second), randomization(second, first)
    mixed = generator.permutation(counts[0])
    again = randomization(Units(first.runs[mixed], first.totals[mixed]), second)
    far, away = (Units(arm.runs, 3 * arm.totals - 700 * arm.runs) for arm in (first, second))
    moved = randomization(far, away)
    assert found is not None and turned is not None and again is not None and moved is not None
    assert 0 < found.p == turned.p == again.p == moved.p <= 1


def test_it_keeps_its_size_where_units_are_few() -> None:
    """5 + 5 clustered units with whales, no difference: false winners at 5 % stay below 5 % and two errors."""
    generator = np.random.default_rng(8)
    trials, wrong = 1000, 0
    for _ in range(trials):
        runs = np.ceil(generator.lognormal(1.0, 1.5, 10))
        totals = generator.normal(0, 1, 10) * runs + generator.normal(0, 1, 10) * np.sqrt(runs)
        found = randomization(Units(runs[:5], totals[:5]), Units(runs[5:], totals[5:]))
        assert found is not None
        wrong += found.p <= 0.05
    assert 0.02 <= wrong / trials <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / trials)


def test_it_finds_what_is_there() -> None:
    """Arms far apart have the smallest p there can be: one of the draws, or the two labellings that part them so."""
    apart = np.linspace(0, 1, 8)
    found = randomization(Units(np.ones(8), apart + 9), Units(np.ones(8), apart))
    assert found is not None
    assert 2 / DRAWS >= found.p > 0
    far = randomization(Units(np.ones(5), apart[:5] + 9), Units(np.ones(5), apart[:5]))
    assert far is not None
    assert 2 / math.comb(10, 5) == far.p


def test_no_variance_and_too_many_units() -> None:
    """Constant arms that differ: as often as the labels fall so; no variance at all, one unit or too many: no test."""
    found = randomization(Units(np.ones(3), np.ones(3)), Units(np.ones(3), np.zeros(3)))
    assert found is not None
    assert 2 / 20 == found.p
    assert found.critical(0.05) is None
    runs = np.array([1.0, 7.0, 3.0])
    assert randomization(Units(runs, 0.1 * runs), Units(3 * runs, 0.3 * runs)) is None
    assert randomization(Units(np.ones(1), np.ones(1)), Units(np.ones(3), np.zeros(3))) is None
    many = Units(np.ones(MOST_UNITS), np.arange(float(MOST_UNITS)))
    assert randomization(many, many) is None


def test_the_critical_size_is_that_of_the_assignments() -> None:
    """At most a share alpha of them is larger, and hardly fewer; 1.96 with many units."""
    generator = np.random.default_rng(1)
    first, second = (Units(np.ones(500), generator.normal(size=500)) for _ in range(2))
    found = randomization(first, second)
    assert found is not None
    for alpha in (0.01, 0.05, 0.5):
        critical = found.critical(alpha)
        assert critical is not None
        assert alpha - 2 / len(found.sizes) <= float((found.sizes > critical).mean()) <= alpha
        assert critical == pytest.approx(stats.norm.isf(alpha / 2), rel=0.05)
