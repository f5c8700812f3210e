"""The SQL behind the public tables: always computed from rows, never from other aggregates (DESIGN section 3).

`internal.<file table>` has every live row with `_current` (false: superseded, kept as history),
`internal.current_<file table>` the current ones only.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from warehouse.fold import current_key, quoted
from warehouse.schema import FILE, FILES, TABLE, TABLES, FileTable, PublicTable

if TYPE_CHECKING:
    from collections.abc import Mapping

_DURATION = "(epoch_us({0}) - epoch_us({1})) / 1000.0"
_COMPUTED = {
    "runs": {"duration_ms": _DURATION.format("ended_at", "started_at")},
    "step_attempts": {"duration_ms": _DURATION.format("ended_at", "started_at")},
    "spans": {"duration_ms": _DURATION.format("end_time", "start_time")},
}


THEN = "make_timestamptz(getvariable('known_at'))"
"""The time of knowledge: a variable of the connection, microseconds since 1970."""


def rows_known_then(table: FileTable) -> str:
    """Return the SELECT of a file table's current rows as known at `THEN`.

    Of tables with history and one version a write (scores, assignments, declarations) the version that was current
    then; of other tables the rows first received by then, in their newest state.

    The winner of all versions of a key is also the winner of those known then, if it was known then. So only keys
    whose present row came later are looked for among what was superseded: a question about the past costs about what
    one about the present does, not a window over every version there is.
    """
    rows = f'internal."{table.name}"'
    if table.history and table.merge != "fields":
        keys = quoted(current_key(table))
        direction = "" if table.merge == "first" else " DESC"
        order = ", ".join(f'"{name}"{direction}' for name in (*table.order, "_arrival"))
        return (
            f'SELECT * FROM {rows} WHERE _current AND "{table.received}" <= {THEN} UNION ALL '
            f"(SELECT * FROM {rows} "
            f'SEMI JOIN (SELECT {keys} FROM {rows} WHERE _current AND "{table.received}" > {THEN}) USING ({keys}) '
            f'WHERE NOT _current AND "{table.received}" <= {THEN} '
            f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {order}) = 1)"
        )
    return f"SELECT * FROM {rows} WHERE _current AND {_received_by(table)}"


TRACED = "trace_runs"
"""The file table that says which runs the spans of a trace name; while it is empty no view reads it."""


@lru_cache
def views_over_files(*, past: bool = False, traced: bool = True) -> dict[str, str]:
    """Return the SELECT of every view that does not read files itself, as of now or as of `THEN`.

    `traced`: some trace names a run, so spans that name none may belong to it (an empty join costs a scan 5 times).

    They stand over `internal.<file table>` and, as of now, `internal.current_<file table>` (`warehouse/reading.py`).
    """
    views = {f"internal.current_{table.name}": rows_known_then(table) for table in FILES} if past else dict[str, str]()
    for table in TABLES:
        if table.source:
            views[table.name] = f"SELECT {_columns(table, table.source)} FROM internal.current_{table.source}"
    attempts = FILE["step_attempts"]
    views["step_attempts"] = (
        f"SELECT {_columns(TABLE['step_attempts'], 'step_attempts')} FROM internal.step_attempts "
        f"WHERE {_received_by(attempts) if past else 'true'}"
    )
    views["score_history"] = _score_history(past=past)
    spans, run, trace = TABLE["spans"], "coalesce(run_id, trace_id)", ""
    if traced:
        views["internal.trace_run"] = _TRACE_RUN
        views["runs"] += _RUNS_THAT_STAND
        run, trace = _SPANS_RUN, " LEFT JOIN internal.trace_run t USING (trace_id)"
    views["spans"] = f"SELECT {_columns(spans, 'spans', {'run_id': run})} FROM internal.current_spans s{trace}"
    views["experiments"] = _EXPERIMENTS
    views["session_runs"] = _SESSION_RUNS
    views["internal.assigned"] = _ASSIGNED
    views["internal.run_scores"] = _RUN_SCORES
    views["experiment_scores"] = _EXPERIMENT_SCORES
    views["scored_runs"] = _SCORED_RUNS
    views["model_calls"] = f"SELECT {quoted(c.name for c in TABLE['model_calls'].columns)} FROM ({_MODEL_CALLS})"
    views["model_usage"] = _MODEL_USAGE
    views["tool_usage"] = _TOOL_USAGE
    views["run_usage"] = _RUN_USAGE
    views["sessions"] = _SESSIONS
    views["session_scores"] = _SESSION_SCORES
    return _of_runs(views) if traced else views


def _of_runs(views: dict[str, str]) -> dict[str, str]:
    """Return the views over rows whose run is the one that its trace turned out to name.

    What is said of a trace before it names its run has the trace's id as run id; a score of a span may have none.
    """
    made = {name: _BY_RUN.sub(r"internal.run_\1", sql) for name, sql in views.items()}
    run, join = "coalesce(t.run_id, x.run_id)", "LEFT JOIN internal.trace_run t ON t.trace_id = {2}"
    resolved = f"SELECT x.* REPLACE ({run} AS run_id) FROM internal.{{0}} x {join}{{1}}"
    said = {name: "coalesce(x.run_id, x.trace_id)" if "score" in name else "x.run_id" for name in _SAID_OF_RUNS}
    first = f" QUALIFY row_number() OVER (PARTITION BY {run}, x.experiment ORDER BY {_EARLIER}) = 1"
    return {
        **made,
        **{
            f"internal.run_{name}": resolved.format(name, first if name == "current_assignments" else "", said[name])
            for name in _SAID_OF_RUNS
        },
    }


_SAID_OF_RUNS = ("current_assignments", "current_session_runs", "current_score_history", "score_history")
_BY_RUN = re.compile(rf"internal\.({'|'.join(_SAID_OF_RUNS)})\b")
_EARLIER = ", ".join(f"x.{name}" for name in (*FILE["assignments"].order, "_arrival"))

RESOLVED = frozenset({"session_runs", "assignments", "score_history"})
"""File tables whose runs are not what a file holds once some trace names one: bounds say nothing of a `run_id` then."""

_SPANS_RUN = "coalesce(s.run_id, CASE WHEN t.trace_id IS NULL THEN s.trace_id ELSE t.run_id END)"
"""A span's own run; else the one its trace names, wherever; else the trace is the run."""

