"""Typed parameters of saved queries: how they are declared, and text of a URL -> values of a statement.

A value is text, a whole number, a number, true or false, a time (ISO 8601 text in UTC), a day (YYYY-MM-DD), a list of
one of these, or null: what JSON can say.
"""

from __future__ import annotations

import datetime as dt
import difflib
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import msgspec

from warehouse.clock import iso
from warehouse.errors import InputError, shown
from warehouse.options import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

MAX_PARAMETERS = 64
MAX_CHOICES = 1_000
MAX_ITEMS = 10_000
MAX_TEXT = 10_000
"""Characters of one text value."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_LARGEST = 2**63
_LIST = "[]"


class _NoValue(ValueError):  # noqa: N818 - never seen outside this module
    """What was given is not of the type."""


def _text(given: object) -> str:
    if not isinstance(given, str) or len(given) > MAX_TEXT or not _is_unicode(given):
        raise _NoValue
    return given


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _integer(given: object) -> int:
    if isinstance(given, str) and _WHOLE.fullmatch(given):
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int) or not -_LARGEST <= given < _LARGEST:
        raise _NoValue
    return given


def _number(given: object) -> float:
    if isinstance(given, str) and _NUMBER.fullmatch(given):
        given = float(given)
    if isinstance(given, bool) or not isinstance(given, int | float) or not -math.inf < given < math.inf:
        raise _NoValue
    try:
        return float(given)
    except OverflowError as error:
        raise _NoValue from error


def _boolean(given: object) -> bool:
    texts = {"true": True, "1": True, "false": False, "0": False}
    found = texts.get(given.lower()) if isinstance(given, str) else given
    if not isinstance(found, bool):
        raise _NoValue
    return found


def _timestamp(given: object) -> str:
    try:
        return iso(moment("", given))
    except (InputError, OverflowError) as error:
        raise _NoValue from error


def _date(given: object) -> str:
    if not isinstance(given, str) or not _DAY.fullmatch(given):
        raise _NoValue
    return dt.date.fromisoformat(given).isoformat()  # its ValueError says the same


@dataclass(frozen=True, slots=True)
class _Type:
    read: Callable[[object], Any]
    """What was given, as text or as JSON -> the value; raises ValueError."""
    bound: str
    """What it must be, in words."""
    sample: Any
    """Some value, to see whether a statement works with one of this type."""


_TYPES: dict[str, _Type] = {
    "text": _Type(_text, f"text of at most {MAX_TEXT} characters", ""),
    "integer": _Type(_integer, "a whole number of at most 64 bits", 0),
    "number": _Type(_number, "a finite number", 0.0),
    "boolean": _Type(_boolean, "true or false", False),
    "timestamp": _Type(
        _timestamp,
        "an ISO 8601 time such as 2026-09-01T12:00:00Z, or milliseconds since 1970",
        "1970-01-01T00:00:00.000000Z",
    ),
    "date": _Type(_date, "a day such as 2026-09-01", "1970-01-01"),
}
TYPES = (*_TYPES, *(f"{name}{_LIST}" for name in _TYPES))
"""The types a parameter can have; `text[]` is a list of texts."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: what its value must be."""

    name: str
    type: str
    required: bool
    default: Any = None
    """The value when none is given; None is null."""
    choices: tuple[Any, ...] = ()
    """The values it can have; empty: any of its type."""

    def value(self, given: object) -> Any:
        """Return what was given (text, or JSON; of lists: a sequence of these) as a value; raises InputError."""
        if not self.type.endswith(_LIST):
            return self._one(given)
        if isinstance(given, str | bytes) or not isinstance(given, list | tuple):
            raise self._bad(given, f"a list, each item {_TYPES[self.type.removesuffix(_LIST)].bound}")
        items = cast("Sequence[object]", given)
        if len(items) > MAX_ITEMS:
            raise InputError(f"parameter {self.name!r} has {len(items)} items, must have at most {MAX_ITEMS}")
        return [self._one(item) for item in items]

    def of_texts(self, texts: Sequence[str]) -> Any:
        """Return the value that a URL gives: one text, or for a list one an item, or all of them as a JSON array."""
        if self.type.endswith(_LIST):
            return self.value(_items(texts))
        if len(texts) > 1:
            raise InputError(f"parameter {self.name!r} is given {len(texts)} times, must be given once")
        return self.value(texts[0])

    def _one(self, given: object) -> Any:
        kind = _TYPES[self.type.removesuffix(_LIST)]
        try:
            value = kind.read(given)
        except ValueError:
            raise self._bad(given, kind.bound) from None
        if self.choices and value not in self.choices:
            raise self._bad(given, f"one of {', '.join(str(choice) for choice in self.choices[:20])}")
        return value

    def _bad(self, given: object, bound: str) -> InputError:
        text = given if isinstance(given, str) else json.dumps(given)
        return InputError(f"parameter {self.name!r} is {shown(text)}, must be {bound}")


