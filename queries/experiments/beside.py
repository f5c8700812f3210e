"""What is measured beside the deciding score: shown and tested, but the verdict does not follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from queries.experiments.declared import Secondary
    from queries.experiments.observations import Observations
    from queries.experiments.slices import Dimension, Sums
    from queries.stats.aggregates import Floats
    from warehouse.options import Guardrail


@dataclass(frozen=True, slots=True)
class Beside:
    """Other scores with what was seen of them, and the deciding score cut otherwise."""

    guardrails: tuple[tuple[Guardrail, Observations], ...] = ()
    """The exception: they can block a winner."""
    secondary: tuple[tuple[Secondary, Observations], ...] = ()
    dimensions: tuple[Dimension, ...] = ()
    winsorised: Mapping[str, Sums] | None = None
    history: Mapping[str, Floats] | None = None
    """Per variant, in the order of its units, their mean score before the experiment; NaN without one."""


NOTHING = Beside()
