"""Dashboards as text: what is refused and how it is named, round trips, and what a tile asks."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.dashboards import MAX_TILES, Dashboard, Tile, as_body, as_file, loaded, parsed, statement, used
from queries.guard.tokens import tokens
from warehouse.errors import InputError, QueryError

SHARED: dict[str, str | None] = {
    "from": "2026-09-01T00:00:00.000000Z",
    "to": "2026-09-08T00:00:00.000000Z",
    "environment": None,
}
GOOD: dict[str, Any] = {"title": "t", "show": "table", "sql": "SELECT 1"}

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no title": ({"title": ""}, "tiles[1]: title is '', must be text of 1 to 200 characters"),
    "a long title": ({"title": "x" * 201}, "must be text of 1 to 200 characters"),
    "a title that is a number": ({"title": 7}, "tiles[1]: title is '7', must be text of 1 to 200 characters"),
    "an unknown way to show": ({"show": "pie"}, "tiles[1] ('t'): show is 'pie', must be one of number, table, chart"),
    "too wide": ({"width": 5}, "tiles[1] ('t'): width is '5', must be a whole number, 1 to 4"),
    "no width": ({"width": 0}, "width is '0', must be a whole number, 1 to 4"),
    "half a width": ({"width": 1.5}, "width is '1.5', must be a whole number, 1 to 4"),
    "neither": ({"sql": None}, "query or sql is missing, must be one"),
    "blank": ({"sql": " \n "}, "query or sql is missing, must be one"),
    "both": ({"query": "q"}, "query and sql are both given, must be one of them"),
    "lines of something else": (
        {"sql": ["SELECT", 1]},
        "sql is '[\"SELECT\", 1]', must be text, or a list of its lines",
    ),
    "a version of none": ({"version": 2}, "version is 2, and there is no query to have it"),
    "version zero": ({"version": 0}, "version is '0', must be a whole number from 1"),
    "a chart without a mark": ({"show": "chart", "x": "a", "y": "b"}, "mark is missing, must be one of line, bar"),
    "a chart without y": ({"show": "chart", "x": "a", "mark": "bar"}, "y is missing, must be the name of a column"),
    "an unknown mark": (
        {"show": "chart", "x": "a", "y": "b", "mark": "pie"},
        "mark is 'pie', must be one of line, bar, point, area",
    ),
    "a table with a mark": ({"mark": "bar"}, "mark is 'bar', which is for a chart; show is 'table'"),
    "a table with a colour": ({"color": "c"}, "color is 'c', which is for a chart; show is 'table'"),
    "a table with a format": ({"format": "percent"}, "format is 'percent', which is for a number"),
    "an unknown format": ({"show": "number", "format": "euro"}, "format is 'euro', must be one of plain, percent"),
    "good sideways": ({"show": "number", "good": "left"}, "good is 'left', must be one of up, down"),
    "params that are a list": ({"params": [1]}, "params is '[1]', must be an object, name -> value"),
    "a value that is an object": ({"params": {"a": {"b": 1}}}, "parameter 'a' is"),
    "a value of 71 bits": (
        {"params": {"a": 2**70}},
        "parameter 'a' is '1180591620717411303424', must be a whole number",
    ),
    "a long value": ({"params": {"a": "x" * 10_001}}, "must be text of at most 10000 characters"),
    "an unknown field": ({"titel": "x"}, "tiles[1] ('t') has the field 'titel', which there is not"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_tile_that_cannot_be_is_named(case: str) -> None:
    """By its position and title, with the value and what it must be; the tile before it is not to blame."""
    change, words = WRONG[case]
    tile = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    made, flaws = parsed({"title": "d", "tiles": [GOOD, tile]})
    assert made is None
    [flaw] = flaws
    assert 1 == flaw.tile
    assert isinstance(flaw.error, InputError)
    assert "bad_parameter" == flaw.error.code
    assert flaw.error.message.startswith("tiles[1]")
    assert words in flaw.error.message
    assert len(flaw.error.message) < 500


WRONG_WHOLE: dict[str, tuple[object, str]] = {
    "a list": ([], "the dashboard is '[]', must be an object"),
    "nothing": (None, "the dashboard is 'null', must be an object"),
    "no title": ({"tiles": [GOOD]}, "title is missing, must be text of 1 to 200 characters"),
    "no tiles": ({"title": "d"}, "tiles is missing, must be a list of 1 to 40 tiles"),
    "none of them": ({"title": "d", "tiles": []}, "tiles is '[]', must be a list of 1 to 40 tiles"),
    "too many": ({"title": "d", "tiles": [GOOD] * 41}, "must be a list of 1 to 40 tiles"),
    "an unknown time": ({"title": "d", "last": "2d", "tiles": [GOOD]}, "last is '2d', must be one of 1h, 24h, 7d"),
    "a long description": ({"title": "d", "description": "x" * 10_001, "tiles": [GOOD]}, "at most 10000 characters"),
    "an unknown field": ({"title": "d", "tile": [], "tiles": [GOOD]}, "the dashboard has the field 'tile'"),
}


@pytest.mark.parametrize("case", WRONG_WHOLE)
def test_a_dashboard_that_cannot_be_is_refused(case: str) -> None:
    """With the field, the value and the bound; not with a tile."""
    given_, words = WRONG_WHOLE[case]
    made, flaws = parsed(given_)
    assert made is None
    assert flaws[0].tile is None
    assert words in flaws[0].error.message


def test_every_tile_that_is_wrong_is_named() -> None:
    """Not only the first one, so a form can show each at its place."""
    tiles = [GOOD, {**GOOD, "width": 9}, GOOD, 7, {**GOOD, "show": "pie"}]
    _, flaws = parsed({"title": "", "tiles": tiles})
    assert [None, 1, 3, 4] == [flaw.tile for flaw in flaws]


def test_the_most_tiles_there_can_be() -> None:
    """Forty, each of the largest width, are a dashboard."""
    made, flaws = parsed({"title": "d", "tiles": [{**GOOD, "width": 4}] * MAX_TILES})
    assert not flaws
    assert made is not None
    assert MAX_TILES == len(made.tiles)


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
PRINTED = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=20)
"""Words that a field of a form can hold."""
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), WORDS
)


@st.composite
def tiles(draw: st.DrawFn, words: st.SearchStrategy[str]) -> Tile:
    """Return any tile there can be, made of such words."""
    show = draw(st.sampled_from(["number", "table", "chart"]))
    more: dict[str, Any] = {}
    if draw(st.booleans()):
        more |= {"query": draw(words), "version": draw(st.none() | st.integers(1, 2**53))}
    else:
        more["sql"] = draw(words.filter(str.strip)) + draw(st.sampled_from(["", "\n", "\nFROM runs", "\n\n--\n"]))
    if show == "chart":
        more |= {"mark": draw(st.sampled_from(["line", "bar", "point", "area"])), "x": draw(words), "y": draw(words)}
        more["color"] = draw(st.none() | words)
    if show == "number":
        more["format"] = draw(st.sampled_from([None, "plain", "percent", "dollars", "duration_ms"]))
        more["good"] = draw(st.sampled_from([None, "up", "down"]))
    more["params"] = draw(st.dictionaries(words, VALUES | st.lists(st.integers(0, 9)), max_size=3))
    return Tile(title=draw(words), show=show, width=draw(st.integers(1, 4)), **more)  # pyright: ignore[reportArgumentType]


def dashboards(words: st.SearchStrategy[str]) -> st.SearchStrategy[Dashboard]:
    """Return any dashboard there can be, made of such words."""
    return st.builds(
        Dashboard,
        title=words,
        description=st.just("") | words,
        last=st.sampled_from(["1h", "24h", "7d", "30d", "90d", "all"]),
        tiles=st.lists(tiles(words), min_size=1, max_size=4).map(tuple),
    )


@given(dashboards(WORDS))
def test_a_dashboard_goes_round_without_a_change(dashboard: Dashboard) -> None:
    """As the file for git and as the body of routes, over JSON text; and the file's text is the same again."""
    for written in (as_file, as_body):
        text = json.dumps(written(dashboard), ensure_ascii=False, indent=2)
        made, flaws = parsed(loaded(text.encode()))
        assert not flaws
        assert dashboard == made
        assert made is not None
        assert text == json.dumps(written(made), ensure_ascii=False, indent=2)


