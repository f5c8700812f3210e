"""Faults of the disk, the clock and the log: nothing acknowledged is lost, nothing wrong is ever answered.

The oracle is `tests.support.history.expected`, plain Python over the requests that were acknowledged.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.crash import wait_for
from tests.support.history import DAY, answers, expected, history, late, send
from tests.support.rows import Clock, Warehouse, batch, run, score
from tests.support.server import Server, serving
from warehouse.errors import TransientError, UpshotError
from warehouse.log import Log, encode
from warehouse.paths import DataPaths
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]


# --- the log's tail -------------------------------------------------------------------------------------------------

UNSYNCED = """
import os, sys, signal
from pathlib import Path
from tests.support.history import late, send
from tests.support.rows import Warehouse
warehouse = Warehouse(Path(sys.argv[1]))
[*first, last] = late()[:4]
for request in first:
    send(warehouse, request)
wal = warehouse.paths.database.with_name("log.db-wal")
print(wal.stat().st_size, flush=True)
warehouse.log._manifest._con.execute("PRAGMA synchronous=OFF")
send(warehouse, last)
os.kill(os.getpid(), signal.SIGKILL)
"""
"""Acknowledges some requests, says how long the log then is, and dies with one more written and not synced."""


def test_a_torn_tail_costs_nothing_that_was_acknowledged(copy: Path, tmp_path: Path) -> None:
    """1 to 200 bytes of the unsynced end cut off or written over, or garbage after it: all acknowledged rows are there.

    The request that was being written is there as a whole or not at all.
    """
    child = subprocess.run(
        [sys.executable, "-c", UNSYNCED, str(copy)], stdout=subprocess.PIPE, text=True, check=False, cwd=ROOT
    )
    assert -signal.SIGKILL == child.returncode
    synced = int(child.stdout)
    sure, perhaps = expected([*history(), *late()[:3]]), expected([*history(), *late()[:4]])
    random_ = random.Random(5)  # noqa: S311
    outcomes: list[bool] = []
    for number in range(6):
        image = Path(shutil.copytree(copy, tmp_path / f"image{number}"))
        wal = DataPaths(image).workspace("default").root / "log.db-wal"
        content = wal.read_bytes()
        assert synced < len(content)
        count = min(random_.randint(1, 200), len(content) - synced)
        at = random_.randint(synced, len(content) - count)
        noise = random_.randbytes(count)
        torn = [content[:-count], content[:at] + noise + content[at + count :], content + noise][number % 3]
        wal.write_bytes(torn)
        with Warehouse(image) as warehouse:
            found = answers(warehouse)
            assert found in (sure, perhaps)
            outcomes.append(found == perhaps)
            send(warehouse, late()[3])  # its sender retries
            warehouse.seal()
            assert perhaps == answers(warehouse)
    assert outcomes[2::3] == [True] * 2  # garbage after the end spoils nothing
    assert not all(outcomes)  # something was really torn


# --- the disk -------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 12 MB of its own: a tmpfs."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", str(folder)], check=False)
    if made.returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, leave: int) -> Path:
    """Take all space of a disk but so many bytes; return the file that holds it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize > leave:
            file.write(bytes(4096))
    return filler


def test_a_full_disk_refuses_and_resumes(small_disk: Path) -> None:
    """No acknowledgement while it is full, questions go on, and writing resumes by itself once there is space."""
    kept: list[str] = []
    codes: set[str] = set()

    def offer(server: Server, id_: str) -> bool:
        record = {"type": "run", "id": id_, "status": "Running", "input": os.urandom(20_000).hex()}
        answer = server.ingest([record])
        if "error" in answer:
            codes.add(answer["error"]["code"])
            return False
        kept.append(id_)
        return True

    def there(server: Server) -> list[str]:
        return [id_ for [id_] in server.ask("SELECT id FROM runs ORDER BY id")]

    with serving(small_disk) as server:
        for turn in range(1):
            assert all(offer(server, f"{turn}-before-{number}") for number in range(3))
            filler = fill(small_disk, 600_000)
            refused = 0
            for number in range(60):
                refused += not offer(server, f"{turn}-full-{number}")
                if refused > 3:
                    break
            assert refused > 3
            assert sorted(kept) == there(server)
            time.sleep(6)  # the keeper, too, finds no space for its files
            assert sorted(kept) == there(server)
            filler.unlink()
            assert wait_for(lambda turn=turn: offer(server, f"{turn}-{len(kept)}-after"), 30)
            assert sorted(kept) == there(server)
        data = DataPaths(small_disk).workspace("default")
        manifest = open_workspace(data).manifest
        manifest.want_sealed()
        assert wait_for(lambda: manifest.waiting().rows == 0, 30)  # the keeper resumed as well
        manifest.close()
        assert sorted(kept) == there(server)
        server.kill()
    with serving(small_disk) as server:
        assert sorted(kept) == there(server)
    assert codes <= {"disk_full", "unavailable"}
    assert "disk_full" in codes