_TRACE_RUN = """
SELECT trace_id, CASE WHEN count(DISTINCT run_id) = 1 THEN min(run_id) END AS run_id
FROM internal.current_trace_runs GROUP BY trace_id"""
"""Spans without a run of their own in a trace that names several have none."""

_RUNS_THAT_STAND = """
WHERE NOT (id = coalesce(trace_id, '') AND id IN (
    SELECT trace_id FROM internal.current_trace_runs GROUP BY trace_id
    HAVING NOT bool_or(run_id = trace_id)))"""
"""A trace is a run of its own only as long as its spans name no other."""


def _columns(table: PublicTable, source: str, more: Mapping[str, str] | None = None) -> str:
    computed = {**_COMPUTED.get(source, {}), **(more or {})}
    return ", ".join(
        f'{computed[column.name]} AS "{column.name}"' if column.name in computed else f'"{column.name}"'
        for column in table.columns
    )


def _received_by(table: FileTable) -> str:
    """Return the condition of rows of which something was known at `THEN`; as plain as can be, for it is estimated."""
    first = f'coalesce(_first_received_at, "{table.received}")' if table.merge == "fields" else f'"{table.received}"'
    return f"{first} <= {THEN}"


def _score_history(*, past: bool) -> str:
    scores = FILE["score_history"]
    columns = quoted(column.name for column in scores.columns)
    # A version is superseded when the first newer one became known; at once, when that one was known before it.
    return (
        f"SELECT {columns}, version, "
        f"CASE WHEN newer IS NOT NULL THEN greatest(received_at, newer) END AS superseded_at "
        f"FROM (SELECT {columns}, _arrival AS version, min(received_at) OVER (PARTITION BY id ORDER BY ts, _arrival "
        f"ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS newer "
        f"FROM internal.score_history WHERE {_received_by(scores) if past else 'true'})"
    )


_EXPERIMENTS = """
SELECT coalesce(d.name, s.experiment) AS name, d.control, coalesce(d.unit, 'assignment') AS unit, d.primary_score,
       d.options, d.declared_at, s.first_at, s.last_at
FROM internal.current_experiment_declarations d
FULL JOIN (SELECT experiment, min(ts) AS first_at, max(ts) AS last_at FROM internal.current_assignments GROUP BY 1) s
  ON d.name = s.experiment
"""

