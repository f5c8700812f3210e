"""Server times of the home page's question, lists and details: `python -m benchmarks.pages [--runs N] [--only lists]`.

`lists` asks over HTTP, each time something that was not asked before, of a workspace of ten million runs over 90 days;
beside it raw DuckDB takes the same 50 rows, without their scores, variants and usage, from the same files. `trace`
opens one trace of 500 spans in Chromium here and in Phoenix, until its rows are seen.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import math
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.__main__ import raw_queries
from benchmarks.measure import Figures
from benchmarks.otlp_sides import phoenix, phoenix_projects, upshot
from benchmarks.pages_data import DAY_US, SPANS, make
from benchmarks.records import DATA
from benchmarks.warehouse import fresh
from tests.support.server import Server, serving
from warehouse.clock import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.otlp_sides import Side

END_US = int(dt.datetime(2026, 11, 22, 1, tzinfo=dt.UTC).timestamp()) * 1_000_000
"""When the workspace's time ends: one that is made is kept, and asked about up to here."""
ROUNDS = 20
TRACE_SPANS = 500
VISITS = 7
WEEK_US = 7 * DAY_US

NEWEST = "SELECT * FROM runs ORDER BY coalesce(queued_at, started_at, ended_at) DESC LIMIT 50"
FAILED = "SELECT * FROM runs WHERE status = 'Failed' ORDER BY coalesce(queued_at, started_at, ended_at) DESC LIMIT 50"


def p95(times: list[float]) -> float:
    """Return the 95th percentile."""
    return sorted(times)[int(0.95 * (len(times) - 1))]


def workspace(runs: int) -> Path:
    """Return a data directory with so many runs, made once and kept."""
    folder = DATA / f"pages-{runs}"
    if not (folder / "made").exists():
        make(fresh(folder).workspace("default"), runs, END_US)
        (folder / "made").touch()
    return folder


def _ranged(number: int, length_us: int = WEEK_US) -> dict[str, str]:
    """Return a range that ends a little earlier for each number, so that nothing is answered from memory."""
    end = END_US - number * 1_000_000
    return {"from": iso(end - length_us), "to": iso(end)}


def _questions(server: Server) -> Iterator[tuple[str, Callable[[int], tuple[str, dict[str, Any]]]]]:
    """Yield what is asked: a name, and for a round the path and its parameters."""
    runs = server.http.get("/v1/runs", params={"limit": 500}).json()["runs"]
    traced = [run for run in runs if run["trace_id"]][: ROUNDS + 1]
    sessions = server.http.get("/v1/sessions", params={"limit": 100}).json()["sessions"][: ROUNDS + 1]
    lists: dict[str, tuple[str, dict[str, Any]]] = {
        "runs, newest": ("/v1/runs", {}),
        "runs, failed": ("/v1/runs", {"status": "Failed"}),
        "runs of a function": ("/v1/runs", {"function": "refund"}),
        "runs below a score": ("/v1/runs", {"score": "quality", "score_below": 0.1}),
        "runs of a variant": ("/v1/runs", {"experiment": "prompt", "variant": "b"}),
        "runs, text in each": ("/v1/runs", {"q": "please"}),
        "runs, oldest": ("/v1/runs", {"order": "oldest"}),
        "sessions": ("/v1/sessions", {}),
    }
    yield "home (/v1/overview, 7 of 90 days)", lambda n: ("/v1/overview", _ranged(n))
    for name, (path, given) in lists.items():
        yield name, lambda n, path=path, given=given: (path, given | {"limit": 50 + n})
    yield "runs, slowest of 7 days", lambda n: ("/v1/runs", {"order": "slowest", **_ranged(n)})
    yield "runs, text nowhere in 7 days", lambda n: ("/v1/runs", {"q": "no such text", **_ranged(n)})
    yield "a session", lambda n: (f"/v1/sessions/{sessions[n]['key']}/{sessions[n]['id']}", {})
    yield "a run", lambda n: (f"/v1/runs/{traced[n]['id']}", {})
    yield "a trace", lambda n: (f"/v1/traces/{traced[n]['trace_id']}", {})
    yield "a score, 7 days", lambda n: ("/v1/scores/quality", _ranged(n))


def lists(figures: Figures, runs: int) -> None:
    """Measure server times of every question, beside raw DuckDB for two of them."""
    folder = workspace(runs)
    with serving(folder, "--log-level", "warning") as server:
        raw = raw_queries(folder)
        beside = {"runs, newest": NEWEST, "runs, failed": FAILED}
        for name, question in _questions(server):
            theirs: list[float] = []
            ours: list[float] = []
            before = cpu_seconds(server)
            for number in range(ROUNDS + 1):
                path, given = question(number)
                ours.append(_seconds(lambda path=path, given=given: server.http.get(path, params=given)))
                if name in beside and number < VISITS:
                    theirs.append(_seconds(lambda name=name: raw.sql(beside[name]).to_arrow_table()))
            spent = (cpu_seconds(server) - before) / len(ours)
            first, rest = ours[0], ours[1:]
            peer, raw_ms = ("raw DuckDB", statistics.median(theirs) * 1e3) if theirs else ("", math.nan)
            figures.add(f"{name}, p50", statistics.median(rest) * 1e3, "ms", peer, raw_ms)
            figures.add(f"{name}, p95 of {ROUNDS}", p95(rest) * 1e3, "ms")
            figures.add(f"{name}, first", first * 1e3, "ms")
            figures.add(f"{name}, processor", spent * 1e3, "ms")