def test_a_log_on_a_full_disk_heals(small_disk: Path) -> None:
    """The log alone, with nobody else holding its file open: refused while there is no space, then taken again."""
    paths = DataPaths(small_disk / "data").workspace("default")
    paths.root.mkdir(parents=True)
    log = Log(open_workspace(paths).manifest, Clock())

    def append(id_: str) -> None:
        rows = batch("runs", [run(id_, attributes=f'"{os.urandom(300_000).hex()}"')])
        log.append(encode({"runs": rows})).result(10)

    append("a")
    filler = fill(small_disk, 0)
    for _ in range(3):
        with pytest.raises(UpshotError) as refused:
            append("b")
        assert refused.value.code in ("disk_full", "unavailable")
        time.sleep(1.1)  # the log looks at its size anew
    filler.unlink()
    append("c")
    log.close()
    with Warehouse(small_disk / "data") as warehouse:
        assert [("a",), ("c",)] == warehouse.ask("SELECT id FROM runs ORDER BY id")


APPENDER = """
import sys
from pathlib import Path
from tests.support.rows import Warehouse, run
from warehouse.errors import UpshotError
warehouse = Warehouse(Path(sys.argv[1]))
print("begin", flush=True)
for number in range(12):
    try:
        warehouse.append("runs", run(f"r{number:02d}"))
        print("ok", f"r{number:02d}", flush=True)
    except UpshotError as error:
        print(error.code, f"r{number:02d}", flush=True)
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_failed_fsync_acknowledges_nothing_and_writing_resumes(tmp_path: Path) -> None:
    """EIO from the fsyncs of some commits: no acknowledgement of these, none of them kept, the later ones taken.

    strace counts by thread.
    """
    with Warehouse(tmp_path / "data"):
        pass  # a new file takes fsyncs of its own
    inject = "inject=fdatasync,fsync:error=EIO:when=9..11"
    traced = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", inject]
    child = subprocess.run(
        [*traced, sys.executable, "-c", APPENDER, str(tmp_path / "data")],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=120,
    )
    outcomes = [line.split() for line in child.stdout.splitlines() if line != "begin"]
    acknowledged = [id_ for code, id_ in outcomes if code == "ok"]
    refused = {code for code, _ in outcomes if code != "ok"}
    assert refused
    assert refused <= {"unavailable"}
    assert "r11" == acknowledged[-1]
    with Warehouse(tmp_path / "data") as warehouse:
        assert [(id_,) for id_ in acknowledged] == warehouse.ask("SELECT id FROM runs ORDER BY id")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("when", [8, 11])
def test_killed_between_the_write_and_the_fsync(tmp_path: Path, when: int) -> None:
    """SIGKILL at the entry of a commit's fsync: every row acknowledged before is there, and at most one more."""
    with Warehouse(tmp_path / "data"):
        pass  # a new file takes fsyncs of its own
    inject = f"inject=fdatasync,fsync:signal=SIGKILL:when={when}"
    traced = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", inject]
    child = subprocess.run(
        [*traced, sys.executable, "-c", APPENDER, str(tmp_path / "data")],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=120,
    )
    assert child.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
    acknowledged = [line.split()[1] for line in child.stdout.splitlines() if line != "begin"]
    assert acknowledged
    assert len(acknowledged) < 12
    with Warehouse(tmp_path / "data") as warehouse:
        [(count, distinct)] = warehouse.ask("SELECT count(*), count(DISTINCT id) FROM runs")
        kept = {id_ for (id_,) in warehouse.ask("SELECT id FROM runs")}
    assert set(acknowledged) <= kept
    assert len(kept) == count == distinct
    assert count in (len(acknowledged), len(acknowledged) + 1)


