"""Report workers as processes, over a real queue: one edition a firing, whoever is killed and whenever."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from api.reports import asking
from api.reports.delivering import log_of
from api.reports.scheduling import firing
from tests.api.reports.receivers import Reply, http_receiver
from tests.api.reports.workers import Folder, alive, descendants, notebook, working
from tests.support.crash import wait_for
from warehouse.clock import system_clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.reports.editions import Edition

SLOW = notebook("import time", "time.sleep(seconds)", "print('slept')", parameters="seconds = 0")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty data directory."""
    return Folder(tmp_path / "data")


def hook(url: str) -> dict[str, str]:
    """Return a delivery to a receiver of these tests."""
    return {"to": "webhook", "url": f"{url}/hook", "secret": f"whsec_{base64.b64encode(bytes(32)).decode()}"}


def ask(folder: Folder, name: str, **params: Any) -> str:
    """Ask for a run and return its edition's id."""
    made = asking.new("default", name, params, system_clock())
    folder.ask(made)
    return made.edition


def tries(folder: Folder, edition: Edition) -> list[tuple[int, str]]:
    """Return how each try of an edition's deliveries ended, but for its own file."""
    log = log_of(folder.editions.path("default", edition.report, edition.id))
    return [(one.attempt, one.outcome) for one in log if one.number]


def ran(folder: Folder) -> Counter[str]:
    """Return how often each edition was made, by the workers' own log."""
    lines = (folder.root.parent / "workers.log").read_text().splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    return Counter(one["id"] for one in events if one["event"] == "edition")


def databases() -> Iterator[Any]:
    """Yield SQLite, and Postgres where its server is installed."""
    yield pytest.param("sqlite", id="sqlite")
    missing = shutil.which("postgres") is None or shutil.which("initdb") is None
    yield pytest.param(
        "postgres", id="postgres", marks=pytest.mark.skipif(missing, reason="no postgres and initdb here")
    )


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the URL of an empty database; empty for the worker's own."""
    if request.param == "sqlite":
        yield ""
        return
    folder = Path(tempfile.mkdtemp(prefix="upshot-postgres-"))
    user = "postgres" if os.getuid() == 0 else None  # it refuses to be run by root
    if user:
        shutil.chown(folder, user)
    make = ["initdb", "-D", folder / "cluster", "-U", "upshot", "--auth", "trust", "--no-sync"]
    subprocess.run(make, check=True, capture_output=True, user=user, cwd=folder)
    command = ["postgres", "-D", folder / "cluster", "-k", folder, "-c", "listen_addresses="]
    server = subprocess.Popen(command, user=user, cwd=folder, stderr=subprocess.DEVNULL)
    try:
        assert wait_for((folder / ".s.PGSQL.5432").exists, 30)
        yield f"postgresql://upshot@/upshot_reports?host={folder}"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
        shutil.rmtree(folder)


@pytest.mark.parametrize("database", list(databases()), indirect=True)
def test_two_workers_fire_once(folder: Folder, database: str) -> None:
    """Two workers with one database and no lock between them see the same firings: each edition is made once."""
    every_minute = {"cron": "* * * * *", "missed": "all"}
    folder.put("r", schedule=every_minute)
    now = dt.datetime.now(dt.UTC).replace(second=0, microsecond=0)
    wanted = [firing("default", "r", now - dt.timedelta(minutes=back)) for back in range(1, 5)]
    for one in wanted:
        folder.ask(one)
    with working(folder, "a", database), working(folder, "b", database):
        made = folder.wait("r", 4)
        time.sleep(2)
    assert {one.edition for one in wanted} <= {one.id for one in made}
    assert {1} == set(ran(folder).values())


@pytest.mark.long
def test_a_worker_waits_for_the_one_before_it_and_then_takes_over(folder: Folder) -> None:
    """The second does nothing while the first lives; when that is killed in a run, it resumes the run."""
    folder.put("r", notebook=SLOW)
    with working(folder) as first:
        begun = ask(folder, "r", seconds=0)
        folder.wait("r", 1)
        with working(folder) as second:
            edition = ask(folder, "r", seconds=6)
            assert wait_for(lambda: _state(folder, edition) == "running", 30)
            assert [] == descendants(second.pid)
            first.kill()
            first.wait()
            made = folder.wait("r", 2)
    assert {begun, edition} == {one.id for one in made}
    assert {1} == set(ran(folder).values())


