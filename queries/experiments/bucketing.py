"""The variant that Inngest's SDKs choose for a key, recomputed (`ExperimentStrategies.ts`; reference/inngest.md).

Exactly theirs, or not at all: the order of the variants is JavaScript's `localeCompare`, known here for names of
printable ASCII under the root collation, which English and most other locales share.
"""

from __future__ import annotations

import hashlib
import math
import re
from bisect import bisect_right
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

BUCKET = "bucket"
"""Hashes the caller's value; null and undefined as the empty string."""

WEIGHTED = "weighted"
"""Hashes the run's id."""

_ORDER = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz"
"""Printable ASCII in the root order of CLDR; the case of a letter decides only between names that are else equal."""

_PLACE = {character: place for place, character in enumerate(_ORDER)}

_JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)

_LONGEST_PLAIN = 21
"""Digits before the point up to which JavaScript writes a number without an exponent."""

_SMALLEST_PLAIN = -6
"""Power of ten from which it writes a fraction without one."""


def point(key: str | None) -> float:
    """Return where a key falls in [0, 1): 32 bits of its SHA-256. No key falls where the empty string does."""
    return int.from_bytes(hashlib.sha256((key or "").encode()).digest()[:4], "big") / 2**32


@dataclass(frozen=True, slots=True)
class Cuts:
    """[0, 1) cut by weights: `variants` in JavaScript's order, and where the share of each ends."""

    variants: tuple[str, ...]
    ends: tuple[float, ...]

    @classmethod
    def of(cls, weights: Mapping[str, object]) -> Cuts:
        """Cut by weights: shares are added one after another, in doubles, as the SDK adds them.

        Raises:
            InputError: the SDK refuses such weights, or the order of the names is not known here.
        """
        numbers = {variant: _weight(variant, weights[variant]) for variant in in_order(weights)}
        total = 0.0
        for weight in numbers.values():
            total += weight
        if not total > 0:
            raise InputError(f"the weights of {len(numbers)} variants sum to {total:g}, must be above 0")
        ends: list[float] = []
        cursor = 0.0
        for weight in numbers.values():
            cursor += weight / total
            ends.append(cursor)
        return cls(tuple(numbers), tuple(ends))

    @property
    def largest_share(self) -> float:
        """Return the widest share: a key that has nothing to do with a choice agrees with it no more often."""
        inner = self.ends[:-1]
        return max(end - start for start, end in zip((0.0, *inner), (*inner, 1.0), strict=True))

    def variant(self, key: str | None) -> str:
        """Return the variant of a key: the first whose share ends above its point; the last when rounding left none."""
        return self.variants[min(bisect_right(self.ends, point(key)), len(self.variants) - 1)]


def _weight(variant: str, weight: object) -> float:
    number = float(weight) if isinstance(weight, int | float) and not isinstance(weight, bool) else math.nan
    if not (math.isfinite(number) and number >= 0):
        raise InputError(f"the weight of {shown(variant)} is {weight!r}, must be a finite number of at least 0")
    return number


def in_order(names: Mapping[str, object]) -> list[str]:
    """Return names as JavaScript's `localeCompare` sorts them.

    Raises:
        InputError: a name has a character beyond printable ASCII, whose place depends on the locale and its version.
    """
    for name in names:
        if not name.isascii() or not name.isprintable():
            raise InputError(f"the variant {shown(name)} has a character beyond printable ASCII, so its order is open")
    return sorted(names, key=lambda name: ([_PLACE[c] for c in name.lower()], [c.isupper() for c in name]))


def number_text(number: float) -> str:
    """Return a number as JavaScript's `String` writes it (ECMA-262, Number::toString)."""
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else ("Infinity" if number > 0 else "-Infinity")
    if number == 0:
        return "0"
    _, digits, power = Decimal(repr(number)).normalize().as_tuple()
    text, sign = "".join(map(str, digits)), "-" if number < 0 else ""
    point_at = len(text) + int(power)  # digits before the point
    if _SMALLEST_PLAIN < point_at <= 0:
        return f"{sign}0.{'0' * -point_at}{text}"
    if 0 < point_at <= _LONGEST_PLAIN:
        whole, fraction = text[:point_at].ljust(point_at, "0"), text[point_at:]
        return f"{sign}{whole}.{fraction}" if fraction else sign + whole
    fraction = f".{text[1:]}" if len(text) > 1 else ""
    return f"{sign}{text[0]}{fraction}e{point_at - 1:+d}"


def as_number(text: str) -> str | None:
    """Return a JSON number's text as JavaScript would hash it; None when it is none, or is written so already.

    An attribute that a sender wrote as `1.0` was hashed as `1`.
    """
    if not _JSON_NUMBER.fullmatch(text):
        return None
    rewritten = number_text(float(text))
    return None if rewritten == text else rewritten
