"""What a query worker took from itself is really gone: attempted by Python code inside such a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from queries.isolation import isolate

ROOT = Path(__file__).resolve().parents[2]

ATTEMPTS = """
import ctypes, json, os, socket, subprocess, sys, threading
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import duckdb
from queries.isolation import isolate, limit_resources
own, other, spool = map(Path, sys.argv[2:5])
limit_resources()
missing = isolate(readable=[own], writable=[spool, own / "log.db"])
TGKILL, X32_KILL = {"x86_64": (234, 0x4000_0000 + 62), "aarch64": (131, 129)}[os.uname().machine]
def called(number, *arguments):
    if ctypes.CDLL(None, use_errno=True).syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")
def of_threads():
    made = []
    thread = threading.Thread(target=lambda: made.append(1))
    thread.start()
    thread.join()
    return made
def of_duckdb():
    con = duckdb.connect()
    con.execute("SET threads = 4")
    return con.execute("SELECT sum(range) FROM range(1000000)").fetchall()
attempts = {
    "read own": lambda: (own / "runs").read_text(),
    "write own database": lambda: (own / "log.db").write_text("x"),
    "make an answer": lambda: (spool / "answer").write_text("x"),
    "remove an answer": lambda: (spool / "answer").unlink(),
    "make a folder": lambda: (spool / "folder").mkdir(),
    "remove a folder": lambda: (spool / "folder").rmdir(),
    "threads": of_threads,
    "duckdb": of_duckdb,
    "a module": lambda: __import__("scipy.stats"),
    "read another workspace": lambda: (other / "runs").read_text(),
    "list another workspace": lambda: os.listdir(other),
    "change an own file": lambda: (own / "runs").write_text("x"),
    "make an own file": lambda: (own / "new").write_text("x"),
    "remove an own file": lambda: (own / "runs").unlink(),
    "read the system's users": lambda: Path("/etc/passwd").read_text(),
    "read the parent's secrets": lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
    "write elsewhere": lambda: (other.parent / "new").write_text("x"),
    "network": socket.socket,
    "a pair of sockets": socket.socketpair,
    "a child": os.fork,
    "a program": lambda: subprocess.run(["true"]),
    "become a program": lambda: os.execv("/bin/true", ["true"]),
    "a signal to the parent": lambda: os.kill(os.getppid(), 0),
    "a signal to a thread of the parent": lambda: called(TGKILL, os.getppid(), os.getppid(), 0),
    "the same by a number of x32": lambda: called(X32_KILL, os.getppid(), 0),
}
outcomes = {}
for name, attempt in attempts.items():
    try:
        attempt()
        outcomes[name] = "done"
    except BaseException as error:
        outcomes[name] = type(error).__name__
print(json.dumps([missing, outcomes]))
sys.stdout.flush()
os._exit(0)
"""

NEEDED = {
    *("read own", "write own database", "make an answer", "remove an answer", "make a folder", "remove a folder"),
    *("threads", "duckdb", "a module"),
}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], dict[str, str]]:
    """What is missing, and what came of each attempt."""
    root = tmp_path_factory.mktemp("isolation")
    folders = [root / name for name in ("own", "other", "spool")]
    for folder in folders:
        folder.mkdir()
        (folder / "runs").write_text("canary")
    (folders[0] / "log.db").touch()
    done = subprocess.run(
        [sys.executable, "-P", "-c", ATTEMPTS, str(ROOT), *map(str, folders)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={"PATH": os.environ["PATH"], "SECRET": "canary"},
    )
    missing, outcomes = json.loads(done.stdout)
    return missing, outcomes


def test_what_a_worker_needs_it_can_do(outcome: tuple[list[str], dict[str, str]]) -> None:
    """Its own files, its database, answers, threads, the engine, and modules that are imported late."""
    assert dict.fromkeys(NEEDED, "done") == {name: found for name, found in outcome[1].items() if name in NEEDED}


def test_all_else_is_refused_by_the_kernel(outcome: tuple[list[str], dict[str, str]]) -> None:
    """Foreign files, network, programs, children and signals; where the kernel lacks a means, that is named."""
    missing, outcomes = outcome
    if missing:
        pytest.skip("; ".join(missing))
    others = {name: found for name, found in outcomes.items() if name not in NEEDED}
    assert dict.fromkeys(others, "PermissionError") == others


def test_a_machine_without_the_means_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is refused there, and the caller is told what is missing."""
    monkeypatch.setattr("platform.machine", lambda: "vax")
    assert any("vax" in what for what in isolate([], []))