# --- the clock ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forward", "back"])
def test_a_clock_that_jumps_a_day_loses_nothing(warehouse: Warehouse, jump: int) -> None:
    """Before and after the jump and the jump back: each row once, no count going down, and rows still come due."""
    counts = [0]
    for turn in range(6):
        now = warehouse.clock.us
        for number in range(3):
            id_ = f"{turn}-{number}"
            warehouse.append("runs", run(id_, received_at=now, status="Running"))
            warehouse.append("score_history", score(id_, 1.0, received_at=now, run_id=id_))
        # what an earlier turn sent comes again, in a time that may lie before it
        warehouse.append("runs", run(f"{max(turn - 1, 0)}-0", received_at=now, status="Completed"))
        [(runs, distinct, scores)] = warehouse.ask(
            "SELECT count(*), count(DISTINCT id), (SELECT count(*) FROM scores) FROM runs"
        )
        assert 3 * (turn + 1) == runs == distinct == scores
        assert runs >= counts[-1]
        counts.append(runs)
        warehouse.clock.us += (jump, -jump)[turn % 2]
        warehouse.clock.us += 30_000_000
        assert warehouse.sealer.due()  # whatever the clock said when they came
        if turn % 3 != 1:
            warehouse.seal()
        while warehouse.compactor.compact(whole=True):
            pass
    assert [(5,)] == warehouse.ask("SELECT count(*) FROM runs WHERE status = 'Completed'")


# --- the log --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spoil",
    ["payload = CAST(x'00' || payload AS BLOB)", "rows = rows + 1", "\"table\" = 'ruins'"],
    ids=["payload", "rows", "table"],
)
def test_an_entry_that_cannot_be_applied_is_kept_aside(warehouse: Warehouse, spoil: str) -> None:
    """Spoiled in the log: its neighbours are answered and sealed, it is named and counted, and what follows goes on."""
    warehouse.append("runs", run("before"))
    position = warehouse.append("runs", run("spoiled"))
    warehouse.append("runs", run("after"))
    con = sqlite3.connect(warehouse.paths.database)
    con.execute(f"UPDATE log SET {spoil} WHERE seq = {position}")
    con.commit()
    con.close()
    for _ in range(2):
        assert [("after",), ("before",)] == warehouse.ask("SELECT id FROM runs ORDER BY id")
        warehouse.seal()
    warehouse.append("runs", run("later"))
    warehouse.seal()
    assert [("after",), ("before",), ("later",)] == warehouse.ask("SELECT id FROM runs ORDER BY id")
    [quarantined] = warehouse.workspace.manifest.quarantine()
    assert position == quarantined.seq
    assert quarantined.reason


def test_a_full_log_pushes_back_and_recovers(warehouse: Warehouse) -> None:
    """Several senders beyond the bound: 429 with a time, never more than the bound and a group waiting, 0 lost."""
    bound, each, senders = 40, 60, 4
    small = Log(open_workspace(warehouse.paths).manifest, warehouse.clock, max_rows=bound)
    done = threading.Event()
    refusals: list[TransientError] = []
    highest = [0]

    def send_all(sender: int) -> None:
        for number in range(each):
            rows = encode({"runs": batch("runs", [run(f"{sender}-{number}")])})
            while True:
                try:
                    small.append(rows).result(10)
                    break
                except TransientError as error:
                    refusals.append(error)
                    time.sleep(0.01)

    def keep() -> None:
        while not done.wait(0.1):
            highest[0] = max(highest[0], warehouse.workspace.manifest.waiting().rows)
            warehouse.sealer.seal()

    threads = [threading.Thread(target=send_all, args=(sender,)) for sender in range(senders)]
    keeping = threading.Thread(target=keep)
    for thread in (*threads, keeping):
        thread.start()
    for thread in threads:
        thread.join(60)
    done.set()
    keeping.join(30)
    small.close()
    assert refusals
    assert {("rate_limited", True)} == {(error.code, error.retry_after > 0) for error in refusals}
    assert highest[0] <= bound + senders
    assert [(each * senders, each * senders)] == warehouse.ask("SELECT count(*), count(DISTINCT id) FROM runs")
