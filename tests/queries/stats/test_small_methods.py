"""Holm, sample ratio, sequence, lift, power, belief and bounds, each against an independent answer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats
from statsmodels.stats import multitest, power

from queries.stats.aggregates import Difference
from queries.stats.belief import belief
from queries.stats.bounds import Coverage, worst_cases
from queries.stats.lift import independent_log_variance, lift, paired_log_variance
from queries.stats.multiplicity import holm
from queries.stats.power import smallest_detectable, units_needed
from queries.stats.ratio import Period, sample_ratio_p
from queries.stats.sequence import half_width, sequence_p, tuning

MULTITEST: Any = multitest
T_TEST: Any = power.TTestPower()


def difference(value: float, variance: float, units: int) -> Difference:
    return Difference(value, variance, units - 2, units, units / 2, "jackknife_t")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    """Adjusted p-values are those of statsmodels' multipletests."""
    assert holm(p_values) == pytest.approx(list(MULTITEST.multipletests(p_values, method="holm")[1]))


def test_holm_does_not_count_what_cannot_be_tested() -> None:
    """An untestable comparison stays without p and does not make the others' larger."""
    assert holm([None, 0.02, None, 0.03]) == [None, 0.04, None, 0.04]


@given(st.lists(st.integers(40, 500), min_size=2, max_size=5), st.integers(1, 4))
def test_sample_ratio_is_pearsons_chi_square(observed: list[int], heavier: int) -> None:
    """With enough units p is scipy's chisquare, whatever scale the weights have."""
    weights = np.array([heavier, *[1] * (len(observed) - 1)])
    oracle = stats.chisquare(observed, weights / weights.sum() * sum(observed)).pvalue
    assert sample_ratio_p([Period(tuple(observed), tuple(weights * 7.5))]) == pytest.approx(oracle, rel=1e-9)


def test_sample_ratio_leaves_out_variants_of_weight_zero_with_their_degree_of_freedom() -> None:
    """A retired variant neither counts as missing nor softens the test (the fault in gbstats' check_srm)."""
    assert sample_ratio_p([Period((300, 200, 0), (1, 1, 0))]) == sample_ratio_p([Period((300, 200), (1, 1))])


def test_sample_ratio_sums_periods_of_constant_weights() -> None:
    """Half and half, then nine to one: right in each period, wrong only when thrown together."""
    periods = [Period((500, 500), (1, 1)), Period((900, 100), (9, 1))]
    assert sample_ratio_p(periods) == 1.0
    together = sample_ratio_p([Period((1400, 600), (1, 1))])
    assert together is not None and together < 1e-9


def test_few_units_use_the_exact_distribution() -> None:
    """With expected counts below 5 the Monte-Carlo p agrees with the exact binomial test, and is the same each time."""
    period = Period((7, 0), (1, 1))
    p = sample_ratio_p([period])
    assert p == pytest.approx(stats.binomtest(7, 7, 0.5).pvalue, abs=0.001)
    assert p == sample_ratio_p([period])


@pytest.mark.parametrize("periods", [[], [Period((0, 0), (1, 1))], [Period((5,), (1,))]])
def test_nothing_to_test_has_no_sample_ratio(periods: list[Period]) -> None:
    """No units or one variant gives no p, rather than 1."""
    assert sample_ratio_p(periods) is None


def test_sequence_half_width_by_the_formula_of_gbstats() -> None:
    """Half-width as growthbook's gbstats writes it: sqrt(V n) * sqrt(2 (n rho^2 + 1) / (n^2 rho^2) * log(...))."""
    n, rho2, alpha, variance = 240, 0.013, 0.05, 0.004
    root = np.sqrt(2 * (n * rho2 + 1) * np.log(np.sqrt(n * rho2 + 1) / alpha) / (n * np.sqrt(rho2)) ** 2)
    assert half_width(variance, n, rho2, alpha) == pytest.approx(np.sqrt(variance * n) * root)


@given(st.floats(50, 5000), st.floats(0.001, 0.2))
def test_sequence_is_tightest_where_it_was_tuned(planned: float, alpha: float) -> None:
    """No other rho gives a clearly narrower sequence at the planned size (found by search)."""
    tuned = half_width(1.0, round(planned), tuning(round(planned), alpha), alpha)
    others = [
        half_width(1.0, round(planned), tuning(round(planned), alpha) * k, alpha) for k in np.geomspace(0.1, 10, 41)
    ]
    assert tuned <= min(others) * 1.01


