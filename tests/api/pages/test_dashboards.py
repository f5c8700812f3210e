"""The pages of dashboards: figures with their change, tables, charts that can be drawn, states, and the form."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import vl_convert
from hypothesis import given, settings

from api.dashboards import SHIPPED, Kept
from api.pages import dashboard_form as forms
from api.pages import dashboards, tiles
from api.pages.frame import Frame, Period
from queries.dashboards import Dashboard, Flaw, Tile, parsed, statement
from tests.api.pages.documents import HOSTILE, Document
from tests.queries.test_dashboards import PRINTED, SHARED
from tests.queries.test_dashboards import dashboards as made
from warehouse.errors import InputError, QueryError

ADMIN = Frame(rights=frozenset({"query", "admin"}), period=Period("24h", "2026-09-01T00:00Z", default="7d"))
NUMBER = Tile("n", "number", sql="SELECT 1")


def body(columns: dict[str, str], *rows: list[Any], truncated: bool = False) -> dict[str, Any]:
    """Return an answer of `POST /v1/query`."""
    named = [{"name": name, "type": type_} for name, type_ in columns.items()]
    return {"columns": named, "rows": [*rows], "row_count": len(rows), "truncated": truncated}


def kept(*own: Tile, **more: Any) -> Kept:
    """Return a dashboard of these tiles."""
    return Kept("own", 3, Dashboard(title=more.pop("title", "Own"), tiles=own, **more), 0)


def safe(html: str) -> Document:
    """Return a part or page that closes its tags and has no script, style or handler of its own."""
    document = Document(html)
    for element in document.elements:
        assert element.tag != "style"
        assert element.tag != "script" or element.attributes["src"]
        assert "alert(1)" not in element.tag
        for name, value in element.attributes.items():
            assert name != "style" and not name.startswith("on"), (element.tag, name)
            assert name not in ("href", "src", "action", "formaction") or not (value or "").startswith("javascript:")
    return document


FIGURES: dict[str, tuple[dict[str, Any], object, object, tuple[str, str | None, str | None, str]]] = {
    "grew": ({}, 1_234, 1_000, ("1,234", "1,000", "+23.4%", "neutral")),
    "grew, well": ({"good": "up"}, 3, 2, ("3", "2", "+50.0%", "good")),
    "grew, badly": ({"good": "down"}, 3, 2, ("3", "2", "+50.0%", "bad")),
    "fell, well": ({"good": "down"}, 1.5, 2.0, ("1.50", "2.00", "\u221225.0%", "good")),
    "fell below nothing": ({"good": "up"}, -1, 2, ("\u22121", "2", "\u2212150.0%", "bad")),
    "stayed": ({"good": "up"}, 2, 2, ("2", "2", "no change", "neutral")),
    "came from nothing": ({"good": "up"}, 2, 0, ("2", "0", None, "good")),
    "a share": ({"format": "percent", "good": "down"}, 0.028, 0.025, ("2.8%", "2.5%", "+0.30 pts", "bad")),
    "dollars": ({"format": "dollars"}, 50.921, 25.4605, ("$50.92", "$25.46", "+100.0%", "neutral")),
    "a duration": ({"format": "duration_ms"}, 6_140, 6_140, ("6.14 s", "6.14 s", "no change", "neutral")),
    "nothing before": ({}, 7, None, ("7", None, None, "neutral")),
    "nothing now": ({"good": "up"}, None, 7, ("\u2013", None, None, "neutral")),
    "a word": ({}, "healthy", 7, ("healthy", None, None, "neutral")),
}


@pytest.mark.parametrize("case", FIGURES)
def test_a_number_and_its_change(case: str) -> None:
    """In percent of what it was, of a share in points; good and bad as the tile says."""
    more, now, before, wanted = FIGURES[case]
    tile = Tile("n", "number", sql="SELECT 1", **more)
    earlier = None if before is None else body({"n": "DOUBLE"}, [before])
    found = tiles.figure(tile, body({"n": "DOUBLE"}, [now]), earlier)
    assert wanted == (found.text, found.before, found.change, found.tone)


def test_no_rows_are_no_number() -> None:
    """And no error."""
    assert "\u2013" == tiles.figure(NUMBER, body({"n": "DOUBLE"}), None).text


def test_cells() -> None:
    """Times as people read them, large numbers in groups, ids as links; a text that is longer can be opened."""
    columns = {
        "run_id": "VARCHAR",
        "at": "TIMESTAMP WITH TIME ZONE",
        "n": "BIGINT",
        "x": "DOUBLE",
        "experiment": "VARCHAR",
    }
    long = "x" * 300
    found = tiles.grid(
        body(columns, ["a/b", "2026-09-01T08:02:00.000Z", 12_345, 0.5, long], [None, None, None, None, None])
    )
    assert ["a/b", "1 Sep 2026, 08:02 UTC", "12,345", "0.5", long] == [cell.text for cell in found.rows[0]]
    assert ["\u2013"] * 5 == [cell.text for cell in found.rows[1]]
    assert ["/runs/a%2Fb", None, None, None, f"/experiments/{long}"] == [cell.link for cell in found.rows[0]]
    assert [False, False, True, True, False] == [is_number for _, is_number in found.columns]
    for value, text in ((0.00123, "0.00123"), (-1234.5, "\u22121,234.5"), (2.0, "2"), (1e15, "1,000,000,000,000,000")):
        assert text == tiles.grid(body({"x": "DOUBLE"}, [value])).rows[0][0].text


TIMES = ["2026-09-01T00:00:00.000Z", "2026-09-02T00:00:00.000Z", "2026-09-03T00:00:00.000Z"]
KINDS: dict[str, tuple[str, list[Any]]] = {
    "days": ("DATE", ["2026-09-01", "2026-09-02", "2026-09-03"]),
    "times": ("TIMESTAMP WITH TIME ZONE", TIMES),
    "words": ("VARCHAR", ["a", "b", HOSTILE]),
    "numbers": ("INTEGER", [1, 2, 3]),
}
STRANGE = 'a.b["\\"]\\'
"""A name of a column that Vega would read as a path, and that ends a text of its expressions."""


def drawn(chart: tiles.Chart) -> str:
    """Return a chart as SVG, by the Vega that draws the reports; a page gives it its width."""
    spec = json.loads(chart.spec) | {"width": 400}
    return vl_convert.vegalite_to_svg(spec, vl_version="6.4")


@pytest.mark.parametrize("mark", ["line", "bar", "point", "area"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_mark_over_every_kind_of_x_is_drawn(mark: Any, kind: str) -> None:
    """With strange names of columns and series; each row of the answer is in the data, each series in the legend."""
    type_, values = KINDS[kind]
    columns = {STRANGE: type_, f"{STRANGE} y": "DECIMAL(18,3)", f"{STRANGE} c": "VARCHAR"}
    rows = [
        [value, "1.5" if series == "north" else at, series]
        for at, value in enumerate(values)
        for series in ("north", "south")
    ]
    tile = Tile("t", "chart", sql="SELECT 1", mark=mark, x=STRANGE, y=f"{STRANGE} y", color=f"{STRANGE} c")
    chart = tiles.chart(tile, body(columns, *rows))
    spec = json.loads(chart.spec)
    assert 6 == len(spec["data"]["values"])
    assert "url" not in json.dumps(spec)
    svg = drawn(chart)
    assert "north" in svg and "south" in svg
    assert "<script" not in svg


def test_bars_are_as_wide_as_their_time() -> None:
    """The unit is the largest that all begin with; of odd times there is none."""
    tile = Tile("t", "chart", sql="SELECT 1", mark="bar", x="at", y="n")
    for time, unit in (
        ("2026-09-01T00:00:00.000Z", "utcyearmonthdate"),
        ("2026-09-01T07:00:00.000Z", "utcyearmonthdatehours"),
        ("2026-09-01T07:30:00.000Z", "utcyearmonthdatehoursminutes"),
        ("2026-09-01T07:30:12.500Z", None),
    ):
        chart = tiles.chart(tile, body({"at": "TIMESTAMP", "n": "BIGINT"}, [TIMES[0], 1], [time, 2]))
        assert unit == json.loads(chart.spec)["encoding"]["x"].get("timeUnit")


def test_statuses_have_colours_that_say_how_they_are_meant() -> None:
    """Those the product knows; other series have the palette's."""
    tile = Tile("t", "chart", sql="SELECT 1", mark="bar", x="at", y="n", color="status")
    columns = {"at": "VARCHAR", "n": "BIGINT", "status": "VARCHAR"}
    known = json.loads(tiles.chart(tile, body(columns, ["a", 1, "Failed"], ["a", 1, "Completed"])).spec)
    assert ["Completed", "Failed"] == known["encoding"]["color"]["scale"]["domain"]
    assert 2 == len(set(known["encoding"]["color"]["scale"]["range"]))
    other = json.loads(tiles.chart(tile, body(columns, ["a", 1, "Failed"], ["a", 1, "Lost"])).spec)
    assert "scale" not in other["encoding"]["color"]


