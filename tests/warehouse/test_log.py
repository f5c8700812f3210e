"""The log: an append that returned is on disk; one that failed kept nothing; the log is bounded."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.rows import NOW, Clock, Warehouse, batch, run
from warehouse.database import APPLICATION_ID, open_database, storage_error
from warehouse.errors import InputError, TransientError
from warehouse.log import Log, decode, encode
from warehouse.sqlite_manifest import STEPS
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from pathlib import Path

WRITER = """
import sys
from pathlib import Path
from tests.support.rows import Warehouse, run
warehouse = Warehouse(Path(sys.argv[1]))
for number in range(100_000):
    warehouse.append("runs", run(f"r{number}"))
    print(number, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """A writer killed at a random moment: every acknowledged row is there, and at most one more."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},  # noqa: PTH109 - the checkout
    )
    assert process.stdout is not None
    acknowledged = -1
    with process.stdout:
        for line in process.stdout:
            acknowledged = int(line)
            if acknowledged == 200:
                process.kill()
    process.wait()
    with Warehouse(tmp_path) as warehouse:
        [(count, distinct)] = warehouse.ask("SELECT count(*), count(DISTINCT id) FROM runs")
    assert count == distinct
    assert count in (acknowledged + 1, acknowledged + 2)


def test_a_caller_that_gives_up_leaves_the_log_to_the_others(warehouse: Warehouse) -> None:
    """Requests cancelled at any moment are there or not, and every later one is acknowledged."""
    for number in range(100):
        gone = warehouse.log.append(encode({"runs": batch("runs", [run(f"gone-{number}")])}))
        gone.cancel()
        warehouse.append("runs", run(f"kept-{number}"))
    assert [(100,)] == warehouse.ask("SELECT count(*) FROM runs WHERE id LIKE 'kept-%'")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_acknowledgement_follows_the_fsync(tmp_path: Path) -> None:
    """In the order of system calls, a fsync of the log lies before each acknowledgement that is written."""
    script = WRITER.replace("100_000", "5")
    trace = tmp_path / "trace"
    subprocess.run(
        [
            "strace",
            "-f",
            "-e",
            "trace=fsync,fdatasync,write",
            "-o",
            str(trace),
            sys.executable,
            "-c",
            script,
            str(tmp_path / "d"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.getcwd()},  # noqa: PTH109 - the checkout
    )
    lines = trace.read_text().splitlines()
    calls = [found.group() for line in lines if (found := re.search(r'f(data)?sync\(|write\(1, "\d+', line))]
    synced = False
    for call in calls:
        if call.startswith("write"):
            assert synced, calls
            synced = False
        else:
            synced = True
    assert sum(call.startswith("write") for call in calls) >= 5


def test_a_failed_commit_acknowledges_nothing_and_writing_resumes(warehouse: Warehouse) -> None:
    """While another process holds the file for too long the append fails with a code; afterwards it works again."""
    manifest: Any = warehouse.log._manifest  # pyright: ignore[reportPrivateUsage]
    manifest._con.execute("PRAGMA busy_timeout=50")
    with sqlite3.connect(warehouse.paths.database, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransientError) as failed:
            warehouse.append("runs", run("a"))
        assert failed.value.code == "unavailable"
        other.execute("ROLLBACK")
    other.close()
    warehouse.append("runs", run("b"))
    assert warehouse.ask("SELECT id FROM runs") == [("b",)]


def test_a_full_log_refuses_until_it_is_sealed(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above its bound the log answers 429 with a time; sealing makes room."""
    monkeypatch.setattr("warehouse.log.MEASURED_FOR_SECONDS", 0.0)
    small = Log(open_workspace(warehouse.paths).manifest, Clock(), max_bytes=1)
    small.append(encode({"runs": batch("runs", [run("a")])})).result(10)
    with pytest.raises(TransientError) as refused:
        small.append(encode({"runs": batch("runs", [run("b")])})).result(10)
    assert (refused.value.code, refused.value.retry_after > 0) == ("rate_limited", True)
    warehouse.seal()
    small.append(encode({"runs": batch("runs", [run("c")])})).result(10)
    small.close()
    assert warehouse.ask("SELECT id FROM runs ORDER BY 1") == [("a",), ("c",)]


def test_a_closed_log_says_so(warehouse: Warehouse) -> None:
    """An append after the close fails with a code instead of hanging."""
    warehouse.log.close()
    with pytest.raises(TransientError):
        warehouse.append("runs", run("a"))


def test_a_batch_reads_back_as_it_was() -> None:
    """Encoding and decoding an entry is the identity, and a long batch becomes several entries."""
    rows = batch("runs", [run("a", attributes='{"x":1}', sessions=[("k", "v")], event_ids=["e"], started_at=NOW)])
    [entry] = encode({"runs": rows})
    assert decode(entry.payload).to_batches()[0].equals(rows)
    many = batch("runs", [run(str(n)) for n in range(5)])
    assert encode({"runs": many.slice(0, 0)}) == []


@pytest.mark.parametrize(
    ("make", "words"),
    [
        ("CREATE TABLE other (x)", "another program"),
        (f"CREATE TABLE log (x); PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version=99", "format 99"),
    ],
)
def test_a_file_that_is_not_ours_is_refused(tmp_path: Path, make: str, words: str) -> None:
    """A foreign or newer file is named in the error, and not changed."""
    path = tmp_path / "log.db"
    con = sqlite3.connect(path)
    con.executescript(make)
    con.close()
    with pytest.raises(InputError, match=words):
        open_database(path, STEPS)


def test_a_full_disk_has_its_own_code() -> None:
    """SQLite's and the system's words for a full disk become `disk_full`."""
    for error in (sqlite3.OperationalError("database or disk is full"), OSError(28, "No space left on device")):
        assert storage_error(error, "x").code == "disk_full"
