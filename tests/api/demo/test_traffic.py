from __future__ import annotations

import datetime as dt
import functools
import json
from collections import Counter, defaultdict
from typing import Any

import pytest

from api.demo.traffic import traffic
from tests.api.demo.reading import Record, moment, started, times
from warehouse.ids import day_in_id
from warehouse.schema import RUN_STATUSES, SCORE_SOURCES, STEP_STATUSES

NOW = dt.datetime(2026, 11, 20, 15, 31, 7, 123456, tzinfo=dt.UTC)
NOWS = (
    NOW,
    dt.datetime(2026, 3, 1, 0, 0, tzinfo=dt.UTC),  # a Sunday, at midnight
    dt.datetime(2028, 2, 29, 4, 59, 59, 999999, tzinfo=dt.UTC),  # a leap day, at night
    dt.datetime(2027, 3, 29, 9, 0, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))),  # a Monday, elsewhere
)

FIELDS = {
    "event": "id name ts data v sessions",
    "run": "id app_id function_id status triggering_event_name event_ids parent_run_id trace_id user_id environment "
    "release queued_at started_at ended_at input output error attributes sessions",
    "step": "run_id id name step_type loop_index attempt status queued_at started_at ended_at input output error "
    "attributes",
    "assignment": "run_id experiment variant unit strategy weights attributes ts",
    "score": "id name value label run_id session trace_id span_id step_id experiment sessions ts source scorer_id "
    "comment attributes",
    "deferral": "id scorer_id run_id experiment input created_at",
    "metadata": "run_id step_id span_id kind values",
}
"""The typed records of DESIGN section 5."""


@functools.cache
def sent(now: dt.datetime = NOW) -> list[Record]:
    return list(traffic(now=now))


def of(type_: str, **fields: Any) -> list[Record]:
    found = [r for r in sent() if r["type"] == type_]
    return [r for r in found if all(r.get(name) == value for name, value in fields.items())]


def text(record: Record) -> str:
    return json.dumps(record, sort_keys=True)


def test_the_same_seed_and_now_give_the_same_records() -> None:
    """Nothing but the arguments decides what is sent."""
    assert list(traffic(now=NOW)) == sent()
    assert list(traffic(seed=1, now=NOW)) != sent()


def test_the_records_are_as_many_as_a_demo_can_bear() -> None:
    """Enough runs for a verdict, few enough records for two minutes."""
    runs = {r["id"] for r in of("run")}
    assert 4_000 <= len(runs) <= 6_000
    assert 40_000 <= len(sent()) <= 62_000


@pytest.mark.parametrize("type_", FIELDS)
def test_a_record_has_only_known_fields(type_: str) -> None:
    """Every type occurs, its `type` comes first, and no field is unknown to `/v1/ingest`."""
    records = of(type_)
    assert records
    assert {next(iter(r)) for r in records} == {"type"}
    assert {name for r in records for name in r} - {"type"} <= set(FIELDS[type_].split())


def test_statuses_and_sources_are_known() -> None:
    """Every run and step status occurs that a finished or waiting piece of work can have."""
    assert {r["status"] for r in of("run")} == set(RUN_STATUSES)
    assert {r["status"] for r in of("step")} <= set(STEP_STATUSES)
    assert {r["source"] for r in of("score")} <= set(SCORE_SOURCES)


@pytest.mark.parametrize("now", NOWS)
def test_nothing_happens_after_now(now: dt.datetime) -> None:
    """No record knows the future, and none is older than the span and the moment it takes to start."""
    known = [time for record in sent(now) for time in times(record)]
    assert max(known) <= now
    assert min(known) >= now - dt.timedelta(days=21, seconds=4)


def test_records_come_in_the_order_of_sending() -> None:
    """Once repeats are left out, a record is never sent much before one that happened earlier."""
    latest = NOW - dt.timedelta(days=22)
    seen: set[str] = set()
    for record in sent():
        if text(record) not in seen and times(record):
            last = max(times(record))
            assert last >= latest - dt.timedelta(seconds=4)
            latest = max(latest, last)
        seen.add(text(record))


def test_some_records_are_sent_twice() -> None:
    """A sender that got no answer sends again, to the byte; idempotency has something to do in every table."""
    counts = Counter(map(text, sent()))
    repeated = [json.loads(record) for record, count in counts.items() if count > 1]
    assert 100 <= len(repeated) <= 600
    assert {r["type"] for r in repeated} == set(FIELDS)


def test_ids_of_runs_and_events_carry_their_day() -> None:
    """An id is a ULID of the time at which its run started or its event happened."""
    epoch = dt.date(1970, 1, 1)
    for run_id, begun in started(sent()).items():
        assert day_in_id(run_id) == (begun.date() - epoch).days
    for event in of("event"):
        assert day_in_id(event["id"]) == (moment(event["ts"]).date() - epoch).days


def test_feedback_comes_days_later_or_never() -> None:
    """`resolved` takes one to six days, for every variant alike, and a part of the customers never answers."""
    begun = started(sent())
    delays = [moment(r["ts"]) - begun[r["run_id"]] for r in of("score", name="resolved")]
    assert min(delays) >= dt.timedelta(days=1)
    assert max(delays) < dt.timedelta(days=6, minutes=10)
    mature = {run for run, at in begun.items() if at < NOW - dt.timedelta(days=7)}
    asked = {r["run_id"]: r["experiment"]["variant"] for r in of("deferral") if r["run_id"] in mature}
    answered = {r["run_id"] for r in of("score", name="resolved")} & mature
    assert answered <= set(asked)
    for variant in ("control", "concise", "empathetic"):
        runs = {run for run, given in asked.items() if given == variant}
        assert 0.8 < len(runs & answered) / len(runs) < 0.9


