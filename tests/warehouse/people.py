"""Two people's records in the same files, and a search for what is left of one of them in every byte.

What belongs to somebody has a word in it that nothing else has, so that the oracle is plain: after an erasure the
answers are the earlier ones without the rows that have the word.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.rows import NOW, Warehouse, assignment, run, score, step
from warehouse.erasure import Subject, advance, erase, sealed_here
from warehouse.log import decode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from warehouse.manifest import Erasure

HOUR = 3_600_000_000
TABLES = (
    "events",
    "runs",
    "steps",
    "step_attempts",
    "scores",
    "score_history",
    "assignments",
    "session_runs",
    "spans",
    "metadata",
    "deferrals",
    "experiment_scores",
    "sessions",
)

RUN, SESSION, USER = (
    Subject("run", "01M1D47Z000000000000000001-ann.1"),
    Subject("session", "t-7", "ticket"),
    Subject("user", "ann.user"),
)
WORDS = {RUN: ("ann.1",), SESSION: ("ann.1", "t-7"), USER: ("ann.",)}
"""What the rows of a subject have in them, and no others."""

Rows = dict[str, list[dict[str, Any]]]


def span(trace: str, id_: str, **columns: Any) -> dict[str, Any]:
    """Return a row of `spans` as validation makes it."""
    made = {"trace_id": trace, "span_id": id_, "name": id_, "start_time": NOW, "end_time": NOW + 5}
    return made | {"_received_at": NOW, "_given": True, "_day_id": "2026-09-21"} | columns


def event(id_: str, sessions: Mapping[str, str] | None = None, **columns: Any) -> dict[str, Any]:
    """Return a row of `events` as validation makes it."""
    made = {"id": id_, "name": "asked", "ts": NOW, "received_at": NOW, "_given": True, "_day_id": id_}
    return made | {"sessions": list(sessions.items()) if sessions else None} | columns


def joined(key: str, id_: str, run_id: str, ts: int = NOW) -> dict[str, Any]:
    """Return a row of `session_runs` as validation makes it."""
    made = {"session_key": key, "session_id": id_, "run_id": run_id, "ts": ts, "_received_at": NOW}
    return made | {"_given": True, "_day_id": run_id}


def life(name: str, id_: str, user: str, session: str) -> Rows:
    """Return everything a run can bring with it; each row has `name` in it."""
    secret = f'{{"said":"{name} wept"}}'
    trace = f"trace-{name}"
    common = {"run_id": id_, "_received_at": NOW, "_given": True, "_day_id": id_}
    return {
        "events": [event(f"event-{name}", {"ticket": session}, data=secret)],
        "runs": [
            run(id_, status="Running", queued_at=NOW, trace_id=trace, sessions=[("ticket", session)]),
            run(id_, status="Completed", user_id=user, input=secret, event_ids=[f"event-{name}", "event-of-both"]),
        ],
        "step_attempts": [step(id_, "s", attempt, status="Failed", started_at=NOW, error=secret) for attempt in (0, 1)],
        "score_history": [
            *(score(f"{id_}/solved", at / 2, ts=NOW + at, run_id=id_, comment=f"{name} {at}") for at in (1, 2)),
            score(f"own-{name}", 0.5, ts=NOW, run_id=id_),
            score(f"@trace/{trace}/x/m", 1.0, ts=NOW, run_id=None, trace_id=trace, span_id="x"),
            score(f"@trace/shared/{name}/m", 1.0, ts=NOW, run_id=None, trace_id="shared", span_id=name),
        ],
        "assignments": [assignment(id_, "a", NOW, unit=user), assignment(id_, "b", NOW - 1)],
        "session_runs": [joined("ticket", session, id_)],
        "spans": [
            span(trace, "x", run_id=id_, input=secret),
            span(trace, "y", input=secret),
            span("shared", name, run_id=id_, input=secret),
        ],
        "metadata": [{**common, "level": "run", "kind": "k", "values": secret, "updated_at": NOW}],
        "deferrals": [{**common, "id": f"{id_}/d", "scorer_id": "d", "status": "waiting", "created_at": NOW}],
    }


def world() -> list[Rows]:
    """Return the records of ann, of whom three things may be erased, and of bob, who must stay whole."""
    ann = [life("ann.1", RUN.id, USER.id, "t-7"), life("ann.2", "ann.2", USER.id, "t-8")]
    bob = [life("bob.1", "01M1D47Z000000000000000002-bob.1", "bob", "t-8"), life("bob.2", "bob.2", "bob", "t-9")]
    between = {
        "spans": [
            span("lone-ann.3", "x", user_id=USER.id),
            span("lone-ann.3", "y"),
            span("lone-bob", "x", user_id="bob"),
            span("shared", "nobodys"),
        ],
        "events": [event("event-of-both"), event("of-t-7-itself", {"ticket": "t-7"})],
        "score_history": [
            score("@session/ticket/t-7/kind", 1.0, ts=NOW, run_id=None, session_key="ticket", session_id="t-7"),
            score("@session/ticket/t-8/kind", 1.0, ts=NOW, run_id=None, session_key="ticket", session_id="t-8"),
        ],
        # Of ann only at first: the row of today is bob's, the one hidden in an earlier file is not.
        "runs": [run("moved", status="Running", user_id="ann.user")],
    }
    corrected = {"runs": [run("moved", status="Completed", user_id="bob")]}
    return [bob[0], ann[0], between, bob[1], ann[1], corrected]


def land(warehouse: Warehouse, records: Sequence[Rows], *, seal_after: Sequence[int] = (2, 3)) -> None:
    """Log records, and seal after some of them; the last stay in the log."""
    for number, rows in enumerate(records):
        for table, batch in rows.items():
            warehouse.append(table, *batch)
        if number in seal_after:
            warehouse.seal()


def answers(warehouse: Warehouse) -> dict[str, list[str]]:
    """Return every row of the tables, as text."""
    return {table: sorted(map(repr, warehouse.ask(f"SELECT * FROM {table}"))) for table in TABLES}


def without(rows: Mapping[str, list[str]], words: Sequence[str]) -> dict[str, list[str]]:
    """Return the rows that have none of the words. The oracle: it knows nothing of runs, users and sessions."""
    return {table: [row for row in own if not any(word in row for word in words)] for table, own in rows.items()}


def left_of(root: Path, words: Sequence[str]) -> list[str]:
    """Return the files below a folder in which a word can be read, in their bytes or in what they decode to."""
    found: set[str] = set()
    for path in root.rglob("*"):
        if path.is_file():
            text = path.read_bytes()
            if path.suffix == ".parquet":
                text += repr(pq.ParquetFile(path).read().to_pylist()).encode()
            if any(word.encode() in text for word in words):
                found.add(path.name)
    with contextlib.closing(sqlite3.connect(f"file:{root / 'log.db'}?mode=ro", uri=True)) as con:
        for source in ("log", "quarantine"):
            for (payload,) in con.execute(f"SELECT payload FROM {source}"):
                with contextlib.suppress(pa.ArrowException):
                    text = repr(decode(payload).to_pylist())
                    if any(word in text for word in words):
                        found.add(source)
    return sorted(found)


def erase_now(warehouse: Warehouse, subject: Subject) -> Erasure:
    """Erase with no keeper running, an hour after the rows happened."""
    warehouse.clock.us = NOW + HOUR
    return erase(warehouse.workspace, subject, warehouse.clock, settle=sealed_here(warehouse.paths, warehouse.clock))


def finish(warehouse: Warehouse) -> Erasure:
    """Take every step, sealing between them as the keeper does, and return the last erasure."""
    for _ in range(200):
        if not advance(warehouse.compactor.workspace, warehouse.compactor, warehouse.clock):
            break
        warehouse.seal()
    return warehouse.workspace.manifest.erasures()[-1]
