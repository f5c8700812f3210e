"""What was measured of the runs of a report: figures per unit, per variant and per day.

Floating-point sums depend on the order of the rows, which threads change; a report must say the same bytes each time.
So scores are placed on an integer scale (60 bits between the lowest and the highest of them) and summed exactly; this
also keeps tiny differences between huge values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from queries.stats.aggregates import Moments

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    from queries.experiments.cohort import Cohort
    from queries.experiments.metrics import Metric
    from queries.experiments.statements import Asker, Put

MATURITY_QUANTILE = 0.99
DAY_US = 86_400_000_000

SCALE_BITS = 60
_MOST_BITS = 1000
"""The scale of values that are nearly equal; 2^-1000 is still a normal number."""

_COARSE_BITS = 14
"""Bits dropped before squaring, so that sums of squares stay exact in 128 bits."""


@dataclass(frozen=True, slots=True)
class VariantUnits:
    """One variant, a row per unit. Totals are sums of `score - low` over scored runs."""

    unit: NDArray[np.int64]
    known: NDArray[np.bool_]
    runs: NDArray[np.int64]
    mature: NDArray[np.int64]
    scored: NDArray[np.int64]
    total: NDArray[np.float64]
    squares: NDArray[np.float64]
    """Sums of the squares of `score - low`."""
    scored_all: NDArray[np.int64]
    """Immature runs included."""
    total_all: NDArray[np.float64]
    weights: NDArray[np.object_]
    """Weights in force when the unit came, as recorded; null where none were."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The mature scored runs of one variant."""

    moments: Moments
    """Of `score - low`."""
    low: float
    quartiles: tuple[float, float, float]
    high: float
    trues: int
    halves: int
    """Scores of exactly 0.5, which deferred scorers write when nothing came."""
    heaviest_share: float | None
    """Share of the sum of absolute scores that the largest 1 % of them carry."""


@dataclass(frozen=True, slots=True)
class Day:
    """The mature scored runs of one variant that started on one day."""

    day: int
    """Days since 1970-01-01."""
    variant: str
    scored: int
    total: float


@dataclass(frozen=True, slots=True)
class Observations:
    """What was seen by `as_of`, as known at `known_at`."""

    units: Mapping[str, VariantUnits]
    """Contaminated units are left out unless the design is paired."""
    spreads: Mapping[str, Spread]
    days: tuple[Day, ...]
    low: float
    """The lowest score, subtracted from all before summing."""
    paired: bool
    contaminated_units: int
    all_units: int
    """Distinct units, contaminated ones included."""
    maturity: int | None
    """Microseconds a run waits before it counts."""
    boolean_scores: int
    numeric_scores: int
    functions: int = 0
    """Distinct functions of the runs."""
    conflicting_runs: int = 0
    """Runs whose score says another variant than their assignment; asked for the deciding score only."""
    high: float | None = None
    """The highest score; null without scores."""

    @property
    def scored(self) -> bool:
        """Return whether any run has the score."""
        return self.boolean_scores + self.numeric_scores > 0

    @property
    def kind(self) -> str | None:
        """Return the kind of the score; numbers among booleans make it numeric; null without scores."""
        if not self.scored:
            return None
        return "numeric" if self.numeric_scores else "boolean"


@dataclass(frozen=True, slots=True)
class Scale:
    """Places scores on integers: exact sums, whatever the order of the rows."""

    low: float
    bits: int

    @property
    def step(self) -> float:
        """Return the score of one place."""
        return 2.0 ** (1 - self.bits)

    def place(self, value: str, put: Put) -> str:
        """Return the SQL of a score's place; halves, so that the whole range of doubles fits."""
        return f"(({value} / 2 - {put(self.low)}::DOUBLE / 2) * pow(2, {put(self.bits)}))::BIGINT"


def scale(low: float | None, half: float | None) -> Scale:
    """Return the scale of scores between `low` and `low + 2 half`; None where there are none."""
    if low is None or half is None or half <= 0:
        return Scale(low or 0.0, 0)
    return Scale(low, min(SCALE_BITS - math.ceil(math.log2(half)), _MOST_BITS))


