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
    assert [tick.value for tick in plot.axis] == [0, 5, 10]


def test_a_very_wide_sequence_does_not_squeeze_the_intervals() -> None:
    """A sequence a thousand times wider runs off the plot; the interval keeps a fair share of it."""
    plot = charts.forest([{"difference": 0.0, "ci": [-1.0, 1.0], "sequence": {"ci": [-1000.0, 1000.0]}}])
    row = plot.rows[0]
    assert row.bar is not None and row.sequence is not None
    assert row.bar.high - row.bar.low > 30
    assert row.sequence.low < 0 and row.sequence.high > 100


def test_nothing_known_draws_nothing() -> None:
    """Without a single number there are rows without marks, and no axis."""
    plot = charts.forest([{"difference": None, "ci": None, "sequence": {"ci": None}}, {}])
    assert plot.axis == ()
    assert not any(row.has_marks for row in plot.rows)


@given(size, size)
def test_ticks_are_round_rising_and_within(one: float, other: float) -> None:
    """There are three to nine ticks, evenly apart, none outside the domain."""
    axis = charts.domain([one, other])
    places = charts.ticks(axis)
    assert 3 <= len(places) <= 9
    assert places == sorted(set(places))
    slack = 1e-9 * (axis.high - axis.low)
    assert axis.low - slack <= places[0] and places[-1] <= axis.high + slack


def test_a_course_joins_the_days_of_its_variant() -> None:
    """Days without a mean are bridged; a single day is a dot; higher means lie higher."""
    drawn = charts.series(
        [
            {"day": "2026-10-01", "variant": "a", "scored_runs": 3, "mean": 0.0},
            {"day": "2026-10-02", "variant": "a", "scored_runs": 0, "mean": None},
            {"day": "2026-10-03", "variant": "a", "scored_runs": 4, "mean": 1.0},
            {"day": "2026-10-02", "variant": "b", "scored_runs": 1, "mean": 0.5},
        ]
    )
    assert drawn is not None
    a, b = drawn.lines
    assert (a.variant, a.last, b.variant, b.last) == ("a", 1.0, "b", 0.5)
    (x1, y1), (x2, y2) = [map(float, point.split()) for point in a.path[1:].split("L")]
    assert x1 < x2 and y1 > y2
    assert b.path == "M50.0 50.0h0"
    assert (drawn.first_day, drawn.last_day, drawn.low, drawn.high) == ("2026-10-01", "2026-10-03", 0.0, 1.0)


def test_no_mean_is_no_chart() -> None:
    """Without a mean on any day there is nothing to draw."""
    assert charts.series([]) is None
    assert charts.series([{"day": "2026-10-01", "variant": "a", "scored_runs": 0, "mean": None}]) is None
