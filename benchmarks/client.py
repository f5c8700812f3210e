"""The client's frames beside DuckDB's own on the same files in one run: `python -m benchmarks.client [--runs N]`.

A million rows of ten columns by `.polars()`, by `.arrow()` and batch by batch, each beside DuckDB's Arrow fetch in this
process; what the server itself takes of it; and the same rows as dicts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

import upshot
from benchmarks.__main__ import ingest, raw_queries, sealed
from benchmarks.measure import Figures, anew, rounds
from benchmarks.records import records
from tests.support.server import serving

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 1_000_000
SQL = f"SELECT id, run_id, name, value, ts, received_at, kind, source, experiment, variant FROM scores LIMIT {ROWS}"
ROUNDS = 7
AIM = 0.7
"""The share of DuckDB's own speed that a frame over HTTP is to have."""


def main() -> None:
    """Measure, print each figure beside its peer's, write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=ROWS // 2, help="runs in the workspace; two scores each")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    given = parser.parse_args()
    figures = Figures()
    with tempfile.TemporaryDirectory() as text, serving(Path(text) / "data", "--log-level", "warning") as server:
        ingest(records(given.runs), "--url", server.url)
        sealed(server)
        raw = raw_queries(server.data)
        client = upshot.Client(server.url)
        took: list[float] = []

        def asked() -> upshot.Result:
            rows = client.query(anew(SQL), limit=ROWS, timeout=30)
            took.append(rows.elapsed_ms)
            return rows

        def streamed() -> int:
            with client.stream(anew(SQL), limit=ROWS, timeout=30) as stream:
                return sum(batch.num_rows for batch in stream)

        assert asked().polars().sort("id").equals(_utc(raw.sql(SQL).pl()).sort("id"))  # noqa: S101 - the same work
        rows = len(asked())

        def figure(name: str, ours: Callable[[], object], theirs: Callable[[], object]) -> None:
            mine, peer = (statistics.median(times) for times in rounds((ours, theirs), ROUNDS))
            figures.add(f"{rows:,} x 10 rows by {name}", rows / mine, "rows/s", "raw DuckDB", rows / peer)

        figure(".polars()", lambda: asked().polars(), lambda: pl.from_arrow(raw.sql(SQL).to_arrow_table()))
        figures.add("of which the server", statistics.median(took), "ms")
        figure(".arrow()", lambda: asked().arrow(), lambda: raw.sql(SQL).to_arrow_table())
        figure("stream, batch by batch", streamed, lambda: sum(b.num_rows for b in raw.sql(SQL).to_arrow_reader()))
        client.close()
    ratio = figures.rows[0]["value"] / figures.rows[0]["theirs"]
    print(f".polars() has {ratio:.2f} of DuckDB's speed, the aim is {AIM}: {'met' if ratio >= AIM else 'missed'}")
    if given.json:
        given.json.write_text(json.dumps(figures.rows, indent=2))


def _utc(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame with the client's name of the time zone."""
    return frame.with_columns(pl.col(pl.Datetime("us", "Etc/UTC")).dt.convert_time_zone("UTC"))


if __name__ == "__main__":
    main()
