"""Which runs a report is about, and who their units are: gathered once, for all scores.

Two temporary tables stand for them. `member` has a row per variant and unit, numbered; `cohort` a row per run with the
number of its member. What is measured of the runs is joined by `observations.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from queries.experiments.statements import Statement
from warehouse.options import DIMENSIONS

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from queries.experiments.options import Options
    from queries.experiments.statements import Asker, Put

PAIRED_PERCENT = 80
"""Percent of units that must occur in every variant for the paired design (DESIGN section 11)."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which runs a report is about."""

    experiment: str
    options: Options
    where: str | None
    """The checked condition over a run."""
    until: int
    """Runs that started later do not count; microseconds since 1970."""
    changing_weights: bool = False
    """The recorded weights changed, so each unit's own are needed."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """The members: one per variant and unit, by variant and unit; arrays have an item per member."""

    variants: tuple[str, ...]
    variant: NDArray[np.int64]
    """Which of `variants`."""
    unit: NDArray[np.int64]
    """The same number for the same unit in every variant."""
    known: NDArray[np.bool_]
    """The unit was recorded; else the run stands in for it."""
    runs: NDArray[np.int64]
    counts: NDArray[np.bool_]
    """Not left out for having met several variants."""
    weights: NDArray[np.object_]
    """Weights in force when the unit came, as recorded; null where none were, or where they never changed."""
    paired: bool
    contaminated_units: int
    all_units: int
    """Distinct units, contaminated ones included."""
    functions: int
    """Distinct functions of the runs."""


_CHOSEN = "STRUCT(chosen_at TIMESTAMPTZ, run_id VARCHAR, weights VARCHAR)"


def assigned(question: Question, put: Put) -> str:
    """Return the CTEs that end in `assigned`: variant, run_id, unit, known, function_id, started, chosen_by, segments.

    What segment a run is in stands in `segment_<n>`, by the order of the option; null where the run has none.
    """
    options = question.options
    narrowed = options.environment is not None or question.where is not None
    segments = range(len(options.segments))
    chosen_by = "{'chosen_at': a.ts, 'run_id': a.run_id, 'weights': a.weights::VARCHAR}"
    return f"""eligible AS (
    SELECT id, started_at, {", ".join(DIMENSIONS)}, attributes FROM runs{_eligible(question, put)}),
named AS (
    SELECT a.variant, a.run_id, {dimension_of(options.unit, "k", put)} AS unit, r.function_id,
           epoch_us(coalesce(r.started_at, a.ts)) AS started,
           {chosen_by if question.changing_weights else f"NULL::{_CHOSEN}"} AS chosen_by{
        "".join(f", {dimension_of(options.segments[n], f'k{n}', put)} AS segment_{n}" for n in segments)
    }
    FROM assignments a {"" if narrowed else "LEFT "}JOIN eligible r ON r.id = a.run_id{
        session_of(options.unit, "k", put)
    }{"".join(session_of(options.segments[n], f"k{n}", put) for n in segments)}
    WHERE a.experiment = {put(question.experiment)} AND a.received_at <= make_timestamptz({put(options.known_at)})),
assigned AS (
    SELECT * REPLACE (coalesce(unit, run_id) AS unit), unit IS NOT NULL AS known
    FROM named WHERE {"" if options.since is None else f"started >= {put(options.since)} AND "}started <= {
        put(question.until)
    })"""


def _eligible(question: Question, put: Put) -> str:
    conditions: list[str] = []
    if question.options.environment is not None:
        conditions.append(f"environment = {put(question.options.environment)}")
    if question.where is not None:
        conditions.append(f"({question.where}\n    )")
    return " WHERE " + " AND ".join(conditions) if conditions else ""


def dimension_of(dimension: str, session: str, put: Put) -> str:
    """Return what a run has of a dimension; `session` names the join of a session's key."""
    kind, _, name = dimension.partition(":")
    if kind in DIMENSIONS:
        return f"r.{kind}"
    match kind:
        case "run":
            return "a.run_id"
        case "attribute":
            return f"(r.attributes ->> {put(name)}::VARCHAR)"
        case "session":
            return f"{session}.session_id"
        case _:
            return "a.unit"


