"""Lists over all their pages, and single things by whatever id they have."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import upshot
from tests.client.conftest import RUNS, TRACE

if TYPE_CHECKING:
    from tests.support.server import Server

HOSTILE = (
    *("a/b", "a/payload", "payload", "//", "..", ".", "a?b=c&d", "a#b", "a%2Fb", "a b", "-1", "a;b", "a\\b", "+"),
    *("<script>", "ключ", "\u202egnp.exe", "?", "%", "é" * 60, "{key}"),
)
"""Ids that a sender may choose."""


def test_a_list_walks_over_all_its_pages(client: upshot.Client, server: Server) -> None:
    """Every run once, in the server's order, a page asked for when it is needed; twins walk alike."""
    sent: list[Any] = []
    client._transport._http.event_hooks["request"].append(sent.append)
    walk = iter(client.runs.list())
    assert [] == sent
    first = next(walk)
    assert 1 == len(sent)
    ids = [first.id, *(run.id for run in walk)]
    assert 2 == len(sent)
    assert [f"run-{n}" for n in reversed(range(RUNS))] == ids
    assert ids[:7] == [run.id for run in client.runs.list(limit=7)]
    assert 7 == int(sent[-1].url.params["limit"])
    assert ids[:250] == [run.id for run in client.runs.list(limit=250)]
    assert [] == list(client.runs.list(user="nobody"))

    async def walked(**filters: Any) -> list[str]:
        async with upshot.AsyncClient(server.url) as twin:
            return [run.id async for run in twin.runs.list(**filters)]

    assert ids == asyncio.run(walked())
    failed = [run.id for run in client.runs.list(status="Failed", order="oldest")]
    assert [f"run-{n}" for n in range(0, RUNS, 10)] == failed == asyncio.run(walked(status="Failed", order="oldest"))


def test_pages_by_hand(client: upshot.Client) -> None:
    """`page` is what the server answers, with the cursor of the next."""
    listing = client.sessions.list(key="ticket", limit=60)
    page = listing.page()
    assert (60, "ticket") == (len(page.sessions), page["keys"][0].key)
    following = listing.page(page.next)
    assert not {one.id for one in page.sessions} & {one.id for one in following.sessions}
    with pytest.raises(upshot.Error, match="cursor is 'zz'"):
        listing.page("zz")
    # A limit is of the whole walk, and a hundred sessions are more than a page of sixty.
    assert 60 == len(list(listing))
    assert RUNS // 3 == len(list(client.sessions.list(key="ticket")))


def test_times_are_since_and_until(client: upshot.Client) -> None:
    """Inclusive and exclusive, as text, milliseconds or datetimes."""
    first = next(iter(client.runs.list(order="oldest")))
    for since in (first.started_at, 1_788_220_800_000):
        assert "run-0" in {run.id for run in client.runs.list(since=since, until=1_788_220_801_000)}
    assert [] == list(client.runs.list(until=first.started_at))


def test_single_things(client: upshot.Client) -> None:
    """A session with its runs, a run, its input, a trace, a score's spread, an experiment, the overview."""
    session = client.sessions.get("ticket", "T-1")
    assert ["run-3", "run-4", "run-5"] == [one.run.id for one in session.runs]
    run = client.runs.get("run-1")
    assert (TRACE, "chat") == (run.spans[0].trace_id, run.spans[0].name)
    assert '{"question":"ключ 1"}' == client.runs.payload("run-1", of="input").text
    assert 1 == client.traces.get(TRACE).span_count
    assert "solved" in {score.name for score in client.scores.list()}
    assert RUNS == sum(one.runs for one in client.experiments.get("prompt").variants)
    assert "prompt" in {experiment.name for experiment in client.experiments.list()}
    assert client.scores.get("solved").keys() and client.overview(since="2026-09-01").runs


@pytest.fixture(scope="module")
def hostile(scratch: Server) -> Server:
    """A server with runs, inputs and sessions of hostile names."""
    runs = [{"type": "run", "id": id_, "status": "Completed", "input": id_, "sessions": {id_: id_}} for id_ in HOSTILE]
    assert {"accepted": len(runs), "rejected": []} == scratch.ingest(runs)
    return scratch


@pytest.mark.parametrize("id_", HOSTILE)
def test_an_id_is_any_text(hostile: Server, id_: str) -> None:
    """Each is found as itself: a run, its payload, a session's key and id."""
    with upshot.Client(hostile.url) as client:
        assert id_ == client.runs.get(id_).run.id
        assert id_ == client.runs.payload(id_, of="input").run_id
        session = client.sessions.get(id_, id_).session
        assert (id_, id_) == (session.key, session.id)
        for missing in (client.scores.get, client.experiments.get, client.traces.get):
            with pytest.raises(upshot.NotFoundError):
                missing(id_)


@pytest.mark.parametrize("id_", ["", None, 7])
def test_no_id_is_refused_here(client: upshot.Client, id_: Any) -> None:
    """An empty path would be another route."""
    for ask in (client.runs.get, client.traces.get, client.experiments.get, client.scores.get):
        with pytest.raises(upshot.ArgumentError, match="is no name or id in"):
            ask(id_)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
)


def plain(value: Any) -> Any:
    """Return what fields and tuples were made of."""
    if isinstance(value, upshot.Fields):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        items: tuple[Any, ...] = value  # pyright: ignore[reportUnknownVariableType]
        return [plain(item) for item in items]
    return value


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_fields_are_the_answers_read_only(body: dict[str, Any]) -> None:
    """The same content as a mapping and as attributes; not to be set; equal to what they are made of."""
    fields = upshot.Fields(body)
    assert body == plain(fields) == fields.to_dict()
    assert fields == upshot.Fields(body)
    for name in body:
        if name.isidentifier() and name not in dir(upshot.Fields):
            assert fields[name] == getattr(fields, name)
            assert name in dir(fields)
    with pytest.raises(AttributeError, match="an answer is read-only"):
        fields.status = "x"
    with pytest.raises(AttributeError, match="there is no field 'statu'") as raised:
        _ = upshot.Fields({"status": 1}).statu
    assert "did you mean 'status'?" in str(raised.value)
