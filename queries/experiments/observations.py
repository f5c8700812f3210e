"""The one statement of a report: assignments, runs and scores -> figures per unit, per variant and per day.

Floating-point sums depend on the order of the rows, which threads change; a report must say the same bytes each time.
So scores are placed on an integer scale (60 bits between the lowest and the highest of them) and summed exactly; this
also keeps tiny differences between huge values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from queries.stats.aggregates import Moments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from queries.experiments.options import Options

Rows = Callable[[str, Sequence[object]], pa.Table]
"""Runs trusted SQL with positional parameters on the workspace's snapshot."""

PAIRED_PERCENT = 80
"""Percent of units that must occur in every variant for the paired design (DESIGN section 11)."""

MATURITY_QUANTILE = 0.99
DAY_US = 86_400_000_000

_COARSE_BITS = 14
"""Bits dropped before squaring, so that sums of squares stay exact in 128 bits."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL and its parameters."""

    sql: str
    parameters: tuple[object, ...]

    def run(self, rows: Rows) -> pa.Table:
        """Return its rows."""
        return rows(self.sql, self.parameters)

    @property
    def receipt(self) -> str:
        """Return the statement as the report's receipt says it."""
        values = [value if isinstance(value, str | int | float | None) else str(value) for value in self.parameters]
        return f"{self.sql}\n-- parameters: {json.dumps(values, ensure_ascii=False)}"


@dataclass(frozen=True, slots=True)
class VariantUnits:
    """One variant, a row per unit. Totals are sums of `score - low` over scored runs."""

    unit: NDArray[np.int64]
    known: NDArray[np.bool_]
    runs: NDArray[np.int64]
    mature: NDArray[np.int64]
    scored: NDArray[np.int64]
    total: NDArray[np.float64]
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
    conflicting_runs: int
    functions: int
    statement: Statement

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
class Question:
    """Which rows a report is about."""

    experiment: str
    score: str | None
    options: Options
    where: str | None
    """The checked condition over a run."""
    changing_weights: bool = False
    """The recorded weights changed, so each unit's own are needed."""


def statement(question: Question) -> Statement:
    """Return the statement that answers a question."""
    parameters: list[object] = []

    def put(value: object) -> str:
        parameters.append(value)
        return "?"

    # Parameters are positional: the pieces must be made in the order in which they stand in the text.
    ctes = [_eligible(question, put), _assigned(question, put), _judged(question, put)]
    ctes.append(_observed(question, put))
    return Statement("WITH " + ",\n".join(ctes) + _FIGURES, tuple(parameters))


Put = Callable[[object], str]
"""Adds a parameter and returns its placeholder."""


def _eligible(question: Question, put: Put) -> str:
    conditions: list[str] = []
    if question.options.environment is not None:
        conditions.append(f"environment = {put(question.options.environment)}")
    if question.where is not None:
        conditions.append(f"({question.where}\n    )")
    where = " WHERE " + " AND ".join(conditions) if conditions else ""
    return f"eligible AS (\n    SELECT id, started_at, function_id, user_id, attributes FROM runs{where})"


def _assigned(question: Question, put: Put) -> str:
    options = question.options
    narrowed = options.environment is not None or question.where is not None
    kind, _, name = options.unit.partition(":")
    session = ""
    match kind:
        case "run":
            unit = "a.run_id"
        case "user_id":
            unit = "r.user_id"
        case "attribute":
            unit = f"(r.attributes ->> {put(name)}::VARCHAR)"
        case "session":
            unit = "k.session_id"
            session = (
                "\n    LEFT JOIN (SELECT run_id, min(session_id) AS session_id FROM session_runs "
                f"WHERE session_key = {put(name)} GROUP BY run_id) k ON k.run_id = a.run_id"
            )
        case _:
            unit = "a.unit"
    joined = f"""named AS (
    SELECT a.variant, a.run_id, a.ts, a.weights, {unit} AS unit, r.function_id,
           coalesce(r.started_at, a.ts) AS started_at
    FROM assignments a {"" if narrowed else "LEFT "}JOIN eligible r ON r.id = a.run_id{session}
    WHERE a.experiment = {put(question.experiment)} AND a.received_at <= make_timestamptz({put(options.known_at)}))"""
    since = "" if options.since is None else f"started_at >= make_timestamptz({put(options.since)}) AND "
    until = f"started_at <= make_timestamptz({put(options.as_of)})"
    chosen_by = "{'chosen_at': ts, 'run_id': run_id, 'weights': weights::VARCHAR}"
    if not question.changing_weights:
        chosen_by = "NULL::STRUCT(chosen_at TIMESTAMPTZ, run_id VARCHAR, weights VARCHAR)"
    return f"""{joined},
assigned AS (
    SELECT variant, run_id, coalesce(unit, run_id) AS unit, unit IS NOT NULL AS known, function_id,
           epoch_us(started_at) AS started, {chosen_by} AS chosen_by
    FROM named WHERE {since}{until})"""


