"""Where an answer is put as it is made: in memory while it is small, in a file once it is large.

So an answer is whole before its first byte leaves: its status and its facts are true, memory stays flat, and a slow
reader holds neither a worker nor a snapshot.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from pathlib import Path
from typing import BinaryIO

from warehouse.errors import QueryError, TransientError

IN_MEMORY = 8 << 20
"""Bytes of an answer that are held in memory."""


class Spool(io.RawIOBase):
    """A writable stream of at most `cap` bytes; `folder` gets a file when it is needed, without one memory must do."""

    def __init__(self, folder: Path | None, cap: int) -> None:
        self._folder = folder
        self._cap = cap
        self._memory = io.BytesIO()
        self._file: BinaryIO | None = None
        self._path = ""
        self._size = 0

    def writable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._size

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Append; raises QueryError `too_large` beyond the cap, TransientError `disk_full` where the folder is."""
        count = memoryview(data).nbytes
        self._size += count
        if self._size > self._cap:
            raise QueryError(
                f"the answer has more than {self._cap} bytes",
                code="too_large",
                hint="aggregate, select fewer columns, or ask for fewer rows",
            )
        try:
            self._write(data)
        except OSError as error:
            raise _full(error) from error
        return count

    def _write(self, data: bytes | bytearray | memoryview) -> None:
        if self._file is None and self._folder is not None and self._size > IN_MEMORY:
            descriptor, self._path = tempfile.mkstemp(dir=self._folder, prefix="answer-")
            self._file = os.fdopen(descriptor, "wb")
            self._file.write(self._memory.getbuffer())
            self._memory = io.BytesIO()
        (self._file or self._memory).write(data)

    def finish(self) -> tuple[bytes, str]:
        """Return what was written, or the path of the file that holds it; whoever reads that removes it."""
        if self._file is None:
            return self._memory.getvalue(), ""
        try:
            self._file.close()  # writes what is buffered
        except OSError as error:
            raise _full(error) from error
        return b"", self._path

    def discard(self) -> None:
        """Take back what was written."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            Path(self._path).unlink(missing_ok=True)


def _full(error: OSError) -> TransientError:
    return TransientError(f"the answer cannot be kept: {error.strerror}", code="disk_full", retry_after=10)
