"""Scores and records: what is sent, what is refused where, what is told of each, and that nothing counts twice."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import upshot
from tests.client import faults
from tests.client.faults import answer, misbehaving
from upshot._records import BATCH_BYTES, BATCH_RECORDS, batches, new_id, score_record
from warehouse.ids import day_in_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server import Server


@pytest.fixture
def sender(scratch: Server) -> Iterator[upshot.Client]:
    """A client of it."""
    with upshot.Client(scratch.url) as opened:
        yield opened


def test_a_score_arrives_as_said(sender: upshot.Client) -> None:
    """Every field, each kind of value, each kind of target."""
    at = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)
    sender.score(
        name="quality", value=0.25, run_id="r", experiment=("e", "v"), sessions={"ticket": "T"}, comment="because",
         source="llm", scorer_id="judge", ts=at, id="own", attributes={"k": [1]},
    )  # fmt: skip
    sender.score(name="solved", value=True, run_id="r", step_id="s")
    sender.score(name="tone", value="friendly", session={"ticket": "T"})
    sender.score(name="both", value=np.float64(2), label="two", trace_id="a" * 32, span_id="b" * 16)
    columns = "id, name, kind, value, label, run_id, step_id, session_id, trace_id, span_id, experiment, variant"
    rows = {row["name"]: row for row in sender.query(f"SELECT {columns}, comment, source, scorer_id, ts FROM scores")}
    quality = rows["quality"]
    assert ("own", "numeric", 0.25, "r", None, "e", "v", "because", "llm", "judge", at) == tuple(
        quality[name]
        for name in (
            *("id", "kind", "value", "run_id", "step_id", "experiment", "variant", "comment", "source", "scorer_id"),
            "ts",
        )
    )
    assert ("boolean", 1.0, "s") == tuple(rows["solved"][name] for name in ("kind", "value", "step_id"))
    assert ("label", None, "friendly", "T") == tuple(rows["tone"][k] for k in ("kind", "value", "label", "session_id"))
    assert (2.0, "two", "a" * 32, "b" * 16) == tuple(rows["both"][k] for k in ("value", "label", "trace_id", "span_id"))


def test_a_score_sent_again_replaces(sender: upshot.Client) -> None:
    """Without an id of ours: the same target and name is one score; an own id stands beside."""
    for value in (1, 0.5):
        sender.score(name="again", value=value, run_id="r")
    sender.score(name="again", value=2, run_id="r", id="rater-2")
    assert [0.5, 2.0] == sorted(row["value"] for row in sender.query("SELECT value FROM scores WHERE name = 'again'"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"value": math.nan}, "value is nan, must be a finite number"),
        ({"value": -math.inf}, "value is -inf, must be a finite number"),
        ({"value": 1, "attributes": {"a": [math.nan]}}, "attributes.a[0] is nan, must be a finite number"),
        ({"value": None}, "value is None, must be a number, a bool or a text"),
        ({"value": "a", "label": "b"}, "value is the text 'a' and label is 'b', must be one of them"),
        ({"value": object()}, "value is a object, which has no form in JSON"),
        ({"value": 1, "experiment": ("e",)}, "experiment is ('e',), must be a name and a variant"),
        ({"value": 1, "ts": 1.5}, "ts is a float, must be ISO 8601 text"),
    ],
)
def test_what_is_no_score_is_refused_here(given: dict[str, Any], message: str) -> None:
    """By the field's name, with its value; nothing is sent."""
    refused = pytest.raises(upshot.ArgumentError, match=re.escape(message))
    with upshot.Client("http://127.0.0.1:1", retries=0) as client, refused:
        client.score(name="a", run_id="r", **given)


def test_a_score_the_server_refuses_raises(sender: upshot.Client) -> None:
    """With its words; a bare name has no target."""
    with pytest.raises(upshot.RejectedError, match="record 0, name: ") as raised:
        sender.score(name="it's", value=1, run_id="r")
    assert (0, "name") == (raised.value.outcome.rejected[0].index, raised.value.outcome.rejected[0].field)
    with pytest.raises(upshot.RejectedError):
        sender.score(name="no target", value=1)


def test_bad_records_keep_their_places(sender: upshot.Client, scratch: Server) -> None:
    """Over several batches: each refused record, here or there, is told by its place among all; the others are in."""
    bad: dict[int, tuple[dict[str, Any] | Any, str | None]] = {
        3: ({"type": "event", "name": "e", "data": {"x": math.nan}}, "data.x"),
        4: ([], None),
        9_999: ({"type": "event"}, "name"),
        10_000: ({"type": "run", "id": "a", "status": "Odd"}, "status"),
        10_001: ({"type": "event", "name": "e", "data": {"x": object()}}, "data.x"),
        20_004: ({"type": "nothing"}, "type"),
    }
    records = [bad[n][0] if n in bad else {"type": "event", "name": "place"} for n in range(20_005)]
    outcome = sender.ingest(records)
    assert {n: field for n, (_, field) in bad.items()} == {one.index: one.field for one in outcome.rejected}
    assert len(records) - len(bad) == outcome.accepted
    counted = "SELECT count(*) AS n FROM events WHERE name = 'place'"
    assert [{"n": outcome.accepted}] == sender.query(counted).rows()
    with pytest.raises(upshot.RejectedError, match="6 of 20005 records not accepted") as raised:
        sender.ingest(records, raise_rejected=True)
    assert outcome == raised.value.outcome

    async def again() -> upshot.Ingested:
        async with upshot.AsyncClient(scratch.url) as client:
            return await client.ingest(records)

    assert outcome == asyncio.run(again())


