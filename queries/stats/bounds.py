"""Worst cases for scores that are missing but must lie in a known range."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Coverage:
    """What an arm's mature runs tell: how many, how many of them scored, and the scored ones' mean."""

    runs: int
    scored: int
    mean: float

    def filled(self, value: float) -> float:
        """Return the mean if every missing score were `value`."""
        return (self.scored * self.mean + (self.runs - self.scored) * value) / self.runs


def worst_cases(first: Coverage, second: Coverage, low: float, high: float) -> tuple[float, float]:
    """Return the smallest and the largest difference (first minus second) that the missing scores allow (Manski)."""
    return first.filled(low) - second.filled(high), first.filled(high) - second.filled(low)
