"""Valid records of every type, as dictionaries; times are microseconds (see `oracle.sent`)."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Record = dict[str, Any]

_visible = st.characters(blacklist_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], blacklist_characters="'")
ids = st.text(_visible, min_size=1, max_size=8) | st.sampled_from(
    ["01M1D47Z005TX2WRHSK9KN7W6A", "0197f0c2-9c00-7abc-8def-0123456789ab", "a/b%@c", "é" * 256]
)
names = st.text(_visible, min_size=1, max_size=8) | st.sampled_from(["task-solved", "x" * 128, "a b"])
words = st.text(st.characters(blacklist_categories=["Cs"]), max_size=5)
times = st.none() | st.integers(315_532_800_000, 4_102_444_799_999).map(lambda ms: ms * 1000)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(words, json_values, max_size=3)
session_ids = ids | st.integers(-(10**6), 10**18) | st.integers(-(10**6), 10**6).map(float) | st.just(0.5)


def sessions(most: int, least: int = 0) -> st.SearchStrategy[dict[str, Any]]:
    """Return session pairs; an id may be a number."""
    return st.dictionaries(st.text(_visible, min_size=1, max_size=5), session_ids, min_size=least, max_size=most)


def _record(type_: str, required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Record]:
    """Return records: every optional field absent, null, or there."""
    absent_or_null = {name: st.none() | values for name, values in optional.items()}
    return st.fixed_dictionaries({"type": st.just(type_), **required}, optional=absent_or_null)


_life = {"queued_at": times, "started_at": times, "ended_at": times}
_payloads = {"input": json_values, "output": json_values, "error": json_values, "attributes": objects}
_experiments = st.fixed_dictionaries({"name": names, "variant": names})

events = _record(
    "event",
    {"id": ids, "name": names},
    {"ts": times | st.just(0), "data": objects | st.just({"_inngest": {"a": 1}, "b": [1, 2]}), "v": words}
    | {"sessions": sessions(5)},
)
runs = _record(
    "run",
    {"id": ids, "status": st.sampled_from(["Queued", "Running", "Completed", "Failed", "Cancelled"])},
    {"app_id": ids, "function_id": ids, "triggering_event_name": words, "event_ids": st.lists(ids, max_size=3)}
    | {"parent_run_id": ids, "trace_id": ids, "user_id": ids, "environment": words, "release": words}
    | {"sessions": sessions(25), **_life, **_payloads},
)
steps = _record(
    "step",
    {"run_id": ids, "id": ids}
    | {"status": st.sampled_from(["Queued", "Running", "Errored", "Completed", "Failed", "Cancelled"])},
    {"name": words, "step_type": words, "loop_index": st.integers(0, 2**31 - 1), "attempt": st.integers(0, 9)}
    | {**_life, **_payloads},
)
assignments = _record(
    "assignment",
    {"run_id": ids, "experiment": names, "variant": names},
    {"unit": ids, "strategy": words, "weights": objects, "attributes": objects, "ts": times},
)
deferrals = _record(
    "deferral",
    {"run_id": ids, "scorer_id": ids},
    {"id": ids, "experiment": _experiments, "input": objects, "created_at": times},
)
metadata = _record("metadata", {"run_id": ids, "kind": names, "values": objects}, {"step_id": ids, "span_id": ids})


def _joined(*parts: Record) -> Record:
    return {name: value for part in parts for name, value in part.items()}


def _fields(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Record]:
    return st.fixed_dictionaries(required, optional=optional)


_labels = st.text(_visible, min_size=1, max_size=5)
_said = st.one_of(
    _fields({"value": numbers | st.booleans()}, {"label": _labels | st.none()}),
    _fields({"label": _labels}, {"value": st.none()}),
)
_traces = _fields({"trace_id": ids}, {"span_id": ids})
_on_runs = _fields({"run_id": ids}, {"sessions": sessions(25), "experiment": _experiments})
_targets = st.one_of(
    _on_runs,
    st.builds(_joined, _on_runs, _traces),
    _fields({"run_id": ids, "step_id": ids}, {"sessions": sessions(3)}),
    _fields({"session": sessions(1, least=1)}, {}),
    _traces,
)
_sources = st.sampled_from(["code", "llm", "human", "deferred", "import"])
_other = _fields(
    {"type": st.just("score"), "name": names},
    {"id": ids, "ts": times, "source": _sources, "scorer_id": ids, "comment": words, "attributes": objects},
)
scores = st.builds(_joined, _other, _targets, _said)

records = st.one_of(events, runs, steps, assignments, scores, deferrals, metadata)
