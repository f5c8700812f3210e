"""What a report sees of made-up runs on a day: the figures that `queries.experiments.observations` reads by SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from queries.experiments.observations import DAY_US, MATURITY_QUANTILE, Observations, Spread, VariantUnits
from queries.stats.aggregates import Moments

if TYPE_CHECKING:
    from tests.simulate.traffic import Floats, Integers, Traffic


def names(count: int) -> tuple[str, ...]:
    """Return the names of so many variants; the control is the first."""
    return tuple("abcdefghij"[:count])


@dataclass(frozen=True, slots=True)
class Look:
    """What the figures of a report are cut at (`queries.experiments.ending.Horizon`), in days."""

    as_of: float
    until: float
    """Runs that started later do not count."""
    maturity: float | None


def at_the_end(traffic: Traffic, end: float, maturity: float | None) -> Look | None:
    """Return the look that a planned end freezes; None while no score tells how long to wait."""
    wait = _delay(traffic, Look(end, end, None)) if maturity is None else maturity
    return None if wait is None else Look(end + wait, end, wait)


def _delay(traffic: Traffic, look: Look) -> float | None:
    """Return the delay that 99 % of the scores seen so far had at most."""
    seen = (traffic.started <= look.until) & (traffic.scored <= look.as_of)
    delays = (traffic.scored - traffic.started)[seen]
    return float(np.quantile(delays, MATURITY_QUANTILE, method="inverted_cdf")) if len(delays) else None


def observed(traffic: Traffic, look: Look) -> Observations:
    """Return what a report sees."""
    wait = _delay(traffic, look) if look.maturity is None else look.maturity
    begun = traffic.started <= look.until
    unit = traffic.unit[begun]
    scored = traffic.scored[begun] <= look.as_of
    mature = np.zeros(len(unit), bool) if wait is None else traffic.started[begun] + wait <= look.as_of
    values = traffic.value[begun]
    low = float(values[scored].min()) if scored.any() else 0.0
    shifted = values - low
    counted = mature & scored
    runs, matured, counts, counts_all = (_count(traffic, unit[own]) for own in (begun[begun], mature, counted, scored))
    totals, totals_all = (_sum(traffic, unit[own], shifted[own]) for own in (counted, scored))
    squares = _sum(traffic, unit[counted], shifted[counted] ** 2)
    units: dict[str, VariantUnits] = {}
    spreads: dict[str, Spread] = {}
    for at, variant in enumerate(names(int(traffic.variant[-1]) + 1)):
        own = (traffic.variant == at) & (runs > 0)
        if not own.any():
            continue
        (which,) = np.nonzero(own)
        units[variant] = VariantUnits(
            unit=which,
            known=np.ones(len(which), bool),
            runs=runs[own],
            mature=matured[own],
            scored=counts[own],
            total=totals[own],
            squares=squares[own],
            scored_all=counts_all[own],
            total_all=totals_all[own],
            weights=np.full(len(which), None, object),
        )
        mine = values[counted & (traffic.variant[unit] == at)]
        if len(mine):
            spreads[variant] = _spread(mine, low)
    is_boolean = bool(np.isin(traffic.value, (0.0, 1.0)).all())
    scores = int(scored.sum())
    return Observations(
        units=units,
        spreads=spreads,
        days=(),
        low=low,
        paired=False,
        contaminated_units=0,
        all_units=int((runs > 0).sum()),
        maturity=None if wait is None else round(wait * DAY_US),
        boolean_scores=scores if is_boolean else 0,
        numeric_scores=0 if is_boolean else scores,
        functions=1,
        high=float(values[scored].max()) if scored.any() else None,
    )


def _count(traffic: Traffic, unit: Integers) -> Integers:
    return np.bincount(unit, minlength=len(traffic.variant)).astype(np.int64)


def _sum(traffic: Traffic, unit: Integers, values: Floats) -> Floats:
    return np.bincount(unit, values, len(traffic.variant)).astype(np.float64)


def _spread(values: Floats, low: float) -> Spread:
    """Return the spread of a variant's runs; quartiles decide nothing and are left at 0."""
    sizes = np.abs(values)
    start = np.partition(sizes, at := int(np.ceil(0.99 * len(sizes))) - 1)[at]
    whole = float(sizes.sum())
    return Spread(
        moments=Moments(
            len(values), float(values.mean()) - low, float(values.var(ddof=1)) if len(values) > 1 else None
        ),
        low=float(values.min()),
        quartiles=(0.0, 0.0, 0.0),
        high=float(values.max()),
        trues=int((values == 1).sum()),
        halves=int((values == 0.5).sum()),
        heaviest_share=float(sizes[sizes > start].sum()) / whole if whole > 0 else None,
    )
