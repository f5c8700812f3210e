"""Options: read, bounded, merged by origin, echoed."""

from __future__ import annotations

import pytest

from queries.experiments.options import merged
from warehouse.clock import iso
from warehouse.errors import InputError
from warehouse.options import duration_text

NOW = 1_793_491_200_000_000


@pytest.mark.parametrize(
    ("name", "value", "bound"),
    [
        ("alpha", "0", "above 0 and at most 0.5"),
        ("alpha", "0.6", "above 0 and at most 0.5"),
        ("alpha", "nan", "above 0 and at most 0.5"),
        ("alpha", "five", "above 0 and at most 0.5"),
        ("margin", "-1", "at least 0"),
        ("margin", "inf", "at least 0"),
        ("maturity", "3 weeks", "72h, 3d, 90m or 30s"),
        ("maturity", "99999d", "at most 3650d"),
        ("weights", "{", "JSON object"),
        ("weights", "[1]", "JSON object"),
        ("weights", '{"a": -1, "b": 2}', "at least 0"),
        ("weights", '{"a": 0}', "one of them above 0"),
        ("weights", '{"a": true}', "JSON object"),
        ("since", "yesterday", "ISO 8601"),
        ("as_of", "99999999999999999", "ISO 8601"),
        ("higher_is_better", "yes", "true or false"),
        ("unit", "account", "session:<key>"),
        ("unit", "session:", "session:<key>"),
        ("estimand", "mean", "runs or units"),
        ("planned_units", "1", "at least 2"),
        ("planned_units", "2.5", "whole number"),
        ("guardrails", '[{"margin": 1}]', "JSON list"),
        ("guardrails", '[{"score": "cost", "margin": -1}]', "at least 0"),
        ("secondary_scores", '"a"', "JSON list"),
    ],
)
def test_a_bad_value_is_named_with_its_bound(name: str, value: str, bound: str) -> None:
    """The error has the option, the value and the bound, and is a `bad_parameter`."""
    with pytest.raises(InputError) as raised:
        merged({name: value}, {}, NOW)
    assert raised.value.code == "bad_parameter"
    assert raised.value.message.startswith(name)
    assert bound in raised.value.message
    assert raised.value.message[0].islower()


def test_an_unknown_option_names_the_nearest() -> None:
    """A misspelt option is an error, not ignored."""
    with pytest.raises(InputError, match="'contrl' is not an option") as raised:
        merged({"contrl": "a"}, {}, NOW)
    assert raised.value.hint == "did you mean 'control'?"


def test_the_request_outranks_the_declaration_and_that_the_default() -> None:
    """Every option is echoed with its value and where it came from."""
    echo = merged({"alpha": "0.1"}, {"alpha": 0.01, "margin": 0.02, "planned_units": 300}, NOW).echo()
    assert echo["alpha"] == {"value": 0.1, "origin": "request"}
    assert echo["margin"] == {"value": 0.02, "origin": "declared"}
    assert echo["estimand"] == {"value": "runs", "origin": "default"}
    assert echo["as_of"] == {"value": iso(NOW), "origin": "default"}
    assert echo["alpha_sequence"]["value"] == pytest.approx(0.02)
    assert echo["alpha_end"]["value"] == pytest.approx(0.08)


def test_without_a_plan_the_sequence_has_all_of_alpha() -> None:
    """No end is declared: no alpha is kept for it."""
    options = merged({}, {}, NOW)
    assert (options.alpha_sequence, options.alpha_end) == (0.05, None)


@pytest.mark.parametrize("text", ["72h", "3d", "90m", "30s", "0.167s", "0s"])
def test_durations_are_echoed_as_durations(text: str) -> None:
    """What is echoed can be sent again and means the same."""
    maturity = merged({"maturity": text}, {}, NOW).maturity
    assert maturity is not None
    assert merged({"maturity": duration_text(maturity)}, {}, NOW).maturity == maturity


@pytest.mark.parametrize(
    "text", ["2026-11-01T00:00:00Z", "2026-11-01T01:00:00 01:00", "2026-11-01", "2026-11-01 00:00", "1793491200000"]
)
def test_times_are_iso_or_milliseconds(text: str) -> None:
    """Several ways to write one instant; a plus sign that a URL turned into a space is understood."""
    assert merged({"as_of": text}, {}, 0).as_of == NOW


def test_declared_values_are_json_not_text() -> None:
    """Declarations hold lists and objects as they are."""
    declared = {
        "weights": {"a": 1, "b": 3},
        "secondary_scores": ["x"],
        "guardrails": [{"score": "cost", "margin": 0.5, "higher_is_better": False}],
        "higher_is_better": False,
    }
    options = merged({}, declared, NOW)
    assert options.weights == {"a": 1.0, "b": 3.0}
    assert options.guardrails[0].higher_is_better is False
    assert options.echo()["guardrails"]["value"] == declared["guardrails"]
