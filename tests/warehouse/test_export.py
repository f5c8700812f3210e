"""Export and restore: plain Parquet that others read, and a workspace that answers as the first one did."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from tests.support.folders import contents
from tests.support.rows import NOW, Clock, Warehouse, assignment, run, score, step
from warehouse import export as exporting
from warehouse.directory import WriterLock, open_directory
from warehouse.doctor import examine
from warehouse.errors import InputError, NotFoundError, TransientError, UpshotError
from warehouse.export import export
from warehouse.log import ROWS_BITS
from warehouse.manifest import Change, Tombstone
from warehouse.paths import DataPaths
from warehouse.restore import read_index, restore

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.layout import Index

DAY_US = 86_400_000_000
ULID = "01M1D47Z00{:016d}"

QUESTIONS = (
    "SELECT * FROM runs ORDER BY ALL",
    "SELECT * FROM scores ORDER BY ALL",
    "SELECT * FROM score_history ORDER BY ALL",
    "SELECT * FROM steps ORDER BY ALL",
    "SELECT * FROM step_attempts ORDER BY ALL",
    "SELECT * FROM assignments ORDER BY ALL",
    "SELECT * FROM experiment_scores ORDER BY ALL",
)


def fill(warehouse: Warehouse) -> None:
    """Land rows over several days, ids with and without time, replaced ones sealed and in the log's tail."""
    warehouse.append("runs", *(run(ULID.format(n), started_at=NOW, output='{"n":1}') for n in range(20)))
    warehouse.append("runs", *(run(f"opaque-{n}", started_at=NOW - n * DAY_US) for n in range(5)))
    warehouse.append("assignments", assignment("opaque-1", "a", NOW), assignment(ULID.format(3), "b", NOW))
    warehouse.append("score_history", *(score(f"s{n}", n, run_id="opaque-1", name=f"n{n}") for n in range(4)))
    warehouse.append("step_attempts", *(step("opaque-1", "x", attempt) for attempt in range(3)))
    warehouse.seal()
    warehouse.clock.us += 60_000_000
    now = warehouse.clock.us
    warehouse.append("score_history", score("s1", 10.0, now, run_id="opaque-1", name="n1"))
    warehouse.append(
        "runs", run("opaque-2", now, status="Completed", ended_at=now), run(ULID.format(5), now, status="Failed")
    )
    warehouse.append("assignments", assignment("opaque-1", "z", NOW + 5, now))
    warehouse.seal()
    warehouse.clock.us += 60_000_000
    warehouse.append("score_history", score("s1", 11.0, warehouse.clock.us, run_id="opaque-1", name="n1"))
    warehouse.append("step_attempts", step("opaque-1", "x", 3, warehouse.clock.us))


def answers(warehouse: Warehouse) -> list[Any]:
    """Return the answers to all questions, now and as known at three times."""
    moments = (None, NOW, NOW + 60_000_000, NOW + 120_000_000)
    return [warehouse.ask(sql, known_at) for sql in QUESTIONS for known_at in moments]


def exported(warehouse: Warehouse, target: Path) -> Index:
    """Export the workspace of a test."""
    return export(DataPaths(warehouse.root), "default", target, Clock())


def restored(folder: Path, root: Path) -> Warehouse:
    """Restore an export and open it."""
    restore(folder, open_directory(root))
    return Warehouse(root)


@pytest.mark.parametrize("compacted", [False, True])
def test_a_restored_workspace_answers_as_the_first_one(
    warehouse: Warehouse, tmp_path: Path, *, compacted: bool
) -> None:
    """Every table and view, with history, versions and `known_at`; and once more after a second round trip."""
    fill(warehouse)
    if compacted:
        warehouse.seal()
        while warehouse.compactor.compact(whole=True):
            pass
    before = answers(warehouse)
    exported(warehouse, tmp_path / "one")
    with restored(tmp_path / "one", tmp_path / "second") as second:
        assert before == answers(second)
        assert [] == list(examine(DataPaths(second.root), ["default"], Clock()))[1:]
        exported(second, tmp_path / "two")
    with restored(tmp_path / "two", tmp_path / "third") as third:
        assert before == answers(third)


