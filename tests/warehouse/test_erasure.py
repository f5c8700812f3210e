"""Erasure: everything of the subject goes, from answers at once and from every byte in the end; nothing else does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from tests.support.rows import NOW, Warehouse, run, score
from tests.warehouse.people import (
    HOUR,
    RUN,
    SESSION,
    USER,
    WORDS,
    answers,
    erase_now,
    event,
    finish,
    joined,
    land,
    left_of,
    span,
    without,
    world,
)
from warehouse.compaction import Compactor
from warehouse.erasure import Subject, advance, audit_line, erase, sealed_here
from warehouse.errors import NotFoundError, TransientError
from warehouse.ids import key_hash
from warehouse.log import encode
from warehouse.sealing import Limits, Sealer
from warehouse.tombstones import pair_subject, subject_hash
from warehouse.upkeep import recover, unlink
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SUBJECTS = (RUN, SESSION, USER)
BASE = (
    "events",
    "runs",
    "step_attempts",
    "score_history",
    "assignments",
    "session_runs",
    "spans",
    "metadata",
    "deferrals",
)


def base(rows: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the tables whose rows are records, without those that count others."""
    return {table: own for table, own in rows.items() if table != "sessions"}


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.kind)
def test_what_is_of_the_subject_goes_and_nothing_else(warehouse: Warehouse, subject: Subject) -> None:
    """At once every answer is the earlier one without the subject's rows; when done, no byte of them is left."""
    words = WORDS[subject]
    land(warehouse, world())
    before = answers(warehouse)
    assert "log.db-wal" in left_of(warehouse.paths.root, words)
    erasure = erase_now(warehouse, subject)
    expected = base(without(before, words))
    assert expected == base(answers(warehouse))
    assert sum(erasure.rows.values()) >= sum(len(before[t]) - len(expected[t]) for t in BASE)
    assert left_of(warehouse.paths.root, words)
    erasure = finish(warehouse)
    assert "done" == erasure.stage
    assert [] == left_of(warehouse.paths.root, words)
    assert expected == base(answers(warehouse))
    while warehouse.compactor.compact(whole=True):
        pass
    assert expected == base(answers(warehouse))


def test_a_run_takes_the_trace_that_names_it_along(warehouse: Warehouse) -> None:
    """Spans without a run of their own, the run the trace was until then, and what says whose it is; others stay."""
    trace, other = "616e6e2e31".zfill(32), "f" * 32
    warehouse.append("spans", span(trace, "1"), span(trace, "2", run_id=RUN.id), span(other, "3"))
    warehouse.append("runs", *(run(id_, trace_id=id_, status="Completed") for id_ in (trace, other)), run(RUN.id))
    names = {"trace_id": trace, "run_id": RUN.id, "ts": NOW, "_received_at": NOW, "_given": True, "_day_id": trace}
    warehouse.append("trace_runs", names)
    assert [(2,)] == warehouse.ask(f"SELECT count(*) FROM spans WHERE run_id = '{RUN.id}'")
    erase_now(warehouse, RUN)
    finish(warehouse)
    assert [(other,)] == warehouse.ask("SELECT id FROM runs")
    assert [("3", other)] == warehouse.ask("SELECT span_id, run_id FROM spans")
    assert not left_of(warehouse.paths.root, (trace,))
    warehouse.append("spans", span(trace, "1"))
    warehouse.append("runs", run(trace, trace_id=trace, status="Completed"))
    assert [(1, 1)] == warehouse.ask("SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM spans)")


def test_sessions_forget_the_erased_run(warehouse: Warehouse) -> None:
    """A session that loses a run counts one less, and one that loses all but its own score has none."""
    land(warehouse, world())
    counts = "SELECT session_id, run_count FROM sessions ORDER BY 1"
    assert [("t-7", 1), ("t-8", 2), ("t-9", 1)] == warehouse.ask(counts)
    erase_now(warehouse, USER)
    assert [("t-7", 0), ("t-8", 1), ("t-9", 1)] == warehouse.ask(counts)
    erase_now(warehouse, SESSION)
    assert [("t-8", 1), ("t-9", 1)] == warehouse.ask(counts)


