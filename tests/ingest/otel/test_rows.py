"""Spans become rows: whole columns at once mean what each span means alone, whatever its attributes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.otel import genai
from ingest.otel.joining import Joining
from ingest.otel.rows import REPEATED_BYTES, rows
from tests.ingest.otel.sent import NOW_US, PRICES, START_US, Event, Span, decoded, made, meaning, table, text
from warehouse.errors import InputError
from warehouse.schema import FILE

MESSAGE_PARTS = [
    f"{source.names[0]}{rest}"
    for source in genai.MESSAGES
    for rest in ("0.message.role", "0.message.content", "1.content", "10.role", "2.message.content", "x.role", "0", "")
]
KEYS = sorted(genai.NAMES) + MESSAGE_PARTS + ["a.key", "retrieval.documents.0.document.id", "upshot.step_id"]
WORDS = [
    *(
        "chat",
        "embeddings",
        "execute_tool",
        "invoke_agent",
        "LLM",
        "llm",
        "CHAIN",
        "tool",
        "agent",
        "generation",
        "span",
    ),
    *("ai.generateText.doGenerate", "ai.embed.doEmbed", "ai.generateText f", "completion", "no such word"),
    *("openai", "anthropic", "anthropic.messages", "gpt-4o", "claude-sonnet-4-5", "o3", '["stop","x"]', "[]", "[1]"),
    *("12", "12.0", "1e3", "-1", "1.5", "nan", "0x10", "", " 7 ", "2026-09-21T13:33:20.5Z", '"2026-09-21T13:33:21Z"'),
    *(
        '{"input":5,"output":2,"input_cached_tokens":3}',
        '{"prompt_tokens":1}',
        '{"total":0.25}',
        '{"input":0.5}',
        "{",
        "é",
    ),
]
values = st.one_of(
    st.sampled_from(WORDS),
    st.none() | st.booleans(),
    st.integers(-3, 30) | st.sampled_from([2**63 - 1, -(2**63)]),
    st.floats(allow_nan=True) | st.sampled_from([12.0, 0.25, 1e22, -0.0]),
    st.lists(st.sampled_from(["stop", "length"]), max_size=2),
)
attributes = st.lists(st.tuples(st.sampled_from(KEYS) | st.sampled_from(KEYS[:40]), values), max_size=12)
resources = st.dictionaries(
    st.sampled_from([name for source in genai.RESOURCE for name in source.names]), st.sampled_from(["a", "", "b"])
)


@settings(max_examples=400)
@given(st.lists(attributes, min_size=1, max_size=5), resources)
@example([[("gen_ai.operation.name", "chat"), ("gen_ai.operation.name", "")]], {})
@example(
    [[("ai.usage.cachedInputTokens", 5), ("ai.usage.inputTokens", 2**63 - 1), ("ai.model.provider", "anthropic")]], {}
)
@example([[("traceloop.entity.name", "n"), ("traceloop.span.kind", "tool"), ("tool.name", "")], []], {})
def test_columns_mean_what_each_span_means_alone(all_attributes: list[list[tuple[str, Any]]], resource: Any) -> None:
    """Attributes of all families, of any type and repeated, at once and one by one: the same columns."""
    spans = [Span(of, id=at + 1) for at, of in enumerate(all_attributes)]
    rows = table(made(*spans, resource=resource), "spans")
    expected = [meaning(span, resource) for span in spans]
    assert expected == [{column: row[column] for column in expected[0]} for row in rows]


@given(st.lists(attributes, min_size=1, max_size=4), resources)
def test_all_attributes_are_kept(all_attributes: list[list[tuple[str, Any]]], resource: Any) -> None:
    """As text, each key once: the last. What is in a payload column is only there."""
    spans = [Span(of, id=at + 1) for at, of in enumerate(all_attributes)]
    rows = table(made(*spans, resource=resource), "spans")
    names = {column: {n for s in genai.TEXTS if s.column == column for n in s.names} for column in genai.PAYLOADS}
    for of, row in zip(all_attributes, rows, strict=True):
        sent, kept = {key: text(value) for key, value in of}, dict(row["attributes"])
        moved = {key for key, value in sent.items() if value is not None and kept[key] is None}
        assert sent == kept | {key: sent[key] for key in moved}
        for column in genai.PAYLOADS:
            said = [key for key in names[column] if sent.get(key)]
            assert [row[column]] * bool(said) == [sent[key] for key in moved & names[column]]
    assert [resource] * len(rows) == [dict(row["resource_attributes"]) for row in rows]


def test_a_span_is_a_row() -> None:
    """Every column that is not about AI."""
    event = Event("gave up", {"why": "tired", "n": 3})
    (row,) = table(
        made(Span({"a": 1}, 2, 3, 4, "n", status=2, message="m", events=(event,)), resource={"b": "c"}), "spans"
    )
    stated = {
        "trace_id": f"{2:032x}",
        "span_id": f"{3:016x}",
        "parent_span_id": f"{4:016x}",
        "name": "n",
        "kind": "INTERNAL",
        "type": "other",
        "status_code": "ERROR",
        "status_message": "m",
        "scope_name": "scope",
        "scope_version": "1",
        "attributes": [("a", "1")],
        "resource_attributes": [("b", "c")],
    }
    times = {"start_time": START_US, "end_time": START_US + 1000}
    assert stated | times == {name: row[name] for name in stated} | {name: _us(row[name]) for name in times}
    written = [
        {"name": "gave up", "time_unix_nano": str((START_US + 7) * 1000), "attributes": {"why": "tired", "n": "3"}}
    ]
    assert written == json.loads(row["events"])
    unsaid = set(row) - {*stated, *times, "events"}
    assert {None} == {row[name] for name in unsaid}


def _us(moment: Any) -> int:
    return round(moment.timestamp() * 1_000_000)


def test_batches_fit_the_warehouse() -> None:
    """Each table has the schema in which rows arrive, and the ids that decide the day."""
    call = {"gen_ai.operation.name": "chat", "session.id": "s", "upshot.experiment": "e", "upshot.variant": "v"}
    score = Event("gen_ai.evaluation.result", {"gen_ai.evaluation.name": "good", "gen_ai.evaluation.score.value": 1.0})
    named = Span({"upshot.run_id": "r"}, trace=2, events=(score,))
    tables = made(Span(call), named).tables
    assert {"spans", "runs", "trace_runs", "session_runs", "assignments", "score_history"} == set(tables)
    for name, batch in tables.items():
        batch.validate(full=True)
        assert FILE[name].arriving == batch.schema
    assert {"2026-09-21"} == set(tables["spans"].select(["_day_id"]).to_pydict()["_day_id"])


def test_no_spans_make_no_rows() -> None:
    """An empty request is no error."""
    assert {} == made().tables


def test_a_day_is_that_of_the_start() -> None:
    """Also when the spans of a request are years apart."""
    day = 86_400_000_000
    tables = made(Span(start_us=NOW_US - 400 * day), Span(id=2), Span(id=3, start_us=315_532_800_000_000)).tables
    assert ["2025-08-17", "2026-09-21", "1980-01-01"] == tables["spans"].column("_day_id").to_pylist()


wrappers = st.lists(
    st.sampled_from(
        [
            {"gen_ai.operation.name": "invoke_agent"},
            {"ai.operationId": "ai.generateText"},
            {"openinference.span.kind": "CHAIN"},
            {"traceloop.span.kind": "workflow"},
            {"langfuse.observation.type": "span"},
            {"gen_ai.operation.name": "invoke_workflow"},
        ]
    ),
    max_size=6,
)


@given(wrappers, st.integers(1, 10_000), st.integers(0, 10_000))
def test_wrapping_a_call_never_changes_its_cost(around: list[dict[str, Any]], tokens_in: int, tokens_out: int) -> None:
    """Spans around a model call repeat its usage; the sums over columns are the call's, and the repeats are kept."""
    usage = {"gen_ai.usage.input_tokens": tokens_in, "gen_ai.usage.output_tokens": tokens_out, "llm.cost.total": 0.5}
    model = {"gen_ai.request.model": "gpt-4o", "gen_ai.provider.name": "openai"}
    call = Span({"gen_ai.operation.name": "chat", **model, **usage}, id=99, parent=len(around) or None)
    spans = [Span({**kind, **model, **usage}, id=at + 1, parent=at or None) for at, kind in enumerate(around)]
    rows = table(made(call, *spans), "spans")
    for column, one in (("input_tokens", tokens_in), ("output_tokens", tokens_out), ("cost_usd", 0.5)):
        assert one == sum(row[column] or 0 for row in rows)
    assert {str(tokens_in)} == {dict(row["attributes"])["gen_ai.usage.input_tokens"] for row in rows}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.response.model": "gpt-4o-2024-08-06",
                "gen_ai.usage.input_tokens": 1000,
                "gen_ai.usage.output_tokens": 100,
                "gen_ai.response.finish_reasons": ["stop"],
                "gen_ai.response.time_to_first_chunk": 0.25,
            },
            {"type": "llm", "cost_usd": 0.0035, "cost_source": "priced", "finish_reason": "stop", "ttft_ms": 250.0}
            | {"convention": "otel_genai"},
        ),
        (
            {
                "openinference.span.kind": "LLM",
                "llm.provider": "openai",
                "llm.model_name": "gpt-4o",
                "llm.token_count.prompt": 1000,
                "llm.token_count.completion": 100,
                "llm.cost.total": 0.5,
                "llm.input_messages.0.message.role": "user",
                "llm.input_messages.0.message.content": "hi",
                "llm.input_messages.10.message.content": "z",
                "llm.input_messages.2.message.tool_calls.0.tool_call.function.name": "f",
            },
            {"type": "llm", "cost_usd": 0.5, "cost_source": "reported", "request_model": "gpt-4o"}
            | {"response_model": "gpt-4o", "input_tokens": 1000, "convention": "openinference"}
            | {
                "input": '[{"role":"user","content":"hi"},{"tool_calls.0.tool_call.function.name":"f"},{"content":"z"}]'
            },
        ),
        (
            {
                "traceloop.span.kind": "tool",
                "traceloop.entity.name": "search",
                "traceloop.workflow.name": "flow",
                "traceloop.entity.input": "{}",
            },
            {"type": "tool", "tool_name": "search", "agent_name": None, "workflow_name": "flow", "input": "{}"}
            | {"convention": "openllmetry"},
        ),
        (
            {
                "ai.operationId": "ai.streamText.doStream",
                "operation.name": "ai.streamText.doStream my-function",
                "ai.model.provider": "anthropic.messages",
                "ai.model.id": "claude-sonnet-4-5",
                "ai.usage.inputTokens": 100,
                "ai.usage.cachedInputTokens": 900,
                "ai.usage.outputTokens": 10,
                "ai.response.msToFirstChunk": 12.5,
                "ai.response.finishReason": "stop",
                "ai.telemetry.functionId": "my-function",
                "gen_ai.system": "anthropic.messages",
                "gen_ai.usage.input_tokens": 100,
            },
            {"type": "llm", "input_tokens": 1000, "cache_read_tokens": 900, "cost_source": "priced", "ttft_ms": 12.5}
            | {"convention": "vercel_ai_sdk", "workflow_name": "my-function", "provider": "anthropic.messages"},
        ),
        (
            {
                "langfuse.observation.type": "generation",
                "langfuse.observation.model.name": "gpt-4o",
                "langfuse.observation.usage_details": '{"input": 100, "input_cached_tokens": 50, "output": 7}',
                "langfuse.observation.cost_details": '{"input": 0.25, "output": 0.5}',
                "langfuse.observation.completion_start_time": '"2026-09-21T14:13:19.500000+00:00"',
                "langfuse.environment": "staging",
            },
            {"type": "llm", "input_tokens": 150, "cache_read_tokens": 50, "output_tokens": 7, "cost_usd": 0.75}
            | {"ttft_ms": 500.0, "environment": "staging", "convention": "langfuse", "cost_source": "reported"},
        ),
        (
            {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 1}
            | {"gen_ai.usage.output_tokens": 1, "gen_ai.usage.cache_read.input_tokens": 2},
            {"cost_usd": None, "cost_source": "invalid_usage", "input_tokens": 1},
        ),
        (
            {"gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.prompt_tokens": "12"},
            {"type": "llm", "input_tokens": 12, "cost_usd": None, "cost_source": "unknown"},
        ),
        ({"gen_ai.usage.input_tokens": 5}, {"type": "other", "input_tokens": None, "cost_source": None}),
        ({"user.id": "u"}, {"user_id": "u", "convention": None}),
    ],
)
def test_each_family_is_understood(attributes: dict[str, Any], expected: dict[str, Any]) -> None:
    """Spans as the families' own instrumentations send them."""
    (row,) = table(made(Span(attributes)), "spans")
    assert pytest.approx(expected) == {name: row[name] for name in expected}


