"""Geometry of the small forest plots in a table: report figures -> positions in percent, ready for SVG attributes.

The charts of a report are `api.pages.specs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.pages.body import Body, inside
from api.pages.numbers import finite, interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PADDING = 0.06
"""Free share of the axis left and right of the outermost mark: an interval never touches the edge."""

_WIDEST_SEQUENCE = 2.5
"""A sequence wider than this many times the intervals runs off the plot instead of squeezing them."""


@dataclass(frozen=True, slots=True)
class Domain:
    """What an axis covers; `low < high`."""

    low: float
    high: float

    def position(self, value: float) -> float:
        """Return where `value` lies, in percent from the low end, kept within -10 to 110 (just off the plot)."""
        return round(min(110.0, max(-10.0, 100 * (value - self.low) / (self.high - self.low))), 2)


def domain(values: Iterable[float], padding: float = PADDING) -> Domain:
    """Return the domain of `values`, padded; one value or none still gets a domain of positive width."""
    known = list(values) or [0.0]
    low, high = min(known), max(known)
    width = high - low
    if width <= abs(high) * 1e-12:
        width = abs(high) or 1.0
    return Domain(low - padding * width, high + padding * width)


def axis_of(near: Sequence[float], far: Sequence[float]) -> Domain | None:
    """Return an axis that holds zero, all of `near` and a share of `far` (the ends of wide sequences), or None."""
    if not near and not far:
        return None
    core = domain([*(near or far), 0.0], padding=0.0)
    room = (_WIDEST_SEQUENCE - 1) / 2 * (core.high - core.low)
    kept = [min(core.high + room, max(core.low - room, end)) for end in far]
    return domain([*near, *kept, 0.0])


@dataclass(frozen=True, slots=True)
class Bar:
    """An interval on an axis: start and end in percent."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One comparison of a forest plot; a mark that does not exist is None."""

    point: float | None
    bar: Bar | None
    sequence: Bar | None

    @property
    def has_marks(self) -> bool:
        """Return whether there is anything to draw."""
        return self.point is not None or self.bar is not None or self.sequence is not None


@dataclass(frozen=True, slots=True)
class Forest:
    """A forest plot: rows in the order of the comparisons, and where zero lies."""

    rows: tuple[ForestRow, ...]
    zero: float


def _bar(axis: Domain, ends: tuple[float, float] | None) -> Bar | None:
    return Bar(axis.position(ends[0]), axis.position(ends[1])) if ends else None


def forest(comparisons: Sequence[Body]) -> Forest:
    """Lay out differences with their intervals (and, thinner, their sequences) on one axis that contains zero."""
    points = [finite(entry.get("difference")) for entry in comparisons]
    bars = [interval(entry.get("ci")) for entry in comparisons]
    sequences = [interval(inside(entry, "sequence").get("ci")) for entry in comparisons]
    axis = axis_of(
        [value for value in points if value is not None] + [end for bar in bars if bar for end in bar],
        [end for sequence in sequences if sequence for end in sequence],
    )
    if axis is None:
        return Forest(tuple(ForestRow(None, None, None) for _ in comparisons), 50.0)
    rows = tuple(
        ForestRow(None if point is None else axis.position(point), _bar(axis, bar), _bar(axis, sequence))
        for point, bar, sequence in zip(points, bars, sequences, strict=True)
    )
    return Forest(rows, axis.position(0.0))
