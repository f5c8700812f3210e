"""Spans as a sender makes them, for tests of what they mean, and what their attributes mean one span at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np
import pyarrow as pa

from ingest.otel import genai
from ingest.otel.decoded import ARRAY, BOOL, DOUBLE, EMPTY, INT, MAP, TEXT, Attributes, Events, Spans
from ingest.otel.prices import Calls, Prices
from ingest.otel.rows import Rows, rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ingest.otel.joining import Joining


NOW_US = 1_790_000_000_000_000
START_US = NOW_US - 1_000_000
PRICES = Prices()
_KINDS = {bool: BOOL, int: INT, float: DOUBLE, str: TEXT, list: ARRAY, dict: MAP, type(None): EMPTY}


@dataclass(frozen=True)
class Event:
    name: str
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    time_us: int = START_US + 7


@dataclass(frozen=True)
class Span:
    """A span; ids are small numbers. Attributes may be pairs, so that keys can be repeated."""

    attributes: Any = field(default_factory=dict[str, Any])
    trace: int = 1
    id: int = 1
    parent: int | None = None
    name: str = "name"
    start_us: int = START_US
    end_us: int | None = START_US + 1000
    status: int = 0
    message: str = ""
    events: tuple[Event, ...] = ()


def decoded(spans: Iterable[Span], resource: Any = ()) -> Spans:
    """Return spans of one resource, decoded."""
    sent = list(spans)
    events = [(at, event) for at, span in enumerate(sent) for event in span.events]
    return Spans(
        trace_id=_texts(f"{span.trace:032x}" for span in sent),
        span_id=_texts(f"{span.id:016x}" for span in sent),
        parent_span_id=_texts(None if span.parent is None else f"{span.parent:016x}" for span in sent),
        name=_texts(span.name for span in sent),
        kind=np.ones(len(sent), np.uint8),
        start_ns=np.array([span.start_us * 1000 for span in sent], np.uint64),
        end_ns=np.array([(span.end_us or 0) * 1000 for span in sent], np.uint64),
        status_code=np.array([span.status for span in sent], np.uint8),
        status_message=_texts(span.message or None for span in sent),
        resource=np.zeros(len(sent), np.int32),
        scope=np.zeros(len(sent), np.int32),
        scope_name=_texts(["scope"]),
        scope_version=_texts(["1"]),
        attributes=_attributes([span.attributes for span in sent]),
        resource_attributes=_attributes([resource]),
        events=Events(
            np.array([at for at, _ in events], np.int32),
            _texts(event.name for _, event in events),
            np.array([event.time_us * 1000 for _, event in events], np.uint64),
            _attributes([event.attributes for _, event in events]),
        ),
        links=pa.nulls(len(sent), pa.string()),
        rejected=0,
        reasons=(),
    )


def _texts(texts: Iterable[str | None]) -> pa.StringArray:
    return pa.array(list(texts), pa.string())


def _attributes(of_owners: Sequence[Any]) -> Attributes:
    sent = [
        (owner, key, value)
        for owner, of in enumerate(of_owners)
        for key, value in (of.items() if hasattr(of, "items") else of)
    ]
    return Attributes(
        np.array([owner for owner, _, _ in sent], np.int32),
        cast("Any", _texts(key for _, key, _ in sent)).dictionary_encode(),
        _texts(text(value) for _, _, value in sent),
        np.array([_KINDS[type(value)] for _, _, value in sent], np.uint8),
    )


def text(value: Any) -> str | None:
    """Return an attribute's text, as `decoded.Attributes` says."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return msgspec.json.encode(value).decode()


def made(*spans: Span, resource: Any = (), join: Joining | None = None, prices: Prices | None = None) -> Rows:
    """Return the rows of spans."""
    return rows(decoded(spans, resource), NOW_US, prices or PRICES, join)


def table(of: Rows, name: str) -> list[dict[str, Any]]:
    """Return the rows of a table, internal columns left out; JSON is text."""
    if name not in of.tables:
        return []
    return [{key: value for key, value in row.items() if key[0] != "_"} for row in of.tables[name].to_pylist()]


