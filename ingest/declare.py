"""Declarations: what an experiment or a score name means becomes a row of its own table."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pyarrow as pa

from ingest.columns import batch, documents
from ingest.explain import nearest
from ingest.texts import LABEL, NAME, SCORE_NAME, WORD, TextRule
from ingest.times import TIME
from warehouse.errors import InputError, shown
from warehouse.options import DECLARABLE, READERS
from warehouse.schema import SCORE_KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONSTANT_DAY = ""
"""Declarations are found by name, not by time: one partition has them all."""

_DESCRIPTION = TextRule(4_096, may_be_empty=True, may_be_blank=True, may_have_controls=True)


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
    checked = _checked(options, dict.fromkeys(DECLARABLE, _option), "an option of an experiment")
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
    own = {
        "name": pa.array([name], pa.string()),
        "declared_at": pa.array([now_us], TIME),
        "_day_id": pa.array([_CONSTANT_DAY], pa.string()),
    }
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


def _option(name: str, value: object) -> object:
    """Return an option as it was given, once it could be read: reports read it again, with their own clock."""
    if name in _NAMES:
        _NAMES[name](name, value)
    READERS[name](name, value)
    return value


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


_Check = Callable[[str, object], Any]
"""Takes an option's name and JSON value, and returns the value to keep; raises InputError."""

_NAMES: dict[str, _Check] = {
    "control": _text(NAME),
    "unit": _text(WORD),
    "primary_score": _text(SCORE_NAME),
    "environment": _text(LABEL),
    "where": _text(_DESCRIPTION),
}
"""Options that are text, and what text they may be."""

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
