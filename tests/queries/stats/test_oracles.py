"""The report's formulas against tea-tasting, statsmodels, and the definitions they come from.

tea-tasting (github.com/e10v/tea-tasting) is given its `Aggregates`, made here with numpy; its variance of a ratio is
the delta method's, which the jackknife equals when all units make the same number of runs.
"""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
import pytest
import tea_tasting
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats
from statsmodels.stats import weightstats as statsmodels_weightstats
from tea_tasting import aggr, experiment
from tea_tasting.metrics import mean as tea_mean

from queries.stats import columns
from queries.stats.aggregates import Difference, Units
from queries.stats.comparison import independent, interval, p_value
from queries.stats.cuped import adjusted
from queries.stats.jackknife import Estimand, estimate
from queries.stats.lift import independent_log_variance, lift
from queries.stats.multiplicity import benjamini_hochberg, holm
from queries.stats.power import smallest_detectable, units_needed
from queries.stats.sequence import sequence_p

tea = cast("Any", tea_tasting)
made_by, results, metrics = cast("Any", aggr), cast("Any", experiment), cast("Any", tea_mean)
weightstats = cast("Any", statsmodels_weightstats)

SCORES = st.lists(st.floats(-1e3, 1e3).map(lambda x: round(x, 3)), min_size=1, max_size=6)
MANY = st.lists(SCORES, min_size=2, max_size=8)


def units_of(scores: list[list[float]]) -> Units:
    """Return units of these scores."""
    return Units(np.array([len(own) for own in scores], float), np.array([sum(own) for own in scores]))


def drawn(generator: np.random.Generator, count: int, effect: float, runs: int | None = None) -> tuple[Units, Any]:
    """Return units with positive means, and a history that goes with them; each of `runs`, or of its own number."""
    level = generator.gamma(9, 0.3, count)
    made = np.full(count, float(runs)) if runs else np.ceil(generator.lognormal(1, 0.7, count))
    scores = level + effect + generator.normal(0, 0.5, count) / np.sqrt(made)
    return Units(made, made * scores), level + generator.normal(0, 0.5, count)


def aggregates(units: Units, history: Any = None) -> Any:
    """Return what tea-tasting wants to know: unit totals s, runs n, and runs times history x."""
    named = {"s": units.totals, "n": units.runs}
    if history is not None:
        named["x"] = units.runs * history
    names = list(named)
    cov = np.cov(np.array(list(named.values())))
    return made_by.Aggregates(
        count_=len(units.runs),
        mean_={name: float(values.mean()) for name, values in named.items()},
        var_={name: float(cov[at, at]) for at, name in enumerate(names)},
        cov_={(names[i], names[j]): float(cov[i, j]) for i in range(len(names)) for j in range(i + 1)},
    )


def analysed(treatment: Any, control: Any, **options: Any) -> Any:
    """Return tea-tasting's result for the ratio s / n."""
    metric = metrics.RatioOfMeans("s", "n", **{"use_t": True, "equal_var": False, **options})
    return metric.analyze_aggregates(control=control, treatment=treatment)


@given(MANY, st.sampled_from(["runs", "units"]))
def test_the_jackknife_is_leaving_out_one_unit_after_another(scores: list[list[float]], estimand: Estimand) -> None:
    """A plain loop over the definition: V = (K-1)/K sum (R_-i - R)^2, R the mean over runs, or over unit means."""

    def mean(kept: list[list[float]]) -> float:
        return float(np.mean(np.concatenate(kept) if estimand == "runs" else [np.mean(own) for own in kept]))

    made = estimate(units_of(scores), estimand)
    assert made is not None and made.variance is not None
    count = len(scores)
    left_out = [mean(scores[:at] + scores[at + 1 :]) - mean(scores) for at in range(count)]
    assert made.mean == pytest.approx(mean(scores), abs=1e-9)
    assert math.sqrt(made.variance) == pytest.approx(
        math.sqrt((count - 1) / count * sum(x * x for x in left_out)), rel=1e-7, abs=1e-8
    )


def test_equal_units_have_the_delta_method_of_tea_tasting() -> None:
    """Difference, interval and p of the ratio metric; six runs a unit, arms of different size and spread."""
    generator = np.random.default_rng(1)
    first, second = drawn(generator, 30, 0.4, runs=6)[0], drawn(generator, 14, 0.0, runs=6)[0]
    made = independent(estimate(first), estimate(second))
    oracle = analysed(aggregates(first), aggregates(second))
    assert made is not None
    assert (made.value, p_value(made)) == pytest.approx((oracle.effect_size, oracle.pvalue), rel=1e-9)
    assert interval(made.value, made.variance, made.df, 0.05) == pytest.approx(
        (oracle.effect_size_ci_lower, oracle.effect_size_ci_upper), rel=1e-9
    )


