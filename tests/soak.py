"""Acknowledged means kept, once, under fire: a real server under load, its processes killed -9 at random.

    python -m tests.soak --kills 200 --seed 1

Jepsen's set test: clients add unique elements, each batch delivered 1 to 5 times at once, some re-batched; a delivery
whose outcome is unknown is sent again. A reader asks all the while. At the end every acknowledged element is there,
once, and nothing that was never sent. Prints the figures; the exit code is 1 when any that must be 0 is not.
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from tests.support.server import Server, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROCESSES = {"api": "", "keeper": "warehouse.keeper", "worker": "queries.worker"}
"""What is killed: the server itself, or its child that runs a module."""

CLIENTS = 3
COPIES = 5
REST_SECONDS = 0.3
"""A client rests up to so long between two batches, so that the reader has its turn."""
TERM_SECONDS = 10.0
BATCHES = """
SELECT r.batch, r.n, r.ids, r.low, r.high, s.n, s.ids, s.low, s.high
FROM (SELECT user_id AS batch, count(*) AS n, count(DISTINCT id) AS ids, min(id) AS low, max(id) AS high
      FROM runs GROUP BY 1) r
FULL JOIN (SELECT scorer_id AS batch, count(*) AS n, count(DISTINCT id) AS ids, min(id) AS low, max(id) AS high
      FROM scores GROUP BY 1) s ON r.batch = s.batch
"""
"""What is there of each batch, runs and scores beside one another."""

TORN = """
SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM scores),
       (SELECT count(*) FROM (SELECT user_id FROM runs WHERE starts_with(user_id, 'whole') GROUP BY 1
                              HAVING count(*) <> {rows})),
       (SELECT count(*) FROM (SELECT scorer_id FROM scores WHERE starts_with(scorer_id, 'whole') GROUP BY 1
                              HAVING count(*) <> {rows})),
       (SELECT count(*) FROM runs WHERE user_id = '{batch}'), (SELECT count(*) FROM scores WHERE scorer_id = '{batch}')
"""
"""The reader's question: counts, batches that are there in part, and a batch whose acknowledgement it saw."""


