"""`upshot ingest`: files of typed records, to a running server or straight into a data directory."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Protocol

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TransferSpeedColumn

from api.commands.remote import KeyOption, Remote, UrlOption, failure
from api.errors import EXIT_FAILED, EXIT_OK, exit_code
from ingest.files import chunks
from ingest.limits import Limits
from ingest.pool import Decoders
from warehouse import keeper
from warehouse.clock import system_clock
from warehouse.directory import WriterLock, make_workspace, open_directory
from warehouse.errors import TransientError, UpshotError
from warehouse.keys import DEFAULT_WORKSPACE
from warehouse.log import Log
from warehouse.logs import set_up_logs
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingest.files import Chunk
    from ingest.parts import Taken

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


SEND_BYTES = 16 << 20
"""Bytes sent at once: the server cuts them into parts for all its cores, and commits them together."""

IN_FLIGHT = 2
"""Chunks handed over but not answered: one on its way, and the next one ready behind it."""


class Destination(Protocol):
    """Where records go."""

    def send(self, body: bytes) -> Future[Outcome]:
        """Hand over an NDJSON body; resolves once its accepted records are durable.

        Bodies arrive in the order in which they were handed over, and none arrives after one that failed.
        """
        ...

    def begin(self) -> None:
        """Begin another file: it does not depend on those before it."""
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
        # In the order of the file: of two scores without a time the one that arrives later counts.
        for chunk, (taken, refused) in _answered(source, destination):
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


def _answered(source: Path | BinaryIO, destination: Destination) -> Iterator[tuple[Chunk, Outcome]]:
    """Yield each chunk of a file with its outcome; the next ones are read while it is on its way.

    When reading fails, what was whole by then is answered first.
    """
    destination.begin()
    sent: deque[tuple[Chunk, Future[Outcome]]] = deque()
    fault: UpshotError | None = None
    try:
        for chunk in chunks(source, SEND_BYTES):
            sent.append((chunk, destination.send(chunk.body)))
            if len(sent) >= IN_FLIGHT:
                first, outcome = sent.popleft()
                yield first, outcome.result()
    except UpshotError as error:
        fault = error
    for chunk, outcome in sent:
        yield chunk, outcome.result()  # of one that failed, those behind it have the same error
    if fault is not None:
        raise fault


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


class _InOrder:
    """A thread that does one thing after another, and nothing more after one that failed."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._fault: UpshotError | None = None
        self._stopped = threading.Event()

    def hand(self, work: Callable[[], Outcome]) -> Future[Outcome]:
        return self._thread.submit(self._do, work)

    def forget(self) -> None:
        """Let what is handed over from now on be done whatever failed before."""
        self._thread.submit(self._forget)

    def _forget(self) -> None:
        self._fault = None

    def _do(self, work: Callable[[], Outcome]) -> Outcome:
        if self._fault is not None:
            raise self._fault
        try:
            for _ in range(TRIES - 1):
                try:
                    return work()
                except TransientError as error:
                    if error.code != "rate_limited" or self._stopped.wait(error.retry_after):
                        raise
            return work()
        except UpshotError as error:
            self._fault = error
            raise

    def close(self) -> None:
        self._stopped.set()
        self._thread.shutdown(cancel_futures=True)


class _Server:
    """A running server, over HTTP; waits and sends again when it says so."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._line = _InOrder()

    def begin(self) -> None:
        self._line.forget()

    def send(self, body: bytes) -> Future[Outcome]:
        return self._line.hand(lambda: self._post(body))

    def _post(self, body: bytes) -> Outcome:
        response = self._remote.call("POST", "/v1/ingest", content=body, headers=NDJSON)
        answer = response.json()
        if "accepted" not in answer:
            raise failure(response)
        return answer["accepted"], [(no["index"], f"{no['code']}: {no['message']}") for no in answer["rejected"]]

    def close(self) -> None:
        """Wait for what is on its way; every answer was durable."""
        self._line.close()


class _Folder:
    """A data directory without a server: the same decoders, log and keeper, in this process."""

    def __init__(self, root: Path, workspace: str) -> None:
        set_up_logs("warning")
        paths = open_directory(root)
        self._lock = WriterLock(paths)
        make_workspace(paths, workspace)
        self._log = Log(open_workspace(paths.workspace(workspace)).manifest, system_clock)
        self._decoders = Decoders()
        self._line = _InOrder()
        self._finished = threading.Event()
        self._keeper = threading.Thread(target=keeper.run, args=(paths, self._finished.wait))
        self._keeper.start()

    def begin(self) -> None:
        self._line.forget()

    def send(self, body: bytes) -> Future[Outcome]:
        taken = self._decoders.receive(body, NDJSON["Content-Type"], None, system_clock(), LIMITS)
        return self._line.hand(lambda: self._append(taken))

    def _append(self, taken: Taken) -> Outcome:
        self._log.append(taken.entries).result()
        return taken.accepted, [(no.index, f"{no.code}: {no.message}") for no in taken.rejected]

    def close(self) -> None:
        """Seal what waits, then let others write."""
        self._line.close()
        self._decoders.close()
        self._log.close()
        self._finished.set()
        self._keeper.join()
        self._lock.release()
