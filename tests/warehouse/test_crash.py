"""Killed at any named step, a restart finds every acknowledged row once: real processes, ended by SIGKILL.

The oracle is `tests.support.history.expected`, plain Python over the requests that were acknowledged.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.crash import EAGER, RUNS, Nursery, wait_for
from tests.support.history import answers, expected, history, last_position, late, send
from tests.support.rows import Warehouse
from warehouse.compaction import Compactor
from warehouse.upkeep import recover, unlink
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.history import Request


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """The process whose children are killed."""
    with Nursery() as opened:
        yield opened


def check_restart(root: Path, requests: list[Request]) -> None:
    """Restart on a data directory and compare everything with the oracle: answers, files, what is left over."""
    wanted = expected(requests)
    with Warehouse(root) as warehouse:
        assert wanted == answers(warehouse)  # a reader does not wait for the keeper's recovery
        recover(warehouse.workspace)
        for request in requests[-3:]:
            send(warehouse, request)  # the senders retry what they may not have heard of
        warehouse.seal()
        compactor = Compactor(open_workspace(warehouse.paths), EAGER)
        while compactor.compact(whole=True):
            pass
        compactor.close()
        assert wanted == answers(warehouse)
        unlink(warehouse.workspace)
        manifest, files = warehouse.workspace.manifest, warehouse.workspace.files
        snapshot = manifest.read(None)[0]
        assert sorted(file.place for file in snapshot.files) == sorted(files.present())
        assert [file.sha256 for file in snapshot.files] == [files.digest(file.place) for file in snapshot.files]
        assert [] == [path for path in warehouse.paths.scratch.rglob("*") if path.is_file()]
        assert ([], [], []) == (manifest.leftovers(), manifest.unneeded(), manifest.quarantine())
        assert 0 == manifest.waiting().rows
        assert [] == list(manifest.check())


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, id=f"{point.name} {call}", marks=pytest.mark.long if call > 1 else ())
        for number, (point, call) in enumerate(RUNS)
    ],
)
def test_killed_at_a_step_it_keeps_every_row_once(loaded: Path, nursery: Nursery, tmp_path: Path, number: int) -> None:
    """0 lost, 0 doubled, the oracle's answers, and no file that the manifest does not name."""
    root = tmp_path / "data"
    shutil.copytree(loaded, root)
    ended_by, acknowledged = nursery.kill(number, root)
    assert signal.SIGKILL == ended_by, "the point was not reached"
    with Warehouse(root) as warehouse:
        snapshot, entries = warehouse.workspace.manifest.read(None)
        there = entries[-1].seq if entries else snapshot.sealed
    # A request that was being committed is there as a whole or not at all; it was not acknowledged.
    sure, perhaps = [*history(), *late()[:acknowledged]], [*history(), *late()[: acknowledged + 1]]
    assert there in (last_position(sure), last_position(perhaps))
    check_restart(root, sure if there == last_position(sure) else perhaps)


PAUSED_KEEPER = """
import sys, time
from pathlib import Path
from warehouse import keeper
from warehouse.sqlite_manifest import SqliteManifest
folder = Path(sys.argv[3])
commit = SqliteManifest.commit
def paused(self, change):
    if change.sealed is not None and not (folder / "reached").exists():
        (folder / "reached").touch()
        while not (folder / "go").exists():
            time.sleep(0.01)
    return commit(self, change)
SqliteManifest.commit = paused
keeper.main()
"""
"""A keeper that waits between having published its first files and the commit that makes them live."""


@pytest.mark.parametrize("sealed_again", [False, True], ids=["recovered", "sealed again"])
def test_a_keeper_that_outlives_its_server_meets_the_next_one(loaded: Path, tmp_path: Path, sealed_again: bool) -> None:  # noqa: FBT001
    """An API killed -9 leaves its keeper sealing for a while; the next server's keeper must not undo or repeat that."""
    root = tmp_path / "data"
    shutil.copytree(loaded, root)
    paused = [sys.executable, "-c", PAUSED_KEEPER, str(root), str(os.getpid()), str(tmp_path)]
    with subprocess.Popen(paused, stderr=subprocess.DEVNULL) as old, Warehouse(root) as warehouse:
        assert wait_for((tmp_path / "reached").exists, 30)
        requests = history()
        if sealed_again:
            requests.append(late()[0])
            send(warehouse, requests[-1])
        manifest = warehouse.workspace.manifest
        command = [sys.executable, "-m", "warehouse.keeper", str(root), str(os.getpid())]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as new:
            if sealed_again:
                wait_for(lambda: manifest.read(None, max_rows=0)[0].sealed == last_position(requests), 4)
            else:
                wait_for(lambda: not manifest.leftovers(), 4)
            (tmp_path / "go").touch()
            time.sleep(0.1)
            for process in (old, new):
                process.terminate()
                process.wait(30)
    check_restart(root, requests)
