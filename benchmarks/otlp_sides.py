"""The servers that `benchmarks.otlp` measures: Upshot, Arize Phoenix and MLflow, each started over a folder of its own.

The peers come from PyPI into environments under `benchmarks/data`, made once and kept. Each is run as it is out of the
box, over SQLite.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from benchmarks.records import DATA
from tests.support.server import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

START_SECONDS = 180
STOP_SECONDS = 20
PHOENIX = "arize-phoenix==20.26.1"
MLFLOW = "mlflow==3.17.2"
MLFLOW_EXPERIMENT = "0"
"""The one that a fresh server has."""
MLFLOW_WORKERS = "1"
"""On two cores two took 700 spans/s where one took 890, and each has a slow first request of its own."""


@dataclass(frozen=True)
class Side:
    """A server that takes spans."""

    name: str
    http: httpx.Client
    pid: int
    data: Path
    spans: Callable[[], int]
    """How many spans its own read interface counts now."""
    waiting: Callable[[], int]
    """How many entries of its log it has acknowledged but not yet put where they stay; 0 where there is no log."""
    headers: Mapping[str, str]
    """What it wants beside a request of spans."""
    poll_seconds: float
    """How often it is asked for the count: seldom where counting is work beside what is measured."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return str(self.http.base_url)


@contextlib.contextmanager
def upshot(folder: Path) -> Iterator[Side]:
    """Start Upshot as `upshot serve` starts it."""
    with serving(folder / "data", "--log-level", "warning") as server:
        log = sqlite3.connect(server.data / "workspaces/default/log.db", check_same_thread=False)
        yield Side(
            "upshot",
            server.http,
            server.process.pid,
            server.data,
            spans=lambda: server.ask("SELECT count(*) FROM spans")[0][0],
            waiting=lambda: log.execute("SELECT count(*) FROM log").fetchone()[0],
            headers={},
            poll_seconds=0.05,
        )
        log.close()


@contextlib.contextmanager
def phoenix(folder: Path) -> Iterator[Side]:
    """Start Phoenix; installs it when it is not there."""
    program = environment(PHOENIX) / "phoenix"
    data, port = folder / "data", free_port()
    data.mkdir(exist_ok=True)
    settings = {
        "PHOENIX_WORKING_DIR": str(data),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port()),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    with _running([str(program), "serve"], settings, folder, port, "/healthz") as (http, pid):
        yield Side(
            "phoenix",
            http,
            pid,
            data,
            spans=lambda: sum(node["recordCount"] for node in phoenix_projects(http)),
            waiting=lambda: 0,
            headers={},
            poll_seconds=0.5,
        )


@contextlib.contextmanager
def mlflow(folder: Path) -> Iterator[Side]:
    """Start MLflow; installs it when it is not there."""
    program = environment(MLFLOW) / "mlflow"
    data, port = folder / "data", free_port()
    data.mkdir(exist_ok=True)
    command = [str(program), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", MLFLOW_WORKERS]
    command += ["--backend-store-uri", f"sqlite:///{data}/mlflow.db", "--artifacts-destination", str(data / "files")]
    settings = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with _running(command, settings, folder, port, "/health") as (http, pid):
        yield Side(
            "mlflow",
            http,
            pid,
            data,
            spans=lambda: _mlflow_spans(http),
            waiting=lambda: 0,
            headers={"x-mlflow-experiment-id": MLFLOW_EXPERIMENT},
            poll_seconds=0.5,
        )


SIDES: Mapping[str, Callable[[Path], AbstractContextManager[Side]]] = {
    "upshot": upshot,
    "phoenix": phoenix,
    "mlflow": mlflow,
}


def environment(requirement: str) -> Path:
    """Return the folder of programs of a peer's own environment, which is made once.

    Raises:
        RuntimeError: it cannot be installed.
    """
    folder = DATA / requirement.replace("==", "-")
    done = folder / "installed"
    if not done.exists():
        print(f"installing {requirement}", file=sys.stderr, flush=True)
        uv = Path(sys.executable).with_name("uv")
        python = folder / "bin" / "python"
        try:
            subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
            subprocess.run([uv, "pip", "install", "--quiet", "--python", python, requirement], check=True)
        except subprocess.CalledProcessError as error:
            raise RuntimeError(f"{requirement} cannot be installed") from error
        done.touch()
    return folder / "bin"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def graphql(http: httpx.Client, query: str, **variables: Any) -> Any:
    """Return Phoenix's answer; raises RuntimeError with its errors."""
    answer = http.post("/graphql", json={"query": query, "variables": variables}).raise_for_status().json()
    if answer.get("errors"):
        raise RuntimeError(str(answer["errors"])[:500])
    return answer["data"]


def phoenix_projects(http: httpx.Client) -> list[dict[str, Any]]:
    """Return Phoenix's projects: id, name, recordCount."""
    found = graphql(http, "{projects(first: 50) {edges {node {id name recordCount}}}}")
    return [edge["node"] for edge in found["projects"]["edges"]]


def _mlflow_spans(http: httpx.Client) -> int:
    asked = {
        "experiment_ids": [MLFLOW_EXPERIMENT],
        "view_type": "SPANS",
        "metric_name": "span_count",
        "aggregations": [{"aggregation_type": "COUNT"}],
        "max_results": 1000,
    }
    found = http.post("/api/3.0/mlflow/traces/metrics", json=asked).raise_for_status().json()
    return int(sum(value for point in found.get("data_points", []) for value in point["values"].values()))


@contextlib.contextmanager
def _running(
    command: list[str], settings: dict[str, str], folder: Path, port: int, ready: str
) -> Iterator[tuple[httpx.Client, int]]:
    """Start a peer in a process group of its own, wait until it answers, and end the group."""
    with (
        (folder / "server.log").open("a") as log,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300, trust_env=False) as http,
    ):
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env=os.environ | settings, start_new_session=True
        )
        try:
            _wait(process, http, ready, folder / "server.log")
            yield http, process.pid
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen[bytes], http: httpx.Client, path: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if http.get(path).is_success:
                return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"the server was not ready within {START_SECONDS} s:\n{log.read_text()[-2000:]}")