def test_a_retry_counts_once(sender: upshot.Client, scratch: Server) -> None:
    """The server took the records and its answer was lost: sent again, byte for byte, they are there once."""
    records = [{"type": "event", "name": "once"}, {"type": "score", "name": "once", "value": 1, "run_id": "r"}]

    def taken(connection: Any) -> None:
        body = served.bodies[-1]
        scratch.http.post("/v1/ingest", content=body, headers={"content-type": "application/x-ndjson"})
        faults.reset(connection)

    def forwarded(connection: Any) -> None:
        body = served.bodies[-1]
        said = scratch.http.post("/v1/ingest", content=body, headers={"content-type": "application/x-ndjson"})
        answer(said.status_code, said.content)(connection)

    with misbehaving(taken, taken, forwarded) as served, upshot.Client(served.url) as client:
        assert upshot.Ingested(2, []) == client.ingest(records)
        assert 3 == len(served.bodies) and 1 == len(set(served.bodies))
    counted = (
        "SELECT (SELECT count(*) FROM events WHERE name = 'once') AS e, count(*) AS s FROM scores WHERE name = 'once'"
    )
    assert [{"e": 1, "s": 1}] == sender.query(counted).rows()


def test_only_events_are_given_ids() -> None:
    """A score with an id of ours would stand beside the one it is to replace; a run has its own."""
    sent = [
        {"type": "event", "name": "e"},
        {"type": "event", "name": "e", "id": "own"},
        {"type": "score", "name": "s", "value": 1, "run_id": "r"},
        {"type": "deferral", "scorer_id": "s", "run_id": "r"},
    ]
    [batch] = batches(sent)
    first, *others = map(json.loads, batch.lines)
    assert sent[1:] == others
    assert sent[0] == {name: value for name, value in first.items() if name != "id"}
    assert "id" not in sent[0]
    today = (dt.datetime.now(dt.UTC) - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)).days
    assert day_in_id(first["id"]) in (today - 1, today)


def test_ids_are_distinct_and_in_order_of_time() -> None:
    """26 characters of Crockford's alphabet; the first ten are the time, as the server reads it."""
    ids = [new_id() for _ in range(1_000)]
    assert 1_000 == len(set(ids))
    assert all(re.fullmatch("[0-7][0-9A-HJKMNP-TV-Z]{25}", one) for one in ids)
    assert [one[:10] for one in ids] == sorted(one[:10] for one in ids)


@given(st.lists(st.integers(0, 300_000), max_size=60))
def test_batches_are_bounded_and_lose_nothing(sizes: list[int]) -> None:
    """Records of any size, in order; a batch is over its bound by its last record at the most."""
    sent = [{"type": "run", "id": f"{n}", "input": "x" * size} for n, size in enumerate(sizes)]
    made = list(batches(iter(sent)))
    assert sent == [json.loads(line) for batch in made for line in batch.lines]
    assert [*range(len(sent))] == [index for batch in made for index in batch.indices]
    for batch in made:
        assert sum(len(line) + 1 for line in batch.lines) == batch.size
        assert batch.size - len(batch.lines[-1]) <= BATCH_BYTES and len(batch.lines) <= BATCH_RECORDS


def test_records_are_drawn_as_they_are_sent(sender: upshot.Client) -> None:
    """A generator's first batch is in before its last record is made."""

    def records() -> Iterator[dict[str, Any]]:
        for n in range(BATCH_RECORDS + 1):
            if n == BATCH_RECORDS:
                assert [{"n": n}] == sender.query("SELECT count(*) AS n FROM events WHERE name = 'drawn'").rows()
            yield {"type": "event", "name": "drawn"}

    assert BATCH_RECORDS + 1 == sender.ingest(records()).accepted


@pytest.mark.parametrize("records", ["abc", b"bytes", {"type": "event"}])
def test_one_record_is_no_iterable_of_them(sender: upshot.Client, records: Any) -> None:
    """A dict or a text would be taken apart."""
    with pytest.raises(upshot.ArgumentError, match="must be an iterable of dicts"):
        sender.ingest(records)


@given(st.floats() | st.booleans() | st.integers() | st.text(max_size=9))
def test_every_value_is_a_score_or_refused(value: float | str) -> None:
    """Only what is not finite is refused; a text is the label."""
    if isinstance(value, float) and not math.isfinite(value):
        with pytest.raises(upshot.ArgumentError, match="value is"):
            score_record("n", value, None, None, None)
        return
    record = score_record("n", value, None, None, None)
    assert value == record["label" if isinstance(value, str) else "value"]
    assert type(value) is type(record["label" if isinstance(value, str) else "value"])
