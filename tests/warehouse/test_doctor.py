"""The doctor: every kind of damage is found and named, what can be mended is, and checking changes nothing."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import threading
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from tests.support.folders import contents
from tests.support.rows import NOW, Clock, Warehouse, run, score, step
from warehouse import sqlite_manifest
from warehouse.directory import open_directory
from warehouse.doctor import Finding, examine, save_quarantined
from warehouse.errors import TransientError
from warehouse.manifest import Change, FileName, Hidden, NewFile, SealedFile
from warehouse.paths import DataPaths
from warehouse.schema import FILE
from warehouse.upkeep import unlink
from warehouse.writing import measured

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY_US = 86_400_000_000


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Warehouse]:
    """A workspace with three files of runs, rows that were replaced, and a log with something in it."""
    open_directory(tmp_path / "data")
    with Warehouse(tmp_path / "data") as warehouse:
        for day in range(3):
            warehouse.append("runs", *(run(f"r{day}-{n}", queued_at=NOW + day * DAY_US) for n in range(10)))
            warehouse.append("score_history", score("s", day, ts=NOW + day))
            warehouse.append("step_attempts", step("r0-0", "a", day))
            warehouse.seal()
        warehouse.append("runs", run("r0-0", queued_at=NOW, status="Completed"))
        warehouse.seal()
        warehouse.append("runs", run("hot"))
        yield warehouse


def check(warehouse: Warehouse, *, repair: bool = False) -> list[Finding]:
    """Return what the doctor finds; without repair it must not change a byte that is not SQLite's own."""
    data = DataPaths(warehouse.root)
    before = contents(warehouse.root)
    found = list(examine(data, data.workspaces(), Clock(), repair=repair))
    after = contents(warehouse.root)
    if not repair:
        passing = ("log.db-shm", "log.db-wal", "scratch")
        assert {k: v for k, v in before.items() if not k.endswith(passing)} == {
            k: v for k, v in after.items() if not k.endswith(passing)
        }
    return found


def codes(found: list[Finding]) -> list[tuple[str, str]]:
    """Return severity and code of each finding."""
    return [(one.severity, one.code) for one in found]


def files(warehouse: Warehouse, table: str = "runs") -> list[SealedFile]:
    """Return the live files of a table."""
    return warehouse.workspace.manifest.read(None)[0].of(table)


def forge(warehouse: Warehouse, file: SealedFile, **changes: object) -> None:
    """Let the manifest say something else of a file, checksum and all: as a defect of ours would."""
    columns, crc = sqlite_manifest._FILE_COLUMNS, sqlite_manifest._crc  # pyright: ignore[reportPrivateUsage]
    made = dataclasses.replace(file, **changes)  # pyright: ignore[reportArgumentType]
    row = (*made.place, made.rows, made.bytes, made.sha256, json.dumps(made.bounds), int(made.current))
    with sqlite3.connect(warehouse.paths.database) as con:
        con.execute(
            f"UPDATE file SET ({columns}, crc) = (?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE id = ?", (*row, crc(row), file.id)
        )
        con.execute("UPDATE state SET value = (SELECT sum(crc) FROM file) WHERE name = 'files'")
    con.close()


def test_a_healthy_workspace_has_no_finding(patient: Warehouse) -> None:
    """Not with replaced rows, nor after a compaction, whose old files are noted until they go."""
    assert [] == check(patient)
    assert patient.compactor.compact(whole=True) > 0
    assert {("note", "dropped")} == set(codes(check(patient)))


