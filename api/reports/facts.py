"""The facts of an edition: what its notebook says in numbers, so that two editions can be compared.

A cell shows facts as output of the type `MIME`: a list of {name, kind, value, words}. The client's reports do it by
themselves, and `upshot.fact(name, value)` shows one.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MIME = "application/vnd.upshot.facts+json"

MAX_FACTS = 500
MAX_NAME = 200
MAX_WORDS = 2000
MAX_VALUE = 500
"""Characters of a value that is text."""

Kind = Literal["verdict", "mean", "coverage", "number"]

_KINDS: tuple[Kind, ...] = get_args(Kind)
_SAME = 1e-9
"""Two numbers that differ by less, in proportion, are one number: sums of floats depend on their order."""


class Fact(msgspec.Struct, frozen=True):
    """One thing a notebook found."""

    value: float | str | None
    words: str = ""
    """The same as a person would say it; may be empty."""
    kind: Kind = "number"


class Change(msgspec.Struct, frozen=True):
    """A fact that is not what it was in the edition before; None where there was, or is, none."""

    name: str
    before: float | str | None
    after: float | str | None
    words: str
    """One sentence."""


def found(notebook: Mapping[str, Any]) -> dict[str, Fact]:
    """Return the facts of an executed notebook, name -> fact, in its order; of two with one name the later.

    What is no fact is left out, and so is what comes after `MAX_FACTS`: a notebook's outputs are anything.
    """
    facts: dict[str, Fact] = {}
    for given in _given(notebook):
        name, fact = given.get("name"), _fact(given)
        if isinstance(name, str) and name.strip() and fact is not None and len(facts) < MAX_FACTS:
            facts[name[:MAX_NAME]] = fact
    return facts


def changes(before: Mapping[str, Fact], after: Mapping[str, Fact]) -> list[Change]:
    """Return what changed from one edition's facts to the next one's: verdicts first, else in the order of `after`."""
    names = [*after, *(name for name in before if name not in after)]
    made = [change for name in names if (change := _change(name, before.get(name), after.get(name))) is not None]
    kinds = {change.name: (after.get(change.name) or before[change.name]).kind for change in made}
    return sorted(made, key=lambda change: kinds[change.name] != "verdict")


def _given(notebook: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for cell in notebook.get("cells", []):
        for output in cell.get("outputs", []):
            listed = output.get("data", {}).get(MIME)
            if isinstance(listed, str):  # nbformat may keep JSON as text
                try:
                    listed = json.loads(listed)
                except ValueError:
                    continue
            for given in cast("list[object]", listed) if isinstance(listed, list) else []:
                if isinstance(given, dict):
                    yield cast("dict[str, Any]", given)


def _fact(given: Mapping[str, Any]) -> Fact | None:
    value, kind, words = given.get("value"), given.get("kind", "number"), given.get("words") or ""
    match value:
        case bool() | int() | float():
            value = _finite(value)
        case str():
            value = value[:MAX_VALUE]
        case None:
            pass
        case _:
            return None
    if kind not in _KINDS or not isinstance(words, str):
        return None
    return Fact(value, words[:MAX_WORDS], kind)


def _finite(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _change(name: str, before: Fact | None, after: Fact | None) -> Change | None:
    if before is None and after is not None:
        return Change(name, None, after.value, f"{name} is new: {_said(after)}")
    if after is None and before is not None:
        return Change(name, before.value, None, f"{name} is gone, it was {_said(before)}")
    if before is None or after is None or _same(before.value, after.value):
        return None
    old, new = _said(before), _said(after)
    if old == new:  # in words the same, so the numbers tell
        old, new = _plain(before.value), _plain(after.value)
    return Change(name, before.value, after.value, f"{name} went from {old} to {new}{_by(before.value, after.value)}")


def _same(one: float | str | None, other: float | str | None) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_SAME)
    return one == other


def _said(fact: Fact) -> str:
    return fact.words.rstrip(". ") or _plain(fact.value)


def _plain(value: float | str | None) -> str:
    if value is None:
        return "not known"
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


def _by(before: float | str | None, after: float | str | None) -> str:
    """Return how much a number changed, in percent of what it was."""
    if not isinstance(before, float) or not isinstance(after, float) or not before:
        return ""
    return f" ({100 * (after - before) / abs(before):+.1f} %)"
