"""Every valid record comes to the rows that the design says, alone and among others."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ingest import strategies
from tests.ingest.oracle import Rows, expected, sent
from tests.ingest.support import NOW, ndjson, received, tables
from warehouse.ids import day_in_id
from warehouse.schema import FILE

BY_TYPE = {
    "event": strategies.events,
    "run": strategies.runs,
    "step": strategies.steps,
    "assignment": strategies.assignments,
    "score": strategies.scores,
    "deferral": strategies.deferrals,
    "metadata": strategies.metadata,
}


def said(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows without their nulls."""
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def body_of(records: list[dict[str, Any]]) -> bytes:
    """Return records as lines; text beyond ASCII as escapes, which payloads keep as sent."""
    return "\n".join(json.dumps(sent(record)) for record in records).encode()


@pytest.mark.parametrize("type_", BY_TYPE)
@settings(deadline=None)
@given(data=st.data())
def test_a_valid_record_becomes_its_rows(type_: str, data: st.DataObject) -> None:
    """A valid record is accepted and its rows are exactly the oracle's."""
    record = data.draw(BY_TYPE[type_])
    validated = received(body_of([record]))
    assert (1, ()) == (validated.accepted, validated.rejected)
    found = {table: said(rows) for table, rows in tables(validated).items()}
    assert expected(record) == found


def merged(records: list[dict[str, Any]]) -> Rows:
    """Return the rows of many records: derived rows that are equal but for their time count once, at the earliest."""
    own: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    derived: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for record in records:
        for table, rows in expected(record).items():
            for row in rows:
                if table == "session_runs" or row.get("_implied"):
                    key = json.dumps({**row, "ts": 0}, sort_keys=True)
                    known = derived[table].setdefault(key, row)
                    known["ts"] = min(known["ts"], row["ts"])
                else:
                    own[table].append(row)
    return {table: own[table] + list(derived[table].values()) for table in {*own, *derived}}


def sorted_rows(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


@settings(deadline=None, max_examples=60)
@given(st.lists(strategies.records, max_size=12), st.data())
def test_records_of_one_request_do_not_disturb_each_other(records: list[dict[str, Any]], data: st.DataObject) -> None:
    """Many records, bad ones strewn in, come to the rows of each; every bad one is named by its place."""
    bad = data.draw(st.lists(st.integers(0, len(records)), max_size=3))
    lines = [json.dumps(sent(record)) for record in records]
    for place in sorted(bad, reverse=True):
        lines.insert(place, '{"type":"score","name":"it\'s","run_id":"r","value":1}')
    validated = received("\n".join(lines).encode())
    assert len(records) == validated.accepted
    assert [place + shift for shift, place in enumerate(sorted(bad))] == [no.index for no in validated.rejected]
    found = {table: sorted_rows(said(rows)) for table, rows in tables(validated).items() if rows}
    assert {table: sorted_rows(rows) for table, rows in merged(records).items()} == found


@settings(deadline=None, max_examples=50)
@given(st.lists(strategies.records, min_size=1, max_size=6))
def test_every_batch_has_exactly_the_columns_the_warehouse_takes(records: list[dict[str, Any]]) -> None:
    """Batches have the arriving schema of their tables, whatever was sent."""
    for table, batch in received(body_of(records)).batches.items():
        assert FILE[table].arriving == batch.schema


def test_an_event_without_an_id_gets_one_of_its_time() -> None:
    """An event without an id gets a UUIDv7 whose day is the day it was received."""
    [one, other] = tables(received(ndjson([{"type": "event", "name": "a"}] * 2)))["events"]
    assert one["id"] != other["id"]
    assert NOW // 86_400_000_000 == day_in_id(one["id"])
    assert one["id"] == one["_day_id"]


def test_a_score_sent_with_the_id_that_would_be_made_meets_its_twin() -> None:
    """An id read from an answer and sent again has the day of the row it came from."""
    score = {"type": "score", "run_id": "R", "name": "solved", "value": 1}
    [made, given] = tables(received(ndjson([score, {**score, "id": "R/solved"}])))["score_history"]
    assert ("R/solved", "R") == (made["id"], made["_day_id"])
    assert (made["id"], made["_day_id"]) == (given["id"], given["_day_id"])


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("1", "1"),
        ("1.0", "1"),
        ("1e3", "1000"),
        ("-0.0", "0"),
        ("1.5", "1.5"),
        ("12345678901234567890", "12345678901234567890"),
    ],
)
def test_a_session_id_sent_as_a_number_is_text(number: str, text: str) -> None:
    """1, 1.0 and "1" are one session."""
    body = f'{{"type":"run","id":"r","status":"Running","sessions":{{"k":{number}}}}}'
    assert {"k": text} == tables(received(body.encode()))["runs"][0]["sessions"]


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        ('{ "a" : 1.0 , "b": "x  y" }', '{"a":1.0,"b":"x  y"}'),
        ('{"a":1e5,"a":2,"u":"\\u0041"}', '{"a":1e5,"a":2,"u":"\\u0041"}'),
        ('{"_inngest":{"x":1},"a": 1.50}', '{"a":1.50}'),
        ('{"\\u005finngest":1}', "{}"),
        ('{"a":{"_inngest":1}}', '{"a":{"_inngest":1}}'),
        ("null", None),
        ("{}", "{}"),
    ],
)
def test_event_data_is_kept_as_sent_but_for_spaces_and_inngests_own(data: str, kept: str | None) -> None:
    """White space between tokens and the top-level key `_inngest` go; numbers, escapes and order stay."""
    [row] = tables(received(f'{{"type":"event","name":"a","data":{data}}}'.encode()))["events"]
    assert kept == row["data"]


def test_data_nested_almost_too_deeply_is_kept() -> None:
    """A payload that can be decoded at all is kept, however it was spaced."""
    for depth in range(100, 1200, 100):
        body = '{"type":"run","id":"r","status":"Running","input":' + "[ " * depth + "]" * depth + "}"
        validated = received(body.encode())
        assert 1 == validated.accepted + len(validated.rejected)


def test_the_same_session_from_a_run_and_its_scores_is_joined_once_at_the_earliest_time() -> None:
    """Equal derived rows of one request count once; contradicting implied assignments all arrive."""
    score = {"type": "score", "run_id": "r", "name": "a", "value": 1, "sessions": {"k": 1}, "ts": 1_790_000_000_005}
    lines = [
        {**score, "experiment": {"name": "e", "variant": "x"}},
        {**score, "experiment": {"name": "e", "variant": "y"}, "name": "b", "ts": 1_790_000_000_001},
        {**score, "experiment": {"name": "e", "variant": "x"}, "name": "c", "ts": 1_790_000_000_003},
    ]
    found = tables(received(ndjson(lines)))
    assert [("k", "1", "r", NOW + 1000)] == [
        (row["session_key"], row["session_id"], row["run_id"], row["ts"]) for row in found["session_runs"]
    ]
    assert [("x", NOW + 3000), ("y", NOW + 1000)] == [(row["variant"], row["ts"]) for row in found["assignments"]]