def meaning(span: Span, resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of `spans` that follow from attributes: the oracle, one span and one column at a time."""
    attributes = {key: text(value) for key, value in dict(span.attributes).items()}
    made: dict[str, Any] = {
        column: _first(attributes, genai.TEXTS, column) for column in dict.fromkeys(one.column for one in genai.TEXTS)
    }
    for column in dict.fromkeys(one.column for one in genai.RESOURCE):
        of_resource = {key: text(value) for key, value in resource.items()}
        made[column] = made.get(column) or _first(of_resource, genai.RESOURCE, column)
    if made["finish_reason"] is not None:
        made["finish_reason"] = genai.finish_reason(made["finish_reason"])
    for column in ("input", "output"):
        made[column] = made[column] or _messages(attributes, column)
    if attributes.get(genai.OBSERVATION) == "agent":
        made["agent_name"] = made["agent_name"] or span.name
    counts = _counts(attributes)
    made["type"] = _type(attributes, made)
    made["convention"] = next((one for one in genai.FAMILIES if one in map(genai.family, attributes)), None)
    made["ttft_ms"] = _ttft(attributes, span.start_us)
    is_call = made["type"] in genai.MODEL_CALLS
    for column, value in counts.items():
        made[column] = value if is_call else None
    made["cost_usd"], made["cost_source"] = _cost(attributes, made, span.start_us) if is_call else (None, None)
    return made


def _first(attributes: Mapping[str, str | None], sources: Iterable[genai.Source], column: str) -> str | None:
    for source in sources:
        if source.column == column and (source.only is None or attributes.get(source.only[0]) == source.only[1]):
            for name in source.names:
                if attributes.get(name):
                    return attributes[name]
    return None


def _messages(attributes: Mapping[str, str | None], column: str) -> str | None:
    for source in genai.MESSAGES:
        parts: dict[int, dict[str, str]] = {}
        for name, value in attributes.items():
            beginning = source.names[0]
            if source.column == column and name.startswith(beginning) and value:
                found = genai.part_of_message(name, beginning)
                if found:
                    parts.setdefault(found[0], {})[found[1]] = value
        if parts:
            return msgspec.json.encode([parts[at] for at in sorted(parts)]).decode()
    return None


def _counts(attributes: Mapping[str, str | None]) -> dict[str, int | None]:
    columns = dict.fromkeys(one.column for one in genai.COUNTS)
    counts: dict[str, int | None] = {}
    for column in columns:
        found = _first(attributes, genai.COUNTS, column)
        counts[column] = None if found is None else genai.count(found)
    apart = attributes.get(genai.EXCLUSIVE_CACHE) and not any(attributes.get(name) for name in genai.INCLUSIVE_CACHE)
    cached, whole = counts["cache_read_tokens"], counts["input_tokens"]
    if (
        apart
        and genai.counts_cache_apart(attributes.get(genai.EXCLUSIVE_PROVIDER) or "")
        and None not in (cached, whole)
    ):
        total = (cached or 0) + (whole or 0)
        counts["input_tokens"] = total if total < 2**63 else whole
    return {**counts, **genai.usage(attributes.get(genai.USAGE) or "")}


def _type(attributes: Mapping[str, str | None], columns: Mapping[str, Any]) -> str:
    for _, name, read in genai.ROLES:
        value = attributes.get(name)
        role = read(value) if value else None
        if role:
            return role
    tokens = [_first(attributes, genai.COUNTS, column) for column in ("input_tokens", "output_tokens")]
    has_tokens = any(tokens) or bool(attributes.get(genai.USAGE))
    return "llm" if has_tokens and (columns["request_model"] or columns["response_model"]) else "other"


def _number(attributes: Mapping[str, str | None], column: str) -> float | None:
    found = _first(attributes, genai.NUMBERS, column)
    return None if found is None else genai.number(found)


def _ttft(attributes: Mapping[str, str | None], start_us: int) -> float | None:
    at = attributes.get(genai.FIRST_TOKEN_AT)
    passed = genai.milliseconds_until(at, start_us) if at else None
    if passed is not None:
        return passed
    seconds = _number(attributes, genai.SECONDS)
    if seconds is not None and math.isfinite(seconds * 1000):
        return seconds * 1000
    return _number(attributes, genai.MILLISECONDS)


def _cost(attributes: Mapping[str, str | None], columns: Mapping[str, Any], start_us: int) -> tuple[float | None, str]:
    told = genai.cost(attributes.get(genai.COST) or "")
    reported = _number(attributes, genai.DOLLARS) if told is None else told
    if reported is not None:
        return reported, "reported"
    tokens = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
    numbers = [[-1 if columns[name] is None else columns[name]] for name in tokens]
    names = [columns[name] for name in ("provider", "request_model", "response_model")]
    word = [[-1 if name is None else at] for at, name in enumerate(names)]
    arrays = [np.array(one, np.int64) for one in (*word, [start_us], *numbers)]
    made = PRICES.costs(Calls._make([[name or "" for name in names], *arrays, np.array([columns["type"] == "llm"])]))
    if made.invalid[0]:
        return None, "invalid_usage"
    return (None, "unknown") if math.isnan(made.dollars[0]) else (float(made.dollars[0]), "priced")
