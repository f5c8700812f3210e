"""What experiments and what scores there are, for `GET /v1/experiments` and `GET /v1/scores`."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

from queries.experiments.declared import json_object, outside
from warehouse.clock import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from queries.experiments.statements import Rows

_EXPERIMENTS = """
SELECT name, control, unit, primary_score, options::VARCHAR AS options, declared_at, first_at, last_at
FROM experiments ORDER BY last_at DESC NULLS FIRST, name"""

_VARIANTS = """
SELECT experiment, variant, count(DISTINCT run_id) AS runs, count(DISTINCT unit) AS units
FROM scored_runs GROUP BY ALL ORDER BY experiment, variant"""

_EXPERIMENT_SCORES = """
SELECT experiment, score, count(*) AS n FROM scored_runs WHERE score IS NOT NULL
GROUP BY ALL ORDER BY experiment, n DESC, score"""

_SCORES = """
WITH seen AS (
    SELECT name, list_sort(list(DISTINCT kind)) AS kinds, count(*) AS n, count(DISTINCT run_id) AS runs,
           count(DISTINCT run_id) FILTER (run_id IN (SELECT run_id FROM assignments)) AS assigned_runs,
           min(ts) AS first_at, max(ts) AS last_at, min(value) AS lowest, max(value) AS highest
    FROM scores GROUP BY name)
SELECT coalesce(s.name, d.name) AS name, s.* EXCLUDE (name), d.* EXCLUDE (name),
       (SELECT count(DISTINCT run_id) FROM assignments) AS all_assigned
FROM seen s FULL JOIN score_definitions d ON d.name = s.name ORDER BY 1"""


_FLAGS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "mixed_kinds": lambda row: len(row["kinds"] or ()) > 1,
    "kind_changed": lambda row: row["kind"] is not None and bool(set(row["kinds"] or ()) - {row["kind"]}),
    "out_of_range": lambda row: outside(row["min"], row["max"], row["lowest"], row["highest"]),
}
"""What came of a score and is not as before, or not as declared."""

_DEFINED = ("kind", "higher_is_better", "min", "max", "unit", "owner", "description")


def experiments(rows: Rows) -> list[dict[str, Any]]:
    """Return every experiment, declared or seen, the newest first; units are counted as declared."""
    variants: dict[str, list[dict[str, Any]]] = {}
    for row in rows(_VARIANTS, ()).to_pylist():
        entry = {"variant": row["variant"], "runs": row["runs"], "units": row["units"]}
        variants.setdefault(row["experiment"], []).append(entry)
    scores: dict[str, list[dict[str, Any]]] = {}
    for row in rows(_EXPERIMENT_SCORES, ()).to_pylist():
        scores.setdefault(row["experiment"], []).append({"score": row["score"], "n": row["n"]})
    return [
        {
            "name": row["name"],
            "control": row["control"],
            "unit": row["unit"],
            "primary_score": row["primary_score"],
            "declared": row["declared_at"] is not None,
            "declared_at": _moment(row["declared_at"]),
            "options": json_object(row["options"]),
            "variants": variants.get(row["name"], []),
            "scores": scores.get(row["name"], []),
            "first_at": _moment(row["first_at"]),
            "last_at": _moment(row["last_at"]),
        }
        for row in rows(_EXPERIMENTS, ()).to_pylist()
    ]


def score_names(rows: Rows) -> list[dict[str, Any]]:
    """Return every score name, seen or declared; `coverage` is its share of all assigned runs."""
    return [
        {
            "name": row["name"],
            "kinds": row["kinds"] or [],
            "n": row["n"] or 0,
            "runs": row["runs"] or 0,
            "coverage": (row["assigned_runs"] or 0) / row["all_assigned"] if row["all_assigned"] else None,
            "first_at": _moment(row["first_at"]),
            "last_at": _moment(row["last_at"]),
            "lowest": _finite(row["lowest"]),
            "highest": _finite(row["highest"]),
            "flags": [flag for flag, applies in _FLAGS.items() if applies(row)],
            "declared": None
            if row["declared_at"] is None
            else {**{name: row[name] for name in _DEFINED}, "declared_at": _moment(row["declared_at"])},
        }
        for row in rows(_SCORES, ()).to_pylist()
    ]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _moment(at: dt.datetime | None) -> str | None:
    """Return a time as ISO 8601 with Z."""
    if at is None:
        return None
    return iso((at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1))
