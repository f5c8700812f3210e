"""The warehouse beside its peers in one run: `python -m benchmarks.warehouse [--scores N] [--json FILE]`.

Commits beside a bare SQLite commit of the same bytes, questions beside raw DuckDB over the same files, sealing with and
without compaction beside it, and a restart with a full log.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sqlite3
import statistics
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.measure import Figures, rounds, same
from queries.guard import check
from queries.pruning import moments, wishes
from queries.snapshots import Snapshots
from tests.support.rows import batch, score
from tests.support.server import serving
from warehouse.clock import system_clock
from warehouse.compaction import Compactor, go_last
from warehouse.directory import make_workspace, open_directory
from warehouse.engine import rows_of, serializer
from warehouse.errors import TransientError
from warehouse.log import MAX_LOG_ROWS, Log, encode
from warehouse.logs import set_up_logs
from warehouse.schema import FILE
from warehouse.sealing import Limits, Sealer
from warehouse.upkeep import unlink
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.paths import DataPaths, WorkspacePaths

DAYS = 10
START_US = 1_788_220_800_000_000
"""2026-09-01."""
DAY_US = 86_400_000_000
BATCH = 100_000
TABLE = FILE["score_history"]

HEAVY = (
    "SELECT name, kind, count(*) AS n, avg(value) AS mean, stddev_samp(value) AS sd FROM scores GROUP BY ALL ORDER BY 1"
)
POINT = "SELECT name, value FROM scores WHERE run_id = '{run}' ORDER BY ALL"


def scores(first: int, count: int, day: int, *, per_day: int, value: float | None = None) -> pa.RecordBatch:
    """Return `count` validated scores of a day, two a run, as ingestion makes them."""
    at = np.arange(first, first + count)
    us = START_US + day * DAY_US + at * (DAY_US // per_day)
    runs = [_ulid(ms, n) for ms, n in zip((us // 2000 * 2).tolist(), (at // 2).tolist(), strict=True)]
    names = np.where(at % 2 == 0, "quality", "solved")
    values = np.random.default_rng(first).random(count) if value is None else np.full(count, value)
    columns: dict[str, Any] = {
        "id": [f"{run}/{name}" for run, name in zip(runs, names.tolist(), strict=True)],
        "name": names,
        "value": values,
        "kind": np.full(count, "numeric"),
        "run_id": runs,
        "ts": us,
        "received_at": us,
        "source": np.full(count, "code"),
        "_given": np.full(count, fill_value=True),
        "_day_id": runs,
    }
    empty: Any = pa.nulls
    kinds: list[Any] = TABLE.arriving.types
    arrays: list[Any] = [
        pa.array(columns[name], kind) if name in columns else empty(count, kind)
        for name, kind in zip(TABLE.arriving.names, kinds, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=TABLE.arriving)


_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def _ulid(ms: int, tail: int) -> str:
    number = (ms << 80) | tail
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


def fresh(folder: Path) -> DataPaths:
    """Return a new data directory with its default workspace."""
    data = open_directory(folder)
    make_workspace(data, "default")
    return data


def commits(figures: Figures, folder: Path) -> None:
    """Measure an acknowledged append of 1 and of 100 rows, in turn with a bare SQLite FULL commit of the same bytes."""
    paths = fresh(folder).workspace("default")
    log = Log(open_workspace(paths).manifest, system_clock)
    bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
    bare.execute("PRAGMA journal_mode=WAL")
    bare.execute("PRAGMA synchronous=FULL")
    bare.execute("CREATE TABLE entry (seq INTEGER PRIMARY KEY, payload BLOB)")
    for count in (1, 100):
        entries = encode({"score_history": batch("score_history", [score(f"s{n}", 1.0) for n in range(count)])})

        def ours(entries: Any = entries) -> None:
            log.append(entries).result()

        def theirs(payload: bytes = entries[0].payload) -> None:
            bare.execute("BEGIN IMMEDIATE")
            bare.execute("INSERT INTO entry(payload) VALUES (?)", (payload,))
            bare.execute("COMMIT")

        mine, peer = rounds((ours, theirs), 300)
        figures.add(
            f"commit of {count} rows, p50",
            statistics.median(mine) * 1e3,
            "ms",
            "bare SQLite",
            statistics.median(peer) * 1e3,
        )
    log.close()


def fill(figures: Figures, paths: WorkspacePaths, total: int) -> None:
    """Land so many scores over ten days, then merge them; print rows a second, bytes a row, files before and after."""
    workspace = open_workspace(paths)
    log = Log(open_workspace(paths).manifest, system_clock)
    sealer = Sealer(open_workspace(paths), Limits(), system_clock)
    per_day = total // DAYS
    sealing = 0.0
    for day in range(DAYS):
        for first in range(0, per_day, BATCH):
            log.append(
                encode({"score_history": scores(first, min(BATCH, per_day - first), day, per_day=per_day)})
            ).result()
            began = time.perf_counter()
            while sealer.seal():
                pass
            sealing += time.perf_counter() - began
    figures.add("sealed by the keeper alone", total / sealing, "rows/s")
    figures.add("before compaction", _files(paths), "files a partition")
    compactor = Compactor(open_workspace(paths))
    began = time.perf_counter()
    while compactor.compact(whole=True):
        pass
    figures.add("compacted", total / (time.perf_counter() - began), "rows/s")
    unlink(workspace)
    figures.add("after compaction", _files(paths), "files a partition")
    size = sum(file.bytes for file in workspace.manifest.read(None, max_rows=0)[0].files)
    figures.add("on disk", size / total, "bytes a row")
    half = per_day // 2
    changed = scores(half, per_day // 100, 4, per_day=per_day, value=0.5)
    log.append(encode({"score_history": changed})).result()
    while sealer.seal():
        pass
    hot = scores(half, 20_000, 9, per_day=per_day * 3)
    log.append(encode({"score_history": hot})).result()
    for one in (log, sealer, compactor):
        one.close()


def _files(paths: WorkspacePaths) -> float:
    counts = Counter(path.parent for path in paths.root.rglob("*.parquet"))
    return sum(counts.values()) / len(counts)


def questions(figures: Figures, paths: WorkspacePaths, total: int) -> None:
    """Measure a grouping and a point look-up over hidden rows and a hot tail, beside raw DuckDB on the same files."""
    snapshots = Snapshots(paths)
    serialize = serializer()
    moment = moments(serialize)
    raw = duckdb.connect()
    raw.execute("SET threads = 2")
    files = sorted(str(path) for path in (paths.root / "score_history").rglob("*.parquet"))
    raw.execute(f"CREATE VIEW scores AS SELECT * FROM read_parquet({files!r})")
    runs = cast("list[Any]", scores(0, 1, 3, per_day=total // DAYS)["run_id"].to_pylist())
    run = runs[0]

    def ours(sql: str) -> Callable[[], Any]:
        def ask() -> Any:
            query = check(sql, serialize)
            engine = snapshots.engine()
            rows = rows_of(engine.cursor(query.tables, wishes=wishes(query.statement, (), moment)), sql)
            snapshots.release()
            return rows

        return ask

    for name, sql in (("group-by", HEAVY), ("point look-up", POINT.format(run=run))):
        mine, peer = rounds((ours(sql), lambda sql=sql: raw.sql(sql).to_arrow_table()), 9)
        figures.add(f"{name} over {total / 1e6:g} M scores, best", min(mine) * 1e3, "ms", "raw DuckDB", min(peer) * 1e3)
        figures.add(f"{name}, median", statistics.median(mine) * 1e3, "ms", "raw", statistics.median(peer) * 1e3)
    point = POINT.format(run=run)
    mine_rows = [list(row.values()) for row in ours(point)().to_pylist()]
    if not same(mine_rows, [list(row) for row in raw.execute(point).fetchall()]):
        raise SystemExit("the answers differ")
    snapshots.close()


def beside_compaction(figures: Figures, folder: Path, total: int) -> None:
    """Measure acknowledged and sealed rows a second with and without a compaction that never ends beside it."""
    rates: dict[bool, float] = {}
    for compacting in (False, True):
        paths = fresh(folder / str(compacting)).workspace("default")
        log = Log(open_workspace(paths).manifest, system_clock)
        sealer = Sealer(open_workspace(paths), Limits(), system_clock)
        batches = [encode({"score_history": scores(n, BATCH, 8, per_day=total)}) for n in range(0, total, BATCH)]
        for day in (0, 1):  # what is compacted over and over
            log.append(encode({"score_history": scores(0, BATCH, day, per_day=total)})).result()
            while sealer.seal():
                pass
        stop = threading.Event()
        work = threading.Thread(target=_compact_for_ever, args=(paths, stop), daemon=True)
        if compacting:
            work.start()
        began = time.perf_counter()
        for entries in batches:
            log.append(entries).result()
            while sealer.seal():
                pass
        rates[compacting] = total / (time.perf_counter() - began)
        stop.set()
        if compacting:
            work.join()
        log.close()
        sealer.close()
    figures.add("landed while compacting", rates[True], "rows/s", "without", rates[False])


def _compact_for_ever(paths: WorkspacePaths, stop: threading.Event) -> None:
    go_last()
    compactor = Compactor(open_workspace(paths))
    while not stop.is_set():
        snapshot, _ = compactor.workspace.manifest.read(None, max_rows=0)
        compactor.rewrite(snapshot, [file for file in snapshot.files if file.place.day == snapshot.files[0].place.day])
        unlink(compactor.workspace)
    compactor.close()


def restart(figures: Figures, folder: Path) -> None:
    """Measure the start of a server whose log is as full as it may be: until ready, until the first count."""
    paths = fresh(folder).workspace("default")
    log = Log(open_workspace(paths).manifest, system_clock)
    count = 0
    with contextlib.suppress(TransientError):  # full
        while True:
            log.append(encode({"score_history": scores(count, BATCH, 1, per_day=2 * MAX_LOG_ROWS)})).result()
            count += BATCH
    log.close()
    began = time.perf_counter()
    with serving(folder, "--log-level", "warning") as server:
        figures.add("restart with a full log, until ready", time.perf_counter() - began, "s")
        if server.ask("SELECT count(*) FROM scores") != [[count]]:
            raise SystemExit("rows are missing")
        figures.add("until the first count is answered", time.perf_counter() - began, "s")


def main() -> None:
    """Measure, print each figure beside its peer's, write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=int, default=20_000_000, help="scores in the large workspace")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    given = parser.parse_args()
    set_up_logs("warning")
    figures = Figures()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        commits(figures, folder / "commits")
        beside_compaction(figures, folder / "beside", 1_000_000)
        restart(figures, folder / "restart")
        paths = fresh(folder / "large").workspace("default")
        fill(figures, paths, given.scores)
        questions(figures, paths, given.scores)
    if given.json:
        given.json.write_text(json.dumps(figures.rows, indent=2))


if __name__ == "__main__":
    main()
