"""`upshot demo`: realistic agent traffic with known truth, through the real HTTP API, and the verdicts on it."""

from __future__ import annotations

import datetime as dt
import itertools
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from api.commands import verdicts
from api.commands.remote import Remote
from api.demo.traces import traces
from api.demo.traffic import traffic
from api.demo.truth import declarations
from warehouse.directory import open_directory
from warehouse.errors import InputError, TransientError, UpshotError

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = "Example: upshot demo --port 9000"

BATCH = 2_000
START_SECONDS = 30.0
STOP_SECONDS = 20.0
PORTS_TRIED = 50

_MARKER = "made-by-upshot-demo"


def demo(
    data: Annotated[Path, typer.Option(help="Folder of the demo's own; emptied at every start.")] = Path("demo-data"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of HTTP; the next free one when it is busy.")] = 8787,
) -> None:
    """Show what upshot does on a support agent's three weeks: two experiments, one with a winner, one without."""
    console = Console()
    _empty(data)
    port = free_port(host, port)
    url = f"http://{host}:{port}"
    command = [sys.executable, "-P", "-m", "api.cli", "serve", "--data", str(data), "--host", host, "--port", str(port)]
    command += ["--otlp-grpc-port", "0", "--log-level", "warning"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603
    signal.signal(signal.SIGTERM, _terminated)
    try:
        remote = Remote(url, None)
        _wait(remote, server)
        _fill(remote, console)
        _show(remote, console, url)
        server.wait()
    except KeyboardInterrupt:
        console.print("\nstopping: sealing what is left")
    finally:
        server.terminate()
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()  # what was answered is in the log and is found again
            server.wait()


def _terminated(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _empty(data: Path) -> None:
    if data.exists():
        if not (data / _MARKER).exists():
            raise InputError(f"{data} was not made by the demo; it is left alone", hint="give another --data")
        shutil.rmtree(data)
    data.mkdir(parents=True)
    # Keys first makes it a data directory of ours; the marker says that the demo may empty it.

    open_directory(data)
    (data / _MARKER).touch()


def free_port(host: str, wanted: int) -> int:
    """Return `wanted` or the next port that is free; raises TransientError after 50 tries."""
    for port in range(wanted, wanted + PORTS_TRIED):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise TransientError(f"no port is free on {host} from {wanted} to {wanted + PORTS_TRIED - 1}")


def _wait(remote: Remote, server: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise TransientError(f"the server ended: {(server.stderr.read() if server.stderr else '').strip()}")
        try:
            if remote.call("GET", "/readyz").is_success:
                return
        except UpshotError:
            time.sleep(0.1)
    raise TransientError(f"the server was not ready after {START_SECONDS:g} s")


def _fill(remote: Remote, console: Console) -> None:
    now = dt.datetime.now(dt.UTC)
    console.print("Generating three weeks of a support agent's work and sending them to the HTTP API.")
    for path, body in _declared(now):
        remote.checked("PUT", path, json=body)
    records = list(traffic(now=now))
    columns = (TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("records", total=len(records))
        for batch in _batches(records):
            body = b"\n".join(msgspec.json.encode(record) for record in batch)
            answer = remote.checked(
                "POST", "/v1/ingest", content=body, headers={"Content-Type": "application/x-ndjson"}
            ).json()
            if answer["rejected"]:
                raise InputError(f"the demo's own record was rejected: {answer['rejected'][0]}")
            progress.advance(task, len(batch))
    for body in traces(records):
        remote.checked("POST", "/v1/traces", content=body, headers={"Content-Type": "application/json"})


def _declared(now: dt.datetime) -> Iterator[tuple[str, dict[str, Any]]]:
    for kind, name, body in declarations(now):
        yield f"/v1/{kind}/{quote(name, safe='')}", body


def _batches(records: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    source = iter(records)
    while batch := list(itertools.islice(source, BATCH)):
        yield batch


def _show(remote: Remote, console: Console, url: str) -> None:
    for experiment in remote.checked("GET", "/v1/experiments").json()["experiments"]:
        name = quote(experiment["name"], safe="")
        verdicts.show(console, remote.checked("GET", f"/v1/experiments/{name}/report").json())
    console.print()
    console.print(f"What arrived, verdicts, sessions, SQL:  [bold]{url}/[/bold]   (Ctrl+C stops)")
    if reported(remote):
        console.print(f"Its Monday report, being made now:  {url}/reports/weekly-winners", soft_wrap=True)
    console.print()
    console.print("Your own data, from another terminal (here or on any server):")
    for line in commands(url):
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def reported(remote: Remote) -> bool:
    """Save the first shipped notebook as a report of every Monday, and run it; False where the extra is missing."""
    try:
        schedule = {"cron": "0 8 * * 1", "timezone": "UTC"}
        remote.checked("PUT", "/v1/reports/weekly-winners", json={"template": "weekly-winners", "schedule": schedule})
        remote.checked("POST", "/v1/reports/weekly-winners/run")
    except UpshotError:
        return False
    return True


def commands(url: str) -> tuple[str, str, str]:
    """Return three copyable commands: a file, OpenTelemetry, one score."""
    score = '{"type":"score","run_id":"run-1","name":"solved","value":true}'
    return (
        f".venv/bin/upshot ingest my-runs.ndjson --url {url}",
        f"OTEL_EXPORTER_OTLP_ENDPOINT={url} OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf python my_agent.py",
        f"curl {url}/v1/ingest -H 'Content-Type: application/json' -d '[{score}]'",
    )
