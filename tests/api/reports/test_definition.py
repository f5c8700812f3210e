"""What can be a report, what cannot and in which words, and that a secret is shown to nobody."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.reports.definition import Email, Slack, Webhook, defined, kept, parameters, written
from tests.api.reports.notebooks import code, markdown, notebook
from warehouse.errors import InputError

SECRET = "whsec_c2VjcmV0LW9mLXRoZS1ob29r"  # noqa: S105 - of no receiver
HOOK = "https://hooks.slack.com/services/T000/B000/XXXXXXXXXXXX"


def body(**fields: Any) -> dict[str, Any]:
    """Return a report as JSON."""
    return {"title": "Weekly winners", "notebook": notebook("print(days)"), **fields}


WRONG: dict[str, tuple[Any, str]] = {
    "no title": ({"title": ""}, "title has 0 characters, must have 1 to 200"),
    "a title of lines": ({"title": "a\nb"}, "must be one line of text"),
    "a title of another type": ({"title": 5}, "title is '5', must be text of 1 to 200 characters"),
    "a field that is none": ({"titel": "x"}, "has no field 'titel'"),
    "no notebook": ({"notebook": None}, "template and notebook are both missing"),
    "both": ({"template": "weekly-winners"}, "template and notebook are both given"),
    "no such template": ({"notebook": None, "template": "weekly-looser"}, "is not one of the shipped notebooks"),
    "an old notebook": ({"notebook": notebook() | {"nbformat": 3}}, "nbformat is '3', must be 4"),
    "a newer notebook": ({"notebook": notebook() | {"nbformat_minor": 9}}, "nbformat_minor is '9', must be 0 to 5"),
    "no notebook at all": ({"notebook": {"nbformat": 4, "nbformat_minor": 5}}, "is not one of nbformat 4"),
    "cells that are none": ({"notebook": notebook() | {"cells": [{"cell_type": "x"}]}}, "is not one of nbformat 4"),
    "another language": (
        {"notebook": notebook() | {"metadata": {"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}}}},
        "notebook is written in 'R', must be in Python",
    ),
    "no parameters cell": (
        {"notebook": notebook() | {"cells": [{"id": "a", **code("1")}]}},
        "no code cell with the tag 'parameters'",
    ),
    "a parameters cell of text": (
        {"notebook": notebook() | {"cells": [{"id": "a", **markdown("1"), "metadata": {"tags": ["parameters"]}}]}},
        "no code cell with the tag 'parameters'",
    ),
    "a parameters cell that is no Python": ({"notebook": notebook(parameters="%matplotlib")}, "is not Python"),
    "too large a notebook": ({"notebook": notebook("x" * (4 << 20))}, "must have at most 4194304"),
    "too many cells": ({"notebook": notebook(*["1"] * 501)}, "502 cells, must have at most 500"),
    "an unknown parameter": ({"params": {"dayz": 1}}, "'dayz' is not set in the notebook's parameters cell"),
    "too many parameters": ({"params": {f"p{n}": 1 for n in range(101)}}, "101 names, must have at most 100"),
    "large parameters": ({"params": {"days": "x" * 70_000}}, "must have at most 65536"),
    "a cron of six fields": ({"schedule": {"cron": "0 0 8 * * 1"}}, "schedule.cron is '0 0 8 * * 1', must be five"),
    "a cron that is none": ({"schedule": {"cron": "0 25 * * 1"}}, "schedule.cron is '0 25 * * 1', must be five"),
    "a cron that never comes": ({"schedule": {"cron": "0 0 30 2 *"}}, "schedule.cron is '0 0 30 2 *', must be five"),
    "a zone that is none": ({"schedule": {"cron": "0 8 * * 1", "timezone": "Europe/Berln"}}, "'Europe/Berln', must be"),
    "a word for missed": ({"schedule": {"cron": "0 8 * * 1", "missed": "some"}}, "schedule.missed is"),
    "a way that is none": ({"deliver": [{"to": "fax"}]}, "deliver[0].to is"),
    "too many deliveries": ({"deliver": [{"to": "slack", "url": HOOK}] * 21}, "21 entries, must have at most 20"),
    "an address of files": (
        {"deliver": [{"to": "webhook", "url": "file:///etc/passwd"}]},
        "deliver[0].url is no addre",
    ),
    "an address with a password": ({"deliver": [{"to": "webhook", "url": "https://a:b@c.d/"}]}, "user or a password"),
    "a header in an address": ({"deliver": [{"to": "email", "addresses": ["a@b.c\nBcc: x@y.z"]}]}, "must be addresses"),
    "nobody": ({"deliver": [{"to": "email", "addresses": []}]}, "has 0 entries, must have 1 to 50"),
    "no time": ({"limits": {"seconds": 0}}, "limits.seconds is 0, must be 1 to 3600"),
    "no number": ({"limits": {"seconds": float("nan")}}, "limits.seconds is nan, must be 1 to 3600"),
    "too much memory": ({"limits": {"memory_mb": 9000}}, "limits.memory_mb is 9000, must be 128 to 8192"),
    "a list": ([], "a report is '[]', must be a JSON object"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_a_report_is_refused_by_its_field(name: str) -> None:
    """The message names the field, its value and its bound."""
    fields, said = WRONG[name]
    with pytest.raises(InputError) as caught:
        defined(body(**fields) if isinstance(fields, dict) else fields)
    assert said in caught.value.message, caught.value.message
    assert len(caught.value.message) < 1000


def test_near_names_are_offered() -> None:
    """Of a field, a parameter and a time zone."""
    for fields, near in (
        ({"titel": "x"}, "'title'"),
        ({"params": {"dayz": 1}}, "'days'"),
        ({"schedule": {"cron": "0 8 * * 1", "timezone": "europe/berlin"}}, "'Europe/Berlin'"),
        ({"schedule": {"cron": "0 8 * * 1", "timezone": "berlin"}}, "'Europe/Berlin'"),
    ):
        with pytest.raises(InputError) as caught:
            defined(body(**fields))
        assert caught.value.hint is not None and near in caught.value.hint


def test_the_names_that_a_run_may_set_are_those_of_the_parameters_cell() -> None:
    """With their defaults, where those are literals."""
    cell = "days: int = 7\nscore = label = 'quality'\nimport os\nhome = os.getcwd()\nlater: str\nx, y = 1, 2"
    assert {"days": 7, "score": "quality", "label": "quality", "home": None} == parameters(notebook(parameters=cell))


def test_secrets_are_shown_to_nobody_and_kept_when_they_come_back_masked() -> None:
    """What was shown can be put again, in another order and with entries added or gone; each keeps its own secret."""
    one = {"to": "webhook", "url": "https://example.com/hook?key=abcdefgh", "secret": SECRET}
    deliver = [one, {"to": "slack", "url": HOOK}, {"to": "slack", "url": HOOK[:-1] + "Y"}]
    first = defined(body(deliver=[*deliver, {"to": "email", "addresses": ["ada@example.com"]}]))
    shown = written(first)
    for secret in (SECRET, HOOK, HOOK[:-1] + "Y", "abcdefgh", "XXXX"):
        assert secret not in str(shown)
    assert first == defined(shown, first) == kept(written(first, mask=False))
    turned = defined(shown | {"deliver": shown["deliver"][::-1]}, first)
    assert first.deliver[::-1] == turned.deliver
    fewer = defined(shown | {"deliver": shown["deliver"][2:]}, first)
    assert (Slack(HOOK[:-1] + "Y"), Email(("ada@example.com",))) == fewer.deliver
    changed = defined(shown | {"deliver": [shown["deliver"][0] | {"secret": "another secret"}]}, first)
    assert (Webhook("https://example.com/hook?key=abcdefgh", "another secret"),) == changed.deliver


def test_a_mask_of_nothing_is_refused() -> None:
    """It would become the secret, and the secret of another delivery is not given out for it."""
    first = defined(body(deliver=[{"to": "slack", "url": HOOK}]))
    for deliver in (
        [{"to": "slack", "url": "https://hooks.slack.com/•••0000"}],
        [{"to": "slack", "url": "https://evil.example/•••0000"}],
        [{"to": "webhook", "url": written(first)["deliver"][0]["url"]}],
        [{"to": "slack", "url": written(first)["deliver"][0]["url"]}] * 2,
    ):
        with pytest.raises(InputError, match="is masked"):
            defined(body(deliver=deliver), first)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ),
    st.sampled_from(["title", "notebook", "params", "schedule", "deliver", "limits", "template", "only_when_changed"]),
)
def test_any_json_is_a_report_or_refused_in_words(value: Any, field: str) -> None:
    """No other error comes of it."""
    try:
        made = defined(body() | {field: value})
    except InputError:
        return
    assert made == defined(written(made), made)
