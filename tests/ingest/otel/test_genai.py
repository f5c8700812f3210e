"""The tables of meaning know every name that the conventions' own packages define, and read values as stated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import openinference.semconv.resource
import openinference.semconv.trace
import opentelemetry.semconv_ai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.otel import genai, joining
from ingest.otel.joining import Joining
from warehouse.schema import FILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

LANGFUSE = """
langfuse.trace.name user.id session.id langfuse.trace.tags langfuse.trace.public langfuse.trace.metadata
langfuse.observation.type langfuse.observation.metadata langfuse.observation.level langfuse.observation.status_message
langfuse.observation.input langfuse.observation.output langfuse.observation.completion_start_time
langfuse.observation.model.name langfuse.observation.model.parameters langfuse.observation.usage_details
langfuse.observation.cost_details langfuse.observation.prompt.name langfuse.observation.prompt.version
langfuse.environment langfuse.release langfuse.version langfuse.internal.as_root langfuse.internal.is_app_root
langfuse.experiment.id langfuse.experiment.name langfuse.experiment.description langfuse.experiment.metadata
langfuse.experiment.dataset.id langfuse.experiment.item.id langfuse.experiment.item.version
langfuse.experiment.item.expected_output langfuse.experiment.item.metadata
langfuse.experiment.item.root_observation_id
"""
"""`LangfuseOtelSpanAttributes` of langfuse 5.0.4, whose package is too much for a list of names."""

IGNORED: dict[str, str] = {
    "parts of a message or document, which are read under the name of their list, or kept in `attributes`": """
        audio.mime_type audio.transcript audio.url completion.text document.content document.id document.metadata
        document.mime_type document.name document.score document.url embedding.embeddings
        embedding.invocation_parameters embedding.text embedding.vector image.url message.content message.contents
        message.function_call_arguments_json message.function_call_name message.name message.role message.tool_call_id
        message.tool_calls message_content.audio message_content.data message_content.document
        message_content.encrypted_content message_content.id message_content.image message_content.signature
        message_content.text message_content.type message_content.video prompt.id prompt.text prompt.url prompt.vendor
        tool_call.function.arguments tool_call.function.name tool_call.id tool_call.reasoning_signature video.url
    """,
    "lists of parts other than messages": """
        input.documents input.images llm.choices llm.prompts llm.tools output.documents output.images
        retrieval.documents
    """,
    "judgements of spans in OpenInference's own form, which has no event and no time": """
        annotation.annotator_kind annotation.explanation annotation.identifier annotation.label annotation.metadata
        annotation.name annotation.score annotations evaluation.annotator_kind evaluation.explanation
        evaluation.identifier evaluation.label evaluation.metadata evaluation.name evaluation.score evaluations
        session.annotations session.evaluations trace.annotations trace.evaluations
    """,
    "parameters of the call, templates and formats": """
        gen_ai.headers gen_ai.is_streaming gen_ai.openai.api_base gen_ai.openai.api_type gen_ai.openai.api_version
        gen_ai.openai.system_fingerprint gen_ai.request.max_completion_tokens gen_ai.request.max_tokens gen_ai.request.n
        gen_ai.request.reasoning_effort gen_ai.request.reasoning_summary gen_ai.request.repetition_penalty
        gen_ai.request.structured_output_schema gen_ai.request.temperature gen_ai.request.top_p
        gen_ai.response.reasoning_effort input.mime_type langfuse.observation.model.parameters llm.chat.stop_sequences
        llm.frequency_penalty llm.function_call llm.headers llm.invocation_parameters llm.is_streaming
        llm.presence_penalty llm.prompt_template.template llm.prompt_template.variables llm.prompt_template.version
        llm.request.functions llm.request.reasoning_effort llm.request.repetition_penalty llm.top_k output.mime_type
    """,
    "parts of a cost or of tokens that the whole has, and totals": """
        gen_ai.token.type gen_ai.usage.token_type gen_ai.usage.total_tokens llm.cost.completion
        llm.cost.completion_details llm.cost.completion_details.audio llm.cost.completion_details.output
        llm.cost.completion_details.reasoning llm.cost.prompt llm.cost.prompt_details llm.cost.prompt_details.audio
        llm.cost.prompt_details.cache_input llm.cost.prompt_details.cache_read llm.cost.prompt_details.cache_write
        llm.cost.prompt_details.input llm.token_count.completion_details.audio llm.token_count.prompt_details
        llm.token_count.prompt_details.audio llm.token_count.total llm.usage.token_type llm.usage.total_tokens
    """,
    "decisions, graphs and tasks, which have no column": """
        decision.model_name decision.provider decision.request.model_name decision.response.model_name decision.system
        decision.token_count.input decision.token_count.output gen_ai.task.id gen_ai.task.input gen_ai.task.kind
        gen_ai.task.name gen_ai.task.output gen_ai.task.parent.id gen_ai.task.status gen_ai.workflow.edges
        gen_ai.workflow.nodes graph.node.id graph.node.name graph.node.parent_id langgraph.command.goto_node
        langgraph.command.goto_nodes langgraph.command.source_node reranker.input_documents reranker.output_documents
        reranker.query reranker.top_k
    """,
    "what a tool or a prompt is": """
        tool.description tool.id tool.json_schema traceloop.prompt.key traceloop.prompt.managed
        traceloop.prompt.template traceloop.prompt.template_variables traceloop.prompt.version
        traceloop.prompt.version_hash traceloop.prompt.version_name
    """,
    "free text of the sender": """
        langfuse.observation.metadata langfuse.trace.metadata langfuse.trace.tags metadata tag.tags
    """,
    "one chunk of a stream": """
        gen_ai.content.completion.chunk llm.content.completion.chunk
    """,
    "where a span of Traceloop's is": """
        traceloop.association.properties traceloop.correlation.id traceloop.entity.path traceloop.entity.version
    """,
    "a level, a visibility, a version of its own or an internal matter": """
        langfuse.internal.as_root langfuse.internal.is_app_root langfuse.observation.level
        langfuse.observation.prompt.name langfuse.observation.prompt.version langfuse.observation.status_message
        langfuse.trace.public langfuse.version
    """,
    "experiments of Langfuse, which are runs over a dataset and not variants": """
        langfuse.experiment.dataset.id langfuse.experiment.description langfuse.experiment.id
        langfuse.experiment.item.expected_output langfuse.experiment.item.id langfuse.experiment.item.metadata
        langfuse.experiment.item.root_observation_id langfuse.experiment.item.version langfuse.experiment.metadata
        langfuse.experiment.name
    """,
    "the resource's own": """
        openinference.project.name
    """,
}
"""Why names are not read -> these names."""

IGNORED_BEGINNINGS = ("db.", "pinecone.", "qdrant.", "mcp.", "haystack.", "llm.watsonx.")
"""Databases, protocols and one provider's parameters, which are no one's columns."""

READ_BY_JOINING = {*joining.RUN_ID, *joining.SESSIONS, *Joining().sessions}


def constants(module: ModuleType) -> Iterator[tuple[str, str]]:
    """Yield (class, name) of each attribute that a package of conventions defines."""
    for class_name, class_ in vars(module).items():
        is_own = getattr(class_, "__module__", "") == module.__name__ and class_name.endswith("Attributes")
        if is_own and class_name != "EventAttributes":
            for constant, name in cast("dict[str, Any]", vars(class_)).items():
                if isinstance(name, str) and not constant.startswith("_"):
                    yield class_name, name


DEFINED = sorted(
    {
        name
        for module in (openinference.semconv.trace, openinference.semconv.resource, opentelemetry.semconv_ai)
        for _, name in constants(module)
    }
    | set(LANGFUSE.split())
)


def test_the_packages_were_read() -> None:
    """The tripwire is stretched: it sees the names it should see."""
    assert {"llm.model_name", "openinference.project.name", "traceloop.span.kind", "gen_ai.system"} <= set(DEFINED)
    assert len(DEFINED) > 250


@pytest.mark.parametrize("name", DEFINED)
def test_every_defined_name_is_read_or_ignored_with_a_reason(name: str) -> None:
    """Exactly one of the two; a new name in a new version fails until someone decides."""
    is_read = name in genai.NAMES | READ_BY_JOINING
    reasons = [why for why, names in IGNORED.items() if name in names.split()]
    reasons += [beginning for beginning in IGNORED_BEGINNINGS if name.startswith(beginning)]
    assert 1 == is_read + len(reasons), f"read {name} in ingest/otel/genai.py, or say here, once, why not"


def test_no_ignored_name_is_stale() -> None:
    """What is ignored is still defined."""
    assert set() == {name for names in IGNORED.values() for name in names.split()} - set(DEFINED)


def test_every_kind_of_span_has_a_role() -> None:
    """Of OpenInference and Traceloop, as their packages list them; only unknown words have none."""
    roles = {name: read for _, name, read in genai.ROLES}
    kinds = [kind.value for kind in openinference.semconv.trace.OpenInferenceSpanKindValues]
    kinds_of_traceloop = [kind.value for kind in opentelemetry.semconv_ai.TraceloopSpanKindValues]
    requests = [kind.value for kind in opentelemetry.semconv_ai.LLMRequestTypeValues if kind.value != "unknown"]
    operations = [kind.value for kind in opentelemetry.semconv_ai.GenAICustomOperationName]
    for name, words in (
        ("openinference.span.kind", kinds),
        ("traceloop.span.kind", kinds_of_traceloop),
        ("llm.request.type", requests),
        ("gen_ai.operation.name", operations),
    ):
        assert words and {*genai.TYPES} >= {roles[name](word) for word in words}
        assert roles[name]("never heard of") is None


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("ai.generateText", "workflow"),
        ("ai.generateText.doGenerate", "llm"),
        ("ai.streamObject.doStream", "llm"),
        ("ai.embedMany.doEmbed", "embedding"),
        ("ai.embed", "workflow"),
        ("ai.toolCall", "tool"),
        ("ai.rerank.doRerank", "retriever"),
        ("ai.workflowAgent.stream", "agent"),
        ("ai.generateText.doGenerate my-function", "llm"),
        ("http.request", None),
    ],
)
def test_operations_of_the_ai_sdk(operation: str, expected: str | None) -> None:
    """By `ai.operationId`, or `operation.name` with the function's id behind."""
    assert [expected] * 2 == [read(operation) for family, _, read in genai.ROLES if family == genai.VERCEL]


