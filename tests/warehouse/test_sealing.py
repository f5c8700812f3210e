"""Sealing: files are whole, sorted, named and measured; the day follows the id; a log is sealed in bounded parts."""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from tests.support.rows import NOW, Warehouse, run, score
from warehouse.manifest import FileName, SealedFile
from warehouse.schema import FILE
from warehouse.sealing import Limits, Sealer
from warehouse.upkeep import recover
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from pathlib import Path

ULIDS = [f"01M1D47Z00{tail:016d}" for tail in range(50)]


def live(warehouse: Warehouse) -> tuple[SealedFile, ...]:
    """Return the live files of a workspace."""
    return warehouse.workspace.manifest.read(None)[0].files


def sealer(warehouse: Warehouse, limits: Limits) -> Sealer:
    """Return a sealer of its own."""
    return Sealer(open_workspace(warehouse.paths), limits, warehouse.clock)


def test_recovery_removes_only_what_was_announced(warehouse: Warehouse) -> None:
    """An announced file that never became live goes, and what was being written; a stranger's file stays."""
    warehouse.append("runs", run(ULIDS[0]))
    warehouse.seal()
    [file] = live(warehouse)
    path = warehouse.paths.file(file.place)
    stranger = path.with_name("stranger.parquet")
    announced = FileName("runs", file.place.day, "000000000009-000000000009.parquet")
    half = warehouse.workspace.files.scratch()
    warehouse.workspace.manifest.announce([announced])
    for left in (stranger, warehouse.paths.file(announced), half):
        left.write_bytes(b"half")
    assert [announced] == recover(warehouse.workspace)
    assert sorted([path, stranger]) == sorted(warehouse.root.rglob("*.parquet"))
    assert not half.exists()
    assert [] == recover(warehouse.workspace)


def test_a_sealed_file_is_plain_parquet_as_the_manifest_says(warehouse: Warehouse) -> None:
    """Rows are sorted, ids unique, times UTC microseconds, JSON annotated, and digest and bounds are the file's."""
    rows = [run(id_, status="Completed", started_at=NOW + n, output='{"a":1}') for n, id_ in enumerate(ULIDS)]
    warehouse.append("runs", *reversed(rows))
    warehouse.seal()
    [file] = live(warehouse)
    path = warehouse.paths.file(file.place)
    assert pq.read_table(path)["id"].to_pylist() == ULIDS
    assert (file.rows, file.bytes) == (50, path.stat().st_size)
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert file.bounds["id"] == (ULIDS[0], ULIDS[-1])
    assert file.bounds["started_at"] == (NOW, NOW + 49)
    schema = pq.read_schema(path)
    types = dict(zip(schema.names, map(str, schema.types), strict=True))
    assert types["received_at"] == "timestamp[us, tz=UTC]"
    assert "json" in types["output"]
    assert [column.name for column in FILE["runs"].stored] == schema.names


def test_a_long_key_bounds_nothing(warehouse: Warehouse) -> None:
    """Keys too long to be kept as bounds leave their file to be read by every question."""
    warehouse.append("runs", run("x" * 5_000), run("y"))
    warehouse.seal()
    assert all("id" not in file.bounds for file in live(warehouse))
    assert [(1,)] == warehouse.ask("SELECT count(*) FROM runs WHERE id = 'y'")


def test_the_day_follows_the_id(warehouse: Warehouse) -> None:
    """A ULID's own time decides; an id without time keeps the day its first record happened, whatever comes later."""
    day_us = 86_400_000_000
    warehouse.append("runs", run(ULIDS[0], started_at=NOW + 30 * day_us), run("opaque", started_at=NOW))
    warehouse.seal()
    warehouse.append("runs", run("opaque", started_at=NOW + 3 * day_us, status="Completed"))
    warehouse.seal()
    days = {path.parent.name for path in warehouse.root.rglob("*.parquet")}
    assert days == {"day=2026-09-01", "day=2026-09-21"}
    assert warehouse.ask("SELECT count(*) FROM runs") == [(2,)]


