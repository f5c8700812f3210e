"""`POST /v1/query` and `/v1/query/check` over HTTP: formats, limits, PIVOT, diagnostics, budget, statistics."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from queries.formats import ACCEPTED
from tests.support.server import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = 60


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with runs of three statuses, scores and assignments."""
    with serving(tmp_path_factory.mktemp("query") / "data") as server:
        records: list[dict[str, Any]] = []
        for n in range(RUNS):
            status = ("Completed", "Failed", "Cancelled")[n % 3]
            records.append({"type": "run", "id": f"r{n:03d}", "status": status, "user_id": f"u{n % 7}"})
            records.append({"type": "score", "run_id": f"r{n:03d}", "name": "solved", "value": n % 4 == 0})
            records.append(
                {
                    "type": "assignment",
                    "run_id": f"r{n:03d}",
                    "experiment": "e",
                    "variant": "ab"[n % 2],
                    "unit": f"u{n % 7}",
                }
            )
        assert not server.ingest(records)["rejected"]
        yield server


def post(server: Server, route: str, sql: str, accept: str = "application/json", **fields: Any) -> Any:
    """Return the response to a question."""
    return server.http.post(route, json={"sql": sql, **fields}, headers={"accept": accept})


@pytest.mark.parametrize("accept", ACCEPTED)
def test_every_format_answers_the_same_rows(filled: Server, accept: str) -> None:
    """By Accept, with the facts in headers."""
    answer = post(filled, "/v1/query", "SELECT id, status FROM runs ORDER BY id", accept, limit=10)
    assert 200 == answer.status_code
    assert ("10", "true") == (answer.headers["upshot-rows"], answer.headers["upshot-truncated"])
    assert "no-store" == answer.headers["cache-control"]
    match ACCEPTED[accept]:
        case "json":
            ids = [row[0] for row in answer.json()["rows"]]
        case "ndjson":
            ids = [json.loads(line)["id"] for line in answer.text.splitlines()]
        case "csv":
            ids = [row["id"] for row in csv.DictReader(io.StringIO(answer.text))]
        case "arrow":
            ids = pa.ipc.open_stream(answer.content).read_all()["id"].to_pylist()
        case _:
            ids = pq.read_table(io.BytesIO(answer.content))["id"].to_pylist()
    assert [f"r{n:03d}" for n in range(10)] == ids


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("text/csv;q=0.5, application/x-ndjson", "application/x-ndjson"),
        ("application/json;q=0.1, text/csv", "text/csv; charset=utf-8"),
        ("text/csv;q=0, */*", "application/json"),
    ],
)
def test_accept_is_read_as_its_standard_says(filled: Server, accept: str, kind: str) -> None:
    """RFC 9110: the highest quality first, zero means never."""
    assert kind == post(filled, "/v1/query", "SELECT 1", accept).headers["content-type"]


def test_an_unknown_format_is_named(filled: Server) -> None:
    """With those there are."""
    error = post(filled, "/v1/query", "SELECT 1", "application/xml").json()["error"]
    assert "bad_parameter" == error["code"]
    assert "text/csv" in error["message"]


def test_limits_are_stated_and_never_widened(filled: Server) -> None:
    """A caller may tighten; beyond the bound it is refused with the bound."""
    answer = post(filled, "/v1/query", "SELECT id FROM runs", limit=7, timeout_s=3).json()
    assert (7, True, 7, 3) == (
        answer["row_count"],
        answer["truncated"],
        answer["limits"]["rows"],
        answer["limits"]["seconds"],
    )
    exact = post(filled, "/v1/query", "SELECT id FROM runs", limit=RUNS).json()
    assert (RUNS, False) == (exact["row_count"], exact["truncated"])
    for name, value, bound in (("limit", 1_000_001, "1000000"), ("timeout_s", 31, "30"), ("timeout_s", 0, "above 0")):
        error = post(filled, "/v1/query", "SELECT 1", "*/*", **{name: value}).json()["error"]
        assert "bad_parameter" == error["code"]
        assert bound in error["message"]