def test_what_arrives_after_a_restore_is_later_and_meets_its_twins(warehouse: Warehouse, tmp_path: Path) -> None:
    """The same late records, sent to the first workspace and to the restored one, give the same rows and days."""
    fill(warehouse)
    exported(warehouse, tmp_path / "one")
    with restored(tmp_path / "one", tmp_path / "second") as second:
        highest = warehouse.ask("SELECT max(version) FROM score_history")[0][0]
        for one in (warehouse, second):
            one.clock.us = NOW + 10 * DAY_US
            now = one.clock.us
            position = one.append("score_history", score("s1", 12.0, now, run_id="opaque-1", name="n1"))
            assert position << ROWS_BITS > highest
            one.append(
                "runs", run("opaque-3", now, started_at=now, status="Completed"), run("new", now, started_at=now)
            )
            one.append("runs", run("opaque-4", NOW, started_at=NOW - 4 * DAY_US))
            one.seal()
        for sql in QUESTIONS:
            if "score_history" not in sql:
                assert warehouse.ask(sql) == second.ask(sql)
        history = "SELECT id, value, superseded_at FROM score_history ORDER BY ALL"
        assert warehouse.ask(history) == second.ask(history)
        days = "SELECT id FROM runs"
        assert len(warehouse.ask(days)) == 26 == len(second.ask(days))
        places = [
            {file.place.day for file in one.workspace.manifest.read(None)[0].of("runs")} for one in (warehouse, second)
        ]
        assert places[0] == places[1]


def test_an_export_is_plain_parquet_for_others(warehouse: Warehouse, tmp_path: Path) -> None:
    """DuckDB and pyarrow, knowing nothing of upshot, count and sum what our own answers say."""
    fill(warehouse)
    index = exported(warehouse, tmp_path / "out")
    con = duckdb.connect()
    for folder, sql in {
        "runs": "SELECT count(*) FROM runs",
        "scores": "SELECT count(*) FROM scores",
        "steps": "SELECT count(*) FROM steps",
        "assignments": "SELECT count(*) FROM assignments",
    }.items():
        pattern = tmp_path / "out" / folder / "**" / "*.parquet"
        theirs = con.sql(f"SELECT count(*) FROM '{pattern}'").fetchall()
        assert warehouse.ask(sql) == theirs
        dataset = ds.dataset(tmp_path / "out" / folder, format="parquet", partitioning="hive")
        assert warehouse.ask(sql) == [(dataset.count_rows(),)]
    both = [str(tmp_path / "out" / folder / "scores" / "**" / "*.parquet") for folder in ("", "superseded")]
    assert (
        warehouse.ask("SELECT count(*), sum(value) FROM score_history")
        == con.execute("SELECT count(*), sum(value) FROM read_parquet(?)", [both]).fetchall()
    )
    ids = con.sql(f"SELECT id, status FROM '{tmp_path}/out/runs/**/*.parquet' ORDER BY ALL").fetchall()
    assert warehouse.ask("SELECT id, status FROM runs ORDER BY ALL") == ids
    con.close()
    assert set(contents(tmp_path / "out")) >= {file.path for file in index.files} | {"tables.md", "export.json"}
    assert "## score_history" in (tmp_path / "out" / "tables.md").read_text()
    assert 5 == pq.read_metadata(tmp_path / "out" / "internal" / "key_day.parquet").num_rows - 4


