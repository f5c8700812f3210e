from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from typing import Any

import pytest

from api.demo.traces import RUNS_PER_BODY, traces
from api.demo.traffic import traffic
from ingest.otel import taken
from tests.api.demo.reading import Record, moment

NOW = dt.datetime(2026, 11, 20, 15, 31, 7, 123456, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def sent() -> list[Record]:
    """A small demo."""
    return list(traffic(now=NOW, accounts=20))


@pytest.fixture(scope="module")
def bodies(sent: list[Record]) -> list[bytes]:
    """Its traces."""
    return list(traces(sent))


@pytest.fixture(scope="module")
def spans(bodies: list[bytes]) -> dict[str, list[Record]]:
    """Run -> its spans, attributes as plain values."""
    found: dict[str, list[Record]] = defaultdict(list)
    for body in bodies:
        for group in json.loads(body)["resourceSpans"]:
            for span in group["scopeSpans"][0]["spans"]:
                told = {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}
                found[told["upshot.run_id"]].append(span | {"told": told})
    return found


def nanoseconds(time: str) -> str:
    return str(round(moment(time).timestamp() * 1e6) * 1000)


def traced(sent: list[Record]) -> set[str]:
    """Return the ended runs that name a trace, in whichever of their records."""
    runs = [record for record in sent if record["type"] == "run"]
    return {r["id"] for r in runs if "ended_at" in r} & {r["id"] for r in runs if "trace_id" in r}


def test_the_same_records_give_the_same_bodies(sent: list[Record], bodies: list[bytes]) -> None:
    """Nothing is drawn by lot; records sent twice change nothing."""
    assert bodies == list(traces(sent))
    assert bodies == list(traces([*sent, *(record for record in sent if record["type"] == "step")]))


def test_every_finished_run_has_one_trace(sent: list[Record], spans: dict[str, list[Record]]) -> None:
    """Those that people were handed over to have none: they are no agent's work."""
    assert traced(sent) == spans.keys()
    handed_over = {r["id"] for r in sent if r.get("function_id") == "escalate-ticket"}
    assert handed_over and not handed_over & spans.keys()
    ids = [span["spanId"] for own in spans.values() for span in own]
    assert len(ids) == len(set(ids))
    for own in spans.values():
        [root] = [span for span in own if "parentSpanId" not in span]
        assert {root["spanId"]} == {span["parentSpanId"] for span in own if span is not root} or len(own) == 1
        assert 1 == len({span["traceId"] for span in own})


def test_spans_say_what_steps_say(sent: list[Record], spans: dict[str, list[Record]]) -> None:
    """Attempts of model calls: times, model, tokens, errors; a tool's arguments."""
    steps = {(r["run_id"], r["id"], r["started_at"]): r for r in sent if r["type"] == "step"}
    left = {(key[0], key[1], nanoseconds(key[2])): step for key, step in steps.items() if key[0] in spans}
    for run_id, own in spans.items():
        for span in own:
            if "parentSpanId" not in span:
                continue
            told = span["told"]
            step: dict[str, Any] = left.pop((run_id, told["upshot.step_id"], span["startTimeUnixNano"]))
            said = step.get("attributes", {})
            assert nanoseconds(step["ended_at"]) == span["endTimeUnixNano"]
            assert ("error" in step) == (span["status"]["code"] == 2)
            assert said.get("model") == told.get("gen_ai.request.model")
            assert str(said.get("input_tokens")) == str(told.get("gen_ai.usage.input_tokens"))
            if told["gen_ai.operation.name"] == "execute_tool":
                assert step["input"]["arguments"] == json.loads(told["gen_ai.tool.call.arguments"])
    kept = {step["id"] for step in left.values()}
    assert kept <= {"transcribe", "save-summary", "send-reply", "escalate"}


def test_a_cache_holds_no_more_than_was_read(spans: dict[str, list[Record]]) -> None:
    """And the first token comes before the last."""
    calls = [span for own in spans.values() for span in own if "gen_ai.usage.cost" in span["told"]]
    assert calls
    for call in calls:
        told = call["told"]
        assert 0 <= int(told["gen_ai.usage.cache_read.input_tokens"]) <= int(told["gen_ai.usage.input_tokens"])
        lasted = (int(call["endTimeUnixNano"]) - int(call["startTimeUnixNano"])) / 1e9
        assert 0 < told["gen_ai.response.time_to_first_chunk"] < lasted


def test_a_server_takes_them_whole(bodies: list[bytes]) -> None:
    """No span is refused, in bodies well within the limit."""
    assert len(bodies) == -(-sum(body.count(b'"resource":') for body in bodies) // RUNS_PER_BODY)
    for body in bodies:
        assert len(body) < 10_000_000
        found = taken.receive(taken.TRACES, body, None, "application/json", 0, taken.Reading())
        assert 0 == found.rejected
