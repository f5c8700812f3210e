"""Times: ISO 8601 and milliseconds, whole columns exactly as one by one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.times import EARLIEST_US, LATEST_US, instant, instants
from warehouse.errors import InputError

NOON = 1_788_264_000_000_000
"""2026-09-01T12:00:00Z."""


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("2026-09-01T12:00:00Z", NOON),
        ("2026-09-01T12:00:00z", NOON),
        ("2026-09-01T12:00:00.000Z", NOON),
        ("2026-09-01T14:00:00+02:00", NOON),
        ("2026-09-01T12:00:00", NOON),
        ("2026-09-01 12:00:00", NOON),
        ("2026-09-01T12:00Z", NOON),
        ("20260901T120000Z", NOON),
        ("2026-09-01", NOON - 43_200_000_000),
        ("2026-09-01T12:00:00.000001Z", NOON + 1),
        ("2026-09-01T12:00:00.0000019Z", NOON + 1),
        (NOON // 1000, NOON),
        (NOON / 1000, NOON),
        (NOON / 1000 + 0.5, NOON + 500),
        ("1980-01-01T00:00:00Z", EARLIEST_US),
        ("2099-12-31T23:59:59.999999Z", LATEST_US - 1),
    ],
)
def test_a_time_is_read(sent: str | float, expected: int) -> None:
    """A time becomes microseconds, alone and in a column."""
    assert expected == instant(sent)
    column, faults = instants([sent, None])
    assert ([expected, None], []) == (column.cast(pa.int64()).to_pylist(), faults)


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "now",
        "x" * 10_000,
        "2026-02-30T00:00:00Z",
        "2026-09-01T12:00:60Z",
        "2026-09-01T12:00:00+25:00",
        "0000-01-01T00:00:00Z",
        "1979-12-31T23:59:59.999999Z",
        "2100-01-01T00:00:00Z",
        "9999-01-01T00:00:00Z",
        "2012010100000",
        "1788264000000",
        0,
        -1,
        315_532_799_999,
        4_102_444_800_000,
        1e308,
        -1e308,
        10**400,
        -(10**400),
    ],
)
def test_what_is_no_time_is_refused_with_its_value(sent: str | float) -> None:
    """A value that is no time from 1980 up to 2100 is refused, and spoils no other time of the column."""
    with pytest.raises(InputError) as caught:
        instant(sent)
    assert len(caught.value.message) < 1_000
    column, faults = instants(["2026-09-01T12:00:00Z", sent, "2026-09-01T12:00:00"])
    assert [NOON, None, NOON] == column.cast(pa.int64()).to_pylist()
    assert [(1, caught.value.message)] == faults


def iso_text(moment: dt.datetime, minutes: int) -> str:
    return moment.replace(tzinfo=dt.timezone(dt.timedelta(minutes=minutes))).isoformat()


Times = Sequence[str | int | float | None]

moments = st.datetimes(dt.datetime(1980, 1, 2), dt.datetime(2099, 12, 30))  # noqa: DTZ001 - offsets are added
aware = st.builds(iso_text, moments, st.integers(-23 * 60, 23 * 60))
naive = moments.map(dt.datetime.isoformat)
numbers = st.integers(315_532_800_000, 4_102_444_799_999) | st.floats(315_532_800_000, 4_102_444_799_000)
columns: st.SearchStrategy[Times] = st.one_of(
    st.lists(st.none() | aware, max_size=8),
    st.lists(st.none() | naive, max_size=8),
    st.lists(st.none() | numbers, max_size=8),
    st.lists(st.none() | aware | naive | numbers, max_size=8),
)


@settings(deadline=None)
@given(columns)
def test_a_column_is_read_like_its_times(values: Times) -> None:
    """The shortcut for columns of one form reads what the scalar rule reads."""
    column, faults = instants(values)
    assert [None if value is None else instant(value) for value in values] == column.cast(pa.int64()).to_pylist()
    assert not faults


@settings(deadline=None)
@given(st.text(alphabet="0123456789-:TZ.+ tz", max_size=30))
def test_arrow_reads_no_text_that_the_rule_refuses(text: str) -> None:
    """A column accepts a text exactly when the rule does, with the same value."""
    column, faults = instants([text])
    try:
        expected: int | None = instant(text)
    except InputError:
        expected = None
    assert [expected] == column.cast(pa.int64()).to_pylist()
    assert (expected is None) == bool(faults)