def cpu_seconds(server: Server) -> float:
    """Return the processor time of a server and its workers so far, which other work on the machine hardly touches."""
    spent = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if server.process.pid in (int(folder.name), int(fields[1])):
                spent += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return spent


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    answer = work()
    if hasattr(answer, "raise_for_status"):
        answer.raise_for_status()
    return time.perf_counter() - began


def trace_request() -> tuple[str, bytes]:
    """Return the id of a trace of `TRACE_SPANS` spans and its request of OTLP: an agent with model calls and tools."""
    trace_id, start = f"{0xABC:032x}", END_US * 1000
    spans: list[dict[str, Any]] = [
        {
            "traceId": trace_id,
            "spanId": f"{number + 1:016x}",
            **({"parentSpanId": f"{1 if number < SPANS else number // SPANS + 1:016x}"} if number else {}),
            "name": f"step {number}",
            "kind": 1,
            "startTimeUnixNano": str(start + number * 1_000_000),
            "endTimeUnixNano": str(start + number * 1_000_000 + 900_000),
            "attributes": [
                {"key": "gen_ai.operation.name", "value": {"stringValue": "chat" if number % 2 else "tool"}}
            ],
        }
        for number in range(TRACE_SPANS)
    ]
    body: dict[str, Any] = {
        "resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {"name": "bench"}, "spans": spans}]}]
    }
    return trace_id, json.dumps(body).encode()


def trace(figures: Figures) -> None:
    """Measure the time from opening a trace's page until its rows are seen, here and in Phoenix, in turn."""
    from google.protobuf.json_format import Parse  # noqa: PLC0415 - only here
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415
        ExportTraceServiceRequest,
    )
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    from tests.support.browser import CHROMIUM  # noqa: PLC0415

    trace_id, body = trace_request()
    request = json.loads(body)
    for span in request["resourceSpans"][0]["scopeSpans"][0]["spans"]:  # protobuf's own JSON has ids in base64
        for name in ("traceId", "spanId", "parentSpanId"):
            if name in span:
                span[name] = _base64(span[name])
    message = Parse(json.dumps(request), ExportTraceServiceRequest()).SerializeToString()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sides: list[Side] = []
        for start in (upshot, phoenix):
            own = folder / start.__name__
            own.mkdir()
            sides.append(stack.enter_context(start(own)))
        for side in sides:
            headers = {"content-type": "application/x-protobuf"}
            side.http.post("/v1/traces", content=message, headers=headers).raise_for_status()
            while side.spans() < TRACE_SPANS:
                time.sleep(0.2)
        addresses = [_address(side, trace_id) for side in sides]
        browser = stack.enter_context(sync_playwright()).chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        taken: list[list[float]] = [[], []]
        for _ in range(VISITS):
            for times, address in zip(taken, addresses, strict=True):
                page = browser.new_context().new_page()
                began = time.perf_counter()
                page.goto(address, wait_until="commit")
                page.get_by_text("step 10", exact=True).first.wait_for(timeout=60_000)
                times.append(time.perf_counter() - began)
                page.context.close()
        ours, theirs = (statistics.median(times) * 1e3 for times in taken)
        figures.add(f"a trace of {TRACE_SPANS} spans until its rows are seen", ours, "ms", "Phoenix", theirs)


def _base64(digits: str) -> str:
    import base64  # noqa: PLC0415 - only here

    return base64.b64encode(bytes.fromhex(digits)).decode()


def _address(side: Side, trace_id: str) -> str:
    if side.name == "upshot":
        return f"{side.url}/traces/{trace_id}"
    [project] = [one for one in phoenix_projects(side.http) if one["recordCount"]]
    return f"{side.url}/projects/{project['id']}/traces/{trace_id}"


def main() -> None:
    """Measure, print each figure beside its peer's, write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000_000, help="runs in the workspace of `lists`")
    parser.add_argument("--only", choices=("lists", "trace"), help="measure this part alone")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    given = parser.parse_args()
    figures = Figures()
    if given.only != "trace":
        lists(figures, given.runs)
    if given.only != "lists":
        trace(figures)
    if given.json:
        given.json.write_text(json.dumps(figures.rows, indent=2))


if __name__ == "__main__":
    main()
