"""OpenTelemetry in, beside Arize Phoenix and MLflow: one client and one workload for all, one server after the other.

Each server starts over an empty folder and gets one span, some requests outside the clock (MLflow takes half a minute
over its first ones), then the workload over two connections: OTLP/HTTP protobuf, 512 spans a request.
A span is visible once the server's own read interface counts it. Upshot is given more spans than its peers, which
would take long; rates are compared. Peers come from PyPI into environments of their own, kept under benchmarks/data;
one that cannot be installed is left out.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from benchmarks.decode import SPANS, Workload
from benchmarks.otlp_load import CONNECTIONS, WARM, load, renewed, send, visible
from benchmarks.otlp_scores import annotate, copy_up, of_phoenix, of_upshot
from benchmarks.otlp_sides import MLFLOW, PHOENIX, SIDES, phoenix, upshot
from benchmarks.otlp_table import CPU, PEERS, Figures, show, show_landed, show_sizes, table
from benchmarks.otlp_watch import cpu_seconds, disk_bytes, watching
from ingest.otel.prices import Prices
from ingest.otel.protobuf import decode_protobuf
from ingest.otel.rows import rows
from warehouse.compaction import Compactor
from warehouse.directory import open_directory
from warehouse.engine import Error as EngineError
from warehouse.logs import set_up_logs
from warehouse.upkeep import unlink
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.otlp_load import Load
    from benchmarks.otlp_sides import Side

EXAMPLES = """examples:
  python -m benchmarks.otlp --json otlp.json         all of it, about six minutes
  python -m benchmarks.otlp --peers phoenix --spans 10240 --peer-spans 1024
  python -m benchmarks.otlp --landed                 what the server's work is beside decoding alone
  python -m benchmarks.otlp --memory 5               memory while 5 million spans go in
"""
VISIBLE_SECONDS = 900
"""How long a server has to show what it acknowledged."""
QUIET_SECONDS = 3
"""A folder is settled once its size has not changed for so long."""
SETTLE_SECONDS = 300
IDLE_SECONDS, IDLE_SHARE = 2, 0.15
"""A server is idle once it takes no more of a core than that share for so long."""
DECODE_REQUESTS = 16
DECODE_ROUNDS = 9
MEMORY_MB = 1000
_RENEWED = 64
"""Requests that those of the memory run are made of."""


def measure(side: Side, given: Load) -> Figures:
    """Send the workload to a fresh server and return what could be seen of it.

    Raises:
        RuntimeError: spans were refused, did not become visible, or did not land.
    """
    idle(side)
    wanted, empty = given.before + given.spans, disk_bytes(side.data)
    began = time.perf_counter()
    send(side.url, side.headers, [given.one], 1)
    _, seen = visible(side.spans, 1, VISIBLE_SECONDS, 0.02)
    figures = {"first visible": seen - began}
    warmed = send(side.url, side.headers, given.warm, WARM)
    visible(side.spans, given.before, VISIBLE_SECONDS, side.poll_seconds)
    figures["warm-up"] = warmed.seconds
    idle(side)
    say(f"{side.name}: {given.spans:,} spans, after first requests of {warmed.seconds:.1f} s")
    before = cpu_seconds(side.pid)
    with watching(side.pid) as peak:
        began = time.perf_counter()
        sent = send(side.url, side.headers, given.bodies)
        count, seen = visible(side.spans, wanted, VISIBLE_SECONDS, side.poll_seconds)
        if count < wanted:
            raise RuntimeError(f"{side.name} shows {count:,} of {wanted:,} spans after {VISIBLE_SECONDS} s")
        figures["cpu visible"] = 1e6 * sum(cpu_seconds(side.pid, before).values()) / given.spans
        figures["bytes at once"] = (disk_bytes(side.data) - empty) / wanted
        landed(side)
        used = {name: 1e6 * seconds / given.spans for name, seconds in cpu_seconds(side.pid, before).items()}
        figures |= {"cpu landed": sum(used.values())} | {f"{CPU}{name}": us for name, us in used.items()}
        settle(side)
    figures["bytes"] = (disk_bytes(side.data) - empty) / wanted
    figures |= {"bytes in files": disk_bytes(side.data, "*.parquet") / wanted, "spans": wanted}
    figures |= {"acknowledged": given.spans / sent.seconds, "visible": given.spans / (seen - began)}
    figures |= {"p50": 1e3 * _share(sent.latencies, 0.5), "p99": 1e3 * _share(sent.latencies, 0.99)}
    return figures | {"resident": peak.resident, "shared once": peak.shared_once, "retries": sent.retries}


def idle(side: Side) -> None:
    """Wait until a server does next to nothing: MLflow's job processes start for half a minute after it is ready."""
    deadline = time.monotonic() + SETTLE_SECONDS
    busy = True
    while busy and time.monotonic() < deadline:
        before = cpu_seconds(side.pid)
        time.sleep(IDLE_SECONDS)
        busy = sum(cpu_seconds(side.pid, before).values()) > IDLE_SHARE * IDLE_SECONDS


