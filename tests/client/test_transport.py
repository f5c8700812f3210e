"""What the network does to a call: injected by a real socket, and by a real server that is killed."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import time
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Protocol

import pytest

import upshot
from tests.client import faults
from tests.client.faults import answer, misbehaving
from tests.support.server import Server, serving
from upshot._call import retry_after
from upshot._errors import BusyError, UnreachableError
from upshot._transport import LONGEST_PAUSE, pause

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EMPTY = answer(200, b'{"experiments": []}')
ERROR: dict[str, Any] = {"code": "unavailable", "message": "starting", "request_id": "r"}
BUSY = answer(503, json.dumps({"error": ERROR}).encode(), ["Retry-After: 0"])
GONE = {"reset": faults.reset, "hang up": faults.hang_up, "cut": answer(200, b'{"experiments": []}', cut=9)}


class Through(Protocol):
    """Which of the twins makes a call."""

    def __call__(self, url: str, call: Callable[[Any], Any], **options: Any) -> Any:
        """Return what the call gives."""
        ...


def sync(url: str, call: Callable[[Any], Any], **options: Any) -> Any:
    """Return what a call of a `Client` gives."""
    with upshot.Client(url, **options) as client:
        return call(client)


def asynchronous(url: str, call: Callable[[Any], Any], **options: Any) -> Any:
    """Return what a call of an `AsyncClient` gives."""

    async def work() -> Any:
        async with upshot.AsyncClient(url, **options) as client:
            return await call(client)

    return asyncio.run(work())


both = pytest.mark.parametrize("through", [sync, asynchronous])


@both
@pytest.mark.parametrize("fault", GONE)
def test_what_breaks_off_is_asked_again(through: Through, fault: str) -> None:
    """Twice it breaks, the third time it answers; the key and the request are the same each time."""
    with misbehaving(GONE[fault], GONE[fault], EMPTY) as served:
        assert () == through(served.url, lambda client: client.experiments.list())
    assert 3 == len(served.requests)
    assert 1 == len(set(served.requests))


@both
def test_retries_are_bounded(through: Through) -> None:
    """`retries` more than the first, then the error; none when 0."""
    for retries in (0, 2):
        with misbehaving(BUSY) as served:
            with pytest.raises(upshot.BusyError, match="starting") as raised:
                through(served.url, lambda client: client.query("SELECT 1"), retries=retries)
            assert (503, "unavailable", 0.0) == (raised.value.status, raised.value.code, raised.value.retry_after)
        assert retries + 1 == len(served.requests)


def test_retry_after_is_waited_for() -> None:
    """One second asked, at least one waited; a proxy's page in place of our error will do."""
    for status in (429, 503):
        with misbehaving(answer(status, b"<html>", ["Retry-After: 1"]), EMPTY) as served:
            began = time.monotonic()
            assert () == sync(served.url, lambda client: client.experiments.list())
            assert time.monotonic() - began >= 1


def test_pauses_grow_within_bounds() -> None:
    """Full jitter under a doubling bound; what the server asks for outranks it, but not for more than a minute."""
    broken = UnreachableError("x")
    for tried in range(1, 10):
        drawn = [pause(broken, tried, 100) or 0.0 for _ in range(200)]
        bound = min(0.25 * 2**tried, LONGEST_PAUSE)
        assert 0 <= min(drawn) < bound / 4 and bound * 3 / 4 < max(drawn) <= bound
    busy = BusyError("x")
    busy.retry_after = 60.0
    assert 60.0 == pause(busy, 1, 1)
    busy.retry_after = 61.0
    assert pause(busy, 1, 1) is None
    assert pause(UnreachableError("late", timed_out=True), 1, 1) is None


def test_retry_after_is_seconds_or_a_date() -> None:
    """RFC 9110, section 10.2.3; what is neither says nothing."""
    now = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)
    date = format_datetime(now + dt.timedelta(seconds=90), usegmt=True)
    said = {"7": 7.0, date: 90.0, "Tue, 01 Sep 2020 12:00:00 GMT": 0.0, "soon": None, "-1": None, "": None, "²": None}
    assert said == {text: retry_after({"retry-after": text}, now) for text in said}


@both
def test_errors_of_the_caller_are_not_tried_again(through: Through) -> None:
    """400, 401, 404, 500 and 507 come at once, each as its class with the server's words."""
    classes = {
        (400, "bad_parameter"): upshot.Error,
        (401, "unauthorized"): upshot.AccessError,
        (403, "forbidden"): upshot.AccessError,
        (404, "not_found"): upshot.NotFoundError,
        (500, "internal"): upshot.Error,
        (507, "disk_full"): upshot.Error,
    }
    for (status, code), kind in classes.items():
        said = {"code": code, "message": f"it is {code}", "hint": "do this", "request_id": "r-1"}
        with misbehaving(answer(status, json.dumps({"error": said}).encode())) as served:
            with pytest.raises(upshot.Error) as raised:
                through(served.url, lambda client: client.runs.get("a"))
            error = raised.value
            assert kind is type(error)
            assert (code, status, "r-1", "do this") == (error.code, error.status, error.request_id, error.hint)
            assert f"it is {code}\nhint: do this" == str(error)
        assert 1 == len(served.requests)


