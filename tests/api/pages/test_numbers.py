"""Numbers as text: right, short, and never more certain than they are."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pages import numbers
from api.pages.numbers import DASH, Scale

MINUS = "\N{MINUS SIGN}"
reals = st.floats(-1e8, 1e8, allow_nan=False).filter(lambda value: value == 0 or abs(value) >= 1e-4)


@pytest.mark.parametrize("absent", [None, math.nan, math.inf, -math.inf, True, "3"])
def test_what_is_no_number_is_a_dash(absent: object) -> None:
    """Null, NaN, infinity, booleans and text are shown as missing by every format of numbers."""
    formats = [numbers.number, numbers.percent, numbers.probability, numbers.chance, Scale("boolean").difference]
    assert [form(absent) for form in formats] == [DASH] * len(formats)


@given(reals)
def test_a_number_keeps_three_significant_digits(value: float) -> None:
    """The text read back is within half a unit of the third digit, or of the last whole digit."""
    back = float(numbers.number(value).replace(",", "").replace(MINUS, "-"))
    assert abs(back - value) <= max(0.005 * abs(value), 0.5 if abs(value) >= 100 else 0) * 1.000001


@given(st.integers(-(2**53), 2**53))
def test_integers_are_shown_in_full(value: int) -> None:
    """Counts are grouped, never rounded."""
    assert int(numbers.number(value).replace(",", "").replace(MINUS, "-")) == value


@given(st.floats(0, 1))
def test_a_probability_is_never_shown_as_0_or_1(p: float) -> None:
    """A p-value and a chance that round to certainty are given as bounds."""
    assert numbers.probability(p) not in {"0", "0.000", "0.0000", "1", "1.000"}
    assert numbers.chance(p) not in {"0.0%", "0.00%", "100.0%"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (Scale("boolean").difference(0.1234), "+12.3 pts"),
        (Scale("boolean").difference(-0.004), f"{MINUS}0.40 pts"),
        (Scale("boolean").interval([0.581, 0.642]), "58.1 to 64.2%"),
        (Scale("boolean").difference_interval([-0.031, 0.09]), f"{MINUS}3.1 to +9.0"),
        (Scale("boolean").spread(1e-9), "< 0.01 pts"),
        (Scale("numeric").difference(0.04118), "+0.0412"),
        (Scale("numeric").value(1234.5), "1,234"),
        (numbers.percent_interval([0.1, 0.25]), "+10.0 to +25.0%"),
        (numbers.number(3.2e-7), "3.20e-07"),
        (numbers.probability(0.00031), "0.0003"),
        (numbers.moment("2026-11-21T09:02:00+01:00"), "21 Nov 2026, 08:02 UTC"),
        (numbers.moment("soon"), "soon"),
        (numbers.lasting("7d"), "7 days"),
        (numbers.lasting("72h"), "3 days"),
        (numbers.lasting("1h"), "1 hour"),
        (numbers.lasting("361.095s"), "6.02 minutes"),
        (numbers.lasting("0s"), "0 seconds"),
        (numbers.lasting(None), DASH),
        (numbers.lasting("a while"), "a while"),
        (numbers.plain({"a": "é"}), '{"a": "é"}'),
    ],
)
def test_figures_read_as_expected(text: str, expected: str) -> None:
    """Percent for booleans, points for their differences, signs on differences, times in UTC."""
    assert text == expected


@pytest.mark.parametrize(
    ("kind", "width", "value", "expected"),
    [
        ("numeric", 0.058, 0.08013, ["0.080", "+0.080", "0.080"]),
        ("numeric", 58.0, 1911.2, ["1,911", "+1,911", "1,911"]),
        ("numeric", 0.058, -7e-11, ["0.000", "0.000", "0.000"]),
        ("numeric", 0.058, 7e-11, ["0.000", "0.000", "< 0.001"]),
        ("boolean", 0.1, 0.12334, ["12.3%", "+12.3 pts", "12.3 pts"]),
        ("boolean", 0.001, 0.000001, ["0.000%", "0.000 pts", "< 0.001 pts"]),
    ],
)
def test_a_column_has_as_many_decimals_as_its_intervals_leave_open(
    kind: str, width: float, value: float, expected: list[str]
) -> None:
    """Two significant digits of a standard error, which is about a quarter of a 95 % interval's width."""
    scale = Scale(kind).fitted([None, [0.0, width], [None, 1.0]])
    assert expected == [scale.value(value), scale.difference(value), scale.spread(value)]
    assert [DASH] * 3 == [scale.value(None), scale.difference(None), scale.spread(None)]


@pytest.mark.parametrize("intervals", [[], [None], [[1.0, 1.0]], [[0.0, 1e-30]], [[-1e300, 1e300]]])
def test_without_a_width_to_fit_numbers_keep_the_digits_they_need(intervals: list[object]) -> None:
    """Intervals that are missing, empty, too small or too large for a column of decimals change nothing."""
    assert Scale("numeric") == Scale("numeric").fitted(intervals)


@pytest.mark.parametrize("ends", [None, [None, 1.0], [1.0], [1.0, 2.0, 3.0], "ab"])
def test_an_interval_without_two_ends_is_a_dash(ends: object) -> None:
    """Half an interval says nothing; neither does a missing time."""
    scale = Scale("boolean")
    texts = [scale.interval(ends), scale.difference_interval(ends), numbers.percent_interval(ends)]
    assert texts == [DASH] * 3
    assert numbers.moment(None) == DASH
