"""A small workspace of real records, landed by the real pipeline, and plain Python that knows nothing of SQL.

The records are those of DESIGN section 5 and of OTLP; what must be said of them follows from sections 3 and 5.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from ingest.limits import Limits
from ingest.otel import taken
from ingest.pipeline import receive
from queries.drill import QUESTIONS, answer
from queries.parameters import values
from tests.support.rows import NOW
from warehouse.log import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.support.rows import Warehouse

MS = 1_000
START_MS = int(dt.datetime(2026, 9, 1, tzinfo=dt.UTC).timestamp()) * 1_000
DAY_MS = 86_400_000
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

Record = dict[str, Any]


def ulid(ms: int, tail: int) -> str:
    """Return a ULID."""
    number = (ms << 80) | tail
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


@dataclass(repr=False)
class World:
    """Records and spans, as sent."""

    records: list[Record] = field(default_factory=list[Record])
    spans: list[Record] = field(default_factory=list[Record])

    def of(self, type_: str) -> list[Record]:
        """Return the records of a type."""
        return [record for record in self.records if record["type"] == type_]


def world(seed: int = 7, runs: int = 60) -> World:
    """Return some records: ids with and without a time, runs with and without times, several sessions, raters."""
    random_ = random.Random(seed)  # noqa: S311 - a world, not a secret
    made = World()
    for number in range(5):
        sessions = {"ticket": f"T-{number}"}
        made.records.append(
            {
                "type": "event",
                "id": f"event-{number}",
                "name": "ticket.created",
                "ts": _some(random_),
                "sessions": sessions,
            }
        )
    for number in range(runs):
        made.records += _run(random_, number)
    made.records += [
        {"type": "score", "name": "csat", "value": 4.0, "session": {"ticket": "T-1"}, "ts": START_MS + 3 * DAY_MS},
        {"type": "score", "name": "csat", "value": 5.0, "session": {"lonely": "only a score"}, "ts": START_MS},
        {
            "type": "score",
            "name": "quality",
            "value": 0.5,
            "run_id": "ghost",
            "ts": START_MS,
            "sessions": {"ticket": "T-2"},
        },
        {"type": "assignment", "run_id": "ghost", "experiment": "prompt", "variant": "b", "ts": START_MS},
    ]
    for number in range(8):
        made.spans += _trace(random_, number, f"plain/{number}" if number % 3 else None)
    return made


def _some(random_: random.Random) -> int:
    return START_MS + random_.randrange(5 * DAY_MS)


def _run(random_: random.Random, number: int) -> list[Record]:
    at = _some(random_)
    id_ = ulid(at, random_.getrandbits(60)) if number % 2 else f"plain/{number // 2}"
    run: Record = {"type": "run", "id": id_, "status": random_.choice(["Queued", "Running", "Completed", "Failed"])}
    run |= {"function_id": random_.choice(["answer", "triage"]), "user_id": f"user {random_.randrange(5)}"}
    run |= {"environment": random_.choice(["production", "staging"]), "input": {"ask": f"Where is Order {number}?"}}
    if random_.random() < 0.7:
        run["queued_at"] = at
    if random_.random() < 0.8:
        run |= {"started_at": at + 50, "ended_at": at + 50 + random_.randrange(1, 90_000)}
    if run["status"] == "Failed":
        run["error"] = {"message": f"Timeout number {number}"}
    if random_.random() < 0.3:
        run["event_ids"] = [f"event-{random_.randrange(6)}"]  # the last of them never came
    pairs = {"ticket": f"T-{random_.randrange(12)}", "account": f"A-{random_.randrange(4)}"}
    run["sessions"] = {key: id_ for key, id_ in pairs.items() if random_.random() < 0.6}
    records = [run]
    if random_.random() < 0.7:
        variant = random_.choice("ab")
        records.append(
            {"type": "assignment", "run_id": id_, "experiment": "prompt", "variant": variant, "ts": at, "unit": "u"}
        )
    if random_.random() < 0.6:
        records.append(
            {"type": "score", "name": "solved", "value": random_.random() < 0.5, "run_id": id_, "ts": at + 100}
        )
    for rater in range(random_.randrange(3)):
        score = {"type": "score", "name": "quality", "value": random_.randrange(9) / 8, "run_id": id_, "ts": at + rater}
        records.append(score | {"id": f"{number}-{rater}"})
    if random_.random() < 0.3:
        records.append(
            {"type": "score", "name": "tone", "label": random_.choice(["kind", "curt"]), "run_id": id_, "ts": at}
        )
    return records


def _trace(random_: random.Random, number: int, run_id: str | None) -> list[Record]:
    """Return a trace: a root, wrappers that repeat usage, calls, tools; one span's parent is missing."""
    spans: list[Record] = []
    begun = _some(random_)
    for place in range(random_.randrange(4, 12)):
        span: Record = {"trace": f"{number + 1:032x}", "span": f"{number * 100 + place + 1:016x}"}
        span |= {"parent": random_.choice(spans)["span"] if place else None, "name": f"span {place}"}
        span |= {"start": begun + place * 10, "end": begun + place * 10 + random_.randrange(500)}
        span |= {"llm": place > 0 and random_.random() < 0.7, "run": run_id, "failed": random_.random() < 0.2}
        span["tokens"] = (random_.randrange(100), random_.randrange(50)) if span["llm"] and place % 4 else None
        spans.append(span)
    spans[-1]["parent"] = "f" * 16
    return spans


