"""The options of an experiment: their names, bounds and reading, from the text of a request or a JSON value.

Who declares an experiment (`ingest`) and who reports on it (`queries`) must agree on them, so they stand here, once.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from warehouse.errors import InputError, did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Callable

Estimand = Literal["runs", "units"]
"""Whose mean is compared: of runs (each weighs the same) or of units."""

LARGEST_ALPHA = 0.5
SMALLEST_PLAN = 2
LONGEST_MATURITY_S = 3_650 * 86_400
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([smhd])", re.ASCII)
_UNIT = re.compile(r"assignment|run|user_id|(?:session|attribute):.*\S.*", re.DOTALL)
_UNQUOTED_PLUS = re.compile(r"(T.*) (\d\d:?\d\d)")
"""An offset whose plus sign a URL turned into a space."""

_GUARDRAIL_FIELDS = ("score", "margin", "higher_is_better")

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A score that must not become worse by more than `margin`; its direction may follow from its definition."""

    score: str
    margin: float
    higher_is_better: bool | None


def duration_text(us: int) -> str:
    """Return microseconds as a duration this module reads."""
    for unit in ("d", "h", "m"):
        if us and us % (_SECONDS[unit] * 1_000_000) == 0:
            return f"{us // (_SECONDS[unit] * 1_000_000)}{unit}"
    return f"{us / 1e6:.6f}".rstrip("0").rstrip(".") + "s"


def _bad(name: str, value: object, bound: str) -> InputError:
    return InputError(f"{name} is {shown(value if isinstance(value, str) else repr(value))}, must be {bound}")


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _bad(name, value, "text")
    return value


def _number(name: str, value: object, bound: str) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _bad(name, value, bound)
    try:
        number = float(value)
    except (ValueError, OverflowError) as error:
        raise _bad(name, value, bound) from error
    if not math.isfinite(number):
        raise _bad(name, value, bound)
    return number


def _alpha(name: str, value: object) -> float:
    bound = f"above 0 and at most {LARGEST_ALPHA}"
    alpha = _number(name, value, bound)
    if not 0 < alpha <= LARGEST_ALPHA:
        raise _bad(name, value, bound)
    return alpha


def _margin(name: str, value: object) -> float:
    bound = "a finite number of at least 0"
    margin = _number(name, value, bound)
    if margin < 0:
        raise _bad(name, value, bound)
    return margin


def _planned_units(name: str, value: object) -> int:
    bound = f"a whole number of at least {SMALLEST_PLAN}"
    units = _number(name, value, bound)
    if units < SMALLEST_PLAN or units != int(units):
        raise _bad(name, value, bound)
    return int(units)


def _boolean(name: str, value: object) -> bool:
    texts = {"true": True, "1": True, "false": False, "0": False}
    found = texts.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise _bad(name, value, "true or false")
    return found


def _unit(name: str, value: object) -> str:
    if not isinstance(value, str) or not _UNIT.fullmatch(value):
        raise _bad(name, value, "assignment, run, user_id, session:<key> or attribute:<name>")
    return value


def _estimand(name: str, value: object) -> Estimand:
    if value not in ("runs", "units"):
        raise _bad(name, value, "runs or units")
    return value


def _maturity(name: str, value: object) -> int:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    seconds = float(match[1]) * _SECONDS[match[2]] if match else math.inf
    if seconds > LONGEST_MATURITY_S:
        raise _bad(name, value, "a duration such as 72h, 3d, 90m or 30s, at most 3650d")
    return round(seconds * 1_000_000)


def moment(name: str, value: object) -> int:
    """Return a time (ISO 8601, or milliseconds since 1970) in microseconds; naive times are UTC; raises InputError."""
    bound = "an ISO 8601 time such as 2026-09-01T12:00:00Z, or milliseconds since 1970"
    try:
        if isinstance(value, bool):
            raise _bad(name, value, bound)
        if isinstance(value, int) or (isinstance(value, str) and re.fullmatch(r"\d{11,14}", value)):
            moment = _EPOCH + dt.timedelta(milliseconds=int(value))
        else:
            moment = dt.datetime.fromisoformat(_UNQUOTED_PLUS.sub(r"\1+\2", _text(name, value)))
    except (ValueError, OverflowError) as error:
        raise _bad(name, value, bound) from error
    aware = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment
    return (aware - _EPOCH) // dt.timedelta(microseconds=1)


