"""Decoding OTLP beside a plain loop, CPU time on one core: `python -m benchmarks.decode`.

A request has 512 spans of agents at work: 70 % by OpenTelemetry's GenAI conventions, 30 % in the manner of
OpenInference, 15 attributes a span, prompts of 1 to 3 KB on half of the model calls, and some events.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from random import Random
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ingest.otel.json import decode_json
from ingest.otel.plain import decode_plain
from ingest.otel.protobuf import decode_protobuf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SPANS = 512
START_NS = 1_790_000_000_000_000_000
KINDS = ("agent", "llm", "tool", "llm", "retrieval", "llm", "tool", "llm")
MODELS = (
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-4.1"),
    ("anthropic", "claude-sonnet-4"),
    ("anthropic", "claude-haiku-4"),
    ("gcp.vertex_ai", "gemini-2.5-flash"),
    ("mistral_ai", "mistral-large"),
    ("aws.bedrock", "nova-pro"),
    ("deepseek", "deepseek-chat"),
)
SCORE = "gen_ai.evaluation.score.value"
"""The attribute of every model call that says how good its answer was."""
_LETTERS = Random(7)  # noqa: S311 - words
WORDS = (
    *("".join(_LETTERS.choices("etaoinshrdlucm", k=_LETTERS.randint(2, 10))) for _ in range(4000)),
    *('"quoted"', "line\nbreak", "naïve", "注文", "a\\b", "€12.50"),
)
"""The last ones are rare; text with many characters beyond ASCII or many escapes costs the JSON route up to twice."""

Attributes = dict[str, Any]


class Workload:
    """Spans of agents, the same for the same seed."""

    def __init__(self, seed: int = 1) -> None:
        self._random = Random(seed)  # noqa: S311 - a workload
        self._spans = self._endless()

    def request(self, spans: int = SPANS) -> Any:
        """Return the next request."""
        made = ExportTraceServiceRequest()
        resource = made.resource_spans.add()
        about = {"service.name": "support", "service.version": "3.2.1", "deployment.environment.name": "prod"}
        about |= {f"telemetry.sdk.{name}": name for name in ("language", "name", "version")} | {"host.id": "pod-7f9c"}
        _put(resource.resource, about)
        scopes = [resource.scope_spans.add() for _ in range(2)]
        for scope, name in zip(scopes, ("instrumentation.genai.openai", "openinference.langchain"), strict=True):
            scope.scope.name, scope.scope.version = name, "0.1.60"
        for _ in range(spans):
            inference, fill = next(self._spans)
            fill(scopes[inference].spans.add())
        return made

    def _endless(self) -> Iterator[tuple[bool, Callable[[Any], None]]]:
        random, at = self._random, START_NS
        while True:
            trace, root = random.randbytes(16), random.randbytes(8)
            inference = random.random() < 0.3
            common = {"run_id": f"run-{trace.hex()[:16]}", "user.id": f"user-{random.randint(0, 5000)}"}
            common |= {"session.id": f"sess-{root.hex()}", "agent.name": random.choice(("triage", "refunds"))}
            for number, kind in enumerate(KINDS[: random.randint(6, 8)]):
                at += random.randint(1_000_000, 900_000_000)
                ids = (trace, root if number == 0 else random.randbytes(8), root if number else b"")
                yield inference, lambda span, a=(ids, at, kind, inference, common): self._fill(span, a)

    def _fill(self, span: Any, facts: tuple[tuple[bytes, bytes, bytes], int, str, bool, Attributes]) -> None:
        random = self._random
        ids, at, kind, inference, common = facts
        span.trace_id, span.span_id, span.parent_span_id = ids
        span.start_time_unix_nano, span.end_time_unix_nano = at, at + random.randint(5_000_000, 8_000_000_000)
        span.name, span.kind, span.flags = f"{kind} {common['agent.name']}", random.choice((1, 3)), 1
        _put(span, common | (self._inference(kind) if inference else self._genai(kind)))
        if random.random() < 0.04:
            span.status.code, span.status.message = 2, "TimeoutError: upstream did not answer"
            self._event(span, "exception", {"exception.type": "TimeoutError", "exception.stacktrace": self._text(500)})
        elif random.random() < 0.5:
            span.status.code = 1
        if kind == "llm" and random.random() < 0.2:
            self._event(span, "gen_ai.first_token", {"gen_ai.server.time_to_first_token": random.random()})

    def _event(self, span: Any, name: str, attributes: Attributes) -> None:
        event = span.events.add()
        event.name, event.time_unix_nano = name, span.start_time_unix_nano + 150_000_000
        _put(event, attributes)

    def _text(self, size: int) -> str:
        words: list[str] = []
        while size > 0:
            words.append(WORDS[int(self._random.random() * self._random.random() * len(WORDS))])
            size -= len(words[-1].encode()) + 1
        return " ".join(words)

    def _messages(self, low: int, high: int) -> str:
        text = {"type": "text", "content": self._text(self._random.randint(low, high))}
        return json.dumps([{"role": "user", "parts": [text]}], ensure_ascii=False)

    def _genai(self, kind: str) -> Attributes:
        random = self._random
        provider, model = random.choice(MODELS)
        made: Attributes = {"gen_ai.operation.name": kind, "gen_ai.conversation.id": f"c{random.getrandbits(40)}"}
        if kind == "llm":
            made |= {"gen_ai.provider.name": provider, "gen_ai.request.model": model, "gen_ai.response.model": model}
            made |= {"gen_ai.response.id": f"resp_{random.getrandbits(96):x}", "server.address": "api.example.test"}
            made |= {"gen_ai.request.temperature": random.choice((0.0, 0.2, 0.7)), "gen_ai.request.max_tokens": 1024}
            made |= {"gen_ai.usage.input_tokens": random.randint(100, 6000)}
            made |= {"gen_ai.usage.output_tokens": random.randint(5, 900), SCORE: round(random.random(), 4)}
            made |= {"gen_ai.response.finish_reasons": [random.choice(("stop", "tool_calls"))]}
            if random.random() < 0.5:
                made |= {"gen_ai.input.messages": self._messages(1000, 3000)}
                made |= {"gen_ai.output.messages": self._messages(100, 900)}
        elif kind == "tool":
            made |= {"gen_ai.tool.name": "search_orders", "gen_ai.tool.call.id": f"call_{random.getrandbits(96):x}"}
            made |= {"gen_ai.tool.call.arguments": self._messages(20, 60), "retry.count": random.randint(0, 2)}
            made |= {"gen_ai.tool.call.result": self._messages(50, 400), "cache.hit": random.random() < 0.3}
        elif kind == "retrieval":
            made |= {"db.system.name": "pgvector", "db.query.text": "SELECT id, body FROM kb LIMIT 8"}
            made |= {"retrieval.top_k": 8, "retrieval.scores": [round(random.random(), 4) for _ in range(4)]}
            made |= {"retrieval.took": {"index": "kb-main", "ms": random.randint(1, 90)}}
        else:
            made |= {"gen_ai.agent.id": "asst_1", "gen_ai.agent.description": "Answers customer questions with tools."}
            made |= {"gen_ai.usage.input_tokens": random.randint(1000, 20_000), "deployment.variant": "B"}
        return made

    def _inference(self, kind: str) -> Attributes:
        random = self._random
        made: Attributes = {"openinference.span.kind": kind.upper(), "metadata": '{"variant": "A", "tenant": "t7"}'}
        made |= {"tag.tags": ["prod", random.choice(("eu", "us"))]}
        if kind == "llm":
            provider, model = random.choice(MODELS)
            asked = self._text(random.randint(1000, 3000) if random.random() < 0.5 else 80)
            made |= {"llm.provider": provider, "llm.model_name": model, "llm.input_messages.0.message.role": "user"}
            made |= {"llm.invocation_parameters": '{"temperature": 0.2}', "llm.input_messages.0.message.content": asked}
            made |= {"llm.output_messages.0.message.content": self._text(random.randint(100, 900))}
            made |= {f"llm.token_count.{name}": random.randint(5, 6000) for name in ("prompt", "completion", "total")}
            made |= {SCORE: round(random.random(), 4)}
        else:
            made |= {"input.value": self._text(80), "output.value": self._text(random.randint(60, 400))}
            made |= {"input.mime_type": "text/plain", "output.mime_type": "text/plain"}
        return made


def _put(owner: Any, attributes: Attributes) -> None:
    for key, value in attributes.items():
        pair = owner.attributes.add()
        pair.key = key
        _set(pair.value, value)


def _set(made: Any, value: Any) -> None:
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            _set(made.array_value.values.add(), item)
    elif isinstance(value, dict):
        for key, item in cast("Attributes", value).items():
            pair = made.kvlist_value.values.add()
            pair.key = key
            _set(pair.value, item)
    else:
        names: tuple[tuple[type, str], ...] = ((str, "string"), (bool, "bool"), (int, "int"), (float, "double"))
        setattr(made, next(f"{name}_value" for kind, name in names if isinstance(value, kind)), value)


def in_json(request: Any) -> bytes:
    """Return a request as exporters write it in JSON."""
    from google.protobuf.json_format import MessageToDict  # noqa: PLC0415 - only here

    document = MessageToDict(request, use_integers_for_enums=True)
    for resource, sent in zip(request.resource_spans, document["resourceSpans"], strict=True):
        for scope, scope_sent in zip(resource.scope_spans, sent["scopeSpans"], strict=True):
            for span, span_sent in zip(scope.spans, scope_sent["spans"], strict=True):
                span_sent |= {"traceId": span.trace_id.hex(), "spanId": span.span_id.hex()}
                if span.parent_span_id:
                    span_sent["parentSpanId"] = span.parent_span_id.hex()
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def seconds(
    routes: Sequence[tuple[Callable[[bytes], object], Sequence[bytes]]], rounds: int
) -> list[tuple[float, float]]:
    """Return the best and the median seconds of CPU a route takes for its bodies, the routes taken in turn."""
    taken: list[list[list[float]]] = [[[] for _ in bodies] for _, bodies in routes]
    for _ in range(rounds):
        for (decode, bodies), times in zip(routes, taken, strict=True):
            for body, times_of_body in zip(bodies, times, strict=True):
                began = time.thread_time()
                decode(body)
                times_of_body.append(time.thread_time() - began)
    return [(sum(map(min, times)), sum(map(statistics.median, times))) for times in taken]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    workload = Workload()
    requests = [workload.request() for _ in range(given.requests)]
    wire, text = [each.SerializeToString() for each in requests], [in_json(each) for each in requests]
    count = SPANS * len(requests)
    pairs = sum(len(s.attributes) for r in requests for g in r.resource_spans for c in g.scope_spans for s in c.spans)
    print(
        f"{count:,} spans of {pairs / count:.1f} attributes, {sum(map(len, wire)) / count:,.0f} bytes in protobuf and "
        f"{sum(map(len, text)) / count:,.0f} in JSON; spans a second of CPU, one core, by the best of {given.rounds} "
        "rounds (by the median)"
    )
    gc.collect()
    gc.freeze()
    routes = (("plain loop", decode_plain, wire), ("protobuf", decode_protobuf, wire), ("JSON", decode_json, text))
    measured = seconds([(decode, bodies) for _, decode, bodies in routes], given.rounds)
    for (name, _, _), (best, median) in zip(routes, measured, strict=True):
        print(f"{name:12} {count / best:>10,.0f} ({count / median:,.0f})")
    (plain, plain_median), (fast, fast_median), (json_, json_median) = measured
    print(f"protobuf over the plain loop {plain / fast:.2f} ({plain_median / fast_median:.2f}), at least 1.8 wanted")
    print(f"JSON over protobuf           {fast / json_:.2f} ({fast_median / json_median:.2f}), at least 0.8 wanted")


if __name__ == "__main__":
    main()