def _judged(question: Question, put: Put) -> str:
    """Return the runs with their score. The mean is compensated, so raters in any order give the same."""
    experiment = f"experiment = {put(question.experiment)}", f"experiment = {put(question.experiment)}"
    source = _scores(question, put)
    return f"""judged AS (
    SELECT run_id, favg(value) AS value, epoch_us(max(ts)) AS scored_at, bool_or(kind = 'boolean') AS is_boolean,
           bool_or(kind <> 'boolean') AS is_numeric, min(variant) FILTER ({experiment[0]}) AS first_said,
           max(variant) FILTER ({experiment[1]}) AS last_said
    FROM ({source})
    WHERE name = {put(question.score)} AND run_id IS NOT NULL AND step_id IS NULL AND span_id IS NULL
      AND value IS NOT NULL
    GROUP BY run_id HAVING isfinite(favg(value)))"""


def _scores(question: Question, put: Put) -> str:
    """Return the newest version of each score with `ts` by `as_of`, as known at `known_at`.

    Without `known_at` everything acknowledged is known, so a current score that happened by `as_of` is the newest such
    version; only scores whose current version happened later need their history.
    """
    options = question.options
    columns = "run_id, step_id, span_id, name, value, kind, experiment, variant, ts"
    newest = "QUALIFY row_number() OVER (PARTITION BY id ORDER BY ts DESC, version DESC) = 1"
    if options.origin("known_at") == "default":
        return f"""
        SELECT {columns} FROM scores WHERE ts <= make_timestamptz({put(options.as_of)})
        UNION ALL
        SELECT {columns} FROM score_history
        WHERE id IN (SELECT id FROM scores WHERE ts > make_timestamptz({put(options.as_of)}))
          AND ts <= make_timestamptz({put(options.as_of)})
        {newest}"""
    return f"""
        SELECT {columns} FROM score_history
        WHERE ts <= make_timestamptz({put(options.as_of)}) AND received_at <= make_timestamptz({put(options.known_at)})
        {newest}"""


def _observed(question: Question, put: Put) -> str:
    options = question.options
    waited = (
        f"quantile_disc(delay, {MATURITY_QUANTILE})" if options.maturity is None else f"{put(options.maturity)}::BIGINT"
    )
    source = " FROM joined WHERE value IS NOT NULL" if options.maturity is None else ""
    return f"""joined AS MATERIALIZED (
    SELECT a.*, j.value, greatest(j.scored_at - a.started, 0) AS delay, j.is_boolean, j.is_numeric,
           coalesce(j.first_said <> a.variant OR j.last_said <> a.variant, false) AS conflicting
    FROM assigned a LEFT JOIN judged j ON j.run_id = a.run_id),
maturity AS (SELECT {waited} AS wait{source}),
range AS (SELECT min(value) AS low, max(value) / 2 - min(value) / 2 AS half FROM joined),
scale AS (SELECT low, CASE WHEN half > 0 THEN least(60 - ceil(log2(half)), 1000) ELSE 0 END AS bits FROM range),
observed AS (
    SELECT o.*, coalesce(o.started + m.wait <= {put(options.as_of)}, false) AS mature,
           ((o.value / 2 - s.low / 2) * pow(2, s.bits))::BIGINT AS place
    FROM joined o, maturity m, scale s)"""


