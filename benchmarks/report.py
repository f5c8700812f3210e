"""The experiment report beside its own aggregates run raw: `python -m benchmarks.report [--scores N] [--keep FOLDER]`.

20 M scores of 200,000 units in 3 variants: one primary and five secondary scores. The peer is DuckDB over the same
files, with the one statement a score of the sufficient statistics (reference: statistics, section 4): no maturity, no
missing scores, no series, no health.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.measure import Figures, rounds
from benchmarks.records import DATA
from tests.support.server import Server, serving
from warehouse.clock import system_clock
from warehouse.compaction import Compactor
from warehouse.directory import make_workspace, open_directory
from warehouse.log import Log, encode
from warehouse.schema import FILE
from warehouse.sealing import Limits, Sealer
from warehouse.upkeep import unlink
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

DAYS = 10
START_US = 1_788_220_800_000_000
"""2026-09-01."""
DAY_US = 86_400_000_000
BATCH = 100_000
VARIANTS = ("control", "b", "c")
SCORES = ("solved", "quality", "cost", "latency", "turns", "csat")
"""The first one is the primary score, a boolean; the others are numbers."""
UNITS = 200_000
DECLARED = {
    "control": "control",
    "primary_score": SCORES[0],
    "secondary_scores": list(SCORES[1:]),
    "maturity": "0s",
    "weights": dict.fromkeys(VARIANTS, 1),
}

RAW = """
with scored as (
    select a.variant, a.unit, s.value score from assignments a
    join runs r on r.id = a.run_id
    left join (select run_id, avg(value) as value from scores where name = '{score}' group by run_id) s
      on s.run_id = a.run_id where a.experiment = 'e'),
u as (select variant, unit, count(score) n, sum(score::double) s from scored where score is not null group by 1, 2),
a as (select variant, count(*) k, sum(n) nn, sum(s) / sum(n) r from u group by 1)
select variant, any_value(k) units, any_value(nn) runs, any_value(r) mean,
       any_value((k - 1) / k) * sum(power((s - r * n) / nullif(nn - n, 0), 2)) jackknife_var,
       power(sum(n), 2) / sum(n * n) effective_units, max(n) / sum(n) largest_unit_share
from u join a using (variant) group by 1 order by 1
"""

SUMS = """
select variant, count(*) n, sum(s) m, sum(s * s) mm, sum(n)::double d, sum(n * n)::double dd, sum(s * n) md from (
    select a.variant, a.unit, count(s.value) n, sum(s.value) s from assignments a
    join scores s on s.run_id = a.run_id and s.name = '{score}' where a.experiment = 'e' group by 1, 2)
