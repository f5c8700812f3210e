"""A decode worker: a process that turns lines into log entries. It opens no file and keeps nothing between parts.

Reads jobs from standard input and writes answers to standard output; ends when either does.
"""

from __future__ import annotations

import os
import resource
import sys
import traceback
from typing import IO, TYPE_CHECKING

import msgspec

from ingest.limits import Limits  # noqa: TC001 - msgspec reads it in Job
from ingest.parts import Part, part
from warehouse.errors import InputError, UpshotError
from warehouse.log import Encoded

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD_BYTES = 4


class Job(msgspec.Struct, frozen=True):
    """Lines to take; `size` bytes of them follow."""

    size: int
    received_at_us: int
    limits: Limits


class Answer(msgspec.Struct, frozen=True):
    """What they came to; the entries' payloads follow, then those of the derived entries, then the rejections."""

    entries: list[tuple[str, int, int]] = []
    """(table, rows, bytes) of each."""
    derived: list[tuple[str, int, int]] = []
    records: int = 0
    accepted: int = 0
    rejected: int = 0
    """Bytes of the rejections."""
    error: tuple[str, str, str | None] | None = None
    """Code, message and hint of what refuses the request as a whole."""


_JOB = msgspec.msgpack.Decoder(Job)
_ANSWER = msgspec.msgpack.Decoder(Answer)


def ask(job: Job, lines: memoryview, to: IO[bytes]) -> None:
    """Write a job; raises OSError when the worker is gone."""
    _write(to, job, [lines])


def answer(source: IO[bytes]) -> Part:
    """Return the worker's answer.

    Raises:
        EOFError: the worker is gone.
        InputError: the request is refused as a whole.
        UpshotError: `internal`, a defect; the worker's log has it.
    """
    head = _ANSWER.decode(_read(source, int.from_bytes(_read(source, HEAD_BYTES), "big")))
    if head.error is not None:
        code, message, hint = head.error
        raise (UpshotError if code == "internal" else InputError)(message, code=code, hint=hint)
    entries = [Encoded(table, rows, _read(source, size)) for table, rows, size in head.entries]
    derived = [Encoded(table, rows, _read(source, size)) for table, rows, size in head.derived]
    return Part(entries, derived, head.records, head.accepted, _read(source, head.rejected))


def serve(jobs: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until the jobs end."""
    while True:
        try:
            job = _JOB.decode(_read(jobs, int.from_bytes(_read(jobs, HEAD_BYTES), "big")))
            lines = _read(jobs, job.size)
        except EOFError:
            return
        try:
            made = part(lines, job.received_at_us, job.limits)
        except InputError as error:
            _write(answers, Answer(error=(error.code, error.message, error.hint)), [])
            continue
        except Exception:  # noqa: BLE001 - a defect is an answer too: asking again would not help
            traceback.print_exc()
            _write(answers, Answer(error=("internal", "the records could not be read; see the server's log", None)), [])
            continue
        head = Answer(_facts(made.entries), _facts(made.derived), made.records, made.accepted, len(made.rejected))
        payloads = [entry.payload for entry in (*made.entries, *made.derived)]
        _write(answers, head, [*payloads, made.rejected])


def _facts(entries: list[Encoded]) -> list[tuple[str, int, int]]:
    return [(entry.table, entry.rows, len(entry.payload)) for entry in entries]


def _write(to: IO[bytes], head: msgspec.Struct, bodies: Sequence[bytes | memoryview]) -> None:
    text = msgspec.msgpack.encode(head)
    to.write(len(text).to_bytes(HEAD_BYTES, "big") + text)
    to.writelines(bodies)
    to.flush()


def _read(source: IO[bytes], size: int) -> bytes:
    data = source.read(size)
    if len(data) < size:
        raise EOFError
    return data


def main() -> None:
    """Serve standard input."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that prints may end up between the answers
    try:
        serve(sys.stdin.buffer, answers)
    except BrokenPipeError:  # the parent is gone
        os._exit(0)


if __name__ == "__main__":
    main()