def _state(folder: Folder, edition: str) -> str | None:
    asked = asking.Asking(folder.places.asked).get("default", "r", edition)
    return asked and asked.state


def test_killed_in_its_middle_a_run_is_resumed_once(folder: Folder) -> None:
    """SIGKILL while the notebook runs: its processes end with it; afterwards one edition, one delivery of each kind."""
    with http_receiver() as receiver:
        folder.put("r", notebook=SLOW, deliver=[hook(receiver.url), hook(receiver.url)])
        edition = ask(folder, "r", seconds=4)
        with working(folder) as first:
            assert wait_for(lambda: _state(folder, edition) == "running", 30)
            assert wait_for(lambda: len(descendants(first.pid)) >= 2, 30)
            time.sleep(1)
            children = descendants(first.pid)
            first.kill()
            first.wait()
        assert wait_for(lambda: not any(map(alive, children)), 15), "a notebook outlives its worker"
        assert [] == folder.editions.list("default", "r")
        with working(folder):
            [made] = folder.wait("r", 1)
            assert wait_for(lambda: len(tries(folder, made)) == 2, 30)
            time.sleep(2)
    assert ("done", edition) == (made.status, made.id)
    assert [(1, "done"), (1, "done")] == tries(folder, made)
    assert 2 == len(receiver.received)
    assert 2 == len({request.headers["webhook-id"] for request in receiver.received})
    assert [] == [path for path in (folder.places.editions / "default" / "r").iterdir() if path.name.startswith(".")]


@pytest.mark.long
def test_a_run_that_kills_its_worker_is_left_alone_and_others_go_on(folder: Folder) -> None:
    """Killed in it again and again: it is taken up some times and then said to have failed; the next report runs."""
    folder.put("r", notebook=SLOW)
    folder.put("well")
    edition = ask(folder, "r", seconds=600)
    begun = 0
    for _ in range(8):
        with working(folder) as one:
            if not wait_for(lambda pid=one.pid: len(descendants(pid)) >= 2, 30):
                break
            begun += 1
    assert 6 == begun  # once, and five times after a kill
    ask(folder, "well")
    with working(folder):
        assert wait_for(lambda: len(folder.editions.list("default", "well")) == 1, 60)
        assert wait_for(lambda: _state(folder, edition) == "failed", 60)
    failed = asking.Asking(folder.places.asked).get("default", "r", edition)
    assert failed is not None and failed.error == "the worker was killed in it again and again"
    assert [] == folder.editions.list("default", "r")


@pytest.mark.long
def test_the_queue_forgets_what_ended_long_ago(folder: Folder) -> None:
    """Ninety days after it the queue knows nothing of a firing; its edition stays."""

    def known() -> set[str]:
        with contextlib.closing(sqlite3.connect(f"file:{folder.places.database}?mode=ro", uri=True)) as con:
            return {status for (status,) in con.execute("SELECT status FROM workflow_status")}

    folder.put("r")
    ask(folder, "r")
    with working(folder):
        folder.wait("r", 1)
        assert wait_for(lambda: known() == {"SUCCESS"}, 10)
    with working(folder, days=89):
        time.sleep(8)
        assert known() == {"SUCCESS"}
    with working(folder, days=91):
        assert wait_for(lambda: not known(), 30)
    assert 1 == len(folder.editions.list("default", "r"))


def test_killed_while_a_delivery_is_tried_it_is_tried_again_with_its_key(folder: Folder) -> None:
    """The receiver has the message and the worker dies before the answer: the next one sends it again, same key."""
    with http_receiver(Reply(wait=5), Reply()) as receiver:
        folder.put("r", deliver=[hook(receiver.url)])
        ask(folder, "r")
        with working(folder) as first:
            assert wait_for(lambda: len(receiver.received) == 1, 60)
            first.kill()
            first.wait()
        with working(folder):
            [made] = folder.wait("r", 1)
            assert wait_for(lambda: tries(folder, made) == [(1, "done")], 30)
    assert 2 == len(receiver.received)
    assert 1 == len({request.headers["webhook-id"] for request in receiver.received})


