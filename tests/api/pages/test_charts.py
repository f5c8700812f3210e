"""Geometry: marks lie where the numbers say, inside the plot, in the same order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pages import charts

size = st.floats(-1e9, 1e9).filter(lambda value: value == 0 or abs(value) > 1e-6)


@st.composite
def comparisons(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw comparisons whose numbers may each be missing."""

    def one() -> dict[str, Any]:
        low, middle, high = sorted(draw(st.tuples(size, size, size)))
        ends = draw(st.sampled_from([None, [low, high]]))
        far = draw(st.sampled_from([None, [3 * low - 2 * high, 3 * high - 2 * low]]))
        return {"difference": draw(st.sampled_from([None, middle])), "ci": ends, "sequence": {"ci": far}}

    return [one() for _ in range(draw(st.integers(0, 4)))]


@given(comparisons())
def test_intervals_lie_inside_the_plot_around_their_point(drawn: list[dict[str, Any]]) -> None:
    """Points and intervals keep off the edges and in order; the zero line is always in view."""
    plot = charts.forest(drawn)
    assert len(plot.rows) == len(drawn)
    assert 0 < plot.zero < 100
    for row in plot.rows:
        if row.bar:
            assert 0 < row.bar.low <= row.bar.high < 100
        if row.bar and row.point is not None:
            assert row.bar.low <= row.point <= row.bar.high
        if row.bar and row.sequence:
            assert row.sequence.low <= row.bar.low and row.bar.high <= row.sequence.high


def test_positions_follow_from_proportion() -> None:
    """With zero at one end and 10 at the other, 5 lies in the middle between the padded ends."""
    plot = charts.forest([{"difference": 5.0, "ci": [0.0, 10.0], "sequence": None}])
    row = plot.rows[0]
    assert row.bar is not None
    assert (row.bar.low, row.point, row.bar.high) == pytest.approx((5.36, 50.0, 94.64), abs=0.01)


def test_a_very_wide_sequence_does_not_squeeze_the_intervals() -> None:
    """A sequence a thousand times wider runs off the plot; the interval keeps a fair share of it."""
    plot = charts.forest([{"difference": 0.0, "ci": [-1.0, 1.0], "sequence": {"ci": [-1000.0, 1000.0]}}])
    row = plot.rows[0]
    assert row.bar is not None and row.sequence is not None
    assert row.bar.high - row.bar.low > 30
    assert row.sequence.low < 0 and row.sequence.high > 100


def test_nothing_known_draws_nothing() -> None:
    """Without a single number there are rows without marks."""
    plot = charts.forest([{"difference": None, "ci": None, "sequence": {"ci": None}}, {}])
    assert not any(row.has_marks for row in plot.rows)