@pytest.mark.parametrize(
    ("damage", "code", "words"),
    [
        ("flip", "damaged", "does not match its digest"),
        ("cut", "damaged", "bytes, the manifest says"),
        ("gone", "missing", "it is missing"),
        ("folder", "damaged", "the manifest says"),
    ],
)
def test_a_damaged_file_is_found_set_aside_and_gone_without(
    patient: Warehouse, damage: str, code: str, words: str
) -> None:
    """Before: questions that need it fail by its name. After: they are answered without its rows, which are counted."""
    file = files(patient)[0]
    path = patient.paths.file(file.place)
    raw = bytearray(path.read_bytes())
    path.unlink()
    if damage == "flip":
        raw[len(raw) // 2] ^= 1
        path.write_bytes(raw)
    elif damage == "cut":
        path.write_bytes(raw[:-7])
    elif damage == "folder":
        path.mkdir()
    [found] = check(patient)
    assert ("error", code, str(file.place)) == (found.severity, found.code, found.place)
    assert words in found.what
    gone = patient.workspace.manifest.read(None)[0].hidden.get(file.id, Hidden())
    assert file.rows - len(gone.everywhere) == found.rows
    assert f"without its {found.rows} rows" in found.repair
    with pytest.raises(TransientError, match=file.place.name):
        patient.ask("SELECT count(*) FROM runs")
    everything = 31
    [done] = check(patient, repair=True)
    assert done.done
    assert [(everything - found.rows,)] == patient.ask("SELECT count(*) FROM runs")
    kept = list(patient.paths.quarantine.iterdir()) if patient.paths.quarantine.exists() else []
    assert (0 if damage == "gone" else 1) == len(kept)
    if damage in ("flip", "cut"):
        assert kept[0].read_bytes() == (raw if damage == "flip" else raw[:-7])
    assert {"note"} >= {one.severity for one in check(patient)}
    assert [] == patient.workspace.manifest.unneeded()


def test_a_mark_is_lifted_from_a_file_that_is_whole_again(patient: Warehouse) -> None:
    """A file put back from a backup is read again after `--repair`, without losing a row."""
    file = files(patient)[0]
    patient.workspace.manifest.mark(file.id, damaged="it was missing")
    assert [("warning", "marked")] == codes(check(patient))
    [done] = check(patient, repair=True)
    assert "the mark is gone" == done.done
    assert not any(one.damaged for one in files(patient))
    assert [(31,)] == patient.ask("SELECT count(*) FROM runs")
    assert [] == check(patient)


def test_strangers_are_named_and_never_touched(patient: Warehouse) -> None:
    """In a partition, beside it, beside the tables, under a name like ours: also by a repair."""
    home = patient.paths.file(files(patient)[0].place).parent
    foreign = [
        home / "000000000077-000000000099.parquet",
        home / "notes.txt",
        home.parent / "README",
        patient.paths.root / "mine" / "x.parquet",
        patient.paths.root / "a.txt",
    ]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"mine")
    odd = patient.root / "workspaces" / "Not A Name"
    odd.mkdir()
    for found in (check(patient), check(patient, repair=True)):
        assert {("warning", "stranger")} == set(codes(found))
        assert {*(str(path.relative_to(patient.paths.root)) for path in foreign), "workspaces/Not A Name"} == {
            one.place for one in found
        }
        assert not any(one.done for one in found)
    assert [b"mine"] * 5 == [path.read_bytes() for path in foreign]
    assert [(31,)] == patient.ask("SELECT count(*) FROM runs")


def test_leftovers_of_a_killed_write_are_noted_and_removed(patient: Warehouse) -> None:
    """Only what was announced and never became live."""
    place = FileName("runs", files(patient)[0].place.day, "000000000088-000000000099.parquet")
    patient.workspace.manifest.announce([place])
    patient.paths.file(place).write_bytes(b"half")
    assert [("note", "leftover")] == codes(check(patient))
    check(patient, repair=True)
    assert not patient.paths.file(place).exists()
    assert [] == check(patient)


def test_what_the_manifest_says_wrongly_of_a_whole_file_is_found(patient: Warehouse) -> None:
    """Rows, bounds and hidden rows that contradict the file's footer; no repair throws its rows away."""
    file = files(patient)[0]
    low, high = file.bounds["id"]
    forge(patient, file, rows=file.rows + 1)
    assert [("error", "wrong_rows")] == codes(check(patient))
    forge(patient, file, bounds={**file.bounds, "id": (low, low)})
    [found] = check(patient)
    assert "wrong_bounds" == found.code
    assert repr(high) in found.what
    forge(patient, file)
    assert [] == check(patient)
    manifest = patient.workspace.manifest
    manifest.commit(Change(manifest.read(None)[0].version, hidden={file.id: Hidden(pa.array([99]).to_numpy())}))
    [found] = check(patient, repair=True)
    assert ("wrong_hidden", "") == (found.code, found.done)
    assert patient.paths.file(file.place).exists()


def test_a_row_that_counts_twice_is_found(patient: Warehouse) -> None:
    """A file made live a second time under another name doubles its keys and its arrivals."""
    file = files(patient)[-1]
    manifest, store = patient.workspace.manifest, patient.workspace.files
    scratch = store.scratch()
    scratch.write_bytes(patient.paths.file(file.place).read_bytes())
    place = file.place._replace(name="twice.parquet")
    twin = measured(scratch, FILE["runs"], place, current=True).new.file
    store.publish(scratch, place)
    manifest.announce([twin.place])
    manifest.commit(Change(manifest.read(None)[0].version, [NewFile(twin)]))
    found = check(patient)
    assert [("error", "key_twice"), ("error", "arrival_twice")] == codes(found)
    assert "10 keys" in found[0].what


