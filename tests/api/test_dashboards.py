"""Dashboards over HTTP: checked when saved, kept by version, over those that ship, and the rows of each tile."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import TypeAdapter

from api.dashboards import SHIPPED
from api.routes.dashboards import DashboardAnswer, DashboardFile, Dashboards
from tests.api.test_error_shape import assert_error
from tests.support.command import ROOT, upshot
from tests.support.server import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUNS = [
    {
        "type": "run",
        "id": f"board-{n}",
        "function_id": ("answer", "search")[n % 2],
        "status": ("Completed", "Failed")[n % 5 == 0],
        "environment": ("production", "staging")[n % 4 == 0],
        "started_at": f"2026-09-{1 + n // 6:02d}T{n % 24:02d}:00:00Z",
        "ended_at": f"2026-09-{1 + n // 6:02d}T{n % 24:02d}:00:{n % 60:02d}Z",
    }
    for n in range(60)
]
"""Six runs on each of ten days."""

COUNT = (
    "SELECT count(*) AS runs FROM runs WHERE started_at >= $from AND started_at < $to\n"
    "AND ($environment IS NULL OR environment = $environment)"
)
BY_DAY = "SELECT started_at::DATE AS day, status, count(*) AS runs FROM runs WHERE started_at >= $from GROUP BY ALL"
BOARD: dict[str, Any] = {
    "title": "Runs",
    "description": "How many there are.",
    "last": "all",
    "tiles": [
        {"title": "Count", "show": "number", "sql": COUNT, "format": "plain", "good": "up"},
        {"title": "By day", "show": "chart", "sql": BY_DAY, "mark": "bar", "x": "day", "y": "runs", "color": "status"},
        {"title": "Some", "show": "table", "sql": "SELECT id FROM runs ORDER BY id LIMIT $n", "params": {"n": 3}},
    ],
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this module's own, with sixty runs."""
    with serving(tmp_path_factory.mktemp("boards") / "data") as running:
        assert len(RUNS) == running.ingest(RUNS)["accepted"]
        yield running


def save(server: Server, name: str, board: dict[str, Any]) -> dict[str, Any]:
    """Save a dashboard and return the answer."""
    answer = server.http.put(f"/v1/dashboards/{name}", json=board)
    assert answer.is_success, answer.text
    return answer.json()


def rows(server: Server, name: str, tile: int, **params: Any) -> list[list[Any]]:
    """Return the rows of a tile."""
    answer = server.http.get(f"/v1/dashboards/{name}/tiles/{tile}/result", params=params or None)
    assert answer.is_success, answer.text
    return answer.json()["rows"]


def names(server: Server) -> dict[str, tuple[bool, bool]]:
    """Return the dashboards that are listed: whether each is as it ships, and whether it is over one."""
    body = TypeAdapter(Dashboards).validate_json(server.http.get("/v1/dashboards").content, strict=True)
    return {one.name: (one.shipped, one.overrides) for one in body.dashboards}


def test_what_get_answers_is_no_change_to_put(filled: Server) -> None:
    """Of a saved one and of one that ships; as the answer and as the file, whose bytes are the same again."""
    save(filled, "round", BOARD)
    for name, version in (("round", 1), ("agent-health", 0)):
        answered = filled.http.get(f"/v1/dashboards/{name}")
        TypeAdapter(DashboardAnswer).validate_json(answered.content, strict=True)
        file = filled.http.get(f"/v1/dashboards/{name}?format=file")
        TypeAdapter(DashboardFile).validate_json(file.content, strict=True)
        assert {"title", "description", "last", "tiles"} >= set(file.json())
        assert file.text.endswith("}\n")
        for body in (answered, file):
            made = filled.http.put(f"/v1/dashboards/{name}", content=body.content)
            assert made.is_success, made.text
            assert answered.json() == made.json()
            assert version == made.json()["version"]
        assert file.content == filled.http.get(f"/v1/dashboards/{name}?format=file").content
    assert ["title", "description", "last", "tiles"] == list(filled.http.get("/v1/dashboards/round?format=file").json())


def test_the_shipped_files_are_in_the_form_of_git() -> None:
    """Their bytes are what `?format=file` would answer, so that one taken from a server can be compared with them."""
    from api.pages.dashboard_form import as_text  # noqa: PLC0415 - not what this module is about

    for name, dashboard in SHIPPED.items():
        assert as_text(dashboard) == (ROOT / "api" / "dashboards" / f"{name}.json").read_text()
    assert {"agent-health", "scores-and-outcomes", "model-cost-and-latency"} == set(SHIPPED)


