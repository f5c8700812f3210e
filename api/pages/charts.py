"""Geometry of the two charts: report figures -> positions in percent, ready for SVG attributes."""

from __future__ import annotations

import datetime as dt
import math
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

_FEWEST_TICKS = 3


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


def ticks(axis: Domain) -> list[float]:
    """Return the fewest round values (1, 2 or 5 times a power of ten apart) within the domain that are at least 3."""
    power = 10.0 ** math.floor(math.log10(axis.high - axis.low))
    candidates = (_multiples(axis, factor * power) for factor in (2, 1, 0.5, 0.2))  # the last has five or more
    return next(places for places in candidates if len(places) >= _FEWEST_TICKS)


def _multiples(axis: Domain, step: float) -> list[float]:
    """Return the multiples of `step` within the domain."""
    return [index * step for index in range(math.ceil(axis.low / step), math.floor(axis.high / step) + 1)]


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
class Tick:
    """A labelled place on an axis: percent, and the value that stands there."""

    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Forest:
    """A forest plot: rows in the order of the comparisons, one axis, where zero lies. No marks: no `axis`."""

    rows: tuple[ForestRow, ...]
    zero: float
    axis: tuple[Tick, ...]


def _bar(axis: Domain, ends: tuple[float, float] | None) -> Bar | None:
    return Bar(axis.position(ends[0]), axis.position(ends[1])) if ends else None


def forest(comparisons: Sequence[Body]) -> Forest:
    """Lay out differences with their intervals (and, thinner, their sequences) on one axis that contains zero."""
    points = [finite(entry.get("difference")) for entry in comparisons]
    bars = [interval(entry.get("ci")) for entry in comparisons]
    sequences = [interval(inside(entry, "sequence").get("ci")) for entry in comparisons]
    near = [value for value in points if value is not None] + [end for bar in bars if bar for end in bar]
    far = [end for sequence in sequences if sequence for end in sequence]
    if not near and not far:
        return Forest(tuple(ForestRow(None, None, None) for _ in comparisons), 50.0, ())
    core = domain([*(near or far), 0.0], padding=0.0)
    room = (_WIDEST_SEQUENCE - 1) / 2 * (core.high - core.low)
    kept = [min(core.high + room, max(core.low - room, end)) for end in far]
    axis = domain([*near, *kept, 0.0])
    rows = tuple(
        ForestRow(None if point is None else axis.position(point), _bar(axis, bar), _bar(axis, sequence))
        for point, bar, sequence in zip(points, bars, sequences, strict=True)
    )
    return Forest(rows, axis.position(0.0), tuple(Tick(axis.position(value), value) for value in ticks(axis)))


@dataclass(frozen=True, slots=True)
class Line:
    """A variant's course: `path` is SVG path data in a 100 x 100 box (y downwards), `last` its newest mean."""

    variant: str
    path: str
    last: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """The courses of all variants on one pair of axes: first and last day, lowest and highest mean."""

    lines: tuple[Line, ...]
    first_day: str
    last_day: str
    low: float
    high: float


def _path(points: Sequence[tuple[float, float]]) -> str:
    """Return path data through `points`; a lone point becomes a dot (round caps draw a line of no length)."""
    start = f"M{points[0][0]} {points[0][1]}"
    return start + "".join(f"L{x} {y}" for x, y in points[1:]) if len(points) > 1 else f"{start}h0"


def series(entries: Sequence[Body]) -> Series | None:
    """Lay out the daily means of each variant, or return None when there is no mean on any day."""
    known = [
        (dt.date.fromisoformat(str(entry["day"])[:10]), str(entry["variant"]), mean)
        for entry in entries
        if (mean := finite(entry.get("mean"))) is not None
    ]
    if not known:
        return None
    days = sorted({day for day, _, _ in known})
    across = domain((day.toordinal() for day in days), padding=0.02)
    means = [mean for _, _, mean in known]
    up = domain(means, padding=0.08)

    def line(variant: str) -> Line:
        own = sorted((day, mean) for day, name, mean in known if name == variant)
        points = [(across.position(day.toordinal()), round(100 - up.position(mean), 2)) for day, mean in own]
        return Line(variant, _path(points), own[-1][1])

    variants = list(dict.fromkeys(variant for _, variant, _ in known))
    return Series(
        tuple(line(variant) for variant in variants), days[0].isoformat(), days[-1].isoformat(), min(means), max(means)
    )
