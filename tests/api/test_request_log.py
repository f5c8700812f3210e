"""The request log: one true line for each query, nothing of its text, and no request that fails for it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from api import request_log
from api.request_log import Line, Lines
from api.settings import load
from tests.support.command import upshot
from tests.support.server import Server, serving
from warehouse.directory import open_directory
from warehouse.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "kanarienvogel"
SQL = f"SELECT '{CANARY}' AS bird, $x AS given FROM (VALUES (1), (2), (3))"
FIELDS = ["at", "request_id", "kind", "key", "workspace", "statement", "verdict", "rows", "bytes", "ms"]


def lines(server: Server, count: int) -> list[dict[str, Any]]:
    """Return the log once it has so many lines: each is written just after its answer."""
    path = server.data / "logs" / "requests.ndjson"
    found: list[str] = []
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = path.read_text().splitlines() if path.exists() else []
        if len(found) >= count:
            break
        time.sleep(0.02)
    assert count == len(found), found
    return [json.loads(line) for line in found]


def test_each_query_leaves_one_true_line(tmp_path: Path) -> None:
    """Who, where, which text, how it ended, how much: as the answers themselves say; and no word of the text."""
    with serving(tmp_path / "data") as server:
        key = upshot("keys", "create", "--data", server.data, "--rights", "query,admin", "--name", "me")
        me = {"authorization": f"Bearer {key.stdout.decode().strip()}"}
        id_ = upshot("keys", "list", "--data", server.data).stdout.decode().splitlines()[1].split("\t")[0]
        digest = hashlib.sha256(SQL.encode()).hexdigest()[:16]
        before = dt.datetime.now(dt.UTC)
        body = {"sql": SQL, "params": {"x": CANARY}}
        asked = server.http.post("/v1/query", json=body, headers=me)
        refused = server.http.post("/v1/query", json={"sql": f"SELECT {CANARY} FROM runs"}, headers=me)
        checked = server.http.post("/v1/query/check", json=body, headers=me)
        params = {"x": {"type": "text"}}
        assert server.http.put("/v1/queries/q", json={"sql": SQL, "params": params}, headers=me).is_success
        result = server.http.get(f"/v1/queries/q/result?x={CANARY}&format=csv", headers=me)
        bad = server.http.get(f"/v1/queries/q/result?y={CANARY}", headers=me)
        stranger = server.http.post("/v1/query", json=body)
        assert server.http.get("/v1/tables", headers=me).is_success
        answers = [asked, refused, checked, result, bad, stranger]
        assert [200, 400, 200, 200, 400, 401] == [answer.status_code for answer in answers]
        found = lines(server, len(answers))
        assert all(FIELDS == list(line) for line in found)
        assert [answer.headers["x-request-id"] for answer in answers] == [line["request_id"] for line in found]
        assert [len(answer.content) for answer in answers] == [line["bytes"] for line in found]
        assert ["query", "query", "check", "result", "result", "query"] == [line["kind"] for line in found]
        verdicts = ["ok", "unknown_column", "ok", "ok", "bad_parameter", "unauthorized"]
        assert verdicts == [line["verdict"] for line in found]
        assert [3, None, None, 3, None, None] == [line["rows"] for line in found]
        assert [digest, digest, digest] == [found[at]["statement"] for at in (0, 2, 3)]
        assert found[1]["statement"] not in (None, digest)
        assert [(id_, "default")] * 5 + [(None, None)] == [(line["key"], line["workspace"]) for line in found]
        after = dt.datetime.now(dt.UTC)
        assert all(before <= dt.datetime.fromisoformat(line["at"]) <= after for line in found)
        assert all(0 < line["ms"] < (after - before).total_seconds() * 1000 for line in found)
        text = (server.data / "logs" / "requests.ndjson").read_text()
        assert CANARY not in text and me["authorization"].split("_", 1)[1] not in text


def test_no_query_fails_for_its_line(tmp_path: Path) -> None:
    """Where the log's folder should be stands a file: queries are answered, and the server says once what is wrong."""
    data = open_directory(tmp_path / "data")
    (data.root / "logs").write_text("in the way")
    with serving(data.root) as server:
        assert [[1]] == server.ask("SELECT 1")
        assert [[2]] == server.ask("SELECT 2")
        server.stop()
    said = server.log
    assert 1 == said.count("request_log_failed")
    assert "logs" in said
    assert "in the way" == (data.root / "logs").read_text()


def test_the_page_of_sql_leaves_lines_too(tmp_path: Path) -> None:
    """With the refusal's code, although the page itself is answered."""
    with serving(tmp_path / "data") as server:
        for sql in ("SELECT 1 AS n", "SELECT n FROM nothing"):
            assert server.http.get("/sql", params={"q": sql, "plain": "1"}).is_success
        assert server.http.get("/sql").is_success
        found = [(line["kind"], line["key"], line["verdict"], line["rows"]) for line in lines(server, 2)]
        assert [("page", "", "ok", 1), ("page", "", "unknown_table", None)] == found


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    """Then there is no folder either; any other word than on and off is refused."""
    with serving(tmp_path / "data", request_log="off") as server:
        assert [[1]] == server.ask("SELECT 1")
        assert not (server.data / "logs").exists()
    with pytest.raises(InputError, match="UPSHOT_REQUEST_LOG is 'no', must be on or off"):
        load(environment={"UPSHOT_REQUEST_LOG": "no"})


def test_a_caller_who_leaves_is_told_as_such(tmp_path: Path) -> None:
    """A query whose caller did not wait has a line too, and is not called ok."""
    with serving(tmp_path / "data") as server:
        slow = "SELECT count(*) FROM range(100000) a, range(100000) b WHERE a.range * b.range % 7 = 3"
        with pytest.raises(httpx.ReadTimeout):
            server.http.post("/v1/query", json={"sql": slow, "timeout_s": 3}, timeout=0.5)
        [line] = lines(server, 1)
        assert line["verdict"] in ("aborted", "timeout")
        assert hashlib.sha256(slow.encode()).hexdigest()[:16] == line["statement"]


def line(number: int) -> Line:
    """Return some line."""
    return Line("2026-09-01T00:00:00Z", f"{number:06d}", "query", "", "default", "0" * 16, "ok", 1, 1, 1.0)


def test_files_rotate_and_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole lines in order, the newest of them, in at most so many files of at most so many bytes."""
    monkeypatch.setattr(request_log, "MAX_BYTES", 2_000)
    path = tmp_path / "logs" / "requests.ndjson"
    for part in range(3):  # as after two restarts
        log = Lines(path)
        for number in range(100):
            log.write(line(part * 100 + number))
        log.close()
    files = [path.with_name(f"{path.name}.{number}") for number in range(request_log.BACKUPS, 0, -1)] + [path]
    assert sorted(files) == sorted(path.parent.iterdir())
    assert all(file.stat().st_size <= 2_000 for file in files)
    kept = [int(json.loads(text)["request_id"]) for file in files for text in file.read_text().splitlines()]
    assert list(range(300 - len(kept), 300)) == kept
    assert len(kept) > 2_000 // 200 * request_log.BACKUPS


def test_a_line_names_no_text() -> None:
    """Of the fields none could hold SQL or a parameter; a new one must be thought about here."""
    assert FIELDS == list(Line.__struct_fields__)
    assert re.fullmatch(r"[0-9a-f]{16}", request_log.digest("SELECT '\ud800'"))