def session_of(dimension: str, session: str, put: Put, run: str = "a.run_id") -> str:
    """Return the join that gives a run its session of a key, the first one by name; empty for other dimensions."""
    kind, _, name = dimension.partition(":")
    if kind != "session":
        return ""
    return (
        "\n    LEFT JOIN (SELECT run_id, min(session_id) AS session_id FROM session_runs "
        f"WHERE session_key = {put(name)} GROUP BY run_id) {session} ON {session}.run_id = {run}"
    )


def gather(ask: Asker, question: Question) -> Cohort:
    """Make the tables `member` and `cohort`, and return the members.

    The design is paired when at least 80 % of the units occur in every variant; else units in several are left out.
    """
    segments = "".join(f", a.segment_{n}" for n in range(len(question.options.segments)))
    ask.make(
        "member",
        lambda put: (
            f"""WITH {assigned(question, put)}
SELECT row_number() OVER (ORDER BY variant, unit)::INTEGER AS member, *, true AS counts FROM (
    SELECT variant, unit, bool_and(known) AS known, count(*) AS runs, min(function_id) AS first_function,
           max(function_id) AS last_function, min(chosen_by).weights AS weights
    FROM assigned GROUP BY variant, unit)"""
        ),
    )
    ask.make(
        "cohort",
        lambda put: (
            f"""WITH {assigned(question, put)}
SELECT a.run_id, m.member, a.started{segments}
FROM assigned a JOIN member m ON m.variant = a.variant AND m.unit = a.unit"""
        ),
    )
    return _cohort(ask, ask.run(Statement(_MEMBERS)))


_MEMBERS = "SELECT variant, unit, known, runs, first_function, last_function, weights FROM member ORDER BY member"

_LEAVE_OUT = """UPDATE member SET counts = false
WHERE unit IN (SELECT unit FROM member GROUP BY unit HAVING count(*) > 1)"""

_FUNCTIONS = """SELECT count(DISTINCT r.function_id) AS functions FROM cohort c JOIN runs r ON r.id = c.run_id"""


def _cohort(ask: Asker, table: pa.Table) -> Cohort:
    variant, variants = _codes(table["variant"])
    unit, named = _codes(table["unit"])
    units = len(named)
    met = np.bincount(unit, minlength=units)
    paired = len(variants) > 1 and int((met == len(variants)).sum()) * 100 >= units * PAIRED_PERCENT
    contaminated = int((met > 1).sum())
    if contaminated and not paired:
        ask.run(Statement(_LEAVE_OUT))
    names = {*table["first_function"].to_pylist(), *table["last_function"].to_pylist()} - {None}
    functions = len(names) if len(names) < 2 else ask(_FUNCTIONS)[0]["functions"]  # noqa: PLR2004 - two may hide more
    return Cohort(
        variants=tuple(map(str, variants.to_pylist())),
        variant=variant,
        unit=unit,
        known=np.asarray(table["known"].to_numpy(), dtype=bool),
        runs=table["runs"].to_numpy(),
        counts=np.full(len(unit), fill_value=True) if paired else met[unit] == 1,
        weights=np.asarray(table["weights"].to_pylist(), dtype=object),
        paired=paired,
        contaminated_units=0 if paired else contaminated,
        all_units=units,
        functions=functions,
    )


def _codes(column: pa.ChunkedArray[Any]) -> tuple[NDArray[np.int64], pa.Array[Any]]:
    """Return a number per distinct text, in the order of their first row, and the texts."""
    whole: Any = column.combine_chunks()
    encoded: Any = whole.dictionary_encode()
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary
