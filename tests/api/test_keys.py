"""Keys: one workspace, some rights; loopback is open only while none was ever made."""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.command import upshot
from tests.support.rows import NOW
from tests.support.server import serving
from warehouse.directory import open_directory
from warehouse.errors import InputError, NotFoundError, UpshotError
from warehouse.keys import STEPS, Access, Keys
from warehouse.paths import DataPaths

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


def listed(data: Path) -> list[list[str]]:
    """Return what `upshot keys list` prints, without its heading."""
    done = upshot("keys", "list", "--data", data)
    assert 0 == done.returncode, done.stderr
    return [line.split("\t") for line in done.stdout.decode().splitlines()[1:]]


def test_keys_are_listed_and_revoked_beside_a_running_server(tmp_path: Path) -> None:
    """The list shows all but the key; a revoked key is refused from the next request on, and stays in the list."""
    data = tmp_path / "data"
    with serving(data) as server:
        assert [] == listed(data)
        key = create(data, "--name", "grafana", "--rights", "query", "--workspace", "support")
        other = create(data, "--name", "grafana")
        headers = {"authorization": f"Bearer {key}"}
        assert server.http.get("/v1/tables", headers=headers).is_success
        today = dt.datetime.now(dt.UTC).date().isoformat()
        [first, second] = listed(data)
        assert ["grafana", "support", "query", today, "–"] == [*first[1:4], *first[5:]]
        assert ["grafana", "default", "ingest,query", "–", "–"] == [*second[1:4], *second[5:]]
        assert not any(secret[4:] in str(listed(data)) for secret in (key, other))
        ambiguous = upshot("keys", "revoke", "grafana", "--data", data)
        assert 2 == ambiguous.returncode
        assert first[0].encode() in ambiguous.stderr and second[0].encode() in ambiguous.stderr
        assert server.http.get("/v1/tables", headers=headers).is_success
        done = upshot("keys", "revoke", first[0], "--data", data)
        assert 0 == done.returncode, done.stderr
        assert first[0].encode() in done.stderr
        refused = server.http.get("/v1/tables", headers=headers)
        assert (401, "unauthorized") == (refused.status_code, refused.json()["error"]["code"])
        assert 4 == upshot("keys", "revoke", first[0], "--data", data).returncode
        assert 0 == upshot("keys", "revoke", "grafana", "--data", data).returncode  # one is left of this name
        assert all(line[6].startswith(today) for line in listed(data))


def test_a_server_whose_keys_were_all_revoked_stays_closed(tmp_path: Path) -> None:
    """Also after a restart: to take the last key away must not let everybody in."""
    data = tmp_path / "data"
    with serving(data) as server:
        assert server.http.get("/v1/tables").is_success
        create(data, "--name", "only")
        assert 0 == upshot("keys", "revoke", "only", "--data", data).returncode
        assert 401 == server.http.get("/v1/tables").status_code
        server.stop()
    with serving(data) as server:
        assert 401 == server.http.get("/v1/tables").status_code
        assert server.http.get("/v1/tables", headers={"authorization": f"Bearer {create(data)}"}).is_success


def test_commands_over_a_folder_that_is_none(tmp_path: Path) -> None:
    """`list` and `revoke` make nothing."""
    for arguments in (("list",), ("revoke", "x")):
        assert 4 == upshot("keys", *arguments, "--data", tmp_path / "none").returncode
    assert not (tmp_path / "none").exists()


def test_names_and_ids(tmp_path: Path) -> None:
    """What cannot be a name is refused, and what is no id or name of a key in use is not found."""
    keys = Keys(open_directory(tmp_path))
    with contextlib.closing(keys):
        for name in ("x" * 129, "two\nlines", "\x1b[31m"):
            with pytest.raises(InputError, match="printable"):
                keys.create("default", ["query"], NOW, name)
        assert not keys.any()
        keys.create("default", ["query"], NOW)
        [entry] = keys.entries()
        for which in ("", "none", entry.id[:-1]):
            with pytest.raises(NotFoundError):
                keys.revoke(which, NOW)
        assert NOW + 1 == keys.revoke(entry.id, NOW + 1).revoked_at
        keys.note_use(entry.id, NOW)
        [entry] = keys.entries()
        assert (NOW // 86_400_000_000, NOW + 1) == (entry.used, entry.revoked_at)


def test_a_server_db_of_an_older_format_keeps_its_keys_and_stays_closed(tmp_path: Path) -> None:
    """Made by the steps of that format, with their own checksums."""
    for done in range(1, len(STEPS)):
        data = DataPaths(tmp_path / str(done))
        data.root.mkdir()
        with contextlib.closing(Keys(data)) as keys:
            key = keys.create("w", ["ingest", "query"], NOW)
            wanted = keys.access(key)
        with contextlib.closing(sqlite3.connect(data.server)) as con:
            [row] = con.execute("SELECT hash, workspace, rights, created_at, crc FROM key").fetchall()
        data.server.unlink()
        with contextlib.closing(sqlite3.connect(data.server)) as con:
            for step in STEPS[:done]:
                if isinstance(step, str):
                    con.executescript(step)
                else:
                    step(con)
            known = ("hash", "workspace", "rights", "created_at", "crc")[: 3 + done]
            marks = ", ".join("?" * len(known))
            con.execute(f"INSERT INTO key({', '.join(known)}) VALUES ({marks})", row[: len(known)])
            con.execute(f"PRAGMA application_id={0x55505348}")
            con.execute(f"PRAGMA user_version={done}")
            con.commit()
        with contextlib.closing(Keys(data)) as keys:
            assert isinstance(wanted, Access) and wanted == keys.access(key)
            assert keys.any()
            keys.revoke(wanted.key, NOW)
            assert keys.access(key) is None and keys.any()


def test_a_flipped_bit_revives_no_key_and_opens_no_server(tmp_path: Path) -> None:
    """Every bit of the pages that hold the keys and what keeps the server closed; the only key is revoked."""
    data = DataPaths(tmp_path)
    with contextlib.closing(Keys(data)) as keys:
        key = keys.create("default", ["query"], NOW)
        [entry] = keys.entries()
        keys.revoke(entry.id, NOW + 1)
    with contextlib.closing(sqlite3.connect(data.server)) as con:
        pages = dict(con.execute("SELECT name, rootpage FROM sqlite_master WHERE name IN ('key', 'closed')"))
        [size] = con.execute("PRAGMA page_size").fetchone()
    content = data.server.read_bytes()
    assert {"key", "closed"} == set(pages)
    wrong: list[str] = []
    for name, page in pages.items():
        start = (page - 1) * size
        for at in (at for at in range(start, start + size) if content[at] or at < start + 12):
            for bit in range(8):
                flipped = bytearray(content)
                flipped[at] ^= 1 << bit
                data.server.write_bytes(flipped)
                with contextlib.suppress(UpshotError), contextlib.closing(Keys(data)) as keys:
                    with contextlib.suppress(UpshotError):
                        if (found := keys.access(key)) is not None:
                            wrong.append(f"{name}, byte {at - start} bit {bit}: {found}")
                    with contextlib.suppress(UpshotError):
                        if not keys.any():
                            wrong.append(f"{name}, byte {at - start} bit {bit}: open")
                for end in ("-wal", "-shm"):
                    (tmp_path / f"server.db{end}").unlink(missing_ok=True)
    assert [] == wrong
