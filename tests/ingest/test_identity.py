"""Made ids: readable, and no two targets and names share one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.identity import deferral_id, escaped, score_id
from warehouse.ids import day_in_id

parts = st.text(alphabet="a%/@25FstepparnRt", min_size=1, max_size=4) | st.sampled_from(
    ["step", "span", "trace", "@session", "@trace", "%2F", "/", "@", "a/step/b"]
)
on_runs = st.fixed_dictionaries(
    {"run_id": parts, "step_id": st.none() | parts, "trace_id": st.none() | parts, "span_id": st.none() | parts}
).map(lambda target: target if target["trace_id"] else {**target, "span_id": None})
on_traces = st.fixed_dictionaries({"trace_id": parts, "span_id": st.none() | parts})
on_sessions = st.fixed_dictionaries({"session": st.tuples(parts, parts)})
scores = st.tuples(parts, st.one_of(on_runs, on_traces, on_sessions))


@settings(deadline=None)
@given(scores, scores)
def test_different_scores_have_different_ids(
    one: tuple[str, dict[str, Any]], other: tuple[str, dict[str, Any]]
) -> None:
    """Two ids are equal exactly when target and name are."""
    same = (one[0], {k: v for k, v in one[1].items() if v}) == (other[0], {k: v for k, v in other[1].items() if v})
    assert same == (score_id(one[0], **one[1]) == score_id(other[0], **other[1]))


@settings(deadline=None)
@given(parts, parts, parts, parts)
def test_different_deferrals_have_different_ids(run: str, scorer: str, other_run: str, other_scorer: str) -> None:
    """Two ids are equal exactly when run and scorer are."""
    same = (run, scorer) == (other_run, other_scorer)
    assert same == (deferral_id(run, scorer) == deferral_id(other_run, other_scorer))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"run_id": "R"}, "R/solved"),
        ({"run_id": "@a/b%"}, "%40a%2Fb%25/solved"),
        ({"run_id": "R", "step_id": "S"}, "R/step/S/solved"),
        ({"run_id": "R", "trace_id": "T"}, "R/trace/T/solved"),
        ({"run_id": "R", "trace_id": "T", "span_id": "P"}, "R/span/T/P/solved"),
        ({"run_id": "R", "step_id": "S", "trace_id": "T", "span_id": "P"}, "R/step/S/span/T/P/solved"),
        ({"trace_id": "T"}, "@trace/T/solved"),
        ({"trace_id": "T", "span_id": "P"}, "@trace/T/P/solved"),
        ({"session": ("ticket", "1")}, "@session/ticket/1/solved"),
    ],
)
def test_an_id_is_readable(target: dict[str, Any], expected: str) -> None:
    """An id says what it is about."""
    assert expected == score_id("solved", **target)


def test_an_id_on_a_run_has_the_runs_day() -> None:
    """The id of a score on a run that carries its time carries the same time."""
    run = "01M1D47Z005TX2WRHSK9KN7W6A"
    assert day_in_id(run) == day_in_id(score_id("solved", run_id=run)) is not None


def test_common_text_is_kept() -> None:
    """Only the three characters that structure an id are escaped."""
    assert "a-b_c.d:é 'x" == escaped("a-b_c.d:é 'x")
