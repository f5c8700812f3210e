"""OTLP/JSON -> `Spans`: typed structs, then columns.

Differs from protobuf's own mapping to JSON as OTLP says: ids are hexadecimal and only lowerCamelCase is read. 64-bit
integers come as text or as numbers, also above 2^53.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Struct

from ingest.otel.decoded import (
    ARRAY,
    ATTRIBUTES,
    BOOL,
    BYTES,
    DOUBLE,
    DROPPED,
    EMPTY,
    EVENTS,
    INT,
    KINDS,
    LINKS,
    MAP,
    OWN_ATTRIBUTES,
    REASONS,
    SPANS,
    STATUSES,
    Attributes,
    Events,
    Nesting,
    Spans,
    check_count,
)
from ingest.otel.gathered import Identities, encoded, families, links_text, number, numbers_below, text_column
from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OBJECTS = 1 << 22
"""Most `{` in a request: two bytes would do for an object, which takes up to 200 in memory."""


class _Message(Struct, rename="camel", gc=False):
    """What the request is made of: every field may be missing or null, unknown ones are ignored."""


class _Values(_Message):
    values: list[_Value | None] | None = None


class _Map(_Message):
    values: list[_Pair] | None = None


class _Value(_Message):
    string_value: str | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None
    bool_value: bool | None = None
    array_value: _Values | None = None
    kvlist_value: _Map | None = None
    bytes_value: str | None = None


class _Pair(_Message):
    key: str | None = None
    value: _Value | None = None


class _Status(_Message):
    code: int | str | None = None
    message: str | None = None


class _Event(_Message):
    time_unix_nano: int | str | None = None
    name: str | None = None
    attributes: list[_Pair] | None = None


class _Link(_Message):
    trace_id: str | None = None
    span_id: str | None = None
    attributes: list[_Pair] | None = None


class _Span(_Message):
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    name: str | None = None
    kind: int | str | None = None
    start_time_unix_nano: int | str | None = None
    end_time_unix_nano: int | str | None = None
    attributes: list[_Pair] | None = None
    events: list[_Event] | None = None
    links: list[_Link] | None = None
    status: _Status | None = None


class _Scope(_Message):
    name: str | None = None
    version: str | None = None


class _ScopeSpans(_Message):
    scope: _Scope | None = None
    spans: list[_Span] | None = None


class _Resource(_Message):
    attributes: list[_Pair] | None = None


class _ResourceSpans(_Message):
    resource: _Resource | None = None
    scope_spans: list[_ScopeSpans] | None = None


class _Request(_Message):
    resource_spans: list[_ResourceSpans] | None = None


_REQUEST = msgspec.json.Decoder(_Request)
_ESCAPE = re.compile(r"\\(?:u[dD][89aAbB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)", re.DOTALL)
"""An escape in JSON; the group has half a surrogate pair."""

_KIND_NAMES = tuple(
    f"SPAN_KIND_{name}" for name in ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
)
_NO_STATUS, _NO_SCOPE, _NOTHING = _Status(), _Scope(), _Value()
_STATUS_NAMES = tuple(f"STATUS_CODE_{name}" for name in ("UNSET", "OK", "ERROR"))


def decode_json(body: bytes) -> Spans:
    """Return the spans of an ExportTraceServiceRequest, as `protobuf.decode_protobuf` does of the same spans.

    A 64-bit integer or a number that is none, bytes that are no base64, or nesting beyond the bounds refuse the
    request; an id that is not hexadecimal refuses its span.

    Raises:
        InputError: `malformed`: no such request, or more in it than may be.
    """
    if len(body) > OBJECTS:
        check_count(body.count(b"{"), "objects", OBJECTS)
    resources = _parsed(body).resource_spans or []
    scopes: list[_Scope] = []
    in_resource: list[int] = []
    spans: list[_Span] = []
    in_scope: list[int] = []
    for row, each in enumerate(resources):
        for part in each.scope_spans or ():
            spans += part.spans or ()
            in_scope += [len(scopes)] * (len(spans) - len(in_scope))
            scopes.append(part.scope or _NO_SCOPE)
            in_resource.append(row)
    for found, name in ((resources, "resources"), (scopes, "scopes"), (spans, "spans")):
        check_count(len(found), name, SPANS)
    listed = _identities(spans)
    faults = listed.faults()
    scope = np.array(in_scope, np.int32)
    if faults:
        keep = np.ones(len(spans), np.bool_)
        keep[list(faults)] = False
        spans = [span for row, span in enumerate(spans) if row not in faults]
        listed, scope = _identities(spans), scope[keep]
    of_event, events = _events(spans)
    statuses = [span.status or _NO_STATUS for span in spans]
    of_spans, of_resources, of_events = _attributes(
        [span.attributes for span in spans],
        [each.resource and each.resource.attributes for each in resources],
        [event.attributes for event in events],
    )
    return Spans(
        trace_id=pa.array(listed.traces, pa.string()),
        span_id=pa.array(listed.ids, pa.string()),
        parent_span_id=listed.parent_column(),
        name=text_column([span.name or "" for span in spans]),
        kind=numbers_below(KINDS, [_choice(span.kind, _KIND_NAMES) for span in spans]),
        start_ns=np.array(listed.starts, np.uint64),
        end_ns=np.array(listed.ends, np.uint64),
        status_code=numbers_below(STATUSES, [_choice(status.code, _STATUS_NAMES) for status in statuses]),
        status_message=text_column([status.message or None for status in statuses]),
        resource=np.array(in_resource, np.int32)[scope],
        scope=scope,
        scope_name=text_column([each.name or None for each in scopes]),
        scope_version=text_column([each.version or None for each in scopes]),
        attributes=of_spans,
        resource_attributes=of_resources,
        events=Events(
            np.array(of_event, np.int32),
            text_column([event.name or "" for event in events]),
            np.array(_unsigned([event.time_unix_nano for event in events]), np.uint64),
            of_events,
        ),
        links=_links(spans),
        rejected=len(faults),
        reasons=tuple(dict.fromkeys(faults.values()))[:REASONS],
    )


def _identities(spans: Sequence[_Span]) -> Identities:
    return Identities(
        _hexadecimal([span.trace_id or "" for span in spans]),
        _hexadecimal([span.span_id or "" for span in spans]),
        _hexadecimal([span.parent_span_id or "" for span in spans]),
        _unsigned([span.start_time_unix_nano for span in spans]),
        _unsigned([span.end_time_unix_nano for span in spans]),
    )


def _hexadecimal(ids: list[str]) -> list[str]:
    return ids if "".join(ids).islower() else [each.lower() for each in ids]


def _unsigned(values: list[int | str | None]) -> list[int]:
    texts = cast("list[str]", values)
    with contextlib.suppress(TypeError):  # not all of them are text
        if _TIMES(",".join(texts)):
            return [int(text) for text in texts]
    return [_whole(value, 0, 2**64) if value else 0 for value in values]


def _parsed(body: bytes) -> _Request:
    try:
        return _REQUEST.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        whole = mended(body)
        if whole != body:
            return _parsed(whole)
        raise InputError(f"the body is no OTLP trace request: {error}", code="malformed") from error


def mended(body: bytes) -> bytes:
    """Return JSON in which every character is one: exporters cut text in the middle of a surrogate pair."""
    text = body.decode(errors="replace")
    return _ESCAPE.sub(lambda found: r"\ufffd" if found[1] else found[0], text).encode()


def _events(spans: Sequence[_Span]) -> tuple[list[int], list[_Event]]:
    """Return the events of spans, and whose each is."""
    owner: list[int] = []
    events: list[_Event] = []
    for row, span in enumerate(spans):
        if span.events:
            events += span.events
            owner += [row] * len(span.events)
    check_count(len(events), "events", EVENTS)
    return owner, events


def _links(spans: Sequence[_Span]) -> pa.StringArray:
    check_count(sum(len(span.links) for span in spans if span.links), "links", LINKS)
    made = [links_text([_link(link) for link in span.links]) if span.links else None for span in spans]
    return pa.array(made, pa.string())


def _link(link: _Link) -> tuple[str, str, dict[str, str | None]]:
    pairs = _kept(link.attributes)
    texts, _ = _texts(pairs)
    names = [pair.key or "" for pair in pairs]
    return (link.trace_id or "").lower(), (link.span_id or "").lower(), dict(zip(names, texts, strict=True))


def _attributes(*kinds: Sequence[list[_Pair] | None]) -> list[Attributes]:
    """Return the attributes of several kinds of owner."""
    pairs: list[_Pair] = []
    counts: list[list[int]] = []
    for owners in kinds:
        kept = [_kept(own) for own in owners]
        counts.append([len(own) for own in kept])
        pairs += chain.from_iterable(kept)
    check_count(len(pairs), "attributes", ATTRIBUTES)
    texts, types = _texts(pairs)
    key = encoded(text_column([pair.key or "" for pair in pairs]))
    return families(counts, (key, text_column(texts), np.frombuffer(types, np.uint8)))


def _kept(own: list[_Pair] | None) -> list[_Pair]:
    """Return the attributes that an owner keeps."""
    dropped = len(own or ()) - OWN_ATTRIBUTES
    if own and dropped > 0:
        return [*own[:OWN_ATTRIBUTES], _Pair(key=DROPPED, value=_Value(int_value=dropped))]
    return own or []


def _texts(pairs: Sequence[_Pair]) -> tuple[list[str | None], bytearray]:
    """Return the texts and the kinds of attributes."""
    values = [pair.value or _NOTHING for pair in pairs]
    texts = [value.string_value for value in values]
    kinds = bytearray(len(texts))  # of TEXT
    plain: list[Any] = []
    rows: list[int] = []
    for row, text in enumerate(texts):
        if text is None:
            value = values[row]
            if isinstance(value.int_value, str) and _WRITTEN(value.int_value):
                texts[row], kinds[row] = value.int_value, INT
                continue
            if isinstance(value.double_value, float):
                kinds[row], found = DOUBLE, value.double_value
            else:
                kinds[row], found = _read(value, None, 0)
            if found is None or isinstance(found, str):
                texts[row] = found
            else:
                plain.append(found)
                rows.append(row)
    # All at once: most of what the encoder costs is its call. Between texts there is a line break, in none there is.
    for row, text in zip(rows, _LINES(plain).decode().split("\n"), strict=False):
        texts[row] = text
    return texts, kinds


_LINES = msgspec.json.Encoder().encode_lines


def _read(value: _Value, nesting: Nesting | None, level: int) -> tuple[int, Any]:
    """Return the kind of a value that is no text, and the value as Python has it."""
    for kind, of, read in _READ:
        found = of(value)
        if found is not None:
            return kind, read(found, nesting, level)
    return EMPTY, None


def _plain(value: _Value | None, nesting: Nesting | None, level: int) -> Any:
    value = value or _NOTHING
    return _read(value, nesting, level)[1] if value.string_value is None else value.string_value


def _items(array: _Values, nesting: Nesting | None, level: int) -> list[Any]:
    values = array.values or []
    nesting = nesting or Nesting()
    nesting.enter(level + 1, len(values))
    texts = [value.string_value if value else None for value in values]
    if None not in texts:
        return texts
    return [_plain(value, nesting, level + 1) for value in values]


def _mapped(pairs: _Map, nesting: Nesting | None, level: int) -> dict[str, Any]:
    values = pairs.values or []
    nesting = nesting or Nesting()
    nesting.enter(level + 1, len(values))
    return {pair.key or "": _plain(pair.value, nesting, level + 1) for pair in values}


def _integer(value: int | str, *_: object) -> int:
    return _whole(value, -(2**63), 2**63)


def _double(value: float | str, *_: object) -> float | str:
    try:
        return number(float(value))
    except (ValueError, OverflowError) as error:
        raise _no("a double", value) from error


def _truth(value: bool, *_: object) -> bool:  # noqa: FBT001 - the value itself
    return value


def _base64(value: str, *_: object) -> str:
    """Return bytes as standard base64; padding may be missing, and the URL's letters are taken."""
    text = value.translate(_URL_LETTERS).rstrip("=")
    try:
        return base64.b64encode(base64.b64decode(text + "=" * (-len(text) % 4), validate=True)).decode()
    except (binascii.Error, ValueError) as error:
        raise _no("base64", value) from error


