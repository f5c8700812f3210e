"""The cookbook: tested queries for questions that people who run AI agents ask, one SQL file each.

A file is named for its recipe. Its head are comment lines `-- key: value`; a line `--   more` carries on the one
before. `title`, `group` (one of `GROUPS`) and `about` must be there. `chart: MARK x=COLUMN [y=COLUMN] [color=COLUMN]`
says how the answer is drawn. `param: NAME TYPE DEFAULT` declares `$NAME` as a saved query would
(`queries.parameters`); it always has a default, so every recipe runs as it stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from queries.parameters import Parameter, declared
from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Callable

GROUPS = ("Scores", "Experiments", "Models", "Releases", "Failures", "Latency", "Sessions and users")
"""In the order in which they are shown."""

MARKS = ("line", "bar", "point", "histogram")

_HEAD = re.compile(r"-- (\w+): (\S.*)")
_MORE = re.compile(r"--   (\S.*)")
_CHART = re.compile(rf"({'|'.join(MARKS)}) x=(\w+)(?: y=(\w+))?(?: color=(\w+))?")
_PARAM = re.compile(r"(\w+) (\S+) (\S.*)")


@dataclass(frozen=True, slots=True)
class Chart:
    """How a recipe's answer is drawn; all but the mark are names of its columns."""

    mark: str
    x: str
    y: str | None
    color: str | None


@dataclass(frozen=True, slots=True)
class Recipe:
    """A question, and the query that answers it."""

    name: str
    title: str
    group: str
    about: str
    """What it answers, and how to read it."""
    sql: str
    params: tuple[Parameter, ...]
    chart: Chart | None


def parsed(name: str, text: str) -> Recipe:
    """Return the recipe of a file's text; raises InputError that names file and line of a broken head."""
    lines = text.splitlines()
    size = next((at for at, line in enumerate(lines) if not line.startswith("--")), len(lines))
    said: dict[str, list[tuple[int, str]]] = {"title": [], "group": [], "about": [], "chart": [], "param": []}
    last: list[tuple[int, str]] = []
    for number, line in enumerate(lines[:size], 1):
        if found := _HEAD.fullmatch(line):
            key, value = found.groups()
            if key not in said:
                raise _broken(name, number, f"has the key {shown(key)}, must be one of {', '.join(said)}")
            if said[key] and key != "param":
                raise _broken(name, number, f"has {key} for a second time")
            last = said[key]
            last.append((number, value))
        elif last and (found := _MORE.fullmatch(line)):
            last[-1] = (last[-1][0], f"{last[-1][1]} {found.group(1)}")
        else:
            raise _broken(name, number, f"is {shown(line)}, must be `-- key: value` or `--   more`")
    sql = "\n".join(lines[size:]).strip()
    if not sql:
        raise _broken(name, size + 1, "has no SQL below the head")

    def one(key: str) -> tuple[int, str]:
        if not said[key]:
            raise _broken(name, size + 1, f"has no {key} above it")
        return said[key][0]

    at, group = one("group")
    if group not in GROUPS:
        raise _broken(name, at, f"has the group {shown(group)}, must be one of {', '.join(GROUPS)}")
    return Recipe(
        name=name,
        title=one("title")[1],
        group=group,
        about=one("about")[1],
        sql=sql,
        params=tuple(_placed(name, place, _param) for place in said["param"]),
        chart=next((_placed(name, place, _chart) for place in said["chart"]), None),
    )


def _placed(name: str, place: tuple[int, str], read: Callable[[str], Any]) -> Any:
    number, value = place
    try:
        return read(value)
    except InputError as error:
        raise _broken(name, number, str(error)) from error


def _broken(name: str, number: int, what: str) -> InputError:
    return InputError(f"queries/cookbook/{name}.sql, line {number}: {what}")


def _chart(value: str) -> Chart:
    found = _CHART.fullmatch(value)
    if found is None:
        raise InputError(f"has the chart {shown(value)}, must be {'|'.join(MARKS)} x=COLUMN [y=COLUMN] [color=COLUMN]")
    mark, x, y, color = found.groups()
    return Chart(mark, x, y, color)


def _param(value: str) -> Parameter:
    found = _PARAM.fullmatch(value)
    if found is None:
        raise InputError(f"has the param {shown(value)}, must be NAME TYPE DEFAULT")
    name, type_, default = found.groups()
    [free] = declared({name: {"type": type_}}, ())
    [parameter] = declared({name: {"type": type_, "default": free.of_texts([default])}}, ())
    return parameter


def _read() -> tuple[Recipe, ...]:
    paths = [path for path in files(__name__).iterdir() if path.name.endswith(".sql")]
    recipes = [parsed(path.name.removesuffix(".sql"), path.read_text("utf-8")) for path in paths]
    return tuple(sorted(recipes, key=lambda recipe: (GROUPS.index(recipe.group), recipe.title)))


RECIPES: tuple[Recipe, ...] = _read()
"""All of them, by group and title."""