def test_a_chart_whose_columns_are_gone_says_so() -> None:
    """As a saved query may change under a dashboard."""
    tile = Tile("t", "chart", sql="SELECT 1", mark="bar", x="a", y="b")
    with pytest.raises(InputError, match="y is 'b', must be a column of its result: a"):
        tiles.shown(tile, body({"a": "INTEGER"}, [1]), None, None)
    with pytest.raises(InputError, match="y is 'b', a VARCHAR, must be a column of numbers"):
        tiles.shown(tile, body({"a": "INTEGER", "b": "VARCHAR"}, [1, "x"]), None, None)


STATES: dict[str, tuple[Tile, dict[str, Any], str]] = {
    "a number": (NUMBER, body({"n": "BIGINT"}, [1_234]), "1,234"),
    "no value": (NUMBER, body({"n": "BIGINT"}, [None]), "no value"),
    "a table": (Tile("t", "table", sql="x"), body({"n": "VARCHAR"}, ["here"]), "here"),
    "a table that is cut": (
        Tile("t", "table", sql="x"),
        body({"n": "BIGINT"}, *([n] for n in range(50)), truncated=True),
        "truncated: the first 50 rows",
    ),
    "no rows": (Tile("t", "table", sql="x"), body({"n": "VARCHAR"}), "No rows in this time."),
    "a chart of nothing": (
        Tile("t", "chart", sql="x", mark="bar", x="a", y="b"),
        body({"a": "VARCHAR", "b": "BIGINT"}),
        "No rows in this time.",
    ),
    "a chart that is cut": (
        Tile("t", "chart", sql="x", mark="bar", x="a", y="b"),
        body({"a": "VARCHAR", "b": "BIGINT"}, ["x", 1], truncated=True),
        "truncated: there are more rows than are drawn",
    ),
}


