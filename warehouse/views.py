"""The SQL behind the public tables: always computed from rows, never from other aggregates (DESIGN section 3).

`internal.<file table>` has every live row with `_current` (false: superseded, kept as history),
`internal.current_<file table>` the current ones only.
"""

from __future__ import annotations

import re
from functools import lru_cache

from warehouse.fold import current_key, quoted
from warehouse.schema import FILE, FILES, TABLE, TABLES, FileTable, PublicTable

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
    """
    rows = f'internal."{table.name}"'
    if table.history and table.merge != "fields":
        direction = "" if table.merge == "first" else " DESC"
        order = ", ".join(f'"{name}"{direction}' for name in (*table.order, "_arrival"))
        return (
            f'SELECT * FROM {rows} WHERE "{table.received}" <= {THEN} '
            f"QUALIFY row_number() OVER (PARTITION BY {quoted(current_key(table))} ORDER BY {order}) = 1"
        )
    return f'SELECT * FROM {rows} WHERE _current AND coalesce(_first_received_at, "{table.received}") <= {THEN}'


@lru_cache
def views_over_files(*, past: bool = False) -> dict[str, str]:
    """Return the SELECT of every view that does not read files itself, as of now or as of `THEN`.

    They stand over `internal.<file table>` and, as of now, `internal.current_<file table>` (`warehouse/reading.py`).
    """
    views = {f"internal.current_{table.name}": rows_known_then(table) for table in FILES} if past else dict[str, str]()
    for table in TABLES:
        if table.source:
            views[table.name] = f"SELECT {_columns(table, table.source)} FROM internal.current_{table.source}"
    attempts = FILE["step_attempts"]
    views["step_attempts"] = (
        f"SELECT {_columns(TABLE['step_attempts'], 'step_attempts')} FROM internal.step_attempts "
        f"WHERE {_received_by(attempts, past=past)}"
    )
    views["score_history"] = _score_history(past=past)
    views["experiments"] = _EXPERIMENTS
    views["session_runs"] = _SESSION_RUNS
    views["internal.assigned"] = _ASSIGNED
    views["internal.run_scores"] = _RUN_SCORES
    views["experiment_scores"] = _EXPERIMENT_SCORES
    views["scored_runs"] = _SCORED_RUNS
    views["sessions"] = _SESSIONS
    views["session_scores"] = _SESSION_SCORES
    return views


def _columns(table: PublicTable, source: str) -> str:
    computed = _COMPUTED.get(source, {})
    return ", ".join(
        f'{computed[column.name]} AS "{column.name}"' if column.name in computed else f'"{column.name}"'
        for column in table.columns
    )


def _received_by(table: FileTable, *, past: bool) -> str:
    return f'coalesce(_first_received_at, "{table.received}") <= {THEN}' if past else "true"


def _score_history(*, past: bool) -> str:
    scores = FILE["score_history"]
    columns = quoted(column.name for column in scores.columns)
    # A version is superseded when the first newer one became known; at once, when that one was known before it.
    return (
        f"SELECT {columns}, version, "
        f"CASE WHEN newer IS NOT NULL THEN greatest(received_at, newer) END AS superseded_at "
        f"FROM (SELECT {columns}, _arrival AS version, min(received_at) OVER (PARTITION BY id ORDER BY ts, _arrival "
        f"ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS newer "
        f"FROM internal.score_history WHERE {_received_by(scores, past=past)})"
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
    LEFT JOIN (SELECT run_id, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
                      sum(cost_usd) AS cost_usd
               FROM internal.current_spans WHERE type = 'llm' GROUP BY 1) c ON c.run_id = s.run_id
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
