"""Small charts: columns in proportion, lines inside their plot, and nothing drawn out of nothing."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pages import plots

counts = st.lists(st.none() | st.integers(0, 10**9), max_size=40)
reals = st.lists(st.none() | st.floats(-1e9, 1e9) | st.just(math.nan), max_size=40)


@given(counts, st.floats(0, 1))
def test_columns_are_in_proportion(sizes: list[int | None], share: float) -> None:
    """The highest fills the height, what is there can be seen, and columns stand beside one another inside the plot."""
    rows = [(f"l{n}", f"w{n}", size, None if size is None else size * share) for n, size in enumerate(sizes)]
    made = plots.columns(rows)
    most = max((size or 0 for size in sizes), default=0)
    if most == 0:
        assert made is None
        return
    assert made is not None
    assert (most, "l0", f"l{len(sizes) - 1}") == (made.most, made.first, made.last)
    assert [f"w{n}" for n in range(len(sizes))] == [one.words for one in made.columns]
    for size, one in zip(sizes, made.columns, strict=True):
        assert one.height == (pytest.approx(max(100 * size / most, 0.5), abs=0.001) if size else 0)
        assert 0 <= one.marked <= max(one.height, 0.5)
        assert 0 <= one.left and one.left + one.width <= 100.01
    assert all(before.left + before.width <= after.left + 0.002 for before, after in pairwise(made.columns))


def points(line: plots.Line) -> list[tuple[float, float]]:
    """Return the points of a line."""
    return [(float(x), float(y)) for x, y in (point.split(",") for point in line.points.split())]


@given(reals)
def test_a_line_stays_in_its_plot(values: list[float | None]) -> None:
    """One point a known value, from left to right, higher values higher; missing ones are passed over."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    made = plots.line([(str(n), value) for n, value in enumerate(values)])
    if len(known) < 2:
        assert made is None
        return
    assert made is not None
    assert (min(known), max(known)) == (made.low, made.high)
    drawn = points(made)
    assert len(known) == len(drawn)
    assert all(0 <= x <= 100 and 0 <= y <= 100 for x, y in drawn)
    assert all(before[0] < after[0] for before, after in pairwise(drawn))
    for (_, y), value in zip(drawn, known, strict=True):
        for (_, other_y), other in zip(drawn, known, strict=True):
            assert y <= other_y or value <= other


def test_known_cases() -> None:
    """By hand: half is half as high, a flat line is drawn, a gap is bridged."""
    made = plots.columns([("mon", "", 10, 5), ("tue", "", 5, 0), ("wed", "", 0, 0)])
    assert made is not None
    assert [(100.0, 50.0), (50.0, 0.0), (0.0, 0.0)] == [(one.height, one.marked) for one in made.columns]
    bridged = plots.line([("a", 1.0), ("b", None), ("c", 3.0)])
    assert bridged is not None and [0.0, 100.0] == [x for x, _ in points(bridged)]
    flat = plots.line([("a", 2.0), ("b", 2.0)])
    assert flat is not None and 1 == len({y for _, y in points(flat)})


@pytest.mark.parametrize("rows", [[], [("a", "", 0, 0)], [("a", "", None, None)], [("a", "", math.nan, 1)]])
def test_nothing_is_no_chart(rows: list[tuple[str, str, object, object]]) -> None:
    """Rather no chart than an empty one."""
    assert plots.columns(rows) is None