def test_versions(filled: Server) -> None:
    """Each change is the next one; older ones and those of a removed name stay readable, no number comes again."""
    assert 1 == save(filled, "versions", BOARD)["version"]
    assert 1 == save(filled, "versions", BOARD)["version"]
    second = save(filled, "versions", {**BOARD, "title": "Second"})
    assert 2 == second["version"]
    first = filled.http.get("/v1/dashboards/versions?version=1").json()
    assert ("Runs", "/v1/dashboards/versions?version=1") == (first["title"], first["permalink"])
    assert 204 == filled.http.delete("/v1/dashboards/versions").status_code
    for answer in (
        filled.http.get("/v1/dashboards/versions"),
        filled.http.delete("/v1/dashboards/versions"),
        filled.http.get("/v1/dashboards/versions/tiles/0/result"),
        filled.http.get("/v1/dashboards/versions?version=9"),
    ):
        assert_error(answer, "not_found")
    assert "versions" not in names(filled)
    assert second == filled.http.get(second["permalink"]).json()
    assert [[60]] == rows(filled, "versions", 0, version=1)
    assert 4 == save(filled, "versions", BOARD)["version"]
    near = assert_error(filled.http.get("/v1/dashboards/verzions"), "not_found")
    assert "did you mean 'versions'?" == near["hint"]
    missing = assert_error(filled.http.get("/v1/dashboards/versions?version=3"), "not_found")
    assert "the newest is 4" in missing["message"]


def test_one_that_ships_is_overridden_and_comes_back(tmp_path: Path) -> None:
    """Every workspace lists them; a PUT is shown instead; DELETE brings it back, and of it as it ships is refused."""
    with serving(tmp_path / "data") as server:
        assert dict.fromkeys(SHIPPED, (True, False)) == names(server)
        as_shipped = server.http.get("/v1/dashboards/agent-health").json()
        assert (0, True, None) == (as_shipped["version"], as_shipped["shipped"], as_shipped["created_at"])
        refused = assert_error(server.http.delete("/v1/dashboards/agent-health"), "bad_parameter")
        assert "the dashboard 'agent-health' ships with the server and cannot be removed" == refused["message"]
        own = save(server, "agent-health", BOARD)
        assert (1, False, True) == (own["version"], own["shipped"], own["overrides"])
        assert (False, True) == names(server)["agent-health"]
        assert [[0]] == rows(server, "agent-health", 0)
        assert as_shipped == server.http.get("/v1/dashboards/agent-health?version=0").json()
        assert 204 == server.http.delete("/v1/dashboards/agent-health").status_code
        assert as_shipped == server.http.get("/v1/dashboards/agent-health").json()
        server.kill()
    with serving(tmp_path / "data") as again:
        assert own == again.http.get("/v1/dashboards/agent-health?version=1").json()
        assert dict.fromkeys(SHIPPED, (True, False)) == names(again)


TILES: dict[str, tuple[dict[str, Any], str, str, int | None]] = {
    "an unknown table": ({"sql": "SELECT 1\nFROM rums"}, "unknown_table", "tiles[1] ('bad'): ", 2),
    "an unknown column": ({"sql": "SELECT statsu FROM runs"}, "unknown_column", "tiles[1] ('bad'): ", 1),
    "a write": ({"sql": "DELETE FROM runs"}, "refused_statement", "tiles[1] ('bad'): ", 1),
    "no SQL": ({"sql": "SELECT FROM WHERE"}, "syntax", "tiles[1] ('bad'): ", 1),
    "a value for nothing": ({"sql": "SELECT 1", "params": {"a": 1}}, "bad_parameter", "parameter 'a'", 1),
    "a value too few": ({"sql": "SELECT $a"}, "bad_parameter", "parameter 'a' has no value", 1),
    "a query that is not there": ({"query": "gone"}, "bad_parameter", "there is no query 'gone'", None),
    "a column that is not there": (
        {"sql": "SELECT 1 AS a, 2 AS b", "show": "chart", "mark": "bar", "x": "a", "y": "c"},
        "bad_parameter",
        "y is 'c', must be a column of its result: a, b",
        None,
    ),
    "a chart of texts": (
        {"sql": "SELECT 1 AS a, 'x' AS b", "show": "chart", "mark": "bar", "x": "a", "y": "b"},
        "bad_parameter",
        "y is 'b', a VARCHAR, must be a column of numbers",
        None,
    ),
}


@pytest.mark.parametrize("case", TILES)
def test_what_could_not_run_is_not_saved(filled: Server, case: str) -> None:
    """The guard is asked when a dashboard is saved; its refusal names the tile, and the place in the tile's SQL."""
    tile, code, words, line = TILES[case]
    body = {"title": "d", "tiles": [BOARD["tiles"][0], {"title": "bad", "show": "table", **tile}]}
    error = assert_error(filled.http.put("/v1/dashboards/refused", json=body), code)
    assert error["message"].startswith("tiles[1] ('bad'): ")
    assert words in error["message"]
    assert line == error.get("line")
    assert_error(filled.http.get("/v1/dashboards/refused"), "not_found")


