"""What rows a valid record comes to, written plainly from DESIGN sections 3 to 5, one record at a time.

Knows nothing of columns or of the code under test; times are given as microseconds and sent as ISO 8601.
"""

from __future__ import annotations

import json
from typing import Any

from tests.ingest.support import NOW

Rows = dict[str, list[dict[str, Any]]]

TEXT_OF_A_TIME = ("ts", "queued_at", "started_at", "ended_at", "created_at")


def sent(record: dict[str, Any]) -> dict[str, Any]:
    """Return the record as it is sent: its times as milliseconds with a fraction."""
    return {
        name: value / 1000 if name in TEXT_OF_A_TIME and value is not None else value for name, value in record.items()
    }


def expected(record: dict[str, Any]) -> Rows:
    """Return the rows of a valid record by file table, without columns that are null."""
    made = _ROWS[record["type"]](record)
    return {table: [{k: v for k, v in row.items() if v is not None} for row in rows] for table, rows in made.items()}


def _compact(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=True, separators=(",", ":"))


def _sessions(value: dict[str, Any] | None) -> dict[str, str] | None:
    return {k: str(v).removesuffix(".0") for k, v in value.items()} if value else None


def _join(value: dict[str, Any] | None, run_id: str, ts: int) -> Rows:
    pairs = _sessions(value) or {}
    own = {"run_id": run_id, "ts": ts, "_received_at": NOW, "_given": False, "_day_id": run_id}
    rows = [{"session_key": key, "session_id": id_, **own} for key, id_ in pairs.items()]
    return {"session_runs": rows} if rows else {}


def _event(r: dict[str, Any]) -> Rows:
    data = {k: v for k, v in r["data"].items() if k != "_inngest"} if r.get("data") is not None else None
    row = {"id": r["id"], "name": r["name"], "data": _compact(data), "v": r.get("v"), "ts": r.get("ts") or NOW}
    row |= {"received_at": NOW, "sessions": _sessions(r.get("sessions")), "_given": bool(r.get("ts"))}
    return {"events": [row | {"_day_id": r["id"]}]}


def _run(r: dict[str, Any]) -> Rows:
    copied = ("id", "app_id", "function_id", "status", "triggering_event_name", "parent_run_id", "trace_id", "user_id")
    copied += ("environment", "release", "queued_at", "started_at", "ended_at")
    row = {name: r.get(name) for name in copied}
    row |= {name: _compact(r.get(name)) for name in ("input", "output", "error")}
    row |= {"attributes": _compact(r.get("attributes") or None), "event_ids": r.get("event_ids") or None}
    row |= {"sessions": _sessions(r.get("sessions")), "received_at": NOW, "_given": False, "_day_id": r["id"]}
    times = (r.get("queued_at"), r.get("started_at"), r.get("ended_at"), NOW)
    when = next(time for time in times if time is not None)
    return {"runs": [row], **_join(r.get("sessions"), r["id"], when)}


def _step(r: dict[str, Any]) -> Rows:
    row = {name: r.get(name) for name in ("run_id", "id", "name", "status", "queued_at", "started_at", "ended_at")}
    row |= {name: _compact(r.get(name)) for name in ("input", "output", "error")}
    row |= {"type": r.get("step_type"), "loop_index": r.get("loop_index") or 0, "attempt": r.get("attempt") or 0}
    row |= {"attributes": _compact(r.get("attributes") or None), "_received_at": NOW}
    return {"step_attempts": [row | {"_given": False, "_day_id": r["run_id"]}]}


def _assignment(r: dict[str, Any]) -> Rows:
    row = {name: r.get(name) for name in ("run_id", "experiment", "variant", "unit", "strategy")}
    row |= {name: _compact(r.get(name) or None) for name in ("weights", "attributes")}
    row |= {"ts": NOW if r.get("ts") is None else r["ts"], "received_at": NOW, "_given": r.get("ts") is not None}
    return {"assignments": [row | {"_implied": False, "_day_id": r["run_id"]}]}


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("/", "%2F").replace("@", "%40")


def _made_id(r: dict[str, Any]) -> str:
    if r.get("session"):
        [(key, id_)] = (_sessions(r["session"]) or {}).items()
        parts = ["session", key, id_]
    elif r.get("run_id") is None:
        parts = ["trace", r["trace_id"], *([r["span_id"]] if r.get("span_id") else [])]
    else:
        parts = [r["run_id"], *(["step", r["step_id"]] if r.get("step_id") else [])]
        if r.get("trace_id"):
            parts += ["span", r["trace_id"], r["span_id"]] if r.get("span_id") else ["trace", r["trace_id"]]
    made = "/".join(_escape(part) for part in [*parts, r["name"]])
    return made if r.get("run_id") is not None else f"@{made}"


def _score(r: dict[str, Any]) -> Rows:
    value = r.get("value")
    kind = "boolean" if isinstance(value, bool) else "label" if value is None else "numeric"
    ts = NOW if r.get("ts") is None else r["ts"]
    copied = ("name", "label", "run_id", "step_id", "trace_id", "span_id", "source", "scorer_id", "comment")
    row = {name: r.get(name) for name in copied}
    experiment: dict[str, Any] = r.get("experiment") or {}
    row |= {"value": None if value is None else float(value), "kind": kind, "ts": ts, "received_at": NOW}
    row |= {"experiment": experiment.get("name"), "variant": experiment.get("variant")}
    row |= {"attributes": _compact(r.get("attributes") or None), "_given": r.get("ts") is not None}
    if r.get("session"):
        row["session_key"], row["session_id"] = next(iter((_sessions(r["session"]) or {}).items()))
    row["id"] = r.get("id") or _made_id(r)
    row["_day_id"] = r["id"] if r.get("id") else r.get("run_id") or row["id"]
    made: Rows = {"score_history": [row]}
    if experiment:
        implied = {"run_id": r["run_id"], "experiment": experiment["name"], "variant": experiment["variant"]}
        implied |= {"ts": ts, "received_at": NOW, "_implied": True, "_given": row["_given"], "_day_id": r["run_id"]}
        made["assignments"] = [implied]
    return made | (_join(r.get("sessions"), r["run_id"], ts) if r.get("run_id") else {})


def _deferral(r: dict[str, Any]) -> Rows:
    experiment: dict[str, Any] = r.get("experiment") or {}
    row = {"id": r.get("id") or f"{_escape(r['run_id'])}/{_escape(r['scorer_id'])}", "scorer_id": r["scorer_id"]}
    row |= {"run_id": r["run_id"], "experiment": experiment.get("name"), "variant": experiment.get("variant")}
    row |= {"input": _compact(r.get("input")), "created_at": NOW if r.get("created_at") is None else r["created_at"]}
    row |= {"status": "waiting", "_received_at": NOW, "_given": False}
    return {"deferrals": [row | {"_day_id": row["id"]}]}


def _metadata(r: dict[str, Any]) -> Rows:
    row = {name: r.get(name) for name in ("run_id", "step_id", "span_id", "kind")}
    row["level"] = "span" if r.get("span_id") else "step" if r.get("step_id") else "run"
    row |= {"values": _compact(r["values"]), "updated_at": NOW, "_received_at": NOW, "_given": False}
    return {"metadata": [row | {"_day_id": r["run_id"]}]}


_ROWS = {
    "event": _event,
    "run": _run,
    "step": _step,
    "assignment": _assignment,
    "score": _score,
    "deferral": _deferral,
    "metadata": _metadata,
}
