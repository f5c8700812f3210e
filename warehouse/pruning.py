"""Which files can hold a row that a question wishes for: by the bounds the manifest keeps of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warehouse.manifest import Bound

Value = str | int
"""Text, or microseconds since 1970 for a time."""


@dataclass(frozen=True, slots=True)
class Between:
    """A row's column lies between these, ends included; None: no limit on that side."""

    column: str
    low: Value | None
    high: Value | None


@dataclass(frozen=True, slots=True)
class OneOf:
    """A row's column is one of these."""

    column: str
    values: tuple[Value, ...]


Wish = Sequence[Sequence[Between | OneOf]]
"""Alternatives, each a list of conditions that all hold."""
Wishes = Mapping[str, Wish]
"""By file table; of a table that is absent any row may be wanted."""

NO_WISHES: Wishes = {}


def may_hold(bounds: Mapping[str, Bound], wish: Wish | None) -> bool:
    """Tell whether a file of these bounds can hold a wanted row; true whenever that is not known."""
    return wish is None or any(all(_meets(bounds, condition) for condition in all_of) for all_of in wish)


def _meets(bounds: Mapping[str, Bound], condition: Between | OneOf) -> bool:
    bound = bounds.get(condition.column)
    if bound is None:
        return True
    low, high = bound
    if isinstance(condition, OneOf):
        return any(_between(low, value, high) for value in condition.values)
    return _ordered(low, condition.high) and _ordered(condition.low, high)


def _between(low: Value, value: Value, high: Value) -> bool:
    return _ordered(low, value) and _ordered(value, high)


def _ordered(low: Value | None, high: Value | None) -> bool:
    """Tell whether `low` can come before `high`; values of two types say nothing."""
    if isinstance(low, int) and isinstance(high, int):
        return low <= high
    if isinstance(low, str) and isinstance(high, str):
        return low <= high
    return True
