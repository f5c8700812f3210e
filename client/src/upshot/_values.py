"""The values of rows as Python has them, from JSON by the engine's type names. Pure; needs no package.

A value is the same whether the rows came as JSON or as Arrow (`upshot._arrow`), but for NaN and infinities, which JSON
does not have: they are None there.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

Reader = Callable[[Any], Any]

_ARRAY = re.compile(r"\[\d*\]$")
_WORDS = re.compile(r"""("(?:[^"]|"")*"|'(?:[^']|'')*'|[(),])""")


def _naive(value: str) -> dt.datetime:
    return dt.datetime.fromisoformat(value).replace(tzinfo=None)


def _number(value: Any) -> Decimal:
    return Decimal(str(value))


def _truth(value: Any) -> bool:
    return value if isinstance(value, bool) else value == "True"  # a key of a map is text


_SCALARS: dict[str, Reader] = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"), int),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"), int),
    **dict.fromkeys(("FLOAT", "DOUBLE"), float),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), _naive),
    **dict.fromkeys(("BLOB", "BIT"), bytes.fromhex),
    **dict.fromkeys(("TIME", "TIME WITH TIME ZONE"), dt.time.fromisoformat),
    "TIMESTAMP WITH TIME ZONE": dt.datetime.fromisoformat,
    "DATE": dt.date.fromisoformat,
    "BOOLEAN": _truth,
}


def reader(type_: str) -> Reader | None:
    """Return what makes a JSON value of a type a Python one; None where it is one already. Values are never None."""
    if _ARRAY.search(type_):
        item = reader(_ARRAY.sub("", type_))
        return None if item is None else lambda value: [none_or(item, one) for one in value]
    name, _, inside = type_.partition("(")
    match name:
        case "DECIMAL":
            return int if inside.endswith(",0)") else _number
        case "STRUCT":
            return _struct([_named(part) for part in _parts(inside[:-1])])
        case "MAP":
            key, value = _parts(inside[:-1])
            return _map(reader(key), reader(value))
        case _:
            return _SCALARS.get(type_)


def none_or(read: Reader | None, value: Any) -> Any:
    """Return a value as read, None as None."""
    return value if value is None or read is None else read(value)


def _struct(fields: list[tuple[str, Reader | None]]) -> Reader | None:
    if not any(read for _, read in fields):
        return None
    return lambda value: {name: none_or(read, value[name]) for name, read in fields}


def _map(key: Reader | None, item: Reader | None) -> Reader:
    def read(value: Any) -> Any:
        named = isinstance(value, dict)  # keys that are lists or structs come as pairs
        pairs: list[tuple[Any, Any]] = [*cast("dict[str, Any]", value).items()] if named else value
        made = [(none_or(key, one), none_or(item, other)) for one, other in pairs]
        return dict(made) if named else made

    return read


def _named(part: str) -> tuple[str, Reader | None]:
    quoted = re.match(r'"((?:[^"]|"")*)" ', part)
    if quoted:
        return quoted[1].replace('""', '"'), reader(part[quoted.end() :])
    name, _, type_ = part.partition(" ")
    return name, reader(type_)


def _parts(text: str) -> list[str]:
    """Return what stands between commas, those in brackets and quotes left alone."""
    parts, depth = [""], 0
    for piece in _WORDS.split(text):
        if piece == "," and depth == 0:
            parts.append("")
            continue
        depth += {"(": 1, ")": -1}.get(piece, 0)
        parts[-1] += piece
    return [part.strip() for part in parts]