_READ: tuple[tuple[int, Callable[[_Value], Any], Callable[[Any, Nesting | None, int], Any]], ...] = (
    (ARRAY, attrgetter("array_value"), _items),
    (BOOL, attrgetter("bool_value"), _truth),
    (INT, attrgetter("int_value"), _integer),
    (DOUBLE, attrgetter("double_value"), _double),
    (MAP, attrgetter("kvlist_value"), _mapped),
    (BYTES, attrgetter("bytes_value"), _base64),
)


def _choice(value: int | str | None, names: tuple[str, ...]) -> int:
    """Return an enum's number. OTLP sends that; protobuf's own mapping to JSON sends the name."""
    if isinstance(value, int):
        return value
    return names.index(value) if value in names else 0


def _whole(value: int | str, least: int, end: int) -> int:
    found = value
    if isinstance(found, str):
        if not _DIGITS(found):
            raise _no("an integer", found)
        found = int(found)
    if not least <= found < end:
        raise _no(f"from {least} to {end - 1}", value)
    return found


_DIGITS = re.compile("-?[0-9]{1,20}").fullmatch
_TIMES = re.compile("[0-9]{1,19}(?:,[0-9]{1,19})*").fullmatch
"""Tells 64-bit integers without a sign, joined by commas; those of 20 digits are looked at one by one."""
_WRITTEN = re.compile("0|-?[1-9][0-9]{0,17}").fullmatch
"""Tells an integer within the bounds that is written as we write it."""
_URL_LETTERS = str.maketrans("-_", "+/")


def _no(kind: str, value: float | str) -> InputError:
    return InputError(f"{shown(str(value))} is not {kind}", code="malformed")
