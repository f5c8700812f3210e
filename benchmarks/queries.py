"""Questions over HTTP beside raw DuckDB on the same files in one run: `python -m benchmarks.queries [--runs N]`.

A heavy and a small query, 100,000 rows of ten columns as Arrow, fifty dashboard questions at once, the guard alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pyarrow as pa

from benchmarks.__main__ import HEAVY, SMALL, ingest, raw_queries, sealed
from benchmarks.measure import Figures, anew, rounds
from benchmarks.records import records
from queries.formats import ARROW_STREAM
from queries.guard import check
from tests.support.server import Server, serving
from warehouse.engine import serializer

if TYPE_CHECKING:
    from collections.abc import Callable

WIDE = (
    "SELECT s.id, s.run_id, s.name, s.value, s.ts, a.variant, a.unit, r.status, r.started_at, r.ended_at "
    "FROM scores s JOIN assignments a USING (run_id) JOIN runs r ON r.id = s.run_id LIMIT 100000"
)
TILES = (
    "SELECT name, count(*) AS n, avg(value) AS mean FROM scores GROUP BY ALL ORDER BY name -- {n}",
    "SELECT date_trunc('day', started_at) AS day, count(*) AS n FROM runs GROUP BY ALL ORDER BY day -- {n}",
    "SELECT variant, count(*) AS n FROM assignments GROUP BY ALL ORDER BY variant -- {n}",
    "SELECT status, count(*) AS n FROM runs GROUP BY ALL ORDER BY status -- {n}",
    "SELECT count(*) AS n FROM scores WHERE name = 'quality' AND value > 0.9 -- {n}",
)
"""What a dashboard's tiles ask; a number in a comment makes texts that differ."""
AT_ONCE = 50


def together(server: Server, statements: list[str]) -> list[float]:
    """Return the seconds of each statement, all asked at once."""
    with httpx.Client(base_url=server.url, timeout=60, limits=httpx.Limits(max_connections=AT_ONCE)) as http:

        def ask(sql: str) -> float:
            began = time.perf_counter()
            http.post("/v1/query", json={"sql": sql}).raise_for_status()
            return time.perf_counter() - began

        with ThreadPoolExecutor(AT_ONCE) as threads:
            return sorted(threads.map(ask, statements))


def p95(times: list[float]) -> float:
    """Return the 95th percentile."""
    return sorted(times)[int(len(times) * 0.95)]


def main() -> None:
    """Measure, print each figure beside its peer's, write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=250_000, help="runs in the workspace; four records each")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    given = parser.parse_args()
    figures = Figures()
    with tempfile.TemporaryDirectory() as text, serving(Path(text) / "data", "--log-level", "warning") as server:
        ingest(records(given.runs), "--url", server.url)
        sealed(server)
        raw = raw_queries(server.data)
        row = raw.execute("SELECT id FROM runs LIMIT 1 OFFSET 1000").fetchone()
        small = SMALL.format(run=row[0] if row else "")

        def over_http(sql: str, accept: str = "application/json", limit: int = 10_000) -> Callable[[], object]:
            def ask() -> object:
                given = {"sql": anew(sql), "limit": limit}
                answer = server.http.post("/v1/query", json=given, headers={"accept": accept})
                answer.raise_for_status()
                return pa.ipc.open_stream(answer.content).read_all() if accept == ARROW_STREAM else answer.json()

            return ask

        for name, sql in (("heavy query", HEAVY), ("small query", small)):
            ours, theirs = rounds((over_http(sql), lambda sql=sql: raw.execute(sql).fetchall()), 15)
            mine, peer = statistics.median(ours) * 1e3, statistics.median(theirs) * 1e3
            figures.add(f"{name}, median", mine, "ms", "raw DuckDB", peer)
        ours, theirs = rounds((over_http(WIDE, ARROW_STREAM, 100_000), lambda: raw.sql(WIDE).to_arrow_table()), 9)
        mine, peer = statistics.median(ours) * 1e3, statistics.median(theirs) * 1e3
        figures.add("100,000 x 10 rows as Arrow, median", mine, "ms", "raw DuckDB", peer)
        alone = p95([together(server, [TILES[n % len(TILES)].format(n=n)])[0] for n in range(40)]) * 1e3
        together(server, [TILES[n % len(TILES)].format(n=f"warm {n}") for n in range(AT_ONCE)])
        same = p95(together(server, [TILES[n % len(TILES)].format(n="same") for n in range(AT_ONCE)])) * 1e3
        figures.add(f"{AT_ONCE} viewers of one dashboard at once, p95", same, "ms", "one alone", alone)
        all_differ = p95(together(server, [TILES[n % len(TILES)].format(n=f"x{n}") for n in range(AT_ONCE)])) * 1e3
        figures.add(f"{AT_ONCE} questions that differ at once, p95", all_differ, "ms", "one alone", alone)
    serialize = serializer()
    [guarded] = rounds((lambda: check(HEAVY, serialize),), 200)
    figures.add("guard of the heavy query, p50", statistics.median(guarded) * 1e3, "ms")
    if given.json:
        given.json.write_text(json.dumps(figures.rows, indent=2))


if __name__ == "__main__":
    main()