def test_content_may_come_as_an_event() -> None:
    """What a call's details event says fills what its span leaves out, and nothing else."""
    said = {"gen_ai.input.messages": "[1]", "gen_ai.output.messages": "[2]"}
    event = Event("gen_ai.client.inference.operation.details", said)
    spans = (Span({"gen_ai.input.messages": "[3]"}, events=(event,)), Span(id=2), Span(id=3, events=(event,)))
    rows = table(made(*spans), "spans")
    assert [("[3]", "[2]"), (None, None), ("[1]", "[2]")] == [(row["input"], row["output"]) for row in rows]
    assert [("[1]", "[2]")] == [(row["input"], row["output"]) for row in table(made(spans[2]), "spans")]


def test_a_few_resources_are_not_repeated_without_bound() -> None:
    """A large attribute of a resource, times its spans, would fill the memory."""
    large = {"k": "v" * (1 << 20)}
    spans = [Span(id=at + 1) for at in range(REPEATED_BYTES >> 20)]
    with pytest.raises(InputError, match="resources") as caught:
        made(*spans, resource=large)
    assert "too_large" == caught.value.code
    assert len(spans) == made(*spans, resource={"k": "v"}).tables["spans"].num_rows


def test_rejections_of_the_decoder_are_passed_on() -> None:
    """Counts and reasons are of the whole request."""
    spans = replace(decoded([Span({"upshot.run_id": " "})]), rejected=3, reasons=("no id",))
    result = rows(spans, NOW_US, PRICES, Joining())
    assert (3, "no id", 2) == (result.rejected, result.reasons[0], len(result.reasons))
