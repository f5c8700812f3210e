"""Everything a running server holds, assembled once: the log of each workspace, the query workers, the keeper."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

from api.child import Child
from api.reports.process import ReportWorker
from ingest.otel.joining import Joining
from ingest.otel.prices import Prices, read_prices
from ingest.otel.taken import Reading
from ingest.pool import Decoders
from queries.messages import Ask
from queries.pool import Workers
from queries.run import Limits
from warehouse.clock import Clock, system_clock
from warehouse.directory import WriterLock, make_workspace, open_directory
from warehouse.errors import TransientError, UpshotError
from warehouse.keys import DEFAULT_WORKSPACE, Keys
from warehouse.log import Encoded, Log
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from api.settings import Settings
    from ingest.otel.taken import Signal, Taken

SHUTDOWN_SECONDS = 10.0
"""How long the keeper may take to seal what is left at SIGTERM."""

KEEPER_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2", "ARROW_DEFAULT_MEMORY_POOL": "system"}
"""Allocators that give memory back: while 20 M records go in they hold 100 MB less (measured)."""

HELD_BYTES = 256 << 20
"""Most bytes of bodies, as sent, that are here at once to be decoded and stored; what comes then is to come later."""


class Services:
    """The parts behind the routes. One instance a server; `start` and `stop` in the same event loop."""

    def __init__(self, settings: Settings, clock: Clock = system_clock) -> None:
        self.clock = clock
        self.settings = settings
        self.data = open_directory(settings.data)
        self._lock = WriterLock(self.data, alone=False)
        self.keys = Keys(self.data)
        self.workers = Workers(
            self.data,
            Limits(
                rows=settings.query_rows,
                seconds=settings.query_seconds,
                memory_mb=settings.query_memory_mb,
                max_answer_mb=settings.query_answer_mb,
                max_scan_mb=settings.query_scan_mb,
            ),
        )
        own_prices = () if settings.prices is None else read_prices(settings.prices)
        joining = Joining(run_ids=settings.otlp_run_ids, sessions=settings.otlp_sessions)
        self.decoders = Decoders(reading=Reading(Prices(own_prices), joining))
        self._held_bytes = 0
        self._logs: dict[str, Log] = {}
        self._keeper = Child(
            "keeper",
            ("warehouse.keeper", str(self.data.root)),
            {**os.environ, **KEEPER_ENVIRONMENT},
            SHUTDOWN_SECONDS,
        )
        self._warm: asyncio.Task[None] | None = None
        self.reports = ReportWorker(self.data)
        self.port = settings.port
        """Where HTTP is taken; whoever listens on another one than the settings say, sets it before `start`."""
        self.stopping = False

    @property
    def url(self) -> str:
        """Return the address of this server for programs on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.settings.host, self.settings.host)  # noqa: S104 - not bound here
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Open the default workspace and start a query worker; then, in the background, the rest."""
        self.log(DEFAULT_WORKSPACE)
        self._keeper.start()
        await self.workers.start(DEFAULT_WORKSPACE)
        self._warm = asyncio.create_task(self._warm_up())

    def log(self, workspace: str) -> Log:
        """Return a workspace's log, making the workspace when it is new."""
        if workspace not in self._logs:
            make_workspace(self.data, workspace)
            self._logs[workspace] = Log(open_workspace(self.data.workspace(workspace)).manifest, self.clock)
        return self._logs[workspace]

    async def append(self, workspace: str, entries: Sequence[Encoded]) -> int:
        """Return once the rows are durable and visible (the promise of `Log.append`)."""
        return await asyncio.wrap_future(self.log(workspace).append(entries))

    async def keep(self, workspace: str, signal: Signal, body: bytes, encoding: str | None, kind: str) -> Taken:
        """Return what a request of OTLP came to, once that is durable and visible; raises as `receive` and `append`."""
        made = await self.decoders.receive_otlp(signal, body, encoding, kind, self.clock())
        if made.entries:
            await self.append(workspace, made.entries)
        return made

    @contextlib.contextmanager
    def holding(self) -> Iterator[Callable[[int], None]]:
        """Count the bytes of a request's body, as they come, for as long as it is here. In the event loop only.

        Raises:
            TransientError: `rate_limited`, by what this yields, when `HELD_BYTES` are here.
        """
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            if self._held_bytes + size > HELD_BYTES:
                raise TransientError(
                    f"bodies of {self._held_bytes} bytes are being taken, the limit is {HELD_BYTES}; send again later",
                    code="rate_limited",
                )
            held += size
            self._held_bytes += size

        try:
            yield hold
        finally:
            self._held_bytes -= held

    async def _warm_up(self) -> None:
        """Have a query worker ready, then start the report worker: whoever starts a server waits for the first."""
        with contextlib.suppress(UpshotError):
            await self.workers.ask(DEFAULT_WORKSPACE, Ask(kind="query", sql="SELECT 1"))
        await self.reports.start(self.url)

    async def stop(self) -> None:
        """Commit what waits, seal it into files, end the workers."""
        self.stopping = True
        if self._warm is not None:
            self._warm.cancel()
        await self.reports.stop()
        await asyncio.to_thread(self.decoders.close)
        for held in self._logs.values():
            await asyncio.to_thread(held.close)
        await self._keeper.stop()
        await self.workers.close()
        self.keys.close()
        self._lock.release()
