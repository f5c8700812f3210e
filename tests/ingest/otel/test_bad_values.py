"""Values that no sender should send: bounded, marked, or refused, and the same in every encoding and signal."""

from __future__ import annotations

import json
import subprocess
import sys
from copy import deepcopy
from functools import reduce
from operator import getitem
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from ingest.otel import decoded
from ingest.otel.answers import JSON_TYPE, PROTOBUF_TYPE
from ingest.otel.evaluations import Evaluation, evaluations
from ingest.otel.logs import decode_logs
from ingest.otel.rows import REPEATED_BYTES
from ingest.otel.taken import LOGS, TRACES, Reading, Signal, receive
from tests.api.otlp import as_json, evaluation, set_value, traces
from tests.ingest.otel.spans import Wire
from warehouse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = 1_790_000_000_000_000
EVENT = "gen_ai.evaluation.result"
BIG = decoded.VALUE_BYTES


def result(
    attributes: list[tuple[str, Any]], resource: list[tuple[str, Any]], **record: Any
) -> list[tuple[bytes, str]]:
    """Return a request with one evaluation result in both encodings."""
    request = ExportLogsServiceRequest()
    logs = request.resource_logs.add()
    made = logs.scope_logs.add().log_records.add(event_name=EVENT, **record)
    for owner, pairs in ((made, attributes), (logs.resource, resource)):
        for key, value in pairs:
            set_value(owner.attributes.add(key=key).value, value)
    return [(request.SerializeToString(), PROTOBUF_TYPE), (as_json(request), JSON_TYPE)]


def read(attributes: list[tuple[str, Any]], resource: list[tuple[str, Any]], **record: Any) -> Evaluation:
    """Return what a result is read as, in both encodings alike."""
    [first], [second] = (list(evaluations(*sent)) for sent in result(attributes, resource, **record))
    assert first == second
    return first


def test_long_texts_of_results_are_cut_and_marked() -> None:
    """As those of spans: 1 MiB, between characters, keys and values; exactly 1 MiB is whole."""
    whole, long = "é" * (BIG // 2), "a" + "é" * BIG
    cut = "a" + "é" * (BIG // 2 - 1) + f"…[truncated {2 * BIG + 1 - (BIG - 1)} bytes]"
    made = read([("whole", whole), ("long", long), (long, 1)], [("long", long)])
    assert {"whole": whole, "long": cut, cut: 1} == made.attributes
    assert {"long": cut} == made.resource


def test_of_many_attributes_of_a_result_the_first_are_kept() -> None:
    """1,024 of a record and of a resource each, and how many others there were."""
    pairs = [(f"k{number}", number) for number in range(10_000)]
    made = read(pairs, pairs)
    expected = dict(pairs[: decoded.OWN_ATTRIBUTES]) | {decoded.DROPPED: 10_000 - decoded.OWN_ATTRIBUTES}
    assert expected == made.attributes == made.resource


def test_of_a_repeated_key_of_a_result_the_last_counts() -> None:
    """In a record and in a resource; an empty one is a value, too."""
    made = read([("k", 1), ("k", "two"), ("n", 1), ("n", None)], [("k", 1), ("k", True)])
    assert ({"k": "two", "n": None}, {"k": True}) == (made.attributes, made.resource)


@pytest.mark.parametrize("time_ns", [1, 315_532_800 * 10**9 - 1, 4_102_444_800 * 10**9, 2**63, 2**64 - 1])
def test_a_result_of_an_impossible_time_is_counted(time_ns: int) -> None:
    """Before 1980 and from 2100 on; a time of 0 is none, and that of receipt stands for it."""
    attributes = [("gen_ai.evaluation.name", "n"), ("gen_ai.evaluation.score.value", 1), ("upshot.run_id", "r")]
    for body, kind in result(attributes, [], time_unix_nano=time_ns):
        made = decode_logs(body, kind, NOW)
        assert (1, 1) == (made.rejected, len(made.reasons))
        assert not any(batch.num_rows for batch in made.batches.values())
    for body, kind in result(attributes, [], time_unix_nano=0):
        assert 0 == decode_logs(body, kind, NOW).rejected


@pytest.mark.parametrize(
    "members",
    [
        {"timeUnixNano": -1},
        {"timeUnixNano": str(2**64)},
        {"timeUnixNano": "9" * 5000},
        {"timeUnixNano": "soon"},
        {"timeUnixNano": 1.5},
        {"attributes": [{"key": "k", "value": {"intValue": 2**63}}]},
        {"attributes": [{"key": "k", "value": {"intValue": str(-(2**63) - 1)}}]},
        {"attributes": [{"key": "k", "value": {"doubleValue": "half"}}]},
        {"attributes": [{"key": "k", "value": {"stringValue": 5}}]},
        {"attributes": [None]},
        {"attributes": {}},
    ],
)
def test_a_number_that_is_none_refuses_the_log_records(members: dict[str, Any]) -> None:
    """As it does spans: JSON of another shape is malformed."""
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"eventName": EVENT} | members]}]}]}
    with pytest.raises(InputError) as caught:
        decode_logs(json.dumps(body).encode(), JSON_TYPE, NOW)
    assert "malformed" == caught.value.code


BOMBS = {
    "resources": (PROTOBUF_TYPE, "b'\\x0a\\0' * (10 << 20)"),
    "scopes": (PROTOBUF_TYPE, "sized(1, b'\\x12\\0' * (10 << 20))"),
    "log records": (PROTOBUF_TYPE, "sized(1, sized(2, b'\\x12\\0' * (10 << 20)))"),
    "attributes": (PROTOBUF_TYPE, "sized(1, sized(2, sized(2, b'\\x32\\0' * (10 << 20))))"),
    "attributes ": (PROTOBUF_TYPE, "sized(1, sized(1, b'\\x0a\\0' * (10 << 20)))"),
    "objects": (
        JSON_TYPE,
        "b'{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[' + b'{},' * (6 << 20) + b'{}]}]}]}'",
    ),
}

_BOMB = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
from ingest.otel.logs import decode_logs
from tests.ingest.otel.spans import sized
from warehouse.errors import InputError

try:
    decode_logs({body}, {kind!r}, 0)
except InputError as error:
    print(error.code, error.message)
"""


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_of_log_records_is_refused_within_little_memory(name: str) -> None:
    """Millions of two-byte messages of every kind, and of empty objects: refused within 2 GiB of addresses."""
    kind, body = BOMBS[name]
    script = _BOMB.format(kind=kind, body=body)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert "" == done.stderr
    assert done.stdout.startswith("malformed")
    assert f" {name.strip()}," in done.stdout


def test_a_few_resources_are_not_repeated_without_bound() -> None:
    """A large session of a resource, times its log records, would fill the memory; other attributes do not matter."""
    for key, refused in (("session.id", True), ("upshot.run_id", True), ("other", False)):
        request = ExportLogsServiceRequest()
        logs = request.resource_logs.add()
        set_value(logs.resource.attributes.add(key=key).value, "v" * BIG)
        record = logs.scope_logs.add().log_records.add(event_name=EVENT, trace_id=b"\1" * 16)
        set_value(record.attributes.add(key="gen_ai.evaluation.name").value, "n")
        logs.scope_logs[0].log_records.extend([record] * (REPEATED_BYTES // BIG))
        code = None
        try:
            decode_logs(request.SerializeToString(), PROTOBUF_TYPE, NOW)
        except InputError as error:
            code = error.code
        assert ("too_large" if refused else None) == code


READING = Reading()
SEEDS = (0, 1, 7, 23, 57, 112, 4096)
"""Of requests of every layout that `Wire` has; kept, so that each is tried every time."""


def outcome(signal: Signal, body: bytes, kind: str) -> str:
    """Return what a request comes to; any error but the one that is documented fails."""
    try:
        taken = receive(signal, body, None, kind, NOW, READING)
    except InputError as error:
        return error.code
    assert not taken.rejected or taken.reasons
    return "taken"


@settings(max_examples=200)
@given(st.integers(0, 2**32))
@example(SEEDS[0])
@example(SEEDS[1])
@example(SEEDS[2])
@example(SEEDS[3])
@example(SEEDS[4])
@example(SEEDS[5])
@example(SEEDS[6])
def test_any_layout_becomes_rows_or_is_malformed(seed: int) -> None:
    """From bytes to the log's entries, of both signals: what protobuf allows is taken, damage is taken or refused."""
    assert "taken" == outcome(TRACES, Wire(seed).request(), PROTOBUF_TYPE)
    for signal in (TRACES, LOGS):
        assert outcome(signal, Wire(seed).damaged(), PROTOBUF_TYPE) in ("taken", "malformed")


