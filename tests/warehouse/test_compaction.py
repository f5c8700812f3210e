"""Compaction: what is merged, that it changes no answer, and that what happens meanwhile is not lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.support.rows import NOW, Warehouse, assignment, run, score, step
from warehouse.compaction import Compactor, Policy, choose
from warehouse.manifest import FileName, Hidden, SealedFile, StaleError
from warehouse.upkeep import unlink
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable

ULIDS = [f"01M1D47Z00{tail:016d}" for tail in range(50)]
HOUR = 3_600_000_000
QUESTIONS = (
    "SELECT * FROM runs ORDER BY id",
    "SELECT * FROM scores ORDER BY id",
    "SELECT * FROM score_history ORDER BY version",
    "SELECT * FROM steps ORDER BY ALL",
    "SELECT * FROM step_attempts ORDER BY ALL",
    "SELECT * FROM assignments ORDER BY ALL",
)


def answers(warehouse: Warehouse) -> list[Any]:
    """Return what the workspace says now and as known at two earlier times."""
    return [warehouse.ask(sql, known_at) for sql in QUESTIONS for known_at in (None, NOW, NOW + HOUR)]


def fill(warehouse: Warehouse) -> None:
    """Land rows that merge, replace and supersede one another, in several files."""
    for n in range(5):
        at = NOW + n * HOUR
        warehouse.append("runs", *(run(id_, status="Running", queued_at=NOW, received_at=at) for id_ in ULIDS[: n + 2]))
        warehouse.append("runs", run("opaque", status="Completed" if n > 2 else "Running", received_at=at))
        warehouse.append("score_history", *(score(f"s{m}", float(n), received_at=at) for m in range(n + 1)))
        warehouse.append("step_attempts", step("r", "s", n, received_at=at, status="Completed"))
        warehouse.append("assignments", assignment("r", f"v{n}", NOW - n, received_at=at))
        warehouse.seal()


def files(warehouse: Warehouse) -> list[SealedFile]:
    """Return the live files."""
    return list(warehouse.workspace.manifest.read(None)[0].files)


def test_a_view_asked_for_the_first_time_after_a_merge(warehouse: Warehouse) -> None:
    """What an engine was given before is gone from the disk; a view that it makes now is over what there is now."""
    for n in range(3):
        warehouse.append("runs", run(f"r{n}", status="Completed", started_at=NOW))
        warehouse.append("assignments", assignment(f"r{n}", "a", NOW))
        warehouse.append("score_history", score(f"s{n}", 1.0, run_id=f"r{n}"))
        warehouse.seal()
    engines = (warehouse.snapshots.engine(), warehouse.snapshots.engine(past=True))
    for known_at, engine in zip((None, NOW), engines, strict=True):
        engine.cursor(frozenset({"runs", "assignments", "scores"}), known_at=known_at)
    warehouse.snapshots.release()
    while warehouse.compactor.compact(whole=True):
        pass
    assert unlink(warehouse.workspace) >= 3
    for known_at in (None, NOW):
        engine = warehouse.snapshots.engine(past=known_at is not None)
        for view in ("scored_runs", "experiment_scores", "experiments", "score_history"):
            assert [(1 if view == "experiments" else 3,)] == engine.cursor(
                frozenset({view}), known_at=known_at
            ).execute(f"SELECT count(*) FROM {view}").fetchall()
    warehouse.snapshots.release()


def test_merging_changes_no_answer_and_leaves_one_file_of_each_kind(warehouse: Warehouse) -> None:
    """After a whole compaction every table and day has one file of current and one of superseded rows, sorted."""
    fill(warehouse)
    before = answers(warehouse)
    many = len(files(warehouse))
    while warehouse.compactor.compact(whole=True):
        assert before == answers(warehouse)
    few = files(warehouse)
    assert len(few) < many
    kinds = [(file.place.table, file.place.day, file.current) for file in few]
    assert len(set(kinds)) == len(kinds)
    assert not warehouse.workspace.manifest.read(None)[0].hidden
    for file in few:
        if file.place.table == "runs":
            ids: list[Any] = pq.read_table(warehouse.paths.file(file.place))["id"].to_pylist()
            assert sorted(ids) == ids
    assert before == answers(warehouse)
    unlink(warehouse.workspace)
    assert sorted(warehouse.paths.file(f.place) for f in few) == sorted(warehouse.root.rglob("*.parquet"))
    assert before == answers(warehouse)


def test_rows_that_meet_after_a_merge_still_meet(warehouse: Warehouse) -> None:
    """A late record of a merged row, current or superseded, finds it."""
    fill(warehouse)
    while warehouse.compactor.compact(whole=True):
        pass
    warehouse.append("step_attempts", step("r", "s", 1, output='"late"', received_at=NOW + 9 * HOUR))
    warehouse.append("runs", run(ULIDS[0], status="Completed", ended_at=NOW))
    warehouse.append("score_history", score("s0", 4.0, ts=NOW + 4 * HOUR), score("s0", 9.0, ts=NOW - HOUR))
    for _ in range(2):
        assert [("Completed",)] == warehouse.ask(f"SELECT status FROM runs WHERE id = '{ULIDS[0]}'")
        assert [('"late"',)] == warehouse.ask("SELECT output FROM step_attempts WHERE attempt = 1")
        assert [(4,)] == warehouse.ask("SELECT attempt FROM steps")
        assert [(4.0,)] == warehouse.ask("SELECT value FROM scores WHERE id = 's0'")
        warehouse.seal()
        while warehouse.compactor.compact(whole=True):
            pass


def between(compactor: Compactor, act: Callable[[], object], times: int = 1) -> None:
    """Let `act` happen between what a compactor wrote and its commit."""
    manifest = compactor.workspace.manifest
    commit = manifest.commit
    left = [times]

    def late(change: Any) -> int:
        if left[0]:
            left[0] -= 1
            act()
        return commit(change)

    manifest.commit = late  # type: ignore[method-assign]


def test_what_is_hidden_meanwhile_stays_hidden(warehouse: Warehouse) -> None:
    """Rows that a seal replaces while a compaction runs are hidden in the compacted file."""
    fill(warehouse)
    expected: list[Any] = []

    def seal_meanwhile() -> None:
        warehouse.append("runs", run(ULIDS[0], status="Completed", ended_at=NOW + len(expected)))
        warehouse.append("score_history", score("s0", 100.0 + len(expected), received_at=NOW + 9 * HOUR))
        warehouse.seal()
        expected[:] = answers(warehouse)

    compactor = Compactor(open_workspace(warehouse.paths))
    between(compactor, seal_meanwhile, times=2)
    assert compactor.compact(whole=True)
    while compactor.compact(whole=True):
        pass
    assert expected == answers(warehouse)
    assert [("Completed",)] == warehouse.ask(f"SELECT status FROM runs WHERE id = '{ULIDS[0]}'")
    compactor.close()


def test_a_compaction_that_cannot_follow_changes_nothing(warehouse: Warehouse) -> None:
    """When rows are hidden again and again, the work is thrown away, files included."""
    fill(warehouse)
    count = [0]

    def seal_again() -> None:
        warehouse.append("score_history", score(f"s{count[0]}", 100.0, received_at=NOW + 9 * HOUR))
        count[0] += 1
        warehouse.seal()

    compactor = Compactor(open_workspace(warehouse.paths))
    snapshot, _ = warehouse.workspace.manifest.read(None)
    chosen = snapshot.of("score_history")
    between(compactor, seal_again, times=99)
    with pytest.raises(StaleError):
        compactor.rewrite(snapshot, chosen)
    named = {warehouse.paths.file(file.place) for file in files(warehouse)}
    assert named == set(warehouse.root.rglob("*.parquet"))
    assert [] == warehouse.workspace.manifest.leftovers()
    compactor.close()


def test_a_reader_keeps_the_files_it_reads(warehouse: Warehouse) -> None:
    """Dropped files stay until no reader of an older version is left; a reader that died holds nothing."""
    fill(warehouse)
    engine = warehouse.snapshots.engine()
    before = len(files(warehouse))
    while warehouse.compactor.compact(whole=True):
        pass
    assert unlink(warehouse.workspace) == 0
    assert engine.cursor().execute("SELECT count(*) FROM runs").fetchone() == (7,)
    warehouse.snapshots.release()
    assert unlink(warehouse.workspace) > 0
    assert len(files(warehouse)) < before


def file(name: str, size: int, *, current: bool = True, rows: int = 100) -> SealedFile:
    """Return a file of a size."""
    return SealedFile(FileName("runs", 1, name), rows, size, "", {}, current, "", int(name))


MB = 1 << 20
CASES: tuple[tuple[str, list[SealedFile], dict[int, Hidden], list[int]], ...] = (
    ("three small files wait", [file("1", 1), file("2", 1), file("3", 1)], {}, []),
    ("four small files are merged", [file(str(n), 1) for n in range(4)], {}, [0, 1, 2, 3]),
    ("a large one is left out", [*(file(str(n), MB) for n in range(4)), file("9", 50 * MB)], {}, [0, 1, 2, 3]),
    ("until the small ones are of its size", [*(file(str(n), 9 * MB) for n in range(3)), file("9", MB)], {}, []),
    ("of like size", [file(str(n), (n + 1) * MB) for n in range(5)], {}, [0, 1, 2, 3, 4]),
    ("full files rest", [file(str(n), 200 * MB) for n in range(9)], {}, []),
    ("many hidden rows", [file("1", 50 * MB)], {1: Hidden(np.arange(6, dtype=np.uint32))}, [1]),
    ("few hidden rows", [file("1", 50 * MB)], {1: Hidden(superseded=np.arange(5, dtype=np.uint32))}, []),
    ("kinds apart", [*(file(str(n), 1) for n in range(3)), file("9", 1, current=False)], {}, []),
)


@pytest.mark.parametrize(("files", "hidden", "chosen"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_merged(files: list[SealedFile], hidden: dict[int, Hidden], chosen: list[int]) -> None:
    """Files of like size, or with too many hidden rows."""
    assert chosen == sorted(one.id for one in choose(files, hidden, Policy()))
