"""What attributes mean: columns of `spans` by the conventions for AI work, as tables, and how values are read. Pure.

The names were read from OpenTelemetry's semantic conventions 1.44 (0.66b2) and its later GenAI repository,
openinference-semantic-conventions 0.1.42, opentelemetry-semantic-conventions-ai 0.5.1 (OpenLLMetry, Traceloop),
Vercel's AI SDK 4 to 7 and Langfuse's SDK 5.0.4. `tests/ingest/otel/test_genai.py` fails when a newer one has a name
that is neither here nor known to be of no use.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OURS = "upshot"
LANGFUSE = "langfuse"
OTEL = "otel_genai"
OPENINFERENCE = "openinference"
OPENLLMETRY = "openllmetry"
VERCEL = "vercel_ai_sdk"
OLD_OTEL = "otel_genai_deprecated"
COMMON = ""
"""Of several families, and a sign of none: `user.id`."""

FAMILIES = (LANGFUSE, VERCEL, OPENINFERENCE, OPENLLMETRY, OTEL, OLD_OTEL)
"""The narrowest first: Langfuse, OpenLLMetry and the AI SDK also send OpenTelemetry's names. A span's convention is the
first of these of which it has an attribute."""


class Source(NamedTuple):
    """Where a column may come from in one family: the first of the attributes that has a value."""

    column: str
    family: str
    names: tuple[str, ...]
    only: tuple[str, str] | None = None
    """(attribute, value) that the span must have too."""


# Rows of one column are in order of precedence: what a product was told deliberately, then the current OpenTelemetry
# names, then the families, then OpenTelemetry's old names.

TEXTS: tuple[Source, ...] = (
    Source("step_id", OURS, ("upshot.step_id",)),
    Source("step_id", COMMON, ("inngest.step.id",)),
    Source("provider", OTEL, ("gen_ai.provider.name",)),
    Source("provider", OPENINFERENCE, ("llm.provider", "llm.system")),
    Source("provider", VERCEL, ("ai.model.provider",)),
    Source("provider", OLD_OTEL, ("gen_ai.system",)),
    Source("request_model", LANGFUSE, ("langfuse.observation.model.name",)),
    Source("request_model", OTEL, ("gen_ai.request.model",)),
    Source(
        "request_model",
        OPENINFERENCE,
        ("llm.request.model_name", "llm.model_name", "embedding.model_name", "reranker.model_name"),
    ),
    Source("request_model", VERCEL, ("ai.model.id",)),
    Source("response_model", OTEL, ("gen_ai.response.model",)),
    Source("response_model", OPENINFERENCE, ("llm.response.model_name", "llm.model_name")),
    Source("response_model", VERCEL, ("ai.response.model",)),
    Source("finish_reason", OTEL, ("gen_ai.response.finish_reasons",)),
    Source("finish_reason", OPENINFERENCE, ("llm.finish_reason",)),
    Source(
        "finish_reason",
        OPENLLMETRY,
        (
            "gen_ai.response.finish_reason",
            "gen_ai.response.stop_reason",
            "llm.response.finish_reason",
            "llm.response.stop_reason",
        ),
    ),
    Source("finish_reason", VERCEL, ("ai.response.finishReason", "ai.finishReason")),
    Source("agent_name", OTEL, ("gen_ai.agent.name",)),
    Source("agent_name", OPENINFERENCE, ("agent.name",)),
    Source("agent_name", OPENLLMETRY, ("traceloop.entity.name",), ("traceloop.span.kind", "agent")),
    Source("workflow_name", LANGFUSE, ("langfuse.trace.name",)),
    Source("workflow_name", OTEL, ("gen_ai.workflow.name",)),
    Source("workflow_name", OPENLLMETRY, ("traceloop.workflow.name",)),
    Source("workflow_name", VERCEL, ("ai.telemetry.functionId",)),
    Source("tool_name", OTEL, ("gen_ai.tool.name",)),
    Source("tool_name", OPENINFERENCE, ("tool.name",)),
    Source("tool_name", OPENLLMETRY, ("traceloop.entity.name",), ("traceloop.span.kind", "tool")),
    Source("tool_name", VERCEL, ("ai.toolCall.name",)),
    Source("user_id", LANGFUSE, ("langfuse.user.id",)),
    Source("user_id", COMMON, ("user.id", "enduser.id")),
    Source("user_id", OPENLLMETRY, ("traceloop.association.properties.user_id", "gen_ai.user", "llm.user")),
    Source("user_id", VERCEL, ("ai.telemetry.metadata.userId",)),
    Source("input", LANGFUSE, ("langfuse.observation.input",)),
    Source("input", OTEL, ("gen_ai.input.messages", "gen_ai.tool.call.arguments")),
    Source("input", OPENINFERENCE, ("input.value", "tool.parameters")),
    Source("input", OPENLLMETRY, ("traceloop.entity.input",)),
    Source("input", VERCEL, ("ai.prompt.messages", "ai.prompt", "ai.toolCall.args", "ai.value", "ai.values")),
    Source("input", OLD_OTEL, ("gen_ai.prompt",)),
    Source("output", LANGFUSE, ("langfuse.observation.output",)),
    Source("output", OTEL, ("gen_ai.output.messages", "gen_ai.tool.call.result")),
    Source("output", OPENINFERENCE, ("output.value",)),
    Source("output", OPENLLMETRY, ("traceloop.entity.output",)),
    Source(
        "output",
        VERCEL,
        (
            "ai.response.text",
            "ai.response.object",
            "ai.response.toolCalls",
            "ai.result.text",
            "ai.result.object",
            "ai.result.toolCalls",
            "ai.toolCall.result",
        ),
    ),
    Source("output", OLD_OTEL, ("gen_ai.completion",)),
    Source("environment", LANGFUSE, ("langfuse.environment",)),
    Source("release", LANGFUSE, ("langfuse.release",)),
)

RESOURCE: tuple[Source, ...] = (
    Source("service_name", COMMON, ("service.name",)),
    Source("environment", LANGFUSE, ("langfuse.environment",)),
    Source("environment", COMMON, ("deployment.environment.name", "deployment.environment")),
    Source("release", LANGFUSE, ("langfuse.release",)),
    Source("release", COMMON, ("service.version",)),
)
"""Attributes of the resource; of a column that is in `TEXTS` too, the span's own come first."""