def test_columns_are_columns_of_spans() -> None:
    """Each row of the tables feeds a column that there is; each precedence is that of its family."""
    columns = {column.name for column in FILE["spans"].columns}
    for table in (genai.TEXTS, genai.RESOURCE, genai.MESSAGES, genai.COUNTS):
        assert columns >= {source.column for source in table}
    order = (genai.OURS, genai.LANGFUSE, genai.OTEL, genai.COMMON, genai.OPENINFERENCE, genai.OPENLLMETRY)
    order += (genai.VERCEL, genai.OLD_OTEL)
    for table in (genai.TEXTS, genai.COUNTS, genai.NUMBERS):
        for column in {source.column for source in table}:
            families = [order.index(source.family) for source in table if source.column == column]
            assert sorted(families) == families


@given(st.integers(0, 2**64))
def test_whole_numbers_are_read_exactly(number: int) -> None:
    """However large, as long as a column can hold them."""
    expected = number if number < 2**63 else None
    assert expected == genai.count(str(number)) == genai.count(f" +{number} ")


@given(st.text() | st.floats().map(str))
def test_numbers_are_read_or_none(text: str) -> None:
    """Any text: a number from 0 or nothing, never an error."""
    number, count = genai.number(text), genai.count(text)
    assert number is None or (number >= 0 and number == float(text))
    assert count is None or count == int(float(text)) or count == int(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("12.0", 12), ("1e3", 1000), ("1.5", None), ("-1", None), ("0x10", None), ("", None), ("1_0", None), ("٣", None)],
)
def test_counts(text: str, expected: int | None) -> None:
    """Whole numbers in any usual way of writing; nothing else."""
    assert expected == genai.count(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [('["stop"]', "stop"), ('["a","b"]', "a"), ("[]", None), ("[1]", None), ("stop", "stop"), ("[broken", "[broken")],
)
def test_finish_reasons(text: str, expected: str | None) -> None:
    """A list or one word."""
    assert expected == genai.finish_reason(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"input": 1, "output": 2}', {"input_tokens": 1, "output_tokens": 2}),
        (
            '{"input": 10, "input_cached_tokens": 5, "output": 2, "output_reasoning_tokens": 3}',
            {"input_tokens": 15, "cache_read_tokens": 5, "output_tokens": 5, "reasoning_tokens": 3},
        ),
        (
            '{"input_tokens": 1, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 4, "output_tokens": 8}',
            {"input_tokens": 7, "cache_read_tokens": 2, "cache_write_tokens": 4, "output_tokens": 8},
        ),
        (
            '{"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens": 1}',
            {"input_tokens": 9, "cache_read_tokens": 4, "output_tokens": 1},
        ),
        ('{"input": true, "output": -1}', {}),
        ("[1]", {}),
        ("{", {}),
        ("[" * 100_000, {}),
    ],
)
def test_usage_of_langfuse(text: str, expected: dict[str, int]) -> None:
    """Kinds that exclude one another become inclusive; nested details are."""
    assert expected == genai.usage(text)


@given(st.text())
def test_no_text_is_an_error(text: str) -> None:
    """Whatever an attribute holds."""
    read: list[Any] = [
        genai.usage(text),
        genai.cost(text),
        genai.finish_reason(text),
        genai.milliseconds_until(text, 0),
    ]
    read += [role(text) for _, _, role in genai.ROLES]
    read += [genai.part_of_message(source.names[0] + text, source.names[0]) for source in genai.MESSAGES]
    assert len(read) == 4 + len(genai.ROLES) + len(genai.MESSAGES)