def test_what_cannot_be_is_refused_by_name_and_as_text(filled: Server) -> None:
    """A name that is none, `new` among them; JSON that is none, with its line and column."""
    for name in ("new", "a%20b", "-x", "x" * 129, "%D0%BA"):
        assert_error(filled.http.put(f"/v1/dashboards/{name}", json=BOARD), "bad_parameter")
    error = assert_error(filled.http.put("/v1/dashboards/x", content=b'{"title": "d",\n "tiles": [}'), "malformed")
    assert (2, 12) == (error["line"], error["col"])
    assert_error(filled.http.put("/v1/dashboards/x", content=b""), "malformed")
    refused = assert_error(filled.http.put("/v1/dashboards/x", json={**BOARD, "last": "2d"}), "bad_parameter")
    assert "last is '2d', must be one of 1h, 24h, 7d, 30d, 90d, all" == refused["message"]


def test_tiles_share_time_and_environment(filled: Server) -> None:
    """Counted by hand over the records: from is inclusive, to exclusive, no environment is every one."""
    save(filled, "shared", BOARD)
    times = {"from": "2026-09-03T00:00:00Z", "to": "2026-09-05T12:00:00Z"}
    for environment in (None, "production", "staging", "nowhere"):
        wanted = sum(
            times["from"] <= run["started_at"] < times["to"] and environment in (None, run["environment"])
            for run in RUNS
        )
        given = times | ({"environment": environment} if environment else {})
        assert [[wanted]] == rows(filled, "shared", 0, **given)
    assert [[60]] == rows(filled, "shared", 0) == rows(filled, "shared", 0, last="all")
    assert [["board-0"], ["board-1"], ["board-10"]] == rows(filled, "shared", 2, last="1h", environment="staging")
    with_csv = filled.http.get("/v1/dashboards/shared/tiles/1/result?from=2026-09-10&format=csv")
    assert with_csv.headers["content-type"].startswith("text/csv")
    assert 6 == sum(int(row["runs"]) for row in csv.DictReader(io.StringIO(with_csv.text)))
    limited = filled.http.get("/v1/dashboards/shared/tiles/1/result?limit=2").json()
    assert (2, True) == (limited["row_count"], limited["truncated"])


