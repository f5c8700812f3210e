"""Bodies of the drill-down made from their own types, so that no field is left out of what a page is tested with."""

from __future__ import annotations

import dataclasses
import types
from typing import Any, Union, get_args, get_origin, get_type_hints

TIMES = {"at", "ts", "start", "end", "before", "day", "deadline", "start_time", "active_at"}
TIME = "2026-11-20T09:30:00.000Z"


def made(kind: Any, text: str = "a name", *, nulls: bool = False, name: str = "") -> Any:
    """Return a value of a type as JSON has it: every field filled, every list with one entry.

    Args:
        kind: a type, a dataclass of `queries.drill.bodies` say.
        text: what every text says, times left out.
        nulls: null wherever the type allows it.
        name: of the field that it is for.
    """
    if get_origin(kind) in (Union, types.UnionType):
        options = get_args(kind)
        if nulls and type(None) in options:
            return None
        return made(options[0], text, nulls=nulls, name=name)
    if get_origin(kind) is list:
        return [made(get_args(kind)[0], text, nulls=nulls, name=name)]
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return {
            field.name: made(hints[field.name], text, nulls=nulls, name=field.name)
            for field in dataclasses.fields(kind)
        }
    timed = name in TIMES or name.endswith("_at")
    declared = {"description": text, "higher_is_better": True, "kind": text, "owner": text}
    return {str: TIME if timed else text, int: 3, float: 0.5, bool: True, dict: declared}[get_origin(kind) or kind]
