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
        (Scale("numeric").tick(0.1 + 0.2), "+0.3"),
        (Scale("boolean").tick(-0.1), f"{MINUS}10"),
        (Scale("boolean").tick(0.0), "0"),
        (numbers.percent_interval([0.1, 0.25]), "+10.0 to +25.0%"),
        (numbers.number(3.2e-7), "3.20e-07"),
        (numbers.probability(0.00031), "0.0003"),
        (numbers.moment("2026-11-21T09:02:00+01:00"), "21 Nov 2026, 08:02 UTC"),
        (numbers.moment("soon"), "soon"),
        (numbers.plain({"a": "é"}), '{"a": "é"}'),
    ],
)
def test_figures_read_as_expected(text: str, expected: str) -> None:
    """Percent for booleans, points for their differences, signs on differences, times in UTC."""
    assert text == expected


@pytest.mark.parametrize("ends", [None, [None, 1.0], [1.0], [1.0, 2.0, 3.0], "ab"])
def test_an_interval_without_two_ends_is_a_dash(ends: object) -> None:
    """Half an interval says nothing; neither does a missing time."""
    scale = Scale("boolean")
    texts = [scale.interval(ends), scale.difference_interval(ends), numbers.percent_interval(ends)]
    assert texts == [DASH] * 3
    assert numbers.moment(None) == DASH
