"""What a tile of a dashboard shows: the rows of an answer -> a figure, a table or a chart."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlencode

from api.pages import numbers, specs
from api.pages.body import entries
from api.pages.drill import TONES, dollars, duration, run_path, trace_path
from api.pages.render import experiment_path
from queries.dashboards import NUMBER, wrong_column
from warehouse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from api.pages.body import Body
    from queries.dashboards import Statement, Tile

ROWS = {"number": 1, "table": 50, "chart": 5_000}
"""How a tile is shown -> rows that are asked for."""

ADDRESS_CHARACTERS = 16_000
"""Longest address that is made, as in web/src/state.ts."""

_FORMATS: Mapping[str, Callable[[object], str]] = {
    "plain": numbers.number,
    "percent": numbers.percent,
    "dollars": dollars,
    "duration_ms": duration,
}

_LINKS: Mapping[str, Callable[[str], str]] = {
    "run": run_path,
    "run_id": run_path,
    "trace_id": trace_path,
    "experiment": experiment_path,
}
"""Name of a column -> the page of what its texts name."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number, and what it was in the equally long time before."""

    text: str
    before: str | None = None
    change: str | None = None
    tone: str = "neutral"
    """good, bad or neutral: of the change."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A value of a table."""

    text: str
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows of a table."""

    columns: list[tuple[str, bool]]
    """Name, and whether its values are numbers."""
    rows: list[list[Cell]]
    more: bool
    """There are rows beyond these."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart that the page's script draws, and its numbers for who cannot see it."""

    spec: str
    """Vega-Lite, as JSON."""
    label: str
    grid: Grid


@dataclass(frozen=True, slots=True)
class Shown:
    """A tile with its rows. One of `figure`, `grid`, `chart` and `error` is there, or none when there are no rows."""

    figure: Figure | None = None
    grid: Grid | None = None
    chart: Chart | None = None
    error: Body | None = None
    """The object under `error` of a failed answer."""
    sql: str | None = None
    """Address of the SQL page with the statement and its values; None when it would be too long."""
    truncated: bool = False


def shown(tile: Tile, body: Body, before: Body | None, sql: str | None) -> Shown:
    """Return what a tile shows.

    Args:
        tile: the tile.
        body: its rows, as `POST /v1/query` answers.
        before: the same of the time before, for a number.
        sql: address of its SQL.

    Raises:
        InputError: a chart names a column that is not there, or measures one without numbers.
    """
    truncated = body.get("truncated") is True
    if tile.show == "number":
        return Shown(figure=figure(tile, body, before), sql=sql)
    if not body.get("rows"):
        return Shown(sql=sql)
    if tile.show == "table":
        return Shown(grid=grid(body), sql=sql, truncated=truncated)
    return Shown(chart=chart(tile, body), sql=sql, truncated=truncated)


def _first(body: Body | None) -> object:
    rows: list[list[object]] = [] if body is None else body.get("rows") or []
    return rows[0][0] if rows and rows[0] else None


def figure(tile: Tile, body: Body, before: Body | None) -> Figure:
    """Return the first value of the first row; what is no number stands as it is."""
    value = _first(body)
    now = numbers.finite(value)
    written = _FORMATS[tile.format or "plain"]
    if now is None:
        return Figure(numbers.plain(value))
    then = numbers.finite(_first(before))
    if then is None:
        return Figure(written(value))
    return Figure(written(value), written(_first(before)), _change(tile, now, then), _tone(tile, now, then))


def _change(tile: Tile, now: float, then: float) -> str | None:
    """Return the difference: of shares in points, of others in percent of what it was, where that says something."""
    if now == then:
        return "no change"
    if tile.format == "percent":
        return numbers.percent(now - then, plus=True, unit=" pts")
    return numbers.percent((now - then) / abs(then), plus=True) if then else None


def _tone(tile: Tile, now: float, then: float) -> str:
    if tile.good is None or now == then:
        return "neutral"
    return "good" if (now > then) == (tile.good == "up") else "bad"


def _columns(body: Body) -> dict[str, str]:
    return {str(column.get("name")): str(column.get("type")) for column in entries(body, "columns")}