_SESSION_RUNS = """
SELECT session_key, session_id, run_id, min(ts) AS ts FROM (
    SELECT session_key, session_id, run_id, ts FROM internal.current_session_runs
    UNION ALL
    SELECT e.pair.key, e.pair.value, r.id, coalesce(r.queued_at, r.started_at, e.ts)
    FROM (SELECT id, queued_at, started_at, unnest(event_ids) AS event_id FROM internal.current_runs
          WHERE event_ids IS NOT NULL) r
    JOIN (SELECT id, ts, unnest(map_entries(sessions)) AS pair FROM internal.current_events
          WHERE sessions IS NOT NULL) e ON e.id = r.event_id)
GROUP BY ALL
"""

_ASSIGNED = """
SELECT a.experiment, a.variant, a.run_id, coalesce(r.started_at, a.ts) AS started_at,
       coalesce(CASE
           WHEN x.unit IS NULL OR x.unit = 'assignment' THEN a.unit
           WHEN x.unit = 'run' THEN a.run_id
           WHEN x.unit = 'user_id' THEN r.user_id
           WHEN starts_with(x.unit, 'attribute:') THEN r.attributes ->> substr(x.unit, 11)
           ELSE k.session_id END, a.run_id) AS unit
FROM internal.current_assignments a
LEFT JOIN internal.current_runs r ON r.id = a.run_id
LEFT JOIN internal.current_experiment_declarations x ON x.name = a.experiment
LEFT JOIN (SELECT d.name, s.run_id, min(s.session_id) AS session_id
           FROM internal.current_experiment_declarations d
           JOIN main.session_runs s ON d.unit = 'session:' || s.session_key GROUP BY ALL) k
  ON k.name = a.experiment AND k.run_id = a.run_id
"""

_RUN_SCORES = """
SELECT run_id, name AS score, avg(value) AS value, max(kind) AS kind, max(ts) AS scored_at, count(*) AS n_scores
FROM internal.current_score_history
WHERE run_id IS NOT NULL AND step_id IS NULL AND span_id IS NULL AND value IS NOT NULL
GROUP BY ALL
"""

_EXPERIMENT_SCORES = """
SELECT a.experiment, a.variant, a.unit, a.run_id, a.started_at, n.score, s.value, s.kind, s.scored_at,
       coalesce(s.n_scores, 0) AS n_scores
FROM internal.assigned a
JOIN (SELECT DISTINCT b.experiment, t.score FROM internal.current_assignments b
      JOIN internal.run_scores t ON t.run_id = b.run_id) n ON n.experiment = a.experiment
LEFT JOIN internal.run_scores s ON s.run_id = a.run_id AND s.score = n.score
"""

_SCORED_RUNS = """
SELECT a.experiment, a.variant, a.unit, a.run_id, a.started_at, s.score, s.value, s.kind, s.scored_at,
       coalesce(s.n_scores, 0) AS n_scores
FROM internal.assigned a LEFT JOIN internal.run_scores s ON s.run_id = a.run_id
"""

_MOST_LEVELS = 1000
"""Spans between a call and what wraps it, above which both count: each level is a join (a millisecond)."""

_MODEL_CALLS = f"""
WITH RECURSIVE counted AS (
    SELECT *, coalesce(response_model, request_model) AS model FROM main.spans WHERE type IN ('llm', 'embedding')),
used AS (
    SELECT trace_id, span_id, parent_span_id FROM counted
    WHERE input_tokens IS NOT NULL OR output_tokens IS NOT NULL OR cost_usd IS NOT NULL),
above(trace_id, span_id, levels) AS (
    SELECT trace_id, parent_span_id, 1 FROM used WHERE parent_span_id IS NOT NULL
    AND trace_id IN (SELECT trace_id FROM used GROUP BY trace_id HAVING count(*) > 1)
    UNION
    SELECT s.trace_id, s.parent_span_id, a.levels + 1
    FROM above a JOIN internal.current_spans s USING (trace_id, span_id)
    WHERE s.parent_span_id IS NOT NULL AND a.levels < {_MOST_LEVELS})
SELECT * FROM counted ANTI JOIN above USING (trace_id, span_id)
"""
"""Model spans with no model span below them that has usage: who repeats the usage of calls within is not counted."""

_MODEL_USAGE = """
SELECT start_time::DATE AS day, provider, model, count(*) AS calls, count(*) FILTER (status_code = 'ERROR') AS errors,
       sum(input_tokens)::BIGINT AS input_tokens, sum(output_tokens)::BIGINT AS output_tokens,
       sum(cost_usd) AS cost_usd, count(cost_usd) AS priced_calls, median(ttft_ms) AS ttft_ms_p50,
       median((epoch_us(end_time) - epoch_us(start_time)) / 1000.0) AS duration_ms_p50
FROM main.model_calls GROUP BY ALL
"""