def _items(texts: Sequence[str]) -> Sequence[object]:
    if len(texts) == 1 and texts[0].startswith("["):
        try:
            found = msgspec.json.decode(texts[0])
        except msgspec.DecodeError:
            return texts  # a text that only begins like an array
        return cast("list[object]", found)
    return texts


def declared(params: Mapping[str, Mapping[str, Any]], reserved: Collection[str]) -> list[Parameter]:
    """Return the parameters of a declaration: name -> {"type", "default"?, "choices"?}.

    A default makes a parameter optional; a default of null is null. Names are told apart as SQL does, without case.

    Raises:
        InputError: a name, type, default or choice cannot be; the message names it and what it must be.
    """
    if len(params) > MAX_PARAMETERS:
        raise InputError(f"params has {len(params)} entries, must have at most {MAX_PARAMETERS}")
    seen: dict[str, str] = {}
    made: list[Parameter] = []
    for name, given in params.items():
        if not _NAME.fullmatch(name):
            raise InputError(f"params has the name {shown(name)}, must be 1 to 63 of a-z, A-Z, 0-9, _, no digit first")
        if name.lower() in reserved:
            raise InputError(f"params has the name {shown(name)}, which is an option of every saved query")
        if name.lower() in seen:
            raise InputError(f"params has {seen[name.lower()]!r} and {name!r}, which are one name to SQL")
        seen[name.lower()] = name
        made.append(_declared(name, given))
    return made


def _declared(name: str, given: Mapping[str, Any]) -> Parameter:
    if given["type"] not in TYPES:
        raise InputError(
            f"parameter {name!r} has the type {shown(str(given['type']))}, must be one of {', '.join(TYPES)}"
        )
    choices: Sequence[object] = given.get("choices") or ()
    if len(choices) > MAX_CHOICES:
        raise InputError(f"parameter {name!r} has {len(choices)} choices, must have at most {MAX_CHOICES}")
    item = Parameter(name, given["type"].removesuffix(_LIST), required=True)
    allowed = tuple(item.value(choice) for choice in choices)
    free = Parameter(name, given["type"], "default" not in given, None, allowed)
    default = given.get("default")
    return Parameter(name, free.type, free.required, None if default is None else free.value(default), allowed)


def values(
    parameters: Sequence[Parameter], given: Iterable[tuple[str, str]], *, also: Collection[str] = ()
) -> dict[str, Any]:
    """Return name -> value of every parameter, from the pairs of a URL's query; `also` are names known beside them.

    Raises:
        InputError: a value is not of its parameter's type or choices, one is missing, or one is not known.
    """
    texts: dict[str, list[str]] = {}
    for name, text in given:
        texts.setdefault(name, []).append(text)
    names = [parameter.name for parameter in parameters]
    for name in texts:
        if name not in names:
            raise _unknown(name, [*names, *also])
    found: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.name in texts:
            found[parameter.name] = parameter.of_texts(texts[parameter.name])
        elif parameter.required:
            bound = _TYPES[parameter.type.removesuffix(_LIST)].bound
            what = f"items, each {bound}" if parameter.type.endswith(_LIST) else bound
            raise InputError(f"parameter {parameter.name!r} has no value and no default, must be {what}")
        else:
            found[parameter.name] = parameter.default
    return found


def _unknown(name: str, known: Sequence[str]) -> InputError:
    spelled = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), [*spelled], n=1)
    hint = f"did you mean {spelled[near[0]]!r}?" if near else f"there are {', '.join(known)}"
    return InputError(f"there is no parameter {shown(name)}", hint=hint)


def samples(parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Return a value of each parameter's type, to see whether a statement works with such values."""
    found: dict[str, Any] = {}
    for parameter in parameters:
        one = next(iter(parameter.choices), _TYPES[parameter.type.removesuffix(_LIST)].sample)
        found[parameter.name] = [one] if parameter.type.endswith(_LIST) else one
    return found


def engine_values(params: Any, types: Mapping[str, str]) -> Any:
    """Return parameters (a list, or name -> value) as the engine takes them; `types` are those of declared ones."""
    if not types:
        return params
    return {name: engine_value(types[name], value) for name, value in params.items()}


def engine_value(type_: str, value: Any) -> Any:
    """Return a value as the engine takes it: times and days of their own type, not as texts."""
    if value is None:
        return None
    if type_.endswith(_LIST):
        return [engine_value(type_.removesuffix(_LIST), item) for item in value]
    match type_:
        case "timestamp":
            return dt.datetime.fromisoformat(value)
        case "date":
            return dt.date.fromisoformat(value)
        case _:
            return value
