"""Units under other labels, against the report's own estimate and equal likelihood."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from queries.stats.aggregates import Units
from queries.stats.jackknife import Estimand, estimate
from queries.stats.shuffling import drawn, estimates, pooled

UNIT = st.tuples(st.integers(1, 400), st.floats(-1e3, 1e3))


@given(st.lists(UNIT, min_size=3, max_size=9), st.integers(0, 99))
def test_each_row_is_the_reports_estimate(pairs: list[tuple[int, float]], seed: int) -> None:
    """Mean, variance and effective units of every assignment to an arm."""
    runs, means = (np.array(column, float) for column in zip(*pairs, strict=True))
    totals = runs * means
    count = max(2, len(pairs) // 2)
    places = drawn(np.random.default_rng(seed), 7, (count, len(pairs) - count))[:, :count]
    for mean, variance, effective, own in zip(*estimates(runs[places], totals[places]), places, strict=True):
        made = estimate(Units(runs[own], totals[own]))
        assert made is not None and made.variance is not None
        scale = float(np.abs(totals[own]).max())
        assert (mean, effective) == pytest.approx((made.mean, made.effective_units), rel=1e-9, abs=1e-12 * scale)
        assert np.sqrt(variance) == pytest.approx(np.sqrt(made.variance), rel=1e-6, abs=1e-9 * scale)


def test_all_assignments_are_equally_likely() -> None:
    """Of three arms of 1, 2 and 1 units there are 12; 24,000 draws hit each as often as chance allows (chi-square)."""
    places = drawn(np.random.default_rng(2), 24_000, (1, 2, 1))
    seen = Counter((row[0], frozenset(row[1:3]), row[3]) for row in places.tolist())
    assert {(a, frozenset({b, c}), d) for a, b, c, d in permutations(range(4))} == set(seen)
    assert stats.chisquare(list(seen.values())).pvalue > 0.001


@pytest.mark.parametrize("estimand", ["runs", "units"])
def test_pooling_moves_every_arm_the_same(estimand: Estimand) -> None:
    """Differences of means stay; what does not vary becomes 0 exactly."""
    generator = np.random.default_rng(3)
    arms = [Units(np.array([1.0, 5.0, 2.0]), generator.normal(1e6, 1, 3)) for _ in range(2)]
    runs, totals = pooled(arms, estimand)
    made = [estimate(Units(runs[part], totals[part])) for part in (slice(3), slice(3, 6))]
    own = [estimate(arm, estimand) for arm in arms]
    assert made[0] is not None and made[1] is not None and own[0] is not None and own[1] is not None
    assert made[0].mean - made[1].mean == pytest.approx(own[0].mean - own[1].mean, abs=1e-8)
    assert not pooled([Units(arm.runs, 0.1 * arm.runs) for arm in arms], estimand)[1].any()