@pytest.mark.parametrize(
    ("subject", "done"),
    [
        pytest.param(subject, done, id=f"{subject.kind} {when}", marks=() if when == "done" else pytest.mark.long)
        for subject in SUBJECTS
        for when, done in (("hidden", False), ("done", True))
    ],
)
def test_late_retries_stay_out(warehouse: Warehouse, subject: Subject, *, done: bool) -> None:
    """Everything sent again changes nothing: not in the log's tail, not when sealed, before and after the rewriting."""
    land(warehouse, world())
    expected = base(without(answers(warehouse), WORDS[subject]))
    erase_now(warehouse, subject)
    if done:
        finish(warehouse)
    land(warehouse, world(), seal_after=())
    assert expected == base(answers(warehouse))
    warehouse.seal()
    assert expected == base(answers(warehouse))
    if not done:
        assert "done" == finish(warehouse).stage
        assert [] == left_of(warehouse.paths.root, WORDS[subject])


def test_the_blocked_are_not_given_a_day_again(warehouse: Warehouse) -> None:
    """Of an erased id without a time of its own not even the hash stays in the day index, nor comes back."""
    land(warehouse, world())
    warehouse.seal()
    gone, kept = ("ann.2", "event-ann.2", "own-ann.2"), ("bob.2", "event-bob.2", "own-bob.2", "event-of-both")
    assert {*gone, *kept} == set(warehouse.workspace.manifest.days([*gone, *kept]))
    erase_now(warehouse, USER)
    land(warehouse, world())
    warehouse.seal()
    assert set(kept) == set(warehouse.workspace.manifest.days([*gone, *kept]))


def test_a_returning_user_is_not_refused(warehouse: Warehouse) -> None:
    """What a user or session does after the erasure counts; what happened before does not, whenever it arrives."""
    land(warehouse, world())
    erase_now(warehouse, USER)
    erase_now(warehouse, SESSION)
    later = NOW + 2 * HOUR
    for number, (at, seals) in enumerate([(NOW, False), (later, False), (NOW + 1, True), (later, True)]):
        id_ = f"back-{number}"
        warehouse.append("runs", run(id_, user_id=USER.id, queued_at=at, received_at=later))
        warehouse.append("spans", span(id_, "x", user_id=USER.id, start_time=at, end_time=at))
        warehouse.append("events", event(id_, {"ticket": "t-7"}, ts=at))
        warehouse.append("session_runs", joined("ticket", "t-7", id_, at))
        if seals:
            warehouse.seal()
    session: dict[str, Any] = {"run_id": None, "session_key": "ticket", "session_id": "t-7"}
    warehouse.append("score_history", score("@session/ticket/t-7/kind", 0.25, ts=later, **session))
    for _ in range(2):
        for sql in (
            "SELECT id FROM runs WHERE user_id = 'ann.user' ORDER BY 1",
            "SELECT trace_id FROM spans WHERE user_id = 'ann.user' ORDER BY 1",
            "SELECT id FROM events WHERE map_contains(sessions, 'ticket') AND sessions['ticket'] = 't-7' ORDER BY 1",
            "SELECT run_id FROM session_runs WHERE session_id = 't-7' ORDER BY 1",
        ):
            assert [("back-1",), ("back-3",)] == warehouse.ask(sql)
        assert [(0.25,)] == warehouse.ask("SELECT value FROM scores WHERE session_id = 't-7'")
        warehouse.seal()
    erase_now(warehouse, USER)  # an hour before they came back: these two runs are found all the same
    assert [] == warehouse.ask("SELECT id FROM runs WHERE user_id = 'ann.user'")


def test_a_second_erasure_moves_the_time_for_those_who_read_already(warehouse: Warehouse) -> None:
    """A later erasure of the same user blocks up to its own time, also in processes that know the first one."""
    land(warehouse, world())
    erase_now(warehouse, USER)
    warehouse.append("runs", run("second", user_id=USER.id, queued_at=NOW + 2 * HOUR))
    assert [(1,)] == warehouse.ask("SELECT count(*) FROM runs WHERE user_id = 'ann.user'")
    warehouse.clock.us = NOW + 3 * HOUR
    erase(warehouse.workspace, USER, warehouse.clock, settle=sealed_here(warehouse.paths, warehouse.clock))
    for sealed in (False, True):
        warehouse.append("runs", run(f"late-{sealed}", user_id=USER.id, queued_at=NOW + 2 * HOUR))
        if sealed:
            warehouse.seal()
        assert [(0,)] == warehouse.ask("SELECT count(*) FROM runs WHERE user_id = 'ann.user'")