_FIGURES = f"""
,
per_unit AS (
    SELECT variant, unit, bool_and(known) AS known, count(*) AS runs, count(*) FILTER (mature) AS mature,
           count(value) FILTER (mature) AS scored, coalesce(sum(place) FILTER (mature), 0) AS total,
           count(value) AS scored_all, coalesce(sum(place), 0) AS total_all, min(chosen_by) AS chosen_by
    FROM observed GROUP BY variant, unit),
met AS (SELECT unit, count(*) AS variants FROM per_unit GROUP BY unit),
design AS (
    SELECT max(variants) > 1 AND count(*) FILTER (variants = (SELECT count(DISTINCT variant) FROM per_unit)) * 100
               >= count(*) * {PAIRED_PERCENT} AS paired, count(*) AS all_units,
           count(*) FILTER (variants > 1) AS contaminated
    FROM met),
kept AS (SELECT unit FROM met, design WHERE paired OR variants = 1),
mature_scored AS (SELECT * FROM observed WHERE mature AND value IS NOT NULL AND unit IN (FROM kept)),
tail AS (SELECT variant, quantile_disc(abs(value), 0.99) AS start FROM mature_scored GROUP BY variant)
SELECT 'all' AS part, low, bits, wait, paired, all_units, contaminated, f.*
FROM scale, maturity, design, (
    SELECT count(*) FILTER (is_boolean) AS booleans, count(*) FILTER (is_numeric) AS numerics,
           count(*) FILTER (conflicting) AS conflicting, count(DISTINCT function_id) AS functions FROM joined) f
UNION ALL BY NAME
SELECT 'unit' AS part, variant, unit, known, runs, mature, scored, (total::DOUBLE / pow(2, bits)) * 2 AS total,
       scored_all, (total_all::DOUBLE / pow(2, bits)) * 2 AS total_all, chosen_by.weights AS weights
FROM per_unit, scale WHERE unit IN (FROM kept)
UNION ALL BY NAME
SELECT 'variant' AS part, variant, count(*) AS scored, min(value) AS low, max(value) AS high,
       quantile_cont(value, [0.25, 0.5, 0.75]) AS quartiles, count(*) FILTER (value = 1) AS trues,
       count(*) FILTER (value = 0.5) AS halves, sum(place >> {_COARSE_BITS})::VARCHAR AS coarse,
       sum((place >> {_COARSE_BITS})::HUGEINT * (place >> {_COARSE_BITS})::HUGEINT)::VARCHAR AS coarse_squares,
       sum(place)::VARCHAR AS place, sum(abs(value)) FILTER (abs(value) > start) / sum(abs(value)) AS heaviest
FROM mature_scored JOIN tail USING (variant) GROUP BY variant
UNION ALL BY NAME
SELECT 'day' AS part, variant, started // {DAY_US} AS day, count(*) AS scored,
       (sum(place)::DOUBLE / pow(2, any_value(bits))) * 2 AS total
FROM mature_scored, scale GROUP BY variant, day
ORDER BY part, variant, unit, day"""


def observe(rows: Rows, question: Question) -> Observations:
    """Ask the question."""
    asked = statement(question)
    table = asked.run(rows)
    parts = {part: table.filter(pc.field("part") == part) for part in ("all", "unit", "variant", "day")}
    (whole,) = parts["all"].to_pylist()
    bits = int(whole["bits"] or 0)
    return Observations(
        units=_units(parts["unit"]),
        spreads={row["variant"]: _spread(row, bits) for row in parts["variant"].to_pylist()},
        days=tuple(Day(row["day"], row["variant"], row["scored"], row["total"]) for row in parts["day"].to_pylist()),
        low=whole["low"] or 0.0,
        paired=bool(whole["paired"]),
        contaminated_units=0 if whole["paired"] else whole["contaminated"],
        all_units=whole["all_units"],
        maturity=whole["wait"],
        boolean_scores=whole["booleans"],
        numeric_scores=whole["numerics"],
        conflicting_runs=whole["conflicting"],
        functions=whole["functions"],
        statement=asked,
    )


def _units(table: pa.Table) -> dict[str, VariantUnits]:
    named: Any = table["unit"].combine_chunks()
    codes: NDArray[Any] = named.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    variants = np.asarray(table["variant"].to_pylist(), dtype=object)
    columns: dict[str, NDArray[Any]] = {
        name: table[name].to_numpy() for name in ("runs", "mature", "scored", "total", "scored_all", "total_all")
    }
    known = np.asarray(table["known"].to_pylist(), dtype=bool)
    weights = np.asarray(table["weights"].to_pylist(), dtype=object)
    found: dict[str, VariantUnits] = {}
    for variant in dict.fromkeys(variants.tolist()):
        own = variants == variant
        found[variant] = VariantUnits(
            unit=codes[own].astype(np.int64),
            known=known[own],
            weights=weights[own],
            **{name: column[own] for name, column in columns.items()},
        )
    return found


def _spread(row: Mapping[str, Any], bits: int) -> Spread:
    count = row["scored"]
    coarse, squares = int(row["coarse"]), int(row["coarse_squares"])
    step = 2.0 ** (1 - bits)  # of the score, for one place of the integer scale
    variance = None
    if count > 1:
        exact = (count * squares - coarse**2) / (count * (count - 1))
        variance = exact * (step * 2**_COARSE_BITS) * (step * 2**_COARSE_BITS)
    return Spread(
        moments=Moments(count, int(row["place"]) / count * step, variance),
        low=row["low"],
        quartiles=tuple(row["quartiles"]),
        high=row["high"],
        trues=row["trues"],
        halves=row["halves"],
        heaviest_share=row["heaviest"],
    )
