"""The parent's end of query workers: one process a workspace, asked in turn, killed at the deadline and replaced."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from typing import TYPE_CHECKING

import msgspec
import structlog

from queries.messages import BODY_BYTES, HEAD_BYTES, Answer, Ask, frame
from queries.run import Limits
from warehouse.errors import QueryError, TransientError

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from warehouse.paths import DataPaths

log = structlog.get_logger("workers")

GRACE = 2.0
"""Seconds between the soft interrupt at the deadline and SIGKILL."""

START_SECONDS = 60.0

MAX_WAITING = 64
"""Questions of one workspace that may wait for its worker; more are answered 429."""

REPORT_SECONDS = 60.0
"""The deadline of questions that are not the caller's SQL (reports, lists)."""


class Workers:
    """The query workers of a data directory. Lives in one event loop."""

    def __init__(self, data: DataPaths, limits: Limits | None = None) -> None:
        self._data = data
        self._limits = limits or Limits()
        self._workers: dict[str, _Worker] = {}

    async def ask(self, workspace: str, ask: Ask) -> tuple[Answer, bytes]:
        """Return a worker's answer and its body.

        Raises:
            UpshotError: the coded error the worker answered, `timeout` when it had to be killed, `rate_limited` when
                too many questions wait.
        """
        worker = self._worker(workspace)
        if worker.waiting >= MAX_WAITING:
            raise TransientError(
                f"{worker.waiting} queries of this workspace wait already", code="rate_limited", retry_after=2
            )
        seconds = REPORT_SECONDS
        if ask.kind in ("query", "check"):
            seconds = min(ask.timeout_s or self._limits.seconds, self._limits.max_seconds)
        answer, body = await worker.ask(ask, max(seconds, 0.0) + GRACE)
        if answer.error is not None:
            raise answer.error.as_error()
        return answer, body

    async def start(self, workspace: str) -> None:
        """Start a workspace's worker ahead of its first question."""
        await self._worker(workspace).start()

    def _worker(self, workspace: str) -> _Worker:
        if workspace not in self._workers:
            self._workers[workspace] = _Worker(str(self._data.workspace(workspace).root), self._limits)
        return self._workers[workspace]

    async def close(self) -> None:
        """End all workers."""
        for worker in self._workers.values():
            await worker.kill()


_GONE = (asyncio.IncompleteReadError, BrokenPipeError, ConnectionResetError, RuntimeError)
"""How a worker that is no more shows itself; RuntimeError is uvloop's word for a pipe that has closed."""


class _Worker:
    def __init__(self, root: str, limits: Limits) -> None:
        self._root = root
        self._limits = limits
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        self._empty = tempfile.gettempdir()
        self.waiting = 0

    async def ask(self, ask: Ask, seconds: float) -> tuple[Answer, bytes]:
        self.waiting += 1
        try:
            async with self._turn:
                process = await self._ready()
                try:
                    return await asyncio.wait_for(_exchange(process, ask), seconds)
                except TimeoutError:
                    await self.kill()
                    raise QueryError(
                        f"the query did not stop at its deadline and was killed after {seconds:g} s", code="timeout"
                    ) from None
                except _GONE:
                    await self.kill()
                    raise QueryError(
                        "the query ended its worker, most likely for want of memory",
                        code="memory_limit",
                        hint="ask for less at once",
                    ) from None
                except asyncio.CancelledError:
                    await self.kill()  # its answer would be taken for the next question's
                    raise
        finally:
            self.waiting -= 1

    async def start(self) -> None:
        async with self._turn:
            await self._ready()

    async def _ready(self) -> Process:
        if self._process is not None and _lives(self._process):
            return self._process
        await self.kill()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "queries.worker",
            self._root,
            msgspec.json.encode(self._limits).decode(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            cwd=self._empty,
            limit=1 << 20,
            start_new_session=True,  # a Ctrl+C in the terminal is the parent's to handle
        )
        self._process = process
        try:
            await asyncio.wait_for(_read(process), START_SECONDS)
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            await self.kill()
            raise TransientError("a query worker did not start; see the server's log", retry_after=5) from error
        return process

    async def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _lives(process: Process) -> bool:
    """Tell whether a process still runs, also before the event loop has heard of its end."""
    if process.returncode is not None:
        return False
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False


async def _exchange(process: Process, ask: Ask) -> tuple[Answer, bytes]:
    assert process.stdin is not None  # noqa: S101 - opened with a pipe
    process.stdin.write(frame(ask))
    await process.stdin.drain()
    return await _read(process)


async def _read(process: Process) -> tuple[Answer, bytes]:
    assert process.stdout is not None  # noqa: S101 - opened with a pipe
    head = await process.stdout.readexactly(int.from_bytes(await process.stdout.readexactly(HEAD_BYTES), "big"))
    body = await process.stdout.readexactly(int.from_bytes(await process.stdout.readexactly(BODY_BYTES), "big"))
    return msgspec.json.decode(head, type=Answer), body
