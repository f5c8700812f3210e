"""Dashboards: tiles over SQL with a time range and an environment in common, as JSON that can live in git.

What people write is read by `parsed`, which says everything that is wrong with it; `as_file` writes it back in one
order, without what is as it always is, so that a text goes round without a change. `statement` makes of a tile what a
query worker is asked.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast

import msgspec
from msgspec import Meta

from queries.documented import Documented
from queries.parameters import Parameter, declared
from warehouse.errors import InputError, QueryError, UpshotError, did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

KIND = "dashboard"
"""Their kind among the named objects of a workspace."""

NAME = re.compile(r"(?!new$)[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
"""What a dashboard can be called; `new` is where one is made."""

MAX_TILES = 40
COLUMNS = 4
"""Columns of a dashboard: what the widths of its tiles count."""

SHARED = {"from": "timestamp", "to": "timestamp", "environment": "text"}
"""Parameters that a dashboard fills in where a tile's SQL has them -> their type."""


@dataclasses.dataclass(frozen=True, slots=True)
class Tile(Documented):
    """One question of a dashboard, and how its answer is shown."""

    title: Annotated[str, Meta(min_length=1, max_length=200)]
    show: Literal["number", "table", "chart"]
    """number: the first value of the first row."""
    query: str | None = None
    """Name of a saved query; either this or `sql`."""
    version: Annotated[int, Meta(ge=1, le=2**53)] | None = None
    """Version of the saved query; the newest when not given."""
    sql: str | None = None
    """One SELECT. `$from`, `$to` and `$environment` are the dashboard's, from inclusive, to exclusive; the environment
    is null for all of them."""
    params: dict[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    """Values of the other parameters, and of these where the tile has its own."""
    mark: Literal["line", "bar", "point", "area"] | None = None
    """Of a chart."""
    x: str | None = None
    """Column of a chart's x, time or category."""
    y: str | None = None
    """Column of a chart's y, a number."""
    color: str | None = None
    """Column that tells the series of a chart apart."""
    format: Literal["plain", "percent", "dollars", "duration_ms"] | None = None
    """How a number is written; percent is of a share, 0.25 is 25 %. As it is when not given."""
    good: Literal["up", "down"] | None = None
    """Which change of a number is good."""
    width: Annotated[int, Meta(ge=1, le=COLUMNS)] = 1
    """Columns, of four."""


@dataclasses.dataclass(frozen=True, slots=True)
class Dashboard(Documented):
    """Tiles over a time range and an environment in common."""

    title: Annotated[str, Meta(min_length=1, max_length=200)]
    description: Annotated[str, Meta(max_length=10_000)] = ""
    last: Literal["1h", "24h", "7d", "30d", "90d", "all"] = "7d"
    """The time range when none is asked for."""
    tiles: Annotated[tuple[Tile, ...], Meta(min_length=1, max_length=MAX_TILES)] = ()


_BOUNDS = {
    "title": "text of 1 to 200 characters",
    "description": "text of at most 10000 characters",
    "last": "one of 1h, 24h, 7d, 30d, 90d, all",
    "tiles": f"a list of 1 to {MAX_TILES} tiles",
    "show": "one of number, table, chart",
    "query": "the name of a saved query",
    "version": "a whole number from 1",
    "sql": "text, or a list of its lines",
    "params": "an object, name -> value",
    "mark": "one of line, bar, point, area",
    "format": "one of plain, percent, dollars, duration_ms",
    "good": "one of up, down",
    "width": f"a whole number, 1 to {COLUMNS}",
}
"""Field -> what it must be, in words; of others: the name of a column."""


@dataclasses.dataclass(frozen=True, slots=True)
class Flaw:
    """Something wrong with a dashboard."""

    error: UpshotError
    tile: int | None = None
    """Position of the tile it is in, from 0; None: in the dashboard itself."""


def loaded(text: str | bytes) -> object:
    """Return what JSON says; raises QueryError `malformed` with line and column."""
    try:
        read = text.decode() if isinstance(text, bytes) else text
        found: object = json.loads(read, parse_constant=_no_number)
        json.dumps(found, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        message = f"this is not JSON: {error.msg[:1].lower()}{error.msg[1:]}"
        raise QueryError(message, code="malformed", line=error.lineno, col=error.colno) from None
    except (ValueError, RecursionError) as error:
        raise QueryError(f"this is not JSON: {str(error)[:200]}", code="malformed") from None
    return found


def _no_number(text: str) -> object:
    raise ValueError(f"{text} is no number")


_Read = TypeVar("_Read", Dashboard, Tile)


def parsed(given: object, also: Collection[str] = ()) -> tuple[Dashboard | None, list[Flaw]]:
    """Return a dashboard out of JSON, and what is wrong with it; None when something is.

    Args:
        given: as `json.loads` gives it.
        also: fields beside the dashboard's own that may stand there, and say nothing.
    """
    flaws: list[Flaw] = []
    body: Mapping[str, Any] = {}
    listed: object = None
    whole: Dashboard | None = None
    try:
        body = {name: value for name, value in _object(given, "the dashboard").items() if name not in also}
        listed = body.get("tiles", [])
        _refuse_unknown(body, Dashboard, "the dashboard")
        if not isinstance(listed, list) or not 1 <= len(cast("list[object]", listed)) <= MAX_TILES:
            raise _bad("", "tiles", body.get("tiles"), there="tiles" in body)
        whole = _converted({**body, "tiles": [_ANY_TILE]}, Dashboard, "")
    except InputError as error:
        flaws.append(Flaw(error))
    tiles: list[Tile] = []
    for index, one in enumerate(cast("list[object]", listed)[:MAX_TILES] if isinstance(listed, list) else ()):
        try:
            tiles.append(_tile(one, place_of(index, one)))
        except InputError as error:
            flaws.append(Flaw(error, index))
    if whole is None or flaws:
        return None, flaws
    return dataclasses.replace(whole, tiles=tuple(tiles)), []


_ANY_TILE = {"title": "any", "show": "table"}


def place_of(index: int, tile: object) -> str:
    """Return how errors call a tile: its position in `tiles`, from 0, and its title."""
    found: object = tile.title if isinstance(tile, Tile) else None
    if isinstance(tile, dict):
        found = cast("dict[str, object]", tile).get("title")
    return f"tiles[{index}] ({shown(found)})" if isinstance(found, str) and found else f"tiles[{index}]"


def _object(given: object, place: str) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise InputError(f"{place} is {shown(_text(given))}, must be an object")
    return cast("Mapping[str, Any]", given)


def _text(given: object) -> str:
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)


def _refuse_unknown(given: Mapping[str, Any], kind: type[Dashboard | Tile], place: str) -> None:
    known = [field.name for field in dataclasses.fields(kind)]
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known) or f"there are {', '.join(known)}"
            raise InputError(f"{place} has the field {shown(name)}, which there is not", hint=hint)