def test_sealing_waits_for_rows_bytes_age_or_a_wish(warehouse: Warehouse) -> None:
    """Rows are sealed once enough of them wait, the oldest is old enough, or somebody asks."""
    own = sealer(warehouse, Limits(rows=3, min_age_us=10_000_000))
    assert not own.due()
    warehouse.append("runs", run(ULIDS[0]))
    assert not own.due()
    warehouse.append("runs", run(ULIDS[1]), run(ULIDS[2]))
    assert own.due()
    own.seal()
    warehouse.append("runs", run(ULIDS[3]))
    assert not own.due()
    warehouse.clock.us += 10_000_000
    assert own.due()
    own.seal()
    last = warehouse.append("runs", run(ULIDS[4]))
    assert not own.due()
    assert last == warehouse.workspace.manifest.want_sealed()
    assert own.due()
    own.seal()
    assert not own.due()
    own.close()


def test_one_commit_seals_a_bounded_part(warehouse: Warehouse) -> None:
    """A long log is sealed in parts of whole requests, by rows and by bytes, and ends up sealed whole."""
    for number in range(6):
        warehouse.append("runs", run(ULIDS[number]), run(ULIDS[number + 10]))
    for limits in (Limits(batch_rows=4), Limits(batch_bytes=1)):
        own = sealer(warehouse, limits)
        assert (4 if limits.batch_rows == 4 else 2) == own.seal()
        own.close()
    assert 6 == warehouse.seal()
    assert [(12,)] == warehouse.ask("SELECT count(*) FROM runs")


def test_sealed_entries_leave_the_log_in_small_steps(warehouse: Warehouse) -> None:
    """`trim` drops at most so many bytes in one commit, never an entry that is not sealed, and ends."""
    manifest = warehouse.workspace.manifest
    for id_ in ULIDS[:5]:
        warehouse.append("runs", run(id_))
    before = manifest.read(None)[0]
    assert not manifest.trim(1)
    warehouse.seal()
    assert before.version < manifest.read(None)[0].version
    assert not manifest.trim(1)
    assert (0, 0) == (manifest.waiting().rows, manifest.waiting().bytes)


def test_the_log_gives_its_space_back_when_nothing_waits(warehouse: Warehouse) -> None:
    """In bounded steps, between which rows come in and are answered; some space stays for the next ones."""
    chance = random.Random(5)  # noqa: S311 - what does not compress
    for number in range(12):
        warehouse.append("runs", run(ULIDS[number], input=json.dumps(chance.randbytes(1 << 20).hex())))
    database = warehouse.paths.database
    own = sealer(warehouse, Limits())
    while own.seal():
        pass
    sizes: list[int] = []
    for turn in range(20):
        own.tidy()
        sizes.append(_size(database))
        if turn == 2:
            warehouse.append("runs", run(ULIDS[12], status="Failed"))
            assert [(13,)] == warehouse.ask("SELECT count(*) FROM runs")
            while own.seal():
                pass
    assert sizes[0] > 12 << 20  # the first call only looks
    assert sizes[-1] < 9 << 20
    assert [("ok",)] == sqlite3.connect(database).execute("PRAGMA integrity_check").fetchall()
    warehouse.append("runs", run(ULIDS[13]))
    assert [(14,)] == warehouse.ask("SELECT count(*) FROM runs")
    own.close()


def _size(database: Path) -> int:
    log = database.with_name(f"{database.name}-wal")
    return database.stat().st_size + (log.stat().st_size if log.exists() else 0)


def test_answers_as_known_then(warehouse: Warehouse) -> None:
    """`known_at` shows the score of that time, and leaves out rows first received later."""
    hour = 3_600_000_000
    warehouse.append("runs", run("r", status="Running"))
    warehouse.append("score_history", score("s", 1.0))
    warehouse.seal()
    warehouse.append("score_history", score("s", 0.0, received_at=NOW + hour))
    warehouse.append("runs", run("r", status="Completed", received_at=NOW + hour), run("q", received_at=NOW + hour))
    for _ in range(2):
        asked = [
            warehouse.ask("SELECT (SELECT value FROM scores), (SELECT count(*) FROM runs)", known_at=at)
            for at in (NOW - 1, NOW, NOW + hour)
        ]
        assert [[(None, 0)], [(1.0, 1)], [(0.0, 2)]] == asked
        superseded = warehouse.ask("SELECT value, epoch_us(superseded_at) FROM score_history ORDER BY version")
        assert [(1.0, NOW + hour), (0.0, None)] == superseded
        warehouse.seal()
