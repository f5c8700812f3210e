"""What the page says about soundness: health, the usual test beside ours, notes, and words for every code."""

from __future__ import annotations

from typing import Any

import pytest

from api.pages import checks, words
from api.pages.notes import notes_of
from tests.api.pages.documents import report

KINDS = ["winner", "winner_set", "no_difference", "keep_running", "inconclusive", "winner_blocked", "invalid"]
REASONS = [
    "srm",
    "empty_variant",
    "contaminated",
    "differential_missingness",
    "too_few_units",
    "no_variance",
    "not_significant",
    "beats_control",
    "beats_all",
    "not_separated",
    "equivalent",
    "immature",
]
FLAGS = [
    "heavy_tail",
    "zero_variance",
    "too_few_units",
    "fragile",
    "default_value_frequent",
    "mixed_kinds",
    "srm_warning",
    "missing_scores",
    "unit_unknown",
    "several_functions",
    "conflicting_assignment",
    "kind_changed",
    "out_of_range",
]
METHODS = ["jackknife_t", "paired_t", "randomization", "boschloo", "pooled_z"]


def test_every_code_of_the_design_has_words() -> None:
    """Section 11 of the design names the codes; none is shown bare and none is invented."""
    assert set(words.VERDICTS) == set(KINDS)
    assert set(words.REASONS) == set(REASONS)
    assert set(words.FLAGS) == set(FLAGS)
    assert set(words.METHODS) == set(METHODS)
    assert "cost-usd" in words.reason("guardrail:cost-usd")


def test_an_unknown_code_is_spelled_out() -> None:
    """A code of a later version is shown as it is, without underscores."""
    assert (words.reason("new_code"), words.flag("new_code"), words.method("new_code")) == ("new code",) * 3
    assert words.verdict("new_kind") == words.Verdict("new kind", "neutral")
    assert words.verdict(None).label == "No report"


@pytest.mark.parametrize(("p", "tone"), [(0.5, "good"), (0.005, "warn"), (0.0005, "bad"), (None, "neutral")])
def test_the_sample_ratio_warns_at_the_bounds_of_the_verdict(p: float | None, tone: str) -> None:
    """Below .01 it is a warning, below .001 the report is invalid."""
    found = checks.health({"health": {"srm": {"p": p, "observed": {"a": 3}, "expected": None}}})
    assert found[0].tone == tone
    assert found[0].table == (("Variant", "Units"), ("a", "3"))


def test_health_follows_the_reasons_of_the_verdict() -> None:
    """What made a report invalid is marked bad, what it merely counts is a warning."""
    body: dict[str, Any] = {
        "verdict": {"reasons": ["contaminated", "differential_missingness"]},
        "health": {"contaminated_units": 9, "missingness": {"p": 0.0001, "scored_share": {"a": 0.5}}, "open_runs": 0},
    }
    assert [check.tone for check in checks.health(body)] == ["neutral", "bad", "bad", "good"]
    body["verdict"]["reasons"] = []
    assert [check.tone for check in checks.health(body)] == ["neutral", "good", "warn", "good"]
    assert [check.tone for check in checks.health({})] == ["neutral"] * 4


def test_the_usual_test_differs_only_where_we_name_no_winner() -> None:
    """It is marked when it crowns a variant that this report does not, and only then."""
    assert [(row.says, row.differs) for row in checks.readings(report("naive"))] == [
        ("inconclusive", False),
        ("crowns B", True),
        ("names no winner", False),
    ]
    assert [row.differs for row in checks.readings(report("winner"))] == [False] * 4


def _one(difference: float, *, higher: bool, variant: str | None = None) -> dict[str, Any]:
    return {
        "options": {"higher_is_better": {"value": higher, "origin": "declared"}},
        "verdict": {"kind": "winner", "variants": ["A"]},
        "comparisons": [{"variant": "B", "control": "A", "difference": difference}],
        "sensitivity": [{"what": "runs_as_units", "variant": variant, "difference": difference, "p": 0.001}],
    }


@pytest.mark.parametrize("variant", ["B", None])
def test_lower_can_be_better(variant: str | None) -> None:
    """The direction of the score decides which side is crowned; an entry without variant belongs by its place."""
    assert [row.says for row in checks.readings(_one(-1.0, higher=False, variant=variant))] == ["A wins", "crowns B"]
    assert [row.says for row in checks.readings(_one(-1.0, higher=True, variant=variant))] == [
        "A wins",
        "calls B worse",
    ]


def test_the_most_specific_note_wins() -> None:
    """Notes are found by place, by variant, by star, or by what is around the number."""
    why = notes_of(
        [
            {"path": "comparisons", "message": "around"},
            {"path": "comparisons[1].lift", "message": "by place"},
            {"path": "/comparisons/concise/lift", "message": "by name"},
            {"path": "variants[*].mean", "message": "by star"},
            {"path": "", "message": "about everything"},
            {"path": None, "message": "about nothing"},
        ]
    )
    assert why("comparisons", (0, "warm"), "lift") == "around"
    assert why("comparisons", (1, "warm"), "lift") == "by place"
    assert why("comparisons", (0, "concise"), "lift") == "by name"
    assert why("variants", 7, "mean") == "by star"
    assert why("variants", 7, "ci") == ""
