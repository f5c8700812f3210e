"""The demo's records as plain Python reads them: folded by hand, knowing nothing of SQL or of our views."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

from scipy import stats

from tests.api.demo.reading import arm, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Record = dict[str, Any]

ENDED = ("Completed", "Failed", "Cancelled")
HALF = 6e-5
"""Half a unit in the fourth digit, to which recipes round, and a little."""


@dataclass
class Told:
    """What was said, each thing once and in its newest state."""

    runs: dict[str, Record] = field(default_factory=dict[str, Record])
    attempts: dict[tuple[Any, ...], Record] = field(default_factory=dict[tuple[Any, ...], Record])
    scores: dict[str, Record] = field(default_factory=dict[str, Record])
    versions: dict[str, list[Record]] = field(default_factory=dict[str, list[Record]])
    """Of each score every one that was sent, oldest first."""
    assigned: dict[tuple[str, str], Record] = field(default_factory=dict[tuple[str, str], Record])
    deferred: dict[tuple[str, str], Record] = field(default_factory=dict[tuple[str, str], Record])
    sessions: dict[tuple[str, str], set[str]] = field(default_factory=dict[tuple[str, str], set[str]])
    """(key, id) -> the runs in it."""
    spans: list[Record] = field(default_factory=list[Record])
    """Flat: the span's own fields, its attributes, its resource's."""

    def run_scores(self) -> dict[tuple[str, str], float]:
        """Return (run, name) -> the mean of the run-level scores of that name that have a number."""
        values: dict[tuple[str, str], list[float]] = defaultdict(list)
        for score in self.of_runs():
            if "value" in score:
                values[score["run_id"], score["name"]].append(float(score["value"]))
        return {key: fmean(found) for key, found in values.items()}

    def of_runs(self) -> list[Record]:
        """Return the scores of whole runs."""
        return [score for score in self.scores.values() if "run_id" in score and "step_id" not in score]

    def calls(self) -> list[Record]:
        """Return the spans that are calls of models."""
        return [span for span in self.spans if span["gen_ai.operation.name"] == "chat"]

    def run_costs(self) -> dict[str, float]:
        """Return run -> US dollars; only of runs with a call whose cost is known."""
        return summed(self.calls(), "gen_ai.usage.cost")

    def unit(self, run_id: str) -> str:
        """Return whose run it is."""
        return self.runs[run_id].get("user_id", run_id)


def summed(spans: Iterable[Record], name: str) -> dict[str, float]:
    """Return run -> the sum of an attribute over its spans."""
    sums: dict[str, float] = defaultdict(float)
    for span in spans:
        if name in span:
            sums[span["upshot.run_id"]] += span[name]
    return sums


def told(records: Iterable[Record], traces: Iterable[bytes]) -> Told:
    """Return what records and traces say."""
    made = Told()
    sent = list(records)
    for record in sent:
        if take := _TAKE.get(record["type"]):
            take(made, record)
    events = {record["id"]: record for record in sent if record["type"] == "event"}
    pairs = [(run.get("sessions", {}), run["id"]) for run in made.runs.values()]
    pairs += [(score.get("sessions", {}), score["run_id"]) for score in made.of_runs()]
    pairs += [
        (events[one]["sessions"], run["id"])
        for run in made.runs.values()
        for one in run.get("event_ids", [])
        if one in events
    ]
    for found, run_id in pairs:
        for pair in found.items():
            made.sessions.setdefault(pair, set()).add(run_id)
    for body in traces:
        made.spans += _spans(json.loads(body))
    return made


def _run(made: Told, record: Record) -> None:
    known = made.runs.get(record["id"], {})
    # What says how a run ended stands, also when its beginning is sent once more afterwards.
    made.runs[record["id"]] = record | known if "ended_at" in known else known | record


def _step(made: Told, record: Record) -> None:
    made.attempts[record["run_id"], record["id"], record.get("loop_index", 0), record["attempt"]] = record


def _score(made: Told, record: Record) -> None:
    target = [record.get(name) for name in ("run_id", "step_id", "session", "name")]
    key = record.get("id", str(target))
    versions = made.versions.setdefault(key, [])
    if record not in versions:
        versions.append(record)
        versions.sort(key=lambda one: moment(one["ts"]))
    made.scores[key] = versions[-1]


def _assignment(made: Told, record: Record) -> None:
    made.assigned.setdefault((record["run_id"], record["experiment"]), record)


def _deferral(made: Told, record: Record) -> None:
    made.deferred[record["run_id"], record["scorer_id"]] = record


_TAKE = {"run": _run, "step": _step, "score": _score, "assignment": _assignment, "deferral": _deferral}


def _spans(body: Record) -> list[Record]:
    made: list[Record] = []
    for group in body["resourceSpans"]:
        resource = _values(group["resource"]["attributes"])
        for span in group["scopeSpans"][0]["spans"]:
            flat = {name: value for name, value in span.items() if name != "attributes"}
            flat["start"], flat["end"] = (int(span[f"{end}TimeUnixNano"]) / 1e6 for end in ("start", "end"))
            made.append({**resource, **flat, **_values(span["attributes"])})
    return made


def _values(attributes: Iterable[Record]) -> Record:
    read = {"stringValue": str, "intValue": int, "doubleValue": float}
    return {one["key"]: read[kind](value) for one in attributes for kind, value in one["value"].items()}


def milliseconds(record: Mapping[str, Any], begin: str = "started_at", end: str = "ended_at") -> float:
    """Return the time between two times of a record."""
    return (moment(record[end]) - moment(record[begin])) / dt.timedelta(milliseconds=1)


def parts(values: Mapping[str, float], count: int) -> dict[str, int]:
    """Return which of some equal parts each is in, from 1; the first parts take what is left over (SQL's NTILE)."""
    ordered = sorted(values, key=lambda key: (values[key], key))
    size, more = divmod(len(ordered), count)
    sizes = [size + (part < more) for part in range(count)]
    return dict(zip(ordered, (part + 1 for part in range(count) for _ in range(sizes[part])), strict=True))


def interval(units: Mapping[str, Sequence[float]]) -> tuple[float, float, float]:
    """Return mean and 95 % interval over units: each left out in turn, Student's t with effective units."""
    made = arm({unit: list(values) for unit, values in units.items()})
    reach = float(stats.t.ppf(0.975, made.effective_units - 1)) * made.variance**0.5
    return made.mean, made.mean - reach, made.mean + reach


def by_unit(known: Told, values: Mapping[str, float]) -> dict[str, list[float]]:
    """Return run -> value as user -> values."""
    found: dict[str, list[float]] = defaultdict(list)
    for run_id, value in values.items():
        found[known.unit(run_id)].append(value)
    return found


def quantile(values: Iterable[float], share: float) -> float:
    """Return a quantile, between the two nearest values by their distance (type 7 of Hyndman and Fan, 1996)."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
