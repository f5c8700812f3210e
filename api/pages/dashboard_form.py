"""The form that a dashboard is edited in: a dashboard -> what its fields hold, and back to JSON that can be checked.

Fields are texts, as people type them, and stay as they are until they are right. Those of a tile are `0.title`,
`0.show` and so on.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from queries.dashboards import Flaw, as_file, loaded, place_of
from warehouse.errors import InputError, UpshotError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from queries.dashboards import Dashboard, Tile

OWN = ("title", "description", "last")
OF_TILE = (
    *("title", "show", "query", "version", "sql", "params", "mark", "x", "y", "color", "format", "good", "width"),
)
"""Fields of a tile, as in `queries.dashboards.Tile`."""

_ONLY = {"mark": "chart", "x": "chart", "y": "chart", "color": "chart", "format": "number", "good": "number"}
"""Field -> how a tile is shown that has it; others' are not asked for, whatever was typed before."""

_FIELD = re.compile(r"(\d{1,4})\.(\w+)", re.ASCII)
_ACTION = re.compile(r"(up|down|remove):(\d{1,4})", re.ASCII)

NEW_TILE = {"show": "table", "width": "2"}


@dataclass(frozen=True, slots=True)
class Draft:
    """A dashboard that is being edited."""

    own: dict[str, str]
    tiles: list[dict[str, str]] = field(default_factory=list[dict[str, str]])


def of_dashboard(dashboard: Dashboard) -> Draft:
    """Return the fields of a dashboard."""
    own = {"title": dashboard.title, "description": dashboard.description, "last": dashboard.last}
    return Draft(own, [_of_tile(tile) for tile in dashboard.tiles])


def _of_tile(tile: Tile) -> dict[str, str]:
    values = {name: getattr(tile, name) for name in OF_TILE}
    params = values.pop("params")
    texts = {name: str(value) for name, value in values.items() if value is not None}
    return texts | ({"params": json.dumps(params, ensure_ascii=False)} if params else {})


def of_fields(fields: Mapping[str, str]) -> Draft:
    """Return what a form was sent with; line ends as they are in SQL."""
    texts = {name: value.replace("\r\n", "\n") for name, value in fields.items()}
    tiles: dict[int, dict[str, str]] = {}
    for name, value in texts.items():
        found = _FIELD.fullmatch(name)
        if found and found[2] in OF_TILE:
            tiles.setdefault(int(found[1]), {})[found[2]] = value
    return Draft({name: texts.get(name, "") for name in OWN}, [tiles[at] for at in sorted(tiles)])


def changed(draft: Draft, action: str) -> Draft:
    """Return a draft after `add`, or `up:N`, `down:N`, `remove:N` of the tile N; another word changes nothing."""
    tiles = list(draft.tiles)
    if action == "add":
        tiles.append(dict(NEW_TILE))
    found = _ACTION.fullmatch(action)
    if found and (at := int(found[2])) < len(tiles):
        one = tiles.pop(at)
        if found[1] != "remove":
            tiles.insert(max(at - 1, 0) if found[1] == "up" else at + 1, one)
    return Draft(draft.own, tiles)


def given(draft: Draft) -> tuple[dict[str, Any], list[Flaw]]:
    """Return the JSON that a draft says, and the flaws of the fields that are no JSON of their own."""
    flaws: list[Flaw] = []
    tiles: list[dict[str, Any]] = []
    for index, texts in enumerate(draft.tiles):
        tile: dict[str, Any] = {
            name: text
            for name, text in texts.items()
            if text.strip() and _ONLY.get(name, texts.get("show")) == texts.get("show")
        }
        try:
            tile |= _read(tile)
        except UpshotError as error:
            flaws.append(Flaw(InputError(f"{place_of(index, tile)}: {error.message}"), index))
            tile.pop("params", None)
        tiles.append(tile)
    own = {name: text for name, text in draft.own.items() if text.strip() or name == "title"}
    return {**own, "tiles": tiles}, flaws


def _read(tile: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a tile that are no texts; raises UpshotError."""
    read: dict[str, Any] = {
        name: int(tile[name])
        for name in ("version", "width")
        if re.fullmatch(r"\s*\d{1,16}\s*", tile.get(name, ""), re.ASCII)
    }
    if "params" in tile:
        try:
            read["params"] = loaded(tile["params"])
        except UpshotError as error:
            raise InputError(f'params must be a JSON object such as {{"limit": 10}}, and {error.message}') from None
    return read


def as_text(dashboard: Dashboard) -> str:
    """Return a dashboard as the JSON that `GET /v1/dashboards/{name}?format=file` answers."""
    return json.dumps(as_file(dashboard), ensure_ascii=False, indent=2) + "\n"


def draft_as_text(draft: Draft) -> str:
    """Return a draft that is no dashboard yet as JSON of the same form."""
    body, _ = given(draft)
    tiles = [
        tile | {"sql": sql.split("\n")} if "\n" in (sql := tile.get("sql", "")) else tile for tile in body["tiles"]
    ]
    return json.dumps({**body, "tiles": tiles}, ensure_ascii=False, indent=2) + "\n"