def grid(body: Body, most: int = ROWS["table"]) -> Grid:
    """Return the first rows of an answer as a table."""
    kinds = [(str(column.get("name")), str(column.get("type"))) for column in entries(body, "columns")]
    rows: list[list[object]] = body.get("rows") or []
    made = [[_cell(name, kind, value) for (name, kind), value in zip(kinds, row, strict=True)] for row in rows[:most]]
    columns = [(name, bool(NUMBER.fullmatch(kind))) for name, kind in kinds]
    return Grid(columns, made, more=len(rows) > most or body.get("truncated") is True)


def _cell(name: str, kind: str, value: object) -> Cell:
    if kind.startswith("TIMESTAMP"):
        return Cell(numbers.moment(value))
    if isinstance(value, str) and value and name in _LINKS:
        return Cell(value, _LINKS[name](value))
    if isinstance(value, float) and NUMBER.fullmatch(kind):
        return Cell(_decimal(value))
    return Cell(numbers.number(value) if type(value) is int else numbers.plain(value))


def _decimal(value: float) -> str:
    """Return a number with up to four decimals; a small one with three digits that count."""
    if value and abs(value) < 0.01:  # noqa: PLR2004 - beyond what four decimals tell well
        return numbers.number(value)
    text = f"{value:,.4f}".rstrip("0").rstrip(".")
    return text.replace("-", "\N{MINUS SIGN}", 1)


def chart(tile: Tile, body: Body) -> Chart:
    """Return a chart of an answer; raises InputError."""
    if wrong := wrong_column(tile, _columns(body)):
        raise InputError(wrong)
    label = f"{tile.title}: {tile.y} by {tile.x}" + (f" and {tile.color}" if tile.color else "")
    return Chart(json.dumps(_spec(tile, body), separators=(",", ":")), label, grid(body))


def _kind(type_: str) -> str:
    """Return what Vega-Lite calls a type."""
    if NUMBER.fullmatch(type_):
        return "quantitative"
    return "temporal" if type_.startswith(("TIMESTAMP", "DATE")) else "nominal"


def _number(value: object) -> object:
    """Return a value of a column of numbers: those that JSON has as text among them."""
    return float(value) if isinstance(value, str) else value


def _title(column: str) -> str:
    """Return the name of a column for a chart: Vega-Lite writes it into an expression, and escapes too little there."""
    return specs.text(column).translate({0x5C: "\N{SET MINUS}", 0x22: "\N{RIGHT DOUBLE QUOTATION MARK}"})


_HEIGHT = 220
_BAR = 24
_MOST_BARS = 40
_MOST_POINTS = 200


def _spec(tile: Tile, body: Body) -> specs.Spec:
    """Return the Vega-Lite specification of a chart, with its rows in it.

    Columns go by the name of their channel, for their own may hold what Vega reads as a path ("a.b", "n[0]").
    """
    types = _columns(body)
    names = list(types)
    used = {
        channel: column for channel in ("x", "y", "color") if (column := cast("str | None", getattr(tile, channel)))
    }
    kinds = {channel: _kind(types[column]) for channel, column in used.items()} | (
        {"color": "nominal"} if tile.color else {}
    )
    place = {channel: names.index(column) for channel, column in used.items()}
    rows: list[list[object]] = body.get("rows") or []
    values = [{channel: _value(kinds[channel], row[at]) for channel, at in place.items()} for row in rows]

    def field(channel: str, **more: Any) -> specs.Spec:
        own: specs.Spec = {"field": channel, "type": kinds[channel], "title": _title(used[channel])}
        return own | ({"scale": {"type": "utc"}} if kinds[channel] == "temporal" else {}) | more

    tooltip = [
        {name: value for name, value in field(channel).items() if name != "scale"}
        | ({"timeUnit": "utcyearmonthdatehoursminutes"} if kinds[channel] == "temporal" else {})
        for channel in used
    ]
    encoding: specs.Spec = {"tooltip": tooltip}
    if "color" in used:
        scale = _scale({str(value["color"]) for value in values})
        encoding["color"] = field(
            "color", title=None, **scale, legend={"orient": "top", "symbolLimit": 12, "labelLimit": 200}
        )
    base: specs.Spec = {
        "data": {"values": values},
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
    }
    if tile.mark == "bar" and kinds["x"] == "nominal":
        return base | _lying(field, encoding, [value["x"] for value in values])
    x = field("x", title=None) if kinds["x"] == "temporal" else field("x")
    if tile.mark == "bar" and kinds["x"] == "quantitative":
        x |= {"type": "ordinal", "axis": {"labelAngle": 0, "labelOverlap": True}}
    if tile.mark == "bar" and (unit := _unit(kinds["x"], [value["x"] for value in values])):
        x |= {"timeUnit": unit}
    mark = _MARKS[str(tile.mark)] | ({"point": len(rows) <= _MOST_POINTS} if tile.mark == "line" else {})
    return base | {"height": _HEIGHT, "mark": mark, "encoding": encoding | {"x": x, "y": field("y")}}


