"""What spans say about the rest: which run they belong to, sessions, variants of experiments, scores; and their runs.

A trace of which no span names a run is a run of its own, whose id is the trace's. Whether one does may only be known
when all requests with spans of it are in. Rows here go by what this request says: where it names no run they have the
trace's id for the run, which stands for the runs of that trace, and `trace_runs` tells the warehouse which these are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.columns import batch, documents
from ingest.normalise import normalise
from ingest.otel.decoded import BOOL, EARLIEST_NS, LATEST_NS
from ingest.otel.keyed import NOWHERE, earliest, encoded
from ingest.records import NULL, Assignment, Score
from ingest.texts import ID, SESSION_ID, SESSION_KEY
from ingest.times import TIME
from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from ingest.normalise import Columns
    from ingest.otel.decoded import Events, Spans
    from ingest.otel.keyed import Keyed, Worded

RUN_ID = ("upshot.run_id", "sdk.run.id")
"""The first one present wins, and those of `Joining` come after."""

SESSIONS: Mapping[str, str] = {
    "session.id": "session_id",
    "langfuse.session.id": "session_id",
    "gen_ai.conversation.id": "conversation_id",
}
"""Attribute -> session key."""

OWN_SESSION = "upshot.session."
"""Beginning of attributes that end in a session key."""


class Experiment(NamedTuple):
    """The attributes by which a family says that its run got a variant."""

    name: tuple[str, ...]
    variant: str
    unit: str
    strategy: str
    weights: str


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(("upshot.experiment",), "upshot.variant", "upshot.unit", "", ""),
    Experiment(
        ("inngest.experiment.name", "inngest.experiment.experiment_name"),
        "inngest.experiment.variant",
        "",
        "inngest.experiment.selection_strategy",
        "inngest.experiment.variant_weights",
    ),
)

# https://opentelemetry.io/docs/specs/semconv/feature-flags/feature-flags-events/, and the names before version 1.32.
FLAG_EVENTS = ("feature_flag.evaluation", "feature_flag")
FLAG_NAME = "feature_flag.key"
FLAG_VARIANT = ("feature_flag.result.variant", "feature_flag.variant")
FLAG_UNIT = "feature_flag.context.id"
FLAG_REASON = ("feature_flag.result.reason", "feature_flag.evaluation.reason")

EVALUATION_EVENT = "gen_ai.evaluation.result"
EVALUATION_NAME = "gen_ai.evaluation.name"
EVALUATION_VALUE = "gen_ai.evaluation.score.value"
EVALUATION_LABEL = "gen_ai.evaluation.score.label"
EVALUATION_EXPLANATION = "gen_ai.evaluation.explanation"
EVALUATION = (EVALUATION_NAME, EVALUATION_VALUE, EVALUATION_LABEL, EVALUATION_EXPLANATION)

ERROR = 2
"""OpenTelemetry's status code."""

_NO_TRUTHS: frozenset[str] = frozenset()
_FUNCTION_BYTES = ID.most_bytes


@dataclass(frozen=True, slots=True)
class Joining:
    """Attributes by which this installation's spans are joined, besides those that are always read."""

    run_ids: tuple[str, ...] = ()
    """Looked at in this order, after `RUN_ID`."""
    sessions: Mapping[str, str] = field(
        default_factory=lambda: {
            "traceloop.association.properties.session_id": "session_id",
            "ai.telemetry.metadata.sessionId": "session_id",
        }
    )
    """Attribute -> session key, besides `SESSIONS`."""

    @property
    def run_names(self) -> tuple[str, ...]:
        """Return the attributes that name runs; the first one present wins."""
        return (*RUN_ID, *self.run_ids)

    def session_keys(self, attributes: Keyed) -> Mapping[str, str]:
        """Return attribute -> session key of those attributes that may name sessions."""
        own = {name: name.removeprefix(OWN_SESSION) for name in attributes.keys if name.startswith(OWN_SESSION)}
        return {**self.sessions, **SESSIONS, **own}

    def keys(self, attributes: Keyed) -> tuple[str, ...]:
        """Return the attributes that are read here as words."""
        of_experiments = (name for one in EXPERIMENTS for name in (*one.name, one.variant, one.unit, one.strategy))
        return (*self.run_names, *self.session_keys(attributes), *of_experiments)


