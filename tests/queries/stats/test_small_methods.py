"""The methods of a few lines, each against an independent answer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats
from statsmodels.stats import meta_analysis, multitest, power

from queries.stats.aggregates import Difference
from queries.stats.belief import belief, chances_best
from queries.stats.bounds import Coverage, worst_cases
from queries.stats.heterogeneity import cochran_q
from queries.stats.lift import independent_log_variance, lift, paired_log_variance
from queries.stats.multiplicity import benjamini_hochberg, holm
from queries.stats.power import smallest_detectable, units_needed
from queries.stats.ranks import mann_whitney
from queries.stats.ratio import Period, sample_ratio_p
from queries.stats.sequence import half_width, sequence_p, tuning

MULTITEST: Any = multitest
META: Any = meta_analysis
CHI2: Any = stats.chi2
T_TEST: Any = power.TTestPower()


def difference(value: float, variance: float, units: int) -> Difference:
    return Difference(value, variance, units - 2, units, units / 2, "jackknife_t")


@pytest.mark.parametrize("p_values", [[0.3], [0.01, 0.02, 0.03, 0.4], [0.04, 0.01, 0.04, 1.0, 0.0], [0.9, 0.8, 0.7]])
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    """Adjusted p-values are those of statsmodels' multipletests."""
    assert holm(p_values) == pytest.approx(list(MULTITEST.multipletests(p_values, method="holm")[1]))


def test_holm_does_not_count_what_cannot_be_tested() -> None:
    """An untestable comparison stays without p and does not make the others' larger."""
    assert holm([None, 0.02, None, 0.03]) == [None, 0.04, None, 0.04]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_benjamini_hochberg_is_that_of_scipy(p_values: list[float]) -> None:
    """Adjusted p-values are those of scipy's false_discovery_control."""
    assert benjamini_hochberg(p_values) == pytest.approx(stats.false_discovery_control(p_values), rel=1e-12)


def test_benjamini_hochberg_does_not_count_what_cannot_be_tested() -> None:
    """An untestable comparison stays without p and does not make the others' larger."""
    assert benjamini_hochberg([None, 0.02, None, 0.03, 0.5]) == [None, 0.045, None, 0.045, 0.5]
    assert benjamini_hochberg([]) == []


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


def test_chance_to_be_best_of_two_is_the_normal_closed_form() -> None:
    """Phi of the difference over its error; the lower one's when lower is better."""
    chance = float(stats.norm.cdf((0.4 - 0.1) / math.sqrt(0.04 + 0.01)))
    assert chances_best([0.4, 0.1], [0.04, 0.01]) == pytest.approx([chance, 1 - chance], abs=1e-5)
    assert chances_best([0.4, 0.1], [0.04, 0.01], higher_is_better=False) == pytest.approx(
        [1 - chance, chance], abs=1e-5
    )


@given(
    st.lists(st.tuples(st.floats(-2, 2), st.floats(0.01, 3)), min_size=2, max_size=6),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_chances_to_be_best_are_how_often_each_is(arms: list[tuple[float, float]], seed: int, higher: bool) -> None:  # noqa: FBT001
    """Drawn 20,000 times (four errors); they add up to 1."""
    means, sds = np.array(arms).T
    chances = chances_best(list(means), list(sds**2), higher_is_better=higher)
    drawn: Any = np.random.default_rng(seed).normal(means, sds, (20_000, len(arms)))
    best: Any = drawn.argmax(axis=1) if higher else drawn.argmin(axis=1)
    assert sum(chances) == pytest.approx(1)
    for at, chance in enumerate(chances):
        seen = np.count_nonzero(best == at) / 20_000
        assert chance == pytest.approx(seen, abs=5 * math.sqrt(chance * (1 - chance) / 20_000) + 1e-3)


def test_chances_to_be_best_of_sharp_and_wide_arms() -> None:
    """An arm a thousand times sharper than the other, and one without any variance, are seen (closed form)."""
    for sharp in (1e-3, 0.0):
        chance = float(stats.norm.cdf(0.7 / math.hypot(sharp, 1)))
        assert chances_best([0.7, 0.0], [sharp**2, 1.0]) == pytest.approx([chance, 1 - chance], abs=1e-4)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.01, 4)), min_size=2, max_size=8))
def test_heterogeneity_is_statsmodels_cochran_q(segments: list[tuple[float, float]]) -> None:
    """Q of a fixed-effect meta-analysis of the segments (statsmodels' combine_effects), p by scipy."""
    differences, variances = (list(column) for column in zip(*segments, strict=True))
    made = cochran_q(differences, variances)
    with np.errstate(divide="ignore", invalid="ignore"):  # of what it makes of a Q of 0
        oracle = META.combine_effects(np.array(differences), np.array(variances))
    assert made is not None
    assert (made.statistic, made.df) == (pytest.approx(oracle.q, abs=1e-9), len(segments) - 1)
    assert made.p == pytest.approx(CHI2.sf(oracle.q, len(segments) - 1), rel=1e-6)


def test_segments_alike_are_rarely_told_apart() -> None:
    """Over 2000 sets of five equal segments p is below 5 % in 3.5 to 6.5 %; real differences are found."""
    generator = np.random.default_rng(9)
    variances = [0.1, 0.2, 0.4, 0.1, 1.0]
    found = [cochran_q(list(generator.normal(0.3, np.sqrt(variances))), variances) for _ in range(2000)]
    assert 0.035 <= np.mean([one is not None and one.p <= 0.05 for one in found]) <= 0.065
    apart = cochran_q([1.0, -1.0], [0.01, 0.01])
    assert apart is not None and 0 < apart.p < 1e-9


def test_one_segment_with_variance_is_nothing_to_compare() -> None:
    """Segments without variance do not count."""
    assert cochran_q([1.0, 2.0, 3.0], [0.5, None, 0.0]) is None
    assert cochran_q([1.0, 2.0, 7.0, 2.5], [0.5, 0.3, None, 0.0]) == cochran_q([1.0, 2.0], [0.5, 0.3])


@given(
    st.lists(st.integers(-8, 8), min_size=1, max_size=14),
    st.lists(st.integers(-8, 8), min_size=1, max_size=14),
)
def test_mann_whitney_is_scipys_with_ties(first: list[int], second: list[int]) -> None:
    """The normal approximation, corrected for ties; when all values are equal there is nothing to say."""
    made = mann_whitney(np.array(first, float), np.array(second, float))
    if len({*first, *second}) == 1:
        assert made is None
        return
    assert made == pytest.approx(stats.mannwhitneyu(first, second).pvalue, rel=1e-9)


@pytest.mark.parametrize("counts", [(1, 1), (3, 4), (8, 8), (2, 40), (50, 7), (9, 9), (120, 80)])
def test_mann_whitney_is_scipys_without_ties(counts: tuple[int, int]) -> None:
    """Exact with few units, approximate with many."""
    generator = np.random.default_rng(10)
    for shift in (0.0, 1.0, 9.0):
        first, second = generator.normal(shift, 1, counts[0]), generator.normal(0, 2, counts[1])
        assert mann_whitney(first, second) == pytest.approx(stats.mannwhitneyu(first, second).pvalue, rel=1e-9)
    assert mann_whitney(np.ones(0), np.ones(3)) is None
