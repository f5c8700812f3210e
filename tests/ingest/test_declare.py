"""Declarations: every option is checked by name, value and bound before it becomes a row."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.declare import SCORE_FIELDS, experiment_declaration, score_definition
from tests.ingest.support import NOW, rows
from warehouse.errors import InputError
from warehouse.options import DECLARABLE
from warehouse.schema import FILE

DECLARED: dict[str, Any] = {
    "control": "a",
    "unit": "session:ticket_id",
    "primary_score": "solved",
    "secondary_scores": ["tone", "speed"],
    "guardrails": [{"score": "cost-usd", "margin": 0.01, "higher_is_better": False}, {"score": "speed"}],
    "segments": ["environment", "attribute:plan"],
    "higher_is_better": True,
    "alpha": 0.05,
    "margin": 0,
    "weights": {"a": 1, "b": 2.5},
    "since": "2026-09-01T02:00:00+02:00",
    "as_of": 1_790_000_000_000,
    "known_at": "2026-10-01T00:00:00Z",
    "environment": "production",
    "where": "release = '1'",
    "maturity": "72h",
    "planned_units": 200,
    "planned_end": "2026-12-24",
    "estimand": "units",
}


def test_an_experiment_is_declared_as_a_row() -> None:
    """Three options are columns, all others JSON, as they were given."""
    batch = experiment_declaration("prompt", DECLARED, NOW)
    [row] = rows(batch)
    assert FILE["experiment_declarations"].arriving == batch.schema
    assert ("prompt", "a", "session:ticket_id", "solved") == tuple(
        row[name] for name in ("name", "control", "unit", "primary_score")
    )
    assert (NOW, NOW, "") == (row["declared_at"], row["_received_at"], row["_day_id"])
    columns = ("control", "unit", "primary_score")
    assert {k: v for k, v in DECLARED.items() if k not in columns} == json.loads(row["options"])


def test_every_option_can_be_declared() -> None:
    """The example above leaves out no option."""
    assert set(DECLARABLE) == set(DECLARED)


def test_null_is_as_good_as_nothing() -> None:
    """Options that are null are not declared."""
    [row] = rows(experiment_declaration("e", dict.fromkeys(DECLARABLE), NOW))
    assert (None, None, None, "{}") == (row["control"], row["unit"], row["primary_score"], row["options"])


def test_a_score_is_defined_as_a_row() -> None:
    """Each field of a definition is a column; what is not said is null."""
    fields = {"kind": "numeric", "higher_is_better": False, "min": 0, "max": 1.5, "unit": "USD", "owner": "ops"}
    batch = score_definition("cost-usd", fields, NOW)
    [row] = rows(batch)
    assert FILE["score_definitions"].arriving == batch.schema
    assert fields | {"name": "cost-usd", "description": None} == {name: row[name] for name in ("name", *SCORE_FIELDS)}
    assert (NOW, "") == (row["declared_at"], row["_day_id"])


BAD_OPTIONS: list[tuple[str, Any, str]] = [
    ("unit", "account", "session:<key>"),
    ("unit", "session:", "session:<key>"),
    ("unit", "attribute: ", "attribute:<name>"),
    ("control", "", "must not be empty"),
    ("control", 1, "must be text"),
    ("primary_score", "it's", "character '"),
    ("secondary_scores", "tone", "a JSON list"),
    ("secondary_scores", ["tone", 1], "must be text"),
    ("guardrails", {}, "a JSON list"),
    ("guardrails", [{"margin": 1}], "guardrails[0]"),
    ("segments", "plan", "function_id, environment"),
    ("segments", ["attribute:"], "attribute:<name>"),
    ("segments", [f"attribute:{n}" for n in range(9)], "at most 8"),
    ("guardrails", [{"score": "a", "margin": -1}], "guardrails[0].margin"),
    ("guardrails", [{"score": "a", "mragin": 1}], "did you mean 'margin'?"),
    ("guardrails", ["a"], "guardrails[0]"),
    ("higher_is_better", "yes", "must be true or false"),
    ("alpha", 0, "above 0 and at most 0.5"),
    ("alpha", 0.51, "above 0 and at most 0.5"),
    ("alpha", True, "above 0 and at most 0.5"),
    ("alpha", float("nan"), "above 0 and at most 0.5"),
    ("margin", -0.1, "at least 0"),
    ("margin", float("inf"), "at least 0"),
    ("margin", 10**400, "at least 0"),
    ("weights", {}, "a JSON object of variants"),
    ("weights", [1], "a JSON object of variants"),
    ("weights", {"a": 0}, "one of them above 0"),
    ("since", "soon", "an ISO 8601 time"),
    ("since", True, "an ISO 8601 time"),
    ("environment", "x" * 513, "at most 512"),
    ("maturity", "72", "such as 72h"),
    ("maturity", "3651d", "at most 3650d"),
    ("maturity", 72, "such as 72h"),
    ("planned_units", 1, "at least 2"),
    ("planned_units", 2.5, "whole number"),
    ("estimand", "run", "runs or units"),
    ("contol", "a", "did you mean 'control'?"),
    ("score", "a", "is not an option of an experiment"),
]


@pytest.mark.parametrize(("name", "value", "said"), BAD_OPTIONS, ids=range(len(BAD_OPTIONS)))
def test_a_bad_option_is_refused_with_its_bound(name: str, value: object, said: str) -> None:
    """The error names the option and what would be right."""
    with pytest.raises(InputError) as caught:
        experiment_declaration("e", {name: value}, NOW)
    assert caught.value.code == "bad_parameter"
    assert said in caught.value.message
    assert name in caught.value.message
    assert len(caught.value.message) < 600


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "number"}, "boolean or numeric or label"),
        ({"min": 2, "max": 1}, "at most max"),
        ({"min": "0"}, "a finite number"),
        ({"owner": 1}, "must be text"),
        ({"higher_is_beter": True}, "did you mean 'higher_is_better'?"),
    ],
)
def test_a_bad_definition_is_refused_with_its_bound(fields: dict[str, Any], said: str) -> None:
    """The error names the field and what would be right."""
    with pytest.raises(InputError) as caught:
        score_definition("s", fields, NOW)
    assert said in caught.value.message


@pytest.mark.parametrize("name", ["", " ", "x" * 129, "a\nb"])
def test_a_bad_name_is_refused(name: str) -> None:
    """Names of experiments and scores keep the rules of names."""
    with pytest.raises(InputError, match="experiment's name"):
        experiment_declaration(name, {}, NOW)
    with pytest.raises(InputError, match="score's name"):
        score_definition(name, {}, NOW)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*DECLARABLE, *SCORE_FIELDS]), anything, max_size=3))
def test_any_json_is_declared_or_refused(options: dict[str, Any]) -> None:
    """No options raise anything but InputError."""
    for declare in (experiment_declaration, score_definition):
        try:
            [row] = rows(declare("e", options, NOW))
        except InputError:
            continue
        assert row["name"] == "e"