class Event(NamedTuple):
    """An event of a span."""

    owner: int
    name: str
    time_ns: int
    attributes: Mapping[str, str | None]
    truths: frozenset[str]
    """The attributes that are truth values."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Which run each span belongs to, as far as its request says."""

    trace: NDArray[np.int64]
    """Which trace."""
    traces: Sequence[str]
    run: NDArray[np.int64]
    """Which run, `NOWHERE` where none is named."""
    runs: Sequence[str]
    """Words, some of which are runs."""
    named: NDArray[np.int64]
    """The same, of the span's own attributes alone."""
    is_root: NDArray[np.bool_]
    """Whether the span is its run's root: it has no parent, or one that belongs to another run."""
    reasons: tuple[str, ...]
    """Why run ids are no run ids, each once."""

    def run_id(self, span: int) -> str | None:
        """Return a span's run, None where none is named."""
        run = self.run[span]
        return None if run == NOWHERE else self.runs[int(run)]

    def own_run_id(self, span: int) -> str:
        """Return a span's run, its trace's own where none is named."""
        return self.run_id(span) or self.traces[int(self.trace[span])]

    @property
    def own_run(self) -> NDArray[np.int64]:
        """Return a number for each span's run, its trace's own where none is named."""
        return np.where(self.run == NOWHERE, len(self.runs) + self.trace, self.run)

    @property
    def trace_names_a_run(self) -> NDArray[np.bool_]:
        """Return whether any span of a trace names a run, one a trace."""
        names = np.zeros(len(self.traces), np.bool_)
        names[self.trace[self.named != NOWHERE]] = True
        return names


def found_runs(spans: Spans, attributes: Keyed, worded: Worded, joining: Joining) -> Found:
    """Return the run of each span: its own, its nearest ancestor's, else the only one that its trace names.

    Args:
        spans: of a request.
        attributes: theirs.
        worded: `joining.keys` of these at the least.
        joining: which attributes name runs.
    """
    trace, traces = encoded(spans.trace_id)
    named = worded.at(attributes.first(joining.run_names))
    runs = worded.words
    used = cast("list[int]", np.unique(named[named != NOWHERE]).tolist())
    faults = {number: fault for number in used if (fault := ID.fault(runs[number]))}
    if faults:
        named[np.isin(named, list(faults))] = NOWHERE
    has_parent = np.asarray(spans.parent_span_id.is_valid().to_numpy(zero_copy_only=False), np.bool_)
    is_root = ~has_parent
    run = named
    only, several = _of_traces(named, trace)
    if several or (NOWHERE in named and len(used) > len(faults)):
        parent = _parents(spans, trace) if has_parent.any() else np.full(len(trace), NOWHERE, np.int64)
        run = _inherited(named, parent)
        run = np.where(run == NOWHERE, only[trace], run)
        is_root |= (parent != NOWHERE) & (run[parent] != run)
    reasons = tuple(dict.fromkeys(f"the run id {fault}" for fault in faults.values()))
    return Found(trace, traces, run, runs, named, is_root, reasons)


