"""The drill-down over HTTP: typed bodies, hostile ids, refusals, and one chain of links from a score to its span."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from pydantic import TypeAdapter

from queries.drill import QUESTIONS, bodies
from tests.queries.drill.world import otlp, world
from tests.support.server import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

HOSTILE = (
    *("a/b", "a/payload", "payload", "//", "..", "a?b=c&d", "a#b", "a%2Fb", "a b", "'; DROP TABLE runs; --", "-1"),
    *("<script>alert(1)</script>", "ключ", "\u202egnp.exe", "?", "%", "é" * 60, "{key}"),
)
"""Ids that a sender may choose."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that knows the world of the unit tests, and runs of hostile names."""
    with serving(tmp_path_factory.mktemp("drill") / "data") as running:
        known = world()
        assert not running.ingest(known.records)["rejected"]
        sent = running.http.post("/v1/traces", content=otlp(known.spans), headers={"content-type": "application/json"})
        assert sent.is_success
        runs: list[dict[str, Any]] = [
            {"type": "run", "id": id_, "status": "Completed", "started_at": 1_780_000_000_000, "input": id_}
            for id_ in HOSTILE
        ]
        runs += [run | {"sessions": {run["id"].strip() or "k": run["id"]}} for run in runs if run["id"].strip()]
        answer = running.ingest(runs)
        assert not answer["rejected"], answer
        yield running


def body_of(answer: httpx.Response, type_: type[Any]) -> Any:
    """Return a body that is just what the OpenAPI document says of it."""
    assert answer.status_code == 200, answer.text
    return TypeAdapter(type_).validate_json(answer.content, strict=True)


def test_from_a_bad_score_to_its_span(server: Server) -> None:
    """Score, runs below, session, run, trace, payload: each body names the next."""
    get = server.http.get
    page = body_of(get("/v1/scores/quality"), bodies.ScorePage)
    assert page.by_function and page.by_variant
    listed = body_of(get("/v1/runs", params={"score": "quality", "score_below": 0.9, "limit": 500}), bodies.Runs)
    traced = next(run for run in listed.runs if run.usage.calls)
    run = body_of(get(f"/v1/runs/{quote(traced.id, safe='')}"), bodies.Run)
    span = next(span for span in run.spans if span.counts)
    trace = body_of(get(f"/v1/traces/{span.trace_id}"), bodies.Trace)
    assert span.span_id in {row.span_id for row in trace.spans}
    of = {"of": "input", "span": span.span_id}
    body_of(get(f"/v1/runs/{quote(traced.id, safe='')}/payload", params=of), bodies.WholePayload)
    sessions = body_of(get("/v1/sessions", params={"key": "ticket", "limit": 1}), bodies.Sessions)
    one = sessions.sessions[0]
    body_of(get(f"/v1/sessions/{one.key}/{one.id}"), bodies.Session)
    following = body_of(get("/v1/sessions", params={"key": "ticket", "cursor": sessions.next}), bodies.Sessions)
    assert (one.key, one.id) not in {(other.key, other.id) for other in following.sessions}


@pytest.mark.parametrize("id_", HOSTILE)
def test_an_id_is_any_text(server: Server, id_: str) -> None:
    """Percent-encoded, each is found: as a run, with its payload, and as a session's key and id."""
    sent = f"/v1/runs/{quote(id_, safe='')}".replace("/..", "/%2E%2E")
    assert id_ == body_of(server.http.get(sent), bodies.Run).run.id
    whole = body_of(server.http.get(f"{sent}/payload", params={"of": "input"}), bodies.WholePayload)
    assert id_ == whole.run_id
    if key := id_.strip():
        sent = f"/v1/sessions/{quote(key, safe='')}/{quote(id_, safe='')}".replace("/..", "/%2E%2E")
        found = body_of(server.http.get(sent), bodies.Session)
        assert (key, id_) == (found.session.key, found.session.id)