def test_a_large_answer_is_whole(filled: Server) -> None:
    """Beyond what is held in memory: with its length, and nothing left behind."""
    sql = "SELECT a.id, b.id AS b, c.id AS c FROM runs a, runs b, runs c ORDER BY ALL"
    answer = post(filled, "/v1/query", sql, "application/x-ndjson", limit=1_000_000)
    assert (RUNS**3, len(answer.content)) == (len(answer.text.splitlines()), int(answer.headers["content-length"]))
    wide = post(
        filled, "/v1/query", sql.replace("c.id AS c", "sha256(c.id) || sha256(b.id) AS c"), "text/csv", limit=10**6
    )
    assert RUNS**3 + 1 == len(wide.text.splitlines())
    assert [] == [*filled.data.glob("spool/*/answer-*")]


def test_a_pivot_without_its_list_is_served(filled: Server) -> None:
    """Its columns are the values there are; `check` knows them too; errors stand in the caller's own text."""
    sql = "SELECT * FROM (PIVOT runs ON status USING count(*) GROUP BY user_id) ORDER BY user_id"
    answer = post(filled, "/v1/query", sql).json()
    names = [column["name"] for column in answer["columns"]]
    assert ["user_id", "Cancelled", "Completed", "Failed"] == names
    assert RUNS == sum(sum(row[1:]) for row in answer["rows"])
    assert names == [column["name"] for column in post(filled, "/v1/query/check", sql).json()["columns"]]
    error = post(filled, "/v1/query", "PIVOT runs ON status USING sum(nothing)").json()["error"]
    assert ("unknown_column", 1, 32, 7) == (error["code"], error["line"], error["col"], error["length"])


def test_check_warns_and_estimates(filled: Server) -> None:
    """Diagnostics with a place, what would be read, and nothing runs."""
    sql = "SELECT avg(value)\nFROM scores\nWHERE name = 'solvd'"
    answer = post(filled, "/v1/query/check", sql).json()
    [warning] = answer["diagnostics"]
    assert ("warning", "unknown_score", 3) == (warning["severity"], warning["code"], warning["line"])
    assert "solved" in warning["hint"]
    assert (["scores"], 1) == (answer["tables"], len(answer["columns"]))
    refused = post(filled, "/v1/query/check", "SELECT statu FROM runs").json()
    [error] = refused["diagnostics"]
    assert not refused["ok"]
    assert ("unknown_column", 1, 8, 5) == (error["code"], error["line"], error["col"], error["length"])
    assert "status" in error["hint"]


def test_statistics_are_there(filled: Server) -> None:
    """Any query may call them; what they are made of is refused."""
    sql = "SELECT variant, cluster_mean(value, unit).units FROM experiment_scores GROUP BY ALL ORDER BY 1"
    assert [["a", 7], ["b", 7]] == filled.ask(sql)
    assert "refused_function" == filled.refused("SELECT _mean_ci(1, 1, 1, 0.9)")["code"]


def test_a_query_above_the_operators_budget_is_refused(tmp_path: Any) -> None:
    """With the estimate, the budget, and a condition that really helps."""
    day = 86_400_000
    with serving(tmp_path / "data", query_scan_mb="1") as server:
        for first in range(0, 10, 2):
            records = [
                {
                    "type": "run",
                    "id": f"r{first}-{n}",
                    "status": "Completed",
                    "started_at": 1_788_220_800_000 + (first + n % 2) * day,
                    "input": {"text": "".join(f"{n * 31 + k:x}" for k in range(60))},
                }
                for n in range(6_000)
            ]
            assert not server.ingest(records)["rejected"]
        _sealed(server)
        error = server.refused("SELECT count(*) FROM runs")
        assert "too_large" == error["code"]
        assert "WHERE" in error["hint"].upper()
        narrowed = server.http.post("/v1/query/check", json={"sql": "SELECT count(*) FROM runs"}).json()
        assert not narrowed["ok"]
        assert 413 == server.http.post("/v1/query", json={"sql": "SELECT count(*) FROM runs"}).status_code


def _sealed(server: Server) -> None:
    import sqlite3  # noqa: PLC0415 - only here
    import time  # noqa: PLC0415

    con = sqlite3.connect(server.data / "workspaces/default/log.db")
    deadline = time.monotonic() + 60
    while con.execute("SELECT count(*) FROM log").fetchone()[0]:
        assert time.monotonic() < deadline, "the keeper does not seal"
        time.sleep(0.2)
    con.close()
