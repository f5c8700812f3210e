"""The deciding score cut otherwise: by segment, and winsorised. Asked over the table that `observe` left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from queries.experiments.observations import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from queries.experiments.cohort import Cohort
    from queries.experiments.observations import Measured
    from queries.experiments.statements import Asker

MOST_SEGMENTS = 20
"""Segments of one dimension that are compared, those of most units first."""

WINSORISED_AT = 0.99


@dataclass(frozen=True, slots=True)
class Sums:
    """Mature scored runs of one variant, a row per unit that has any: how many, and their sum of `score - low`."""

    unit: NDArray[np.int64]
    scored: NDArray[np.int64]
    total: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Segment:
    """The mature scored runs of one segment."""

    name: str | None
    """Null: the runs that have none."""
    arms: Mapping[str, Sums]


@dataclass(frozen=True, slots=True)
class Dimension:
    """A dimension with its largest segments."""

    by: str
    segments: tuple[Segment, ...]
    left_out: int
    """Segments beyond the largest."""


def dimension(ask: Asker, cohort: Cohort, measured: Measured, number: int, by: str) -> Dimension:
    """Return the segments of a dimension, by its number in the option."""
    join = f" JOIN (SELECT rowid AS run, segment_{number} AS segment FROM cohort) USING (run)"
    table = ask.table(
        lambda put: (
            f"""WITH {counted(measured, put, f"member, segment, {measured.scale.place('value', put)} AS place", join)},
largest AS (
    SELECT segment, row_number() OVER (ORDER BY count(DISTINCT member) DESC, segment NULLS LAST) AS place_of
    FROM counted GROUP BY segment)
SELECT place_of, c.segment, member, count(*) AS scored, sum(place)::DOUBLE AS total,
       (SELECT count(*) FROM largest) AS segments
FROM counted c JOIN largest l ON l.segment IS NOT DISTINCT FROM c.segment
WHERE place_of <= {MOST_SEGMENTS} GROUP BY ALL ORDER BY place_of, member"""
        )
    )
    places = table["place_of"].to_numpy()
    found: list[Segment] = []
    for place in dict.fromkeys(places.tolist()):
        own = table.filter(places == place)
        found.append(Segment(own["segment"][0].as_py(), _sums(cohort, measured, own)))
    every = table["segments"][0].as_py() if len(table) else 0
    return Dimension(by, tuple(found), every - len(found))


def winsorised(ask: Asker, cohort: Cohort, measured: Measured) -> dict[str, Sums]:
    """Return each variant's units, scores above the pooled 99 % quantile counting as that quantile."""
    table = ask.table(
        lambda put: (
            f"""WITH {counted(measured, put, "member")},
cap AS (SELECT quantile_disc(value, {WINSORISED_AT}) AS highest FROM counted)
SELECT member, count(*) AS scored, sum({measured.scale.place("least(value, highest)", put)})::DOUBLE AS total
FROM counted, cap GROUP BY member ORDER BY member"""
        )
    )
    return _sums(cohort, measured, table)


def _sums(cohort: Cohort, measured: Measured, table: pa.Table) -> dict[str, Sums]:
    """Return (member, scored, total) rows as the sums of each variant."""
    members = table["member"].to_numpy() - 1
    variant = cohort.variant[members]
    found: dict[str, Sums] = {}
    for number, name in enumerate(cohort.variants):
        own = variant == number
        if own.any():
            found[name] = Sums(
                unit=cohort.unit[members[own]],
                scored=table["scored"].to_numpy()[own],
                total=table["total"].to_numpy()[own] * measured.scale.step,
            )
    return found