@given(st.floats(0.01, 3), st.integers(20, 2000))
def test_sequence_p_is_the_alpha_whose_sequence_touches_zero(value: float, units: int) -> None:
    """The p inverts the half-width: at alpha = p the sequence ends at 0."""
    made, rho2 = difference(value, 0.04, units), tuning(units, 0.05)
    p = sequence_p(made, rho2)
    if 0 < p < 1:
        assert half_width(made.variance, units, rho2, p) == pytest.approx(value, rel=1e-6)


def test_looking_every_unit_rarely_names_a_false_winner() -> None:
    """Over 2000 A/A walks looked at after each of 20 to 400 units, at most 5 % ever leave the sequence."""
    generator = np.random.default_rng(6)
    walks = np.cumsum(generator.normal(size=(2000, 400)), axis=1)[:, 19:]
    n = np.arange(20, 401)
    rho2 = tuning(400, 0.05)
    bounds = np.array([half_width(1 / units, int(units), rho2, 0.05) for units in n])
    assert np.mean(np.any(np.abs(walks / n) > bounds, axis=1)) <= 0.05


def test_lift_interval_holds_the_true_ratio_as_often_as_it_says() -> None:
    """Over 2000 simulated pairs of arms the 95 % log-ratio interval covers the true lift in 93 to 97 %."""
    generator = np.random.default_rng(7)
    covered = 0
    for _ in range(2000):
        first, second = generator.gamma(4, 0.3, 80), generator.gamma(4, 0.25, 80)
        parts = [(x.mean(), x.var(ddof=1) / 80) for x in (first, second)]
        made = lift(parts[0][0], parts[1][0], independent_log_variance(*parts[0], *parts[1]), 158, 0.05)
        covered += made.ci[0] <= 0.2 <= made.ci[1]
    assert 0.93 <= covered / 2000 <= 0.97


def test_paired_lift_knows_the_covariance() -> None:
    """With pairs the variance of the log ratio is the delta method's, covariance included."""
    generator = np.random.default_rng(8)
    second = generator.gamma(9, 1, 60)
    first = second * generator.normal(1.1, 0.02, 60)
    cov = np.cov(first, second) / 60
    a, b = first.mean(), second.mean()
    expected = cov[0, 0] / a**2 + cov[1, 1] / b**2 - 2 * cov[0, 1] / (a * b)
    assert paired_log_variance(first, second) == pytest.approx(expected)


def test_smallest_detectable_difference_is_found_four_times_in_five() -> None:
    """The exact power (statsmodels) of the t test at the smallest detectable difference is 80 % within a point."""
    detectable = smallest_detectable(1 / math.sqrt(40), 39, 0.05)
    assert T_TEST.power(detectable, 40, 0.05) == pytest.approx(0.8, abs=0.01)


def test_units_needed_grow_with_the_square() -> None:
    """Half the difference needs four times the units; a difference already detectable needs none."""
    assert (units_needed(100, 0.2, 0.1), units_needed(100, 0.2, 0.3)) == (300, 0)


@given(st.floats(-2, 2), st.floats(0.01, 2), st.floats(0.1, 5))
def test_belief_is_the_posterior_by_integration(improvement: float, sd: float, prior_sd: float) -> None:
    """Chance and loss are integrals over prior times likelihood (scipy.integrate on a grid)."""
    made = belief(improvement, sd**2, prior_sd)
    width = 12 * min(sd, prior_sd)
    centre = improvement * prior_sd**2 / (prior_sd**2 + sd**2)
    grid = np.linspace(centre - width, centre + width, 20_001)
    density = stats.norm.pdf(grid, 0, prior_sd) * stats.norm.pdf(improvement, grid, sd)
    density /= integrate.trapezoid(density, grid)
    assert made.chance_to_beat == pytest.approx(float(integrate.trapezoid(density * (grid > 0), grid)), abs=2e-3)
    loss = float(integrate.trapezoid(density * np.maximum(0, -grid), grid))
    assert made.expected_loss == pytest.approx(loss, rel=1e-3, abs=1e-6)


def test_worst_cases_are_those_of_every_way_to_fill_in() -> None:
    """Two runs missing on one side, one on the other: the bounds are the extremes over all 0/1 fillings."""
    first, second = Coverage(5, 3, 2 / 3), Coverage(4, 3, 1 / 3)
    fillings = [(2 + a) / 5 - (1 + b) / 4 for a in (0, 1, 2) for b in (0, 1)]
    assert worst_cases(first, second, 0, 1) == pytest.approx((min(fillings), max(fillings)))
