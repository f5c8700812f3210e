"""Dashboards on pages: looked at and edited over HTTP by plain forms, as a browser without JavaScript would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.pages.documents import HOSTILE, Document
from tests.support.server import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

SEEN = {"title": "Seen", "last": "all", "tiles": [{"title": "n", "show": "number", "sql": "SELECT count(*) FROM runs"}]}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this module's own, with a run of a hostile name."""
    with serving(tmp_path_factory.mktemp("pages") / "data") as running:
        run = {"type": "run", "id": HOSTILE, "function_id": HOSTILE, "status": "Completed", "started_at": "2026-09-01"}
        more = [
            {"type": "run", "id": f"r{n}", "status": "Running", "started_at": f"2026-09-0{1 + n}T00:00:00Z"}
            for n in range(5)
        ]
        assert [] == running.ingest([run, *more])["rejected"]
        yield running


def main_of(answer: httpx.Response) -> str:
    """Return the words of a page's main part, with single spaces."""
    document = Document(answer.text)
    [found] = [one for one in document.elements if one.tag == "main"]
    return " ".join(found.words.split())


def fields_of(answer: httpx.Response) -> dict[str, str]:
    """Return what a browser would send of the form."""
    found: dict[str, str] = {}
    select = ""
    for element in Document(answer.text).elements:
        name = element.attributes.get("name") or ""
        match element.tag:
            case "input" if name:
                found[name] = element.attributes.get("value") or ""
            case "textarea":
                found[name] = element.words.removeprefix("\n").replace("\n", "\r\n")
            case "select":
                select = name
            case "option" if "selected" in element.attributes:
                found[select] = element.attributes["value"] or ""
            case _:
                pass
    return found


def read(server: Server, name: str) -> dict[str, Any]:
    """Return a dashboard as JSON."""
    return server.http.get(f"/v1/dashboards/{name}").json()


def test_a_dashboard_is_made_changed_and_removed(filled: Server) -> None:
    """By the forms alone, from the first tile to the last."""
    get, post = filled.http.get, filled.http.post
    fields = fields_of(get("/dashboards/new"))
    assert "table" == fields["0.show"]
    first = {"name": "made", "title": "Made <b>by hand</b>", "0.title": "Runs", "0.show": "number"}
    sql = "SELECT count(*) AS n\r\nFROM runs\r\nWHERE started_at >= $from"
    saved = post("/dashboards/new", data={**fields, **first, "0.sql": sql, "0.good": "up", "last": "all", "do": "save"})
    assert (303, "/dashboards/made") == (saved.status_code, saved.headers["location"])
    made = read(filled, "made")
    tile = {"title": "Runs", "show": "number", "good": "up", "width": 2}
    tile["sql"] = "SELECT count(*) AS n\nFROM runs\nWHERE started_at >= $from"
    assert ("Made <b>by hand</b>", "all", [tile]) == (made["title"], made["last"], made["tiles"])
    assert "Made <b>by hand</b>" in main_of(get("/dashboards/made"))
    added = post("/dashboards/made/edit", data={**fields_of(get("/dashboards/made/edit")), "do": "add"})
    assert 200 == added.status_code
    again = {**fields_of(added), "1.title": "Second", "1.sql": "SELECT 2 AS two"}
    moved = post("/dashboards/made/edit", data={**again, "do": "up:1"})
    assert "Second" == fields_of(moved)["0.title"]
    assert 1 == read(filled, "made")["version"]
    assert 303 == post("/dashboards/made/edit", data={**fields_of(moved), "do": "save"}).status_code
    changed = read(filled, "made")
    assert (2, ["Second", "Runs"]) == (changed["version"], [tile["title"] for tile in changed["tiles"]])
    taken = post("/dashboards/new", data={**fields, **first, "0.sql": "SELECT 1", "do": "save"})
    assert 400 == taken.status_code
    assert "there is a dashboard 'made' already" in main_of(taken)
    assert "made" == fields_of(taken)["name"]
    gone = post("/dashboards/made/edit", data={"do": "delete"})
    assert (303, "/dashboards") == (gone.status_code, gone.headers["location"])
    assert 404 == get("/dashboards/made", headers={"accept": "text/html"}).status_code


def test_what_is_wrong_stands_at_its_tile_with_what_was_typed(filled: Server) -> None:
    """Every tile that is wrong, the guard's refusals too; nothing is saved."""
    fields = fields_of(filled.http.get("/dashboards/agent-health/edit"))
    wrong = {"1.sql": "SELECT statsu FROM runs", "4.y": "ruhns", "6.params": "{1}"}
    answer = filled.http.post("/dashboards/agent-health/edit", data={**fields, **wrong, "do": "save"})
    assert 400 == answer.status_code
    assert wrong.items() <= fields_of(answer).items()
    tiles = Document(answer.text).all("fieldset")
    assert "params must be a JSON object" in tiles[6].words
    part = {name: value for name, value in wrong.items() if not name.startswith("6.")}
    answer = filled.http.post("/dashboards/agent-health/edit", data={**fields, **part, "do": "save"})
    tiles = Document(answer.text).all("fieldset")
    assert "statsu" in tiles[1].words and "line 1, column 8" in tiles[1].words
    assert "y is 'ruhns', must be a column of its result: time, status, runs" in tiles[4].words
    assert [1, 4] == [n for n, one in enumerate(tiles) if "problem" in (one.attributes["class"] or "").split()]
    assert read(filled, "agent-health")["shipped"]


def test_json_is_pasted(filled: Server) -> None:
    """As `?format=file` gives it; one that is broken says where, and stays as it was typed."""
    post = filled.http.post
    assert filled.http.put("/v1/dashboards/pasted", json=SEEN).is_success
    fields = fields_of(filled.http.get("/dashboards/pasted/edit"))
    as_json = post("/dashboards/pasted/edit", data={**fields, "do": "as-json"})
    text = fields_of(as_json)["json"].replace("\r\n", "\n")
    assert filled.http.get("/v1/dashboards/pasted?format=file").text == text
    for broken, words in (
        (text.replace('"Seen",', '"Seen"'), "line 3, column 3"),
        (text.replace('"number"', '"pie"'), "tiles[0] ('n'): show is 'pie', must be one of number, table, chart"),
        (text.replace("count(*)", "cuont(*)"), "tiles[0] ('n'): "),
    ):
        answer = post("/dashboards/pasted/edit", data={"over": "1", "json": broken, "do": "save"})
        assert 400 == answer.status_code
        assert words in main_of(answer)
        assert broken == fields_of(answer)["json"].replace("\r\n", "\n")
    as_form = post("/dashboards/pasted/edit", data={"over": "1", "json": text, "do": "as-form"})
    assert "n" == fields_of(as_form)["0.title"]
    other = filled.http.get("/v1/dashboards/scores-and-outcomes?format=file").text
    assert 303 == post("/dashboards/pasted/edit", data={"over": "1", "json": other, "do": "save"}).status_code
    assert other == filled.http.get("/v1/dashboards/pasted?format=file").text


def test_two_who_edit_at_once(filled: Server) -> None:
    """The second is told that there is a newer version, keeps what was typed, and may then save over it."""
    assert filled.http.put("/v1/dashboards/both", json=SEEN).is_success
    one, other = (fields_of(filled.http.get("/dashboards/both/edit")) for _ in range(2))
    assert 303 == filled.http.post("/dashboards/both/edit", data={**one, "title": "One", "do": "save"}).status_code
    late = filled.http.post("/dashboards/both/edit", data={**other, "title": "Other", "do": "save"})
    assert 400 == late.status_code
    assert "the dashboard 'both' has version 2 by now, and this began with version 1" in main_of(late)
    assert "One" == read(filled, "both")["title"]
    assert 303 == filled.http.post("/dashboards/both/edit", data={**fields_of(late), "do": "save"}).status_code
    assert ("Other", 3) == (read(filled, "both")["title"], read(filled, "both")["version"])


