"""The weekly notebook beside its own SQL run raw: `python -m benchmarks.notebook [--scores N] [--keep FOLDER]`.

10 M scores of 200,000 units in one experiment with six scores, as `benchmarks.report` makes them. The peer is DuckDB
over the same files with what the notebook asks: which experiments ran, and each score's aggregates by variant.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from benchmarks.measure import Figures
from benchmarks.report import DECLARED, RAW, SCORES, fill, raw
from tests.api.reports.workers import descendants
from tests.support.server import Server, serving

ACTIVE = "SELECT experiment, max(ts), count(DISTINCT run_id) FROM assignments GROUP BY experiment"
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


def peak_mb(server: Server, module: str) -> float:
    """Return the most memory that the server's children of a module had, together."""
    found = 0
    for pid in descendants(server.process.pid):
        if module.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            found += int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0])
    return found / 1024


def main() -> None:
    """Measure, print each figure beside its peer's, write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="make the data here and keep it, or use what is there")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    given = parser.parse_args()
    figures = Figures()
    with tempfile.TemporaryDirectory() if given.keep is None else nullcontext(given.keep) as folder:
        data = Path(folder) / "data"
        if not data.exists():
            fill(data, given.scores)
        with serving(data, "--log-level", "warning") as server:
            server.http.timeout = 600
            server.http.put("/v1/experiments/e", json=DECLARED).raise_for_status()
            notebook = {"title": "Weekly", "template": "weekly-winners"}
            server.http.put("/v1/reports/weekly-winners", json=notebook).raise_for_status()
            con = raw(data)
            ours: list[float] = []
            theirs: list[float] = []
            memory: list[float] = []
            for _ in range(given.rounds):
                began = time.perf_counter()
                for sql in (ACTIVE, *(RAW.format(score=score) for score in SCORES)):
                    con.sql(sql).fetchall()
                theirs.append(time.perf_counter() - began)
                began = time.perf_counter()
                memory.append(edition(server)["peak_mb"])
                ours.append(time.perf_counter() - began)
            figures.add(
                f"weekly notebook, {given.scores / 1e6:g} M scores, asked to delivered (floor {FLOOR_SECONDS} s)",
                statistics.median(ours), "s", "its SQL in raw DuckDB", statistics.median(theirs),
            )  # fmt: skip
            figures.add(f"peak memory of the notebook's processes (floor {FLOOR_MB} MB)", max(memory), "MB")
            figures.add("peak memory of the query workers", peak_mb(server, "queries.worker"), "MB")
    if given.json:
        given.json.write_text(json.dumps(figures.rows, indent=2))


if __name__ == "__main__":
    main()
