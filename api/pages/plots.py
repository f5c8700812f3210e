"""Small charts that a page carries as SVG: columns and a line, as shares of the width and height they get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.pages.numbers import finite

if TYPE_CHECKING:
    from collections.abc import Sequence

_GAP = 0.15
"""Share of a column's place that is left free."""
_ROOM = 0.08
"""Share of the height that is left free above and below a line."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column, in percent of the plot, from its ground: a part of it may be marked."""

    left: float
    width: float
    height: float
    marked: float
    words: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns from zero; `most` is what the whole height stands for."""

    columns: list[Column]
    most: float
    first: str
    last: str


def columns(rows: Sequence[tuple[str, str, object, object]]) -> Columns | None:
    """Return columns of (label, words, size, marked part of it); None when there is nothing to see.

    Sizes are counts. A size above zero is at least half a percent high, so that what is there can be seen.
    """
    sizes = [finite(size) or 0.0 for _, _, size, _ in rows]
    most = max(sizes, default=0.0)
    if most <= 0:
        return None
    place = 100 / len(rows)
    made = [
        Column(
            left=round(at * place + place * _GAP / 2, 3),
            width=round(place * (1 - _GAP), 3),
            height=_share(size, most),
            marked=_share(finite(marked) or 0.0, most),
            words=words,
        )
        for at, ((_, words, _, marked), size) in enumerate(zip(rows, sizes, strict=True))
    ]
    return Columns(made, most, rows[0][0], rows[-1][0])


def _share(size: float, most: float) -> float:
    return 0.0 if size <= 0 else round(max(size / most * 100, 0.5), 3)


@dataclass(frozen=True, slots=True)
class Line:
    """A line over equal steps: `points` as SVG takes them, in a plot of 100 by 100; its lowest and highest value."""

    points: str
    low: float
    high: float
    first: str
    last: str


def line(rows: Sequence[tuple[str, object]]) -> Line | None:
    """Return a line of (label, value); a value that is missing is passed over, and fewer than two make no line."""
    known = [(at, value) for at, (_, given) in enumerate(rows) if (value := finite(given)) is not None]
    if len(known) < 2:  # noqa: PLR2004 - a line has two ends
        return None
    low, high = min(value for _, value in known), max(value for _, value in known)
    spread, last = high - low or 1.0, max(len(rows) - 1, 1)
    tall = 100 * (1 - 2 * _ROOM)
    points = " ".join(
        f"{at / last * 100:.2f},{100 - 100 * _ROOM - (value - low) / spread * tall:.2f}" for at, value in known
    )
    return Line(points, low, high, rows[0][0], rows[-1][0])
