"""Rules of text: the check of a whole column finds exactly what the rule finds one by one."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.texts import ID, LABEL, NAME, SCORE_NAME, SESSION_ID, SESSION_KEY, WORD, TextRule

RULES = [ID, NAME, SCORE_NAME, LABEL, WORD, SESSION_KEY, SESSION_ID]

tricky = st.sampled_from(["", " ", "\u3000", "\t", "\x00", "\x7f", "a'b", "é" * 64, "é" * 65, "x" * 512, "x" * 513])
texts = st.lists(st.none() | tricky | st.text(max_size=6), max_size=12)


@pytest.mark.parametrize("rule", RULES)
@settings(deadline=None)
@given(values=texts)
def test_a_column_has_the_faults_of_its_texts(rule: TextRule, values: list[str | None]) -> None:
    """Checking a column finds the faulty texts, all of them, in order."""
    expected = [(row, rule.fault(text)) for row, text in enumerate(values) if text is not None and rule.fault(text)]
    assert expected == rule.faults(values, pa.array(values, pa.string()))


@pytest.mark.parametrize(
    ("rule", "text", "said"),
    [
        (SCORE_NAME, "x" * 129, "has 129 bytes, at most 128 are allowed"),
        (SCORE_NAME, "é" * 65, "has 130 bytes, at most 128 are allowed"),
        (SCORE_NAME, "a'b", "must not have the character '"),
        (SCORE_NAME, "a\nb", "must not have the control character"),
        (SCORE_NAME, "a\x7fb", "must not have the control character"),
        (SCORE_NAME, " \u3000", "must not be blank"),
        (NAME, "", "must not be empty"),
        (ID, "x" * 513, "has 513 bytes, at most 512 are allowed"),
        (SESSION_KEY, "", "must not be empty"),
    ],
)
def test_a_fault_names_the_bound(rule: TextRule, text: str, said: str) -> None:
    """A fault says what was sent and what is allowed."""
    assert said in (rule.fault(text) or "")


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (SCORE_NAME, "x" * 128),
        (SCORE_NAME, "é" * 64),
        (SCORE_NAME, " a "),
        (NAME, "a'b"),
        (NAME, "\x80"),
        (ID, "x" * 512),
        (LABEL, "a\nb"),
        (WORD, ""),
        (SESSION_KEY, " "),
        (SESSION_ID, "x" * 512),
    ],
)
def test_texts_at_the_bound_pass(rule: TextRule, text: str) -> None:
    """What the rule allows passes, to the last byte."""
    assert rule.fault(text) is None