@pytest.mark.parametrize("case", STATES)
def test_every_state_of_a_tile(case: str) -> None:
    """As a part for the page's script, and as a page of its own for who follows the link."""
    tile, answer, words = STATES[case]
    shown = tiles.shown(tile, answer, None, "/sql?q=x")
    one = kept(NUMBER, tile)
    part = safe(dashboards.tile(one, 1, shown, ADMIN))
    assert words in part.words
    assert ("section", "tile-1") == (part.elements[0].tag, part.elements[0].attributes["id"])
    assert "/sql?q=x" in part.links()
    whole = safe(dashboards.alone(one, 1, shown, ADMIN))
    assert "html" == whole.elements[0].tag
    assert words in whole.words
    assert "/dashboards/own?last=24h" in whole.links()


def test_a_chart_stands_there_for_the_script_and_as_numbers() -> None:
    """The specification in an attribute, read back as it was; the same rows in a table; a name for both."""
    tile = Tile("T", "chart", sql="x", mark="line", x="a", y="b")
    shown = tiles.shown(tile, body({"a": "VARCHAR", "b": "BIGINT"}, [HOSTILE, 7]), None, None)
    part = safe(dashboards.tile(kept(tile), 0, shown, ADMIN))
    [figure] = part.all("figure")
    spec = json.loads(figure.attributes["data-spec"] or "")
    assert 7 == spec["data"]["values"][0]["y"]
    assert "T: b by a" == figure.attributes["aria-label"]
    assert HOSTILE in [cell.words for cell in part.all("td")]