@dataclass
class Figures:
    """What became of it all."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter[str])
    acknowledged: int = 0
    """Rows (a run or a score) of batches of which every row was acknowledged."""
    asked: int = 0
    """Questions of the reader that were answered."""
    unanswered: Counter[str] = field(default_factory=Counter[str])
    """Questions of the reader that had no answer, by code; `gone`: there was nobody to ask."""
    lost: int = 0
    doubled: int = 0
    phantom: int = 0
    vanished: int = 0
    torn: int = 0
    outlived: int = 0
    """Processes that were still there long after the server that had started them."""
    ready: list[float] = field(default_factory=list[float])
    """Seconds from starting the server again to its being ready."""
    stopped: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])
    """Exit code and seconds of each SIGTERM under load."""
    notes: list[str] = field(default_factory=list[str])
    """The first few things that were wrong."""

    def wrong(self) -> dict[str, int]:
        """Return what must all be 0."""
        badly = sum(code != 0 or seconds > TERM_SECONDS for code, seconds in self.stopped)
        return {
            "lost": self.lost,
            "doubled": self.doubled,
            "phantom": self.phantom,
            "vanished": self.vanished,
            "torn": self.torn,
            "stopped badly": badly,
            "outlived their server": self.outlived,
        }

    def note(self, text: str) -> None:
        """Keep the first things that were wrong."""
        if len(self.notes) < 20:
            self.notes.append(text)

    def __str__(self) -> str:
        """Return the figures as lines."""
        p50 = statistics.median(self.ready)
        p95 = sorted(self.ready)[int(0.95 * (len(self.ready) - 1))]
        kills = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        missed = ", ".join(f"{code} {count}" for code, count in sorted(self.unanswered.items()))
        stops = ", ".join(f"{code} after {seconds:.1f} s" for code, seconds in self.stopped)
        return "\n".join(
            [
                f"seed {self.seed}",
                f"kills {self.kills.total()} ({kills})",
                f"acknowledged rows {self.acknowledged}, questions answered {self.asked}, unanswered ({missed})",
                "  ".join(f"{name} {count}" for name, count in self.wrong().items()),
                f"ready again p50 {p50:.2f} s, p95 {p95:.2f} s (starts: {len(self.ready)})",
                f"SIGTERM under load: exit code {stops}",
                *self.notes,
            ]
        )


class Storm:
    """The clients and the reader around a server that is killed and started again."""

    def __init__(self, figures: Figures, rows: int) -> None:
        self.figures = figures
        self._rows = rows
        self._random = random.Random(figures.seed)  # noqa: S311
        self._lock = threading.Lock()
        self._acknowledged: list[str] = []
        self._offered: set[str] = set()
        self._done = threading.Event()
        self._http = httpx.Client(timeout=20, trust_env=False, limits=httpx.Limits(max_connections=64))
        self.url = ""
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(CLIENTS)]
        self._threads.append(threading.Thread(target=self._read))

    def start(self) -> None:
        """Let them loose, the first time."""
        for thread in self._threads:
            if thread.ident is None:
                thread.start()

    def finish(self) -> None:
        """Let the clients end what they have begun."""
        self._done.set()
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive(), "a client hangs"
        self._http.close()
        self.figures.acknowledged = 2 * self._rows * len(self._acknowledged)

    def _records(self, batch: str, status: str) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        for number in range(self._rows):
            id_ = f"{batch}-{number:05d}"
            made.append({"type": "run", "id": id_, "user_id": batch, "status": status, "output": {"n": number}})
            made.append(
                {
                    "type": "score",
                    "id": id_,
                    "run_id": id_,
                    "name": "n",
                    "value": number,
                    "scorer_id": batch,
                    "ts": 1e12,
                }
            )
        return made

    def _deliver(self, records: Sequence[dict[str, Any]], seed: int) -> None:
        """Send a request until it is acknowledged: what became of an unanswered one is not known."""
        random_ = random.Random(seed)  # noqa: S311
        body = b"\n".join(map(msgspec.json.encode, random_.sample(records, len(records))))
        headers = {"content-type": "application/x-ndjson"}
        if random_.random() < 0.5:
            body, headers = gzip.compress(body), headers | {"content-encoding": "gzip"}
        while True:
            try:
                answer = self._http.post(f"{self.url}/v1/ingest", content=body, headers=headers)
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            if answer.status_code == 200:
                return
            assert answer.status_code in (429, 503, 507), answer.text
            time.sleep(0.1)

    def _send(self, client: int) -> None:
        random_ = random.Random(self.figures.seed * 1000 + client)  # noqa: S311
        with ThreadPoolExecutor(COPIES) as pool:
            number = 0
            before: list[dict[str, Any]] = []
            while not self._done.is_set():
                kind = random_.choice(["whole", "parts"])
                batch = f"{kind}-{client}-{number:06d}"
                number += 1
                records = self._records(batch, "Running")
                with self._lock:
                    self._offered.add(batch)
                requests: list[list[dict[str, Any]]] = []
                for _ in range(random_.randint(1, COPIES)):
                    if kind == "whole":
                        requests.append(records)
                    else:  # cut anywhere, one part together with an older batch
                        cut = random_.randint(1, len(records) - 1)
                        requests += [records[:cut], records[cut:] + before]
                for delivery in [pool.submit(self._deliver, own, random_.getrandbits(32)) for own in requests]:
                    delivery.result()
                with self._lock:
                    self._acknowledged.append(batch)
                self._done.wait(random_.uniform(0, REST_SECONDS))
                if random_.random() < 0.3:  # completes rows that may be sealed by now
                    with self._lock:
                        old = random_.choice(self._acknowledged)
                    before = self._records(old, "Completed")
                    self._deliver(before, random_.getrandbits(32))

    def _read(self) -> None:
        """Ask on and on: no count goes down, what was acknowledged is there, no batch is there in part."""
        figures, least = self.figures, [0, 0]
        while not self._done.is_set():
            with self._lock:
                known = len(self._acknowledged)
                batch = self._random.choice(self._acknowledged[-20:]) if known else ""
            found = self._ask(TORN.format(rows=self._rows, batch=batch))
            if found is None:
                time.sleep(0.05)
                continue
            runs, scores, *torn, own_runs, own_scores = found[0]
            figures.asked += 1
            for name, now, at in (("runs", runs, 0), ("scores", scores, 1)):
                if now < max(least[at], known * self._rows):
                    figures.vanished += 1
                    figures.note(f"{name}: {now} after {least[at]}, with {known * self._rows} acknowledged")
                least[at] = max(least[at], now)
            if batch and (own_runs, own_scores) != (self._rows, self._rows):
                figures.vanished += 1
                figures.note(f"batch {batch} was acknowledged: {own_runs} runs and {own_scores} scores of {self._rows}")
            figures.torn += sum(torn)

    def _ask(self, sql: str) -> list[list[Any]] | None:
        """Return the rows of a question; None when there was nobody to answer it."""
        try:
            answer = self._http.post(f"{self.url}/v1/query", json={"sql": sql, "limit": 1_000_000, "timeout_s": 30})
        except httpx.TransportError:
            self.figures.unanswered["gone"] += 1
            return None
        body = answer.json()
        if "error" in body:
            code = body["error"]["code"]
            self.figures.unanswered[code] += 1
            if self.figures.unanswered[code] == 1:
                self.figures.note(f"{code}: {body['error']['message']}")
        return body.get("rows")

    def compare(self, server: Server) -> None:
        """Hold what is there against what was acknowledged and what was offered."""
        figures = self.figures
        there: dict[str, list[Any]] = {}
        answer = server.http.post("/v1/query", json={"sql": BATCHES, "limit": 1_000_000, "timeout_s": 30}).json()
        if "error" in answer:
            figures.lost += figures.acknowledged
            figures.note(f"the last question failed: {answer['error']}")
            return
        for batch, *found in answer["rows"]:
            there[batch] = found
            if batch not in self._offered:
                figures.phantom += 1
                figures.note(f"nobody sent batch {batch}")
            for count, distinct, low, high in (found[:4], found[4:]):
                figures.doubled += (count or 0) - (distinct or 0)
                if low is not None and not f"{batch}-{0:05d}" <= low <= high <= f"{batch}-{self._rows - 1:05d}":
                    figures.phantom += 1
                    figures.note(f"batch {batch} has rows from {low} to {high}")
        for batch in self._acknowledged:
            runs, scores = (there[batch][at] or 0 if batch in there else 0 for at in (1, 5))
            if (missing := 2 * self._rows - runs - scores) > 0:
                figures.lost += missing
                figures.note(f"batch {batch} has {runs} runs and {scores} scores of {self._rows}")


def child_of(server: Server, module: str) -> int | None:
    """Return the process id of a server's child that runs a module."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[1]
            command = (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if int(parent) == server.process.pid and module in command:
            return int(folder.name)
    return None


def end_strays(data: Path) -> int:
    """Kill the processes of a data directory whose server is gone, given that they outlived it; return how many."""
    count = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[1]
            command = (folder / "cmdline").read_text()
        except OSError:
            continue
        if str(data) in command and "-m\0warehouse.keeper" in command and parent == "1":
            os.kill(int(folder.name), signal.SIGKILL)
            count += 1
    return count


def kill(server: Server, name: str) -> bool:
    """Kill -9 one of a server's processes, waiting a while for it to be there."""
    if not PROCESSES[name]:
        server.kill()
        return True
    for _ in range(100):
        if (pid := child_of(server, PROCESSES[name])) is not None:
            os.kill(pid, signal.SIGKILL)
            return True
        time.sleep(0.05)
    return False


def run(
    data: Path,
    kills: int,
    seed: int,
    *,
    rows: int = 10,
    pause: float = 1.5,
    show: Callable[[Figures], None] | None = None,
) -> Figures:
    """Do it all in a new data directory and return the figures.

    Args:
        data: the folder; made.
        kills: how many processes to kill, each kind as often as the others.
        seed: of everything that is drawn.
        rows: runs, and scores, of a batch.
        pause: seconds between two kills, at the most.
        show: called after each start.
    """
    figures = Figures(seed)
    random_ = random.Random(seed)  # noqa: S311
    victims = [list(PROCESSES)[number % len(PROCESSES)] for number in range(kills)]
    random_.shuffle(victims)
    storm = Storm(figures, rows)
    while victims or not figures.stopped:
        try:
            _one_life(data, victims, storm, random_, pause)
        except subprocess.TimeoutExpired as error:  # its standard error stays open while a child of it lives
            figures.note(f"a process outlived its server: {error}")
        figures.outlived += end_strays(data)
        if show is not None:
            show(figures)
    with serving(data) as server:
        storm.url = server.url
        storm.finish()
        storm.compare(server)
        server.stop()
    with serving(data) as server:  # all of it sealed by now
        storm.compare(server)
        server.stop()
    figures.outlived += end_strays(data)
    return figures


def _one_life(data: Path, victims: list[str], storm: Storm, random_: random.Random, pause: float) -> None:
    """Start the server and kill its processes until it is the server's own turn, or the end: then SIGTERM."""
    figures = storm.figures
    began = time.monotonic()
    with serving(data) as server:
        figures.ready.append(time.monotonic() - began)
        storm.url = server.url
        storm.start()
        while victims:
            time.sleep(random_.uniform(0.1, pause))
            victim = victims.pop()
            figures.kills[victim] += kill(server, victim)
            if victim == "api":
                return
        time.sleep(pause)
        began = time.monotonic()
        code = server.stop(60)
        figures.stopped.append((code, time.monotonic() - began))


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200, help="processes to kill (default 200)")
    parser.add_argument("--seed", type=int, default=None, help="of everything that is drawn (default: a new one)")
    parser.add_argument("--rows", type=int, default=100, help="runs, and scores, of a batch (default 100)")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)  # noqa: T201
    folder = Path(tempfile.mkdtemp(prefix="upshot-soak-"))

    def show(figures: Figures) -> None:
        print(f"\r{figures.kills.total()} of {given.kills} kills", end="", file=sys.stderr, flush=True)  # noqa: T201

    figures = run(folder / "data", given.kills, seed, rows=given.rows, show=show if sys.stderr.isatty() else None)
    print(figures)  # noqa: T201
    if any(figures.wrong().values()):
        print(f"the data directory is kept: {folder}")  # noqa: T201
        raise SystemExit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
