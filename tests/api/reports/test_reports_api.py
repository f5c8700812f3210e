"""Reports over HTTP, of a real server with its worker: kept, run, read, refused; what is killed comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.reports.receivers import mailbox
from tests.api.reports.workers import alive, descendants, notebook
from tests.api.test_error_shape import assert_error
from tests.support.command import upshot
from tests.support.crash import wait_for
from tests.support.reports import ended, put, run
from tests.support.server import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "whsec_" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
HOOK = {"to": "webhook", "url": "http://127.0.0.1:9/hooks/of-nobody-at-all", "secret": SECRET}
DOUBLE = {"title": "Double", "notebook": notebook("print('the double is', 2 * days)", parameters="days = 7")}
WEEKLY = {"cron": "0 8 * * 1", "timezone": "Europe/Berlin"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this module's own, with a report that doubles a number."""
    with serving(tmp_path_factory.mktemp("reports") / "data") as running:
        put(running, "double", DOUBLE)
        yield running


def worker_of(server: Server) -> int | None:
    """Return the process id of a server's report worker."""
    for pid in descendants(server.process.pid):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"api.reports.worker" in command and alive(pid):
            return pid
    return None


def test_a_run_makes_an_edition_with_its_files(served: Server) -> None:
    """202 at once, then the edition: its parameters, page, notebook and log, and no chart where there is none."""
    edition = run(served, "double", days=21)
    assert ("done", {"days": 21}, None, None) == (
        *(edition[name] for name in ("status", "params", "error", "scheduled_for")),
    )
    assert {"report.html", "notebook.ipynb"} == {*edition["files"]}
    page = served.http.get(edition["files"]["report.html"])
    assert "the double is 42" in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "sandbox" in policy
    assert "nosniff" == page.headers["x-content-type-options"]
    assert 4 == served.http.get(edition["files"]["notebook.ipynb"]).json()["nbformat"]
    place = f"/v1/reports/double/editions/{edition['id']}"
    assert_error(served.http.get(f"{place}/chart.png"), "not_found")
    assert ["file"] == [one["to"] for one in served.http.get(f"{place}/deliveries").json()["deliveries"]]
    assert edition["id"] in [one["id"] for one in served.http.get("/v1/reports/double/editions").json()["editions"]]
    listed = {one["name"]: one for one in served.http.get("/v1/reports").json()["reports"]}
    assert "done" == listed["double"]["newest"]["status"]


def test_a_run_that_fails_says_where(served: Server) -> None:
    """The edition is there, with the cell, its first line and the error."""
    put(served, "broken", {"title": "Broken", "notebook": notebook("1 / 0")})
    edition = run(served, "broken")
    assert ("failed", 2, "ZeroDivisionError", "1 / 0") == (
        edition["status"],
        *(edition["error"][name] for name in ("cell", "name", "source")),
    )
    assert "notebook.ipynb" in edition["files"]


def test_versions_secrets_and_removal(served: Server) -> None:
    """The same again is no new version, a masked secret is kept, every version stays readable, editions too."""
    first = put(served, "kept", DOUBLE | {"deliver": [HOOK], "schedule": WEEKLY})
    assert 1 == first["version"]
    assert SECRET not in str(first) and "of-nobody-at-all" not in str(first)
    assert 1 == put(served, "kept", first)["version"]
    assert 2 == put(served, "kept", first | {"title": "Twice"})["version"]
    assert "Double" == served.http.get("/v1/reports/kept", params={"version": 1}).json()["title"]
    assert first["next_at"].endswith("Z")
    assert None is put(served, "kept", first | {"schedule": None})["next_at"]
    assert 204 == served.http.delete("/v1/reports/kept").status_code
    assert_error(served.http.get("/v1/reports/kept"), "not_found")
    assert_error(served.http.post("/v1/reports/kept/run"), "not_found")
    shown = served.http.get("/v1/reports/kept", params={"version": 2}).json()
    assert ("Twice", True) == (shown["title"], SECRET not in str(shown))