MALFORMED: dict[str, tuple[bytes, int | None, int | None]] = {
    "a comma too many": (b'{\n  "title": "d",\n}', 3, 1),
    "nothing": (b"", 1, 1),
    "a word": (b'{"title": nope}', 1, 11),
    "more after it": (b"{}\n{}", 2, 1),
    "not a number": (b'{"x": NaN}', None, None),
    "half a character": (b'{"title": "\\ud800"}', None, None),
    "no UTF-8": (b'{"title": "\xff"}', None, None),
    "nested too deeply": (b"[" * 200_000, None, None),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_text_that_is_no_json_says_where(case: str) -> None:
    """Line and column from 1, as an editor counts."""
    text, line, col = MALFORMED[case]
    with pytest.raises(QueryError) as refused:
        loaded(text)
    assert ("malformed", line, col) == (refused.value.code, refused.value.line, refused.value.col)


GOLDEN = [path.read_text() for path in sorted((Path(__file__).parent / "guard" / "golden").rglob("*.sql"))]


CLOSED = [
    one for text in GOLDEN for one in text.split(";") if "$" in one and all(t.kind != "unclosed" for t in tokens(one))
]
"""Statements of the guard's golden files whose quotes and comments end; the others are refused whatever is bound."""


def by_tokens(sql: str) -> list[str]:
    """Return the parameters as the guard's own reading of tokens has them."""
    found: dict[str, str] = {}
    read = list(tokens(sql))
    for one, after in itertools.pairwise(read):
        if one.text == "$" and after.kind == "word" and one.end == after.start:
            found.setdefault(after.text.lower(), after.text)
    return list(found.values())


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT $a, '$b', \"$c\", $d -- $e\n, /* $f */ $A, $$ $g $$, $t$ $h $t$, $i",
        "SELECT e'it\\'s $a', $b",
        "SELECT $1, $from, $é",
        *CLOSED,
    ],
)
def test_the_parameters_of_a_statement(sql: str) -> None:
    """Those outside of quotes and comments, as the guard's own reader finds them: over its golden statements too."""
    assert by_tokens(sql) == used(sql)


