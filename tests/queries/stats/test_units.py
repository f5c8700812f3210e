"""The jackknife over units and the tests on it, against scipy, statsmodels and explicit leave-one-out refits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from queries.stats.aggregates import Moments, Units
from queries.stats.comparison import SMALLEST_P, independent, interval, p_value, paired, per_run
from queries.stats.jackknife import estimate

finite = st.floats(-1e3, 1e3)
unit = st.lists(finite, min_size=1, max_size=6)
several_units = st.lists(unit, min_size=3, max_size=12)


def units_of(scores: list[list[float]]) -> Units:
    return Units(np.array([len(own) for own in scores], float), np.array([sum(own) for own in scores], float))


def random_units(generator: np.random.Generator, count: int) -> list[list[float]]:
    return [(generator.normal() + generator.normal(size=generator.integers(1, 9))).tolist() for _ in range(count)]


def test_one_run_a_unit_is_welchs_test() -> None:
    """With one run a unit difference, interval and p are those of scipy's Welch test."""
    generator = np.random.default_rng(1)
    first, second = generator.normal(0.4, 2, 37), generator.normal(0, 1, 12)
    made = independent(estimate(Units(np.ones(37), first)), estimate(Units(np.ones(12), second)))
    assert made is not None
    oracle = stats.ttest_ind(first, second, equal_var=False)
    ci = oracle.confidence_interval(0.95)
    assert (made.value, made.df, p_value(made)) == pytest.approx(
        (first.mean() - second.mean(), oracle.df, oracle.pvalue), rel=1e-12
    )
    assert interval(made.value, made.variance, made.df, 0.05) == pytest.approx((ci.low, ci.high), rel=1e-12)


def test_variance_is_that_of_explicit_leave_one_out_refits() -> None:
    """The closed form is the jackknife: the OLS mean refitted without each unit in turn (statsmodels), CR3's centre."""
    scores = random_units(np.random.default_rng(2), 15)
    made = estimate(units_of(scores))
    assert made is not None
    values = np.concatenate([np.array(own) for own in scores])
    owner = np.repeat(np.arange(15), [len(own) for own in scores])

    def fitted(kept: np.ndarray) -> float:
        model: Any = sm.OLS(values[kept], np.ones(int(kept.sum())))
        return float(model.fit().params[0])

    whole = fitted(np.full(len(values), fill_value=True))
    refits = np.array([fitted(owner != left_out) for left_out in range(15)])
    assert made.mean == pytest.approx(whole, rel=1e-12)
    assert made.variance == pytest.approx(14 / 15 * float(((refits - whole) ** 2).sum()), rel=1e-10)


def test_effective_units_and_largest_share() -> None:
    """Ten units, of which one makes half the runs, tell as much as 3.6 equal ones."""
    made = estimate(Units(np.array([9.0] + [1.0] * 9), np.arange(10.0)))
    assert made is not None
    assert (made.effective_units, made.largest_unit_share) == (pytest.approx(18**2 / 90), 0.5)


def test_unit_estimand_is_the_mean_of_unit_means() -> None:
    """Weighing units the same is the ordinary mean of their means with its ordinary error (scipy.stats.sem)."""
    scores = random_units(np.random.default_rng(3), 9)
    means = np.array([np.mean(own) for own in scores])
    made = estimate(units_of(scores), "units")
    assert made is not None and made.variance is not None
    assert (made.mean, np.sqrt(made.variance)) == pytest.approx((means.mean(), stats.sem(means)), rel=1e-12)
    assert made.df == 8


def test_pairs_are_students_paired_test() -> None:
    """Pairs give scipy's related t test."""
    generator = np.random.default_rng(4)
    first = generator.normal(size=50)
    second = first + generator.normal(0.3, 0.5, 50)
    made = paired(second, first)
    assert made is not None
    oracle = stats.ttest_rel(second, first)
    assert (made.df, p_value(made)) == (49, pytest.approx(oracle.pvalue, rel=1e-12))


def test_naive_test_is_welch_from_moments() -> None:
    """The per-run test is scipy's ttest_ind_from_stats."""
    made = per_run(Moments(40, 1.5, 2.0), Moments(30, 1.0, 3.0))
    assert made is not None
    oracle = stats.ttest_ind_from_stats(1.5, np.sqrt(2), 40, 1.0, np.sqrt(3), 30, equal_var=False)
    assert p_value(made) == pytest.approx(oracle.pvalue, rel=1e-12)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_units_have_no_error(count: int) -> None:
    """No unit has no estimate, one unit has no variance and so no comparison."""
    one = estimate(Units(np.ones(count), np.ones(count)))
    assert one is None if count == 0 else one is not None and one.variance is None
    assert independent(one, estimate(Units(np.ones(5), np.arange(5.0)))) is None
    assert paired(np.ones(count), np.ones(count)) is None


def test_constant_arms_that_differ_have_no_p() -> None:
    """Rounding of sums is not variance: 0.1 against 0.3 with uneven units has no p, not p = 0."""
    runs = np.array([1.0, 7.0, 3.0, 11.0, 6.0])
    made = independent(estimate(Units(runs, 0.3 * runs)), estimate(Units(runs, 0.1 * runs)))
    assert made is not None
    assert (made.variance, made.testable, p_value(made)) == (0.0, False, None)


def test_p_is_never_zero() -> None:
    """A difference beyond all doubt has a tiny p, not 0."""
    units = Units(np.ones(5000), np.random.default_rng(5).normal(size=5000))
    far = independent(estimate(Units(units.runs, units.totals + 1e6)), estimate(units))
    assert far is not None
    assert p_value(far) == SMALLEST_P


@given(several_units, several_units)
def test_swapping_labels_flips_the_sign(first: list[list[float]], second: list[list[float]]) -> None:
    """A minus B is the negative of B minus A, with the same error, df and p."""
    one, other = estimate(units_of(first)), estimate(units_of(second))
    there, back = independent(one, other), independent(other, one)
    assert there is not None and back is not None
    assert (there.value, there.variance, p_value(there)) == (-back.value, back.variance, p_value(back))


@given(several_units, st.randoms(use_true_random=False), finite)
def test_order_does_not_matter_and_a_shift_moves_only_the_mean(
    scores: list[list[float]], random: object, shift: float
) -> None:
    """Units in another order, or all scores moved by a constant, keep the variance."""
    made = estimate(units_of(scores))
    mixed = list(scores)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    again = estimate(units_of([[score + shift for score in own] for own in mixed]))
    assert made is not None and again is not None and made.variance is not None and again.variance is not None
    assert again.mean == pytest.approx(made.mean + shift, abs=1e-9)
    assert np.sqrt(again.variance) == pytest.approx(np.sqrt(made.variance), rel=1e-6, abs=1e-8)
    assert 1 <= made.effective_units <= made.units + 1e-9
