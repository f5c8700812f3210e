"""Trust, shown on the reader's own data: how often tests would err on these very units, if nothing set them apart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from queries.experiments.verdict import FEWEST_EFFECTIVE, FEWEST_EFFECTIVE_RUNNING, FEWEST_UNITS
from queries.stats.aggregates import Units
from queries.stats.trust import Rule, Trust, flipped, shuffled

if TYPE_CHECKING:
    from queries.experiments.contrasts import Contrasts
    from queries.experiments.observations import Observations


def trust(contrasts: Contrasts, seen: Observations, *, ended: bool) -> Trust | None:
    """Return how often each test would name a false winner were the labels dealt to these very units anew."""
    options = contrasts.options
    named = [variant for variant, own in contrasts.arms.items() if len(own.unit)]
    if options.control not in named or not contrasts.shuffles:
        return None
    squares = [seen.units[variant].squares[seen.units[variant].scored > 0] for variant in named]
    rule = Rule(
        alpha=(options.alpha_end or options.alpha) if ended else options.alpha_sequence,
        sequence=not ended,
        planned_units=options.planned_units,
        fewest_effective=FEWEST_EFFECTIVE if ended else FEWEST_EFFECTIVE_RUNNING,
        fewest_units=FEWEST_UNITS,
    )
    arms = [contrasts.arms[variant] for variant in named]
    if not contrasts.is_paired:
        return shuffled(
            [own.units for own in arms],
            squares,
            control=named.index(options.control),
            alpha=options.alpha,
            rule=rule,
            estimand=options.estimand,
        )
    if len(named) != 2:  # noqa: PLR2004 - pairs have two sides
        return None
    _, at, to = np.intersect1d(arms[0].unit, arms[1].unit, assume_unique=True, return_indices=True)
    both = tuple(Units(own.units.runs[i], own.units.totals[i]) for own, i in zip(arms, (at, to), strict=True))
    if options.planned_units is not None:  # the sequence is tuned to pairs (`Contrasts.compare`)
        rule = replace(rule, planned_units=options.planned_units * len(at) / contrasts.units)
    return flipped((both[0], both[1]), (squares[0][at], squares[1][to]), alpha=options.alpha, rule=rule)