def test_a_tile_that_failed_says_why() -> None:
    """With the code, the place in its SQL, a hint, a link to the SQL and one to try again."""
    error = {
        "code": "unknown_table",
        "message": f"no table {HOSTILE}",
        "hint": "did you mean 'runs'?",
        "line": 2,
        "col": 6,
    }
    part = safe(dashboards.tile(kept(NUMBER), 0, tiles.Shown(error=error, sql="/sql?q=x"), ADMIN))
    assert "alert" in [one.attributes.get("role") for one in part.elements]
    for words in ("no table", HOSTILE, "did you mean 'runs'?", "unknown_table", "line 2, column 6"):
        assert words in part.words
    assert ["/sql?q=x", "/dashboards/own/tiles/0?last=24h"] == part.links()


def test_the_page_is_there_before_its_tiles() -> None:
    """Each is asked for by itself over the page's time and environment; without JavaScript it is a link."""
    frame = Frame(period=Period("24h", "2026-09-01T00:00Z", default="7d"), environment="a&b")
    one = kept(NUMBER, Tile("t", "table", sql="x", width=4), description="Why.")
    document = safe(dashboards.dashboard(one, frame))
    awaited = [one for one in document.all("section") if "hx-get" in one.attributes]
    wanted = [f"/dashboards/own/tiles/{n}?last=24h&environment=a%26b" for n in range(2)]
    assert wanted == [one.attributes["hx-get"] for one in awaited]
    assert {("load", "outerHTML", "true")} == {
        (one.attributes["hx-trigger"], one.attributes["hx-swap"], one.attributes["aria-busy"]) for one in awaited
    }
    unscripted = [one.attributes["href"] for one in document.all("a") if "noscript" in one.inside]
    assert wanted == unscripted
    assert "w4" in (awaited[1].attributes["class"] or "").split()
    assert "Why." in document.words


def test_the_list_names_what_ships() -> None:
    """And what was saved over it; only who may save is offered a new one."""
    known = [Kept(name, 0, one, None) for name, one in SHIPPED.items()] + [kept(NUMBER, title=HOSTILE)]
    document = safe(dashboards.dashboards(known, ADMIN))
    assert {f"/dashboards/{name}?last=24h" for name in (*SHIPPED, "own")} <= set(document.links())
    assert "/dashboards/new" in document.links()
    assert HOSTILE in document.words
    assert "/dashboards/new" not in safe(dashboards.dashboards(known, Frame())).links()
    over = Kept("agent-health", 4, SHIPPED["agent-health"], 0)
    assert "version 4, over the one that ships" in safe(dashboards.dashboards([over], ADMIN)).words


def test_the_sql_of_a_tile_with_its_values() -> None:
    """As web/src/state.ts reads it: types and texts of values, nothing for null; too long an address is none."""
    tile = Tile("t", "chart", sql="SELECT $from, $environment, $n, $l, $b", mark="area", x="a", y="b",
                params={"n": 2, "l": [1, 2], "b": True})  # fmt: skip
    address = tiles.sql_address(tile, statement(tile, None, SHARED))
    query = {name: values[0] for name, values in parse_qs(urlsplit(address or "").query).items()}
    assert {"q": tile.sql, "view": "chart", "mark": "line", "x": "a", "y": "b"} == {
        name: value for name, value in query.items() if name != "params"
    }
    assert {
        "from": ["timestamp", SHARED["from"]],
        "environment": ["text", ""],
        "n": ["integer", "2"],
        "l": ["integer[]", "[1, 2]"],
        "b": ["boolean", "true"],
    } == json.loads(query["params"])
    long = Tile("t", "table", sql="SELECT 1 --" + "x" * 16_000)
    assert tiles.sql_address(long, statement(long, None, SHARED)) is None


def sent(form: dashboards.Form, saved: tuple[str, ...] = ()) -> dict[str, str]:
    """Return what a browser sends of the form on the page: its fields as they stand there."""
    document = safe(dashboards.edit(form, saved, ADMIN))
    fields: dict[str, str] = {}
    select = ""
    for element in document.elements:
        match element.tag:
            case "input" if name := element.attributes.get("name"):
                fields[name] = element.attributes.get("value") or ""
            case "textarea":  # the first line end of the element's text is not a part of it
                text = element.words.removeprefix("\n")
                fields[element.attributes["name"] or ""] = text.replace("\n", "\r\n")
            case "select":
                select = element.attributes["name"] or ""
            case "option" if "selected" in element.attributes:
                fields[select] = element.attributes["value"] or ""
            case _:
                pass
    return fields