def test_nothing_found_changes_nothing(warehouse: Warehouse) -> None:
    """An unknown subject is an error; it leaves no tombstone and no audit line. Ids are compared as text."""
    land(warehouse, world())
    for subject in (
        Subject("run", "ann.2%"),
        Subject("run", "ANN.2"),
        Subject("user", "ann"),
        Subject("user", ".*"),
        Subject("user", "' OR true --"),
        Subject("session", "t-7", "order"),
        Subject("session", "ticket", "t-7"),
    ):
        with pytest.raises(NotFoundError, match=f"nothing of that {subject.kind}"):
            erase_now(warehouse, subject)
    snapshot, _ = warehouse.workspace.manifest.read(None)
    assert ((), []) == (snapshot.tombstones, warehouse.workspace.manifest.erasures())


def test_odd_ids_are_erased_like_others(warehouse: Warehouse) -> None:
    """Quotes, zero bytes and letters outside ASCII in an id neither break the search nor the hash."""
    for odd in ("o'ne", 'tw"o', "thr\0ee", "fö/ür\U0001f600", "x" * 3_000):
        warehouse.append("runs", run(odd), run("stays"))
        warehouse.append("session_runs", joined(odd, odd, odd))
        erase_now(warehouse, Subject("session", odd, odd))
        warehouse.append("runs", run(odd))
        assert [("stays",)] == warehouse.ask("SELECT id FROM runs")


def test_a_pinned_reader_delays_the_end(warehouse: Warehouse) -> None:
    """While a reader holds an older version its files stay, and the erasure says what it waits for."""
    land(warehouse, world())
    warehouse.seal()
    pin = warehouse.workspace.manifest.pin()
    pin.hold(warehouse.workspace.manifest.read(None)[0].version)
    held = sorted(warehouse.paths.root.rglob("*.parquet"))
    erase_now(warehouse, USER)
    erasure = finish(warehouse)
    assert ("unlinking", None) == (erasure.stage, erasure.done_at)
    assert "a query that still reads" in erasure.waits_for
    assert all(path.exists() for path in held)
    pin.rest()
    warehouse.clock.us += HOUR
    erasure = finish(warehouse)
    assert ("done", warehouse.clock.us, "") == (erasure.stage, erasure.done_at, erasure.waits_for)
    assert [] == left_of(warehouse.paths.root, WORDS[USER])
    pin.close()


def test_files_dropped_before_are_waited_for_too(warehouse: Warehouse) -> None:
    """A file that compaction dropped before the erasure, and that a reader holds, still has the rows in it."""
    land(warehouse, world(), seal_after=range(6))
    pin = warehouse.workspace.manifest.pin()
    pin.hold(warehouse.workspace.manifest.read(None)[0].version)
    while warehouse.compactor.compact(whole=True):
        pass
    erase_now(warehouse, RUN)
    assert "unlinking" == finish(warehouse).stage
    pin.close()
    assert "done" == finish(warehouse).stage
    assert [] == left_of(warehouse.paths.root, WORDS[RUN])


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


class Dying:
    """A manifest or files that dies before or after one of the calls that change something, counted from 0."""

    CHANGES = frozenset(
        (
            "announce",
            "commit",
            "note_erasure",
            "forget",
            "trim",
            "scour",
            "replace_quarantined",
            "want_sealed",
            "publish",
            "remove",
        )
    )

    def __init__(self, real: Any, count: list[int], at: int, *, before: bool) -> None:
        self._real = real
        self._count = count
        self._at = at
        self._before = before

    def __getattr__(self, name: str) -> Any:
        """Return the real thing's attribute, which may kill when it is called."""
        real = getattr(self._real, name)
        if name not in self.CHANGES:
            return real

        def call(*arguments: Any, **named: Any) -> Any:
            number = self._count[0]
            self._count[0] += 1
            if number == self._at and self._before:
                raise Killed
            result = real(*arguments, **named)
            if number == self._at:
                raise Killed
            return result

        return call


