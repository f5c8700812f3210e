"""The parent's end of decode workers: a process a core, each with a thread that hands it bodies and parts of them."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import queue
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, overload

from ingest.body import unpack
from ingest.otel import taken as otlp
from ingest.parts import Part, Taken, cut, put_together, taken
from ingest.pipeline import validate
from ingest.records import decode, only_lines
from ingest.worker import Export, Job, Lines, answer, ask, begin
from warehouse import children
from warehouse.errors import TransientError, UpshotError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ingest.limits import Limits

WHOLE_BYTES = 256 << 10
"""A smaller body is decoded where it arrived: handing it over would cost more than it saves."""

OTLP_BYTES = 64 << 10
"""The same of OTLP, of which some 50 spans come to this, and take ten times as long as handing them over."""

PACKED = 4
"""How many times longer than it was sent a packed request of OTLP is taken to be: made-up words are 3, real ones more.
"""

PART_BYTES = 2 << 20
"""Longest part of a body, unless a line is longer; a worker needs some multiple of it in memory."""

MOST_WORKERS = 8
"""More would not be kept busy by one log, and each takes some 100 MB, with the prices of OTLP 150."""

_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    # Allocators that give memory back: 145 MB instead of 235 after requests of 512 spans, 340 instead of 490 in one of
    # 17 MiB, and no slower (measured).
    "MALLOC_ARENA_MAX": "2",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
_PIPE_BYTES = 1 << 20
_END_SECONDS = 2.0
"""How long a worker may take to end when its jobs have."""

_TRIES = 2


@dataclass(slots=True, eq=False)
class _Task:
    job: Job
    body: bytes | memoryview
    future: Future[Any]

    def forget(self, _: Future[Any]) -> None:
        """Let go of the body: a request that was given up holds none while it waits to be passed over."""
        self.body = b""


class Decoders:
    """Takes requests apart on every core. Any thread may call it."""

    def __init__(
        self,
        workers: int | None = None,
        *,
        whole_bytes: int = WHOLE_BYTES,
        otlp_bytes: int = OTLP_BYTES,
        reading: otlp.Reading | None = None,
    ) -> None:
        self._whole_bytes = whole_bytes
        self._otlp_bytes = otlp_bytes
        self._reading = reading or otlp.Reading()
        self._workers = workers or min(len(os.sched_getaffinity(0)), MOST_WORKERS)
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()
        self._closed = False

    def _start(self) -> None:
        """Start the workers, with the first large request: who sends only small ones needs none. Returns at once."""
        with self._starting:
            if not self._threads and not self._closed:
                for number in range(self._workers):
                    thread = threading.Thread(target=self._run, name=f"decode-{number}", daemon=True)
                    self._threads.append(thread)
                    thread.start()

    def receive(
        self,
        body: bytes | Iterable[bytes],
        content_type: str | None,
        content_encoding: str | None,
        received_at_us: int,
        limits: Limits,
    ) -> Taken:
        """Unpack, decode and validate a request; exactly as `ingest.pipeline.receive`, on every core.

        Raises:
            InputError: as there.
            TransientError: `unavailable`: the workers were killed, or are closed.
        """
        content = unpack(body, content_encoding, limits)
        lines = only_lines(content, content_type) if len(content) >= self._whole_bytes else None
        if lines is None:
            return taken(validate(decode(content, content_type, limits), received_at_us))
        # At least a part a worker, so that none is idle, and no longer than `PART_BYTES`.
        size = min(PART_BYTES, -(-len(lines) // self._workers))
        waiting = [self.take(Lines(len(part), received_at_us, limits), part) for part in cut(lines, size)]
        try:
            return put_together((future.result() for future in waiting), received_at_us, limits)
        finally:
            for future in waiting:
                future.cancel()

    async def receive_otlp(
        self, signal: otlp.Signal, body: bytes, encoding: str | None, kind: str, received_at_us: int
    ) -> otlp.Taken:
        """Return the rows of a request as it was sent; exactly as `ingest.otel.taken.receive`, on every core.

        Raises:
            InputError: as there.
            UpshotError: `internal`, a defect.
            TransientError: `unavailable`: the workers were killed, or are closed.
        """
        if len(body) * (PACKED if encoding else 1) < self._otlp_bytes:
            return await asyncio.to_thread(otlp.receive, signal, body, encoding, kind, received_at_us, self._reading)
        job = Export(len(body), received_at_us, signal.name, encoding, kind)
        return await asyncio.wrap_future(self.take(job, body))

    @overload
    def take(self, job: Lines, body: bytes | memoryview) -> Future[Part]: ...
    @overload
    def take(self, job: Export, body: bytes | memoryview) -> Future[otlp.Taken]: ...
    def take(self, job: Job, body: bytes | memoryview) -> Future[Any]:
        """Hand a worker a job; the future resolves to what it makes of it, or raises as `receive`.

        Cancelled before a worker has begun, it takes none of its time, and its body is let go of at once.
        """
        self._start()
        task = _Task(job, body, Future())
        task.future.add_done_callback(task.forget)
        with self._starting:
            if not self._closed:
                self._tasks.put(task)
                return task.future
        _refuse(task)
        return task.future

    def close(self) -> None:
        """End the workers; what waits for them is refused. Safe to call twice."""
        with self._starting:
            self._closed = True
            for _ in self._threads:
                self._tasks.put(None)
        for thread in self._threads:
            thread.join()
        with contextlib.suppress(queue.Empty):
            while True:
                task = self._tasks.get_nowait()
                if task is not None:
                    _refuse(task)

    def _run(self) -> None:
        worker = _Worker(self._reading)
        try:
            while (task := self._tasks.get()) is not None:
                if self._closed:
                    _refuse(task)
                elif task.future.set_running_or_notify_cancel():
                    try:
                        task.future.set_result(worker.take(task.job, task.body))
                    except Exception as error:  # noqa: BLE001 - the thread must live; the request has the error
                        task.future.set_exception(error)
                del task  # or what it came to would stay until the next request
        finally:
            worker.end()


def _refuse(task: _Task) -> None:
    with contextlib.suppress(Exception):  # cancelled already
        task.future.set_exception(TransientError("the server is stopping", retry_after=5))


class _Worker:
    """One process, replaced when it dies. Used by one thread."""

    def __init__(self, reading: otlp.Reading) -> None:
        self._reading = reading
        self._process: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):  # the first job tries again, and says so when it cannot
            self._pipes()

    def take(self, job: Job, body: bytes | memoryview) -> Part | otlp.Taken:
        reason: Exception | None = None
        for _ in range(_TRIES):
            try:
                jobs, answers = self._pipes()
                ask(job, body, jobs)
                return answer(answers)
            except UpshotError:
                raise
            except Exception as error:  # noqa: BLE001 - killed, or out of step: either way another takes its place
                reason = error
                self.end()
        raise TransientError("a decode worker ended, and so did the one after it") from reason

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        """Return the pipes to and from the process, which is started when there is none."""
        is_new = self._process is None
        process = self._process = self._process or _started()
        assert process.stdin is not None  # noqa: S101 - opened with pipes
        assert process.stdout is not None  # noqa: S101 - the same
        if is_new:
            begin(self._reading, process.stdin)
        return process.stdin, process.stdout

    def end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            children.end(process, _END_SECONDS)


def _started() -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "ingest.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_ENVIRONMENT,
        cwd=tempfile.gettempdir(),
        start_new_session=True,  # a Ctrl+C in the terminal is the parent's to handle
    )
    for pipe in filter(None, (process.stdin, process.stdout)):
        with contextlib.suppress(OSError, AttributeError):  # only Linux can, and only up to what the machine allows
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return process