def test_many_unequal_units_are_close_to_the_delta_method() -> None:
    """20,000 units: the jackknife is a little wider, by the leverage of each unit."""
    generator = np.random.default_rng(2)
    first, second = drawn(generator, 20_000, 0.1)[0], drawn(generator, 20_000, 0.0)[0]
    made = independent(estimate(first), estimate(second))
    oracle = analysed(aggregates(first), aggregates(second))
    assert made is not None
    assert made.value / made.standard_error == pytest.approx(oracle.statistic, rel=1e-3)
    assert abs(made.value) / made.standard_error <= abs(oracle.statistic)


def test_lift_is_that_of_tea_tasting() -> None:
    """The log-ratio interval of any ratio metric, from the same delta variances; normal quantiles on both sides."""
    generator = np.random.default_rng(3)
    first, second = aggregates(drawn(generator, 90, 0.5)[0]), aggregates(drawn(generator, 60, 0.0)[0])
    oracle = analysed(first, second, use_t=False, confidence_level=0.9)
    parts = [(arm.mean("s") / arm.mean("n"), arm.ratio_var("s", "n") / arm.count()) for arm in (first, second)]
    made = lift(parts[0][0], parts[1][0], independent_log_variance(*parts[0], *parts[1]), 1e12, 0.1)
    assert (made.value, *made.ci) == pytest.approx(
        (oracle.rel_effect_size, oracle.rel_effect_size_ci_lower, oracle.rel_effect_size_ci_upper), rel=1e-9
    )


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_cuped_is_that_of_tea_tasting(missing: float) -> None:
    """RatioOfMeans with a covariate, unequal runs: effect, interval and p; units without history have its mean."""
    generator = np.random.default_rng(4)
    arms = [drawn(generator, 50, 0.2), drawn(generator, 35, 0.0)]
    histories = [np.where(generator.random(len(x)) < missing, np.nan, x) for _, x in arms]
    made = adjusted([units for units, _ in arms], histories)
    runs, known = np.concatenate([units.runs for units, _ in arms]), np.concatenate(histories)
    mean = np.average(known[np.isfinite(known)], weights=runs[np.isfinite(known)])
    filled = [np.where(np.isfinite(own), own, mean) for own in histories]
    oracle = analysed(
        *(aggregates(units, own) for (units, _), own in zip(arms, filled, strict=True)),
        numer_covariate="x",
        denom_covariate="n",
    )
    assert made is not None
    found = analysed(*(aggregates(units) for units in made.arms))
    for name in ("effect_size", "effect_size_ci_lower", "effect_size_ci_upper", "pvalue"):
        assert getattr(found, name) == pytest.approx(getattr(oracle, name), rel=1e-9)
    own = independent(*(estimate(units) for units in made.arms))
    plain = independent(*(estimate(units) for units, _ in arms))
    assert own is not None and plain is not None
    assert own.value == pytest.approx(oracle.effect_size, rel=1e-9)
    assert own.variance < 0.8 * plain.variance


def test_power_is_that_of_tea_tasting() -> None:
    """The smallest difference found in 80 %, and the units wanted, within a percent of the noncentral t."""
    generator = np.random.default_rng(5)
    both = aggregates(drawn(generator, 120, 0.0, runs=3)[0])
    options = {"use_t": True, "equal_var": True, "power": 0.8, "alpha": 0.05}
    metric = metrics.RatioOfMeans("s", "n", n_obs=120, **options)
    oracle = metric.solve_power_from_aggregates(both, "effect_size")[0].effect_size
    error = math.sqrt(both.ratio_var("s", "n") * (1 / 60 + 1 / 60))
    made = smallest_detectable(error, 118, 0.05)
    assert made == pytest.approx(oracle, rel=0.01)
    wanted = metrics.RatioOfMeans("s", "n", effect_size=made / 3, **options)
    more = units_needed(120, made, made / 3)
    assert more is not None
    assert 120 + more == pytest.approx(wanted.solve_power_from_aggregates(both, "n_obs")[0].n_obs, rel=0.02)


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=7))
def test_corrections_are_those_of_tea_tasting(p_values: list[float]) -> None:
    """adjust_fwer (Holm with Bonferroni's bound) and adjust_fdr (Benjamini-Hochberg)."""
    result = results.ExperimentResult({f"m{at}": {"pvalue": p} for at, p in enumerate(p_values)})

    def by(adjust: Any, **options: Any) -> list[float]:
        adjusted_results = adjust(result, **options)
        return [one["pvalue_adj"] for one in adjusted_results.to_dicts()]

    assert holm(p_values) == pytest.approx(by(tea.adjust_fwer, arbitrary_dependence=True, method="bonferroni"))
    assert benjamini_hochberg(p_values) == pytest.approx(by(tea.adjust_fdr, arbitrary_dependence=False))