def everything() -> dict[str, Any]:
    """Return a request of spans that has all that is read of one, as JSON."""
    said: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 7,
        "llm.input_messages.0.message.content": "hi",
        "langfuse.observation.usage_details": '{"input": 1}',
        "upshot.run_id": "r",
        "session.id": "s",
        "upshot.experiment": "e",
        "upshot.variant": "v",
        "nested": {"a": [1, {"b": b"c"}]},
    }
    request = traces(1, 2, said)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    for name in (EVENT, "feature_flag.evaluation", "gen_ai.client.inference.operation.details"):
        event = span.events.add(name=name, time_unix_nano=NOW * 1000)
        for key in ("gen_ai.evaluation.name", "feature_flag.key", "feature_flag.result.variant"):
            set_value(event.attributes.add(key=key).value, "n")
        set_value(event.attributes.add(key="gen_ai.evaluation.score.value").value, 1.5)
    set_value(span.links.add(trace_id=b"\1" * 16, span_id=b"\2" * 8).attributes.add(key="k").value, [1])
    span.status.code, span.status.message = 2, "m"  # pyright: ignore[reportAttributeAccessIssue]
    return json.loads(as_json(request))


SPANS_JSON = everything()
LOGS_JSON = json.loads(
    as_json(evaluation(1, "n", {"gen_ai.evaluation.score.value": 1, "session.id": "s", "more": [1]}))
)
STRANGE: list[Any] = [
    *cast("list[Any]", [None, True, 0, -1, 1.5, 2**64, 10**400, "", "a", "NaN", "9" * 400, [], [None], [[]], {}]),
    *cast("list[Any]", [{"key": 5}, {"values": None}, {"stringValue": "a", "intValue": 1}]),
    *cast("list[Any]", [{"arrayValue": {"values": [{}]}}, {"kvlistValue": {"values": [{}]}}]),
]


def places(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to each node of a document but the document itself."""
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(node, dict):
        inner = cast("dict[str, Any]", node).items()
    elif isinstance(node, list):
        inner = enumerate(cast("list[Any]", node))
    return [way for key, each in inner for way in ((*at, key), *places(each, (*at, key)))]


@settings(max_examples=400)
@given(
    st.sampled_from([(TRACES, SPANS_JSON), (LOGS, LOGS_JSON)]),
    st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(STRANGE)), min_size=1, max_size=3),
)
def test_json_of_another_shape_becomes_rows_or_is_malformed(
    sent: tuple[Signal, Any], changes: list[tuple[int, Any]]
) -> None:
    """A number where a list should be, null, or an object: anywhere in a request that has all that is read of one."""
    signal, document = sent[0], deepcopy(sent[1])
    for number, strange in changes:
        ways = places(document)
        if ways:
            *above, last = ways[number % len(ways)]
            reduce(getitem, above, document)[last] = deepcopy(strange)
    assert outcome(signal, json.dumps(document).encode(), JSON_TYPE) in ("taken", "malformed")


@pytest.mark.parametrize(("signal", "document"), [(TRACES, SPANS_JSON), (LOGS, LOGS_JSON)], ids=["traces", "logs"])
def test_each_place_of_json_may_be_null(signal: Signal, document: Any) -> None:
    """Null is as good as nothing in every field; an item of a list that is null is none."""
    assert "taken" == outcome(signal, json.dumps(document).encode(), JSON_TYPE)
    for way in places(document):
        changed = deepcopy(document)
        *above, last = way
        reduce(getitem, above, changed)[last] = None
        is_item = isinstance(last, int) and way[-3:-2] != ("arrayValue",)
        assert ("malformed" if is_item else "taken") == outcome(signal, json.dumps(changed).encode(), JSON_TYPE), way
