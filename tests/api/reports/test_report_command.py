"""`upshot report`, run as a user would, against a real server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.api.reports.workers import notebook
from tests.support.command import upshot
from tests.support.server import Server, serving

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

BOOK = notebook("assert days < 100, 'too many'", "print('the double is', 2 * days)", parameters="days = 7")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with one report, put by the command."""
    folder = tmp_path_factory.mktemp("report")
    with serving(folder / "data") as running:
        (folder / "double.ipynb").write_text(json.dumps(BOOK))
        done = report(running, "put", folder / "double.ipynb")
        assert b"double version 1, next only when asked\n" == done.stdout, done.stderr
        yield running


def report(server: Server, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Run `upshot report`."""
    return upshot("report", *arguments, "--url", server.url)


def test_run_waits_and_writes(served: Server, tmp_path: Path) -> None:
    """The permalink on standard output, the file in its place, exit code 0."""
    done = report(served, "run", "double", "--param", "days=21", "--out", tmp_path / "double.html")
    assert 0 == done.returncode, done.stderr
    assert done.stdout.decode().startswith(f"{served.url}/reports/double/")
    assert "the double is 42" in (tmp_path / "double.html").read_text()


def test_run_that_fails_says_what_and_where(served: Server, tmp_path: Path) -> None:
    """Exit code 1, the cell and its error on standard error, and the partial notebook all the same."""
    done = report(served, "run", "double", "-p", "days=100", "--out", tmp_path / "double.ipynb")
    assert 1 == done.returncode
    assert b"failed: cell 3 AssertionError: too many" in done.stderr or b"AssertionError: too many" in done.stderr
    assert 4 == json.loads((tmp_path / "double.ipynb").read_text())["nbformat"]


def test_show_put_schedule_and_list(served: Server, tmp_path: Path) -> None:
    """What `show` prints, `put` takes; a schedule is changed part by part, and ended."""
    (tmp_path / "double.json").write_bytes(report(served, "show", "double").stdout)
    assert report(served, "put", tmp_path / "double.json").stdout.startswith(b"double version 1,")
    scheduled = report(served, "schedule", "double", "--cron", "0 8 * * 1", "--timezone", "Europe/Berlin")
    assert b"double version 2, next 20" in scheduled.stdout, scheduled.stderr
    assert 0 == report(served, "schedule", "double", "--missed", "all").returncode
    shown = json.loads(report(served, "show", "double").stdout)
    assert {"cron": "0 8 * * 1", "timezone": "Europe/Berlin", "missed": "all"} == shown["schedule"]
    assert b"0 8 * * 1 Europe/Berlin" in report(served, "list").stdout
    assert b"next only when asked" in report(served, "schedule", "double", "--off").stdout


def test_backfill_and_logs(served: Server, tmp_path: Path) -> None:
    """Each past time once, its line on standard output; the log has each edition and its tries."""
    body = {"title": "Past", "notebook": BOOK, "schedule": {"cron": "0 8 1 * *"}}
    (tmp_path / "past.json").write_text(json.dumps(body))
    assert 0 == report(served, "put", tmp_path / "past.json").returncode
    done = report(served, "backfill", "past", "--from", "2026-01-01", "--to", "2026-03-01")
    assert 0 == done.returncode, done.stderr
    lines = done.stdout.decode().splitlines()
    assert ["1/2 2026-01-01T08:00", "2/2 2026-02-01T08:00"] == [line[:20] for line in lines]
    logs = json.loads(report(served, "logs", "past", "--format", "json").stdout)
    assert [("done", ["file"]), ("done", ["file"])] == [
        (one["status"], [row["to"] for row in one["deliveries"]]) for one in logs
    ]
    assert b"done" in report(served, "logs", "past").stdout


def test_mistakes_are_one_line_and_a_code(served: Server, tmp_path: Path) -> None:
    """2: what was written is wrong; 4: there is no such report; the message names it."""
    (tmp_path / "no.json").write_text("[")
    for arguments, code, said in (
        (("run", "doubel"), 4, "double"),
        (("run", "double", "-p", "days"), 2, "NAME=VALUE"),
        (("run", "double", "--out", "x.pdf"), 2, "x.pdf"),
        (("schedule", "double", "--cron", "0 8 * *"), 2, "0 8 * *"),
        (("schedule", "double"), 2, "--off"),
        (("put", tmp_path / "no.json"), 2, "is not JSON"),
        (("put", tmp_path / "none.json"), 4, "none.json"),
        (("backfill", "double", "--from", "2026-01-01", "--to", "2026-03-01"), 2, "no schedule"),
    ):
        done = report(served, *arguments)
        assert code == done.returncode, (arguments, done.stderr)
        assert said in done.stderr.decode(), arguments


def test_help_has_examples() -> None:
    """Each command's."""
    for command in ("list", "show", "put", "run", "schedule", "logs", "backfill"):
        assert b"Example" in upshot("report", command, "--help").stdout, command
