"""The parent's end of query workers: a few processes a workspace, each asked in turn, killed and replaced when late.

What one key may take of them is bounded: it has two questions running at the most and a short queue, so that nobody
waits for somebody else's bombs while a worker is free.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import structlog

from queries.messages import BODY_BYTES, HEAD_BYTES, Answer, Ask, Ready, frame
from queries.run import Limits, deadline
from warehouse.errors import QueryError, TransientError

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

    from warehouse.paths import DataPaths

log = structlog.get_logger("workers")

GRACE = 2.0
"""Seconds between the soft interrupt at the deadline and SIGKILL."""

START_SECONDS = 60.0

WORKERS = 4
"""Workers of one workspace at the most; started when needed. More than one key's share, so that others find one."""

IDLE_SECONDS = 60.0
"""A worker beyond a workspace's first that had nothing to do for so long is ended."""

RUNNING = 2
"""Questions of one key that run at once."""

WAITING = 64
"""Questions of one key that may wait; more are answered 429."""

QUEUE_SECONDS = 30.0
"""How long a question waits for its turn."""


_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: the head's facts, and a body that may continue in a file."""

    answer: Answer
    body: bytes

    @property
    def size(self) -> int:
        """Bytes of the whole body."""
        return len(self.body) + (Path(self.answer.file).stat().st_size if self.answer.file else 0)

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield the whole body; removes its file, also when nobody reads to the end."""
        try:
            if self.body:
                yield self.body
            if self.answer.file:
                file = await asyncio.to_thread(Path(self.answer.file).open, "rb")
                with contextlib.closing(file):
                    while chunk := await asyncio.to_thread(file.read, _CHUNK):
                        yield chunk
        finally:
            self.discard()

    async def whole(self) -> bytes:
        """Return the whole body; removes its file."""
        return b"".join([chunk async for chunk in self.stream()])

    def discard(self) -> None:
        """Remove the file that nobody will read."""
        if self.answer.file:
            Path(self.answer.file).unlink(missing_ok=True)


class Workers:
    """The query workers of a data directory. Lives in one event loop."""

    def __init__(self, data: DataPaths, limits: Limits | None = None) -> None:
        self._data = data
        self._limits = limits or Limits()
        self._crews: dict[str, _Crew] = {}
        shutil.rmtree(data.spool, ignore_errors=True)  # answers that a killed server did not send

    async def ask(self, workspace: str, ask: Ask, key: str = "") -> Reply:
        """Return a worker's answer.

        Questions that are the same to the letter, and of which none has begun, are asked once.

        Args:
            workspace: whose data is asked.
            ask: the question.
            key: who asks; shares are by key. Empty: the server itself, which has no bounds.

        Raises:
            UpshotError: the coded error the worker answered, `timeout` when it had to be killed, `rate_limited` when
                too many questions of the key wait.
        """
        reply = await self._crew(workspace).ask(ask, key, deadline(ask, self._limits) + GRACE)
        if reply.answer.error is not None:
            raise reply.answer.error.as_error()
        return reply

    async def start(self, workspace: str) -> None:
        """Start a workspace's worker ahead of its first question."""
        await self._crew(workspace).start()

    def _crew(self, workspace: str) -> _Crew:
        if workspace not in self._crews:
            spool = self._data.spool / workspace
            spool.mkdir(parents=True, exist_ok=True)
            self._crews[workspace] = _Crew(str(self._data.workspace(workspace).root), str(spool), self._limits)
        return self._crews[workspace]

    async def close(self) -> None:
        """End all workers."""
        for crew in self._crews.values():
            await crew.close()
        shutil.rmtree(self._data.spool, ignore_errors=True)


@dataclass
class _Share:
    """What one key takes of a workspace's workers."""

    running: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(RUNNING))
    asked: int = 0
    """Questions that run or wait."""