BAD: dict[str, tuple[str, str, str]] = {
    "no such tile": ("tiles/3/result", "not_found", "has no tile 3, its tiles are 0 to 2"),
    "a tile below": ("tiles/-1/result", "not_found", "has no tile -1"),
    "a word": ("tiles/first/result", "bad_parameter", "n: "),
    "no time": ("tiles/0/result?from=yesterday", "bad_parameter", "from is 'yesterday'"),
    "backwards": ("tiles/0/result?from=2026-09-02&to=2026-09-01", "bad_parameter", "must be after from"),
    "an unknown span": ("tiles/0/result?last=2d", "bad_parameter", "parameter 'last' is '2d', must be one of 1h, 24h"),
    "an unknown option": ("tiles/0/result?form=csv", "bad_parameter", "there is no parameter 'form'"),
    "an unknown format": ("tiles/0/result?format=xml", "bad_parameter", "parameter 'format' is 'xml'"),
    "too many rows": ("tiles/0/result?limit=-1", "bad_parameter", "limit is -1"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_question_of_a_tile(filled: Server, case: str) -> None:
    """Named with its value and what it must be."""
    path, code, words = BAD[case]
    save(filled, "asked", BOARD)
    assert words in assert_error(filled.http.get(f"/v1/dashboards/asked/{path}"), code)["message"]


def test_a_tile_of_a_saved_query(filled: Server) -> None:
    """Its newest version or a fixed one, its defaults, the dashboard's time; gone, only this tile says so."""
    sql = "SELECT count(*) AS n, $since AS since FROM runs WHERE status = $status AND started_at >= $from"
    params = {
        "status": {"type": "text", "choices": ["Failed", "Completed"], "default": "Failed"},
        "from": {"type": "date"},
        "since": {"type": "timestamp", "default": None},
    }
    assert filled.http.put("/v1/queries/by-status", json={"sql": sql, "params": params}).is_success
    table: dict[str, Any] = {"title": "a", "show": "table", "query": "by-status"}
    tiles = [table, {**table, "version": 1}, {**table, "params": {"status": "Completed"}}]
    save(filled, "named", {"title": "d", "last": "all", "tiles": tiles})
    failed = sum(run["status"] == "Failed" and run["started_at"] >= "2026-09-05" for run in RUNS)
    assert [[failed, None]] == rows(filled, "named", 0, **{"from": "2026-09-05T00:00:00Z"})
    assert [[48, None]] == rows(filled, "named", 2)
    assert filled.http.put("/v1/queries/by-status", json={"sql": "SELECT 'second' AS s"}).is_success
    assert [["second"]] == rows(filled, "named", 0)
    assert [[12, None]] == rows(filled, "named", 1)
    wrong = filled.http.get("/v1/dashboards/named/tiles/2/result")
    assert (
        "tiles[2] ('a'): the query 'by-status' has no parameter 'status'"
        in assert_error(wrong, "bad_parameter")["message"]
    )
    for bad, words in (
        ({"status": "Gone"}, "parameter 'status' is 'Gone', must be one of Failed, Completed"),
        ({"stauts": "x"}, "the query 'by-status' has no parameter 'stauts'"),
    ):
        board = {"title": "d", "tiles": [{**table, "version": 1, "params": bad}]}
        assert words in assert_error(filled.http.put("/v1/dashboards/wrong", json=board), "bad_parameter")["message"]
    assert 204 == filled.http.delete("/v1/queries/by-status").status_code
    assert_error(filled.http.get("/v1/dashboards/named/tiles/0/result"), "not_found")
    assert [[12, None]] == rows(filled, "named", 1)


def test_rights_and_workspaces(tmp_path: Path) -> None:
    """`query` reads, `admin` saves and removes; another workspace has the shipped ones and no others."""

    def key(*arguments: str) -> dict[str, str]:
        made = upshot("keys", "create", "--data", tmp_path / "data", *arguments)
        return {"authorization": f"Bearer {made.stdout.decode().strip()}"}

    with serving(tmp_path / "data") as server:
        admin, reader = key("--rights", "query,admin"), key("--rights", "query")
        other, sender = key("--rights", "query,admin", "--workspace", "other"), key("--rights", "ingest")
        path = "/v1/dashboards/own"
        assert server.http.put(path, json=BOARD, headers=admin).is_success
        for headers in (reader, sender):
            assert_error(server.http.put(path, json=BOARD, headers=headers), "forbidden")
            assert_error(server.http.delete(path, headers=headers), "forbidden")
            for page in ("/dashboards/new", "/dashboards/own/edit"):
                assert 403 == server.http.post(page, data={"do": "save"}, headers=headers).status_code
        for read in ("/v1/dashboards", path, f"{path}/tiles/0/result", "/dashboards", "/dashboards/own/tiles/0"):
            assert server.http.get(read, headers=reader).is_success
            assert_error(server.http.get(read, headers=sender), "forbidden")
            assert_error(server.http.get(read), "unauthorized")
        form = server.http.get("/dashboards/own/edit", headers=reader)
        assert 403 == form.status_code
        assert "<form" not in form.text.partition("<main")[2]
        assert "the right <code>admin</code>, and you have query" in form.text
        listed = server.http.get("/v1/dashboards", headers=other).json()["dashboards"]
        assert set(SHIPPED) == {one["name"] for one in listed}
        for path_ in (path, f"{path}?version=1", f"{path}/tiles/0/result"):
            assert_error(server.http.get(path_, headers=other), "not_found")


def test_the_openapi_document_has_the_routes(filled: Server) -> None:
    """With the fields of a tile, what PUT takes, and the options of a result."""
    document = filled.http.get("/openapi.json").json()
    assert {"put", "get", "delete"} == set(document["paths"]["/v1/dashboards/{name}"])
    schemas = document["components"]["schemas"]
    body = document["paths"]["/v1/dashboards/{name}"]["put"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(BOARD) == set(schemas[body["$ref"].rpartition("/")[2]]["properties"])
    assert ["number", "table", "chart"] == schemas["Tile"]["properties"]["show"]["enum"]
    options = {one["name"] for one in document["paths"]["/v1/dashboards/{name}/tiles/{n}/result"]["get"]["parameters"]}
    assert {"name", "n", "from", "to", "last", "environment", "version", "limit", "timeout_s", "format"} == options
    for ref in re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(document)):
        assert ref in schemas


def test_the_example_of_the_page_runs(filled: Server) -> None:
    """The document of docs/dashboards.md, word by word, and the addresses beside it."""
    page = (ROOT / "docs" / "dashboards.md").read_text()
    [body] = re.findall(r"```json\n(\{.*?\n\})\n```", page, re.DOTALL)
    assert filled.http.put("/v1/dashboards/support", content=body.encode()).is_success
    for address in re.findall(r'\$UPSHOT_URL(/v1/dashboards/support[^" ]*)', page):
        assert filled.http.get(address).is_success, address
    assert json.loads(body) == filled.http.get("/v1/dashboards/support?format=file").json()