def otlp(spans: Iterable[Record]) -> bytes:
    """Return spans as a request of OTLP."""
    return json.dumps(
        {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": [_otlp(span) for span in spans]}]}]}
    ).encode()


def _otlp(span: Record) -> Record:
    attributes: dict[str, Any] = {"upshot.run_id": span["run"]} if span["run"] else {}
    attributes |= {"gen_ai.operation.name": "chat", "gen_ai.request.model": "house"} if span["llm"] else {}
    if span["tokens"] is not None:
        attributes |= {"gen_ai.usage.input_tokens": span["tokens"][0], "gen_ai.usage.output_tokens": span["tokens"][1]}
    made = {"traceId": span["trace"], "spanId": span["span"], "name": span["name"], "kind": 1}
    made |= {"startTimeUnixNano": str(span["start"] * 1_000_000), "endTimeUnixNano": str(span["end"] * 1_000_000)}
    made |= {"parentSpanId": span["parent"]} if span["parent"] else {}
    made |= {"status": {"code": 2}} if span["failed"] else {}
    made["attributes"] = [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in attributes.items()
    ]
    return made


def land(warehouse: Warehouse, records: Iterable[Record], spans: Iterable[Record] = ()) -> None:
    """Land records and spans as a request of each does."""
    body = b"\n".join(msgspec.json.encode(record) for record in records)
    if body:
        made = receive(body, "application/x-ndjson", None, NOW, Limits())
        assert not made.rejected, made.rejected
        warehouse.log.append(encode(made.batches)).result(10)
    if sent := list(spans):
        found = taken.receive(taken.TRACES, otlp(sent), None, "application/json", NOW, taken.Reading())
        assert not found.rejected, found.reasons
        warehouse.log.append(found.entries).result(10)


def ask(warehouse: Warehouse, question: str, **given: object) -> Any:
    """Return the body of an answer; a `_` at the end of a name is not part of it."""
    texts = [(name.rstrip("_"), str(value)) for name, value in given.items() if value is not None]
    found = answer(warehouse.snapshots.engine(), question, values(QUESTIONS[question].parameters, texts))
    warehouse.snapshots.release()
    return found


def walked(warehouse: Warehouse, question: str, part: str, **given: object) -> list[list[Any]]:
    """Return the pages of a list."""
    pages: list[list[Any]] = []
    cursor: str | None = None
    while True:
        page = ask(warehouse, question, **given, cursor=cursor)
        pages.append(getattr(page, part))
        cursor = page.next
        if cursor is None:
            return pages


# What must be said of them.


def at_ms(run: Mapping[str, Any]) -> int:
    """Return when a run was, milliseconds since 1970; 0 when that is not known."""
    return next((run[name] for name in ("queued_at", "started_at", "ended_at") if run.get(name)), 0)


def runs_of(known: World) -> list[Record]:
    """Return the runs: those of records, and each trace that names none."""
    roots = [span for span in known.spans if span["parent"] is None and span["run"] is None]
    return known.of("run") + [
        {
            "id": root["trace"],
            "function_id": root["name"],
            "status": "Failed" if root["failed"] else "Completed",
            "started_at": root["start"],
            "ended_at": root["end"],
        }
        for root in roots
    ]


def scores_of(known: World, run_id: str, name: str) -> list[float]:
    """Return the values of a run's own scores of a name."""
    return [
        float(score["value"])
        for score in known.of("score")
        if score.get("run_id") == run_id and score["name"] == name and "value" in score and "step_id" not in score
    ]


def counted(spans: Iterable[Record]) -> list[Record]:
    """Return the calls that count: no call with usage is below them."""
    spans = list(spans)
    at = {(span["trace"], span["span"]): span for span in spans}
    wrappers: set[tuple[str, str]] = set()
    for span in spans:
        above = at.get((span["trace"], span["parent"])) if span["llm"] and span["tokens"] is not None else None
        while above is not None:
            wrappers.add((above["trace"], above["span"]))
            above = at.get((above["trace"], above["parent"]))
    return [span for span in spans if span["llm"] and (span["trace"], span["span"]) not in wrappers]


def usage_of(spans: Iterable[Record]) -> tuple[int, int | None, int | None]:
    """Return calls, tokens in and out of the calls that count."""
    calls = counted(spans)
    used = [span["tokens"] for span in calls if span["tokens"] is not None]
    return len(calls), sum(t[0] for t in used) if used else None, sum(t[1] for t in used) if used else None


def pairs_of(record: Record, *names: str) -> list[tuple[str, str]]:
    """Return the session pairs that a record names."""
    found: list[tuple[str, str]] = []
    for name in names:
        pairs: dict[str, str] = record.get(name) or {}
        found += pairs.items()
    return found


def members(known: World) -> dict[tuple[str, str], set[str]]:
    """Return the runs of each session: their own pairs, those of scores on them, those of their events."""
    found: dict[tuple[str, str], set[str]] = {}
    events = {str(event["id"]): event for event in known.of("event")}
    for record in [*known.of("run"), *known.of("score")]:
        started_by: list[str] = record.get("event_ids") or []
        pairs = pairs_of(record, "sessions")
        for event in started_by:
            pairs += pairs_of(events.get(event, {}), "sessions")
        for pair in pairs:
            found.setdefault(pair, set()).add(str(record["id"] if record["type"] == "run" else record["run_id"]))
    return found


def activity(known: World) -> dict[tuple[str, str], list[int]]:
    """Return when something came to each session, microseconds since 1970."""
    found: dict[tuple[str, str], list[int]] = {}
    for record in known.records:
        when = at_ms(record) * MS or NOW if record["type"] == "run" else record.get("ts", 0) * MS
        for pair in pairs_of(record, "sessions", "session"):
            found.setdefault(pair, []).append(when)
    return found