def test_a_removed_report_leaves_its_editions_unless_they_go_too(served: Server) -> None:
    """They stay under their addresses; with `editions=true` they are gone."""
    put(served, "gone", DOUBLE)
    place = f"/v1/reports/gone/editions/{run(served, 'gone')['id']}"
    served.http.delete("/v1/reports/gone").raise_for_status()
    assert "done" == served.http.get(place).json()["status"]
    put(served, "gone", DOUBLE)
    served.http.delete("/v1/reports/gone", params={"editions": "true"}).raise_for_status()
    assert_error(served.http.get(place), "not_found")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"schedule": {"cron": "0 25 * * *"}}, "0 25 * * *"),
        ({"schedule": {"cron": "0 8 * * 1", "timezone": "Europe/Berlim"}}, "Europe/Berlim"),
        ({"notebook": None}, "template"),
        ({"params": {"weeks": 2}}, "weeks"),
        ({"limits": {"seconds": 99_999}}, "99999"),
        ({"deliver": [HOOK | {"secret": "short"}]}, "whsec_"),
        ({"deliver": [HOOK | {"url": "ftp://nowhere/x"}]}, "deliver[0].url"),
        ({"deliver": [{"to": "email", "addresses": ["ada@example.com"]}]}, "email"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_definition_is_named_and_nothing_is_kept(served: Server, change: dict[str, Any], named: str) -> None:
    """The first field that cannot be, with its value; the version that stands stays."""
    error = assert_error(served.http.put("/v1/reports/double", json=DOUBLE | change), "bad_parameter")
    assert named in error["message"]
    assert 1 == served.http.get("/v1/reports/double").json()["version"]


def test_bad_requests_are_named(served: Server) -> None:
    """Names, parameters, editions, times."""
    http = served.http
    assert_error(http.put("/v1/reports/-x", json=DOUBLE), "bad_parameter")
    assert "double" in assert_error(http.get("/v1/reports/doubel"), "not_found")["hint"]
    assert (
        "weeks"
        in assert_error(http.post("/v1/reports/double/run", json={"params": {"weeks": 1}}), "bad_parameter")["message"]
    )
    assert_error(http.get("/v1/reports/double/editions/no.id"), "bad_parameter")
    assert_error(http.get("/v1/reports/double/editions/nothing"), "not_found")
    times = {"since": "2026-01-01", "until": "2026-02-01"}
    assert (
        "no schedule" in assert_error(http.post("/v1/reports/double/backfill", json=times), "bad_parameter")["message"]
    )
    put(served, "weekly", DOUBLE | {"schedule": WEEKLY})
    for wrong, said in (
        ({"until": "2099-01-01"}, "future"),
        ({"since": "yesterday"}, "yesterday"),
        ({"since": "2020-01-01"}, "more than 100"),
    ):
        error = assert_error(http.post("/v1/reports/weekly/backfill", json=times | wrong), "bad_parameter")
        assert said in error["message"]


def test_a_backfill_makes_each_edition_once_as_known_then(served: Server) -> None:
    """Two Mondays at eight in Berlin, one on either side of the end of summer time; asked twice they stay."""
    put(served, "past", DOUBLE | {"schedule": WEEKLY})
    wanted = {"since": "2025-10-20T00:00:00Z", "until": "2025-10-28T00:00:00Z"}
    runs = served.http.post("/v1/reports/past/backfill", json=wanted).json()["editions"]
    assert ["2025-10-20T06:00:00.000000Z", "2025-10-27T07:00:00.000000Z"] == [one["scheduled_for"] for one in runs]
    made = [ended(served, one["place"]) for one in runs]
    assert [one["scheduled_for"] for one in runs] == [one["known_at"] for one in made]
    again = served.http.post("/v1/reports/past/backfill", json=wanted).json()["editions"]
    assert [(one["id"], "done") for one in runs] == [(one["id"], one["status"]) for one in again]
    assert 2 == len(served.http.get("/v1/reports/past/editions").json()["editions"])


def test_only_admin_saves_and_runs(tmp_path: Path) -> None:
    """Who may query reads definitions and editions, and runs nothing: a notebook is a program."""
    with serving(tmp_path / "data") as server:
        put(server, "double", DOUBLE)
        edition = run(server, "double")
        keys = [
            upshot("keys", "create", "--rights", rights, "--data", server.data).stdout.decode().split()[-1]
            for rights in ("query", "query,admin")
        ]
        reader, admin = ({"authorization": f"Bearer {key}"} for key in keys)
        http = server.http
        assert_error(http.get("/v1/reports"), "unauthorized")
        assert_error(http.put("/v1/reports/double", json=DOUBLE, headers=reader), "forbidden")
        assert_error(http.post("/v1/reports/double/run", headers=reader), "forbidden")
        assert_error(
            http.post("/v1/reports/double/backfill", json={"since": "", "until": ""}, headers=reader), "forbidden"
        )
        assert_error(http.delete("/v1/reports/double", headers=reader), "forbidden")
        for place in ("/v1/reports", "/v1/reports/double", edition["files"]["report.html"]):
            assert http.get(place, headers=reader).is_success
        assert http.delete("/v1/reports/double", headers=admin).is_success


def test_a_server_without_reports_has_no_worker_and_killed_ones_come_back(tmp_path: Path) -> None:
    """None before the first report; a killed worker is replaced; with the server, however it ends, its worker ends.

    What is set of the server, its worker has too: a mail goes out by the one, as of the other.
    """
    mail = {"to": "email", "addresses": ["ada@example.com"]}
    slow = {"title": "Slow", "notebook": notebook("import time", "time.sleep(2)"), "deliver": [mail]}
    with (
        mailbox() as box,
        serving(tmp_path / "data", smtp_url=f"smtp://127.0.0.1:{box.port}", smtp_from="upshot@example.com") as server,
    ):
        server.ask("SELECT 1")
        assert worker_of(server) is None
        put(server, "slow", slow)
        assert wait_for(lambda: worker_of(server) is not None, 20)
        before = worker_of(server)
        place = server.http.post("/v1/reports/slow/run").json()["place"]
        assert wait_for(lambda: server.http.get(place).json()["status"] == "running", 60)
        assert before is not None
        os.kill(before, signal.SIGKILL)
        assert "done" == ended(server, place)["status"]
        assert wait_for(lambda: len(box.taken) == 1, 30)
        to, sent = box.taken[0]
        assert ("ada@example.com", "upshot@example.com") == (to, sent["from"])
        assert server.url in sent.as_string()
        after = worker_of(server)
        assert after is not None and after != before
        server.kill()
        assert wait_for(lambda: not alive(after), 15)
    with serving(tmp_path / "data") as server:
        assert wait_for(lambda: worker_of(server) is not None, 30), "a report was there, so a worker must be"
        worker = worker_of(server)
        assert worker is not None
        assert 0 == server.stop()
        assert not alive(worker)
    assert b"nothing is wrong" in upshot("doctor", "--data", tmp_path / "data").stderr


def test_a_server_loads_nothing_of_the_extra() -> None:
    """Reports cost a server that has none no memory: what they are made of is not even imported."""
    heavy = {"dbos", "sqlalchemy", "papermill", "nbconvert", "nbformat", "croniter", "jupyter_client"}
    code = f"import sys, api.app, api.services; print({heavy!r} & sys.modules.keys())"
    assert (
        "set()"
        == subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    )
