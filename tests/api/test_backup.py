"""Backup as an operator does it: export beside a running server, check, restore, serve; folders that are refused."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import duckdb
import pytest

from tests.support.command import ROOT, upshot
from tests.support.folders import contents, mounted
from tests.support.server import serving

if TYPE_CHECKING:
    from pathlib import Path

QUESTIONS = (
    "SELECT * FROM runs ORDER BY id",
    "SELECT * FROM score_history ORDER BY id, version",
    "SELECT * FROM experiment_scores ORDER BY ALL",
)
RECORDS = [
    *({"type": "run", "id": f"run-{n}", "status": "Completed", "user_id": f"u{n % 3}"} for n in range(50)),
    *({"type": "assignment", "run_id": f"run-{n}", "experiment": "e", "variant": "ab"[n % 2]} for n in range(50)),
    *({"type": "score", "run_id": f"run-{n}", "name": "solved", "value": n % 2 == 0} for n in range(50)),
]


def test_an_export_beside_a_running_server_is_served_again(tmp_path: Path) -> None:
    """Plain DuckDB counts what the API counts; the restored server answers alike, also as known before a change."""
    out = tmp_path / "backup"
    with serving(tmp_path / "data") as server:
        assert 150 == server.ingest(RECORDS)["accepted"]
        time.sleep(0.01)
        before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))
        time.sleep(1.5)
        server.ingest([{"type": "score", "run_id": "run-1", "name": "solved", "value": True}])
        done = upshot("export", "--parquet", out, "--data", tmp_path / "data")
        assert 0 == done.returncode, done.stderr
        healthy = upshot("doctor", "--data", tmp_path / "data")
        assert 0 == healthy.returncode, healthy.stdout
        assert b"nothing is wrong in 1 workspace" in healthy.stderr
        for table in ("runs", "scores", "assignments"):
            theirs = duckdb.execute(f"SELECT count(*) FROM '{out}/{table}/**/*.parquet'").fetchall()
            assert server.ask(f"SELECT count(*) FROM {table}") == [list(row) for row in theirs]
        first = [server.ask(sql) for sql in QUESTIONS]
        first += [server.ask(sql, known_at=before) for sql in QUESTIONS]
        busy = upshot("doctor", "--repair", "--data", tmp_path / "data")
        assert 1 == busy.returncode
        assert b"in use by another upshot process" in busy.stderr
        assert 0 == server.stop()
    done = upshot("restore", out, "--data", tmp_path / "second")
    assert 0 == done.returncode, done.stderr
    assert b"workspace default: 151 rows" in done.stderr
    with serving(tmp_path / "second") as server:
        second = [server.ask(sql) for sql in QUESTIONS]
        second += [server.ask(sql, known_at=before) for sql in QUESTIONS]
        assert first == second
        server.ingest(RECORDS)
        assert [[50]] == server.ask("SELECT count(*) FROM runs")
    again = upshot("restore", out, "--data", tmp_path / "second")
    assert 2 == again.returncode
    assert b"is not empty" in again.stderr


@pytest.mark.long
def test_the_doctor_names_and_mends_from_the_command_line(tmp_path: Path) -> None:
    """Exit code 1 and the file's name, as a table and as JSON; after the repair 0, and the loss was said aloud."""
    data = tmp_path / "data"
    with serving(data) as server:
        server.ingest(RECORDS)
        assert 0 == server.stop()
    [victim] = list(data.glob("workspaces/default/runs/*/*.parquet"))
    foreign = victim.with_name("foreign.parquet")
    foreign.write_bytes(victim.read_bytes())
    raw = bytearray(victim.read_bytes())
    raw[100] ^= 1
    victim.write_bytes(raw)
    before = contents(victim.parent)
    found = upshot("doctor", "--data", data, "--format", "json")
    assert 1 == found.returncode, found.stderr
    assert {"damaged", "stranger"} == {one["code"] for one in json.loads(found.stdout)["findings"]}
    table = upshot("doctor", "--data", data)
    assert 1 == table.returncode
    assert victim.name in table.stdout.decode().replace("\n", "").replace(" ", "")
    assert before == contents(victim.parent)
    mended = upshot("doctor", "--data", data, "--repair")
    assert 1 == mended.returncode
    assert b"50 rows LOST from answers" in mended.stderr
    assert foreign.exists()
    foreign.unlink()
    assert 0 == upshot("doctor", "--data", data).returncode
    with serving(data) as server:
        assert [[0]] == server.ask("SELECT count(*) FROM runs")
        assert [[50]] == server.ask("SELECT count(*) FROM scores")


