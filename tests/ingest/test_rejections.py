"""Records that decode but break a rule: each is refused with code and field, and keeps its neighbours."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ingest.support import ndjson, received, tables

EVENT: dict[str, Any] = {"type": "event", "id": "e", "name": "a"}
RUN: dict[str, Any] = {"type": "run", "id": "r", "status": "Running"}
STEP: dict[str, Any] = {"type": "step", "run_id": "r", "id": "s", "status": "Running"}
ASSIGNMENT: dict[str, Any] = {"type": "assignment", "run_id": "r", "experiment": "e", "variant": "v"}
SCORE: dict[str, Any] = {"type": "score", "run_id": "r", "name": "n", "value": 1}
DEFERRAL: dict[str, Any] = {"type": "deferral", "run_id": "r", "scorer_id": "s"}
METADATA: dict[str, Any] = {"type": "metadata", "run_id": "r", "kind": "k", "values": {}}
IN = {"name": "e", "variant": "v"}
BEGUN = "2026-09-01T00:00:00Z"

BAD: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    (EVENT, {"name": ""}, "bad_parameter", "name"),
    (EVENT, {"name": " "}, "bad_parameter", "name"),
    (EVENT, {"name": "inngest/function.finished"}, "bad_parameter", "name"),
    (EVENT, {"id": ""}, "bad_parameter", "id"),
    (EVENT, {"id": "x" * 513}, "bad_parameter", "id"),
    (EVENT, {"ts": "9999-01-01T00:00:00Z"}, "bad_parameter", "ts"),
    (EVENT, {"ts": "yesterday"}, "bad_parameter", "ts"),
    (EVENT, {"ts": ""}, "bad_parameter", "ts"),
    (EVENT, {"ts": 1}, "bad_parameter", "ts"),
    (EVENT, {"data": []}, "malformed", "data"),
    (EVENT, {"data": "text"}, "malformed", "data"),
    (EVENT, {"data": False}, "malformed", "data"),
    (EVENT, {"sessions": {str(n): "1" for n in range(6)}}, "bad_parameter", "sessions"),
    (EVENT, {"sessions": {"": "1"}}, "bad_parameter", "sessions"),
    (EVENT, {"sessions": {"k" * 129: "1"}}, "bad_parameter", "sessions"),
    (EVENT, {"sessions": {"a": "1", "ticket": ""}}, "bad_parameter", "sessions.ticket"),
    (EVENT, {"sessions": {"ticket": "x" * 513}}, "bad_parameter", "sessions.ticket"),
    (RUN, {"id": "a\nb"}, "bad_parameter", "id"),
    (RUN, {"status": "completed"}, "bad_parameter", "status"),
    (RUN, {"status": "Errored"}, "bad_parameter", "status"),
    (RUN, {"started_at": "1979-12-31T23:59:59Z"}, "bad_parameter", "started_at"),
    (RUN, {"ended_at": 4_102_444_800_000}, "bad_parameter", "ended_at"),
    (RUN, {"queued_at": -1.5}, "bad_parameter", "queued_at"),
    (RUN, {"event_ids": ["a", ""]}, "bad_parameter", "event_ids"),
    (RUN, {"user_id": "\x00"}, "bad_parameter", "user_id"),
    (RUN, {"release": "x" * 513}, "bad_parameter", "release"),
    (RUN, {"attributes": [1]}, "malformed", "attributes"),
    (RUN, {"sessions": {str(n): "1" for n in range(26)}}, "bad_parameter", "sessions"),
    (STEP, {"status": "Done"}, "bad_parameter", "status"),
    (STEP, {"attempt": -1}, "bad_parameter", "attempt"),
    (STEP, {"loop_index": 2**31}, "bad_parameter", "loop_index"),
    (STEP, {"loop_index": 10**30}, "bad_parameter", "loop_index"),
    (STEP, {"step_type": "x" * 513}, "bad_parameter", "step_type"),
    (ASSIGNMENT, {"experiment": " "}, "bad_parameter", "experiment"),
    (ASSIGNMENT, {"variant": "é" * 65}, "bad_parameter", "variant"),
    (ASSIGNMENT, {"unit": ""}, "bad_parameter", "unit"),
    (ASSIGNMENT, {"weights": [1]}, "malformed", "weights"),
    (SCORE, {"name": "x" * 129}, "bad_parameter", "name"),
    (SCORE, {"name": "é" * 65}, "bad_parameter", "name"),
    (SCORE, {"name": "a\x07"}, "bad_parameter", "name"),
    (SCORE, {"name": "a\x7f"}, "bad_parameter", "name"),
    (SCORE, {"name": "it's"}, "bad_parameter", "name"),
    (SCORE, {"name": "\u2003"}, "bad_parameter", "name"),
    (SCORE, {"id": "\x1b"}, "bad_parameter", "id"),
    (SCORE, {"label": ""}, "bad_parameter", "label"),
    (SCORE, {"label": "x" * 513}, "bad_parameter", "label"),
    (SCORE, {"source": "robot"}, "bad_parameter", "source"),
    (SCORE, {"value": None}, "missing_field", "value"),
    (SCORE, {"run_id": None}, "missing_field", "run_id"),
    (SCORE, {"run_id": None, "session": {}}, "missing_field", "run_id"),
    (SCORE, {"run_id": None, "step_id": "s"}, "missing_field", "run_id"),
    (SCORE, {"run_id": None, "span_id": "s"}, "missing_field", "trace_id"),
    (SCORE, {"run_id": None, "session": {"k": 1}, "sessions": {"k": 1}}, "missing_field", "run_id"),
    (SCORE, {"run_id": None, "session": {"k": 1}, "experiment": IN}, "missing_field", "run_id"),
    (SCORE, {"session": {"k": 1}}, "bad_parameter", "session"),
    (SCORE, {"run_id": None, "trace_id": "t", "session": {"k": 1}}, "bad_parameter", "session"),
    (SCORE, {"run_id": None, "session": {"k": 1, "l": 2}}, "bad_parameter", "session"),
    (SCORE, {"run_id": None, "session": {"k": ""}}, "bad_parameter", "session.k"),
    (SCORE, {"step_id": "s", "experiment": IN}, "bad_parameter", "experiment"),
    (SCORE, {"experiment": {"name": "", "variant": "v"}}, "bad_parameter", "experiment.name"),
    (SCORE, {"experiment": {"name": "e", "variant": "v" * 129}}, "bad_parameter", "experiment.variant"),
    (SCORE, {"sessions": {str(n): "1" for n in range(26)}}, "bad_parameter", "sessions"),
    (DEFERRAL, {"scorer_id": " "}, "bad_parameter", "scorer_id"),
    (DEFERRAL, {"input": 1}, "malformed", "input"),
    (DEFERRAL, {"created_at": "2100-01-01"}, "bad_parameter", "created_at"),
    (DEFERRAL, {"experiment": {"name": "e", "variant": "\x00"}}, "bad_parameter", "experiment.variant"),
    (METADATA, {"kind": "x" * 129}, "bad_parameter", "kind"),
    (METADATA, {"values": None}, "malformed", "values"),
    (METADATA, {"values": 1}, "malformed", "values"),
    (METADATA, {"step_id": ""}, "bad_parameter", "step_id"),
]


@pytest.mark.parametrize(("good", "change", "code", "field"), BAD, ids=range(len(BAD)))
def test_a_record_that_breaks_a_rule_is_refused_alone(
    good: dict[str, Any], change: dict[str, Any], code: str, field: str
) -> None:
    """The record is named by index, code and field; what it would have brought stays out, its neighbours are in."""
    alone = tables(received(ndjson([good])))
    validated = received(ndjson([good, good | change, good]))
    [rejection] = validated.rejected
    assert (1, code, field) == (rejection.index, rejection.code, rejection.field)
    assert 2 == validated.accepted
    assert {table: rows * 2 for table, rows in alone.items()} == tables(validated)
    assert not rejection.message[0].isupper()
    assert len(rejection.message) < 1000


def test_a_rejection_repeats_little_of_what_was_sent() -> None:
    """However long the wrong value is, the message and the field stay short."""
    records = [
        RUN | {"status": "x" * 100_000},
        RUN | {"x" * 100_000: 1},
        {"type": "x" * 100_000},
        EVENT | {"sessions": {"k" * 100_000: ""}},
        EVENT | {"sessions": {"k" * 100_000: True}},
        SCORE | {"name": "x" * 100_000},
        EVENT | {"data": "x" * 100_000},
        EVENT | {"name": "inngest/" + "x" * 100_000},
    ]
    rejected = received(ndjson(records)).rejected
    assert list(range(len(records))) == [rejection.index for rejection in rejected]
    for rejection in rejected:
        assert len(rejection.message) < 600
        assert len(rejection.field or "") <= 120


def test_a_record_with_several_faults_is_refused_once() -> None:
    """One record has one outcome."""
    validated = received(ndjson([SCORE | {"name": "", "source": "x", "ts": "x", "sessions": {"": ""}}]))
    assert (0, 1) == (validated.accepted, len(validated.rejected))


def test_a_refused_record_brings_no_derived_rows() -> None:
    """Sessions and the implied assignment of a refused score stay out."""
    bad = SCORE | {"name": "it's", "sessions": {"k": 1}, "experiment": IN}
    assert {"score_history": []} == tables(received(ndjson([bad])))


def test_limits_are_reached_not_passed() -> None:
    """Values at their bounds are accepted."""
    records = [
        EVENT | {"sessions": {f"{n}{'k' * 127}": "x" * 512 for n in range(5)}, "id": "x" * 512},
        RUN | {"sessions": {str(n): n for n in range(25)}, "queued_at": "1980-01-01T00:00:00Z"},
        RUN | {"ended_at": "2099-12-31T23:59:59.999999Z", "started_at": BEGUN},
        STEP | {"loop_index": 2**31 - 1, "attempt": 0},
        SCORE | {"name": "é" * 64, "experiment": {"name": "x" * 128, "variant": "y" * 128}, "label": "x" * 512},
        SCORE | {"name": "a/b@c%d", "trace_id": "t", "span_id": "s"},
    ]
    assert (len(records), ()) == (received(ndjson(records)).accepted, received(ndjson(records)).rejected)