def test_a_tile_is_given_what_its_sql_has() -> None:
    """Of the dashboard's three values those the statement names, however spelled; a value of its own comes first."""
    tile = Tile("t", "table", sql="SELECT $FROM, $Environment, $n, $ids", params={"n": 2.5, "ids": [1, 2]})
    asked = statement(tile, None, SHARED)
    assert {"FROM": SHARED["from"], "Environment": None, "n": 2.5, "ids": [1, 2]} == asked.params
    assert {"FROM": "timestamp", "Environment": "text", "n": "number", "ids": "integer[]"} == asked.types
    own = Tile("t", "table", sql="SELECT $from, $to", params={"from": "2020-01-01"})
    assert {"from": "2020-01-01", "to": SHARED["to"]} == statement(own, None, SHARED).params


SAVED: dict[str, Any] = {
    "sql": "SELECT $from, $day, $environment, $status",
    "params": {
        "from": {"type": "date"},
        "day": {"type": "date", "default": "2026-01-01"},
        "environment": {"type": "text", "default": "production"},
        "status": {"type": "text", "choices": ["Failed", "Completed"]},
    },
}


def test_a_saved_query_is_given_values_of_its_types() -> None:
    """A date of the dashboard's time; no environment is the query's own default; what it needs must be there."""
    tile = Tile("t", "table", query="q", params={"status": "Failed"})
    asked = statement(tile, SAVED, SHARED)
    assert {"from": "2026-09-01", "day": "2026-01-01", "environment": "production", "status": "Failed"} == asked.params
    assert "date" == asked.types["from"]
    staging = statement(tile, SAVED, {**SHARED, "environment": "staging"})
    assert "staging" == staging.params["environment"]
    for params, words in (
        ({}, "params has no 'status', which the query 'q' needs"),
        ({"status": "Gone"}, "parameter 'status' is 'Gone', must be one of Failed, Completed"),
        ({"status": "Failed", "stauts": 1}, "the query 'q' has no parameter 'stauts'"),
    ):
        with pytest.raises(InputError, match=re.escape(words)):
            statement(Tile("t", "table", query="q", params=params), SAVED, SHARED)
