"""Run the benchmarks and print each figure beside its peer's: `python -m benchmarks [--runs N]`."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from benchmarks.measure import anew, same
from benchmarks.records import records
from tests.support.server import Server, serving

if TYPE_CHECKING:
    from collections.abc import Callable

HEAVY = (
    "SELECT a.variant, s.name, count(*) AS n, avg(s.value) AS mean, stddev_samp(s.value) AS sd, "
    "quantile_cont(s.value, 0.9) AS p90 FROM scores s JOIN assignments a USING (run_id) JOIN runs r ON r.id = s.run_id "
    "WHERE r.status = 'Completed' GROUP BY ALL ORDER BY ALL"
)
SMALL = "SELECT name, count(*) AS n, avg(value) AS mean FROM scores WHERE run_id = '{run}' GROUP BY ALL"
ROUNDS = 7

_LAYOUT = {"scores": "score_history", "assignments": "assignments", "runs": "runs"}


def best(work: Callable[[], object], rounds: int = ROUNDS) -> tuple[float, float]:
    """Return the best and the median seconds of some rounds."""
    taken: list[float] = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken), statistics.median(taken)


def raw_load(path: Path, folder: Path) -> float:
    """Return the seconds DuckDB takes from the same file to Parquet (no fsync, no validation, no keys)."""
    con = duckdb.connect()
    con.execute("SET threads = 2")
    target = folder / "raw.parquet"
    return best(
        lambda: con.execute(
            f"COPY (SELECT * FROM read_json('{path}', format = 'newline_delimited')) TO '{target}' "
            f"(FORMAT parquet, COMPRESSION zstd)"
        ),
        3,
    )[0]


def ingest(path: Path, *arguments: str) -> float:
    """Return the seconds `upshot ingest` takes until the last record is durable, its start included."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-P", "-m", "api.cli", "ingest", str(path), *arguments], check=True, stderr=subprocess.DEVNULL
    )
    return time.perf_counter() - started


def sealed(server: Server, seconds: float = 120) -> None:
    """Wait until the log is empty, so that both sides read the same files."""
    import sqlite3  # noqa: PLC0415 - only here

    con = sqlite3.connect(server.data / "workspaces/default/log.db")
    deadline = time.monotonic() + seconds
    while con.execute("SELECT count(*) FROM log").fetchone()[0] and time.monotonic() < deadline:
        time.sleep(0.25)


def peaks(server: Server) -> dict[str, float]:
    """Return the largest resident memory each process of a server ever had, in MB; of several of a kind the largest."""
    found: dict[str, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            facts = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
            command = (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if server.process.pid in (int(facts["Pid"]), int(facts["PPid"])) and "-m" in command:
            name = command[command.index("-m") + 1]
            found[name] = max(found.get(name, 0.0), int(facts["VmHWM"].split()[0]) / 1000)
    return found


def raw_queries(data: Path) -> duckdb.DuckDBPyConnection:
    """Return plain DuckDB over the very files of the workspace."""
    con = duckdb.connect()
    con.execute("SET threads = 2")
    con.execute("SET TimeZone = 'UTC'")
    for name, folder in _LAYOUT.items():
        files = sorted(str(path) for path in (data / "workspaces/default" / folder).rglob("*.parquet"))
        con.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({files!r})")
    return con


def main() -> None:
    """Measure, print a table, write the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=250_000, help="runs in the file; four records each")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    given = parser.parse_args()
    path = records(given.runs)
    count = given.runs * 4
    figures: dict[str, float] = {"records": count, "file_bytes": path.stat().st_size}
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        figures["raw_load_per_s"] = count / raw_load(path, folder)
        figures["ingest_folder_per_s"] = count / ingest(path, "--data", str(folder / "offline"))
        with serving(folder / "data", "--log-level", "warning") as server:
            figures["ingest_http_per_s"] = count / ingest(path, "--url", server.url)
            sealed(server)
            figures |= {f"peak_mb_{name}": mb for name, mb in peaks(server).items()}
            files = list((folder / "data/workspaces").rglob("*.parquet"))
            figures["files"] = len(files)
            figures["bytes_per_record"] = sum(file.stat().st_size for file in files) / count
            raw = raw_queries(folder / "data")
            run = raw.execute("SELECT id FROM runs LIMIT 1 OFFSET 1000").fetchone()
            small = SMALL.format(run=run[0] if run else "")
            ours, theirs = server.ask(HEAVY), [list(row) for row in raw.execute(HEAVY).fetchall()]
            if not same(ours, theirs):
                sys.exit("the answers differ")
            for name, sql in (("heavy", HEAVY), ("small", small)):
                figures[f"{name}_raw_ms"], figures[f"{name}_raw_median_ms"] = (
                    1000 * s for s in best(lambda sql=sql: raw.execute(sql).fetchall())
                )
                figures[f"{name}_api_ms"], figures[f"{name}_api_median_ms"] = (
                    1000 * s for s in best(lambda sql=sql: server.ask(anew(sql), timeout_s=30))
                )
    show(figures)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2))


def show(f: dict[str, float]) -> None:
    """Print the figures beside the peer's."""
    rows = [
        ("records durable per second, HTTP", f["ingest_http_per_s"], "DuckDB read_json -> COPY", f["raw_load_per_s"]),
        ("records durable per second, --data", f["ingest_folder_per_s"], "the same", f["raw_load_per_s"]),
        ("heavy query over the API, ms", f["heavy_api_ms"], "raw DuckDB, same files", f["heavy_raw_ms"]),
        ("small query over the API, ms", f["small_api_ms"], "raw DuckDB, same files", f["small_raw_ms"]),
    ]
    print(f"{f['records']:,.0f} records, {f['file_bytes'] / 1e6:,.0f} MB of NDJSON, best of {ROUNDS}")
    for name, value, peer, theirs in rows:
        print(f"{name:38} {value:>12,.1f}   {peer:26} {theirs:>12,.1f}   ratio {value / theirs:.2f}")
    print(f"small query: {f['small_api_ms'] - f['small_raw_ms']:.1f} ms above raw DuckDB")
    print("peak memory, MB: " + ", ".join(f"{n[8:]} {v:.0f}" for n, v in f.items() if n.startswith("peak_mb_")))
    print(f"on disk: {f['bytes_per_record']:.1f} bytes a record in {f['files']:.0f} files")


if __name__ == "__main__":
    main()