def _json(name: str, value: object, bound: str) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise _bad(name, value, bound) from error


def _weights(name: str, value: object) -> dict[str, float]:
    bound = "a JSON object of variants and finite weights of at least 0, one of them above 0"
    found = _json(name, value, bound)
    if not isinstance(found, dict):
        raise _bad(name, value, bound)
    weights = {
        variant: _number(f"{name}.{variant}", weight, bound)
        for variant, weight in cast("dict[str, object]", found).items()
    }
    if min(weights.values(), default=0) < 0 or sum(weights.values()) <= 0:
        raise _bad(name, value, bound)
    return weights


DIMENSIONS = ("function_id", "environment", "release", "app_id", "triggering_event_name", "user_id")
"""Columns of a run by which it can be cut into segments."""

MOST_DIMENSIONS = 8
_DIMENSION = re.compile(rf"{'|'.join(DIMENSIONS)}|(?:session|attribute):.*\S.*", re.DOTALL)


def _segments(name: str, value: object) -> tuple[str, ...]:
    bound = f"a JSON list of at most {MOST_DIMENSIONS} of {', '.join(DIMENSIONS)}, session:<key>, attribute:<name>"
    found = [part.strip() for part in value.split(",")] if isinstance(value, str) and value[:1] != "[" else value
    found = _json(name, found, bound)
    if not isinstance(found, list):
        raise _bad(name, value, bound)
    dimensions = cast("list[object]", found)
    for item in dimensions:
        if not isinstance(item, str) or not _DIMENSION.fullmatch(item):
            raise _bad(name, item, bound)
    if len(dimensions) > MOST_DIMENSIONS:
        raise _bad(name, f"a list of {len(dimensions)}", bound)
    return tuple(dict.fromkeys(cast("list[str]", dimensions)))


def _names(name: str, value: object) -> tuple[str, ...]:
    found = _json(name, value, "a JSON list of score names")
    if not isinstance(found, list):
        raise _bad(name, value, "a JSON list of score names")
    return tuple(_text(name, item) for item in cast("list[object]", found))


def _guardrails(name: str, value: object) -> tuple[Guardrail, ...]:
    bound = 'a JSON list such as [{"score": "cost-usd", "margin": 0.01, "higher_is_better": false}]'
    found = _json(name, value, bound)
    if not isinstance(found, list):
        raise _bad(name, value, bound)
    guardrails: list[Guardrail] = []
    for at, item in enumerate(cast("list[object]", found)):
        entry = cast("dict[str, object]", item if isinstance(item, dict) else {})
        unknown = next((field for field in entry if field not in _GUARDRAIL_FIELDS), None)
        if unknown is not None:
            near = did_you_mean(unknown, _GUARDRAIL_FIELDS)
            raise InputError(f"{shown(unknown)} is not a field of {name}[{at}]{f', {near}' if near else ''}")
        if not isinstance(entry.get("score"), str):
            raise _bad(f"{name}[{at}]", cast("object", item), bound)
        higher = entry.get("higher_is_better")
        guardrails.append(
            Guardrail(
                score=cast("str", entry["score"]),
                margin=_margin(f"{name}[{at}].margin", entry.get("margin", 0)),
                higher_is_better=None if higher is None else _boolean(f"{name}[{at}].higher_is_better", higher),
            )
        )
    return tuple(guardrails)


READERS: dict[str, Callable[[str, object], object]] = {
    "score": _text,
    "control": _text,
    "unit": _unit,
    "higher_is_better": _boolean,
    "alpha": _alpha,
    "margin": _margin,
    "weights": _weights,
    "since": moment,
    "as_of": moment,
    "known_at": moment,
    "environment": _text,
    "where": _text,
    "maturity": _maturity,
    "planned_units": _planned_units,
    "planned_end": moment,
    "estimand": _estimand,
    "primary_score": _text,
    "secondary_scores": _names,
    "guardrails": _guardrails,
    "segments": _segments,
}
"""How each option is read: from the text of a request or the JSON value of a declaration.

Times and durations become microseconds. Each raises InputError `bad_parameter` with the value and the bound.
"""

DECLARABLE = tuple(name for name in READERS if name != "score")
"""What may be declared of an experiment; its score is declared as `primary_score`."""