@dataclass(frozen=True, slots=True)
class Measured:
    """The runs that a metric knows, as the temporary table `observed`: what the other statements are asked over.

    The table is that of the metric measured last.
    """

    scale: Scale
    as_of: int
    wait: int | None
    """Microseconds a run waits before it counts; None: not known, so no run does."""

    def mature(self, put: Put) -> str:
        """Return the condition of a run that has waited."""
        return "false" if self.wait is None else f"started + {put(self.wait)}::BIGINT <= {put(self.as_of)}"


def observe(
    ask: Asker, cohort: Cohort, metric: Metric, as_of: int, maturity: int | None, *, decides: bool = True
) -> tuple[Observations, Measured]:
    """Measure a metric of the cohort's runs.

    Args:
        ask: runs the statements.
        cohort: the members, as `gather` left their tables.
        metric: what to measure.
        as_of: the time (microseconds since 1970) from which a run's waiting counts back.
        maturity: microseconds a run waits; None: 99 % of the delays seen.
        decides: also the spread of single runs and the days, which only the deciding score shows.
    """
    ask.make("observed", lambda put: _joined(metric, put))
    if ask(_SEVERAL)[0]["several"]:
        ask.make(
            "observed",
            lambda put: f"SELECT {_MEAN} FROM ({_joined(metric, put)}) GROUP BY run HAVING isfinite(favg(value))",
        )
    (whole,) = ask(_WHOLE)
    wait = whole["delay"] if maturity is None else maturity
    measured = Measured(scale(whole["low"], whole["half"]), as_of, wait)
    return (
        Observations(
            units=_units(ask, cohort, measured, squares=decides),
            spreads=_spreads(ask, measured) if decides else {},
            days=_days(ask, measured) if decides else (),
            low=measured.scale.low,
            high=whole["high"],
            paired=cohort.paired,
            contaminated_units=cohort.contaminated_units,
            all_units=cohort.all_units,
            maturity=wait,
            boolean_scores=whole["booleans"],
            numeric_scores=whole["numerics"],
            functions=cohort.functions,
        ),
        measured,
    )


def _joined(metric: Metric, put: Put) -> str:
    """Return the runs of the cohort that the metric knows, a row per value."""
    return f"""SELECT c.rowid AS run, c.member, c.started, m.value, m.is_boolean, NOT m.is_boolean AS is_numeric,
       greatest(coalesce(epoch_us(m.happened_at), 0) - c.started, 0) AS delay
FROM ({metric.query(put)}
) m JOIN cohort c ON c.run_id = m.run_id
WHERE isfinite(m.value)"""


_SEVERAL = "SELECT count(*) > count(DISTINCT run) AS several FROM observed"
"""Whether any run has several values. Hardly ever, and grouping all of them would take as long as the join."""

_MEAN = """run, any_value(member) AS member, any_value(started) AS started, favg(value) AS value,
       bool_or(is_boolean) AS is_boolean, bool_or(is_numeric) AS is_numeric, max(delay) AS delay"""
"""The mean is compensated, so raters in any order give the same."""

_WHOLE = f"""SELECT min(value) AS low, max(value) AS high, max(value) / 2 - min(value) / 2 AS half,
       count(*) FILTER (is_boolean) AS booleans, count(*) FILTER (is_numeric) AS numerics,
       quantile_disc(delay, {MATURITY_QUANTILE}) AS delay
FROM observed"""


def _units(ask: Asker, cohort: Cohort, measured: Measured, *, squares: bool) -> dict[str, VariantUnits]:
    """Return the units of each variant that has any that count; without `squares` those are left at 0."""
    square = f"(sum({_coarse_square('place')}) FILTER (mature))::DOUBLE" if squares else "0::DOUBLE"
    mature = _by_member(
        cohort,
        ask.table(
            lambda put: (
                f"""SELECT member, count(*) AS mature FROM cohort
WHERE {measured.mature(put)} GROUP BY member ORDER BY member"""
            )
        ),
    )
    found = _by_member(
        cohort,
        ask.table(
            lambda put: (
                f"""SELECT member, count(*) FILTER (mature) AS scored, count(*) AS scored_all,
       (sum(place) FILTER (mature))::DOUBLE AS total, sum(place)::DOUBLE AS total_all,
       {square} AS squares
FROM (SELECT member, {measured.mature(put)} AS mature, {measured.scale.place("value", put)} AS place FROM observed)
GROUP BY member ORDER BY member"""
            )
        ),
    )
    step = measured.scale.step
    units: dict[str, VariantUnits] = {}
    for number, variant in enumerate(cohort.variants):
        own = cohort.counts & (cohort.variant == number)
        if own.any():
            units[variant] = VariantUnits(
                unit=cohort.unit[own],
                known=cohort.known[own],
                runs=cohort.runs[own],
                weights=cohort.weights[own],
                mature=mature["mature"][own].astype(np.int64),
                scored=found["scored"][own].astype(np.int64),
                scored_all=found["scored_all"][own].astype(np.int64),
                total=found["total"][own] * step,
                total_all=found["total_all"][own] * step,
                squares=found["squares"][own] * (step * 2**_COARSE_BITS) * (step * 2**_COARSE_BITS),
            )
    return units


