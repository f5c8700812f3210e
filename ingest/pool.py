"""The parent's end of decode workers: a process a core, each with a thread that hands it parts of requests."""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from ingest.body import unpack
from ingest.parts import Part, Taken, cut, put_together, taken
from ingest.pipeline import validate
from ingest.records import decode, only_lines
from ingest.worker import Job, answer, ask
from warehouse import children
from warehouse.errors import TransientError, UpshotError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ingest.limits import Limits

WHOLE_BYTES = 256 << 10
"""A smaller body is decoded where it arrived: handing it over would cost more than it saves."""

PART_BYTES = 2 << 20
"""Longest part of a body, unless a line is longer; a worker needs some multiple of it in memory."""

MOST_WORKERS = 8
"""More would not be kept busy by one log, and each takes some 100 MB."""

_PIPE_BYTES = 1 << 20
_END_SECONDS = 2.0
"""How long a worker may take to end when its jobs have."""

_TRIES = 2

_Task = tuple[Job, memoryview, "Future[Part]"]


class Decoders:
    """Takes requests apart on every core. Any thread may call it."""

    def __init__(self, workers: int | None = None, *, whole_bytes: int = WHOLE_BYTES) -> None:
        self._whole_bytes = whole_bytes
        self._workers = workers or min(len(os.sched_getaffinity(0)), MOST_WORKERS)
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()
        self._closed = False

    def start(self) -> None:
        """Start the workers ahead of the first large request; returns at once. Safe to call twice."""
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
        self.start()
        # At least a part a worker, so that none is idle, and no longer than `PART_BYTES`.
        size = min(PART_BYTES, -(-len(lines) // self._workers))
        waiting: list[Future[Part]] = []
        for part in cut(lines, size):
            future: Future[Part] = Future()
            waiting.append(future)
            self._put((Job(len(part), received_at_us, limits), part, future))
        try:
            return put_together((future.result() for future in waiting), received_at_us, limits)
        finally:
            for future in waiting:
                future.cancel()

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

    def _put(self, task: _Task) -> None:
        with self._starting:
            if not self._closed:
                self._tasks.put(task)
                return
        _refuse(task)

    def _run(self) -> None:
        worker = _Worker()
        try:
            while (task := self._tasks.get()) is not None:
                job, lines, future = task
                if self._closed:
                    _refuse(task)
                elif future.set_running_or_notify_cancel():
                    try:
                        future.set_result(worker.take(job, lines))
                    except Exception as error:  # noqa: BLE001 - the thread must live; the request has the error
                        future.set_exception(error)
                del task, lines, future  # or a body would stay until the next request
        finally:
            worker.end()


def _refuse(task: _Task) -> None:
    with contextlib.suppress(Exception):  # cancelled already
        task[2].set_exception(TransientError("the server is stopping", retry_after=5))


class _Worker:
    """One process, replaced when it dies. Used by one thread."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):  # the first part tries again, and says so when it cannot
            self._process = _started()

    def take(self, job: Job, lines: memoryview) -> Part:
        reason: Exception | None = None
        for _ in range(_TRIES):
            try:
                process = self._process = self._process or _started()
                assert process.stdin is not None  # noqa: S101 - opened with pipes
                assert process.stdout is not None  # noqa: S101 - the same
                ask(job, lines, process.stdin)
                return answer(process.stdout)
            except UpshotError:
                raise
            except Exception as error:  # noqa: BLE001 - killed, or out of step: either way another takes its place
                reason = error
                self.end()
        raise TransientError("a decode worker ended, and so did the one after it") from reason

    def end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            children.end(process, _END_SECONDS)


def _started() -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "ingest.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        cwd=tempfile.gettempdir(),
        start_new_session=True,  # a Ctrl+C in the terminal is the parent's to handle
    )
    for pipe in filter(None, (process.stdin, process.stdout)):
        with contextlib.suppress(OSError, AttributeError):  # only Linux can, and only up to what the machine allows
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return process