def _parents(spans: Spans, trace: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the row of each span's parent, `NOWHERE` where it is not in the request."""
    compute = cast("Any", pc)
    ids, wanted = spans.span_id, spans.parent_span_id
    if pc.count_distinct(ids).as_py() < len(ids):  # traces may have spans of one id
        ids, wanted = (compute.binary_join_element_wise(spans.trace_id, one, "/") for one in (ids, wanted))
    places = compute.index_in(wanted, ids, skip_nulls=True).fill_null(NOWHERE)
    parent = np.asarray(places.to_numpy(zero_copy_only=False), np.int64)
    return np.where(trace[parent] == trace, parent, NOWHERE)


def _inherited(named: NDArray[np.int64], parent: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each span's own run, else its nearest ancestor's.

    Pointer jumping: after k rounds a span knows the nearest run among its 2^k nearest ancestors, so that a chain of a
    million spans takes 20 rounds, and a ring ends like any other.
    """
    run, above = named.copy(), parent
    for _ in range(len(named).bit_length()):
        reached = above != NOWHERE
        if not (reached & (run == NOWHERE)).any():
            break
        at = np.flatnonzero(reached)
        up = above[at]
        run_above, above_above = run[up], above[up]
        missing = run[at] == NOWHERE
        run[at[missing]] = run_above[missing]
        above = above.copy()
        above[at] = above_above
    return run


def _of_traces(named: NDArray[np.int64], trace: NDArray[np.int64]) -> tuple[NDArray[np.int64], bool]:
    """Return the only run that each trace names, `NOWHERE` for none or several, and whether any names several."""
    is_named = named != NOWHERE
    traces = int(trace.max(initial=-1)) + 1
    lowest, highest = np.full(traces, np.iinfo(np.int64).max), np.full(traces, NOWHERE, np.int64)
    np.minimum.at(lowest, trace[is_named], named[is_named])
    np.maximum.at(highest, trace[is_named], named[is_named])
    return np.where(lowest == highest, highest, NOWHERE), bool((lowest < highest).any())


def trace_runs(found: Found, start_us: NDArray[np.int64], received_at_us: int) -> pa.RecordBatch:
    """Return rows of `trace_runs`: the runs that spans of a trace name, `ts` the start of the earliest of them."""
    naming = np.flatnonzero(found.named != NOWHERE)
    rows, ts = earliest(start_us[naming], found.named[naming], found.trace[naming])
    rows = naming[rows]
    traces = _chosen(found.traces, found.trace[rows])
    columns: dict[str, Any] = {
        "trace_id": traces,
        "run_id": _chosen(found.runs, found.named[rows]),
        "ts": pa.array(ts).view(TIME),
        "_given": pa.repeat(pa.scalar(value=True), len(rows)),
        "_day_id": traces,
    }
    return batch("trace_runs", columns, len(rows), received_at_us)


def _chosen(words: Sequence[str], numbers: NDArray[np.int64]) -> pa.StringArray:
    return cast("Any", pa.array(words, pa.string())).take(pa.array(numbers))


def session_runs(
    attributes: Keyed, worded: Worded, found: Found, start_us: NDArray[np.int64], key_of: Mapping[str, str]
) -> tuple[Columns | None, list[str]]:
    """Return columns of `session_runs`, and what is wrong with the sessions that are left out.

    Args:
        attributes: of spans.
        worded: the keys of `key_of` of these at the least.
        found: the spans' runs.
        start_us: their starts.
        key_of: attribute -> session key.
    """
    faults: list[str] = []
    keys: list[str] = []
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
    own_run = found.own_run
    for name, key in key_of.items():
        places = attributes.places(name)
        if not len(places):
            continue
        if fault := SESSION_KEY.fault(key):
            faults.append(f"the session key {fault}")
            continue
        spans = attributes.owner[places]
        session, run = worded.word[places], own_run[spans]
        rows, ts = earliest(start_us[spans], session, run)
        parts.append((session[rows], run[rows], ts))
        keys += [key] * len(rows)
    if not parts:
        return None, faults
    session, run, ts = (np.concatenate(of) for of in zip(*parts, strict=True))
    ids, run_ids = _chosen(worded.words, session), _chosen([*found.runs, *found.traces], run)
    wrong = dict(SESSION_ID.faults([worded.words[number] for number in cast("list[int]", session.tolist())], ids))
    columns = {"session_key": pa.array(keys, pa.string()), "session_id": ids, "run_id": run_ids}
    columns |= {"ts": pa.array(ts).view(TIME), "_day_id": run_ids}
    if wrong:
        faults += [f"the session id {fault}" for fault in wrong.values()]
        keep = np.ones(len(keys), np.bool_)
        keep[list(wrong)] = False
        columns = {name: column.filter(pa.array(keep)) for name, column in columns.items()}
    return columns, faults


def assignments(attributes: Keyed, worded: Worded, found: Found, start_us: NDArray[np.int64]) -> Iterator[Assignment]:
    """Yield the assignments that spans name, each once, at the start of the earliest span that does."""
    words = (*worded.words, None)  # at -1
    for names in EXPERIMENTS:
        if not any(name in attributes.ranges for name in names.name):
            continue
        experiment = worded.at(attributes.first(names.name))
        variant, unit, strategy = (
            worded.at(attributes.first((name,))) for name in (names.variant, names.unit, names.strategy)
        )
        weights = attributes.first((names.weights,))
        spans = np.flatnonzero((experiment != NOWHERE) & (variant != NOWHERE))
        run = found.own_run[spans]
        columns = (experiment[spans], variant[spans], unit[spans], strategy[spans], weights[spans] != NOWHERE, run)
        rows, times = earliest(start_us[spans], *columns)
        for span, time in zip(spans[rows].tolist(), times.tolist(), strict=True):
            yield Assignment(
                run_id=found.own_run_id(span),
                experiment=words[experiment[span]] or "",
                variant=words[variant[span]] or "",
                unit=words[unit[span]],
                strategy=words[strategy[span]],
                weights=_weights(attributes.taken(weights[[span]])[0].as_py()),
                ts=time / 1000,
            )


def _weights(text: str | None) -> msgspec.Raw:
    try:
        weights = msgspec.json.decode(text or "null")
    except (msgspec.DecodeError, RecursionError):
        return NULL
    return msgspec.Raw(msgspec.json.encode(weights)) if isinstance(weights, dict) else NULL


def flag_assignments(events: Iterable[Event], found: Found, start_us: NDArray[np.int64]) -> Iterator[Assignment]:
    """Yield the assignments that evaluations of feature flags are; without a variant there is none."""
    for event in events:
        if event.name not in FLAG_EVENTS:
            continue
        variant = _first(event.attributes, FLAG_VARIANT)
        flag = event.attributes.get(FLAG_NAME)
        if flag and variant:
            yield Assignment(
                run_id=found.own_run_id(event.owner),
                experiment=flag,
                variant=variant,
                unit=event.attributes.get(FLAG_UNIT) or None,
                strategy=_first(event.attributes, FLAG_REASON),
                ts=_milliseconds(event, start_us),
            )


def scores(
    events: Iterable[Event], spans: Spans, found: Found, start_us: NDArray[np.int64]
) -> Iterator[Score | InputError]:
    """Yield the scores that evaluation results are, or why one is none.

    A result is about its span, within the span's run where that is known; about the run when the span is its root.
    """
    for event in events:
        if event.name != EVALUATION_EVENT:
            continue
        at_root = bool(found.is_root[event.owner])
        try:
            value = _value(event)
        except InputError as fault:
            yield fault
            continue
        more = {key: text for key, text in event.attributes.items() if key not in EVALUATION}
        yield Score(
            name=event.attributes.get(EVALUATION_NAME) or "",
            value=value,
            label=event.attributes.get(EVALUATION_LABEL) or None,
            run_id=found.own_run_id(event.owner) if at_root else found.run_id(event.owner),
            trace_id=None if at_root else spans.trace_id[event.owner].as_py(),
            span_id=None if at_root else spans.span_id[event.owner].as_py(),
            ts=_milliseconds(event, start_us),
            comment=event.attributes.get(EVALUATION_EXPLANATION) or None,
            attributes=msgspec.Raw(msgspec.json.encode(more)) if more else NULL,
        )


def _value(event: Event) -> bool | float | None:
    text = event.attributes.get(EVALUATION_VALUE)
    if not text:
        return None
    if EVALUATION_VALUE in event.truths:
        return text == "true"
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{EVALUATION_VALUE} is {shown(text)}, must be a finite number or a truth value")
    return value


def recorded(
    of_assignments: Iterable[Assignment], of_scores: Iterable[Score | InputError], received_at_us: int
) -> tuple[Mapping[str, pa.RecordBatch], list[str]]:
    """Return assignments and scores as rows by file table, and what is wrong with those that are left out."""
    faults = list[str]()
    records: list[Assignment | Score] = list(of_assignments)
    for one in of_scores:
        if isinstance(one, InputError):
            faults.append(one.message)
        else:
            records.append(one)
    if not records:
        return {}, faults
    made = normalise(records, range(len(records)), received_at_us)
    return made.joined(), [*faults, *(rejection.message for rejection in made.rejected)]


def runs(
    spans: Spans, found: Found, columns: Mapping[str, pa.Array[Any]], received_at_us: int
) -> pa.RecordBatch | None:
    """Return rows of `runs`, None for none: a root span of a trace that names no run, as a run.

    Args:
        spans: of a request.
        found: their runs.
        columns: of `spans`, for times, user, environment and release.
        received_at_us: microseconds since 1970.
    """
    no_parent = np.asarray(spans.parent_span_id.is_null().to_numpy(zero_copy_only=False), np.bool_)
    rows = np.flatnonzero(no_parent & ~found.trace_names_a_run[found.trace])
    if not len(rows):
        return None
    at = pa.array(rows)
    of = cast("Mapping[str, Any]", columns)
    trace_ids = _chosen(found.traces, found.trace[rows])
    failed, ended = spans.status_code[rows] == ERROR, spans.end_ns[rows] != 0
    states = _chosen(("Running", "Completed", "Failed"), np.where(failed, 2, ended.astype(np.int64)))
    messages = cast("Any", spans.status_message).take(at).to_pylist()
    errors = [
        msgspec.json.encode(message) if fails and message is not None else None
        for message, fails in zip(messages, failed.tolist(), strict=True)
    ]
    names = cast("list[str]", cast("Any", spans.name).take(at).to_pylist())
    made: dict[str, Any] = {
        "id": trace_ids,
        "trace_id": trace_ids,
        "function_id": pa.array([_function(name) for name in names], pa.string()),
        "status": states,
        "started_at": of["start_time"].take(at),
        "ended_at": of["end_time"].take(at),
        "error": documents(errors),
        "_day_id": trace_ids,
    }
    made |= {name: of[name].take(at) for name in ("user_id", "environment", "release") if name in columns}
    return batch("runs", made, len(rows), received_at_us)


def _function(name: str) -> str | None:
    """Return a span's name as a function's id: none when blank, cut to its length."""
    if len(name) * 4 > _FUNCTION_BYTES:
        name = name.encode()[:_FUNCTION_BYTES].decode(errors="ignore")
    return name if name.strip() else None


def listed(events: Events) -> list[Event]:
    """Return events one by one; of a repeated attribute the last counts."""
    if not len(events.owner):
        return []
    words = cast("list[str]", cast("Any", events.attributes.key).dictionary.to_pylist())
    codes = cast("list[int]", cast("Any", events.attributes.key).indices.to_pylist())
    keys, texts = [words[code] for code in codes], events.attributes.text.to_pylist()
    is_truth = events.attributes.kind == BOOL
    truth, any_truth = is_truth.tolist(), is_truth.any()
    bounds = np.searchsorted(events.attributes.owner, np.arange(len(events.owner) + 1)).tolist()
    made: list[Event] = []
    for number, (owner, name, time_ns) in enumerate(
        zip(events.owner.tolist(), events.name.to_pylist(), events.time_ns.tolist(), strict=True)
    ):
        own = slice(bounds[number], bounds[number + 1])
        attributes = dict(zip(keys[own], texts[own], strict=True))
        truths = _truths(keys[own], truth[own]) if any_truth else _NO_TRUTHS
        made.append(Event(owner, name or "", time_ns, attributes, truths))
    return made


def _truths(keys: Iterable[str], truth: Iterable[bool]) -> frozenset[str]:
    return frozenset(key for key, true in dict(zip(keys, truth, strict=True)).items() if true)


def _first(attributes: Mapping[str, str | None], names: Sequence[str]) -> str | None:
    return next((found for name in names if (found := attributes.get(name))), None)


def _milliseconds(event: Event, start_us: NDArray[np.int64]) -> float:
    """Return when an event was, its span's start when it has no time that can be stored."""
    stored = EARLIEST_NS <= event.time_ns < LATEST_NS
    return (event.time_ns // 1000 if stored else int(start_us[event.owner])) / 1000
