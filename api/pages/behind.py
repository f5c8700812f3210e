"""The SQL behind what a drill-down page shows, to start from."""

from __future__ import annotations

from api.pages.queries import literal


def of_run(run_id: str) -> str:
    """Return the query for the attempts of a run's steps."""
    return (
        "select id, name, type, attempt, status, started_at, duration_ms, error\n"
        f"from step_attempts\nwhere run_id = {literal(run_id)}\norder by started_at, attempt"
    )


def of_trace(trace_id: str) -> str:
    """Return the query for the spans of a trace."""
    tokens = "input_tokens, output_tokens, cost_usd"
    columns = f"start_time, name, type, duration_ms, status_code, response_model,\n       {tokens}"
    return f"select {columns}\nfrom spans\nwhere trace_id = {literal(trace_id)}\norder by start_time"


def of_session(key: str, id_: str) -> str:
    """Return the query for the runs of a session."""
    return (
        "select runs.id, function_id, status, started_at, duration_ms\n"
        "from session_runs join runs on runs.id = session_runs.run_id\n"
        f"where session_key = {literal(key)} and session_id = {literal(id_)}\norder by started_at"
    )


def of_score(name: str) -> str:
    """Return the query for the newest scores of a name."""
    return (
        "select ts, run_id, step_id, value, label, source, comment\n"
        f"from scores\nwhere name = {literal(name)}\norder by ts desc\nlimit 1000"
    )