_TOOL_USAGE = """
SELECT start_time::DATE AS day, coalesce(tool_name, name) AS tool_name, count(*) AS calls,
       count(*) FILTER (status_code = 'ERROR') AS errors,
       count(*) FILTER (status_code = 'ERROR') / count(*) AS error_rate,
       median((epoch_us(end_time) - epoch_us(start_time)) / 1000.0) AS duration_ms_p50
FROM internal.current_spans WHERE type = 'tool' GROUP BY ALL
"""

_RUN_USAGE = """
SELECT run_id, count(*) AS calls, sum(input_tokens)::BIGINT AS input_tokens,
       sum(output_tokens)::BIGINT AS output_tokens, sum(cost_usd) AS cost_usd, count(cost_usd) AS priced_calls
FROM main.model_calls WHERE run_id IS NOT NULL GROUP BY run_id
"""

_SESSIONS = """
WITH run AS (
    SELECT s.session_key, s.session_id, count(*) AS run_count,
           count(*) FILTER (r.status = 'Failed') AS failed_run_count,
           min(coalesce(r.queued_at, r.started_at, s.ts)) AS first_at,
           max(coalesce(r.ended_at, r.started_at, s.ts)) AS last_at,
           sum(c.input_tokens)::BIGINT AS input_tokens, sum(c.output_tokens)::BIGINT AS output_tokens,
           sum(c.cost_usd) AS cost_usd
    FROM main.session_runs s
    LEFT JOIN internal.current_runs r ON r.id = s.run_id
    LEFT JOIN main.run_usage c ON c.run_id = s.run_id
    GROUP BY 1, 2),
event AS (
    SELECT pair.key AS session_key, pair.value AS session_id, count(*) AS event_count, min(ts) AS first_at,
           max(ts) AS last_at
    FROM (SELECT ts, unnest(map_entries(sessions)) AS pair FROM internal.current_events WHERE sessions IS NOT NULL)
    GROUP BY 1, 2),
scored AS (
    SELECT session_key, session_id, min(ts) AS first_at, max(ts) AS last_at FROM internal.current_score_history
    WHERE session_key IS NOT NULL GROUP BY 1, 2)
SELECT session_key, session_id, coalesce(run_count, 0) AS run_count, coalesce(failed_run_count, 0) AS failed_run_count,
       coalesce(event_count, 0) AS event_count,
       least(run.first_at, event.first_at, scored.first_at) AS first_at,
       greatest(run.last_at, event.last_at, scored.last_at) AS last_at,
       input_tokens, output_tokens, cost_usd
FROM run FULL JOIN event USING (session_key, session_id) FULL JOIN scored USING (session_key, session_id)
"""

_SESSION_SCORES = """
WITH score AS (
    SELECT s.session_key, s.session_id, v.name AS score, v.value, s.run_id
    FROM main.session_runs s JOIN internal.current_score_history v
      ON v.run_id = s.run_id AND v.step_id IS NULL AND v.span_id IS NULL AND v.value IS NOT NULL
    UNION ALL
    SELECT session_key, session_id, name, value, NULL FROM internal.current_score_history
    WHERE session_key IS NOT NULL AND value IS NOT NULL)
SELECT session_key, session_id, score, count(*) AS n, avg(value) AS mean, count(DISTINCT score.run_id) AS scored_runs,
       coalesce(any_value(r.run_count), 0) AS run_count
FROM score LEFT JOIN (SELECT session_key, session_id, count(*) AS run_count FROM main.session_runs GROUP BY 1, 2) r
  USING (session_key, session_id)
GROUP BY 1, 2, 3
"""


_NAMED = re.compile(r"(?:FROM|JOIN) ((?:internal|main)\.\"?\w+\"?)")


def reads(sql: str) -> list[str]:
    """Return the views and file tables that a view's SELECT names, as `internal.x` or a public name."""
    return [name.replace('"', "").removeprefix("main.") for name in _NAMED.findall(sql)]


@lru_cache(maxsize=1024)
def sources(tables: frozenset[str]) -> frozenset[str]:
    """Return the file tables that reading these public tables reads."""
    views = views_over_files()
    found: set[str] = set()
    todo = set(tables)
    while todo:
        name = todo.pop()
        if name in views:
            todo.update(reads(views[name]))
        else:
            found.add(name.removeprefix("internal.").removeprefix("current_"))
    return frozenset(found)