class _Crew:
    """The workers of one workspace."""

    def __init__(self, root: str, spool: str, limits: Limits) -> None:
        self._workers = [_Worker(root, spool, limits, spare=number > 0) for number in range(WORKERS)]
        self._free = asyncio.Semaphore(WORKERS)
        self._shares: defaultdict[str, _Share] = defaultdict(_Share)
        self._queued: dict[bytes, asyncio.Future[Reply]] = {}

    async def ask(self, ask: Ask, key: str, seconds: float) -> Reply:
        """Answer for somebody, after those who came before."""
        same = ask.letters()
        while (others := self._queued.get(same)) is not None:
            with contextlib.suppress(_NotForAll):
                return await asyncio.shield(others)
        mine: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        mine.add_done_callback(_looked_at)
        self._queued[same] = mine
        try:
            async with self._turn(key):
                self._done_waiting(same, mine)  # who asks from now on may see more
                reply = await self._next().ask(ask, seconds)
        except BaseException as error:
            mine.set_exception(error if isinstance(error, QueryError) else _NotForAll())
            raise
        finally:
            self._done_waiting(same, mine)
        if reply.answer.file:
            mine.set_exception(_NotForAll())  # its file is read once
        else:
            mine.set_result(reply)
        return reply

    def _done_waiting(self, same: bytes, mine: asyncio.Future[Reply]) -> None:
        if self._queued.get(same) is mine:
            del self._queued[same]

    @contextlib.asynccontextmanager
    async def _turn(self, key: str) -> AsyncIterator[None]:
        """Hold one of the key's places and one of the workers."""
        share = self._shares[key]
        if key and share.asked >= RUNNING + WAITING:
            raise TransientError(
                f"{share.asked} queries of this key run or wait already, the limit is {RUNNING + WAITING}",
                code="rate_limited",
                retry_after=1,
            )
        share.asked += 1
        try:
            async with contextlib.AsyncExitStack() as held:
                try:
                    async with asyncio.timeout(QUEUE_SECONDS):
                        if key:
                            await held.enter_async_context(share.running)
                        await held.enter_async_context(self._free)
                except TimeoutError:
                    raise TransientError(
                        f"the query waited {QUEUE_SECONDS:g} s for its turn", code="rate_limited", retry_after=5
                    ) from None
                yield
        finally:
            share.asked -= 1
            if not share.asked:
                del self._shares[key]

    def _next(self) -> _Worker:
        """Return a worker that is free: one that runs already, if there is one."""
        free = [worker for worker in self._workers if not worker.busy]
        return min(free, key=lambda worker: not worker.runs)

    async def start(self) -> None:
        async with self._free:
            await self._next().start()

    async def close(self) -> None:
        for worker in self._workers:
            await worker.kill()


class _NotForAll(Exception):  # noqa: N818 - no error: those who wait ask for themselves
    pass


def _looked_at(done: asyncio.Future[Reply]) -> None:
    if not done.cancelled():
        done.exception()


_GONE = (asyncio.IncompleteReadError, BrokenPipeError, ConnectionResetError, RuntimeError)
"""How a worker that is no more shows itself; RuntimeError is uvloop's word for a pipe that has closed."""

_SPOILING = frozenset({"memory_limit", "internal"})
"""Errors after which a worker is replaced: its engine may be in a state nobody has tested."""


class _Worker:
    def __init__(self, root: str, spool: str, limits: Limits, *, spare: bool) -> None:
        self._root = root
        self._spool = spool
        self._limits = limits
        self._spare = spare
        self._process: Process | None = None
        self._idle: asyncio.TimerHandle | None = None
        self.busy = False

    @property
    def runs(self) -> bool:
        """Tell whether its process is there."""
        return self._process is not None and _lives(self._process)

    async def ask(self, ask: Ask, seconds: float) -> Reply:
        self.busy = True
        try:
            process = await self._ready()
            try:
                reply = await asyncio.wait_for(_exchange(process, ask), seconds)
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
            if reply.answer.error is not None and reply.answer.error.code in _SPOILING:
                await self.kill()
            return reply
        finally:
            self.busy = False
            self._rest()

    def _rest(self) -> None:
        """End the process when it stays without work, unless it is its workspace's first."""
        if self._idle is not None:
            self._idle.cancel()
        if self._spare:
            self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end_idle)

    def _end_idle(self) -> None:
        if not self.busy and self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def start(self) -> None:
        self.busy = True
        try:
            await self._ready()
        finally:
            self.busy = False

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
            self._spool,
            msgspec.json.encode(self._limits).decode(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            cwd=self._spool,
            limit=1 << 20,
            start_new_session=True,  # a Ctrl+C in the terminal is the parent's to handle
        )
        self._process = process
        try:
            head, _ = await asyncio.wait_for(_read(process), START_SECONDS)
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            await self.kill()
            raise TransientError("a query worker did not start; see the server's log", retry_after=5) from error
        except asyncio.CancelledError:
            await self.kill()  # its first word would be taken for an answer
            raise
        _tell(msgspec.json.decode(head, type=Ready).missing)
        return process

    async def kill(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


_TOLD: set[str] = set()


def _tell(missing: list[str]) -> None:
    """Name in the log, once, what this machine cannot take from its query workers."""
    for what in missing:
        if what not in _TOLD:
            _TOLD.add(what)
            log.warning("worker_isolation", missing=what)


def _lives(process: Process) -> bool:
    """Tell whether a process still runs, also before the event loop has heard of its end."""
    if process.returncode is not None:
        return False
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False


async def _exchange(process: Process, ask: Ask) -> Reply:
    assert process.stdin is not None  # noqa: S101 - opened with a pipe
    process.stdin.write(frame(ask))
    await process.stdin.drain()
    head, body = await _read(process)
    return Reply(msgspec.json.decode(head, type=Answer), body)


async def _read(process: Process) -> tuple[bytes, bytes]:
    assert process.stdout is not None  # noqa: S101 - opened with a pipe
    head = await process.stdout.readexactly(int.from_bytes(await process.stdout.readexactly(HEAD_BYTES), "big"))
    body = await process.stdout.readexactly(int.from_bytes(await process.stdout.readexactly(BODY_BYTES), "big"))
    return head, body
