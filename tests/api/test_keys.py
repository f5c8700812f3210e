"""Keys: one workspace, some rights; loopback is open only while there is none."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.server import serving

if TYPE_CHECKING:
    from pathlib import Path

RECORD = b'{"type":"run","id":"r","status":"Completed"}'


def create(data: Path, *arguments: str) -> str:
    """Return what `upshot keys create` printed."""
    command = [sys.executable, "-P", "-m", "api.cli", "keys", "create", "--data", str(data), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_keys_open_their_workspace_and_close_the_rest(tmp_path: Path) -> None:
    """A key made beside a running server works at once, sees only its workspace, and may only what it may."""
    with serving(tmp_path / "data") as server:
        assert server.http.post("/v1/ingest", content=RECORD).status_code == 200
        both = {"authorization": f"Bearer {create(tmp_path / 'data', '--workspace', 'a')}"}
        reader = {"authorization": f"Bearer {create(tmp_path / 'data', '--workspace', 'b', '--rights', 'query')}"}
        assert server.http.get("/v1/tables").status_code == 401
        count = {"sql": "SELECT count(*) FROM runs"}
        assert [[0]] == server.http.post("/v1/query", json=count, headers=both).json()["rows"]
        assert server.http.post("/v1/ingest", content=RECORD, headers=both).json()["accepted"] == 1
        assert [[1]] == server.http.post("/v1/query", json=count, headers=both).json()["rows"]
        assert [[0]] == server.http.post("/v1/query", json=count, headers=reader).json()["rows"]
        assert server.http.post("/v1/ingest", content=RECORD, headers=reader).status_code == 403


def test_a_key_can_be_made_before_the_first_start(tmp_path: Path) -> None:
    """`keys create` makes the folder and prints only the key."""
    key = create(tmp_path / "new")
    assert key.startswith("upk_")
    assert len(key.split()) == 1
    with serving(tmp_path / "new") as server:
        assert server.http.get("/v1/tables", headers={"authorization": f"Bearer {key}"}).is_success


def test_another_sites_page_cannot_use_the_readers_loopback(tmp_path: Path) -> None:
    """Open loopback answers neither a cross-site request nor a name that was made to point here."""
    with serving(tmp_path / "data") as server:
        for headers in ({"sec-fetch-site": "cross-site"}, {"host": "evil.example"}):
            assert server.http.get("/v1/tables", headers=headers).status_code == 401