@pytest.mark.parametrize(
    ("path", "status", "code", "message"),
    [
        ("/v1/runs/nobody", 404, "not_found", "no run 'nobody' is here"),
        ("/v1/runs/%00", 404, "not_found", "no run '\\x00' is here"),
        ("/v1/runs/%FF", 404, "not_found", "no run"),
        ("/v1/traces/none", 404, "not_found", "no span of the trace 'none' is here"),
        ("/v1/scores/none", 404, "not_found", "no score 'none' is declared or seen"),
        ("/v1/sessions/ticket/none", 404, "not_found", "no session 'none' of the key 'ticket' is here"),
        ("/v1/runs?limit=501", 400, "bad_parameter", "limit is 501, must be 1 to 500"),
        ("/v1/runs?limit=many", 400, "bad_parameter", "parameter 'limit' is 'many', must be a whole number"),
        ("/v1/runs?status=Failed&status=Running", 400, "bad_parameter", "is given 2 times, must be given once"),
        ("/v1/runs?statu=Failed", 400, "bad_parameter", "there is no parameter 'statu'"),
        ("/v1/runs?cursor=AAAA", 400, "bad_parameter", "cursor is 'AAAA', must be the `next`"),
        ("/v1/runs/payload?id=x", 400, "bad_parameter", "there is no parameter 'id': it is a part of the path"),
        ("/v1/runs/payload/payload", 400, "bad_parameter", "parameter 'of' has no value"),
        (
            "/v1/overview?from=2026-09-02&to=2026-09-01",
            *(400, "bad_parameter", "from is 2026-09-02T00:00:00.000000Z, must be before to, which is 2026-09-01T"),
        ),
        ("/v1/overview?since=7d", 400, "bad_parameter", "there is no parameter 'since'"),
        ("/v1/sessions?order=best", 400, "bad_parameter", "parameter 'order' is 'best', must be one of newest, oldest"),
        ("/v1/traces/a?limit=20001", 400, "bad_parameter", "limit is 20001, must be 1 to 20000"),
    ],
)
def test_a_refusal_names_value_and_bound(server: Server, path: str, status: int, code: str, message: str) -> None:
    """One error body, whatever is wrong."""
    answer = server.http.get(path)
    error = answer.json()["error"]
    assert (status, code) == (answer.status_code, error["code"])
    assert message in error["message"] and error["request_id"]


def test_the_document_has_every_parameter_and_body(server: Server) -> None:
    """OpenAPI names each route's parameters and types its body, with what each field means."""
    document = server.http.get("/openapi.json").json()
    paths = {
        "/v1/overview": ("overview", "Overview"),
        "/v1/sessions": ("sessions", "Sessions"),
        "/v1/sessions/{key}/{session_id}": ("session", "Session"),
        "/v1/runs": ("runs", "Runs"),
        "/v1/runs/{run_id}": ("run", "Run"),
        "/v1/runs/{run_id}/payload": ("payload", "WholePayload"),
        "/v1/traces/{trace_id}": ("trace", "Trace"),
        "/v1/scores/{name}": ("score", "ScorePage"),
    }
    for path, (question, body) in paths.items():
        told = document["paths"][path]["get"]
        named = {one["name"] for one in told["parameters"]} | {"id"} - {"run_id", "session_id"}
        assert {one.name for one in QUESTIONS[question].parameters} <= named
        [schema] = told["responses"]["200"]["content"].values()
        assert f"#/components/schemas/{body}" == schema["schema"]["$ref"]
    fields = document["components"]["schemas"]["SpanRow"]["properties"]
    assert "A model call that counts in totals." == fields["counts"]["description"]


def test_an_overview_leads_to_what_it_names(server: Server) -> None:
    """Its body is typed; a function, a session and a run that it names are found; by default it is of seven days."""
    get = server.http.get
    asked = {"from": "2026-09-01T00:00:00Z", "to": "2026-09-06T00:00:00Z"}
    found = body_of(get("/v1/overview", params=asked), bodies.Overview)
    assert ("2026-09-01T00:00:00.000Z", "2026-08-27T00:00:00.000Z") == (found.start, found.before)
    [worst, *_] = found.functions
    listed = body_of(get("/v1/runs", params=asked | {"function": worst.function_id, "limit": 500}), bodies.Runs)
    assert (worst.now.runs, worst.now.failed) == (
        len(listed.runs),
        sum(run.status == "Failed" for run in listed.runs),
    )
    newest = found.sessions[0]
    session = body_of(get(f"/v1/sessions/{newest.key}/{newest.id}"), bodies.Session)
    assert newest.run_id in {one.run.id for one in session.runs}
    usual = body_of(get("/v1/overview"), bodies.Overview)
    start, end = (dt.datetime.fromisoformat(text) for text in (usual.start, usual.end))
    assert dt.timedelta(days=7) == end - start
    assert abs(end - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)


def test_rows_are_there_at_once(server: Server) -> None:
    """An acknowledged run is in the next list and page."""
    record = {"type": "run", "id": "just now", "status": "Running", "queued_at": "2027-01-01T00:00:00Z"}
    server.ingest([record])
    assert "just now" == server.http.get("/v1/runs", params={"limit": 1}).json()["runs"][0]["id"]
    server.ingest([record | {"status": "Failed", "error": {"why": "late"}}])
    assert "Failed" == server.http.get("/v1/runs/just%20now").json()["run"]["status"]
