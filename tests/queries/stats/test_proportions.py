"""Two shares of true, against scipy's exact tests, statsmodels, and their size by summing over every table."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import proportion as statsmodels_proportion

from queries.stats.comparison import SMALLEST_P
from queries.stats.proportions import MOST_UNITS, boschloo, fisher, proportions, shares_apart

proportion = cast("Any", statsmodels_proportion)
exact = cast("Any", stats)

ARM = st.integers(1, 25).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def table(a: int, n: int, b: int, m: int) -> list[list[int]]:
    """Return the 2x2 table with an arm a column, as scipy wants it."""
    return [[a, b], [n - a, m - b]]


@given(ARM, ARM)
def test_few_units_have_scipys_exact_tests(first: tuple[int, int], second: tuple[int, int]) -> None:
    """Boschloo's p is scipy's boschloo_exact (its own search for the worst share), Fisher's its fisher_exact."""
    assume(0 < first[0] + second[0] < first[1] + second[1])
    fishers = exact.fisher_exact(table(*first, *second)).pvalue
    assert fisher(*first, *second) == pytest.approx(fishers, rel=1e-9)
    oracle = exact.boschloo_exact(table(*first, *second)).pvalue
    if np.isfinite(oracle) and oracle <= 1:  # scipy's search fails at times
        assert boschloo(*first, *second) == pytest.approx(oracle, rel=1e-4)


@pytest.mark.parametrize("counts", [(0, 150, 6, 150), (2, 200, 5, 150), (1, 30, 9, 300)])
def test_larger_tables_have_scipys_exact_tests(counts: tuple[int, int, int, int]) -> None:
    """The same with hundreds of units."""
    assert boschloo(*counts) == pytest.approx(exact.boschloo_exact(table(*counts), n=64).pvalue, rel=1e-5)
    assert fisher(*counts) == pytest.approx(exact.fisher_exact(table(*counts)).pvalue, rel=1e-9)


@given(ARM, ARM, st.sampled_from([0.01, 0.05, 0.2]))
def test_the_interval_is_newcombes(first: tuple[int, int], second: tuple[int, int], alpha: float) -> None:
    """Whatever the test is; statsmodels' confint_proportions_2indep."""
    made = proportions(*first, *second)
    if not 0 < first[0] + second[0] < first[1] + second[1]:
        assert made is None
        return
    assert made is not None
    ends = shares_apart(*first, *second, alpha)
    oracle: Any = proportion.confint_proportions_2indep(*first, *second, method="newcomb", compare="diff", alpha=alpha)
    assert ends == pytest.approx(tuple(oracle), rel=1e-9, abs=1e-12)
    assert 0 < made.p <= 1


@given(ARM, ARM)
def test_swapping_arms_turns_the_interval(first: tuple[int, int], second: tuple[int, int]) -> None:
    """And keeps the p; so does counting failures instead of successes."""
    made, turned = proportions(*first, *second), proportions(*second, *first)
    failures = proportions(first[1] - first[0], first[1], second[1] - second[0], second[1])
    if made is None:
        assert turned is None and failures is None
        return
    assert turned is not None and failures is not None
    for other in (turned, failures):
        assert made.p == pytest.approx(other.p, rel=1e-6)
    low, high = shares_apart(*second, *first, 0.05)
    assert shares_apart(*first, *second, 0.05) == pytest.approx((-high, -low))


def test_enough_of_each_is_the_pooled_z() -> None:
    """The proportions_ztest of statsmodels, when every expected count is at least 5; just below it is Boschloo's."""
    made = proportions(40, 100, 55, 110)
    assert made is not None
    oracle: Any = proportion.proportions_ztest([40, 55], [100, 110])
    assert ("pooled_z", pytest.approx(oracle[1], rel=1e-12)) == (made.method, made.p)
    at_five, below = proportions(3, 20, 7, 20), proportions(2, 20, 7, 20)
    assert at_five is not None and below is not None
    assert ("pooled_z", "boschloo") == (at_five.method, below.method)


def test_tables_too_large_for_boschloo_have_fishers_test() -> None:
    """Rare events among thousands of units: the randomisation test of a 2x2 table (a hypergeometric urn by scipy)."""
    made, smaller = proportions(1, 2000, 8, 2000), proportions(1, 2, 8, MOST_UNITS - 2)
    assert made is not None and smaller is not None
    assert ("randomization", "boschloo") == (made.method, smaller.method)
    urn: Any = stats.hypergeom(4000, 9, 2000)
    assert made.p == pytest.approx(2 * urn.cdf(1), rel=1e-9)  # equal arms: both tails alike


def test_a_difference_beyond_doubt_has_a_p_above_zero() -> None:
    """Also where the tail is below what a double can hold."""
    made = proportions(0, 4000, 4000, 4000)
    assert made is not None
    assert made.p == SMALLEST_P
    few = proportions(0, 4, 900, 900)
    assert few is not None
    assert ("boschloo", True) == (few.method, 0 < few.p < 1e-6)


@pytest.mark.parametrize("counts", [(0, 9, 0, 5), (9, 9, 5, 5), (0, 0, 3, 5), (3, 5, 0, 0)])
def test_nothing_to_compare(counts: tuple[int, int, int, int]) -> None:
    """All true, all false, or an arm without units: no p."""
    assert proportions(*counts) is None


@cache
def rejected(n: int, m: int, alpha: float) -> np.ndarray:
    """Return which of all tables have a p of at most alpha."""
    made = [[proportions(a, n, b, m) for b in range(m + 1)] for a in range(n + 1)]
    return np.array([[one is not None and one.p <= alpha for one in row] for row in made])


@pytest.mark.parametrize(("n", "m"), [(10, 10), (20, 6), (30, 15)])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5])
def test_no_more_false_winners_than_alpha(n: int, m: int, share: float) -> None:
    """The exact size at a common share, by summing the likelihood of every rejected table: at most 5 % and a little.

    The little is the pooled z's, used where all expected counts are at least 5.
    """
    likelihood = np.outer(stats.binom.pmf(np.arange(n + 1), n, share), stats.binom.pmf(np.arange(m + 1), m, share))
    assert float(likelihood[rejected(n, m, 0.05)].sum()) <= 0.06