def test_each_delivery_is_tried_by_itself(folder: Folder) -> None:
    """One is refused for good, one is away twice, one takes it at once: each goes its own way, within six tries."""
    with (
        http_receiver(Reply(status=410)) as gone,
        http_receiver(Reply(503), Reply(503), Reply()) as away,
        http_receiver() as well,
        http_receiver(Reply(500)) as dead,
    ):
        folder.put("r", deliver=[hook(one.url) for one in (gone, away, well, dead)])
        ask(folder, "r")
        with working(folder, waits="0.1,0.1,0.1,0.1,0.1"):
            [made] = folder.wait("r", 1)
            path = folder.editions.path("default", "r", made.id)
            wanted = {1: 1, 2: 3, 3: 1, 4: 6}
            assert wait_for(lambda: Counter(one.number for one in log_of(path)) == {0: 1, **wanted}, 60)
            time.sleep(2)
    ends = {one.number: one.outcome for one in log_of(path) if one.number}
    assert {1: "failed", 2: "done", 3: "done", 4: "retry"} == ends
    assert [1, 3, 1, 6] == [len(one.received) for one in (gone, away, well, dead)]


def test_only_changes_are_delivered_if_that_is_asked(folder: Folder) -> None:
    """The first edition, one that fails, and one that is well again are sent; those that say the same are not."""
    with http_receiver() as receiver:
        folder.put(
            "r",
            notebook=notebook("assert well", parameters="well = True"),
            deliver=[hook(receiver.url)],
            only_when_changed=True,
        )
        with working(folder):
            for number, well in enumerate((True, True, False, False, True), 1):
                ask(folder, "r", well=well)
                folder.wait("r", number)
            time.sleep(3)
    assert ["done", "failed", "done"] == [request.json["status"] for request in receiver.received]


def test_missed_firings_are_made_up_for_after_a_worker_was_away(folder: Folder) -> None:
    """It looked last forty minutes ago, by what it left on disk; three times passed: none, one, or each is run."""
    now = dt.datetime.now(dt.UTC).replace(second=0, microsecond=0)
    passed = [now - dt.timedelta(minutes=back) for back in (30, 20, 10)]
    cron = f"{','.join(str(time.minute) for time in passed)} * * * *"
    defined = system_clock() - 50 * 60_000_000
    for missed in ("skip", "latest", "all"):
        folder.put(missed, defined, schedule={"cron": cron, "missed": missed})
    folder.places.looked.write_text(str(system_clock() - 40 * 60_000_000))
    with working(folder):
        made = {missed: folder.wait(missed, number, 90) for missed, number in (("all", 3), ("latest", 1), ("skip", 0))}
    assert {"skip": 0, "latest": 1, "all": 3} == {name: len(editions) for name, editions in made.items()}
    newest_first = [firing("default", "all", time).known_at for time in reversed(passed)]
    assert newest_first == [one.known_at for one in made["all"]] == [one.scheduled_for for one in made["all"]]
    assert newest_first[:1] == [one.known_at for one in made["latest"]]


def test_a_report_that_is_gone_is_dropped(folder: Folder) -> None:
    """A run of a report that was removed ends; the next one is run."""
    folder.put("r")
    ask(folder, "gone")
    ask(folder, "r")
    with working(folder):
        folder.wait("r", 1)
        assert wait_for(lambda: not asking.Asking(folder.places.asked).all(), 30)


@pytest.mark.long
def test_two_notebooks_run_at_once_and_no_more(folder: Folder) -> None:
    """Of four runs two are going on while the others wait."""
    folder.put("r", notebook=SLOW)
    editions = [ask(folder, "r", seconds=5) for _ in range(4)]
    with working(folder):
        assert wait_for(lambda: [_state(folder, one) for one in editions].count("running") == 2, 40)
        most = 0
        while not folder.editions.list("default", "r"):
            most = max(most, [_state(folder, one) for one in editions].count("running"))
            time.sleep(0.1)
        folder.wait("r", 4, 90)
    assert 2 == most


def test_sigterm_ends_a_worker_and_what_it_runs_soon(folder: Folder) -> None:
    """In the middle of a run: within seconds, and nothing is left running."""
    folder.put("r", notebook=SLOW)
    edition = ask(folder, "r", seconds=60)
    with working(folder) as worker:
        assert wait_for(lambda: _state(folder, edition) == "running", 30)
        assert wait_for(lambda: len(descendants(worker.pid)) >= 2, 30)
        children = descendants(worker.pid)
        os.kill(worker.pid, signal.SIGTERM)
        assert 0 == worker.wait(10)
    assert wait_for(lambda: not any(map(alive, children)), 15)