def test_log_entries_that_cannot_be_read_are_named(patient: Warehouse) -> None:
    """Of a damaged checksum, of an unknown table, and of a payload that is no Arrow stream."""
    manifest = patient.workspace.manifest
    garbage, unknown = manifest.append([[("runs", 3, b"garbage")], [("nosuch", 1, b"x")]], NOW)
    found = check(patient)
    assert [("error", "entry_damaged")] * 2 == codes(found)
    assert [f"log entry {garbage}", f"log entry {unknown}"] == [one.place for one in found]
    with sqlite3.connect(patient.paths.database) as con:
        con.execute("UPDATE log SET payload = x'00' WHERE seq = ?", (garbage,))
    con.close()
    found = check(patient)
    assert ("error", "log_damaged") in codes(found)
    assert any("checksum" in one.what and str(garbage) in one.what for one in found)


def test_quarantined_entries_are_counted_named_and_written_out(patient: Warehouse, tmp_path: Path) -> None:
    """As they arrived, byte for byte; the entry stays in the manifest."""
    [position] = patient.workspace.manifest.append([[("runs", 3, b"garbage")]], NOW)
    patient.seal()
    [found] = check(patient)
    assert ("warning", "quarantined", f"log entry {position}") == (found.severity, found.code, found.place)
    assert "3 rows of runs, received 2026-09-21T" in found.what
    [path] = save_quarantined(DataPaths(patient.root), "default", tmp_path / "out")
    assert b"garbage" == path.read_bytes()
    assert [found] == check(patient)


def test_a_flipped_byte_of_the_manifest_is_found(patient: Warehouse) -> None:
    """The row of a file, the list of its hidden rows: both have checksums, and the message names the place."""
    [file] = [one for one in files(patient) if one.id in patient.workspace.manifest.read(None)[0].hidden]
    for change in ("UPDATE hidden SET everywhere = x'07000000'", "UPDATE file SET rows = rows + 1"):
        with sqlite3.connect(patient.paths.database) as con:
            before = con.execute("SELECT everywhere FROM hidden WHERE file = ?", (file.id,)).fetchone()
            con.execute(f"{change} WHERE {'file' if 'hidden' in change else 'id'} = ?", (file.id,))
        found = check(patient)
        assert [("error", "log_damaged")] == codes(found)
        assert f"file {file.id} does not match its checksum" in found[0].what
        with con:
            con.execute("UPDATE hidden SET everywhere = ? WHERE file = ?", (*before, file.id))
        con.close()


def test_a_missing_or_foreign_server_database_is_found(patient: Warehouse) -> None:
    """The workspaces are checked all the same."""
    server = patient.root / "server.db"
    path = patient.paths.file(files(patient)[0].place)
    path.unlink()
    server.write_bytes(b"x" * 4096)
    assert [("error", "server_damaged"), ("error", "missing")] == codes(check(patient))
    server.unlink()
    assert [("error", "server_missing"), ("error", "missing")] == codes(check(patient))


def test_a_workspace_that_cannot_be_opened_is_named(patient: Warehouse) -> None:
    """A log.db that is not SQLite, or missing beside files; the other workspace is found healthy."""
    for name, make in (("broken", "log.db"), ("empty", ""), ("lost", "runs")):
        folder = patient.root / "workspaces" / name
        folder.mkdir()
        if make:
            (folder / make).write_bytes(b"not a database" * 100)
    found = check(patient)
    assert [("broken", "log_damaged"), ("lost", "log_missing")] == [(one.workspace, one.code) for one in found]


def test_checking_beside_sealing_and_compacting_finds_nothing(patient: Warehouse) -> None:
    """While files come, are replaced and go: no stranger, no missing file."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        number = 0
        try:
            while not stop.is_set():
                number += 1
                patient.append("runs", run(f"w{number}", queued_at=NOW), run("r0-0", queued_at=NOW + number))
                patient.seal()
                patient.compactor.compact(whole=True)
                unlink(patient.workspace)
        except BaseException as error:  # noqa: BLE001 - said below
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(8):
            data = DataPaths(patient.root)
            found = list(examine(data, ["default"], Clock()))
            assert {"note"} >= {one.severity for one in found}, found
    finally:
        stop.set()
        thread.join()
    assert [] == failures
