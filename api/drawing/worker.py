"""The process that draws: a specification a message on standard input, its picture on standard output.

It holds no secrets, reads no addresses (every specification carries its data), and ends when nobody asked for
`IDLE_SECONDS` or when its parent is gone; drawing takes some 100 MB that nobody needs between reports.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import sys
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from queries.isolation import isolate, limit_time

if TYPE_CHECKING:
    from typing import IO

Form = Literal["svg", "png"]

IDLE_SECONDS = 60.0
DRAWING_SECONDS = 20.0
"""Processor time of one drawing, after which the kernel ends the process; the slowest seen took 2 s."""
DATA_BYTES = 1 << 30
PNG_SCALE = 2.0

LENGTH_BYTES = 8
DRAWN, REFUSED = b"+", b"-"


class Task(msgspec.Struct, frozen=True):
    """A specification and the picture that is wanted of it."""

    spec: dict[str, Any]
    form: Form
    version: str
    """The Vega-Lite that is to draw it, such as 6.4."""


def framed(body: bytes) -> bytes:
    """Return a message: its length, then the body."""
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def received(stream: IO[bytes]) -> bytes | None:
    """Return the next message, or None when the other side ended."""
    head = stream.read(LENGTH_BYTES)
    if len(head) < LENGTH_BYTES:
        return None
    size = int.from_bytes(head, "big")
    body = stream.read(size)
    return body if len(body) == size else None


def picture(task: Task) -> bytes:
    """Return the drawing: SVG as UTF-8, or PNG at twice the size; raises ValueError with the library's words."""
    import vl_convert  # noqa: PLC0415 - the parent shares the frames above and must never load it

    options: dict[str, Any] = {"vl_version": task.version, "allowed_base_urls": []}
    if task.form == "png":
        return vl_convert.vegalite_to_png(task.spec, scale=PNG_SCALE, **options)
    return vl_convert.vegalite_to_svg(task.spec, **options).encode()


def _limit() -> None:
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_DATA, DATA_BYTES),
    ):
        hard = resource.getrlimit(kind)[1]
        within = most if hard in (-1, resource.RLIM_INFINITY) else min(most, hard)
        resource.setrlimit(kind, (within, within))


def main() -> None:
    """Draw until the parent ends or nobody asks any more."""
    messages, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not end up between the answers
    _limit()
    isolate([], [], allowed=["socketpair"])  # vl-convert's runtime wakes its threads through a pair of sockets
    while select.select([messages], [], [], IDLE_SECONDS)[0]:
        body = received(messages)
        if body is None:
            return
        limit_time(DRAWING_SECONDS)
        try:
            answer = DRAWN + picture(msgspec.json.decode(body, type=Task))
        except (ValueError, msgspec.MsgspecError) as error:
            answer = REFUSED + str(error).encode()
        answers.write(framed(answer))
        answers.flush()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        main()
