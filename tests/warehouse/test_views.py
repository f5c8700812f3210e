"""The views of DESIGN section 3 over a small workspace that can be counted by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.rows import NOW, assignment, run, score
from warehouse.views import sources

if TYPE_CHECKING:
    from tests.support.rows import Warehouse

HOUR = 3_600_000_000


def event(id_: str, **sessions: str) -> dict[str, Any]:
    """Return a row of `events` as validation makes it."""
    return {"id": id_, "name": "e", "ts": NOW, "received_at": NOW, "_given": True, "_day_id": id_} | {
        "sessions": list(sessions.items())
    }


def declaration(name: str, unit: str) -> dict[str, Any]:
    """Return a row of `experiment_declarations`."""
    return {"name": name, "unit": unit, "declared_at": NOW, "_received_at": NOW, "_given": False, "_day_id": ""}


@pytest.mark.parametrize("event_first", [True, False], ids=["event first", "run first"])
def test_a_run_inherits_the_sessions_of_its_events(warehouse: Warehouse, event_first: bool) -> None:  # noqa: FBT001
    """Its own pairs and those of its events, in whatever order they arrive, before and after sealing."""
    sent = [("events", event("e1", ticket="t1")), ("runs", run("r", event_ids=["e1", "e2"], queued_at=NOW))]
    for table, row in sent if event_first else reversed(sent):
        warehouse.append(table, row)
        warehouse.seal()
    warehouse.append("events", event("e2", chat="c1", ticket="t2"))
    own = {"session_key": "user", "session_id": "u", "run_id": "r", "ts": NOW, "_received_at": NOW, "_day_id": "r"}
    warehouse.append("session_runs", own | {"_given": False})
    for _ in range(2):
        pairs = warehouse.ask("SELECT session_key, session_id, run_id FROM session_runs ORDER BY ALL")
        assert [("chat", "c1", "r"), ("ticket", "t1", "r"), ("ticket", "t2", "r"), ("user", "u", "r")] == pairs
        counted = warehouse.ask("SELECT session_id, run_count, event_count FROM sessions ORDER BY 1")
        assert [("c1", 1, 1), ("t1", 1, 1), ("t2", 1, 1), ("u", 1, 0)] == counted
        warehouse.seal()


def test_missing_is_not_zero(warehouse: Warehouse) -> None:
    """`experiment_scores` has a row for every assigned run and every name seen; what was not scored is null."""
    warehouse.append("runs", run("r1", started_at=NOW + HOUR), run("r2"))
    warehouse.append("assignments", *(assignment(f"r{n}", "a", NOW, unit=f"u{n}") for n in (1, 2, 3)))
    warehouse.append(
        "score_history",
        score("s1", 1.0, run_id="r1", name="solved", kind="boolean"),
        score("s2", 0.5, run_id="r1", name="quality"),
        score("s3", 0.7, run_id="r1", name="quality"),
        score("s4", 0.9, run_id="r1", name="step-score", step_id="x"),
        score("s5", 0.9, run_id="r9", name="elsewhere"),
        {**score("s6", 0.0, run_id="r2", name="mood"), "value": None, "label": "glad", "kind": "label"},
    )
    rows = warehouse.ask("SELECT run_id, score, round(value, 9), n_scores FROM experiment_scores ORDER BY ALL")
    assert [
        ("r1", "quality", 0.6, 2),
        ("r1", "solved", 1.0, 1),
        ("r2", "quality", None, 0),
        ("r2", "solved", None, 0),
        ("r3", "quality", None, 0),
        ("r3", "solved", None, 0),
    ] == rows
    assert [("r1", 2), ("r2", 1), ("r3", 1)] == warehouse.ask(
        "SELECT run_id, count(*) FROM scored_runs GROUP BY 1 ORDER BY 1"
    )
    # A run that was only assigned has the time of its assignment.
    starts = warehouse.ask("SELECT DISTINCT run_id, epoch_us(started_at) FROM scored_runs ORDER BY 1")
    assert [("r1", NOW + HOUR), ("r2", NOW), ("r3", NOW)] == starts


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("assignment", "account-1"),
        ("run", "r"),
        ("user_id", "user-1"),
        ("attribute:gen_ai.team", "blue"),
        ("session:ticket", "t1"),
        ("attribute:none", "r"),
    ],
)
def test_the_unit_is_the_declared_one(warehouse: Warehouse, unit: str, expected: str) -> None:
    """The record's own unit, the run, its user, a session or an attribute; the run stands in where none is known."""
    warehouse.append("experiment_declarations", declaration("e", unit))
    warehouse.append("events", event("e1", ticket="t1"))
    warehouse.append("runs", run("r", user_id="user-1", attributes='{"gen_ai.team":"blue"}', event_ids=["e1"]))
    warehouse.append("assignments", assignment("r", "a", NOW, unit="account-1"))
    for _ in range(2):
        assert [(expected,)] == warehouse.ask("SELECT unit FROM scored_runs")
        warehouse.seal()


def test_an_experiment_is_listed_when_declared_or_seen(warehouse: Warehouse) -> None:
    """Declared ones and those only seen in assignments are both there; the unit is `assignment` by default."""
    warehouse.append("experiment_declarations", declaration("declared", "run"))
    warehouse.append("assignments", assignment("r", "a", NOW), assignment("q", "b", NOW + HOUR))
    rows = warehouse.ask("SELECT name, unit, epoch_us(first_at), epoch_us(last_at) FROM experiments ORDER BY 1")
    assert [("declared", "run", None, None), ("e", "assignment", NOW, NOW + HOUR)] == rows


def test_sessions_sum_up_the_scores_of_their_runs_and_their_own(warehouse: Warehouse) -> None:
    """`session_scores` counts run-level scores of the session's runs and scores on the session itself."""
    for run_id in ("r1", "r2"):
        pair = {"session_key": "t", "session_id": "1", "run_id": run_id, "ts": NOW, "_received_at": NOW}
        warehouse.append("session_runs", pair | {"_given": False, "_day_id": run_id})
    on_session = {**score("s3", 0.0), "run_id": None, "session_key": "t", "session_id": "1"}
    warehouse.append(
        "score_history", score("s1", 1.0, run_id="r1"), score("s2", 0.5, run_id="r1", step_id="x"), on_session
    )
    rows = warehouse.ask("SELECT score, n, mean, scored_runs, run_count FROM session_scores")
    assert [("solved", 2, 0.5, 1, 2)] == rows


def test_what_a_view_reads_is_known() -> None:
    """The file tables behind a public name, by which only those are folded and counted."""
    assert {"score_history", "trace_runs"} == sources(frozenset(("scores",)))
    assert {"events", "runs", "session_runs", "trace_runs"} == sources(frozenset(("session_runs",)))
    assert {"events"} == sources(frozenset(("events",)))
    assert {"assignments", "experiment_declarations"} <= sources(frozenset(("experiment_scores",)))