PAYLOADS = ("input", "output")
"""Columns whose texts may be large: they are kept once, out of `attributes`, so that who asks for attributes does not
read them."""

MESSAGES: tuple[Source, ...] = (
    Source("input", OPENINFERENCE, ("llm.input_messages.",)),
    Source("input", OPENLLMETRY, ("gen_ai.prompt.",)),
    Source("output", OPENINFERENCE, ("llm.output_messages.",)),
    Source("output", OPENLLMETRY, ("gen_ai.completion.",)),
)
"""Beginnings of attributes of which each holds a part of a message, `BEGINNING N . PART`; read after all of `TEXTS`."""

DETAILS_EVENT = "gen_ai.client.inference.operation.details"
DETAILS: tuple[Source, ...] = (
    Source("input", OTEL, ("gen_ai.input.messages",)),
    Source("output", OTEL, ("gen_ai.output.messages",)),
)
"""Attributes of that event, read after everything else: OpenTelemetry lets content be sent apart from the span."""

COUNTS: tuple[Source, ...] = (
    Source("input_tokens", OTEL, ("gen_ai.usage.input_tokens",)),
    Source("input_tokens", OPENINFERENCE, ("llm.token_count.prompt",)),
    Source("input_tokens", VERCEL, ("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens")),
    Source("input_tokens", OLD_OTEL, ("gen_ai.usage.prompt_tokens",)),
    Source("output_tokens", OTEL, ("gen_ai.usage.output_tokens",)),
    Source("output_tokens", OPENINFERENCE, ("llm.token_count.completion",)),
    Source("output_tokens", VERCEL, ("ai.usage.outputTokens", "ai.usage.completionTokens")),
    Source("output_tokens", OLD_OTEL, ("gen_ai.usage.completion_tokens",)),
    Source("cache_read_tokens", OTEL, ("gen_ai.usage.cache_read.input_tokens",)),
    Source(
        "cache_read_tokens",
        OPENINFERENCE,
        ("llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_input"),
    ),
    Source("cache_read_tokens", VERCEL, ("ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.cachedInputTokens")),
    Source("cache_read_tokens", OLD_OTEL, ("gen_ai.usage.cache_read_input_tokens",)),
    Source("cache_write_tokens", OTEL, ("gen_ai.usage.cache_creation.input_tokens",)),
    Source("cache_write_tokens", OPENINFERENCE, ("llm.token_count.prompt_details.cache_write",)),
    Source("cache_write_tokens", VERCEL, ("ai.usage.inputTokenDetails.cacheWriteTokens",)),
    Source("cache_write_tokens", OLD_OTEL, ("gen_ai.usage.cache_creation_input_tokens",)),
    Source("reasoning_tokens", OTEL, ("gen_ai.usage.reasoning.output_tokens",)),
    Source("reasoning_tokens", OPENINFERENCE, ("llm.token_count.completion_details.reasoning",)),
    Source("reasoning_tokens", OPENLLMETRY, ("gen_ai.usage.reasoning_tokens", "llm.usage.reasoning_tokens")),
    Source("reasoning_tokens", VERCEL, ("ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens")),
)
"""Whole numbers of tokens. Langfuse's come first and from one attribute, `USAGE`."""

