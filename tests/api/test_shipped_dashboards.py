"""The dashboards that ship, over the demo's data: every tile has rows, and what they say is what the records say."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from api.dashboards import SHIPPED
from api.demo.models import LARGE, OTHER, SMALL
from api.demo.traces import traces
from api.demo.traffic import traffic
from tests.api.demo.reading import moment
from tests.api.pages.documents import Document
from tests.support.server import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNTS = 40
NOW = dt.datetime.now(dt.UTC)
FROM, TO = ((NOW - dt.timedelta(days=days)).replace(hour=7, minute=30, second=0, microsecond=0) for days in (13, 2))
"""A time that begins and ends within the data, and within a day."""

EVERY = [(name, number) for name, dashboard in SHIPPED.items() for number in range(len(dashboard.tiles))]


@dataclass(frozen=True)
class Told:
    """A server with the demo's data, and the records folded by hand: the newest state of each, each once."""

    server: Server
    runs: dict[str, dict[str, Any]]
    attempts: list[dict[str, Any]]
    scores: list[dict[str, Any]]

    def begun(self, environment: str | None) -> list[dict[str, Any]]:
        """Return the runs that began in the time and environment."""
        return [
            run
            for run in self.runs.values()
            if "started_at" in run
            and FROM <= moment(run["started_at"]) < TO
            and environment in (None, run["environment"])
        ]

    def calls(self, environment: str | None) -> list[dict[str, Any]]:
        """Return the model calls in the time and environment: attempts at a model of runs that ended, as traced."""
        return [
            step
            for step in self.attempts
            if step["step_type"] == "AIGateway"
            and FROM <= moment(step["started_at"]) < TO
            and "ended_at" in (run := self.runs[step["run_id"]])
            and environment in (None, run["environment"])
        ]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """The demo with fewer accounts, its traces too."""
    records = list(traffic(now=NOW, accounts=ACCOUNTS))
    with serving(tmp_path_factory.mktemp("shipped") / "data") as server:
        remaining = iter(records)
        while batch := list(itertools.islice(remaining, 5_000)):
            assert [] == server.ingest(batch)["rejected"]
        for body in traces(records):
            assert server.http.post("/v1/traces", content=body, headers={"content-type": "application/json"}).is_success
        runs: dict[str, dict[str, Any]] = {}
        attempts: dict[tuple[Any, ...], dict[str, Any]] = {}
        scores: dict[tuple[Any, ...], dict[str, Any]] = {}
        for record in records:
            match record["type"]:
                case "run":
                    known = runs.setdefault(record["id"], {})
                    runs[record["id"]] = record | known if "ended_at" in known else known | record
                case "step":
                    key = record["run_id"], record["id"], record.get("loop_index", 0), record["attempt"]
                    attempts[key] = record
                case "score":
                    target = record.get("id"), record.get("run_id"), record.get("step_id"), str(record.get("session"))
                    key = (*target, record["name"])
                    if key not in scores or moment(record["ts"]) >= moment(scores[key]["ts"]):
                        scores[key] = record
                case _:
                    pass
        yield Told(server, runs, [*attempts.values()], [*scores.values()])


def tile(told: Told, dashboard: str, title: str, environment: str | None = None) -> list[list[Any]]:
    """Return the rows of a tile over `FROM` to `TO`."""
    number = next(n for n, one in enumerate(SHIPPED[dashboard].tiles) if one.title == title)
    params = {"from": FROM.isoformat(), "to": TO.isoformat()} | ({"environment": environment} if environment else {})
    answer = told.server.http.get(f"/v1/dashboards/{dashboard}/tiles/{number}/result", params=params)
    assert answer.is_success, answer.text
    return answer.json()["rows"]


def milliseconds(one: dict[str, Any]) -> float:
    """Return how long a record took."""
    return (moment(one["ended_at"]) - moment(one["started_at"])) / dt.timedelta(milliseconds=1)