@both
def test_a_late_server_is_not_asked_twice(through: Through) -> None:
    """It may still be at work; the error says so."""
    with misbehaving(faults.silence) as served:
        with pytest.raises(upshot.UnreachableError, match="did not answer in time") as raised:
            through(served.url, lambda client: client.query("SELECT 1"), timeout=0.2)
        assert raised.value.timed_out
    assert 1 == len(served.requests)


@both
def test_a_redirect_is_not_followed(through: Through) -> None:
    """The key goes to no other host, and to no other path of this one."""
    with misbehaving(EMPTY) as other:
        for target in (other.url, "/elsewhere"):
            with misbehaving(answer(307, b"", [f"Location: {target}/v1/experiments?token=x"])) as served:
                with pytest.raises(upshot.Error, match="a redirect to") as raised:
                    through(served.url, lambda client: client.experiments.list(), api_key="secret")
                assert "token" not in str(raised.value)
            assert 1 == len(served.requests)
    assert [] == other.requests


@both
@pytest.mark.parametrize("body", [b"<html>sign in to this network</html>", b"[]", b"", b'{"columns": []}', b"null"])
def test_what_is_no_upshot_says_so(through: Through, body: bytes) -> None:
    """A page that answers 200 to everything."""
    with misbehaving(answer(200, body, ["Content-Type: text/html"])) as served:
        with pytest.raises(upshot.Error, match="which no Upshot server does"):
            through(served.url, lambda client: client.query("SELECT 1"))
        with pytest.raises(upshot.Error, match="which no Upshot server does"):
            through(served.url, lambda client: client.ingest([{"type": "event", "name": "a"}]))
    with misbehaving(answer(404, body)) as served, pytest.raises(upshot.Error, match="which no Upshot server does"):
        through(served.url, lambda client: client.runs.get("a"))


@both
def test_no_server_says_where_it_was_looked_for(through: Through) -> None:
    """A port where nothing listens."""
    with misbehaving(EMPTY) as served:
        pass
    with pytest.raises(upshot.UnreachableError, match=f"no server answers at {served.url}") as raised:
        through(served.url, lambda client: client.query("SELECT 1"), retries=1)
    assert "UPSHOT_URL" in (raised.value.hint or "")


@pytest.fixture(scope="module")
def stream(server: Server) -> bytes:
    """An Arrow answer of many batches, as the server sent it."""
    answered = server.http.post(
        "/v1/query",
        json={"sql": "SELECT a.id, b.id AS other FROM runs a, runs b", "limit": 90_000},
        headers={"accept": "application/vnd.apache.arrow.stream"},
    )
    assert "90000" == answered.headers["upshot-rows"]
    return answered.content


ARROW = ["Content-Type: application/vnd.apache.arrow.stream"]


@both
def test_an_answer_that_ends_early_is_an_error(through: Through, stream: bytes) -> None:
    """Cut anywhere, announced whole or announced short: an Error, never fewer rows."""

    async def gathered(client: Any) -> int:
        async with client.stream("SELECT 1") as batches:
            return sum([batch.num_rows async for batch in batches])

    def summed(client: Any) -> int:
        with client.stream("SELECT 1") as batches:
            return sum(batch.num_rows for batch in batches)

    streamed = summed if through is sync else gathered
    places = [0, 1, 7, 100, 2_000, len(stream) // 3, len(stream) // 2, len(stream) - 3_000, len(stream) - 9]
    for place in places:
        for act in (answer(200, stream, ARROW, cut=place), answer(200, stream[:place], ARROW)):
            with misbehaving(act) as served:
                with pytest.raises(upshot.Error):
                    through(served.url, lambda client: client.query("SELECT 1"), retries=0)
                with pytest.raises(upshot.Error):
                    through(served.url, streamed, retries=0)
    with misbehaving(answer(200, stream, ARROW)) as served:
        assert 90_000 == len(through(served.url, lambda client: client.query("SELECT 1")))
        assert 90_000 == through(served.url, streamed)


def test_a_short_json_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that were announced and are not there."""
    monkeypatch.setattr("upshot._result.arrow_is_here", lambda: False)
    facts = {"row_count": 2, "truncated": False, "elapsed_ms": 1, "snapshot": "1"}
    body = json.dumps({"columns": [{"name": "a", "type": "BIGINT"}], "rows": [[1]], **facts}).encode()
    with misbehaving(answer(200, body)) as served, pytest.raises(upshot.UnreachableError, match="1 of 2 rows"):
        sync(served.url, lambda client: client.query("SELECT 1"))


def test_a_killed_server_is_an_error_and_its_return_no_loss(tmp_path: Path) -> None:
    """Kill -9 between two batches of one ingest: what was accepted is told; a new server has exactly that."""

    def records(server: Server) -> Any:
        for n in range(30_000):
            if n == 25_000:
                server.kill()
            yield {"type": "event", "name": "tick", "data": {"n": n}}

    with serving(tmp_path / "data") as server:
        with pytest.raises(upshot.UnreachableError) as raised:
            sync(server.url, lambda client: client.ingest(records(server)), retries=1)
        [note] = raised.value.__notes__
    accepted = int(note.split()[0])
    assert 20_000 == accepted
    with serving(tmp_path / "data") as again:
        counted = sync(again.url, lambda client: client.query("SELECT count(*) AS n FROM events").rows())
    assert [{"n": accepted}] == counted
