"""Sealing: killed between any two steps, each acknowledged row is there once; files are whole, sorted and named."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.support.rows import NOW, Warehouse, run, score
from warehouse import keeper as keeper_module
from warehouse.keeper import Keeper, Limits
from warehouse.manifest import Manifest
from warehouse.schema import FILE

ULIDS = [f"01M1D47Z00{tail:016d}" for tail in range(50)]


class KilledError(Exception):
    """Stands for SIGKILL: nothing after it runs."""


def kill(*_: object, **__: object) -> None:
    """Stop here."""
    raise KilledError


STEPS: dict[str, tuple[object, str]] = {
    "before the file is written": (Keeper, "_publish"),
    "before the file's fsync": (keeper_module, "sync"),
    "before the rename": (Path, "rename"),
    "before the digest is read": (Path, "read_bytes"),
    "before the manifest's commit": (Manifest, "commit"),
}


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_nothing_is_lost_or_doubled(warehouse: Warehouse, step: str) -> None:
    """A keeper that dies between two steps leaves every row in the log; the next one seals each once."""
    warehouse.append("runs", *(run(id_, status="Completed") for id_ in ULIDS))
    warehouse.append("score_history", score("s", 1.0))
    owner, name = STEPS[step]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, kill)
        with pytest.raises(KilledError):
            warehouse.keeper.seal()
    assert warehouse.ask("SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM scores)") == [(50, 1)]
    again = Keeper(warehouse.paths)
    again.recover()
    assert again.seal() == 51
    again.close()
    assert warehouse.ask("SELECT count(*), count(DISTINCT id) FROM runs") == [(50, 50)]
    assert warehouse.ask("SELECT count(*) FROM score_history") == [(1,)]
    named = {
        warehouse.paths.file(file.table, file.day, file.name) for file in Manifest(warehouse.paths).read(None)[0].files
    }
    assert named == set(warehouse.root.rglob("*.parquet"))


def test_recovery_removes_only_what_no_commit_named(warehouse: Warehouse) -> None:
    """Stray and half-written files go; live ones stay."""
    warehouse.append("runs", run(ULIDS[0]))
    warehouse.seal()
    [live] = warehouse.root.rglob("*.parquet")
    strays = [live.with_name("stray.parquet"), live.with_name("half.partial")]
    for stray in strays:
        stray.write_bytes(b"half")
    assert sorted(strays) == sorted(warehouse.keeper.recover())
    assert [live] == list(warehouse.root.rglob("*.parquet"))


def test_a_sealed_file_is_plain_parquet_as_the_manifest_says(warehouse: Warehouse) -> None:
    """Rows are sorted, ids unique, times UTC microseconds, JSON annotated, and the digest is the file's."""
    warehouse.append("runs", *(run(id_, status="Completed", output='{"a":1}') for id_ in reversed(ULIDS)))
    warehouse.seal()
    [file] = Manifest(warehouse.paths).read(None)[0].files
    path = warehouse.paths.file(file.table, file.day, file.name)
    table = pq.read_table(path)
    assert table["id"].to_pylist() == ULIDS
    assert (file.rows, file.bytes) == (50, path.stat().st_size)
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert file.bounds["id"] == [ULIDS[0], ULIDS[-1]]
    schema = pq.read_schema(path)
    types = dict(zip(schema.names, map(str, schema.types), strict=True))
    assert types["received_at"] == "timestamp[us, tz=UTC]"
    assert "json" in types["output"]
    assert [column.name for column in FILE["runs"].stored] == schema.names


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


def test_sealing_waits_for_rows_bytes_or_age(warehouse: Warehouse) -> None:
    """Rows are sealed once enough of them wait, or the oldest is old enough."""
    keeper = Keeper(warehouse.paths, Limits(rows=3, age_us=10_000_000), warehouse.clock)
    assert not keeper.due()
    warehouse.append("runs", run(ULIDS[0]))
    assert not keeper.due()
    warehouse.append("runs", run(ULIDS[1]), run(ULIDS[2]))
    assert keeper.due()
    keeper.seal()
    warehouse.append("runs", run(ULIDS[3]))
    warehouse.clock.us += 10_000_000
    assert keeper.due()
    keeper.close()


def test_one_commit_seals_a_bounded_part(warehouse: Warehouse) -> None:
    """A long log is sealed in parts of whole requests, by rows and by bytes, and ends up sealed whole."""
    for number in range(6):
        warehouse.append("runs", run(ULIDS[number]), run(ULIDS[number + 10]))
    for limits in (Limits(batch_rows=4), Limits(batch_bytes=1)):
        keeper = Keeper(warehouse.paths, limits, warehouse.clock)
        assert (4 if limits.batch_rows == 4 else 2) == keeper.seal()
        keeper.close()
    assert 6 == warehouse.seal()
    assert [(12,)] == warehouse.ask("SELECT count(*) FROM runs")


def test_answers_as_known_then(warehouse: Warehouse) -> None:
    """`known_at` shows the score of that time, and leaves out rows first received later."""
    hour = 3_600_000_000
    warehouse.append("runs", run("r", status="Running"))
    warehouse.append("score_history", score("s", 1.0))
    warehouse.seal()
    warehouse.append("score_history", score("s", 0.0, received_at=NOW + hour))
    warehouse.append("runs", run("r", status="Completed", received_at=NOW + hour), run("q", received_at=NOW + hour))
    for _ in range(2):
        asked: list[list[tuple[Any, ...]]] = [
            warehouse.ask("SELECT (SELECT value FROM scores), (SELECT count(*) FROM runs)", known_at=at)
            for at in (NOW - 1, NOW, NOW + hour)
        ]
        assert asked == [[(None, 0)], [(1.0, 1)], [(0.0, 2)]]
        superseded = warehouse.ask("SELECT value, epoch_us(superseded_at) FROM score_history ORDER BY version")
        assert [(1.0, NOW + hour), (0.0, None)] == superseded
        warehouse.seal()
