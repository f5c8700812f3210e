"""Numbers, intervals and times as a reader wants to see them; what does not exist is an en dash."""

from __future__ import annotations

import datetime as dt
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

DASH = "\N{EN DASH}"
"""Stands for a number that does not exist."""

_MINUS = "\N{MINUS SIGN}"
_SIGNIFICANT = 3
_SMALLEST_FIXED, _LARGEST_FIXED = 1e-4, 1e9


def finite(value: object) -> float | None:
    """Return `value` as a float when it is a finite number (a boolean is none), else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def interval(value: object) -> tuple[float, float] | None:
    """Return an interval `[low, high]` of the report as two floats, or None when either end is missing."""
    if not isinstance(value, list | tuple):
        return None
    ends = [finite(end) for end in cast("Sequence[object]", value)]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:  # noqa: PLR2004 - an interval has two ends
        return None
    return ends[0], ends[1]


def _signed(text: str, *, plus: bool) -> str:
    if text.startswith("-"):
        return text.replace("-", _MINUS, 1)
    return f"+{text}" if plus and any(digit in text for digit in "123456789") else text


def number(value: object, *, plus: bool = False) -> str:
    """Return a number with three significant digits, whole digits never cut, grouped in thousands; integers in full."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _signed(f"{value:,}", plus=plus)
    real = finite(value)
    if real is None:
        return DASH
    size = abs(real)
    if size == 0:
        return "0"
    if not _SMALLEST_FIXED <= size < _LARGEST_FIXED:
        return _signed(f"{real:.2e}", plus=plus)
    decimals = max(0, _SIGNIFICANT - 1 - math.floor(math.log10(size)))
    return _signed(f"{real:,.{decimals}f}", plus=plus)


def percent(value: object, *, plus: bool = False, unit: str = "%") -> str:
    """Return a share as percent with one decimal, with two below one percent."""
    real = finite(value)
    if real is None:
        return DASH
    if 0 < real < 0.00005 and not plus:  # noqa: PLR2004 - half the last decimal shown
        return f"< 0.01{unit}"
    decimals = 1 if abs(real) >= 0.01 or real == 0 else 2  # noqa: PLR2004 - one percent
    return _signed(f"{100 * real:,.{decimals}f}{unit}", plus=plus)


def probability(value: object) -> str:
    """Return a p-value; one that rounds to 0 or 1 is given as a bound, for it is neither."""
    p = finite(value)
    if p is None:
        return DASH
    if p < 0.0001:  # noqa: PLR2004 - the last decimal shown
        return "< 0.0001"
    if p > 0.999:  # noqa: PLR2004 - likewise
        return "> 0.999"
    return f"{p:.4f}" if p < 0.01 else f"{p:.3f}"  # noqa: PLR2004 - two significant digits


def chance(value: object) -> str:
    """Return a chance as percent; one that rounds to none or all is given as a bound."""
    share = finite(value)
    if share is None:
        return DASH
    if not 0.001 <= share <= 0.999:  # noqa: PLR2004 - the last decimal shown
        return "< 0.1%" if share < 0.5 else "> 99.9%"  # noqa: PLR2004 - nearer to none than to all
    return percent(share)


@dataclass(frozen=True, slots=True)
class Scale:
    """How the values of one score are written: booleans as percent and points, anything else as it is."""

    kind: str | None

    def value(self, value: object) -> str:
        """Return a value or mean of the score."""
        return percent(value) if self.kind == "boolean" else number(value)

    def difference(self, value: object) -> str:
        """Return a signed difference of two means."""
        return percent(value, plus=True, unit=" pts") if self.kind == "boolean" else number(value, plus=True)

    def spread(self, value: object) -> str:
        """Return a standard deviation or standard error, unsigned, in the unit of a difference."""
        return percent(value, unit=" pts") if self.kind == "boolean" else number(value)

    def tick(self, value: float) -> str:
        """Return a place on the axis of differences, as short as it is exact."""
        return _signed(f"{100 * value if self.kind == 'boolean' else value:.6g}", plus=True)

    def interval(self, value: object) -> str:
        """Return an interval of means, `58.1 to 64.2%`."""
        ends = interval(value)
        if ends is None:
            return DASH
        if self.kind == "boolean":
            return f"{percent(ends[0], unit='')} to {percent(ends[1])}"
        return f"{number(ends[0])} to {number(ends[1])}"

    def difference_interval(self, value: object) -> str:
        """Return an interval of differences, `+3.1 to +9.0`."""
        ends = interval(value)
        if ends is None:
            return DASH
        if self.kind == "boolean":
            return " to ".join(percent(end, plus=True, unit="") for end in ends)
        return " to ".join(number(end, plus=True) for end in ends)


def percent_interval(value: object) -> str:
    """Return an interval of relative differences, `+3.1 to +9.0%`."""
    ends = interval(value)
    return DASH if ends is None else f"{percent(ends[0], plus=True, unit='')} to {percent(ends[1], plus=True)}"


def moment(value: object) -> str:
    """Return an ISO 8601 time of the API as `21 Nov 2026, 08:02 UTC`; text that is no time as it is."""
    if not isinstance(value, str) or not value:
        return DASH
    try:
        parsed = dt.datetime.fromisoformat(value)
    except ValueError:
        return value
    utc = parsed.replace(tzinfo=dt.UTC) if parsed.tzinfo is None else parsed.astimezone(dt.UTC)
    return f"{utc.day} {utc:%b %Y, %H:%M} UTC"


def plain(value: Any) -> str:
    """Return any JSON value as text to read: strings bare, everything else as compact JSON."""
    if value is None:
        return DASH
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
