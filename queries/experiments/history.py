"""What was known of each unit before the experiment met it: its mean score until then, for CUPED."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from queries.experiments.cohort import dimension_of, session_of

if TYPE_CHECKING:
    from queries.experiments.cohort import Cohort
    from queries.experiments.metrics import Metric
    from queries.experiments.statements import Asker
    from queries.stats.aggregates import Floats

_OF_RUNS = frozenset({"user_id", "attribute", "session"})
"""Units that runs outside the experiment have as well."""


def history(ask: Asker, cohort: Cohort, metric: Metric, unit: str) -> dict[str, Floats] | None:
    """Return, per variant, each unit's mean score over its runs before its first exposure; NaN where it has none.

    In the order of the units that count. None where a unit is known from its assignments only.
    """
    if unit.partition(":")[0] not in _OF_RUNS:
        return None
    table = ask.table(
        lambda put: (
            f"""WITH exposed AS (
    SELECT m.unit, min(c.started) AS first_at FROM cohort c JOIN member m USING (member)
    WHERE m.known AND m.counts GROUP BY m.unit),
before AS (
    SELECT r.id AS run_id, e.unit FROM (
        SELECT r.id, epoch_us(r.started_at) AS started, {dimension_of(unit, "k", put)} AS unit
        FROM runs r{session_of(unit, "k", put, "r.id")}) r
    JOIN exposed e ON e.unit = r.unit AND r.started < e.first_at),
scored AS (
    SELECT run_id, favg(value ORDER BY happened_at, value) AS value FROM ({metric.query(put)}
    ) WHERE value IS NOT NULL GROUP BY run_id HAVING isfinite(favg(value))),
known AS (SELECT unit, favg(value ORDER BY run_id) AS mean FROM before JOIN scored USING (run_id) GROUP BY unit)
SELECT member, mean FROM member JOIN known USING (unit) WHERE counts ORDER BY member"""
        )
    )
    means = np.full(len(cohort.unit), np.nan)
    means[table["member"].to_numpy() - 1] = table["mean"].to_numpy()
    return {name: means[cohort.counts & (cohort.variant == n)] for n, name in enumerate(cohort.variants)}
