"""Saved queries over HTTP: checked when saved, pinned by version, run with typed parameters; and what Grafana reads."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.api.test_error_shape import assert_error
from tests.support.command import ROOT, upshot
from tests.support.server import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUNS = [
    *(
        {
            "type": "run",
            "id": f"saved-{n}",
            "status": ("Completed", "Failed")[n % 3 == 0],
            "started_at": f"2026-09-{1 + n % 10:02d}T12:00:00Z",
            "ended_at": f"2026-09-{1 + n % 10:02d}T12:00:{n % 50:02d}Z",
        }
        for n in range(60)
    ),
    *({"type": "score", "run_id": f"saved-{n}", "name": "solved", "value": n % 4 == 0} for n in range(60)),
    *(
        {"type": "assignment", "run_id": f"saved-{n}", "experiment": "prompt", "variant": "ab"[n % 2]}
        for n in range(60)
    ),
]

AS_JSON = {"content-type": "application/json"}

BY_STATUS = "SELECT id FROM runs WHERE status = $status AND started_at >= $since ORDER BY id"
PARAMS = {
    "status": {"type": "text", "choices": ["Completed", "Failed"], "default": "Failed", "doc": "how the run ended"},
    "since": {"type": "timestamp"},
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this module's own, with sixty runs."""
    with serving(tmp_path_factory.mktemp("saved") / "data") as running:
        assert len(RUNS) == running.ingest(RUNS)["accepted"]
        yield running


