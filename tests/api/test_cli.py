"""The command line: what it prints where, its exit codes, and bad input."""

from __future__ import annotations

import gzip
import io
import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.command import upshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import Server

RECORD = b'{"type":"run","id":"cli-1","status":"Completed"}\n'


@pytest.mark.parametrize(
    ("make", "words", "code"),
    [
        (None, b"there is no file", 4),
        ("folder", b"is a folder", 2),
        (b"", b"is empty", 1),
        (b"\x00\x01\x02" * 1000, b"", 1),
        (gzip.compress(RECORD * 1000)[:-8], b"before it is complete", 1),
    ],
)
def test_a_file_that_cannot_be_read(
    server: Server, tmp_path: Path, make: bytes | str | None, words: bytes, code: int
) -> None:
    """A missing file, a folder, an empty or torn file: one clear line on standard error and its own exit code."""
    path = tmp_path / "input"
    if make == "folder":
        path.mkdir()
    elif isinstance(make, bytes):
        path.write_bytes(make)
    done = upshot("ingest", path, "--url", server.url)
    assert code == done.returncode, done.stderr
    assert words in done.stderr.lower()
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""


def test_good_records_are_in_although_one_is_bad(server: Server, tmp_path: Path) -> None:
    """A rejected record is named with its place and reason, the others are in, and the exit code is 1."""
    path = tmp_path / "mixed.ndjson"
    path.write_bytes(RECORD.replace(b"cli-1", b"cli-2") + b'{"type":"run","id":"x","status":"Done"}\n' + RECORD)
    done = upshot("ingest", path, "--url", server.url)
    assert done.returncode == 1
    assert b"status" in done.stderr
    assert b"2 accepted, 1 rejected" in done.stderr
    assert [[2]] == server.ask("SELECT count(*) FROM runs WHERE id LIKE 'cli-%'")


def test_standard_input_is_a_file_too(server: Server) -> None:
    """`-` reads records, and SQL, from standard input."""
    assert upshot("ingest", "-", "--url", server.url, stdin=RECORD).returncode == 0
    done = upshot("query", "-", "--url", server.url, "-f", "json", stdin=b"SELECT 7 AS seven")
    assert [[7]] == json.loads(done.stdout)["rows"]


def test_every_format_has_the_same_rows(server: Server) -> None:
    """json, csv, arrow, parquet and table print the rows on standard output, and nothing else."""
    sql = "SELECT 1 AS a, 'x,y' AS b, [1, 2] AS c UNION ALL SELECT 2, NULL, NULL ORDER BY 1"
    out = {
        name: upshot("query", sql, "--url", server.url, "-f", name).stdout
        for name in ("json", "csv", "arrow", "parquet", "table")
    }
    expected = [{"a": 1, "b": "x,y", "c": [1, 2]}, {"a": 2, "b": None, "c": None}]
    assert [list(row.values()) for row in expected] == json.loads(out["json"])["rows"]
    assert expected == pa.ipc.open_stream(out["arrow"]).read_all().to_pylist()
    assert expected == pq.read_table(io.BytesIO(out["parquet"])).to_pylist()
    assert b'"a","b","c"\n1,"x,y","[1, 2]"\n2,,\n' == out["csv"]
    assert b"x,y" in out["table"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("query", "DELETE FROM runs"), 3),
        (("query", "SELECT * FROM rums"), 3),
        (("experiment", "report", "none"), 4),
        (("query", "SELECT 1", "--limit", "-1"), 2),
        (("query",), 2),
        (("nonsense",), 2),
    ],
)
def test_exit_codes(server: Server, arguments: tuple[str, ...], code: int) -> None:
    """2 usage, 3 refused by the guard, 4 not found; the reason is on standard error."""
    url = () if arguments[0] == "nonsense" else ("--url", server.url)
    done = upshot(*arguments, *url)
    assert code == done.returncode
    assert done.stderr
    assert b"Traceback" not in done.stderr


def test_a_refusal_points_at_the_place(server: Server) -> None:
    """The line of the SQL is shown with carets under the name, and a hint."""
    done = upshot("query", "SELECT id\nFROM rums", "--url", server.url)
    lines = done.stderr.decode().splitlines()
    at = lines.index("  FROM rums")
    assert "       ^^^^" == lines[at + 1]
    assert "runs" in done.stderr.decode()


def test_no_server_is_one_line(tmp_path: Path) -> None:
    """Without a server the command says where it looked and what to do."""
    done = upshot("query", "SELECT 1", "--url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert b"no server answers at http://127.0.0.1:9" in done.stderr
    path = tmp_path / "r.ndjson"
    path.write_bytes(RECORD)
    assert upshot("ingest", path, "--url", "http://127.0.0.1:9").returncode == 1


def test_offline_a_folder_is_enough(tmp_path: Path) -> None:
    """With --data records go into Parquet without a server, twice without a change, and can be asked about."""
    path, data = tmp_path / "r.ndjson.gz", tmp_path / "data"
    path.write_bytes(gzip.compress(RECORD))
    for _ in range(2):
        done = upshot("ingest", path, "--data", data)
        assert (0, True) == (done.returncode, b"1 accepted" in done.stderr)
    assert list(data.rglob("*.parquet"))
    done = upshot("query", "SELECT count(*) AS n FROM runs", "--data", data, "-f", "csv")
    assert b'"n"\n1\n' == done.stdout
    assert done.stderr == b""


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    """A folder with foreign files is refused before anything is written."""
    (tmp_path / "thesis.txt").write_text("mine")
    path = tmp_path / "r.ndjson"
    path.write_bytes(RECORD)
    before = sorted(tmp_path.iterdir())
    done = upshot("ingest", path, "--data", tmp_path)
    assert done.returncode != 0
    assert b"not a data directory of upshot" in done.stderr
    assert before == sorted(tmp_path.iterdir())


def test_help_has_examples() -> None:
    """Every command explains itself with an example."""
    for command in (["serve"], ["demo"], ["ingest"], ["query"], ["experiment", "report"], ["keys", "create"]):
        done = upshot(*command, "--help")
        assert done.returncode == 0
        assert b"Example" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--port", "99999"), b"UPSHOT_PORT is '99999', must be a whole number from 0 to 65535"),
        (("--data", "/etc"), b"/etc is not empty and not a data directory of upshot"),
        (("--data", "/etc/passwd"), b"/etc/passwd is a file, not a folder"),
        (("--log-level", "loud"), b"UPSHOT_LOG_LEVEL is 'loud', must be one of"),
    ],
)
def test_a_server_that_cannot_start_says_why_in_one_line(arguments: tuple[str, ...], words: bytes) -> None:
    """A bad port, folder or level: the value and the bound, no traceback, nothing touched."""
    done = upshot("serve", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert b"Traceback" not in done.stderr