SECONDS, MILLISECONDS, DOLLARS = "seconds", "milliseconds", "dollars"
NUMBERS: tuple[Source, ...] = (
    Source(SECONDS, OTEL, ("gen_ai.response.time_to_first_chunk",)),
    Source(MILLISECONDS, VERCEL, ("ai.response.msToFirstChunk", "ai.stream.msToFirstChunk")),
    Source(DOLLARS, OPENINFERENCE, ("llm.cost.total",)),
    Source(DOLLARS, OLD_OTEL, ("gen_ai.usage.cost",)),
)
"""Numbers from 0: the time to the first token in two units, and the reported cost."""

USAGE = "langfuse.observation.usage_details"
COST = "langfuse.observation.cost_details"
FIRST_TOKEN_AT = "langfuse.observation.completion_start_time"  # noqa: S105 - no password
OBSERVATION = "langfuse.observation.type"
"""Langfuse's own forms: JSON objects, a time, and the type by which an agent's span is named for it."""

EXCLUSIVE_CACHE = "ai.usage.cachedInputTokens"
INCLUSIVE_CACHE = ("ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.inputTokenDetails.noCacheTokens")
EXCLUSIVE_PROVIDER = "ai.model.provider"
_EXCLUSIVE = re.compile("anthropic|bedrock")


def counts_cache_apart(provider: str) -> bool:
    """Return whether the AI SDK 5 passes on this provider's input tokens without the cached ones.

    It left the numbers as the provider sent them (`@ai-sdk/anthropic` 2, `@ai-sdk/amazon-bedrock` 3); from version 6
    on, which sends `INCLUSIVE_CACHE`, they are included.
    """
    return _EXCLUSIVE.search(provider) is not None


TYPES = (
    "other",
    "llm",
    "embedding",
    "tool",
    "agent",
    "workflow",
    "retriever",
    "memory",
    "evaluator",
    "guardrail",
)

_LANGFUSE_TYPES = {
    "generation": "llm",
    "embedding": "embedding",
    "tool": "tool",
    "agent": "agent",
    "chain": "workflow",
    "span": "workflow",
    "retriever": "retriever",
    "evaluator": "evaluator",
    "guardrail": "guardrail",
    "event": "other",
}
_OTEL_TYPES = {
    "chat": "llm",
    "generate_content": "llm",
    "text_completion": "llm",
    "embeddings": "embedding",
    "execute_tool": "tool",
    "invoke_agent": "agent",
    "create_agent": "agent",
    "plan": "agent",
    "invoke_workflow": "workflow",
    "retrieval": "retriever",
    "search_memory": "retriever",
    **dict.fromkeys(
        (
            "create_memory",
            "update_memory",
            "upsert_memory",
            "delete_memory",
            "create_memory_store",
            "delete_memory_store",
        ),
        "memory",
    ),
    # OpenLLMetry's own operations (GenAICustomOperationName)
    "llm_request": "llm",
    "execute_task": "workflow",
    "vector_db_retrieve": "retriever",
}
_OPENINFERENCE_TYPES = {
    "LLM": "llm",
    "EMBEDDING": "embedding",
    "TOOL": "tool",
    "AGENT": "agent",
    "CHAIN": "workflow",
    "RETRIEVER": "retriever",
    "RERANKER": "retriever",
    "EVALUATOR": "evaluator",
    "GUARDRAIL": "guardrail",
    "PROMPT": "other",
    "DECISION": "other",
    "UNKNOWN": "other",
}
_TRACELOOP_TYPES = {"tool": "tool", "agent": "agent", "workflow": "workflow", "task": "workflow", "unknown": "other"}
_REQUEST_TYPES = {"chat": "llm", "completion": "llm", "embedding": "embedding", "rerank": "retriever"}
_VERCEL_TYPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"ai\.embed\w*\.doEmbed"), "embedding"),
    (re.compile(r"ai\.\w+\.do(Generate|Stream)"), "llm"),
    (re.compile(r"ai\.toolCall"), "tool"),
    (re.compile(r"ai\.workflowAgent\.stream"), "agent"),
    (re.compile(r"ai\.rerank[\w.]*"), "retriever"),
    (re.compile(r"ai\.(generate|stream)(Text|Object)|ai\.embed(Many)?"), "workflow"),
    (re.compile(r"ai\.decide[\w.]*"), "other"),
)