_FIELD = re.compile(r"`(?:\$\.)?(\w+)")


def _converted(given: Mapping[str, Any], kind: type[_Read], place: str) -> _Read:
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        found = re.search(r"field `(\w+)`|at `\$\.(\w+)", str(error))
        name = (found[1] or found[2]) if found else ""
        raise _bad(place, name, given.get(name), there=name in given) from None


def _bad(place: str, name: str, value: object, *, there: bool) -> InputError:
    is_ = f"is {shown(_text(value))}" if there else "is missing"
    return InputError(
        f"{place + ': ' if place else ''}{name} {is_}, must be {_BOUNDS.get(name, 'the name of a column')}"
    )


def _tile(given: object, place: str) -> Tile:
    body = dict(_object(given, place))
    _refuse_unknown(body, Tile, place)
    lines: object = body.get("sql")
    if isinstance(lines, list) and all(isinstance(line, str) for line in cast("list[object]", lines)):
        body["sql"] = "\n".join(cast("list[str]", lines))
    tile = _converted(body, Tile, place)
    for rule in _RULES:
        if (wrong := rule(tile)) is not None:
            raise InputError(f"{place}: {wrong}")
    for name, value in tile.params.items():
        _checked_value(name, value, place)
    return tile


def _one_source(tile: Tile) -> str | None:
    named, written = bool(tile.query), bool(tile.sql and tile.sql.strip())
    if named != written:
        return None
    return "query and sql are both given, must be one of them" if named else "query or sql is missing, must be one"


