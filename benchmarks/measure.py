"""Timing in turn, comparing answers, and printing a figure beside its peer's."""

from __future__ import annotations

import itertools
import math
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def rounds(works: Sequence[Callable[[], object]], count: int) -> list[list[float]]:
    """Return the seconds of each piece of work over `count` rounds, taken in turn so that noise falls on all."""
    for work in works:
        work()
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(count):
        for times, work in zip(taken, works, strict=True):
            began = time.perf_counter()
            work()
            times.append(time.perf_counter() - began)
    return taken


_TEXTS = itertools.count()


def anew(sql: str) -> str:
    """Return a text that was never asked: the server answers the same question over the same data from memory."""
    return f"{sql} -- {next(_TEXTS)}"


def same(ours: list[list[Any]], theirs: list[list[Any]]) -> bool:
    """Tell whether two answers are equal; floating-point sums may differ in their last digits."""
    return len(ours) == len(theirs) and all(
        a == b or (isinstance(a, float) and math.isclose(a, b, rel_tol=1e-9))
        for left, right in zip(ours, theirs, strict=True)
        for a, b in zip(left, right, strict=True)
    )


class Figures:
    """The figures of a run, printed as they come."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, name: str, value: float, unit: str, peer: str = "", theirs: float = math.nan) -> None:
        """Print and keep a figure, beside its peer's when there is one."""
        self.rows.append({"name": name, "value": value, "unit": unit, "peer": peer, "theirs": theirs})
        beside = f"   {peer:12} {theirs:>12,.2f}   ratio {value / theirs:.2f}" if peer else ""
        print(f"{name:48} {value:>12,.2f} {unit:18}{beside}", flush=True)