def landed(side: Side) -> None:
    """Wait until all that was acknowledged is where it stays.

    Raises:
        RuntimeError: it is not after `SETTLE_SECONDS`.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    while entries := side.waiting():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{side.name} still has {entries:,} entries in its log after {SETTLE_SECONDS} s")
        time.sleep(0.05)


def settle(side: Side) -> None:
    """Wait until all has landed and the size of the folder changes no more."""
    landed(side)
    deadline = time.monotonic() + SETTLE_SECONDS
    last, since = -1, time.monotonic()
    while time.monotonic() < min(deadline, since + QUIET_SECONDS):
        now = disk_bytes(side.data)
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(0.25)


def merged_bytes(data: Path) -> int:
    """Merge every day whole, as the server does once a day is closed, and return the bytes of the files."""
    set_up_logs("warning")
    workspace = open_workspace(open_directory(data).workspace("default"))
    compactor = Compactor(workspace)
    while compactor.compact(whole=True):
        pass
    unlink(workspace)
    compactor.close()
    return disk_bytes(data, "*.parquet")


def decode_alone() -> float:
    """Return the CPU microseconds a span of decoding alone: protobuf to rows, one core, the median of some rounds."""
    workload, prices = Workload(), Prices()
    bodies = [workload.request().SerializeToString() for _ in range(DECODE_REQUESTS)]
    gc.collect()
    gc.freeze()
    taken: list[float] = []
    for _ in range(1 + DECODE_ROUNDS):
        began = time.thread_time()
        for body in bodies:
            rows(decode_protobuf(body), time.time_ns() // 1000, prices)
        taken.append(time.thread_time() - began)
    gc.unfreeze()
    return 1e6 * statistics.median(taken[1:]) / (SPANS * DECODE_REQUESTS)


def of_upshot_alone(spans: int, seed: int, *, scores: bool) -> Figures:
    """Measure Upshot."""
    figures = {"decode alone": decode_alone()}
    say(f"making {spans:,} spans")
    given = load(spans, seed)
    with tempfile.TemporaryDirectory() as folder:
        with upshot(Path(folder)) as side:
            data = side.data
            figures |= measure(side, given)
            if scores:
                say("upshot: mean score by model")
                figures |= of_upshot(side, given.scored, lambda: settle(side))
        if not scores:  # with scores the folder holds more than spans
            try:
                figures["bytes merged"] = merged_bytes(data) / (given.before + given.spans)
            except EngineError as error:
                print(f"days could not be merged: {error}")
    return figures


def of_peer(name: str, given: Load, wanted: int, figures: Figures) -> None:
    """Measure a peer; Phoenix also by mean score over `wanted` spans, copies of what it took.

    Figures are added as they come: what there is stays when the rest fails.

    Raises:
        RuntimeError: it cannot be installed, did not start, or refused spans.
        ValueError: its means are wrong.
    """
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        with SIDES[name](folder) as side:
            figures |= measure(side, given)
            if name != "phoenix":
                return
            say(f"phoenix: {len(given.scored):,} annotations")
            annotate(side, given.scored)
        times = copy_up(folder / "data" / "phoenix.db", wanted)
        say(f"phoenix: mean score by model over {times} times {given.before + given.spans:,} spans, copied in SQLite")
        with phoenix(folder) as side:
            figures |= of_phoenix(side, given.scored, times)
            figures["scored spans"] = times * (given.before + given.spans)


def memory(spans: int) -> Figures:
    """Send Upshot so many spans and return the memory of its processes, MB."""
    workload = Workload()
    requests = [workload.request() for _ in range(_RENEWED)]
    count = max(1, spans // SPANS)

    def watched() -> Iterator[bytes]:
        for number, body in enumerate(renewed(requests, count)):
            if number % max(1, count // 20) == 0:
                say(f"memory: {number * SPANS:,} of {count * SPANS:,} spans")
            yield body

    with tempfile.TemporaryDirectory() as folder, upshot(Path(folder)) as side:
        with watching(side.pid) as peak:
            sent = send(side.url, side.headers, watched())
            settle(side)
        found = side.spans()
    if found != count * SPANS:
        raise RuntimeError(f"upshot shows {found:,} of {count * SPANS:,} spans")
    figures = {"resident": peak.resident, "shared once": peak.shared_once, "spans": found}
    figures |= {"acknowledged spans/s": found / sent.seconds, "retries": sent.retries}
    for name, each in groupby(sorted(peak.each), key=lambda name: name.rpartition(" ")[0]):
        figures |= {f"{name} {number}": peak.each[one] for number, one in enumerate(each, 1)}
    return figures


def _share(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def say(text: str) -> None:
    """Tell how far it is, on stderr."""
    print(text, file=sys.stderr, flush=True)


def about(given: argparse.Namespace) -> dict[str, Any]:
    """Return what the figures are of."""
    return {
        "versions": [f"upshot {version('upshot-server')}", f"duckdb {version('duckdb')}", PHOENIX, MLFLOW],
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
        "spans": given.spans,
        "peer_spans": given.peer_spans,
        "connections": CONNECTIONS,
        "seed": given.seed,
    }


def main() -> None:
    """Measure, print the table, write the figures as JSON."""
    given = _arguments()
    head = about(given)
    print(
        f"{', '.join(head['versions'])}; {head['cores']} cores, load average {head['load_average'][0]:.1f} at the start"
    )
    found: dict[str, Figures] = {}
    lines: list[dict[str, Any]] = []
    if given.memory:
        found["memory"] = memory(int(given.memory * 1e6))
        print(f"memory at most while {found['memory']['spans']:,.0f} spans go in, MB; at most {MEMORY_MB:,} wanted")
        for name, value in found["memory"].items():
            if name != "spans":
                print(f"{name:40}{value:>11,.0f}")
    if given.landed or not given.memory:
        found["upshot"] = of_upshot_alone(given.spans, given.seed, scores=not given.landed)
    if not given.landed and not given.memory:
        for peer in given.peers:
            found[peer] = {}
            try:
                of_peer(peer, load(given.peer_spans, given.seed), int(found["upshot"]["spans"]), found[peer])
            except (RuntimeError, ValueError, httpx.HTTPError) as error:
                print(f"{peer} could not be measured to the end: {error}")
    if "upshot" in found:
        lines = table(found)
        show(lines)
        show_sizes(found)
        show_landed(found["upshot"])
    print(f"load average {os.getloadavg()[0]:.1f} at the end")
    if given.json:
        given.json.write_text(json.dumps({"about": head, "rows": lines, "figures": found}, indent=2))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spans", type=int, default=102_400, help="spans for Upshot (default 102400)")
    parser.add_argument("--peer-spans", type=int, default=8_192, help="spans for each peer (default 8192)")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS, help="which peers; none for Upshot alone")
    parser.add_argument("--seed", type=int, default=1, help="of the workload (default 1)")
    parser.add_argument("--landed", action="store_true", help="only Upshot's CPU and bytes beside decoding alone")
    parser.add_argument("--memory", type=float, metavar="MILLIONS", nargs="?", const=5.0,
                        help="only the memory of Upshot while so many million spans go in (5)")  # fmt: skip
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    return parser.parse_args()


if __name__ == "__main__":
    main()