def _version_of_a_query(tile: Tile) -> str | None:
    return (
        None if tile.version is None or tile.query else f"version is {tile.version}, and there is no query to have it"
    )


def _whole_chart(tile: Tile) -> str | None:
    fields = {"mark": tile.mark, "x": tile.x, "y": tile.y, "color": tile.color}
    if tile.show == "chart":
        missing = [name for name in ("mark", "x", "y") if not fields[name]]
        return (
            f"{missing[0]} is missing, must be {_BOUNDS.get(missing[0], 'the name of a column')}" if missing else None
        )
    return _only_of(fields, "chart", tile)


def _only_numbers(tile: Tile) -> str | None:
    return None if tile.show == "number" else _only_of({"format": tile.format, "good": tile.good}, "number", tile)


def _only_of(fields: Mapping[str, str | None], show: str, tile: Tile) -> str | None:
    given = next((name for name, value in fields.items() if value is not None), None)
    return f"{given} is {shown(str(fields[given]))}, which is for a {show}; show is {tile.show!r}" if given else None


_RULES: tuple[Callable[[Tile], str | None], ...] = (_one_source, _version_of_a_query, _whole_chart, _only_numbers)


def _type_of(value: object) -> str:
    """Return the type of a value that JSON wrote (`queries.parameters.TYPES`)."""
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case list():
            items = cast("list[object]", value)
            kinds = {_type_of(item) for item in items if item is not None}
            return ("number" if kinds == {"integer", "number"} else next(iter(kinds), "text")) + "[]"
        case _:
            return "text"


def _checked_value(name: str, value: object, place: str) -> None:
    if value is None:
        return
    try:
        Parameter(name, _type_of(value), required=True).value(value)
    except InputError as error:
        raise InputError(f"{place}: {error.message}") from None


def as_file(dashboard: Dashboard) -> dict[str, Any]:
    """Return the JSON that `parsed` reads: fields in one order, none that is as it always is, SQL by its lines."""
    body = _written(dashboard)
    return {**body, "tiles": [_with_lines(_written(tile)) for tile in dashboard.tiles]}


def as_body(dashboard: Dashboard) -> dict[str, Any]:
    """Return the same with SQL as one text, as routes answer and workspaces keep it."""
    return {**_written(dashboard), "tiles": [_written(tile) for tile in dashboard.tiles]}


def _written(one: Dashboard | Tile) -> dict[str, Any]:
    values = {field.name: getattr(one, field.name) for field in dataclasses.fields(one)}
    usual = {field.name: field.default for field in dataclasses.fields(one)}
    return {name: value for name, value in values.items() if value != usual[name] and (name != "params" or value)}


def _with_lines(tile: dict[str, Any]) -> dict[str, Any]:
    return tile | {"sql": tile["sql"].split("\n")} if "\n" in tile.get("sql", "") else tile


_PARAMETER = re.compile(
    r"""
      --[^\n]* | /\*.*?\*/
    | [eE]'(?:[^'\\]|\\.|'')*+' | '(?:[^']|'')*+' | "(?:[^"]|"")*+"
    | \$(?P<tag>(?:[^\W\d]\w*+)?)\$.*?\$(?P=tag)\$
    | \$(?P<name>[^\W\d]\w*+)
    """,
    re.VERBOSE | re.DOTALL,
)


