"""Less noise from what was known before: totals adjusted by each unit's own history (CUPED)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from queries.stats.aggregates import ROUNDING, Units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from queries.stats.aggregates import Floats
    from queries.stats.jackknife import Estimand

FEWEST_WITH_HISTORY = 0.5
"""Share of the units that must have a history for the adjustment to be made."""


@dataclass(frozen=True, slots=True)
class Adjusted:
    """Arms whose totals are freed of what the units' histories foretell; compare them as any others."""

    arms: tuple[Units, ...]
    theta: float
    """Difference of the score that goes with a difference of 1 in the history."""
    with_history: float
    """Share of the units that have a history."""


def adjusted(arms: Sequence[Units], history: Sequence[Floats], estimand: Estimand = "runs") -> Adjusted | None:
    """Return the arms with s_i - theta n_i (x_i - x) in place of their totals s_i (Deng, Xu, Kohavi, Walker 2013).

    theta = sum (s_i - R n_i) n_i (x_i - x) / sum (n_i (x_i - x))^2 over the units of all arms, R and x being their
    run-weighted means: the coefficient that makes the variance of the ratio sum s_i / sum n_i smallest (delta method;
    Deng, Knoblich, Lu 2018, section 4). One theta and one x for all arms: the arms' difference stays unbiased, for what
    came before the experiment cannot depend on the variant. In the estimand `units` every unit has the weight of one
    run. A unit without history is left as it is.

    Args:
        arms: the units of each arm.
        history: of each arm, in the order of its units, their mean score before their first exposure; NaN without one.
        estimand: what a mean weighs the same.

    Returns:
        The adjusted arms; None when fewer than half of the units have a history, or it does not vary.
    """
    runs, totals = (np.concatenate([getattr(arm, name) for arm in arms]) for name in ("runs", "totals"))
    before = np.concatenate(list(history))
    known = np.isfinite(before)
    if not known.any() or known.mean() < FEWEST_WITH_HISTORY:
        return None
    weights = runs if estimand == "runs" else np.ones(len(runs))
    scores = totals * (weights / runs)
    centre = float((weights * before)[known].sum() / weights[known].sum())
    away = np.where(known, before - centre, 0.0)
    if np.abs(away).max() <= ROUNDING * np.abs(before[known]).max():
        return None
    moved = weights * away
    theta = float(((scores - scores.sum() / weights.sum() * weights) * moved).sum() / (moved**2).sum())
    made = np.split(totals - theta * runs * away, np.cumsum([len(arm.runs) for arm in arms])[:-1])
    return Adjusted(
        arms=tuple(Units(arm.runs, own) for arm, own in zip(arms, made, strict=True)),
        theta=theta,
        with_history=float(known.mean()),
    )
