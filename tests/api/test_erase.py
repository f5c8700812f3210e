"""Erasure and retention as people meet them: the routes of a running server, and the command line on and off it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.command import upshot
from tests.support.server import Server, serving
from tests.warehouse.people import left_of

if TYPE_CHECKING:
    from pathlib import Path

TIMES = {"started_at": "2026-09-21T10:00:00Z", "ended_at": "2026-09-21T10:00:05Z"}


def records(who: str) -> list[dict[str, Any]]:
    """Return one person's records; every one has `who` in it."""
    id_, session = f"run-{who}", {"chat": f"c-{who}"}
    return [
        {"type": "event", "id": f"event-{who}", "name": "asked", "ts": TIMES["started_at"], "sessions": session},
        {"type": "run", "id": id_, "status": "Completed", "user_id": f"user-{who}", **TIMES}
        | {"event_ids": [f"event-{who}"]},
        {"type": "step", "run_id": id_, "id": "s", "status": "Completed", "input": {"said": who}, **TIMES},
        {"type": "score", "run_id": id_, "name": "solved", "value": True, "experiment": {"name": "e", "variant": "a"}},
        {"type": "metadata", "run_id": id_, "kind": "k", "values": {"said": who}},
        {"type": "deferral", "run_id": id_, "scorer_id": "d"},
    ]


def ingested(server: Server) -> None:
    """Send three people's records."""
    for who in ("zelda", "yorick", "xenia"):
        assert not server.ingest(records(who))["rejected"]


def runs(server: Server) -> list[str]:
    """Return the ids of the runs that queries see."""
    return [row[0] for row in server.ask("SELECT id FROM runs ORDER BY 1")]


def finished(server: Server, id_: str) -> dict[str, Any]:
    """Wait until an erasure is done and return it."""
    deadline = time.monotonic() + 60
    facts: dict[str, Any] = {}
    while time.monotonic() < deadline:
        facts = server.http.get(f"/v1/erasures/{id_}").json()
        if facts["done_at"]:
            return facts
        time.sleep(0.1)
    raise AssertionError(facts)


def test_a_running_server_erases(tmp_path: Path) -> None:
    """202 means hidden; then the keeper takes it off the disk by itself, and retries stay out."""
    with serving(tmp_path / "data") as server:
        ingested(server)
        answer = server.http.post("/v1/erase", json={"user": "user-zelda"})
        assert 202 == answer.status_code
        assert ["run-xenia", "run-yorick"] == runs(server)
        facts = finished(server, answer.json()["id"])
        assert {"runs": 1, "steps": 1, "scores": 1, "events": 1, "metadata": 1, "deferrals": 1} == {
            name: facts["rows"][name] for name in ("runs", "steps", "scores", "events", "metadata", "deferrals")
        }
        assert [] == left_of(tmp_path / "data" / "workspaces" / "default", ["zelda"])
        server.ingest(records("zelda"))
        assert ["run-xenia", "run-yorick"] == runs(server)
        assert [[0]] == server.ask("SELECT count(*) FROM events WHERE id = 'event-zelda'")
        session = server.http.post("/v1/erase", json={"session": {"chat": "c-yorick"}}).json()
        assert ["run-xenia"] == runs(server)
        finished(server, session["id"])
        listed = server.http.get("/v1/erasures").json()["erasures"]
        assert [("user", "done"), ("session", "done")] == [(one["kind"], one["stage"]) for one in listed]
        assert 404 == server.http.post("/v1/erase", json={"user": "user-zelda"}).status_code
        done = upshot("erase", "--run", "run-xenia", "--url", server.url)
        assert 0 == done.returncode, done.stderr
        assert b"done 20" in done.stdout
        assert b"xenia" not in done.stdout
        assert [] == runs(server)
        again = upshot("erase", "--run", "run-xenia", "--url", server.url, "--yes")
        assert (4, b"") == (again.returncode, again.stdout)
        assert b"there is nothing of that run" in again.stderr


