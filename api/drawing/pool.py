"""The server's end of the drawing process: started at first use, replaced when it dies, its pictures remembered."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
import tempfile
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from api.drawing.worker import DRAWN, Form, Task, framed, received
from warehouse import children
from warehouse.errors import TransientError, UpshotError

if TYPE_CHECKING:
    from collections.abc import Mapping

KEPT = 128
"""Pictures that are remembered."""
LARGEST = 1 << 20
"""Bytes of a picture that is remembered."""
WAITING = 64
"""Pictures that may wait for the one process; a page has five."""
SECONDS = 20.0
"""How long one drawing may take, start of the process included."""

_TRIES = 2
_END_SECONDS = 2.0


class Drawings:
    """Draws charts. `draw` belongs to one event loop; the process is asked by a thread of its own.

    Nothing must be closed for a clean end: the process ends with its parent. `close` ends it at once.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="drawing")
        self._pictures: OrderedDict[bytes, Future[bytes]] = OrderedDict()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Process id of the one that draws, None before the first drawing and after a failed one."""
        return None if self._process is None else self._process.pid

    async def draw(self, spec: Mapping[str, Any], form: Form, version: str) -> bytes:
        """Return the picture of a Vega-Lite specification; the same specification always gives the same bytes.

        A specification that waits, or was drawn lately, is not drawn again.

        Args:
            spec: with its data inside; addresses are refused.
            form: svg, or png at twice the size.
            version: the Vega-Lite that is to draw it.

        Raises:
            TransientError: `unavailable`: too many wait, or the process died, twice or at the deadline.
            UpshotError: `internal`: vl-convert refuses the specification.
        """
        task = msgspec.json.encode(Task(dict(spec), form, version))
        picture = self._asked(hashlib.sha256(task).digest(), task)
        return await asyncio.shield(asyncio.wrap_future(picture))

    def _asked(self, key: bytes, task: bytes) -> Future[bytes]:
        known = self._pictures.get(key)
        if known is not None and not (known.done() and _useless(known)):
            self._pictures.move_to_end(key)
            return known
        if sum(not picture.done() for picture in self._pictures.values()) >= WAITING:
            raise TransientError(f"{WAITING} charts wait to be drawn, that is the most", retry_after=2)
        made = self._thread.submit(self._drawn, task)
        self._pictures[key] = made
        self._pictures.move_to_end(key)
        while len(self._pictures) > KEPT:
            self._pictures.popitem(last=False)
        return made

    def close(self) -> None:
        """End the process; what waits is not drawn."""
        self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._end()

    def _drawn(self, task: bytes) -> bytes:
        """Ask the process, in the one thread that may."""
        for _ in range(_TRIES):
            if self._closed:
                break
            late = threading.Event()
            process = self._process = self._process or _started()
            timer = threading.Timer(self.seconds, _kill, (process, late))
            timer.start()
            try:
                answer = _answer(process, task)
            finally:
                timer.cancel()
            if answer is not None:
                if answer[:1] == DRAWN:
                    return answer[1:]
                said = answer[1:].decode(errors="replace").partition("\n")[0]
                raise UpshotError(f"the chart could not be drawn: {said}", code="internal")
            self._end()
            if late.is_set():
                raise TransientError(f"the chart was not drawn within {self.seconds:g} s")
        raise TransientError("the process that draws charts ended, and so did the one after it")

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            children.end(process, _END_SECONDS)


def _kill(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    process.kill()


def _useless(picture: Future[bytes]) -> bool:
    """Return whether a drawing that ended must be made again: it failed, or is too large to be kept."""
    return picture.cancelled() or picture.exception() is not None or len(picture.result()) > LARGEST


def _answer(process: subprocess.Popen[bytes], task: bytes) -> bytes | None:
    """Return the process's answer, or None when it ended."""
    assert process.stdin is not None  # noqa: S101 - opened with pipes
    assert process.stdout is not None  # noqa: S101 - the same
    try:
        process.stdin.write(framed(task))
        process.stdin.flush()
        return received(process.stdout)
    except OSError:
        return None


def _started() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "api.drawing.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"},
        cwd=tempfile.gettempdir(),
        start_new_session=True,  # a Ctrl+C in the terminal is the parent's to handle
    )
