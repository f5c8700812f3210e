"""Numbers, intervals and times as a reader wants to see them; what does not exist is an en dash."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DASH = "\N{EN DASH}"
"""Stands for a number that does not exist."""

_MINUS = "\N{MINUS SIGN}"
_SIGNIFICANT = 3
_SMALLEST_FIXED, _LARGEST_FIXED = 1e-4, 1e9
_MOST_DECIMALS = 6
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])", re.ASCII)
_UNITS = {"d": (86_400, "day"), "h": (3_600, "hour"), "m": (60, "minute"), "s": (1, "second")}
"""Letter of a duration -> its seconds and name, the longest first."""


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


def fixed(value: object, decimals: int, *, plus: bool = False, unit: str = "") -> str:
    """Return a number with so many decimals, so that a column of them lines up."""
    real = finite(value)
    if real is None:
        return DASH
    text = f"{real:,.{decimals}f}"
    return _signed((text if any(digit in text for digit in "123456789") else text.lstrip("-")) + unit, plus=plus)


@dataclass(frozen=True, slots=True)
class Scale:
    """How the values of one score are written: booleans as percent and points, anything else as it is.

    With `decimals` (see `fitted`) all values have as many; without, each has the digits it needs.
    """

    kind: str | None
    decimals: int | None = None

    @property
    def _factor(self) -> float:
        return 100.0 if self.kind == "boolean" else 1.0

    def fitted(self, intervals: Iterable[object]) -> Scale:
        """Return the scale that writes two significant digits of what these intervals leave open, in the median."""
        widths = sorted(high - low for low, high in filter(None, map(interval, intervals)) if high > low)
        if not widths:
            return self
        typical = widths[len(widths) // 2] / 4 * self._factor  # about a standard error
        decimals = max(0, 1 - math.floor(math.log10(typical))) if typical else _MOST_DECIMALS + 1
        return Scale(self.kind, decimals if decimals <= _MOST_DECIMALS and typical < _LARGEST_FIXED else None)

    def _written(self, value: object, *, plus: bool, unit: str) -> str:
        real = finite(value)
        if self.decimals is None or real is None or abs(real) * self._factor >= _LARGEST_FIXED:
            return percent(value, plus=plus, unit=unit) if self.kind == "boolean" else number(value, plus=plus)
        return fixed(real * self._factor, self.decimals, plus=plus, unit=unit if self.kind == "boolean" else "")

    def value(self, value: object) -> str:
        """Return a value or mean of the score."""
        return self._written(value, plus=False, unit="%")

    def difference(self, value: object) -> str:
        """Return a signed difference of two means."""
        return self._written(value, plus=True, unit=" pts")

    def spread(self, value: object) -> str:
        """Return a standard deviation or standard error, unsigned, in the unit of a difference."""
        real = finite(value)
        if self.decimals is not None and real and 0 < real * self._factor < 0.5 * 10.0**-self.decimals:
            return f"< {self._written(10.0**-self.decimals / self._factor, plus=False, unit=' pts')}"
        return self._written(value, plus=False, unit=" pts")

    def interval(self, value: object) -> str:
        """Return an interval of means, `58.1 to 64.2%`."""
        ends = interval(value)
        if ends is None:
            return DASH
        return f"{self._written(ends[0], plus=False, unit='')} to {self._written(ends[1], plus=False, unit='%')}"

    def difference_interval(self, value: object) -> str:
        """Return an interval of differences, `+3.1 to +9.0`."""
        ends = interval(value)
        return DASH if ends is None else " to ".join(self._written(end, plus=True, unit="") for end in ends)


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


def lasting(value: object) -> str:
    """Return a duration of the API, such as `72h` or `361.095s`, in words: `3 days`, `6.02 minutes`."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return DASH if value is None else str(value)
    seconds = float(match[1]) * _UNITS[match[2]][0]
    size, name = next(((size, name) for size, name in _UNITS.values() if seconds >= size), _UNITS["s"])
    amount = seconds / size
    told = number(int(amount)) if amount == int(amount) else number(amount)
    return f"{told} {name}{'' if told == '1' else 's'}"


def plain(value: Any) -> str:
    """Return any JSON value as text to read: strings bare, everything else as compact JSON."""
    if value is None:
        return DASH
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