def used(sql: str) -> list[str]:
    """Return the named parameters of a statement, each once, as it first spells them.

    Only to know what to fill in: the guard decides, and would refuse what this gets wrong.
    """
    spelled: dict[str, str] = {}
    for found in _PARAMETER.finditer(sql):
        if (name := found["name"]) is not None:
            spelled.setdefault(name.lower(), name)
    return list(spelled.values())


@dataclasses.dataclass(frozen=True, slots=True)
class Statement:
    """What a query worker is asked for a tile."""

    sql: str
    params: dict[str, Any]
    """Name -> value."""
    types: dict[str, str]
    """Name -> type of `queries.parameters.TYPES`."""


def statement(tile: Tile, saved: Mapping[str, Any] | None, shared: Mapping[str, str | None]) -> Statement:
    """Return the statement of a tile with its values.

    Args:
        tile: what asks.
        saved: body of the saved query that it names; None when it has its own SQL.
        shared: value of every name of `SHARED`.

    Raises:
        InputError: a value that the saved query needs is missing, is none of its parameters or does not fit.
    """
    if saved is None:
        return _of_own(tile, shared)
    parameters = declared(saved["params"], ())
    known = [parameter.name for parameter in parameters]
    for name in tile.params:
        if name not in known:
            hint = did_you_mean(name, known) or f"there are {', '.join(known) or 'none'}"
            raise InputError(f"the query {shown(str(tile.query))} has no parameter {shown(name)}", hint=hint)
    values = {parameter.name: _value(parameter, tile, shared) for parameter in parameters}
    return Statement(saved["sql"], values, {parameter.name: parameter.type for parameter in parameters})


def _of_own(tile: Tile, shared: Mapping[str, str | None]) -> Statement:
    sql = tile.sql or ""
    own = {name.lower() for name in tile.params}
    filled = {name: name.lower() for name in used(sql) if name.lower() in SHARED and name.lower() not in own}
    values = {name: shared[common] for name, common in filled.items()} | tile.params
    types = {name: SHARED[common] for name, common in filled.items()}
    return Statement(sql, values, types | {name: _type_of(value) for name, value in tile.params.items()})


def _value(parameter: Parameter, tile: Tile, shared: Mapping[str, str | None]) -> Any:
    if parameter.name in tile.params:
        own = tile.params[parameter.name]
        return None if own is None else parameter.value(own)
    common = parameter.name.lower()
    if common in SHARED:
        text = shared[common]
        if text is None:
            return parameter.default
        return parameter.value(text[:10] if parameter.type == "date" else text)
    if parameter.required:
        raise InputError(f"params has no {parameter.name!r}, which the query {shown(str(tile.query))} needs")
    return parameter.default


def of_tile(error: UpshotError, index: int, tile: Tile) -> InputError:
    """Return an error of a tile's statement with the tile named; line and column stay those of its SQL."""
    message = f"{place_of(index, tile)}: {error.message}"
    if isinstance(error, QueryError):
        where = {"line": error.line, "col": error.col, "length": error.length}
        return QueryError(message, code=error.code, hint=error.hint, **where)
    return InputError(message, code=error.code, hint=error.hint)


NUMBER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|REAL|DECIMAL\b.*", re.IGNORECASE)
"""DuckDB's names of the types that can be measured along an axis."""


def wrong_column(tile: Tile, columns: Mapping[str, str]) -> str | None:
    """Return what is wrong with the columns that a chart names, given those of its result: name -> DuckDB's type."""
    for name in ("x", "y", "color"):
        column: str | None = getattr(tile, name)
        if column is not None and column not in columns:
            return f"{name} is {shown(column)}, must be a column of its result: {', '.join(columns)[:500]}"
    if tile.y is not None and not NUMBER.fullmatch(columns[tile.y]):
        return f"y is {shown(tile.y)}, a {columns[tile.y]}, must be a column of numbers"
    return None
