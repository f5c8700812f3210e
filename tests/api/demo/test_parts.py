from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.demo.calendar import DAY_MS, starts
from api.demo.models import Model
from api.demo.ulids import ulid
from api.demo.variants import bucket

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
MILLISECONDS = st.integers(
    int(dt.datetime(1980, 2, 1, tzinfo=dt.UTC).timestamp() * 1000),
    int(dt.datetime(2099, 12, 31, tzinfo=dt.UTC).timestamp() * 1000),
)

HALVES = {"a": 1.0, "b": 1.0}
THIRDS = {"a": 1.0, "b": 1.0, "c": 1.0}
FIFTHS = {"control": 80.0, "new_flow": 20.0}
LAST_ONLY = {"a": 0.0, "b": 1.0}
VECTORS = (
    ("", HALVES, "b"), ("", THIRDS, "c"), ("", FIFTHS, "new_flow"), ("", LAST_ONLY, "b"),
    ("user-1", HALVES, "b"), ("user-1", THIRDS, "c"), ("user-1", FIFTHS, "control"),
    ("account_123", HALVES, "a"), ("account_123", THIRDS, "a"), ("account_123", LAST_ONLY, "b"),
    ("1", HALVES, "a"), ("1", THIRDS, "b"), ("42", HALVES, "a"), ("true", HALVES, "b"),
    ("Zoë", HALVES, "b"), ("日本", FIFTHS, "new_flow"), ("日本", HALVES, "b"),
    ("01HZX3V6J8Q0000000000000AA", THIRDS, "c"), ("01ARZ3NDEKTSV4RRFFQ69G5FAV", THIRDS, "b"),
)  # fmt: skip
"""From the table in `reference/inngest.md` section 9, computed there with Node."""


@pytest.mark.parametrize(("value", "weights", "expected"), VECTORS)
def test_bucket_chooses_as_inngest_does(value: str, weights: dict[str, float], expected: str) -> None:
    """The choice of the SDK can be recomputed from value and weights."""
    assert bucket(value, weights) == expected


@given(ms=MILLISECONDS, bits=st.integers(0, 2**80 - 1))
def test_a_ulid_reads_back(ms: int, bits: int) -> None:
    """Ten characters of time and sixteen of randomness, five bits each."""
    value = 0
    for character in ulid(ms, bits):
        value = value * 32 + CROCKFORD.index(character)
    assert (value >> 80, value & (2**80 - 1)) == (ms, bits)
    assert len(ulid(ms, bits)) == 26


@given(now=MILLISECONDS, weeks=st.integers(1, 3))
def test_whole_weeks_hold_the_same_traffic_wherever_they_begin(now: int, weeks: int) -> None:
    """Of n weeks, k hold k/n of the traffic, to the millisecond or so, for every `now`."""
    shares = np.arange(weeks + 1) / weeks
    expected = now - 7 * DAY_MS * (weeks - np.arange(weeks + 1))
    assert np.abs(starts(shares, now, 7 * weeks) - expected).max() <= 2


@given(now=MILLISECONDS, days=st.integers(1, 30), moments=st.lists(st.floats(0, 1), max_size=20))
def test_times_keep_their_order_within_the_span(now: int, days: int, moments: list[float]) -> None:
    """Later shares of the traffic are later times, none before the span or after now."""
    times = starts(np.sort(np.array(moments)), now, days)
    assert (np.diff(times) >= 0).all()
    assert ((now - days * DAY_MS <= times) & (times <= now)).all()


def test_a_call_costs_what_its_tokens_cost() -> None:
    """Prices are per million tokens."""
    assert Model("m", "p", 3.0, 15.0).cost(1_000_000, 100_000) == 4.5
