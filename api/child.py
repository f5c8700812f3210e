"""A program that runs beside the server: started with it, started again when it dies, ended with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Mapping

log = structlog.get_logger("server")

RESTART_SECONDS = 1.0


@dataclass
class Child:
    """One Python module as a process of its own session, told our process id last. Everything in one event loop."""

    name: str
    """What the log calls it."""
    command: tuple[str, ...]
    """The module and its arguments."""
    environment: Mapping[str, str]
    end_seconds: float
    """How long it may take to end after SIGTERM; then it is killed."""
    _running: asyncio.Task[None] | None = field(default=None, init=False)
    _process: Process | None = field(default=None, init=False)

    @property
    def pid(self) -> int | None:
        """Its process id; None when it does not run."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    def start(self) -> None:
        """Start it unless it was started."""
        if self._running is None:
            self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End it, and wait until it has ended."""
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running

    async def _run(self) -> None:
        while True:
            process = self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", *self.command, str(os.getpid())),
                env=self.environment,
                start_new_session=True,
            )
            try:
                await process.wait()
            except asyncio.CancelledError:
                await _end(process, self.end_seconds)
                raise
            log.error("child_ended", child=self.name, code=process.returncode)
            await asyncio.sleep(RESTART_SECONDS)


async def _end(process: Process, seconds: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        process.kill()
        await process.wait()