def _vercel_type(operation: str) -> str | None:
    name = operation.partition(" ")[0]  # `operation.name` is followed by the function's id
    return next((type_ for pattern, type_ in _VERCEL_TYPES if pattern.fullmatch(name)), None)


ROLES: tuple[tuple[str, str, Callable[[str], str | None]], ...] = (
    (LANGFUSE, OBSERVATION, _LANGFUSE_TYPES.get),
    (OTEL, "gen_ai.operation.name", _OTEL_TYPES.get),
    (OPENINFERENCE, "openinference.span.kind", lambda kind: _OPENINFERENCE_TYPES.get(kind.upper())),
    (OPENLLMETRY, "traceloop.span.kind", _TRACELOOP_TYPES.get),
    (OPENLLMETRY, "llm.request.type", _REQUEST_TYPES.get),
    (VERCEL, "ai.operationId", _vercel_type),
    (VERCEL, "operation.name", _vercel_type),
)
"""Attributes that say what a span is, in order of precedence; an unknown word leaves it to the next. A span of which
none says it is an `llm` call when it names a model and tokens."""

MODEL_CALLS = ("llm", "embedding")
"""Only these have tokens and cost: what other spans report is their children's once more, and stays in `attributes`."""

_BEGINNINGS: tuple[tuple[str, str], ...] = (
    ("langfuse.", LANGFUSE),
    ("openinference.", OPENINFERENCE),
    ("llm.input_messages.", OPENINFERENCE),
    ("llm.output_messages.", OPENINFERENCE),
    ("retrieval.documents.", OPENINFERENCE),
    ("traceloop.", OPENLLMETRY),
    ("gen_ai.prompt.name", OTEL),
    ("gen_ai.prompt.", OPENLLMETRY),
    ("gen_ai.completion.", OPENLLMETRY),
    ("ai.settings.", VERCEL),
    ("ai.telemetry.", VERCEL),
    ("ai.usage.", VERCEL),
    ("gen_ai.", OTEL),
)

_FAMILY_OF: Mapping[str, str] = {
    name: source.family for table in (TEXTS, COUNTS, NUMBERS) for source in table for name in source.names
} | {name: family for family, name, _ in ROLES if name != "operation.name"}


@functools.lru_cache(4096)
def family(name: str) -> str | None:
    """Return the family that an attribute is a sign of, or None."""
    known = _FAMILY_OF.get(name)
    if known is None:
        return next((one for beginning, one in _BEGINNINGS if name.startswith(beginning)), None)
    return known if known in FAMILIES else None


NAMES: frozenset[str] = frozenset(_FAMILY_OF) | {
    "operation.name",
    USAGE,
    COST,
    FIRST_TOKEN_AT,
    *INCLUSIVE_CACHE,
    *(name for source in RESOURCE for name in source.names),
    *(source.names[0].rstrip(".") for source in MESSAGES),
}
"""Every attribute that is read here."""


# Values: an attribute's text -> what a column holds; None for what makes no sense, never an error.

