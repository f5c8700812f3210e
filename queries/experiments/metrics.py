"""What a report measures of a run: a score, a property of the run itself, or what a saved query returns of it.

Each is a query of (run_id, value, happened_at, is_boolean). A run's value is the mean of its rows; without a time it
is known from the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from queries.experiments.options import named

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from queries.experiments.statements import Put

RUN, QUERY = "run:", "query:"
"""What the name of a metric begins with that is no score's."""


@dataclass(frozen=True, slots=True)
class RunMetric:
    """A property of a run: its value and time over `runs r`, and what else is joined. All are the better the lower."""

    value: str
    at: str = "coalesce(r.ended_at, r.started_at)"
    join: str = ""
    boolean: bool = False


_ENDED = ("Completed", "Failed", "Cancelled")

_STEPS = """JOIN (SELECT run_id, count(*) AS steps, sum(attempt) AS retries FROM steps GROUP BY run_id) s
    ON s.run_id = r.id"""

_CALLS = """JOIN (
        SELECT run_id, max(end_time) AS ended_at, sum(cost_usd) AS cost_usd,
               sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0))
                   FILTER (input_tokens IS NOT NULL OR output_tokens IS NOT NULL) AS tokens
        FROM spans WHERE type = 'llm' GROUP BY run_id) c ON c.run_id = r.id"""

RUN_METRICS: Mapping[str, RunMetric] = {
    "duration_ms": RunMetric("r.duration_ms", at="r.ended_at"),
    "failed": RunMetric("(r.status = 'Failed')::DOUBLE", boolean=True),
    "retries": RunMetric("coalesce(s.retries, 0)", join=f"LEFT {_STEPS}"),
    "steps": RunMetric("coalesce(s.steps, 0)", join=f"LEFT {_STEPS}"),
    "tokens": RunMetric("c.tokens", at="c.ended_at", join=_CALLS),
    "cost_usd": RunMetric("c.cost_usd", at="c.ended_at", join=_CALLS),
}
"""Of runs that ended; tokens and cost of runs whose model calls told them."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What is measured: the text of its query, which puts its parameters where they stand."""

    query: Callable[[Put], str]
    is_score: bool = False
    """Its rows also have what the score says of its experiment and variant."""


def metric(name: str | None, as_of: int, queries: Mapping[str, str]) -> Metric:
    """Return a metric by name, as of `as_of`.

    `queries` are the guarded texts of the saved queries that may be named.

    Raises:
        InputError: `bad_parameter`, no such property of a run.
    """
    if name is not None and name.startswith(RUN):
        return Metric(_of_runs(run_metric(name), as_of))
    if name is not None and name.startswith(QUERY):
        return Metric(_of_query(queries[name.removeprefix(QUERY)], as_of))
    return Metric(lambda put: _of_scores(name, as_of, put), is_score=True)


def run_metric(name: str) -> RunMetric:
    """Return a property of a run by its name; raises InputError with the nearest one."""
    found = RUN_METRICS.get(name.removeprefix(RUN))
    if found is None:
        raise named("score", name, [f"{RUN}{known}" for known in RUN_METRICS], "property of a run")
    return found


def _of_scores(name: str | None, as_of: int, put: Put) -> str:
    """Return the run-level scores of a name: of each the newest version with `ts` by `as_of`.

    A current score that happened by `as_of` is the newest such version; only scores whose current version happened
    later need their history. Their ids go through a list, which the engine estimates as one row: so it is them that it
    holds in memory to look for, not the history.
    """
    columns = "run_id, value, ts AS happened_at, kind = 'boolean' AS is_boolean, experiment, variant"
    return f"""
    SELECT {columns} FROM scores WHERE {run_level(name, put)} AND ts <= make_timestamptz({put(as_of)})
    UNION ALL
    SELECT {columns} FROM (
        SELECT * FROM score_history
        WHERE id IN (SELECT unnest(list(id)) FROM scores WHERE ts > make_timestamptz({put(as_of)}))
          AND ts <= make_timestamptz({put(as_of)})
        QUALIFY row_number() OVER (PARTITION BY id ORDER BY ts DESC, version DESC) = 1)
    WHERE {run_level(name, put)}"""


def run_level(name: str | None, put: Put) -> str:
    """Return the condition of scores of a name that belong to a whole run."""
    return f"name = {put(name)} AND run_id IS NOT NULL AND step_id IS NULL AND span_id IS NULL"


def _of_runs(own: RunMetric, as_of: int) -> Callable[[Put], str]:
    statuses = ", ".join(f"'{status}'" for status in _ENDED)
    return lambda put: (
        f"""
    SELECT r.id AS run_id, {own.value}::DOUBLE AS value, {own.at} AS happened_at,
           {str(own.boolean).lower()} AS is_boolean
    FROM runs r {own.join}
    WHERE r.status IN ({statuses}) AND coalesce({own.at} <= make_timestamptz({put(as_of)}), true)"""
    )


def _of_query(sql: str, as_of: int) -> Callable[[Put], str]:
    return lambda put: (
        f"""
    SELECT q.run_id::VARCHAR AS run_id, q.value::DOUBLE AS value, r.ended_at AS happened_at,
           typeof(q.value) = 'BOOLEAN' AS is_boolean
    FROM (
{sql}
    ) q LEFT JOIN runs r ON r.id = q.run_id::VARCHAR
    WHERE coalesce(r.ended_at <= make_timestamptz({put(as_of)}), true)"""
    )