def test_the_one_that_ships_comes_back(filled: Server) -> None:
    """The form of an override offers that, and leads to it."""
    path = "/dashboards/model-cost-and-latency/edit"
    fields = fields_of(filled.http.get(path))
    assert "Back to the one that ships" not in main_of(filled.http.get(path))
    assert 303 == filled.http.post(path, data={**fields, "title": "Ours", "do": "save"}).status_code
    assert "Back to the one that ships" in main_of(filled.http.get(path))
    back = filled.http.post(path, data={"do": "delete"})
    assert (303, "/dashboards/model-cost-and-latency") == (back.status_code, back.headers["location"])
    assert "Model cost and latency" in main_of(filled.http.get("/dashboards/model-cost-and-latency"))


def test_a_tile_that_fails_does_not_take_the_others_along(filled: Server) -> None:
    """Its error stands in the tile, with status 200: what comes into a page by a script must be shown."""
    assert filled.http.put("/v1/queries/short", json={"sql": "SELECT 1 AS a"}).is_success
    tiles = [
        {"title": "gone", "show": "table", "query": "short"},
        {"title": "here", "show": "table", "sql": "SELECT 7"},
    ]
    assert filled.http.put("/v1/dashboards/half", json={"title": "d", "tiles": tiles}).is_success
    assert 204 == filled.http.delete("/v1/queries/short").status_code
    part = {"HX-Request": "true"}
    gone, here = (filled.http.get(f"/dashboards/half/tiles/{n}", headers=part) for n in range(2))
    assert (200, 200) == (gone.status_code, here.status_code)
    assert "tiles[0] ('gone'): there is no query 'short'" in Document(gone.text).words
    assert "7" in Document(here.text).all("td")[0].words
    late = filled.http.get("/dashboards/half/tiles/1?from=2026-09-02&to=2026-09-01", headers=part)
    assert "must be after from" in Document(late.text).words
    assert 404 == filled.http.get("/dashboards/half/tiles/2", headers={**part, "accept": "text/html"}).status_code
    assert "html" == Document(filled.http.get("/dashboards/half/tiles/1").text).elements[0].tag
    assert "HX-Request" == here.headers["vary"]


def test_a_number_is_compared_with_the_time_before(filled: Server) -> None:
    """Of equal length and up to where the range begins; none before all time, none for what does not go by time."""
    sql = "SELECT count(*) FROM runs WHERE started_at >= $from AND started_at < $to"
    tiles = [{"title": "a", "show": "number", "sql": sql}, {"title": "b", "show": "number", "sql": "SELECT 5"}]
    assert filled.http.put("/v1/dashboards/before", json={"title": "d", "tiles": tiles}).is_success

    def words(number: int, query: str) -> str:
        part = filled.http.get(f"/dashboards/before/tiles/{number}?{query}", headers={"HX-Request": "true"})
        return " ".join(Document(part.text).words.split())

    # r0 and the hostile one on the 1st, then one a day: three days from the 3rd have 3, the three before them 3
    assert "3 no change before 3" in words(0, "from=2026-09-03&to=2026-09-06")
    assert "1 \u221250.0% before 2" in words(0, "from=2026-09-05&to=2026-09-07")
    assert "before" not in words(0, "last=all")
    assert "before" not in words(1, "from=2026-09-03&to=2026-09-06")


def test_hostile_names_are_only_text(filled: Server) -> None:
    """Of a dashboard, a tile, a column and a value: no element but ours, and every attribute of it."""
    column = HOSTILE.replace('"', "")
    tile: dict[str, Any] = {"title": HOSTILE, "sql": f'SELECT id, function_id AS "{column}", 1 AS n FROM runs'}
    chart = {**tile, "show": "chart", "mark": "bar", "x": column, "y": "n", "color": "id"}
    body = {"title": HOSTILE, "description": HOSTILE, "tiles": [{**tile, "show": "table"}, chart]}
    assert filled.http.put("/v1/dashboards/hostile", json=body).is_success
    pages = ["/dashboards", "/dashboards/hostile", "/dashboards/hostile/edit", "/dashboards/hostile/tiles/0"]
    for path in (*pages, "/dashboards/hostile/tiles/1"):
        answer = filled.http.get(path)
        assert 200 == answer.status_code
        document = Document(answer.text)
        assert HOSTILE in document.words
        for element in document.elements:
            assert element.tag != "img"
            assert element.tag != "script" or element.attributes["src"]
            assert not [name for name in element.attributes if name.startswith("on") or name == "style"]
