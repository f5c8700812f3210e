"""A real server in a process of its own, on a free port."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

START_SECONDS = 60.0


@dataclass
class Server:
    """A running `upshot serve`."""

    process: subprocess.Popen[str]
    url: str
    data: Path
    http: httpx.Client

    @property
    def log(self) -> str:
        """What the server logged so far."""
        return (self.data.parent / f"{self.data.name}.log").read_text()

    def ingest(self, records: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """Send records as NDJSON and return the answer, whatever its status."""
        body = b"\n".join(msgspec.json.encode(record) for record in records)
        return self.http.post("/v1/ingest", content=body, headers={"content-type": "application/x-ndjson"}).json()

    def ask(self, sql: str, **options: Any) -> list[list[Any]]:
        """Return the rows of a query; fails on an error."""
        answer = self.http.post("/v1/query", json={"sql": sql, **options}).json()
        assert "error" not in answer, answer
        return answer["rows"]

    def refused(self, sql: str, **options: Any) -> dict[str, Any]:
        """Return the error of a query that must fail."""
        answer = self.http.post("/v1/query", json={"sql": sql, **options}).json()
        assert "error" in answer, answer
        return answer["error"]

    def kill(self) -> None:
        """Kill the API process as a power cut would: no handler runs. Its children notice and end."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds: float = 20.0) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


@contextlib.contextmanager
def serving(data: Path, *arguments: str, **settings: str) -> Iterator[Server]:
    """Start a server over a data folder, with `UPSHOT_` settings, wait until it is ready, and end it."""
    command = [sys.executable, "-P", "-m", "api.cli", "serve", "--data", str(data), "--port", "0", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UPSHOT_")}
    environment["UPSHOT_OTLP_GRPC_PORT"] = "0"  # several servers run at once
    environment |= {f"UPSHOT_{name.upper()}": value for name, value in settings.items()}
    log = (data.parent / f"{data.name}.log").open("a+")
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.search(r"http://\S+", line)
    assert found, line + process.stderr.read()
    # What the server logs from now on goes to a file, so that its pipe never fills.
    drain = subprocess.Popen(["cat"], stdin=process.stderr, stdout=log)
    process.stderr.close()
    with httpx.Client(base_url=found.group(), timeout=60, trust_env=False) as http:
        server = Server(process, found.group(), data, http)
        try:
            _wait(server)
            yield server
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            drain.wait(30)
            log.close()


def _wait(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if server.http.get("/readyz").is_success:
                return
        assert server.process.poll() is None, "the server ended at its start"
        time.sleep(0.05)
    raise AssertionError("the server was not ready in time")
