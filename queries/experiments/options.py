"""The options of a report: read from text, merged from their origins, echoed as used."""

from __future__ import annotations

import datetime as dt
import difflib
import json
import math
import re
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, cast

from queries.stats.sequence import RUNNING_SHARE
from warehouse.clock import iso
from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from queries.stats.jackknife import Estimand

Origin = Literal["request", "declared", "assignments", "default"]

LARGEST_ALPHA = 0.5
SMALLEST_PLAN = 2
LONGEST_MATURITY_S = 3_650 * 86_400
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([smhd])")
_UNIT = re.compile(r"assignment|run|user_id|(?:session|attribute):.+", re.DOTALL)
_UNQUOTED_PLUS = re.compile(r"(T.*) (\d\d:?\d\d)")
"""An offset whose plus sign a URL turned into a space."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A score that must not become worse by more than `margin`; its direction may follow from its definition."""

    score: str
    margin: float
    higher_is_better: bool | None


@dataclass(frozen=True, slots=True)
class Options:
    """Every option of a report as used. Times and durations are microseconds."""

    as_of: int
    known_at: int
    score: str | None = None
    control: str | None = None
    unit: str = "assignment"
    higher_is_better: bool = True
    alpha: float = 0.05
    margin: float | None = None
    weights: Mapping[str, float] | None = None
    since: int | None = None
    environment: str | None = None
    where: str | None = None
    maturity: int | None = None
    planned_units: int | None = None
    planned_end: int | None = None
    estimand: Estimand = "runs"
    primary_score: str | None = None
    secondary_scores: tuple[str, ...] = ()
    guardrails: tuple[Guardrail, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict[str, Origin])

    def origin(self, name: str) -> Origin:
        """Return where an option came from."""
        return self.origins.get(name, "default")

    def resolved(self, name: str, value: Any, origin: Origin) -> Options:
        """Return the options with one more decided."""
        return replace(self, **{name: value, "origins": {**self.origins, name: origin}})

    @property
    def planned(self) -> bool:
        """Return whether an end was declared, at which the fixed test decides."""
        return self.planned_end is not None or self.planned_units is not None

    @property
    def alpha_sequence(self) -> float:
        """Return the alpha of looks before the planned end; without an end all of it, for ever."""
        return self.alpha * RUNNING_SHARE if self.planned else self.alpha

    @property
    def alpha_end(self) -> float | None:
        """Return the alpha of the test at the planned end; null when none is planned."""
        return self.alpha * (1 - RUNNING_SHARE) if self.planned else None

    def echo(self) -> dict[str, dict[str, Any]]:
        """Return every option with its origin, as the report says it."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "origins"}
        for name in ("as_of", "known_at", "since", "planned_end"):
            values[name] = None if values[name] is None else iso(values[name])
        values["maturity"] = None if self.maturity is None else duration_text(self.maturity)
        values["secondary_scores"] = list(self.secondary_scores)
        values["guardrails"] = [
            {"score": g.score, "margin": g.margin, "higher_is_better": g.higher_is_better} for g in self.guardrails
        ]
        echoed = {name: {"value": value, "origin": self.origin(name)} for name, value in values.items()}
        for name in ("alpha_sequence", "alpha_end"):
            echoed[name] = {"value": getattr(self, name), "origin": self.origin("alpha")}
        return echoed


def merged(request: Mapping[str, object], declared: Mapping[str, object], now_us: int) -> Options:
    """Return the options of a request, then of the declared experiment, then the defaults.

    Raises:
        InputError: `bad_parameter`, naming the option, the value and the bound.
    """
    for name in request:
        if name not in PARSERS:
            raise InputError(f"{shown(name)} is not an option of a report", hint=_near(name, PARSERS))
    values: dict[str, Any] = {"as_of": now_us, "known_at": now_us}
    origins: dict[str, Origin] = {}
    sources: tuple[tuple[Origin, Mapping[str, object]], ...] = (("request", request), ("declared", declared))
    for name, parse in PARSERS.items():
        for origin, source in sources:
            given = source.get(name)
            if given is not None and given != "":
                values[name], origins[name] = parse(name, given), origin
                break
    return Options(**values, origins=origins)


def duration_text(us: int) -> str:
    """Return microseconds as a duration this module reads."""
    for unit in ("d", "h", "m"):
        if us and us % (_SECONDS[unit] * 1_000_000) == 0:
            return f"{us // (_SECONDS[unit] * 1_000_000)}{unit}"
    return f"{us / 1e6:.6f}".rstrip("0").rstrip(".") + "s"


def named(name: str, value: str, known: Iterable[str], what: str) -> InputError:
    """Return the error for a value that names nothing, with the nearest name as hint."""
    return InputError(f"{name} is {shown(value)}, which is no {what}", hint=_near(value, known))


def _near(value: str, known: Iterable[str]) -> str | None:
    near = difflib.get_close_matches(value, list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else None


def _bad(name: str, value: object, bound: str) -> InputError:
    return InputError(f"{name} is {shown(value if isinstance(value, str) else json.dumps(value))}, must be {bound}")


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


def _time(name: str, value: object) -> int:
    bound = "an ISO 8601 time such as 2026-09-01T12:00:00Z, or milliseconds since 1970"
    try:
        if isinstance(value, int) or (isinstance(value, str) and re.fullmatch(r"\d{11,14}", value)):
            moment = _EPOCH + dt.timedelta(milliseconds=int(value))
        else:
            moment = dt.datetime.fromisoformat(_UNQUOTED_PLUS.sub(r"\1+\2", _text(name, value)))
    except (ValueError, OverflowError) as error:
        raise _bad(name, value, bound) from error
    aware = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment
    return (aware - _EPOCH) // dt.timedelta(microseconds=1)


def known_at_of(request: Mapping[str, str]) -> int | None:
    """Return the request's `known_at` (microseconds since 1970), by which a snapshot is chosen; None for now.

    Raises:
        InputError: `bad_parameter`, it is no time.
    """
    return _time("known_at", request["known_at"]) if "known_at" in request else None


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


PARSERS: dict[str, Callable[[str, object], object]] = {
    "score": _text,
    "control": _text,
    "unit": _unit,
    "higher_is_better": _boolean,
    "alpha": _alpha,
    "margin": _margin,
    "weights": _weights,
    "since": _time,
    "as_of": _time,
    "known_at": _time,
    "environment": _text,
    "where": _text,
    "maturity": _maturity,
    "planned_units": _planned_units,
    "planned_end": _time,
    "estimand": _estimand,
    "primary_score": _text,
    "secondary_scores": _names,
    "guardrails": _guardrails,
}
"""How each option is read: from the text of a request or the JSON value of a declaration."""