_NUMBER = re.compile(r"\s*\+?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_LARGEST = 2**63 - 1


def count(text: str) -> int | None:
    """Return a whole number from 0 up to 2^63 - 1, which may be written `12.0` or `1.2e1`."""
    exact = text.strip().removeprefix("+")
    if exact.isascii() and exact.isdigit():
        whole = int(exact) if len(exact) < len(str(_LARGEST)) + 1 else _LARGEST + 1
    else:
        value = number(text)
        whole = int(value) if value is not None and value == math.floor(value) else _LARGEST + 1
    return whole if whole <= _LARGEST else None


def number(text: str) -> float | None:
    """Return a finite number from 0."""
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def finish_reason(text: str) -> str | None:
    """Return the first of a JSON list of reasons, or the one reason."""
    if not text.startswith("["):
        return text
    try:
        reasons = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
    first = reasons[0] if reasons else None
    return first if isinstance(first, str) and first else None


_INPUT = ("input", "prompt_tokens", "input_tokens", "promptTokens")
_OUTPUT = ("output", "completion_tokens", "output_tokens", "completionTokens")
_CACHE_READ = ("cache_read_input_tokens", "input_cached_tokens", "input_cache_read", "cache_read")
_CACHE_WRITE = ("cache_creation_input_tokens", "input_cache_creation", "input_cache_write", "cache_creation")
_REASONING = ("output_reasoning_tokens", "output_reasoning", "reasoning_tokens", "reasoning")


def usage(text: str) -> Mapping[str, int]:
    """Return the columns that Langfuse's `usage_details` gives.

    Its kinds of usage exclude one another (a cost is the sum over them), so cached input is added to `input`, reasoning
    to `output`. The nested details of OpenAI's own usage, passed on as they are, are included already.
    """
    sent = _object(text)
    counts = {key: made for key, value in sent.items() if (made := _count_of(value)) is not None}
    details = (
        _nested(sent, "prompt_tokens_details") or _nested(sent, "input_tokens_details"),
        _nested(sent, "completion_tokens_details") or _nested(sent, "output_tokens_details"),
    )
    read, write, reasoning = (_first(counts, names) for names in (_CACHE_READ, _CACHE_WRITE, _REASONING))
    found = {
        "input_tokens": _sum(_first(counts, _INPUT), read, write),
        "output_tokens": _sum(_first(counts, _OUTPUT), reasoning),
        "cache_read_tokens": _count_of(details[0].get("cached_tokens")) if read is None else read,
        "cache_write_tokens": write,
        "reasoning_tokens": _count_of(details[1].get("reasoning_tokens")) if reasoning is None else reasoning,
    }
    return {column: value for column, value in found.items() if value is not None}


def cost(text: str) -> float | None:
    """Return the dollars of Langfuse's `cost_details`: the total, else the sum of what is there."""
    costs = {key: value for key, value in _object(text).items() if _is_number(value) and value >= 0}
    if "total" in costs:
        return float(costs["total"])
    return math.fsum(costs.values()) if costs else None


def milliseconds_until(text: str, start_us: int) -> float | None:
    """Return the time from a start (microseconds since 1970) until a moment in ISO 8601, which may be in quotes."""
    try:
        moment = dt.datetime.fromisoformat(text.strip().strip('"'))
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    passed = (aware - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1) - start_us
    return passed / 1000 if passed >= 0 else None


def part_of_message(name: str, beginning: str) -> tuple[int, str] | None:
    """Return which message, from 0, and which part of it an attribute holds: `0.message.content` -> 0, `content`."""
    index, dot, part = name[len(beginning) :].partition(".")
    if not dot or not part or not (index.isascii() and index.isdigit()) or len(index) > 9:  # noqa: PLR2004
        return None
    return int(index), part.removeprefix("message.")


def _object(text: str) -> Mapping[str, Any]:
    try:
        sent = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return cast("Mapping[str, Any]", sent) if isinstance(sent, dict) else {}


def _nested(sent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = sent.get(key)
    return cast("Mapping[str, Any]", inner) if isinstance(inner, dict) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count_of(value: Any) -> int | None:
    return count(repr(value)) if _is_number(value) else None


def _first(counts: Mapping[str, int], names: tuple[str, ...]) -> int | None:
    return next((counts[name] for name in names if name in counts), None)


def _sum(base: int | None, *more: int | None) -> int | None:
    if base is None:
        return None
    total = base + sum(value or 0 for value in more)
    return total if total <= _LARGEST else None