ENVIRONMENTS = (None, "production", "staging")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_agent_health(told: Told, environment: str | None) -> None:
    """Runs, failures, durations, retries, functions, errors: counted over the records."""
    begun = told.begun(environment)
    assert len(begun) > 5
    assert [[len(begun)]] == tile(told, "agent-health", "Runs", environment)
    ended = [run for run in begun if run["status"] in ("Completed", "Failed", "Cancelled")]
    failed = [run for run in begun if run["status"] == "Failed"]
    [[share]] = tile(told, "agent-health", "Failed", environment)
    assert len(failed) / len(ended) == pytest.approx(share)
    [[middle]] = tile(told, "agent-health", "Median duration", environment)
    assert median(milliseconds(run) for run in begun if "ended_at" in run) == pytest.approx(middle)
    tried = [
        step
        for step in told.attempts
        if FROM <= moment(step["started_at"]) < TO and environment in (None, told.runs[step["run_id"]]["environment"])
    ]
    [[again]] = tile(told, "agent-health", "Steps tried again", environment)
    assert sum(step["attempt"] > 0 for step in tried) / len(tried) == pytest.approx(again)
    by_status = Counter((run["started_at"][:10], run["status"]) for run in begun)
    rows = tile(told, "agent-health", "Runs by status", environment)
    assert by_status == {(time[:10], status): count for time, status, count in rows}
    functions = tile(told, "agent-health", "Functions", environment)
    assert Counter(run["function_id"] for run in begun) == {name: count for name, count, *_ in functions}
    assert Counter(run["function_id"] for run in failed) == Counter({name: n for name, _, n, *_ in functions if n})
    why = {
        (error, function): count
        for error, function, count, *_ in tile(told, "agent-health", "Why runs fail", environment)
    }
    assert Counter((run["error"]["name"], run["function_id"]) for run in failed) == why


