"""Typed parameters: what a URL can carry is read as the value that was meant, and nothing else is ever taken."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.parameters import TYPES, declared, engine_value, samples, values
from warehouse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
TIME = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30), timezones=st.just(dt.UTC))  # noqa: DTZ001

MEANT: dict[str, tuple[st.SearchStrategy[Any], Any]] = {
    "text": (TEXT, str),
    "integer": (st.integers(-(2**63), 2**63 - 1), str),
    "number": (st.floats(allow_nan=False, allow_infinity=False), repr),
    "boolean": (st.booleans(), json.dumps),
    "timestamp": (TIME, dt.datetime.isoformat),
    "date": (st.dates(), dt.date.isoformat),
}
"""Type -> values as Python has them, and Python's own way to write one."""


KINDS = {"text": str, "integer": int, "number": float, "boolean": bool, "timestamp": dt.datetime, "date": dt.date}


def refusal(work: Callable[[], Any]) -> Any:
    """Return what something gives, or the InputError it raises; any other error fails the test."""
    try:
        return work()
    except InputError as error:
        return error


def through_a_url(type_: str, texts: list[str]) -> Any:
    """Return what the engine is given of a parameter that stands so often in a URL."""
    [parameter] = declared({"x": {"type": type_}}, ())
    query = urlencode([("x", text) for text in texts])
    found = values([parameter], parse_qsl(query, keep_blank_values=True))
    return engine_value(type_, json.loads(json.dumps(found["x"])))


@given(st.data())
def test_a_value_comes_through_a_url_as_it_was_meant(data: st.DataObject) -> None:
    """Of every type, alone and in lists: Python's own text of it gives the same value and type back."""
    name = data.draw(st.sampled_from([*MEANT]))
    strategy, written = MEANT[name]
    value = data.draw(strategy)
    found = through_a_url(name, [written(value)])
    assert value == found
    assert type(value) is type(found)
    items = data.draw(st.lists(strategy, min_size=2, max_size=5))
    assert items == through_a_url(f"{name}[]", [written(item) for item in items])
    whole = json.dumps([written(item) if name in ("timestamp", "date") else item for item in items])
    assert items == through_a_url(f"{name}[]", [whole])


@given(
    st.sampled_from(TYPES), st.lists(st.one_of(TEXT, st.from_regex(r"[0-9eE+._:TZ-]{0,25}")), min_size=1, max_size=3)
)
def test_anything_else_is_refused_with_its_code(type_: str, texts: list[str]) -> None:
    """Whatever is sent: a value of the type, or a refusal of bounded length that names the parameter."""
    found = refusal(lambda: through_a_url(type_, texts))
    if isinstance(found, InputError):
        assert "bad_parameter" == found.code
        assert found.message.startswith("parameter 'x' is ")
        assert len(found.message) < 1_000
        return
    for item in found if type_.endswith("[]") else [found]:
        assert type(item) is KINDS[type_.removesuffix("[]")]
        assert not isinstance(item, float) or math.isfinite(item)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@given(st.sampled_from(TYPES), JSON, st.lists(JSON, max_size=3))
def test_a_declaration_is_right_or_refused(type_: str, default: Any, choices: list[Any]) -> None:
    """Any JSON as default and choices: refused with its code, or what is kept declares the same again."""
    found = refusal(lambda: declared({"x": {"type": type_, "default": default, "choices": choices}}, ()))
    if isinstance(found, InputError):
        assert "'x'" in found.message
        return
    [made] = found
    assert not made.required
    kept = {"type": type_, "default": made.default, "choices": [*made.choices]}
    assert [made] == declared({"x": json.loads(json.dumps(kept))}, ())
    assert made.default == values([made], [])["x"]
    assert made.value(samples([made])["x"]) == samples([made])["x"]


@pytest.mark.parametrize(
    ("given_", "word"),
    [
        ({f"p{n}": {"type": "text"} for n in range(65)}, "must have at most 64"),
        ({"x": {"type": "text", "choices": ["a"] * 1_001}}, "must have at most 1000"),
        ({"limit": {"type": "text"}}, "'limit', which is an option"),
        ({"LIMIT": {"type": "text"}}, "'LIMIT', which is an option"),
        ({"9a": {"type": "text"}}, "no digit first"),
        ({"x": {"type": "text[][]"}}, "must be one of text, integer"),
    ],
)
def test_bounds_of_a_declaration_are_named(given_: dict[str, Any], word: str) -> None:
    """With what was given and the bound."""
    with pytest.raises(InputError, match=word):
        declared(given_, {"limit"})
