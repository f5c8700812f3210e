"""The weekly notebook beside its own SQL run raw: `python -m benchmarks.notebook [--scores N] [--keep FOLDER]`.

10 M scores of 200,000 units in one experiment with six scores, as `benchmarks.report` makes them. The peer is DuckDB
over the same files with what the notebook asks: which experiments ran, and each score's aggregates by variant.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import TYPE_CHECKING, Any

from benchmarks.__main__ import peaks
from benchmarks.measure import Figures
from benchmarks.report import RAW, SCORES, arguments, declared

if TYPE_CHECKING:
    from tests.support.server import Server

ACTIVE = "SELECT DISTINCT experiment FROM assignments ORDER BY experiment"
FLOOR_SECONDS, FLOOR_MB = 30, 1024


def edition(server: Server) -> dict[str, Any]:
    """Run the notebook once and return its edition."""
    asked = (
        server.http.post("/v1/reports/weekly-winners/run", json={"params": {"days": 3650}}).raise_for_status().json()
    )
    while (made := server.http.get(asked["place"]).raise_for_status().json())["status"] in ("waiting", "running"):
        time.sleep(0.05)
    if made["status"] != "done":
        raise SystemExit(f"the notebook failed: {made['error']}")
    return made


def main() -> None:
    """Measure, print each figure beside its peer's, write them as JSON."""
    given = arguments(__doc__ or "", 10_000_000)
    figures = Figures()
    with declared(given.keep, given.scores) as (server, con):
        notebook = {"title": "Weekly", "template": "weekly-winners"}
        server.http.put("/v1/reports/weekly-winners", json=notebook).raise_for_status()
        ours: list[float] = []
        theirs: list[float] = []
        memory: list[float] = []
        for _ in range(given.rounds):
            began = time.perf_counter()
            for sql in (ACTIVE, *(RAW.format(score=score) for score in SCORES)):
                con.sql(sql).to_arrow_table()
            theirs.append(time.perf_counter() - began)
            began = time.perf_counter()
            memory.append(edition(server)["peak_mb"])
            ours.append(time.perf_counter() - began)
        figures.add(
            f"weekly notebook, {given.scores / 1e6:g} M scores, asked to delivered (floor {FLOOR_SECONDS} s)",
            statistics.median(ours), "s", "its SQL in raw DuckDB", statistics.median(theirs),
        )  # fmt: skip
        figures.add(f"peak memory of the notebook's processes (floor {FLOOR_MB} MB)", max(memory), "MB")
        figures.add("peak memory of the query workers", peaks(server)["queries.worker"], "MB")
    if given.json:
        given.json.write_text(json.dumps(figures.rows, indent=2))


if __name__ == "__main__":
    main()