def test_starts_and_ends_of_some_runs_are_sent_apart() -> None:
    """Each finished run has its end; many were reported as Running before, with other fields."""
    ended = {r["id"] for r in of("run") if "ended_at" in r}
    begun = {r["id"] for r in of("run", status="Running")}
    assert len(ended & begun) > 1_000
    assert len(ended - begun) > 1_000
    assert all("ended_at" not in r for r in of("run", status="Running"))


def test_some_work_is_under_way_at_the_end() -> None:
    """The last minute leaves runs queued and running, of which nothing more is known."""
    ended = {r["id"] for r in of("run") if "ended_at" in r}
    running = {r["id"]: r for r in of("run", status="Running") if r["id"] not in ended}
    queued = {r["id"]: r for r in of("run", status="Queued")}
    assert len(running) >= 4
    assert len(queued) == 5
    for run in (*running.values(), *queued.values()):
        assert NOW - moment(run["queued_at"]) < dt.timedelta(minutes=5)


def test_a_failed_attempt_is_followed_by_another() -> None:
    """Attempt 0 Errored, then 1; a run that failed has a failed step after three attempts, and an error."""
    attempts: dict[tuple[str, str, int], dict[int, str]] = defaultdict(dict)
    for step in of("step"):
        attempts[step["run_id"], step["id"], step.get("loop_index", 0)][step["attempt"]] = step["status"]
    retried = Counter(tuple(found[i] for i in sorted(found)) for found in attempts.values() if len(found) > 1)
    assert set(retried) == {("Errored", "Completed"), ("Errored", "Errored", "Failed")}
    failed = {r["id"] for r in of("run", status="Failed")}
    assert failed == {key[0] for key, found in attempts.items() if found.get(2) == "Failed"}
    assert all(r["error"]["name"] and r["error"]["message"] for r in of("run", status="Failed"))


def test_steps_lie_within_their_run() -> None:
    """A step never begins before its run or ends after it."""
    begun = started(sent())
    ended = {r["id"]: moment(r["ended_at"]) for r in of("run") if "ended_at" in r}
    for step in of("step"):
        assert begun[step["run_id"]] <= moment(step["started_at"]) <= moment(step["ended_at"]) <= ended[step["run_id"]]


def test_scores_of_every_sort_occur() -> None:
    """Boolean, numeric and label; of runs, steps and sessions; corrected, and by raters with ids of their own."""
    scores = of("score")
    assert {type(r["value"]) for r in scores if "value" in r} == {bool, int, float}
    assert all("label" in r for r in scores if "value" not in r)
    assert any("label" in r for r in scores)
    assert any("step_id" in r for r in scores)
    assert any("session" in r for r in scores)
    judged: dict[str, set[float]] = defaultdict(set)
    for r in of("score", name="answer-quality"):
        judged[r["run_id"]].add(r["value"])
    assert 50 < sum(len(values) > 1 for values in judged.values()) < 250
    reviews: dict[str, set[str]] = defaultdict(set)
    for r in of("score", name="tone-review"):
        reviews[r["run_id"]].add(r["id"])
    assert {len(ids) for ids in reviews.values()} >= {2}


def test_values_lie_within_what_is_declared() -> None:
    """Shares from 0 to 1, ratings from 1 to 5, no negative cost."""
    bounds = {"answer-quality": (0, 1), "csat": (1, 5), "tone-review": (0, 1), "customer-effort": (1, 7)}
    for name, (low, high) in bounds.items():
        assert all(low <= r["value"] <= high for r in of("score", name=name))
    assert all(r["value"] >= 0 for r in of("score", name="cost-usd"))


def test_an_account_has_one_variant_and_a_run_one_assignment() -> None:
    """No unit is contaminated, and no score contradicts its run's assignment."""
    variants: dict[tuple[str, str], set[str]] = defaultdict(set)
    by_run: dict[str, set[str]] = defaultdict(set)
    for r in of("assignment"):
        variants[r["experiment"], r["unit"]].add(r["variant"])
        by_run[r["run_id"]].add(r["variant"])
    assert {len(found) for found in variants.values()} == {1}
    assert {len(found) for found in by_run.values()} == {1}
    for r in (*of("score"), *of("deferral")):
        if "experiment" in r:
            assert by_run[r["run_id"]] == {r["experiment"]["variant"]}


def test_conversations_have_several_runs_and_some_runs_a_parent() -> None:
    """Follow-ups share the session of the first message; an escalation is a run of its own, invoked by another."""
    tickets = Counter(r["sessions"]["ticket_id"] for r in of("event") if "ticket_id" in r["sessions"])
    assert max(tickets.values()) >= 3
    runs = {r["id"] for r in of("run")}
    parents = {r["parent_run_id"] for r in of("run") if "parent_run_id" in r}
    assert len(parents) > 100
    assert parents <= runs


def test_messages_vary() -> None:
    """Hardly any two customers write the same."""
    messages = [r["data"]["text"] for r in of("event")]
    assert len(set(messages)) > 0.9 * len(messages)


def test_nights_and_weekends_are_quiet() -> None:
    """Traffic follows office hours."""
    begun = started(sent()).values()
    night, noon = (sum(at.hour in hours for at in begun) for hours in ((1, 2, 3), (9, 10, 11)))
    weekend, midweek = (sum(at.weekday() in days for at in begun) for days in ((5, 6), (1, 2)))
    assert noon > 5 * night
    assert midweek > 2 * weekend


def test_other_sizes_work() -> None:
    """A demo of a few accounts and days is a small demo."""
    small = list(traffic(now=NOW, days=3, accounts=2))
    assert {r["type"] for r in small} >= {"event", "run", "step", "assignment", "score"}
