"""Acknowledged means kept, once, and visible: over HTTP, through kill -9 and SIGTERM, of the real processes."""

from __future__ import annotations

import gzip
import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pyarrow as pa
import zstandard

from tests.support.server import Server, serving

if TYPE_CHECKING:
    import subprocess

RUN = {"type": "run", "id": "01M1D47Z005TX2WRHSK9KN7W6A", "status": "Completed", "user_id": "u"}


def runs(prefix: str, count: int) -> list[dict[str, Any]]:
    """Return run records with ids of their own."""
    return [{**RUN, "id": f"{prefix}-{number}"} for number in range(count)]


def test_every_encoding_and_form_gives_the_same_rows(server: Server) -> None:
    """NDJSON and JSON arrays, plain, gzip and zstd, all land; sent again they change no count."""
    lines = b"\n".join(msgspec.json.encode(record) for record in runs("form", 3))
    forms = {
        "ndjson": (lines, {"content-type": "application/x-ndjson"}),
        "array": (json.dumps(runs("form", 3)).encode(), {"content-type": "application/json"}),
        "gzip": (gzip.compress(lines), {"content-encoding": "gzip"}),
        "zstd": (zstandard.compress(lines), {"content-encoding": "zstd"}),
    }
    for name, (body, headers) in forms.items():
        answer = server.http.post("/v1/ingest", content=body, headers=headers)
        assert (200, {"accepted": 3, "rejected": []}) == (answer.status_code, answer.json()), name
        assert [[3]] == server.ask("SELECT count(*) FROM runs WHERE id LIKE 'form-%'")


def test_a_bad_record_keeps_its_neighbours(server: Server) -> None:
    """207 with index, code, field and message of the bad ones; 400 when all are bad; the good ones are there."""
    records = [*runs("good", 2), {"type": "run", "id": "bad", "status": "Done"}, {"type": "rum"}]
    body = b"\n".join(json.dumps(record).encode() for record in records) + b"\n{not json"
    answer = server.http.post("/v1/ingest", content=body)
    assert answer.status_code == 207
    found = answer.json()
    assert found["accepted"] == 2
    assert [2, 3, 4] == [rejected["index"] for rejected in found["rejected"]]
    assert all({"index", "code", "field", "message"} == set(rejected) for rejected in found["rejected"])
    assert [[2]] == server.ask("SELECT count(*) FROM runs WHERE id LIKE 'good-%'")
    assert server.http.post("/v1/ingest", content=b"{not json").status_code == 400


def test_a_row_is_visible_to_the_next_query_and_after_sealing(tmp_path: Path) -> None:
    """The answer of an ingest is followed by a query that sees the row; so it stays while the keeper seals it."""
    with serving(tmp_path / "data") as server:
        for number in range(20):
            server.ingest(runs(f"n{number}", 1))
            assert [[number + 1]] == server.ask("SELECT count(*) FROM runs")
        seen = 20
        deadline = time.monotonic() + 30
        while not list((tmp_path / "data").rglob("*.parquet")):
            assert time.monotonic() < deadline, "nothing was sealed"
            assert [[seen]] == server.ask("SELECT count(*) FROM runs")
        assert [[seen]] == server.ask("SELECT count(*) FROM runs")


def test_kill_9_of_the_api_loses_nothing(tmp_path: Path) -> None:
    """Killed after an answer and started again: every answered row, each once, whether it was sealed or not."""
    data = tmp_path / "data"
    with serving(data) as server:
        for batch in range(5):
            server.ingest(runs(f"b{batch}", 100))
        server.kill()
    with serving(data) as server:
        assert [[500, 500]] == server.ask("SELECT count(*), count(DISTINCT id) FROM runs")
        assert 100 == server.ingest(runs("b0", 100))["accepted"]
        assert [[500]] == server.ask("SELECT count(*) FROM runs")


def test_sigterm_seals_everything_and_ends_with_0(tmp_path: Path) -> None:
    """After SIGTERM the log is empty, the files have every row, and the exit code is 0."""
    data = tmp_path / "data"
    with serving(data) as server:
        server.ingest(runs("s", 50))
        assert 0 == server.stop()
    assert list(data.rglob("runs/day=*/*.parquet"))
    with serving(data) as server:
        assert [[50]] == server.ask("SELECT count(*) FROM runs")


def children(process: subprocess.Popen[str]) -> dict[str, int]:
    """Return the process ids of a server's children by module name."""
    found: dict[str, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[1]
            command = (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if int(parent) == process.pid and "-m" in command:
            found[command[command.index("-m") + 1]] = int(folder.name)
    return found


def test_killed_helpers_are_replaced(tmp_path: Path) -> None:
    """A killed query worker fails at most the question it had; a killed keeper is started again and seals."""
    with serving(tmp_path / "data") as server:
        server.ingest(runs("k", 10))
        os.kill(children(server.process)["queries.worker"], signal.SIGKILL)
        answers = [server.http.post("/v1/query", json={"sql": "SELECT count(*) FROM runs"}).json() for _ in range(2)]
        assert [[10]] == answers[-1]["rows"]
        os.kill(children(server.process)["warehouse.keeper"], signal.SIGKILL)
        deadline = time.monotonic() + 40
        while not list((tmp_path / "data").rglob("*.parquet")):
            assert time.monotonic() < deadline, "the new keeper sealed nothing"
            time.sleep(0.2)


def test_a_query_past_its_deadline_is_stopped_and_others_go_on(server: Server) -> None:
    """A heavy query ends with `timeout` at its own limit; the next one is answered."""
    heavy = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = 3"
    error = server.refused(heavy, timeout_s=0.5)
    assert error["code"] == "timeout"
    assert [[1]] == server.ask("SELECT 1")


def test_arrow_and_json_have_the_same_rows(server: Server) -> None:
    """By Accept the same rows come as an Arrow stream, with the facts in its metadata."""
    server.ingest(runs("arrow", 4))
    sql = "SELECT id, status FROM runs WHERE id LIKE 'arrow-%' ORDER BY id"
    answer = server.http.post("/v1/query", json={"sql": sql}, headers={"accept": "application/vnd.apache.arrow.stream"})
    table = pa.ipc.open_stream(answer.content).read_all()
    assert server.ask(sql) == [list(row.values()) for row in table.to_pylist()]
    assert json.loads((table.schema.metadata or {})[b"upshot"])["row_count"] == 4


def test_truncated_is_a_fact(server: Server) -> None:
    """`truncated` says whether one more row existed, at, below and above the limit."""
    for limit, truncated in ((9, True), (10, False), (11, False)):
        answer = server.http.post("/v1/query", json={"sql": "SELECT * FROM range(10)", "limit": limit}).json()
        assert (min(limit, 10), truncated) == (answer["row_count"], answer["truncated"])


def test_a_second_server_on_the_same_folder_is_refused(server: Server) -> None:
    """The folder is locked by its server; the second one says so and touches nothing."""
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    command = [sys.executable, "-P", "-m", "api.cli", "serve", "--data", str(server.data), "--port", "0"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode != 0
    assert "in use by another upshot process" in second.stderr
    assert httpx.get(f"{server.url}/readyz").is_success