def test_files_without_hidden_rows_are_copied_byte_for_byte(warehouse: Warehouse, tmp_path: Path) -> None:
    """The others hold exactly the rows that are not hidden, in the same order."""
    fill(warehouse)
    index = exported(warehouse, tmp_path / "out")
    snapshot, _ = warehouse.workspace.manifest.read(None)
    clean = {file.sha256 for file in snapshot.files if file.id not in snapshot.hidden}
    assert clean < {file.sha256 for file in index.files}
    for file in snapshot.of("runs"):
        gone = snapshot.hidden[file.id].everywhere if file.id in snapshot.hidden else np.empty(0, np.uint32)
        ids = pq.read_table(warehouse.paths.file(file.place))["id"].to_numpy()
        home = warehouse.paths.file(file.place).parent.name
        copy = tmp_path / "out" / "runs" / home / file.place.name
        kept = pq.read_table(copy)["id"].to_pylist() if copy.exists() else []
        assert np.delete(ids, gone).tolist() == kept


def test_settings_and_tombstones_are_kept(warehouse: Warehouse, tmp_path: Path) -> None:
    """What was erased stays blocked in the restored workspace."""
    fill(warehouse)
    manifest = warehouse.workspace.manifest
    manifest.set("retention", {"runs": 30})
    warehouse.seal()
    stone = Tombstone("run", "ab" * 32, NOW)
    manifest.commit(Change(manifest.read(None)[0].version, tombstones=[stone]))
    exported(warehouse, tmp_path / "out")
    with restored(tmp_path / "out", tmp_path / "second") as second:
        assert manifest.settings() == second.workspace.manifest.settings()
        assert {"runs": 30} == second.workspace.manifest.settings()["retention"]
        assert (stone,) == second.workspace.manifest.read(None)[0].tombstones


def test_an_empty_workspace_makes_the_round_trip(warehouse: Warehouse, tmp_path: Path) -> None:
    """No rows, no days: a whole export all the same."""
    exported(warehouse, tmp_path / "out")
    with restored(tmp_path / "out", tmp_path / "second") as second:
        assert [(0,)] == second.ask("SELECT count(*) FROM runs")


