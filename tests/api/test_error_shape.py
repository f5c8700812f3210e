"""One error body everywhere: {"error": {"code", "message", "line"?, "col"?, "length"?, "hint"?, "request_id"}}."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest

from api.errors import STATUS

if TYPE_CHECKING:
    import httpx

    from tests.support.server import Server

ARROW = {"accept": "application/vnd.apache.arrow.stream"}

FAILURES: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "no route": ("GET", "/v1/nothing", {}, "not_found"),
    "wrong method": ("DELETE", "/v1/query", {}, "method_not_allowed"),
    "no JSON": ("POST", "/v1/query", {"content": b"{", "headers": {"content-type": "application/json"}}, "malformed"),
    "unknown field": ("POST", "/v1/query", {"json": {"sql": "SELECT 1", "x": 1}}, "bad_parameter"),
    "no sql": ("POST", "/v1/query", {"json": {}}, "bad_parameter"),
    "two statements": ("POST", "/v1/query", {"json": {"sql": "SELECT 1; SELECT 2"}}, "refused_statement"),
    "a write": ("POST", "/v1/query", {"json": {"sql": "DELETE FROM runs"}}, "refused_statement"),
    "a file": ("POST", "/v1/query", {"json": {"sql": "SELECT * FROM 'x.csv'"}}, "unknown_table"),
    "a file function": ("POST", "/v1/query", {"json": {"sql": "SELECT * FROM read_csv('x')"}}, "refused_function"),
    "unknown table": ("POST", "/v1/query", {"json": {"sql": "SELECT * FROM rums"}}, "unknown_table"),
    "unknown column": ("POST", "/v1/query", {"json": {"sql": "SELECT statsu FROM runs"}}, "unknown_column"),
    "syntax": ("POST", "/v1/query", {"json": {"sql": "SELECT FROM WHERE"}}, "syntax"),
    "too many rows": ("POST", "/v1/query", {"json": {"sql": "SELECT 1", "limit": -1}}, "bad_parameter"),
    "too long": ("POST", "/v1/query", {"json": {"sql": "SELECT 1", "timeout_s": 3600}}, "bad_parameter"),
    "arrow too": ("POST", "/v1/query", {"json": {"sql": "SELECT * FROM rums"}, "headers": ARROW}, "unknown_table"),
    "torn gzip": (
        "POST",
        "/v1/ingest",
        {"content": gzip.compress(b'{"type":"run"}' * 100)[:-9], "headers": {"content-encoding": "gzip"}},
        "malformed",
    ),
    "a bomb": (
        "POST",
        "/v1/ingest",
        {"content": gzip.compress(b" " * (129 << 20), 1), "headers": {"content-encoding": "gzip"}},
        "too_large",
    ),
    "too large": ("POST", "/v1/ingest", {"content": b" " * ((32 << 20) + 1)}, "too_large"),
    "no experiment": ("GET", "/v1/experiments/none", {}, "not_found"),
    "no report": ("GET", "/v1/experiments/none/report", {}, "not_found"),
    "bad option": ("PUT", "/v1/experiments/x", {"json": {"alpha": 2}}, "bad_parameter"),
    "unknown option": ("PUT", "/v1/experiments/x", {"json": {"contrl": "a"}}, "bad_parameter"),
    "bad kind": ("PUT", "/v1/scores/x", {"json": {"kind": "colour"}}, "bad_parameter"),
    "wrong key": ("GET", "/v1/tables", {"headers": {"authorization": "Bearer upk_none"}}, "unauthorized"),
}


def assert_error(answer: httpx.Response, code: str) -> dict[str, Any]:
    """Assert the one body, its code, the code's status, and return it."""
    assert answer.headers["content-type"].startswith("application/json")
    assert ["error"] == list(answer.json())
    error = answer.json()["error"]
    assert code == error["code"], error
    assert STATUS[code] == answer.status_code
    assert (
        {"code", "message", "request_id"}
        <= set(error)
        <= {"code", "message", "line", "col", "length", "hint", "request_id"}
    )
    assert error["message"]
    assert answer.headers["x-request-id"] == error["request_id"]
    return error


@pytest.mark.parametrize("case", FAILURES)
def test_every_failure_has_the_one_body(server: Server, case: str) -> None:
    """Whatever goes wrong, code, status, message and request id are as documented."""
    method, path, options, code = FAILURES[case]
    error = assert_error(server.http.request(method, path, **options), code)
    for private in ("internal.", str(server.data), "log.db", "Traceback"):
        assert private not in str(error)


def test_a_refusal_names_the_place_and_the_nearest_name(server: Server) -> None:
    """Line and column count from 1 and point at the name; the hint has the nearest one."""
    error = assert_error(server.http.post("/v1/query", json={"sql": "SELECT id\nFROM rums"}), "unknown_table")
    assert (2, 6) == (error["line"], error["col"])
    assert "runs" in error["hint"]
    error = assert_error(server.http.post("/v1/query", json={"sql": "\n  DELETE FROM runs"}), "refused_statement")
    assert (2, 3) == (error["line"], error["col"])
    assert "one SELECT" in error["hint"]
    unbound = {"sql": "SELECT\n  valeu FROM scores"}
    error = assert_error(server.http.post("/v1/query", json=unbound), "unknown_column")
    assert (2, 3) == (error["line"], error["col"])
    assert "value" in error["hint"]
    [diagnostic] = server.http.post("/v1/query/check", json=unbound).json()["diagnostics"]
    assert (2, 3, "unknown_column") == (diagnostic["line"], diagnostic["col"], diagnostic["code"])


def test_health(server: Server) -> None:
    """Liveness and readiness answer 200."""
    assert server.http.get("/healthz").json() == {"status": "ok"}
    assert server.http.get("/readyz").json() == {"status": "ready"}