def test_a_folder_is_erased_without_a_server(tmp_path: Path) -> None:
    """Offline the command takes every step itself, ends with clean bytes, and a server started later agrees."""
    data = tmp_path / "data"
    with serving(data) as server:
        ingested(server)
        assert 1 == upshot("erase", "--run", "run-zelda", "--data", data).returncode  # in use
        server.stop()
    done = upshot("erase", "--session", "chat=c-zelda", "--data", data)
    assert 0 == done.returncode, done.stderr
    assert done.stdout.startswith(b"erasure ")
    assert b"zelda" not in done.stdout
    assert [] == left_of(data / "workspaces" / "default", ["zelda"])
    assert 4 == upshot("erase", "--session", "chat=c-zelda", "--data", data).returncode
    with serving(data) as server:
        assert ["run-xenia", "run-yorick"] == runs(server)
        assert [["c-xenia"], ["c-yorick"]] == server.ask("SELECT session_id FROM sessions ORDER BY 1")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "exactly one of run, session and user, not none"),
        ({"run": "a", "user": "b"}, "not run and user"),
        ({"run": ""}, "run must be an id, not empty"),
        ({"session": {}}, "one pair"),
        ({"session": {"a": "1", "b": "2"}}, "one pair"),
        ({"session": {"a": ""}}, "one pair"),
        ({"users": "a"}, "users"),
        ({"run": 5}, "run"),
    ],
)
def test_bad_requests_are_refused(server: Server, body: dict[str, Any], message: str) -> None:
    """Exactly one subject, with a name that is one; nothing is erased."""
    answer = server.http.post("/v1/erase", json=body)
    assert (400, "bad_parameter") == (answer.status_code, answer.json()["error"]["code"])
    assert message in answer.json()["error"]["message"]
    assert 404 == server.http.get("/v1/erasures/none").status_code


def test_only_an_admin_may(tmp_path: Path) -> None:
    """Every route needs the right `admin`, and a key sees its own workspace only."""
    with serving(tmp_path / "data") as server:
        keys = {
            rights: upshot("keys", "create", "--workspace", "w", "--rights", rights, "--data", tmp_path / "data")
            for rights in ("ingest,query", "admin")
        }
        headers = {rights: {"authorization": f"Bearer {made.stdout.decode().strip()}"} for rights, made in keys.items()}
        for method, path, body in (
            ("POST", "/v1/erase", {"run": "r"}),
            ("GET", "/v1/erasures", None),
            ("GET", "/v1/erasures/x", None),
            ("GET", "/v1/retention", None),
            ("PUT", "/v1/retention", {"runs": 1}),
        ):
            answer = server.http.request(method, path, json=body, headers=headers["ingest,query"])
            assert (403, "forbidden") == (answer.status_code, answer.json()["error"]["code"])
            assert server.http.request(method, path, json=body, headers=headers["admin"]).status_code in (200, 404)


@pytest.mark.parametrize("offline", [False, pytest.param(True, marks=pytest.mark.long)])
def test_days_are_set_and_shown(server: Server, tmp_path: Path, offline: bool) -> None:  # noqa: FBT001
    """`retain` shows the tables, sets and lifts the days of one, over HTTP as offline; bad ones are refused."""
    place = ("--url", server.url)
    if offline:
        data = tmp_path / "data"
        with serving(data) as other:
            other.stop()
        place = ("--data", str(data))
    assert 9 == upshot("retain", *place).stdout.count(b"for ever")
    for words, days in ((("spans", "30"), 30), (("events", "7"), 7)):
        shown = upshot("retain", *words, *place)
        assert f"{words[0]} {days}" in " ".join(shown.stdout.decode().split())
    assert 8 == upshot("retain", "spans", "off", *place).stdout.count(b"for ever")
    for words in (("spans", "0"), ("spans", "x"), ("spans", "36501"), ("experiments", "5"), ("spans",)):
        refused = upshot("retain", *words, *place)
        assert (2, b"") == (refused.returncode, refused.stdout)
    assert 9 == upshot("retain", "events", "off", *place).stdout.count(b"for ever")
    assert {"days": {"runs": 90}} == server.http.put("/v1/retention", json={"runs": 90, "spans": None}).json()
    refused = server.http.put("/v1/retention", json={"runs": "soon"})
    assert (400, "bad_parameter") == (refused.status_code, refused.json()["error"]["code"])
    assert {"days": {"runs": 90}} == server.http.get("/v1/retention").json()
    assert {"days": {}} == server.http.put("/v1/retention", json={}).json()


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    """No subject, two, a session that is no pair: exit 2. No folder, no workspace: exit 4, and none is made."""
    data = tmp_path / "data"
    for words in ((), ("--run", "a", "--user", "b"), ("--session", "chat"), ("--session", "=1"), ("--run", "")):
        refused = upshot("erase", *words, "--data", data)
        assert 2 == refused.returncode, refused.stderr
    for command in (("erase", "--run", "r"), ("retain",)):
        missing = upshot(*command, "--data", data)
        assert 4 == missing.returncode
        assert b"no data directory" in missing.stderr
    assert not data.exists()
    upshot("keys", "create", "--workspace", "a", "--data", data)
    for command in (("erase", "--run", "r"), ("retain",)):
        missing = upshot(*command, "--data", data, "--workspace", "b")
        assert 4 == missing.returncode
        assert b"there is no workspace 'b'" in missing.stderr
    assert not (data / "workspaces" / "b").exists()