group by 1
"""

GBSTATS = "gbstats==0.8.0"
_PEER = Path(__file__).with_name("gbstats_peer.py")

_CROCKFORD = np.frombuffer(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", np.uint8)


def ulids(us: np.ndarray[Any, Any], tail: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return ULIDs of times (microseconds) with a number as their end."""
    made = np.empty((len(us), 26), np.uint8)
    for at in range(10):
        made[:, at] = _CROCKFORD[(us // 1000 >> (5 * (9 - at))) & 31]
    for at in range(16):
        made[:, 10 + at] = _CROCKFORD[(tail >> (5 * (15 - at))) & 31 if at > 3 else 0 * tail]
    return made.view("S26").ravel().astype("U26")


def batch(table: str, columns: dict[str, Any]) -> pa.RecordBatch:
    """Return validated rows as ingestion makes them; missing columns are null."""
    schema = FILE[table].arriving
    count = len(columns["received_at"])
    empty: Any = pa.nulls
    kinds: list[Any] = schema.types
    made: list[Any] = []
    for name, kind in zip(schema.names, kinds, strict=True):
        if name not in columns:
            made.append(empty(count, kind))
        elif isinstance(kind, pa.BaseExtensionType):
            storage: Any = pa.array(columns[name], pa.string())
            made.append(pa.ExtensionArray.from_storage(kind, storage))
        else:
            made.append(pa.array(columns[name], kind))
    return pa.RecordBatch.from_arrays(made, schema=schema)


def fill(folder: Path, total: int) -> None:
    """Land runs with six scores each, ten days of them, and merge the files as a server would."""
    data = open_directory(folder)
    make_workspace(data, "default")
    paths = data.workspace("default")
    log = Log(open_workspace(paths).manifest, system_clock)
    sealer = Sealer(open_workspace(paths), Limits(), system_clock)
    runs = total // len(SCORES)
    random = np.random.default_rng(7)
    variant_of = random.integers(0, len(VARIANTS), UNITS)
    for first in range(0, runs, BATCH):
        at = np.arange(first, min(first + BATCH, runs))
        us = START_US + at * (DAYS * DAY_US // runs)
        run = ulids(us, at)
        unit = (UNITS * random.random(len(at)) ** 2).astype(np.int64)
        variant = variant_of[unit]
        came: dict[str, Any] = {"received_at": us, "_given": np.full(len(at), fill_value=True), "_day_id": run}
        batches = [
            batch("runs", {"id": run, "status": np.full(len(at), "Completed"), "started_at": us,
                           "ended_at": us + 5_000_000, "function_id": np.full(len(at), "agent"), **came}),
            batch("assignments", {"run_id": run, "experiment": np.full(len(at), "e"),
                                  "variant": np.array(VARIANTS)[variant], "unit": np.char.add("u", unit.astype(str)),
                                  "strategy": np.full(len(at), "bucket"), "ts": us,
                                  "_implied": np.full(len(at), fill_value=False), **came}),
        ]  # fmt: skip
        for n, score in enumerate(SCORES):
            base = random.normal(variant * 0.004, 1, len(at)) + np.sin(unit)
            value = (base > 0).astype(float) if n == 0 else np.exp(base / 2)
            batches.append(
                batch("score_history", {"id": np.char.add(run, f"/{score}"), "name": np.full(len(at), score),
                                        "value": value, "kind": np.full(len(at), "numeric" if n else "boolean"),
                                        "run_id": run, "ts": us + 5_000_000,
                                        "source": np.full(len(at), "code"), **came})
            )  # fmt: skip
        for one in batches:
            log.append(encode({_table(one): one})).result()
            while sealer.seal():
                pass
    compactor = Compactor(open_workspace(paths))
    while compactor.compact(whole=True):
        pass
    unlink(open_workspace(paths))
    for one in (log, sealer, compactor):
        one.close()


def _table(rows: pa.RecordBatch) -> str:
    return next(name for name in ("runs", "assignments", "score_history") if FILE[name].arriving.equals(rows.schema))


def raw(folder: Path) -> duckdb.DuckDBPyConnection:
    """Return DuckDB over the sealed files of a data directory; the newest of each after compaction."""
    con = duckdb.connect()
    con.execute("SET threads = 2")
    root = open_directory(folder).workspace("default").root
    for view, table in (("runs", "runs"), ("assignments", "assignments"), ("scores", "score_history")):
        files = sorted(str(path) for path in (root / table).rglob("*.parquet"))
        con.execute(f"CREATE VIEW {view} AS SELECT * FROM read_parquet({files!r})")
    return con


def beside_gbstats(figures: Figures, con: duckdb.DuckDBPyConnection, made: dict[str, Any]) -> None:
    """Print the time and the p-values of gbstats on sums over the same units, from an environment of its own."""
    environment = DATA / "gbstats"
    python = environment / "bin" / "python"
    if not python.exists():
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, GBSTATS], check=True)
    comparisons: list[Any] = []
    for score in SCORES:
        sums = {row["variant"]: row for row in con.sql(SUMS.format(score=score)).to_arrow_table().to_pylist()}
        comparisons += [(sums[VARIANTS[0]], sums[variant]) for variant in sorted(VARIANTS[1:])]
    done = subprocess.run([python, _PEER], input=json.dumps(comparisons), capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout)
    ours = [c["p"] for c in (*made["comparisons"], *made["secondary"])]
    figures.add("gbstats alone, 12 tests from sums made before", theirs["seconds"] * 1e3, "ms")
    apart = max(abs(one - other) for one, other in zip(ours, theirs["p"], strict=True))
    figures.add("largest difference of its p to ours", apart, "")


def arguments(about: str, scores: int) -> argparse.Namespace:
    """Return what the command line says of the data and of the figures."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--scores", type=int, default=scores)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="make the data here and keep it, or use what is there")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    return parser.parse_args()


@contextmanager
def declared(keep: Path | None, scores: int) -> Iterator[tuple[Server, duckdb.DuckDBPyConnection]]:
    """Make the data unless it is there; yield a server over it that knows the experiment, and DuckDB over its files."""
    with tempfile.TemporaryDirectory() if keep is None else nullcontext(keep) as folder:
        data = Path(folder) / "data"
        if not data.exists():
            fill(data, scores)
        with serving(data, "--log-level", "warning") as server:
            server.http.timeout = 600
            server.http.put("/v1/experiments/e", json=DECLARED).raise_for_status()
            yield server, raw(data)


def main() -> None:
    """Measure, print each figure beside its peer's, write them as JSON."""
    given = arguments(__doc__ or "", 20_000_000)
    figures = Figures()
    with declared(given.keep, given.scores) as (server, con):
        looks = iter(range(1, 1_000))

        def report() -> Any:
            answer = server.http.get("/v1/experiments/e/report", params={"alpha": f"0.0{next(looks):03}5"})
            answer.raise_for_status()
            return answer.json()

        def aggregates() -> Any:
            return [con.sql(RAW.format(score=score)).fetchall() for score in SCORES]

        ours, theirs = rounds((report, aggregates), given.rounds)
        million = f"{given.scores / 1e6:g} M scores, {UNITS:,} units"
        figures.add(
            f"report, {million}, median", statistics.median(ours), "s",
            "its aggregates in raw DuckDB", statistics.median(theirs),
        )  # fmt: skip
        made = server.http.get("/v1/experiments/e/report").raise_for_status().json()
        beside_gbstats(figures, con, made)
        again: list[float] = []
        for _ in range(5):
            began = time.perf_counter()
            server.http.get("/v1/experiments/e/report").raise_for_status()
            again.append(time.perf_counter() - began)
        figures.add("the same report asked again", statistics.median(again) * 1e3, "ms")
    if given.json:
        given.json.write_text(json.dumps(figures.rows, indent=2))


if __name__ == "__main__":
    main()