@pytest.mark.long
def test_a_missing_file_is_named_to_the_question_that_needs_it(tmp_path: Path) -> None:
    """Others are answered; the server starts. Once the file is back and the doctor has looked, everything is."""
    data = tmp_path / "data"
    with serving(data) as server:
        server.ingest(RECORDS)
        assert 0 == server.stop()
    [victim] = list(data.glob("workspaces/default/runs/*/*.parquet"))
    raw = victim.read_bytes()
    victim.unlink()
    with serving(data) as server:
        error = server.refused("SELECT count(*) FROM runs")
        assert "unavailable" == error["code"]
        assert victim.name in error["message"]
        assert "doctor" in error["hint"]
        assert [[50]] == server.ask("SELECT count(*) FROM scores")
        assert 0 == server.stop()
    victim.write_bytes(raw)
    upshot("doctor", "--repair", "--data", data)
    with serving(data) as server:
        assert [[50]] == server.ask("SELECT count(*) FROM runs")


@pytest.mark.long
def test_a_foreign_file_is_in_the_servers_log_at_its_start(tmp_path: Path) -> None:
    """By its path, once; it is neither read nor removed."""
    data = tmp_path / "data"
    with serving(data) as server:
        server.ingest(RECORDS)
        assert 0 == server.stop()
    [own] = list(data.glob("workspaces/default/runs/*/*.parquet"))
    foreign = own.with_name("0-copy-of-mine.parquet")
    foreign.write_bytes(own.read_bytes())
    with serving(data) as server:
        assert [[50]] == server.ask("SELECT count(*) FROM runs")
        deadline = time.monotonic() + 20
        while foreign.name not in server.log and time.monotonic() < deadline:
            time.sleep(0.1)
        assert 0 == server.stop()
    assert foreign.name in server.log
    assert foreign.read_bytes() == own.read_bytes()


@pytest.mark.parametrize("kind", ["stranger", "newer", "locked", "read-only", "file"])
def test_the_server_refuses_a_bad_folder_and_touches_nothing(tmp_path: Path, kind: str) -> None:
    """One clear line, a hint, no traceback; the folder is as it was."""
    data = tmp_path / "data"
    if kind == "file":
        data.write_text("mine")
    elif kind == "stranger":
        data.mkdir()
        (data / "thesis.txt").write_text("mine")
    else:
        assert 0 == upshot("keys", "create", "--data", data).returncode
    expected = {
        "stranger": "not a data directory of upshot",
        "newer": "has format 99",
        "locked": "in use by another upshot process",
        "read-only": "cannot write",
        "file": "is a file, not a folder",
    }[kind]
    if kind == "newer":
        con = sqlite3.connect(data / "server.db")
        con.execute("PRAGMA user_version = 99")
        con.close()
    if kind == "locked":
        with serving(data) as server:
            _refused(data, expected)
            assert server.http.get("/readyz").is_success
        return
    before = contents(data)
    if kind == "read-only":
        with mounted(data, "--bind", "-o", "ro", str(data)):
            _refused(data, expected)
    else:
        _refused(data, expected)
    assert before == contents(data)


def _refused(data: Path, expected: str) -> None:
    done = upshot("serve", "--data", data, "--port", "0")
    assert done.returncode != 0
    error = done.stderr.decode()
    assert expected in error
    assert "hint:" in error
    assert "Traceback" not in error


def test_the_documented_commands_run(tmp_path: Path) -> None:
    """Every shell line of docs/backup.md, word by word, but for the server's own."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "backup.md").read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if not line.startswith("upshot serve")]
    assert 4 == len(lines)
    (tmp_path / "records.ndjson").write_text("\n".join(map(json.dumps, RECORDS)))
    assert 0 == upshot("ingest", "records.ndjson", "--data", "upshot-data", cwd=tmp_path).returncode
    (tmp_path / "backup").mkdir()
    ours = f'upshot() {{ {sys.executable} -P -m api.cli "$@"; }}; python() {{ {sys.executable} "$@"; }}\n'
    script = ours + "\n".join(lines)
    done = subprocess.run(
        ["bash", "-euc", script], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert 0 == done.returncode, done.stderr
    assert "Completed" in done.stdout
    assert "50" in done.stdout


def test_slips_of_the_pen_make_nothing(tmp_path: Path) -> None:
    """A wrong folder or workspace is said, with exit code 4, and no folder appears."""
    assert 0 == upshot("keys", "create", "--data", tmp_path / "data").returncode
    before = contents(tmp_path)
    for command in (
        ("doctor", "--data", tmp_path / "dta"),
        ("doctor", "--data", tmp_path / "data", "--workspace", "nope"),
        ("export", "--parquet", tmp_path / "out", "--data", tmp_path / "dta"),
        ("export", "--parquet", tmp_path / "out", "--data", tmp_path / "data", "--workspace", "nope"),
        ("restore", tmp_path / "out", "--data", tmp_path / "new"),
    ):
        done = upshot(*command)
        assert 4 == done.returncode, done.stderr
        assert b"Traceback" not in done.stderr
    assert before == contents(tmp_path)