@settings(max_examples=40)
@given(made(PRINTED))
def test_a_form_that_is_sent_as_it_is_changes_nothing(dashboard: Dashboard) -> None:
    """Whatever a dashboard holds: over the page's own fields, as a browser sends them, and as JSON in the page."""
    form = dashboards.Form("own", forms.of_dashboard(dashboard), over=1)
    draft = forms.of_fields(sent(form, ("some", "others")))
    given_, unread = forms.given(draft)
    assert not unread
    assert (dashboard, []) == parsed(given_)
    text = forms.as_text(dashboard)
    assert text == sent(dashboards.Form("own", form.draft, over=1, text=text))["json"].replace("\r\n", "\n")
    assert (dashboard, []) == parsed(json.loads(forms.draft_as_text(draft)))


def test_tiles_are_moved_added_and_removed() -> None:
    """By the words of the form's buttons; a word or a tile that there is not changes nothing."""
    draft = forms.Draft({"title": "d"}, [{"title": name} for name in "abc"])

    def after(action: str) -> str:
        return "".join(tile.get("title", "+") for tile in forms.changed(draft, action).tiles)

    cases = {"up:2": "acb", "up:0": "abc", "down:0": "bac", "down:2": "abc", "remove:1": "ac", "add": "abc+"}
    assert cases == {action: after(action) for action in cases}
    for nothing in ("save", "up:9", "up:-1", "up:", "sideways:1", ""):
        assert "abc" == after(nothing)


def test_what_was_typed_stays_with_what_is_wrong() -> None:
    """At its tile; fields of another way to show a tile are not asked for, and values that are no JSON are named."""
    fields = {
        "title": "d",
        "0.title": "first",
        "0.show": "table",
        "0.sql": "SELECT 1",
        "0.mark": "bar",
        "1.title": HOSTILE,
        "1.show": "number",
        "1.sql": "SELECT 1",
        "1.params": "{'a': 1}",
        "1.width": "nine",
        "1.unknown": "x",
    }
    draft = forms.of_fields(fields)
    given_, unread = forms.given(draft)
    assert [1] == [flaw.tile for flaw in unread]
    assert "params must be a JSON object" in unread[0].error.message
    _, flaws = parsed(given_)
    assert [(1, True)] == [(flaw.tile, "width is 'nine'" in flaw.error.message) for flaw in flaws]
    document = safe(dashboards.edit(dashboards.Form("own", draft, over=1, flaws=unread), (), ADMIN))
    [wrong] = [one for one in document.all("fieldset") if "problem" in (one.attributes["class"] or "").split()]
    assert "params must be a JSON object" in wrong.words
    assert "tile-1" == wrong.attributes["id"]
    values = {one.attributes.get("name"): one.attributes.get("value") for one in document.all("input")}
    assert ("{'a': 1}", HOSTILE) == (values["1.params"], values["1.title"])


def test_json_that_is_none_shows_where() -> None:
    """The line with a caret under the column, and the text as it was typed."""
    text = '{\n  "title": "d",\n}\n'
    error = QueryError("this is not JSON", code="malformed", line=3, col=1)
    form = dashboards.Form("own", forms.Draft({}), over=1, text=text, flaws=[Flaw(error)])
    document = safe(dashboards.edit(form, (), ADMIN))
    assert "line 3, column 1" in document.words
    [excerpt] = document.all("pre")
    assert "^" in excerpt.words
    assert text == sent(form)["json"].replace("\r\n", "\n")


def test_who_may_not_save_gets_no_form() -> None:
    """But is told why, and where the JSON is."""
    form = dashboards.Form("own", forms.of_dashboard(SHIPPED["agent-health"]), over=0)
    document = safe(dashboards.edit(form, (), Frame(rights=frozenset({"query"}))))
    main = document.words
    assert "takes the right admin, and you have query" in " ".join(main.split())
    assert not [one for one in document.all("form") if "board" in (one.attributes.get("class") or "")]
    assert "/v1/dashboards/own?format=file" in document.links()