_TONES = {"good": "#2f9e6e", "bad": "#d6493f", "warn": "#c98a1b", "info": "#4a7fd6", "neutral": "#8a93a3"}
"""Tone of a status -> a colour that is seen on light and dark pages."""


def _scale(names: set[str]) -> specs.Spec:
    """Return the colours of series; those of statuses say how they are meant."""
    if not names or not names <= TONES.keys():
        return {}
    known = sorted(names)
    return {"scale": {"domain": known, "range": [_TONES[TONES[name]] for name in known]}}


_MARKS: Mapping[str, specs.Spec] = {
    "line": {"type": "line", "strokeWidth": 2},
    "bar": {"type": "bar"},
    "point": {"type": "point", "filled": True, "opacity": 0.7},
    "area": {"type": "area", "line": True, "opacity": 0.75},
}


def _lying(field: Callable[..., specs.Spec], encoding: specs.Spec, categories: Sequence[object]) -> specs.Spec:
    """Return bars along the width, one below the other, so that their names can be read."""
    known = list(dict.fromkeys(categories))[:_MOST_BARS]
    y = field("x", title=None, sort=None, scale={"domain": known})
    return {
        "height": _BAR * len(known) + 20,
        "mark": {"type": "bar", "clip": True},
        "transform": [{"filter": {"field": "x", "oneOf": known}}],
        "encoding": encoding | {"y": y, "x": field("y")},
    }


_UNITS = (
    ("T00:00:00.000Z", "utcyearmonthdate"),
    (":00:00.000Z", "utcyearmonthdatehours"),
    (":00.000Z", "utcyearmonthdatehoursminutes"),
)
"""How all times end -> the unit that makes their bars as wide as it is."""


def _unit(kind: str, times: Sequence[object]) -> str | None:
    """Return the largest unit of time that all bars begin with; None when there is none."""
    texts = [time for time in times if isinstance(time, str)]
    if kind != "temporal" or not texts:
        return None
    for end, unit in _UNITS:
        if all(len(text) == len("2026-01-01") or text.endswith(end) for text in texts):
            return unit
    return None


def _value(kind: str, value: object) -> object:
    match kind:
        case "quantitative":
            return _number(value)
        case "nominal":
            return numbers.DASH if value is None else specs.text(numbers.plain(value))
        case _:
            return value


def sql_address(tile: Tile, asked: Statement) -> str | None:
    """Return the address of the SQL page that gives the same rows (web/src/state.ts); None when it is too long."""
    query = {"q": asked.sql}
    if asked.params:
        given = {name: [asked.types[name], _text(value)] for name, value in asked.params.items()}
        query["params"] = json.dumps(given)
    if tile.show == "chart":
        drawing = {"mark": "line" if tile.mark == "area" else tile.mark, "x": tile.x, "y": tile.y, "color": tile.color}
        query |= {"view": "chart"} | {name: value for name, value in drawing.items() if value}
    address = f"/sql?{urlencode(query, quote_via=quote)}"
    return address if len(address) <= ADDRESS_CHARACTERS else None


def _text(value: object) -> str:
    """Return a value as the SQL page has it in its field; an empty one is null."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
