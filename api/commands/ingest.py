"""`upshot ingest`: files of typed records, to a running server or straight into a data directory."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TransferSpeedColumn

from api.commands.remote import KeyOption, Remote, UrlOption, failure
from api.errors import EXIT_FAILED, EXIT_OK, exit_code
from ingest.files import chunks
from ingest.limits import Limits
from ingest.pipeline import receive
from warehouse import keeper
from warehouse.clock import system_clock
from warehouse.directory import WriterLock, make_workspace, open_directory
from warehouse.errors import TransientError, UpshotError
from warehouse.keys import DEFAULT_WORKSPACE
from warehouse.log import Log, encode
from warehouse.logs import set_up_logs

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = (
    "Examples: upshot ingest runs.ndjson scores.ndjson.gz · producer | upshot ingest - · "
    "upshot ingest old.ndjson --data upshot-data"
)

NDJSON = {"Content-Type": "application/x-ndjson"}
SHOWN = 20
"""Rejected records that are printed; the rest are counted."""

TRIES = 60
"""How often a chunk is sent while the server says that its keeper must catch up."""

LIMITS = Limits()

Outcome = tuple[int, list[tuple[int, str]]]
"""Accepted records, and (index, reason) of each rejected one."""


class Destination(Protocol):
    """Where records go."""

    def send(self, body: bytes) -> Outcome:
        """Return once the accepted records of an NDJSON body are durable."""
        ...

    def close(self) -> None:
        """Finish."""
        ...


def ingest(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="NDJSON or a JSON array, plain, .gz or .zst; - is standard input."),
    ],
    url: UrlOption = None,
    key: KeyOption = None,
    data: Annotated[
        Path | None, typer.Option(help="Write into this data folder, with no server running, instead of sending.")
    ] = None,
    workspace: Annotated[str, typer.Option(help="With --data: the workspace.")] = DEFAULT_WORKSPACE,
) -> None:
    """Take records from files of any size. Sending a file again changes nothing: records are known by their keys.

    Exits 1 when a record was rejected, after the good ones are in.
    """
    console = Console(stderr=True, highlight=False)
    destination: Destination = _Server(Remote(url, key)) if data is None else _Folder(data, workspace)
    codes: set[int] = set()
    try:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
        )
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            for name in files:
                size = None if name == "-" else _size(Path(name))
                task = progress.add_task(name, total=size)
                codes.add(
                    _one(name, destination, console, lambda read, task=task: progress.update(task, completed=read))
                )
    finally:
        destination.close()
    codes.discard(EXIT_OK)
    if codes:
        raise typer.Exit(codes.pop() if len(codes) == 1 else EXIT_FAILED)


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _one(name: str, destination: Destination, console: Console, advance: Callable[[int], None]) -> int:
    """Send one file and say what became of it; returns its exit code."""
    source = sys.stdin.buffer if name == "-" else Path(name)
    accepted, rejected = 0, 0
    started = time.monotonic()
    fault: UpshotError | None = None

    try:
        for chunk in chunks(source):
            # One after another: of two scores without a time the one that arrives later counts, as in the file.
            taken, refused = destination.send(chunk.body)
            accepted += taken
            for index, reason in refused:
                if rejected < SHOWN:
                    console.print(
                        f"{name}: record {chunk.first_record + index}: {reason}", markup=False, soft_wrap=True
                    )
                rejected += 1
            advance(chunk.consumed)
    except UpshotError as error:
        if isinstance(error, TransientError) and error.code == "unavailable":
            raise
        fault = error
    _summarise(name, console, fault, accepted, rejected, accepted / max(time.monotonic() - started, 1e-9))
    if fault is not None:
        return exit_code(fault.code)
    return EXIT_FAILED if rejected else EXIT_OK


def _summarise(
    name: str, console: Console, fault: UpshotError | None, accepted: int, rejected: int, rate: float
) -> None:
    if rejected > SHOWN:
        console.print(f"{name}: {rejected - SHOWN} more rejected records are not shown", markup=False)
    if fault is not None:
        place = "" if name in fault.message else f"{name}: "
        hint = f" ({fault.hint})" if fault.hint else ""
        console.print(f"{place}{fault.message}{hint}", style="bold red", markup=False, soft_wrap=True)
    if accepted or fault is None:
        console.print(f"{name}: {accepted:,} accepted, {rejected:,} rejected, {rate:,.0f} records/s", markup=False)


class _Server:
    """A running server, over HTTP; waits and sends again when it says so."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def send(self, body: bytes) -> Outcome:
        for tried in range(TRIES):
            try:
                response = self._remote.call("POST", "/v1/ingest", content=body, headers=NDJSON)
            except TransientError as error:
                if error.code != "rate_limited" or tried == TRIES - 1:
                    raise
                time.sleep(error.retry_after)
                continue
            answer = response.json()
            if "accepted" not in answer:
                raise failure(response)
            return answer["accepted"], [(no["index"], f"{no['code']}: {no['message']}") for no in answer["rejected"]]
        raise AssertionError  # the last try returned or raised

    def close(self) -> None:
        """Nothing to finish: every answer was durable."""


class _Folder:
    """A data directory without a server: the same validation, log and keeper, in this process."""

    def __init__(self, root: Path, workspace: str) -> None:
        set_up_logs("warning")
        paths = open_directory(root)
        self._lock = WriterLock(paths)
        make_workspace(paths, workspace)
        self._log = Log(paths.workspace(workspace), system_clock)
        self._finished = threading.Event()
        self._keeper = threading.Thread(target=keeper.run, args=(paths, self._finished.wait))
        self._keeper.start()

    def send(self, body: bytes) -> Outcome:
        validated = receive(body, NDJSON["Content-Type"], None, system_clock(), LIMITS)
        self._log.append(encode(validated.batches)).result()
        return validated.accepted, [(no.index, f"{no.code}: {no.message}") for no in validated.rejected]

    def close(self) -> None:
        """Seal what waits, then let others write."""
        self._log.close()
        self._finished.set()
        self._keeper.join()
        self._lock.release()
