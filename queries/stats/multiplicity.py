"""Several comparisons at once: Holm's step-down correction for deciding, Benjamini and Hochberg's for exploring."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted so that any false one is at most as likely as the smallest (Holm 1979).

    A comparison that cannot be tested (None) stays None and does not count.
    """
    tested = sorted((p, at) for at, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, at) in enumerate(tested):
        largest = max(largest, min(1.0, p * (len(tested) - rank)))
        adjusted[at] = largest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted so that of those below alpha a share of at most alpha is false, on average.

    Benjamini, Hochberg 1995; the comparisons may be independent or positively dependent. A comparison that cannot be
    tested (None) stays None and does not count.
    """
    tested = sorted(((p, at) for at, p in enumerate(p_values) if p is not None), reverse=True)
    adjusted: list[float | None] = [None] * len(p_values)
    smallest = 1.0
    for before, (p, at) in enumerate(tested):
        smallest = min(smallest, p * len(tested) / (len(tested) - before))
        adjusted[at] = smallest
    return adjusted
