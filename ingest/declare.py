"""Declarations: what an experiment or a score name means becomes a row of its own table."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pyarrow as pa

from ingest.columns import batch, documents
from ingest.explain import nearest
from ingest.texts import LABEL, NAME, SCORE_NAME, WORD, TextRule
from ingest.times import TIME, instant
from warehouse.clock import iso
from warehouse.errors import InputError, shown
from warehouse.schema import SCORE_KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST_ALPHA = 0.5
SMALLEST_PLAN = 2
LONGEST_MATURITY_S = 3_650 * 86_400

_CONSTANT_DAY = pa.array([""], pa.string())
"""Declarations are found by name, not by time: one partition has them all."""

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([smhd])", re.ASCII)
_WHOLE_UNITS = ("assignment", "run", "user_id")
_NAMED_UNITS = ("session:", "attribute:")
_DESCRIPTION = TextRule(4_096, may_be_empty=True, may_be_blank=True, may_have_controls=True)
_GUARDRAIL = 'an object such as {"score": "cost-usd", "margin": 0.01, "higher_is_better": false}'


def experiment_declaration(name: str, options: Mapping[str, object], now_us: int) -> pa.RecordBatch:
    """Return the row of `experiment_declarations` that declares an experiment.

    Args:
        name: the experiment's name.
        options: JSON values of the options of DESIGN section 11; null is as good as nothing.
        now_us: when it is declared, microseconds since 1970.

    Raises:
        InputError: `bad_parameter`, naming the option, its value and the bound.
    """
    _text(NAME)("the experiment's name", name)
    checked = _checked(options, EXPERIMENT_OPTIONS, "an option of an experiment")
    columns = {column: checked.pop(column, None) for column in ("control", "unit", "primary_score")}
    made: dict[str, pa.Array[Any]] = {column: pa.array([value], pa.string()) for column, value in columns.items()}
    made["options"] = documents([msgspec.json.encode(checked)])
    return _declared("experiment_declarations", name, made, now_us)


def score_definition(name: str, fields: Mapping[str, object], now_us: int) -> pa.RecordBatch:
    """Return the row of `score_definitions` that says what a score name means.

    Args:
        name: the score's name.
        fields: JSON values among kind, higher_is_better, min, max, unit, owner and description; null is as good as
            nothing.
        now_us: when it is declared, microseconds since 1970.

    Raises:
        InputError: `bad_parameter`, naming the field, its value and the bound.
    """
    _text(SCORE_NAME)("the score's name", name)
    checked = _checked(fields, SCORE_FIELDS, "a field of a score")
    low, high = checked.get("min"), checked.get("max")
    if low is not None and high is not None and low > high:
        raise InputError(f"min is {low}, must be at most max, which is {high}")
    types = {"higher_is_better": pa.bool_(), "min": pa.float64(), "max": pa.float64()}
    made = {column: pa.array([checked.get(column)], types.get(column, pa.string())) for column in SCORE_FIELDS}
    return _declared("score_definitions", name, made, now_us)


def _declared(table: str, name: str, columns: Mapping[str, pa.Array[Any]], now_us: int) -> pa.RecordBatch:
    own = {"name": pa.array([name], pa.string()), "declared_at": pa.array([now_us], TIME), "_day_id": _CONSTANT_DAY}
    return batch(table, {**columns, **own}, 1, now_us)


def _checked(given: Mapping[str, object], checks: Mapping[str, _Check], what: str) -> dict[str, Any]:
    """Return the values that are given, each as its check leaves it."""
    for name in given:
        if name not in checks:
            raise InputError(f"{shown(name)} is not {what}{nearest(name, checks)}")
    return {name: checks[name](name, value) for name, value in given.items() if value is not None}


def _bad(name: str, value: object, bound: str) -> InputError:
    said = value if isinstance(value, str) else repr(value)
    return InputError(f"{name} is {shown(said)}, must be {bound}")


def _text(rule: TextRule) -> _Check:
    def check(name: str, value: object) -> str:
        if not isinstance(value, str):
            raise _bad(name, value, "text")
        fault = rule.fault(value)
        if fault is not None:
            raise InputError(f"{name} {fault}")
        return value

    return check


def _choice(*allowed: str) -> _Check:
    def check(name: str, value: object) -> str:
        if value not in allowed:
            raise _bad(name, value, " or ".join(allowed))
        return cast("str", value)

    return check


def _boolean(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _bad(name, value, "true or false")
    return value


def _number(name: str, value: object, bound: str = "a finite number") -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _bad(name, value, bound)
    try:
        number = float(value)
    except OverflowError as error:
        raise _bad(name, value, bound) from error
    if not math.isfinite(number):
        raise _bad(name, value, bound)
    return number


def _alpha(name: str, value: object) -> float:
    bound = f"a number above 0 and at most {LARGEST_ALPHA}"
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
    if units < SMALLEST_PLAN or not units.is_integer():
        raise _bad(name, value, bound)
    return int(units)


def _unit(name: str, value: object) -> str:
    known = value if isinstance(value, str) else ""
    key = next((known.removeprefix(kind) for kind in _NAMED_UNITS if known.startswith(kind)), "")
    if known not in _WHOLE_UNITS and not key.strip():
        raise _bad(name, value, "assignment, run, user_id, session:<key> or attribute:<name>")
    return _text(WORD)(name, known)


def _maturity(name: str, value: object) -> str:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None or float(found[1]) * _SECONDS[found[2]] > LONGEST_MATURITY_S:
        raise _bad(name, value, "a duration such as 72h, 3d, 90m or 30s, at most 3650d")
    return found[0]


def _time(name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _bad(name, value, "a time: ISO 8601, or milliseconds since 1970")
    try:
        return iso(instant(value))
    except InputError as error:
        raise InputError(f"{name} {error.message}") from error


def _weights(name: str, value: object) -> dict[str, float]:
    if not isinstance(value, dict) or not value:
        raise _bad(name, cast("object", value), "an object of variants and their weights")
    weights: dict[str, float] = {}
    for variant, weight in cast("dict[str, object]", value).items():
        _text(NAME)(f"a variant of {name}", variant)
        weights[variant] = _number(f"{name}.{variant}", weight, "a finite number above 0")
        if weights[variant] <= 0:
            raise _bad(f"{name}.{variant}", weight, "a finite number above 0")
    return weights


def _score_names(name: str, value: object) -> list[str]:
    return [_text(SCORE_NAME)(f"{name}[{at}]", item) for at, item in enumerate(_list(name, value))]


def _guardrails(name: str, value: object) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for at, item in enumerate(_list(name, value)):
        path = f"{name}[{at}]"
        if not isinstance(item, dict) or "score" not in item:
            raise _bad(path, cast("object", item), _GUARDRAIL)
        checks = {field: _under(path, check) for field, check in GUARDRAIL_FIELDS.items()}
        made.append(_checked(cast("dict[str, object]", item), checks, f"a field of {path}"))
    return made


def _under(path: str, check: _Check) -> _Check:
    return lambda name, value: check(f"{path}.{name}", value)


def _list(name: str, value: object) -> list[object]:
    if not isinstance(value, list):
        raise _bad(name, value, "a list")
    return cast("list[object]", value)


_Check = Callable[[str, object], Any]
"""Takes an option's name and JSON value, and returns the value to keep; raises InputError."""

EXPERIMENT_OPTIONS: dict[str, _Check] = {
    "control": _text(NAME),
    "unit": _unit,
    "primary_score": _text(SCORE_NAME),
    "secondary_scores": _score_names,
    "guardrails": _guardrails,
    "higher_is_better": _boolean,
    "alpha": _alpha,
    "margin": _margin,
    "weights": _weights,
    "since": _time,
    "as_of": _time,
    "known_at": _time,
    "environment": _text(LABEL),
    "where": _text(_DESCRIPTION),
    "maturity": _maturity,
    "planned_units": _planned_units,
    "planned_end": _time,
    "estimand": _choice("runs", "units"),
}
"""What an experiment may declare (DESIGN section 11)."""

GUARDRAIL_FIELDS: dict[str, _Check] = {
    "score": _text(SCORE_NAME),
    "margin": _margin,
    "higher_is_better": _boolean,
}

SCORE_FIELDS: dict[str, _Check] = {
    "kind": _choice(*SCORE_KINDS),
    "higher_is_better": _boolean,
    "min": _number,
    "max": _number,
    "unit": _text(WORD),
    "owner": _text(WORD),
    "description": _text(_DESCRIPTION),
}
"""What a score's definition may say (DESIGN section 3)."""