@pytest.mark.parametrize("margin", [0.3, 0.5, 0.62, 0.63, 0.64, 0.65, 0.66, 0.7, 1.0])
@pytest.mark.parametrize("alpha", [0.025, 0.05])
def test_equivalence_is_the_two_one_sided_tests_of_statsmodels(margin: float, alpha: float) -> None:
    """The interval at 1 - 2 alpha lies inside the margin exactly when TOST (ttost_ind, unequal variances) rejects."""
    generator = np.random.default_rng(6)
    first, second = generator.normal(0.2, 1, 60), generator.normal(0, 1.5, 45)
    made = independent(estimate(Units(np.ones(60), first)), estimate(Units(np.ones(45), second)))
    assert made is not None
    low, high = interval(made.value, made.variance, made.df, 2 * alpha)
    p = weightstats.ttost_ind(first, second, -margin, margin, usevar="unequal")[0]
    assert (-margin < low and high < margin) == (p < alpha)


@given(st.floats(0.05, 6), st.integers(10, 5000), st.floats(1e-4, 0.5))
def test_the_sequence_is_the_mixture_it_is_derived_from(errors: float, units: int, rho2: float) -> None:
    """It is 1 / M, M = integral of exp(l S - l^2 n / 2) over l ~ N(0, rho^2): the mixture martingale of the paper.

    arXiv 2103.06476, proof of theorem 2.2 (Robbins' normal mixture), by numerical integration; S is the sum of n
    standard deviations that makes the estimate `errors` standard errors large.
    """
    total, rho = errors * math.sqrt(units), math.sqrt(rho2)
    at, width = total * rho2 / (1 + units * rho2), rho / math.sqrt(1 + units * rho2)  # where the integrand lives
    grid = np.linspace(at - 12 * width, at + 12 * width, 20_001)
    integrand = np.exp(grid * total - grid**2 * units / 2) * stats.norm.pdf(grid, 0, rho)
    mixture = float(integrate.simpson(integrand, x=grid))
    difference = Difference(errors * 0.7, 0.49, units - 2, units, units / 2, "jackknife_t")
    assert sequence_p(difference, rho2) == pytest.approx(min(1.0, 1 / mixture), rel=1e-6)


@given(MANY, MANY)
def test_swapping_labels_flips_the_sign(first: list[list[float]], second: list[list[float]]) -> None:
    """Of the difference, of both ends of its interval, and nothing else; adjusted by a history, too."""
    one, other = units_of(first), units_of(second)
    generator = np.random.default_rng(len(first))
    histories = [generator.normal(size=len(arm.runs)) for arm in (one, other)]
    there, back = adjusted([one, other], histories), adjusted([other, one], histories[::-1])
    assert there is not None and back is not None
    assert there.theta == pytest.approx(back.theta, rel=1e-6, abs=1e-9)
    for arms, turned in (((one, other), (other, one)), (there.arms, back.arms)):
        made, again = independent(*map(estimate, arms)), independent(*map(estimate, turned))
        assert made is not None and again is not None
        assert made.value == pytest.approx(-again.value, rel=1e-6, abs=1e-6)
        assert made.standard_error == pytest.approx(again.standard_error, rel=1e-6, abs=1e-6)


@given(MANY, st.randoms(use_true_random=False), st.integers(1, 5))
def test_when_a_unit_made_its_runs_changes_nothing(scores: list[list[float]], random: Any, days: int) -> None:
    """Runs in any order, and a unit's sums added up day by day: the row-wise estimate of SQL, and the unit-wise one."""
    rows = [(unit, score, random.randrange(days)) for unit, own in enumerate(scores) for score in own]
    random.shuffle(rows)
    made = estimate(units_of(scores))
    daily = np.zeros((2, days, len(scores)))
    for unit, score, day in rows:
        daily[:, day, unit] += 1, score
    summed = estimate(Units(*daily.sum(axis=1)))
    unit, score = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    by_row = columns.clusters(np.zeros(len(scores), np.int64), 1, unit, score)
    assert made is not None and made.variance is not None and summed is not None and summed.variance is not None
    for mean, error in ((summed.mean, math.sqrt(summed.variance)), (float(by_row.mean[0]), float(by_row.se[0]))):
        assert (mean, error) == pytest.approx((made.mean, math.sqrt(made.variance)), rel=1e-6, abs=1e-6)


@given(st.integers(0, 2**32), st.integers(2, 30), st.integers(2, 30), st.floats(0.1, 10))
def test_one_run_a_unit_is_welchs_test(seed: int, first: int, second: int, spread: float) -> None:
    """The ttest_ind of scipy with unequal variances, whatever the sizes and spreads; in both estimands."""
    generator = np.random.default_rng(seed)
    one, other = generator.normal(0.5, spread, first), generator.normal(0, 1, second)
    oracle = stats.ttest_ind(one, other, equal_var=False)
    for estimand in ("runs", "units"):
        made = independent(*(estimate(Units(np.ones(len(own)), own), estimand) for own in (one, other)))
        assert made is not None
        assert (p_value(made), made.df) == pytest.approx((oracle.pvalue, oracle.df), rel=1e-7)
