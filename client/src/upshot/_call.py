"""What is asked over HTTP and what comes back, as values: everything here is pure."""

from __future__ import annotations

import datetime as dt
import json
import math
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote, urlsplit

from upshot._errors import ArgumentError, BusyError, Error, answered_error

T = TypeVar("T")

SERVER_SECONDS = 120.0
"""What the server may take for an answer that is not the caller's SQL: a report, a list."""

_REDIRECT, _FAILURE = 300, 400
_DEEPEST = 200


@dataclass(frozen=True, slots=True)
class Call:
    """One request. Every call of this package may be sent twice: it reads, or its records have ids."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    patience: float = 0.0
    """Seconds that the server may take before its first byte."""
    sql: str | None = None
    also: frozenset[int] = frozenset()
    """Failing statuses that `Question.read` understands."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """A call, and what makes its answer a value."""

    call: Call
    read: Callable[[Answer], T]


def get(path: str, params: Mapping[str, Any] | None = None, *, patience: float = 0.0, accept: str = "") -> Call:
    """Return a GET; parameters that are None are left out."""
    given = tuple((name, said(name, value)) for name, value in (params or {}).items() if value is not None)
    return Call("GET", path, given, patience=patience, headers={"Accept": accept or "application/json"})


def route(*parts: str) -> str:
    """Return a path with each of `parts` as one segment of it, whatever characters it has.

    The parts at even positions are our own words, those at odd positions names or ids of the caller's.
    """
    return "/v1/" + "/".join(part if at % 2 == 0 else segment(parts[at - 1], part) for at, part in enumerate(parts))


def segment(of: str, text: str) -> str:
    """Return a name or an id as one segment of a path; raises ArgumentError for what is none."""
    if not isinstance(text, str) or not text:  # pyright: ignore[reportUnnecessaryIsInstance] - not everyone checks types
        raise ArgumentError(f"{text!r} is no name or id in {of}, must be text with a character at least")
    # `.` and `..` as they are would be walked by the HTTP library.
    return quote(text, safe="", errors="surrogatepass").replace(".", "%2E")


def said(name: str, value: object) -> str:
    """Return a value as a URL has it; raises ArgumentError for what has no such form."""
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case dt.date():
            return value.isoformat()
        case _:
            return encoded(name, value)


def encoded(name: str, value: object) -> str:
    """Return a value as JSON: times as ISO 8601, numpy's numbers as numbers.

    Raises:
        ArgumentError: a part of it has no JSON; the message names it by its path from `name`.
    """
    try:
        return dumped(value)
    except (TypeError, ValueError, RecursionError):
        at, why = fault(value)
        raise ArgumentError(f"{name}{'.' if at else ''}{at} {why}") from None


def dumped(value: object) -> str:
    """Return a value as JSON; what cannot be raises TypeError, ValueError or RecursionError, and `fault` says why."""
    return json.dumps(value, allow_nan=False, default=_plain, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """Return what JSON has no form for in one that it has."""
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, Mapping):
        return dict(cast("Mapping[Any, Any]", value))
    if getattr(value, "shape", None) == ():  # a number of numpy's
        return value.item()
    raise TypeError


def fault(value: Any, at: str = "", depth: int = 0) -> tuple[str, str]:
    """Return the path of what has no JSON, and why: the first one there is."""
    return _fault(value, at, depth) or (at, "has no form in JSON")


def _fault(value: Any, at: str, depth: int) -> tuple[str, str] | None:
    if depth > _DEEPEST:
        return at, f"is nested deeper than {_DEEPEST} levels"
    if value is None or isinstance(value, str | int):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else (at, f"is {value}, must be a finite number")
    if isinstance(value, Mapping):
        members = cast("Mapping[Any, Any]", value)
        wrong = next((key for key in members if not isinstance(key, str)), None)
        inside = ((item, f"{at}.{key}" if at else key) for key, item in members.items())
    elif isinstance(value, list | tuple):
        wrong = None
        inside = ((item, f"{at}[{n}]") for n, item in enumerate(cast("list[Any]", value)))
    else:
        return _fault_of_other(value, at, depth)
    if wrong is not None:
        return at, f"has the key {wrong!r}, must have keys that are text"
    return next(filter(None, (_fault(item, place, depth + 1) for item, place in inside)), None)


def _fault_of_other(value: Any, at: str, depth: int) -> tuple[str, str] | None:
    try:
        return _fault(_plain(value), at, depth + 1)
    except (TypeError, ValueError):
        return at, f"is a {type(value).__name__}, which has no form in JSON"


def checked(answer: Answer, call: Call) -> Answer:
    """Return an answer that is a success.

    Raises:
        Error: the server's own error; for what no Upshot server would answer, `unexpected`.
    """
    if answer.status < _REDIRECT or answer.status in call.also:
        return answer
    raise failure(answer, call)


def failure(answer: Answer, call: Call) -> Error:
    """Return the error in an answer."""
    facts = _facts(answer)
    if facts is not None:
        error = answered_error(facts, answer.status, call.sql)
    elif answer.status < _FAILURE:
        target = urlsplit(answer.headers.get("location", ""))
        error = Error(
            f"the server answered {answer.status}, a redirect to {f'{target.scheme}://{target.netloc}'!r}, and the key "
            "is sent nowhere but to the address it was given with",
            hint="set UPSHOT_URL to where the server is",
            status=answer.status,
        )
    elif answer.status in (429, 503):
        error = BusyError(f"the server, or what stands before it, answered {answer.status}", status=answer.status)
    else:
        error = not_upshot(answer)
    error.retry_after = retry_after(answer.headers, dt.datetime.now(dt.UTC))
    return error


def not_upshot(answer: Answer) -> Error:
    """Return the error for an answer that no Upshot server gives."""
    kind = answer.headers.get("content-type", "no type")
    return Error(
        f"{answer.status} with {len(answer.body)} bytes of {kind[:80]!r} was answered, which no Upshot server does",
        hint="is UPSHOT_URL the address of Upshot?",
        status=answer.status,
    )


def _facts(answer: Answer) -> Mapping[str, Any] | None:
    try:
        facts: Any = json.loads(bytes(answer.body))["error"]
        return facts if {"code", "message"} <= facts.keys() else None
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def body_of(answer: Answer) -> dict[str, Any]:
    """Return the JSON object of an answer; raises Error when it is none."""
    try:
        body: Any = json.loads(bytes(answer.body))
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise not_upshot(answer)
    return cast("dict[str, Any]", body)


def retry_after(headers: Mapping[str, str], now: dt.datetime) -> float | None:
    """Return the seconds a Retry-After header asks for (RFC 9110, section 10.2.3: seconds or a date)."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max((moment.replace(tzinfo=moment.tzinfo or dt.UTC) - now).total_seconds(), 0.0)
