"""The language models of the demo and what a call costs."""

from __future__ import annotations

from dataclasses import dataclass

_PER_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Model:
    """A model with its prices in US dollars per million tokens; both invented."""

    name: str
    provider: str
    input_price: float
    output_price: float

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """Return the cost of a call in US dollars."""
        return (input_tokens * self.input_price + output_tokens * self.output_price) / _PER_MILLION


SMALL = Model("swift-mini-2", "northlight", 0.4, 1.6)
LARGE = Model("sage-4", "northlight", 3.0, 15.0)
OTHER = Model("atlas-pro", "meridian", 2.5, 12.0)