def _by_member(cohort: Cohort, table: pa.Table) -> dict[str, NDArray[np.float64]]:
    """Return columns with an item per member; 0 where the table says nothing of one."""
    members = table["member"].to_numpy() - 1
    found: dict[str, NDArray[np.float64]] = {}
    for name in table.column_names:
        if name != "member":
            found[name] = np.zeros(len(cohort.unit))
            found[name][members] = np.nan_to_num(table[name].to_numpy().astype(np.float64), nan=0.0)
    return found


def _coarse_square(place: str) -> str:
    return f"({place} >> {_COARSE_BITS})::HUGEINT * ({place} >> {_COARSE_BITS})::HUGEINT"


def counted(measured: Measured, put: Put, columns: str, join: str = "") -> str:
    """Return the CTE of the mature scored runs that count; `columns` stand before its own parameters."""
    return f"""counted AS (
    SELECT variant, value, {columns} FROM observed JOIN member USING (member){join}
    WHERE counts AND {measured.mature(put)})"""


def _placed(measured: Measured, put: Put) -> str:
    return counted(measured, put, f"started, {measured.scale.place('value', put)} AS place")


def _spreads(ask: Asker, measured: Measured) -> dict[str, Spread]:
    table = ask.table(
        lambda put: (
            f"""WITH {_placed(measured, put)},
tail AS (SELECT variant, quantile_disc(abs(value), 0.99) AS start FROM counted GROUP BY variant)
SELECT variant, count(*) AS scored, min(value) AS low, max(value) AS high,
       quantile_cont(value, [0.25, 0.5, 0.75]) AS quartiles, count(*) FILTER (value = 1) AS trues,
       count(*) FILTER (value = 0.5) AS halves, sum(place >> {_COARSE_BITS})::VARCHAR AS coarse,
       sum({_coarse_square("place")})::VARCHAR AS coarse_squares, sum(place)::VARCHAR AS place,
       round(fsum(abs(value)) FILTER (abs(value) > start) / fsum(abs(value)), 12) AS heaviest
FROM counted JOIN tail USING (variant) GROUP BY variant ORDER BY variant"""
        )
    )
    return {row["variant"]: _spread(row, measured.scale) for row in table.to_pylist()}


def _spread(row: Mapping[str, Any], scale: Scale) -> Spread:
    count = row["scored"]
    coarse, squares = int(row["coarse"]), int(row["coarse_squares"])
    variance = None
    if count > 1:
        exact = (count * squares - coarse**2) / (count * (count - 1))
        variance = exact * (scale.step * 2**_COARSE_BITS) * (scale.step * 2**_COARSE_BITS)
    return Spread(
        moments=Moments(count, int(row["place"]) / count * scale.step, variance),
        low=row["low"],
        quartiles=tuple(row["quartiles"]),
        high=row["high"],
        trues=row["trues"],
        halves=row["halves"],
        heaviest_share=row["heaviest"],
    )


def _days(ask: Asker, measured: Measured) -> tuple[Day, ...]:
    table = ask.table(
        lambda put: (
            f"""WITH {_placed(measured, put)}
SELECT variant, started // {DAY_US} AS day, count(*) AS scored, sum(place)::DOUBLE AS total
FROM counted GROUP BY variant, day ORDER BY variant, day"""
        )
    )
    step = measured.scale.step
    return tuple(Day(row["day"], row["variant"], row["scored"], row["total"] * step) for row in table.to_pylist())
