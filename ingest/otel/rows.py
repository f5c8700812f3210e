"""Decoded spans -> rows of `spans`, `runs`, `session_runs`, `assignments` and `score_history`: whole columns at a time.

The tables of `ingest.otel.genai` say what attributes mean. Nothing here looks at attributes one by one in Python, but
for those that hold parts of messages and those of events.
"""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.columns import batch, documents
from ingest.otel import genai, joining
from ingest.otel.decoded import DOUBLE, INT
from ingest.otel.joining import Joining
from ingest.otel.keyed import NOWHERE, Keyed, Worded, keyed
from ingest.otel.prices import INVALID, PRICED, REPORTED, UNKNOWN, Calls, Prices
from ingest.times import TIME
from warehouse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from ingest.otel.decoded import Attributes, Spans
    from ingest.otel.genai import Source
    from ingest.otel.joining import Event

REPEATED_BYTES = 256 << 20
"""Most bytes that the attributes of resources and the names of scopes may come to, repeated for each of their spans."""

_KINDS = (None, "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUSES = ("UNSET", "OK", "ERROR")
_DAY_US = 86_400 * 10**6
_NONE = -1
"""A count that is not known."""

_LLM, _EMBEDDING = (genai.TYPES.index(type_) for type_ in genai.MODEL_CALLS)
_COUNTED = tuple(dict.fromkeys(source.column for source in genai.COUNTS))
_MESSAGE_BITS = 30
_LINES = msgspec.json.Encoder().encode_lines
_NAMES = ("provider", "request_model", "response_model")
_WORDED = (
    *(name for source in genai.TEXTS if source.column in (*_NAMES, "finish_reason") for name in source.names),
    *(name for _, name, _ in genai.ROLES),
)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows of a request, and what could not be kept of it."""

    tables: Mapping[str, pa.RecordBatch]
    """By file table, those that have rows."""
    rejected: int
    """How many spans are not kept."""
    reasons: tuple[str, ...]
    """Why, each once; also why sessions, assignments or scores of spans that are kept are not."""


class _Spans(NamedTuple):
    """What the columns of a request are made of."""

    spans: Spans
    own: Keyed
    worded: Worded
    """The attributes that say few words often."""
    resources: Keyed
    start_us: NDArray[np.int64]


def rows(spans: Spans, received_at_us: int, prices: Prices, join: Joining | None = None) -> Rows:
    """Return the rows of decoded spans.

    Args:
        spans: of one request.
        received_at_us: microseconds since 1970.
        prices: of model calls; it remembers, so one is for all requests of a process.
        join: this installation's own attributes.

    Raises:
        InputError: `too_large`, when a few resources would be repeated for too many spans (`REPEATED_BYTES`).
    """
    join = join or Joining()
    count = len(spans.span_id)
    if not count:
        return Rows({}, spans.rejected, spans.reasons)
    resources = 1 + max(int(spans.resource.max()), int(spans.resource_attributes.owner.max(initial=0)))
    _check_repeated(spans, resources)
    start_us = (spans.start_ns // 1000).astype(np.int64)
    own = keyed(spans.attributes, count)
    worded = own.worded(dict.fromkeys((*_WORDED, *join.keys(own))))
    given = _Spans(spans, own, worded, keyed(spans.resource_attributes, resources), start_us)
    found = joining.found_runs(spans, own, worded, join)
    events = joining.listed(spans.events)
    texts = _Texts(count)
    columns = _plain(given, texts) | _meant(given, texts, prices)
    texts.put("run_id", found.runs, found.run)
    columns |= texts.columns()
    columns["events"] = _event_documents(events, count)
    _add_details(columns, events, count)
    sessions, session_faults = joining.session_runs(own, worded, found, start_us, join.session_keys(own))
    records, record_faults = joining.recorded(
        itertools.chain(
            joining.assignments(own, worded, found, start_us), joining.flag_assignments(events, found, start_us)
        ),
        joining.scores(events, spans, found, start_us),
        received_at_us,
    )
    tables: dict[str, pa.RecordBatch] = {
        "spans": batch("spans", columns, count, received_at_us),
        "trace_runs": joining.trace_runs(found, start_us, received_at_us),
        **records,
    }
    own_runs = joining.runs(spans, found, columns, received_at_us)
    if own_runs is not None:
        tables["runs"] = own_runs
    if sessions is not None:
        tables["session_runs"] = batch("session_runs", sessions, len(sessions["run_id"]), received_at_us)
    reasons = (*spans.reasons, *found.reasons, *session_faults, *record_faults)
    kept = {name: table for name, table in tables.items() if table.num_rows}
    return Rows(kept, spans.rejected, tuple(dict.fromkeys(reasons)))


def _check_repeated(spans: Spans, resources: int) -> None:
    """Raise InputError `too_large` beyond `REPEATED_BYTES`."""
    attributes = spans.resource_attributes
    key = cast("Any", attributes.key)
    most = (
        attributes.text.nbytes + key.dictionary.nbytes * len(key) + spans.scope_name.nbytes + spans.scope_version.nbytes
    )
    if most * len(spans.span_id) <= REPEATED_BYTES:
        return
    bytes_of = np.zeros(resources, np.int64)
    np.add.at(bytes_of, attributes.owner, _lengths(attributes))
    scopes = [_byte_lengths(names) for names in (spans.scope_name, spans.scope_version)]
    repeated = int(bytes_of[spans.resource].sum()) + sum(int(lengths[spans.scope].sum()) for lengths in scopes)
    if repeated > REPEATED_BYTES:
        said = f"{repeated:,} bytes of resources and scopes when repeated for each span"
        raise InputError(f"the request has {said}, at most {REPEATED_BYTES:,} are taken", code="too_large")


def _lengths(attributes: Attributes) -> NDArray[np.int64]:
    key = cast("Any", attributes.key)
    of_keys = _byte_lengths(key.dictionary)
    return _byte_lengths(attributes.text) + of_keys[np.asarray(key.indices.to_numpy(zero_copy_only=False))]


def _byte_lengths(texts: pa.StringArray) -> NDArray[np.int64]:
    lengths = cast("Any", pc.binary_length(texts)).fill_null(0)
    return np.asarray(lengths.to_numpy(zero_copy_only=False), np.int64)


class _Texts:
    """Columns of words, taken all at once."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._words: list[str | None] = []
        self._numbers: dict[str, NDArray[np.int64]] = {}

    def put(self, column: str, words: Sequence[str | None], numbers: NDArray[Any]) -> None:
        """Give a column the words of some numbers; -1 is null."""
        own = numbers.astype(np.int64)
        self._numbers[column] = np.where(own == NOWHERE, NOWHERE, own + len(self._words))
        self._words += words

    def columns(self) -> dict[str, pa.Array[Any]]:
        """Return the columns."""
        flat = np.concatenate(list(self._numbers.values()))
        texts = cast("Any", pa.array([*self._words, None], pa.string()))
        taken = texts.take(pa.array(np.where(flat == NOWHERE, len(self._words), flat)))
        return {name: taken.slice(at * self._rows, self._rows) for at, name in enumerate(self._numbers)}


def _plain(given: _Spans, texts: _Texts) -> dict[str, pa.Array[Any]]:
    """Return the columns that are the same whatever a span is about; `texts` gets those of few words."""
    spans, start_us = given.spans, given.start_us
    end_us = (spans.end_ns // 1000).astype(np.int64)
    first_day = int(start_us.min()) // _DAY_US
    days = int(start_us.max()) // _DAY_US - first_day + 1
    dates = [(dt.date(1970, 1, 1) + dt.timedelta(days=first_day + day)).isoformat() for day in range(days)]
    texts.put("_day_id", dates, start_us // _DAY_US - first_day)
    texts.put("kind", _KINDS, spans.kind)
    texts.put("status_code", _STATUSES, spans.status_code)
    texts.put("scope_name", spans.scope_name.to_pylist(), spans.scope)
    texts.put("scope_version", spans.scope_version.to_pylist(), spans.scope)
    return {
        "trace_id": spans.trace_id,
        "span_id": spans.span_id,
        "parent_span_id": spans.parent_span_id,
        "name": spans.name,
        "start_time": pa.array(start_us).view(TIME),
        "end_time": cast("Any", pa.array(end_us, mask=spans.end_ns == 0)).view(TIME),
        "status_message": spans.status_message,
        "resource_attributes": given.resources.maps(spans.resource),
        "links": documents(spans.links),
        "_given": pa.repeat(pa.scalar(value=True), len(start_us)),
    }


def _meant(given: _Spans, texts: _Texts, prices: Prices) -> dict[str, pa.Array[Any]]:
    """Return the columns that attributes are read into; `texts` gets those of few words."""
    own, worded = given.own, given.worded
    places = _places(own, genai.TEXTS)
    payloads = [places[column] for column in genai.PAYLOADS if column in places]
    nowhere = np.full(own.owners, NOWHERE, np.int64)
    named = [worded.at(places.pop(column, nowhere)) for column in _NAMES]
    for column, word in zip(_NAMES, named, strict=True):
        texts.put(column, worded.words, word)
    reasons = worded.at(places.pop("finish_reason", nowhere))
    texts.put("finish_reason", *_read(worded.words, reasons))
    types = _types(own, worded)
    counts, has_tokens = _counts(own)
    _, request_model, response_model = named
    names_model = (request_model != NOWHERE) | (response_model != NOWHERE)
    types[(types == NOWHERE) & names_model & has_tokens] = _LLM
    types[types == NOWHERE] = 0
    calls = (types == _LLM) | (types == _EMBEDDING)
    numbers = _numbers(given)
    texts.put("type", genai.TYPES, types)
    texts.put("convention", genai.FAMILIES, _convention(own))
    columns = _taken(given, places, texts)
    columns["attributes"] = (own.without(np.concatenate(payloads)) if payloads else own).maps()
    for name, values in zip(_COUNTED, counts, strict=True):
        columns[name] = pa.array(values, mask=~calls | (values == _NONE))
    columns["ttft_ms"] = pa.array(numbers.ttft_ms, mask=np.isnan(numbers.ttft_ms))
    rows = np.flatnonzero(calls)
    of_calls = [values[rows] for values in (*named, given.start_us, *counts)]
    priced = prices.costs(Calls._make([worded.words, *of_calls, types[rows] == _LLM]))
    reported = numbers.dollars[rows]
    dollars = np.where(np.isnan(reported), priced.dollars, reported)
    source = np.select([~np.isnan(reported), priced.invalid, ~np.isnan(dollars)], [0, 1, 2], 3)
    cost, sources = np.full(own.owners, np.nan), np.full(own.owners, NOWHERE, np.int64)
    cost[rows], sources[rows] = dollars, source
    columns["cost_usd"] = pa.array(cost, mask=np.isnan(cost))
    texts.put("cost_source", (REPORTED, INVALID, PRICED, UNKNOWN), sources)
    return columns


def _read(words: Sequence[str], numbers: NDArray[np.int64]) -> tuple[list[str | None], NDArray[np.int64]]:
    """Return finish reasons as words and their numbers, given what they are read from."""
    used, number = np.unique(numbers, return_inverse=True)
    distinct = cast("list[int]", used.tolist())
    return [None if one == NOWHERE else genai.finish_reason(words[one]) for one in distinct], number


def _taken(given: _Spans, places: Mapping[str, NDArray[np.int64]], texts: _Texts) -> dict[str, Any]:
    """Return the columns of `genai.TEXTS` that have values at some places, and those that are found elsewhere."""
    own, resources = given.own, given.resources
    columns: dict[str, Any] = {}
    if places:
        taken = cast("Any", own.taken(np.concatenate(list(places.values()))))
        columns = {name: taken.slice(at * own.owners, own.owners) for at, name in enumerate(places)}
    for column, first in _places(resources, genai.RESOURCE).items():
        of_resources = cast("Any", resources.taken(first))
        if column in columns:
            columns[column] = cast("Any", pc).coalesce(
                columns[column], of_resources.take(pa.array(given.spans.resource))
            )
        else:
            texts.put(column, of_resources.to_pylist(), given.spans.resource)
    for column in genai.PAYLOADS:
        messages = _messages(own, column, places.get(column))
        if messages is not None:
            columns[column] = cast("Any", pc).coalesce(columns[column], messages) if column in columns else messages
    _name_agents(given, columns)
    return columns


def _places(attributes: Keyed, table: Iterable[Source]) -> dict[str, NDArray[np.int64]]:
    """Return for each column that has values the place of each owner's."""
    places: dict[str, NDArray[np.int64]] = {}
    # Backwards, so that the first of a column's sources is written over the others.
    for source in reversed(tuple(table)):
        for name in reversed(source.names):
            if name not in attributes.ranges:
                continue
            found = attributes.places(name)
            if source.only is not None and len(found):
                found = _among(attributes, found, *source.only)
            if len(found):
                if source.column not in places:
                    places[source.column] = np.full(attributes.owners, NOWHERE, np.int64)
                places[source.column][attributes.owner[found]] = found
    return places


def _among(attributes: Keyed, places: NDArray[np.int64], name: str, value: str) -> NDArray[np.int64]:
    """Return the places whose owner has a value of another attribute."""
    others = attributes.places(name)
    equal = np.asarray(cast("Any", pc).equal(attributes.taken(others), value).to_numpy(zero_copy_only=False), np.bool_)
    return places[np.isin(attributes.owner[places], attributes.owner[others[equal]])]


def _messages(own: Keyed, column: str, first: NDArray[np.int64] | None) -> pa.StringArray | None:
    """Return messages of which each attribute holds a part as JSON lists, where a column has no other value."""
    open_ = np.ones(own.owners, np.bool_) if first is None else first == NOWHERE
    made: dict[int, list[dict[str, str]]] = {}
    for source in genai.MESSAGES:
        if source.column == column and any(name.startswith(source.names[0]) for name in own.keys):
            found = _parts(own, source.names[0], open_)
            open_[list(found)] = False
            made |= found
    return _sparse(made, own.owners) if made else None


def _parts(own: Keyed, beginning: str, open_: NDArray[np.bool_]) -> dict[int, list[dict[str, str]]]:
    """Return the messages of each owner among `open_`, in their order."""
    parts: dict[int, dict[str, str]] = {}
    for name in own.keys:
        part = genai.part_of_message(name, beginning) if name.startswith(beginning) else None
        if part is None:
            continue
        places = own.places(name)
        places = places[open_[own.owner[places]]]
        at, what = part
        # One number for the owner and which of its messages.
        messages = ((own.owner[places].astype(np.int64) << _MESSAGE_BITS) + at).tolist()
        for message, value in zip(messages, cast("list[str]", own.taken(places).to_pylist()), strict=True):
            if message in parts:
                parts[message][what] = value
            else:
                parts[message] = {what: value}
    made: dict[int, list[dict[str, str]]] = {}
    for message in sorted(parts):
        made.setdefault(message >> _MESSAGE_BITS, []).append(parts[message])
    return made


def _name_agents(given: _Spans, columns: dict[str, Any]) -> None:
    """Name the agents that Langfuse calls as their spans."""
    kinds = given.own.places(genai.OBSERVATION)
    agents = _among(given.own, kinds, genai.OBSERVATION, "agent") if len(kinds) else kinds
    if len(agents):
        row = np.full(given.own.owners, NOWHERE, np.int64)
        row[given.own.owner[agents]] = given.own.owner[agents]
        names = cast("Any", given.spans.name).take(pa.array(row, mask=row == NOWHERE))
        columns["agent_name"] = (
            cast("Any", pc).coalesce(columns["agent_name"], names) if "agent_name" in columns else names
        )


def _types(own: Keyed, worded: Worded) -> NDArray[np.int64]:
    """Return each span's type as its place in `genai.TYPES`, `NOWHERE` where no attribute says it."""
    types = np.full(own.owners, NOWHERE, np.int64)
    for _, name, read in reversed(genai.ROLES):
        places = own.places(name)
        if len(places):
            used, number = np.unique(worded.word[places], return_inverse=True)
            roles = (read(worded.words[word]) for word in cast("list[int]", used.tolist()))
            said = np.array([NOWHERE if role is None else genai.TYPES.index(role) for role in roles])[number]
            types[own.owner[places[said != NOWHERE]]] = said[said != NOWHERE]
    return types


def _convention(own: Keyed) -> NDArray[np.int64]:
    """Return the narrowest of `genai.FAMILIES` of which a span has an attribute, `NOWHERE` for none."""
    none = len(genai.FAMILIES)
    families = [none if (one := genai.family(key)) is None else genai.FAMILIES.index(one) for key in own.keys]
    narrowest = np.full(own.owners, none, np.int64)
    if len(own.owner):
        begins = np.flatnonzero(np.diff(own.owner, prepend=-1))
        narrowest[own.owner[begins]] = np.minimum.reduceat(np.array(families)[own.code], begins)
    narrowest[narrowest == none] = NOWHERE
    return narrowest


def _counts(own: Keyed) -> tuple[list[NDArray[np.int64]], NDArray[np.bool_]]:
    """Return the tokens of each column of `_COUNTED`, `_NONE` where unknown, and which spans report any."""
    nowhere = np.full(own.owners, NOWHERE, np.int64)
    places = _places(own, genai.COUNTS)
    by_column = [places.get(column, nowhere) for column in _COUNTED]
    flat = np.concatenate(by_column)
    counts = np.full(len(flat), _NONE, np.int64)
    there = np.flatnonzero(flat != NOWHERE)
    counts[there] = _whole(own, flat[there])
    columns = list(counts.reshape(len(_COUNTED), own.owners))
    has_tokens = (by_column[0] != NOWHERE) | (by_column[1] != NOWHERE)
    _include_cache(own, columns)
    for span, text in _langfuse(own, genai.USAGE):
        has_tokens[span] = True
        for column, value in genai.usage(text).items():
            columns[_COUNTED.index(column)][span] = value
    return columns, has_tokens


def _langfuse(own: Keyed, name: str) -> Iterable[tuple[int, str]]:
    """Return (span, text) of an attribute of Langfuse's own form."""
    places = own.places(name)
    texts = cast("list[str]", own.taken(places).to_pylist()) if len(places) else []
    return zip(own.owner[places].tolist(), texts, strict=True)


def _whole(own: Keyed, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the whole numbers at some places, `_NONE` for anything else."""
    values = np.full(len(places), _NONE, np.int64)
    is_int = own.kind[places] == INT
    ints = cast("Any", own.taken(places[is_int])).cast(pa.int64())
    values[is_int] = np.maximum(np.asarray(ints.to_numpy(zero_copy_only=False)), _NONE)
    others = np.flatnonzero(~is_int)
    if len(others):
        read = (genai.count(text or "") for text in own.taken(places[others]).to_pylist())
        values[others] = [_NONE if value is None else value for value in read]
    return values


def _include_cache(own: Keyed, columns: Sequence[NDArray[np.int64]]) -> None:
    """Add cached tokens to the input tokens of spans of the AI SDK that count them apart."""
    apart = own.places(genai.EXCLUSIVE_CACHE)
    if not len(apart):
        return
    spans = own.owner[apart]
    included = own.first(genai.INCLUSIVE_CACHE)[spans] != NOWHERE
    providers = own.taken(own.first((genai.EXCLUSIVE_PROVIDER,))[spans]).to_pylist()
    exclusive = np.array([genai.counts_cache_apart(provider or "") for provider in providers], np.bool_)
    spans = spans[exclusive & ~included]
    tokens, cached = columns[0], columns[_COUNTED.index("cache_read_tokens")]
    spans = spans[(tokens[spans] != _NONE) & (cached[spans] != _NONE)]
    spans = spans[tokens[spans] <= np.iinfo(np.int64).max - cached[spans]]
    tokens[spans] += cached[spans]


class _Numbers(NamedTuple):
    ttft_ms: NDArray[np.float64]
    dollars: NDArray[np.float64]


def _numbers(given: _Spans) -> _Numbers:
    """Return the time to the first token and the reported cost, NaN where there is none."""
    own = given.own
    places = _places(own, genai.NUMBERS)
    none = np.full(own.owners, np.nan)
    read = {unit: _measured(own, of) for unit, of in places.items()}
    seconds = read.get(genai.SECONDS, none) * 1000
    ttft_ms = np.where(np.isfinite(seconds), seconds, read.get(genai.MILLISECONDS, none))
    dollars = read.get(genai.DOLLARS, none).copy()
    for span, text in _langfuse(own, genai.FIRST_TOKEN_AT):
        passed = genai.milliseconds_until(text, int(given.start_us[span]))
        ttft_ms[span] = ttft_ms[span] if passed is None else passed
    for span, text in _langfuse(own, genai.COST):
        cost = genai.cost(text)
        dollars[span] = dollars[span] if cost is None else cost
    return _Numbers(ttft_ms, dollars)


def _measured(own: Keyed, places: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the number from 0 at each place, NaN for anything else."""
    values = np.full(len(places), np.nan)
    there = places != NOWHERE
    is_number = there & np.isin(own.kind[places], (INT, DOUBLE))
    numbers = cast("Any", own.taken(places[is_number])).cast(pa.float64())
    values[is_number] = numbers.to_numpy(zero_copy_only=False)
    others = np.flatnonzero(there & ~is_number)
    read = (genai.number(text or "") for text in own.taken(places[others]).to_pylist())
    values[others] = [np.nan if value is None else value for value in read]
    values[~np.isfinite(values) | np.signbit(values)] = np.nan
    return values


def _event_documents(events: Sequence[Event], spans: int) -> pa.Array[Any]:
    """Return each span's events as a JSON list, null without any."""
    if not events:
        return documents(pa.nulls(spans, pa.string()))
    made: dict[int, list[dict[str, Any]]] = {}
    for event in events:
        written = {"name": event.name, "time_unix_nano": str(event.time_ns), "attributes": event.attributes}
        made.setdefault(event.owner, []).append(written)
    return documents(_sparse(made, spans))


def _add_details(columns: dict[str, Any], events: Sequence[Event], spans: int) -> None:
    """Add what events say of a call to the columns in which its span says nothing."""
    details = [event for event in events if event.name == genai.DETAILS_EVENT]
    for column, _, (name,), _ in genai.DETAILS if details else ():
        said = {event.owner: text for event in details if (text := event.attributes.get(name))}
        texts = pa.array([said.get(span) for span in range(spans)], pa.string())
        columns[column] = cast("Any", pc).coalesce(columns[column], texts) if column in columns else texts


def _sparse(values: Mapping[int, Any], rows: int) -> pa.StringArray:
    """Return a column of JSON by row, null in all others."""
    there = sorted(values)
    lines = _LINES([values[row] for row in there])  # JSON has no line breaks within
    ends = np.flatnonzero(np.frombuffer(lines, np.uint8) == ord("\n"))
    lengths = np.zeros(rows + 1, np.int32)
    lengths[1:][there] = np.diff(ends, prepend=-1) - 1
    present = np.zeros(rows, np.bool_)
    present[there] = True
    offsets, content = np.cumsum(lengths, dtype=np.int32).tobytes(), lines.replace(b"\n", b"")
    valid = np.packbits(present, bitorder="little").tobytes()
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(content), pa.py_buffer(valid))
