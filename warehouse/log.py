"""The log: the one place where a row becomes acknowledged.

Every waiting request goes into one SQLite transaction (group commit); the commit's fsync is the acknowledgement.
Batches are Arrow IPC streams, LZ4 inside, one log entry a table and request.
"""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from warehouse.errors import TransientError, UpshotError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warehouse.clock import Clock
    from warehouse.manifest import Manifest

ROWS_BITS = 20
"""A row's arrival is its entry's position times 2**ROWS_BITS plus its place in the entry."""

MAX_GROUP = 512
"""Requests that share one commit at the most."""

MAX_LOG_BYTES = 128 << 20
MAX_LOG_ROWS = 1_000_000
"""Unsealed bytes and rows above which appends wait for the keeper: queries hold what is unsealed in memory."""

MEASURED_FOR_SECONDS = 1.0
"""The log's size is summed anew after this long: the keeper, another process, shrinks it."""

_Request = tuple[list[tuple[str, int, bytes]], Future[int]]
_WRITE = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
_READ = pa.ipc.IpcReadOptions(use_threads=False)
"""A batch is small: handing its columns to threads costs as much as it takes to pack or unpack them."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch as the log keeps it."""

    table: str
    rows: int
    payload: bytes


def encode(batches: Mapping[str, pa.RecordBatch]) -> list[Encoded]:
    """Return the log entries of one request; empty batches have none."""
    entries: list[Encoded] = []
    for table, whole in batches.items():
        for start in range(0, whole.num_rows, 1 << ROWS_BITS):
            part = whole.slice(start, 1 << ROWS_BITS)
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, part.schema, options=_WRITE) as writer:
                writer.write_batch(part)
            entries.append(Encoded(table, part.num_rows, sink.getvalue().to_pybytes()))
    return entries


def decode(payload: bytes) -> pa.Table:
    """Return the rows of a log entry."""
    with pa.ipc.open_stream(payload, options=_READ) as reader:
        return reader.read_all()


class Log:
    """The writing end of a workspace's log. One instance a workspace, in the process that acknowledges."""

    def __init__(
        self, manifest: Manifest, clock: Clock, *, max_bytes: int = MAX_LOG_BYTES, max_rows: int = MAX_LOG_ROWS
    ) -> None:
        self._manifest = manifest
        self._clock = clock
        self._max_bytes = max_bytes
        self._max_rows = max_rows
        self._waiting: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._measured_at = 0.0
        self._bytes = 0
        self._rows = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def append(self, entries: Sequence[Encoded]) -> Future[int]:
        """Queue the entries of one request; the future resolves to the last log position.

        Once it has resolved, the rows are on disk (the commit's fsync returned), survive a kill or power loss, and are
        in the answer of every query that starts later. All entries of a request become visible together. When it
        raises, none of them were kept.

        Raises (through the future):
            TransientError: `rate_limited` when the log is full, `disk_full`, or `unavailable`.
        """
        future: Future[int] = Future()
        if self._closed:
            future.set_exception(TransientError("the log is closed: the server is stopping", retry_after=5))
        else:
            self._waiting.put(([(entry.table, entry.rows, entry.payload) for entry in entries], future))
        return future

    def close(self) -> None:
        """Commit what waits, then close. Safe to call twice."""
        if not self._closed:
            self._closed = True
            self._waiting.put(None)
            self._thread.join()
            self._manifest.close()

    def _run(self) -> None:
        while True:
            first = self._waiting.get()
            if first is None:
                return
            group = [first]
            last = False
            while len(group) < MAX_GROUP and not self._waiting.empty():
                item = self._waiting.get()
                if item is None:
                    last = True
                    break
                group.append(item)
            self._commit(group)
            if last:
                return

    def _commit(self, group: list[_Request]) -> None:
        # A request whose caller has gone is left out; from here on none can be cancelled.
        group = [request for request in group if request[1].set_running_or_notify_cancel()]
        try:
            self._refuse_when_full()
            positions = self._manifest.append([entries for entries, _ in group], self._clock())
        except UpshotError as error:
            _fail(group, error)
        except Exception as error:  # noqa: BLE001 - the thread must live, or every later request would wait for ever
            _fail(group, TransientError(f"nothing was written: {error}"))
        else:
            for (entries, future), position in zip(group, positions, strict=True):
                self._bytes += sum(len(payload) for _, _, payload in entries)
                self._rows += sum(rows for _, rows, _ in entries)
                future.set_result(position)

    def _refuse_when_full(self) -> None:
        now = time.monotonic()
        full = self._bytes > self._max_bytes or self._rows > self._max_rows
        if full or now - self._measured_at > MEASURED_FOR_SECONDS:
            waiting = self._manifest.waiting()
            self._bytes, self._rows, self._measured_at = waiting.bytes, waiting.rows, now
        if self._bytes > self._max_bytes or self._rows > self._max_rows:
            raise TransientError(
                f"{self._rows} rows ({self._bytes} bytes) wait to be sealed, the limit is {self._max_rows} "
                f"({self._max_bytes}); send again later",
                code="rate_limited",
                retry_after=1,
            )


def _fail(group: list[_Request], error: Exception) -> None:
    for _, future in group:
        future.set_exception(error)