def killed_at(paths: Any, clock: Callable[[], int], at: int, *, before: bool) -> bool:
    """Take every step with a process that dies at its `at`-th change; tell whether it did."""
    count = [0]
    real = open_workspace(paths)
    recover(real)
    workspace = replace(
        real,
        manifest=Dying(real.manifest, count, at, before=before),
        files=Dying(real.files, count, at, before=before),
    )
    compactor = Compactor(workspace)
    try:
        while advance(workspace, compactor, clock):
            pass
    except Killed:
        return True
    finally:
        compactor.close()
    return False


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_at_any_change_it_goes_on(tmp_path: Path, *, before: bool, every: int) -> None:
    """Killed before or after each change on disk of each step, a restart ends with the same answers and clean bytes."""
    at = 0
    while True:
        with Warehouse(tmp_path / str(at)) as warehouse:
            land(warehouse, [{name: rows[name] for name in ("runs", "step_attempts")} for rows in world()[:2]])
            expected = base(without(answers(warehouse), WORDS[RUN]))
            erase_now(warehouse, RUN)
            warehouse.snapshots.release()
            if not killed_at(warehouse.paths, warehouse.clock, at, before=before):
                break
            recover(warehouse.workspace)
            assert expected == base(answers(warehouse))
            warehouse.snapshots.release()
            assert "done" == finish(warehouse).stage
            assert expected == base(answers(warehouse))
            assert [] == left_of(warehouse.paths.root, WORDS[RUN])
        at += every
    assert at > 10


def test_killed_before_it_is_hidden_nothing_has_happened(warehouse: Warehouse) -> None:
    """The one commit is all or nothing: before it no tombstone and no audit line, and asking again works."""
    land(warehouse, world())
    before = answers(warehouse)
    manifest = Dying(warehouse.workspace.manifest, [0], 0, before=True)
    with pytest.raises(Killed):
        erase(
            replace(warehouse.workspace, manifest=manifest),
            USER,
            warehouse.clock,
            settle=sealed_here(warehouse.paths, warehouse.clock),
        )
    assert before == answers(warehouse)
    assert [] == warehouse.workspace.manifest.erasures()
    erase_now(warehouse, USER)
    assert base(without(before, WORDS[USER])) == base(answers(warehouse))


class Meanwhile:
    """A manifest beside which something happens once, at the first call of one of its methods."""

    def __init__(self, real: Any, method: str, happens: Callable[[], object], *, after: bool = False) -> None:
        self._real = real
        self._method = method
        self._happens: Callable[[], object] | None = happens
        self._after = after

    def __getattr__(self, name: str) -> Any:
        """Return the real manifest's attribute."""
        real = getattr(self._real, name)
        if name != self._method or self._happens is None:
            return real

        def call(*arguments: Any, **named: Any) -> Any:
            happens, self._happens = self._happens, None
            if happens is None:
                return real(*arguments, **named)
            if not self._after:
                happens()
                return real(*arguments, **named)
            result = real(*arguments, **named)
            happens()
            return result

        return call


def test_rows_sealed_during_the_search_are_found(warehouse: Warehouse) -> None:
    """Rows that are sealed after the files were looked at and before they are hidden are looked for again."""

    def more() -> None:
        warehouse.append("runs", run("late", user_id=USER.id, queued_at=NOW))
        warehouse.seal()

    land(warehouse, world())
    manifest = Meanwhile(warehouse.workspace.manifest, "read", more, after=True)
    warehouse.clock.us = NOW + HOUR
    erase(
        replace(warehouse.workspace, manifest=manifest),
        USER,
        warehouse.clock,
        settle=sealed_here(warehouse.paths, warehouse.clock),
    )
    assert [] == warehouse.ask("SELECT id FROM runs WHERE id = 'late' OR user_id = 'ann.user'")


def test_a_seal_that_began_before_the_erasure_is_made_anew(warehouse: Warehouse) -> None:
    """Rows folded before the erasure and committed after it would come back: the commit refuses them."""
    land(warehouse, world())
    warehouse.seal()
    expected = base(without(answers(warehouse), WORDS[USER]))
    warehouse.append("spans", span("trace-ann.2", "z", run_id="ann.2"))
    own = open_workspace(warehouse.paths)
    manifest = Meanwhile(
        own.manifest,
        "announce",
        lambda: erase(warehouse.workspace, USER, warehouse.clock, settle=lambda _: None),
    )
    warehouse.clock.us = NOW + HOUR
    sealer = Sealer(replace(own, manifest=manifest), Limits(), warehouse.clock)
    assert 1 == sealer.seal()
    sealer.close()
    assert expected == base(answers(warehouse))
    assert "done" == finish(warehouse).stage
    recover(warehouse.workspace)
    assert [] == left_of(warehouse.paths.root, WORDS[USER])