def save(server: Server, name: str, sql: str, params: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Save a query and return the answer."""
    answer = server.http.put(f"/v1/queries/{name}", json={"sql": sql, "params": params or {}, **more})
    assert answer.is_success, answer.text
    return answer.json()


def rows(server: Server, path: str, **params: Any) -> list[list[Any]]:
    """Return the rows of a result."""
    answer = server.http.get(path, params=params or None)  # httpx takes {} for "no query"
    assert answer.is_success, answer.text
    return answer.json()["rows"]


def test_a_saved_query_answers_as_the_same_sql_does(filled: Server) -> None:
    """Over every choice and two times: the rows are those of `POST /v1/query` with the same values."""
    made = save(filled, "by-status", BY_STATUS, PARAMS, description="Runs by how they ended.")
    assert {"by-status", 1, "Runs by how they ended."} == {made["name"], made["version"], made["description"]}
    assert PARAMS == made["params"]
    assert [made] == [one for one in filled.http.get("/v1/queries").json()["queries"] if one["name"] == "by-status"]
    assert made == filled.http.get("/v1/queries/by-status").json() == filled.http.get(made["permalink"]).json()
    for status in ("Completed", "Failed"):
        for since, text in (
            ("2026-09-05T00:00:00Z", "2026-09-05T00:00:00Z"),
            ("2026-09-05T00:00:00Z", "1788566400000"),
        ):
            wanted = filled.ask(BY_STATUS, params={"status": status, "since": since})
            assert wanted == rows(filled, made["result"], status=status, since=text)
            assert 0 < len(wanted) < 60
    assert filled.ask(BY_STATUS, params={"status": "Failed", "since": "2026-09-01"}) == rows(
        filled, "/v1/queries/by-status/result", since="2026-09-01"
    )


def test_a_permalink_gives_the_same_text_for_ever(filled: Server) -> None:
    """After a later version and after the name's removal; a removed name's numbers are not given again."""
    first = save(filled, "pinned", "SELECT 1 AS n")
    second = save(filled, "pinned", "SELECT 2 AS n")
    assert (1, 2) == (first["version"], second["version"])
    assert [[2]] == rows(filled, "/v1/queries/pinned/result")
    assert [[1]] == rows(filled, first["result"])
    assert 204 == filled.http.delete("/v1/queries/pinned").status_code
    assert_error(filled.http.get("/v1/queries/pinned"), "not_found")
    assert_error(filled.http.get("/v1/queries/pinned/result"), "not_found")
    assert_error(filled.http.delete("/v1/queries/pinned"), "not_found")
    assert "pinned" not in [one["name"] for one in filled.http.get("/v1/queries").json()["queries"]]
    assert first == filled.http.get(first["permalink"]).json()
    assert [[1]] == rows(filled, first["result"])
    assert 4 == save(filled, "pinned", "SELECT 4 AS n")["version"]
    assert_error(filled.http.get("/v1/queries/pinned?version=3"), "not_found")
    missing = assert_error(filled.http.get("/v1/queries/pinned/result?version=9"), "not_found")
    assert "the newest is 4" in missing["message"]
    near = assert_error(filled.http.get("/v1/queries/pined"), "not_found")
    assert "did you mean 'pinned'?" == near["hint"]


REFUSED: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "a table that is not there": ("SELECT 1\nFROM rums", {}, "unknown_table", "rums"),
    "a column that is not there": ("SELECT statsu FROM runs", {}, "unknown_column", "statsu"),
    "a write": ("DELETE FROM runs", {}, "refused_statement", ""),
    "an undeclared parameter": ("SELECT $a", {}, "bad_parameter", "'a'"),
    "an unused parameter": ("SELECT 1", {"a": {"type": "text"}}, "bad_parameter", "'a'"),
    "an unknown type": ("SELECT $a", {"a": {"type": "colour"}}, "bad_parameter", "'colour'"),
    "a default of another type": ("SELECT $a", {"a": {"type": "integer", "default": "x"}}, "bad_parameter", "'x'"),
    "a default that is no choice": (
        "SELECT $a",
        {"a": {"type": "integer", "default": 3, "choices": [1, 2]}},
        "bad_parameter",
        "one of 1, 2",
    ),
    "an option's name": ("SELECT $limit", {"limit": {"type": "integer"}}, "bad_parameter", "'limit'"),
    "no name": ("SELECT 1", {"a b": {"type": "text"}}, "bad_parameter", "'a b'"),
    "one name twice": ("SELECT $a", {"a": {"type": "text"}, "A": {"type": "text"}}, "bad_parameter", "one name"),
    "an unknown field": ("SELECT $a", {"a": {"type": "text", "defualt": "x"}}, "bad_parameter", "defualt"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_could_not_run_is_not_saved(filled: Server, case: str) -> None:
    """The guard and the types are asked when a query is saved; nothing is kept of one that is refused."""
    sql, params, code, word = REFUSED[case]
    error = assert_error(filled.http.put("/v1/queries/refused", json={"sql": sql, "params": params}), code)
    assert word in error["message"]
    if code == "unknown_table":
        assert (2, 6) == (error["line"], error["col"])
        assert "runs" in error["hint"]
    assert_error(filled.http.get("/v1/queries/refused"), "not_found")


TYPED: dict[str, dict[str, Any]] = {
    "word": {"type": "text", "default": None},
    "whole": {"type": "integer", "default": 1},
    "real": {"type": "number", "default": 0.5},
    "yes": {"type": "boolean", "default": False},
    "at": {"type": "timestamp", "default": "2026-09-01T12:00:00Z"},
    "day": {"type": "date", "default": "2026-09-01"},
    "words": {"type": "text[]", "default": []},
    "wholes": {"type": "integer[]", "default": [1, 2]},
}
TYPED_SQL = "SELECT " + ", ".join(f"${name} AS {name}" for name in TYPED)

BAD: dict[str, tuple[list[tuple[str, str]], str, str]] = {
    "not whole": ([("whole", "1.5")], "parameter 'whole' is '1.5', must be a whole number of at most 64 bits", ""),
    "too large": ([("whole", str(2**63))], "must be a whole number of at most 64 bits", ""),
    "empty": ([("whole", "")], "parameter 'whole' is ''", ""),
    "not finite": ([("real", "1e999")], "parameter 'real' is '1e999', must be a finite number", ""),
    "no number": ([("real", "nan")], "parameter 'real' is 'nan'", ""),
    "not yes or no": ([("yes", "maybe")], "parameter 'yes' is 'maybe', must be true or false", ""),
    "no time": ([("at", "yesterday")], "parameter 'at' is 'yesterday', must be an ISO 8601 time", ""),
    "no such day": ([("day", "2026-02-30")], "parameter 'day' is '2026-02-30', must be a day such as", ""),
    "one item": ([("wholes", "1"), ("wholes", "x")], "parameter 'wholes' is 'x'", ""),
    "an item of JSON": ([("wholes", '[1,"x"]')], "parameter 'wholes' is 'x'", ""),
    "twice": ([("whole", "1"), ("whole", "2")], "parameter 'whole' is given 2 times, must be given once", ""),
    "unknown": ([("wohle", "1")], "there is no parameter 'wohle'", "did you mean 'whole'?"),
    "near an option": ([("limt", "1")], "there is no parameter 'limt'", "did you mean 'limit'?"),
    "a bad limit": ([("limit", "ten")], "parameter 'limit' is 'ten', must be a whole number", ""),
    "a negative limit": ([("limit", "-1")], "limit is -1", ""),
    "a bad time": ([("timeout_s", "nan")], "parameter 'timeout_s' is 'nan'", ""),
    "too much time": ([("timeout_s", "31")], "timeout_s is 31", ""),
    "a bad version": ([("version", "new")], "parameter 'version' is 'new'", ""),
    "a bad format": ([("format", "xml")], "parameter 'format' is 'xml', must be one of json, ndjson, csv", ""),
    "a bad moment": ([("known_at", "then")], "parameter 'known_at' is 'then'", ""),
    "two limits": ([("limit", "1"), ("limit", "2")], "parameter 'limit' is given 2 times", ""),
    "too long": ([("word", "x" * 10_001)], "must be text of at most 10000 characters", ""),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_value_is_named_with_what_it_must_be(filled: Server, case: str) -> None:
    """One body, code `bad_parameter`: the parameter, its value and the bound; of an unknown name the nearest."""
    pairs, words, hint = BAD[case]
    if not filled.http.get("/v1/queries/typed").is_success:
        save(filled, "typed", TYPED_SQL, TYPED)
    error = assert_error(filled.http.get(f"/v1/queries/typed/result?{urlencode(pairs)}"), "bad_parameter")
    assert words in error["message"]
    assert len(error["message"]) < 500
    assert hint == error.get("hint", "") or not hint


def test_values_keep_their_types(filled: Server) -> None:
    """Defaults, and every type from the text of a URL; a list by repeating its name or as one JSON array."""
    save(filled, "typed", TYPED_SQL, TYPED)
    path = "/v1/queries/typed/result"
    [[word, whole, real, yes, at, day, words, wholes]] = rows(filled, path)
    assert (None, 1, 0.5, False, [], [1, 2]) == (word, whole, real, yes, words, wholes)
    assert ("2026-09-01T12:00:00", "2026-09-01") == (at[:19], day)
    pairs = [
        ("word", "ü & 'x'; --"),
        ("whole", "-7"),
        ("real", "2"),
        ("yes", "true"),
        ("at", "2026-09-02"),
        ("day", "2026-09-03"),
    ]
    pairs += [("words", "a"), ("words", "b,c"), ("wholes", "[5]")]
    [[word, whole, real, yes, at, day, words, wholes]] = rows(filled, f"{path}?{urlencode(pairs)}")
    assert ("ü & 'x'; --", -7, 2.0, True, ["a", "b,c"], [5]) == (word, whole, real, yes, words, wholes)
    assert ("2026-09-02T00:00:00", "2026-09-03") == (at[:19], day)


def test_values_are_of_their_type_to_the_engine(filled: Server) -> None:
    """What the engine calls them, and that one can reckon with a time or day without a cast."""
    save(filled, "typed", TYPED_SQL, TYPED)
    columns = filled.http.get("/v1/queries/typed/result", params={"word": "x", "words": "y"}).json()["columns"]
    wanted = ["VARCHAR", "INTEGER", "DOUBLE", "BOOLEAN", "TIMESTAMP WITH TIME ZONE", "DATE", "VARCHAR[]", "INTEGER[]"]
    assert wanted == [column["type"] for column in columns]
    select = "SELECT id FROM runs WHERE started_at >= {} AND started_at < {} ORDER BY id"
    sql = select.format("$at - INTERVAL 1 DAY", "$day + 1 AND $none IS NULL")
    params = {"at": {"type": "timestamp"}, "day": {"type": "date"}, "none": {"type": "timestamp", "default": None}}
    made = save(filled, "reckons", sql, params)
    plain = select.format("'2026-09-03T00:00:00Z'", "'2026-09-06T00:00:00Z'")
    assert filled.ask(plain) == rows(filled, made["result"], at="2026-09-04T00:00:00Z", day="2026-09-05")
    assert 18 == len(filled.ask(plain))
    several = {"at": {"type": "timestamp[]"}}
    made = save(filled, "times", "SELECT count(*) FROM runs WHERE started_at = ANY($at)", several)
    assert [[12]] == rows(filled, made["result"], at=["2026-09-01T12:00:00Z", "2026-09-02T12:00:00Z"])


def test_the_format_can_stand_in_the_address(filled: Server) -> None:
    """For those who cannot set headers; it outranks Accept, and every format has the same rows."""
    save(filled, "in-formats", BY_STATUS, PARAMS)
    given = {"since": "2026-09-05", "limit": 5}
    wanted = [row[0] for row in rows(filled, "/v1/queries/in-formats/result", **given)]
    assert 5 == len(wanted)

    def body(form: str) -> bytes:
        answer = filled.http.get(
            "/v1/queries/in-formats/result", params={**given, "format": form}, headers={"accept": "application/json"}
        )
        assert answer.is_success, answer.text
        return answer.content

    assert wanted == [row["id"] for row in csv.DictReader(io.StringIO(body("csv").decode()))]
    assert wanted == [json.loads(line)["id"] for line in body("ndjson").splitlines()]
    assert wanted == pa.ipc.open_stream(body("arrow")).read_all()["id"].to_pylist()
    assert wanted == pq.read_table(io.BytesIO(body("parquet")))["id"].to_pylist()
    assert wanted == [row[0] for row in json.loads(body("json"))["rows"]]
    arrow = filled.http.get(
        "/v1/queries/in-formats/result", params=given, headers={"accept": "application/vnd.apache.arrow.stream"}
    )
    assert wanted == pa.ipc.open_stream(arrow.content).read_all()["id"].to_pylist()


def test_rights_and_workspaces(tmp_path: Path) -> None:
    """`query` reads and runs, `admin` saves and removes; another workspace's queries do not exist."""

    def key(*arguments: str) -> dict[str, str]:
        made = upshot("keys", "create", "--data", tmp_path / "data", *arguments)
        return {"authorization": f"Bearer {made.stdout.decode().strip()}"}

    with serving(tmp_path / "data") as server:
        admin, reader = key("--rights", "query,admin"), key("--rights", "query")
        other, sender = key("--rights", "query,admin", "--workspace", "other"), key("--rights", "ingest")
        body = {"sql": "SELECT 1 AS n"}
        assert server.http.put("/v1/queries/q", json=body, headers=admin).is_success
        for headers in (reader, sender):
            assert_error(server.http.put("/v1/queries/q", json=body, headers=headers), "forbidden")
            assert_error(server.http.delete("/v1/queries/q", headers=headers), "forbidden")
        for path in ("/v1/queries", "/v1/queries/q", "/v1/queries/q/result"):
            assert server.http.get(path, headers=reader).is_success
            assert_error(server.http.get(path, headers=sender), "forbidden")
            assert_error(server.http.get(path), "unauthorized")
        assert {"queries": []} == server.http.get("/v1/queries", headers=other).json()
        assert_error(server.http.get("/v1/queries/q/result?version=1", headers=other), "not_found")
        server.kill()
    with serving(tmp_path / "data") as again:
        assert [[1]] == again.http.get("/v1/queries/q/result", headers=reader).json()["rows"]


def test_the_openapi_document_has_the_routes(filled: Server) -> None:
    """With the types of parameters, and the options of a result."""
    document = filled.http.get("/openapi.json").json()
    assert {"put", "get", "delete"} == set(document["paths"]["/v1/queries/{name}"])
    options = {one["name"] for one in document["paths"]["/v1/queries/{name}/result"]["get"]["parameters"]}
    assert {"name", "limit", "timeout_s", "known_at", "version", "format"} == options
    assert "timestamp" in document["components"]["schemas"]["SavedParameter"]["properties"]["type"]["enum"]


def test_a_body_is_not_read_beyond_its_limit(filled: Server) -> None:
    """Announced or in chunks, of every route whose body the framework reads; what fits is read."""

    def chunks() -> Iterator[bytes]:
        yield b'{"sql": "SELECT 1'
        for _ in range(64):
            yield b" " * 65_536
        yield b'"}'

    for method, path in (("PUT", "/v1/queries/large"), ("POST", "/v1/query"), ("POST", "/v1/query/check")):
        for content in (b"".join(chunks()), chunks()):
            error = assert_error(filled.http.request(method, path, content=content, headers=AS_JSON), "too_large")
            assert str(4 << 20) in error["message"]
    answer = filled.http.post("/v1/query", json={"sql": "SELECT len($x) AS n", "params": {"x": "x" * 4_000_000}})
    assert [[4_000_000]] == answer.json()["rows"]


def test_the_example_of_the_page_runs(filled: Server) -> None:
    """The PUT and the address in docs/saved-queries.md, word by word."""
    page = (ROOT / "docs" / "saved-queries.md").read_text()
    [(name, body)] = re.findall(r"curl -X PUT \"\$UPSHOT_URL/v1/queries/(\w+)\".*? -d '(\{.*?\n\})'", page, re.DOTALL)
    assert filled.http.put(f"/v1/queries/{name}", content=body, headers=AS_JSON).is_success
    [address] = re.findall(r'curl "\$UPSHOT_URL(/v1/queries/\w+/result\?[^"]+)"', page)
    answer = filled.http.get(address)
    assert answer.headers["content-type"].startswith("text/csv")
    assert 20 == len(list(csv.DictReader(io.StringIO(answer.text))))


GRAFANA = ROOT / "docs" / "grafana"
VARIABLES = {
    "__from": "1788220800000",
    "__to": "1789084799000",
    "experiment": "prompt",
    "score": "solved",
}
"""What Grafana would put in the place of its variables: 1 to 10 September 2026."""


def _filled_in(text: str) -> str:
    """Return a text with Grafana's variables replaced; one that is not known stays and fails its request."""
    return re.sub(r"\$\{(\w+)(?::\w+)?\}", lambda match: VARIABLES.get(match[1], match[0]), text)


def _targets(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every question of a dashboard to Infinity: of its panels and of its variables."""
    variables = [one["query"]["infinityQuery"] for one in dashboard["templating"]["list"] if one["type"] == "query"]
    return [target for panel in dashboard["panels"] for target in panel["targets"]] + variables


def test_every_address_of_the_grafana_dashboard_answers(filled: Server) -> None:
    """After the saved queries of the docs were put: each address has rows, and every column that a panel reads."""
    for path in sorted((GRAFANA / "queries").glob("*.json")):
        saved = filled.http.put(f"/v1/queries/{path.stem}", content=path.read_bytes(), headers=AS_JSON)
        assert saved.is_success, (path, saved.text)
    dashboard = json.loads((GRAFANA / "dashboard.json").read_text())
    targets = _targets(dashboard)
    asked: set[str] = set()
    for target in targets:
        address = _filled_in(target["url"])
        options = [(str(one["key"]), _filled_in(one["value"])) for one in target["url_options"]["params"]]
        assert ("format", "csv") in options and "csv" == target["type"]
        assert not parse_qsl(urlsplit(address).query)
        answer = filled.http.get(address, params=dict(options))
        assert answer.is_success, (address, options, answer.text)
        read = list(csv.DictReader(io.StringIO(answer.text)))
        assert read, (address, options)
        assert {column["selector"] for column in target["columns"]} <= set(read[0]), address
        asked.add(address.split("/")[3])
    assert {path.stem for path in (GRAFANA / "queries").glob("*.json")} == asked