def test_an_export_is_there_whole_or_not_at_all(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure at any file leaves neither the folder nor its unfinished sibling."""
    fill(warehouse)
    calls = 0
    real = shutil.copyfile

    def failing(source: Any, target: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError(28, "No space left on device")
        return real(source, target)

    monkeypatch.setattr(exporting.shutil, "copyfile", failing)
    with pytest.raises(TransientError) as caught:
        exported(warehouse, tmp_path / "out")
    assert "disk_full" == caught.value.code
    assert ["data"] == [path.name for path in tmp_path.iterdir()]


def test_an_export_goes_nowhere_it_could_harm(warehouse: Warehouse, tmp_path: Path) -> None:
    """Neither into a folder with something in it, nor into the data directory; an empty folder is taken."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    with pytest.raises(InputError, match="not an empty folder"):
        exported(warehouse, tmp_path / "full")
    with pytest.raises(InputError, match="inside the data directory"):
        exported(warehouse, warehouse.root / "workspaces" / "out")
    (tmp_path / "empty").mkdir()
    exported(warehouse, tmp_path / "empty")
    assert read_index(tmp_path / "empty").files


def test_a_damaged_file_is_never_exported(warehouse: Warehouse, tmp_path: Path) -> None:
    """Clean or with hidden rows: the export fails and names it."""
    fill(warehouse)
    warehouse.seal()
    for file in warehouse.workspace.manifest.read(None)[0].files:
        path = warehouse.paths.file(file.place)
        raw = path.read_bytes()
        path.write_bytes(raw[:-100] + bytes([raw[-100] ^ 1]) + raw[-99:])
        with pytest.raises(TransientError, match=file.place.name):
            exported(warehouse, tmp_path / "out")
        path.write_bytes(raw)
    assert not (tmp_path / "out").exists()


def _spoil(folder: Path, how: str) -> str:
    """Spoil an export; return the word its refusal must name."""
    victim = next(path for path in sorted(folder.rglob("*.parquet")) if "runs" in str(path))
    raw = bytearray(victim.read_bytes())
    index = json.loads((folder / "export.json").read_text())
    if how == "flip":
        raw[len(raw) // 2] ^= 1
        victim.write_bytes(raw)
    elif how == "cut":
        victim.write_bytes(raw[:-1])
    elif how == "missing":
        victim.unlink()
    elif how == "foreign":
        (victim.parent / "foreign.parquet").write_bytes(raw)
        return "foreign.parquet"
    elif how == "newer":
        (folder / "export.json").write_text(json.dumps({"format": 2, "something": "else"}))
        return "format 2"
    elif how == "escape":
        index["files"][0]["path"] = "../../etc/passwd"
        (folder / "export.json").write_text(json.dumps(index))
        return "passwd"
    elif how == "torn":
        (folder / "export.json").write_text(json.dumps(index)[:-20])
        return "export.json"
    elif how == "unlisted":
        index["files"] = [file for file in index["files"] if not file["path"].endswith("key_day.parquet")]
        (folder / "export.json").write_text(json.dumps(index))
        return "key_day.parquet"
    return victim.name


@pytest.mark.parametrize("how", ["flip", "cut", "missing", "foreign", "newer", "escape", "torn", "unlisted"])
def test_a_spoiled_export_is_refused_by_name(warehouse: Warehouse, tmp_path: Path, how: str) -> None:
    """Nothing is restored, and the data directory is as it was."""
    fill(warehouse)
    folder = tmp_path / "out"
    exported(warehouse, folder)
    named = _spoil(folder, how)
    data = open_directory(tmp_path / "second")
    before = contents(data.root)
    with pytest.raises(InputError, match=named):
        restore(folder, data)
    assert before == {path: digest for path, digest in contents(data.root).items() if path != "lock"}


def test_restoring_needs_an_empty_workspace_and_the_lock(warehouse: Warehouse, tmp_path: Path) -> None:
    """A workspace that was only opened is empty; one with an acknowledged row or any file is not."""
    fill(warehouse)
    before = answers(warehouse)
    exported(warehouse, tmp_path / "out")
    data = open_directory(tmp_path / "second")
    with WriterLock(data), pytest.raises(TransientError, match="in use"):
        restore(tmp_path / "out", data)
    Warehouse(data.root).close()
    assert "default" == restore(tmp_path / "out", data)[0]
    with Warehouse(data.root) as second:
        assert before == answers(second)
    kept = contents(data.workspace("default").root)
    with pytest.raises(InputError, match="not empty"):
        restore(tmp_path / "out", data)
    assert kept == contents(data.workspace("default").root)
    assert "other" == restore(tmp_path / "out", data, "other")[0]
    with Warehouse(tmp_path / "third") as third:
        third.append("runs", run("acknowledged"))
        with pytest.raises(InputError, match="not empty"):
            restore(tmp_path / "out", DataPaths(third.root))
        assert [(1,)] == third.ask("SELECT count(*) FROM runs")
    for bad in ("../x", "A b"):
        with pytest.raises(UpshotError):
            restore(tmp_path / "out", data, bad)


def test_a_folder_that_is_no_export_is_refused(tmp_path: Path) -> None:
    """By what is missing in it."""
    with pytest.raises(NotFoundError, match=r"export\.json"):
        read_index(tmp_path)


def test_a_restore_that_was_killed_is_done_anew(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had built is no workspace to anybody, and the next restore clears it away."""
    fill(warehouse)
    before = answers(warehouse)
    exported(warehouse, tmp_path / "out")
    data = open_directory(tmp_path / "second")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def leave(*_: object, **__: object) -> None:
        """Clear nothing away, as one who was killed."""

    with monkeypatch.context() as patched:
        patched.setattr("warehouse.restore._swap", killed)
        patched.setattr("warehouse.restore.shutil.rmtree", leave)
        with pytest.raises(KeyboardInterrupt):
            restore(tmp_path / "out", data)
    assert [] == data.workspaces()
    assert any(path.name == "default.restoring" for path in data.root.iterdir())
    restore(tmp_path / "out", data)
    assert not any(path.name == "default.restoring" for path in data.root.iterdir())
    with Warehouse(data.root) as second:
        assert before == answers(second)