def test_a_compaction_that_runs_meanwhile_carries_the_rows_along_and_they_go_too(warehouse: Warehouse) -> None:
    """What a merge wrote from the files before the erasure is hidden in the new file, and that is rewritten as well."""
    land(warehouse, world(), seal_after=range(6))
    expected = base(without(answers(warehouse), WORDS[USER]))
    own = open_workspace(warehouse.paths)
    manifest = Meanwhile(own.manifest, "announce", lambda: erase_now(warehouse, USER))
    compactor = Compactor(replace(own, manifest=manifest))
    while compactor.compact(whole=True):
        pass
    compactor.close()
    unlink(warehouse.workspace)
    assert expected == base(answers(warehouse))
    assert left_of(warehouse.paths.root, WORDS[USER])
    assert "done" == finish(warehouse).stage
    assert [] == left_of(warehouse.paths.root, WORDS[USER])
    assert expected == base(answers(warehouse))


def test_a_damaged_file_stops_an_erasure_by_name(warehouse: Warehouse) -> None:
    """Nobody can say what is in a damaged file: erasing is refused while it is, and waits when it breaks later."""
    land(warehouse, world())
    warehouse.seal()
    manifest = warehouse.workspace.manifest
    file = next(file for file in manifest.read(None)[0].files if file.place.table == "runs")
    manifest.mark(file.id, damaged="a flipped bit")
    with pytest.raises(TransientError, match="a flipped bit"):
        erase_now(warehouse, USER)
    assert [] == manifest.erasures()
    manifest.mark(file.id, damaged="")
    erase_now(warehouse, USER)
    path = warehouse.paths.file(file.place)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"\0")
    erasure = finish(warehouse)
    assert "rewriting" == erasure.stage
    assert str(file.place) in erasure.waits_for
    path.write_bytes(whole)
    manifest.mark(file.id, damaged="")
    assert "done" == finish(warehouse).stage


def test_quarantined_entries_lose_the_rows_too(warehouse: Warehouse) -> None:
    """A log entry put aside because it cannot be applied keeps only its other rows; one nobody can read is counted."""
    land(warehouse, world())
    odd = pa.RecordBatch.from_pydict({"id": ["ann.2", "bob.2"], "user_id": ["ann.user", "bob"], "status": [[1], [2]]})
    times = {name: pa.nulls(2, pa.timestamp("us", "UTC")) for name in ("queued_at", "started_at", "ended_at")}
    for name, column in {**times, "received_at": times["ended_at"]}.items():
        odd = odd.append_column(name, column)
    manifest = warehouse.workspace.manifest
    entries = [("runs", entry.rows, entry.payload) for entry in encode({"runs": odd})]
    manifest.append([[*entries, ("runs", 1, b"junk")]], NOW)
    warehouse.seal()
    assert [2, 1] == [entry.rows for entry in manifest.quarantine()]
    assert "quarantine" in left_of(warehouse.paths.root, WORDS[USER])
    erase_now(warehouse, USER)
    assert ("done", 1) == ((erasure := finish(warehouse)).stage, erasure.unsearched)
    assert [1, 1] == [entry.rows for entry in manifest.quarantine()]
    assert [] == left_of(warehouse.paths.root, WORDS[USER])
    assert "1 damaged things put aside could not be searched" in audit_line(erasure)


def test_the_audit_line_names_nobody(warehouse: Warehouse) -> None:
    """It has the salted hash, the rows and files by table, and the times; the salt is the workspace's own."""
    land(warehouse, world())
    erasure = erase_now(warehouse, SESSION)
    salt = warehouse.workspace.manifest.settings()["salt"]
    assert subject_hash(salt, "session", pair_subject("ticket", "t-7")) == erasure.subject
    assert {"runs": 1, "steps": 2, "scores": 6, "events": 2, "session_runs": 1, "spans": 3} == {
        table: erasure.rows[table] for table in ("runs", "steps", "scores", "events", "session_runs", "spans")
    }
    line = audit_line(finish(warehouse))
    assert "2026-09-21T" in line
    assert erasure.subject in line
    assert not any(word in line for word in ("ann", "t-7", "ticket"))
    with Warehouse(warehouse.root.with_name("other")) as other:
        assert salt != other.workspace.manifest.settings()["salt"]


def test_hashes_are_those_of_the_manual() -> None:
    """SHA-256 over salt, kind, a zero byte and the id: recomputed here from the words of docs/keeping.md."""
    import hashlib  # noqa: PLC0415 - the oracle

    assert hashlib.sha256(b"5a" + b"user" + b"\x00" + "fö".encode()).hexdigest() == subject_hash("5a", "user", "fö")
    assert pair_subject("a", "1=b") != pair_subject("a=1", "b")
    assert key_hash("a") != key_hash("b")