def test_scores_and_outcomes(told: Told) -> None:
    """Every score's count and mean, the share that was resolved by day, and how late scores come."""
    received = [one for one in told.scores if "value" in one and FROM <= moment(one["ts"]) < TO]
    assert [[len(received)]] == tile(told, "scores-and-outcomes", "Scores")
    named: dict[str, list[float]] = defaultdict(list)
    for one in received:
        named[one["name"]].append(float(one["value"]))
    rows = tile(told, "scores-and-outcomes", "Every score")
    assert {name: len(values) for name, values in named.items()} == {name: count for name, _, count, *_ in rows}
    for name, _, _, _, mean, middle, low, high in rows:
        found = fmean(named[name]), median(named[name]), min(named[name]), max(named[name])
        assert found == pytest.approx((mean, middle, low, high), abs=5e-5)
    resolved: dict[str, list[bool]] = defaultdict(list)
    for one in received:
        if isinstance(one["value"], bool):
            resolved[moment(one["ts"]).date().isoformat()].append(one["value"])
    by_day = {time[:10]: share for time, _, share in tile(told, "scores-and-outcomes", "Yes-or-no scores")}
    assert {day: 100 * fmean(values) for day, values in resolved.items()} == pytest.approx(by_day, abs=5e-3)
    late: Counter[tuple[int, str]] = Counter()
    begun = {run["id"]: moment(run["started_at"]) for run in told.begun(None)}
    for one in told.scores:
        if "value" in one and one["source"] in ("deferred", "human") and one.get("run_id") in begun:
            hours = _hour(moment(one["ts"])) - _hour(begun[one["run_id"]])
            late[hours // 24, one["name"]] += 1
    assert late == {(days, name): n for days, name, n in tile(told, "scores-and-outcomes", "How late scores come")}


def _hour(time: dt.datetime) -> int:
    """Return the hour a time is in: `date_diff` counts the hours that begin between two times."""
    return int(time.timestamp() // 3600)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_model_cost_and_latency(told: Told, environment: str | None) -> None:
    """Cost, failures, times and tokens of the calls, from the steps that the traces were made of."""
    calls = told.calls(environment)
    prices = {model.name: model for model in (SMALL, LARGE, OTHER)}
    said = [step["attributes"] for step in calls]
    priced = [one for one in said if "input_tokens" in one]
    assert priced
    cost = sum(prices[one["model"]].cost(one["input_tokens"], one["output_tokens"]) for one in priced)
    [[whole]] = tile(told, "model-cost-and-latency", "Cost", environment)
    assert cost == pytest.approx(whole)
    [[of_a_run]] = tile(told, "model-cost-and-latency", "Cost of a run", environment)
    assert cost / len({step["run_id"] for step in calls}) == pytest.approx(of_a_run)
    failed = Counter(step["attributes"]["model"] for step in calls if "error" in step)
    [[share]] = tile(told, "model-cost-and-latency", "Failed calls", environment)
    assert failed.total() / len(calls) == pytest.approx(share)
    [[middle]] = tile(told, "model-cost-and-latency", "Median time of a call", environment)
    assert median(map(milliseconds, calls)) == pytest.approx(middle)
    read, written = Counter[str](), Counter[str]()
    for one in priced:
        read[one["model"]] += one["input_tokens"]
        written[one["model"]] += one["output_tokens"]
    models = tile(told, "model-cost-and-latency", "Models", environment)
    assert Counter(one["model"] for one in said) == {model: count for _, model, count, *_ in models}
    assert failed == Counter({model: n for _, model, _, n, *_ in models if n})
    assert (read, written) == ({row[1]: row[4] for row in models}, {row[1]: row[5] for row in models})
    tokens = {
        (model, way): count
        for model, way, count in tile(told, "model-cost-and-latency", "Tokens by model", environment)
    }
    assert {(m, "in"): n for m, n in read.items()} | {(m, "out"): n for m, n in written.items()} == tokens


@pytest.mark.parametrize(("name", "number"), EVERY)
def test_every_tile_shows_something(told: Told, name: str, number: int) -> None:
    """Rows with a value, drawn without an error or a warning of the guard; and its SQL link gives the same rows."""
    times = {"from": (NOW - dt.timedelta(days=7)).isoformat(), "to": NOW.isoformat()}
    answer = told.server.http.get(f"/v1/dashboards/{name}/tiles/{number}/result", params=times).json()
    assert answer["rows"], SHIPPED[name].tiles[number].title
    assert any(value is not None for value in answer["rows"][0])
    part = told.server.http.get(f"/dashboards/{name}/tiles/{number}", params=times, headers={"HX-Request": "true"})
    document = Document(part.text)
    assert "section" == document.elements[0].tag
    assert not [one for one in document.elements if "failed" in (one.attributes.get("class") or "").split()]
    [link] = [one.attributes["href"] for one in document.all("a") if one.words == "SQL"]
    query = parse_qs(urlsplit(link or "").query)
    params = {key: text or None for key, (_, text) in json.loads(query["params"][0]).items()}
    again = told.server.ask(query["q"][0], params=params)
    assert len(answer["rows"]) == len(again)
    for row, other in zip(answer["rows"], again, strict=True):  # a sum of doubles may differ in its last digit
        assert row == pytest.approx(other)
    check = told.server.http.post("/v1/query/check", json={"sql": query["q"][0], "params": params}).json()
    assert [] == check["diagnostics"]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without a record."""
    with serving(tmp_path_factory.mktemp("empty") / "data") as server:
        yield server


@pytest.mark.parametrize("last", ["1h", "30d", "all"])
def test_an_empty_workspace_is_no_error(empty: Server, last: str) -> None:
    """Every tile says that there is nothing, or zero, whatever the time."""
    for name, number in EVERY:
        part = empty.http.get(f"/dashboards/{name}/tiles/{number}?last={last}", headers={"HX-Request": "true"})
        document = Document(part.text)
        words = " ".join(document.words.split())
        assert "alert" not in [one.attributes.get("role") for one in document.elements], words
        assert "No rows in this time." in words or " 0" in words or "no value" in words, words
