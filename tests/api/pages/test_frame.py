"""The frame: which time a page is about, and addresses that carry it."""

from __future__ import annotations

import datetime as dt
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pages.frame import LASTS, Frame, Period, period_of
from tests.support.rows import NOW
from warehouse.errors import InputError

MINUTE_US = 60_000_000
some_text = st.text(max_size=20)


@pytest.mark.parametrize("last", LASTS)
def test_the_last_of_something_begins_so_long_ago(last: str) -> None:
    """To the minute, by a clock that is told; all time has no beginning."""
    length = LASTS[last][1]
    period = period_of({"last": last}, NOW)
    if length is None:
        assert (None, None) == (period.start, period.end) and {} == period.times()
        return
    assert period.start is not None
    began = dt.datetime.fromisoformat(period.start)
    now = dt.datetime.fromtimestamp(NOW // 1_000_000, dt.UTC)
    assert dt.timedelta(0) <= now - length - began < dt.timedelta(minutes=1)
    assert {"from": period.start} == period.times()


@given(st.integers(0, MINUTE_US - 1))
def test_pages_within_a_minute_ask_the_same(later: int) -> None:
    """So that they share an answer."""
    begun = NOW // MINUTE_US * MINUTE_US
    assert period_of({"last": "24h"}, begun) == period_of({"last": "24h"}, begun + later)
    assert period_of({"last": "24h"}, begun) != period_of({"last": "24h"}, begun + MINUTE_US)


def test_times_outrank_the_last_of_something() -> None:
    """From, to, or both; empty fields of a form are none."""
    assert Period("", "2026-01-01", None) == period_of({"from": "2026-01-01", "last": "7d"}, NOW)
    assert Period("", None, "2026-02-01") == period_of({"to": "2026-02-01", "from": ""}, NOW)
    assert {"from": "a", "to": "b"} == period_of({"from": "a", "to": "b"}, NOW).times()
    assert "30d" == period_of({"from": "", "to": "", "last": ""}, NOW, "30d").last


def test_a_period_that_is_none_is_refused_by_name() -> None:
    """With what there is."""
    with pytest.raises(InputError, match=r"last is '2d', must be one of 1h, 24h, 7d, 30d, 90d, all") as refused:
        period_of({"last": "2d"}, NOW)
    assert "bad_parameter" == refused.value.code


def test_the_default_leaves_an_address_clean() -> None:
    """What every page shows anyway is not said."""
    for default in LASTS:
        frame = Frame(period=period_of({}, NOW, default))
        assert "/runs" == frame.link("/runs")
        for last in set(LASTS) - {default}:
            assert f"/runs?last={last}" == Frame(period=period_of({"last": last}, NOW, default)).link("/runs")


@given(some_text, some_text, some_text)
def test_links_carry_time_and_environment(start: str, end: str, environment: str) -> None:
    """Whatever they are: the page that is led to is about the same."""
    here = period_of({"from": start, "to": end}, NOW)
    frame = Frame(period=here, environment=environment)
    sent = parse_qs(urlsplit(frame.link("/runs")).query, keep_blank_values=True, strict_parsing=False)
    query = {name: values[0] for name, values in sent.items()}
    assert environment == query.get("environment", "")
    assert here == period_of(query, NOW)


@given(st.dictionaries(st.sampled_from(("q", "status", "last", "cursor", "order")), some_text))
def test_a_page_says_its_own_address_with_something_changed(query: dict[str, str]) -> None:
    """All else stays, but the place in a list: another question begins at its first page."""
    frame = Frame(path="/runs", query=query)
    sent = {name: v[0] for name, v in parse_qs(urlsplit(frame.here(status="Failed", q=None)).query).items()}
    kept = {name: value for name, value in query.items() if value and name not in ("cursor", "q")}
    assert kept | {"status": "Failed"} == sent
    assert {(n, v) for n, v in query.items() if v and n not in ("cursor", "order")} == set(frame.others("order"))


@pytest.mark.parametrize(
    ("period", "words"),
    [
        (Period("7d"), "Last 7 days"),
        (Period("", "2026-01-01", "2026-02-01"), "2026-01-01 to 2026-02-01"),
        (Period("", None, "2026-02-01"), "the beginning to 2026-02-01"),
        (Period("", "2026-01-01", None), "2026-01-01 to now"),
    ],
)
def test_a_period_in_words(period: Period, words: str) -> None:
    """As the control at the top of the page says it."""
    assert words == period.words
