"""A decode worker: a process that turns bodies into log entries. It opens no file; between jobs it keeps only prices.

Reads how to read, then jobs, from standard input and writes answers to standard output; ends when either does.
"""

from __future__ import annotations

import os
import resource
import sys
import traceback
from typing import IO, TYPE_CHECKING

import msgspec

from ingest.limits import Limits  # noqa: TC001 - msgspec reads it in Lines
from ingest.otel import taken as otlp
from ingest.otel.joining import Joining
from ingest.otel.prices import Own, Prices
from ingest.parts import Part, part
from warehouse.errors import InputError, UpshotError
from warehouse.log import Encoded

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD_BYTES = 4

_Facts = list[tuple[str, int, int]]
"""(table, rows, bytes) of each entry."""


class Reads(msgspec.Struct, frozen=True):
    """How this installation reads OTLP; what a worker is told first.

    Prices come from the parent, and not from their file: every worker has the same ones, whatever becomes of the file.
    """

    prices: tuple[Own, ...]
    run_ids: tuple[str, ...]
    sessions: dict[str, str]


class Lines(msgspec.Struct, frozen=True, tag="lines"):
    """Lines of a request of `/v1/ingest`; `size` bytes of them follow."""

    size: int
    received_at_us: int
    limits: Limits


class Export(msgspec.Struct, frozen=True, tag="export"):
    """A request of OTLP as it was sent (`ingest.otel.taken.receive`); `size` bytes of it follow."""

    size: int
    received_at_us: int
    signal: str
    encoding: str | None
    kind: str


Job = Lines | Export


class LinesMade(msgspec.Struct, frozen=True, tag="lines"):
    """What lines came to; the entries' payloads follow, then those of the derived entries, then the rejections."""

    entries: _Facts
    derived: _Facts
    records: int
    accepted: int
    rejected: int
    """Bytes of the rejections."""


class ExportMade(msgspec.Struct, frozen=True, tag="export"):
    """What a request of OTLP came to; the entries' payloads follow."""

    entries: _Facts
    rejected: int
    """Records."""
    reasons: tuple[str, ...]


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """What refuses the request as a whole."""

    code: str
    message: str
    hint: str | None


Answer = LinesMade | ExportMade | Refused

_READS = msgspec.msgpack.Decoder(Reads)
_JOB: msgspec.msgpack.Decoder[Job] = msgspec.msgpack.Decoder(Job)
_ANSWER: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def begin(reading: otlp.Reading, to: IO[bytes]) -> None:
    """Tell a new worker how to read; raises OSError when it is gone."""
    join = reading.joining
    _write(to, Reads(reading.prices.own, join.run_ids, dict(join.sessions)), [])


def ask(job: Job, body: bytes | memoryview, to: IO[bytes]) -> None:
    """Write a job; raises OSError when the worker is gone."""
    _write(to, job, [body])


def answer(source: IO[bytes]) -> Part | otlp.Taken:
    """Return the worker's answer: of lines a part, of a request of OTLP what it came to.

    Raises:
        EOFError: the worker is gone.
        InputError: the request is refused as a whole.
        UpshotError: `internal`, a defect; the worker's log has it.
    """
    head = _ANSWER.decode(_head(source))
    match head:
        case Refused():
            kind = UpshotError if head.code == "internal" else InputError
            raise kind(head.message, code=head.code, hint=head.hint)
        case ExportMade():
            return otlp.Taken(_entries(head.entries, source), head.rejected, head.reasons)
        case LinesMade():
            entries, derived = _entries(head.entries, source), _entries(head.derived, source)
            return Part(entries, derived, head.records, head.accepted, _read(source, head.rejected))


def serve(jobs: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until the jobs end."""
    try:
        reads = _READS.decode(_head(jobs))
        reading = otlp.Reading(Prices(reads.prices), Joining(reads.run_ids, reads.sessions))
        while True:
            _serve_next(jobs, answers, reading)
    except EOFError:
        return


def _serve_next(jobs: IO[bytes], answers: IO[bytes], reading: otlp.Reading) -> None:
    job = _JOB.decode(_head(jobs))
    body = _read(jobs, job.size)
    payloads: list[bytes] = []
    try:
        head, payloads = _made(job, body, reading)
    except InputError as error:
        head = Refused(error.code, error.message, error.hint)
    except Exception:  # noqa: BLE001 - a defect is an answer too: asking again would not help
        traceback.print_exc()
        head = Refused("internal", "the server failed; its log has the reason", None)
    _write(answers, head, payloads)


def _made(job: Job, body: bytes, reading: otlp.Reading) -> tuple[Answer, list[bytes]]:
    if isinstance(job, Lines):
        of = part(body, job.received_at_us, job.limits)
        head = LinesMade(_facts(of.entries), _facts(of.derived), of.records, of.accepted, len(of.rejected))
        return head, [*(entry.payload for entry in (*of.entries, *of.derived)), of.rejected]
    signal = otlp.SIGNALS[job.signal]
    taken = otlp.receive(signal, body, job.encoding, job.kind, job.received_at_us, reading)
    head = ExportMade(_facts(taken.entries), taken.rejected, taken.reasons)
    return head, [entry.payload for entry in taken.entries]


def _facts(entries: list[Encoded]) -> _Facts:
    return [(entry.table, entry.rows, len(entry.payload)) for entry in entries]


def _entries(facts: _Facts, source: IO[bytes]) -> list[Encoded]:
    return [Encoded(table, rows, _read(source, size)) for table, rows, size in facts]


def _write(to: IO[bytes], head: msgspec.Struct, bodies: Sequence[bytes | memoryview]) -> None:
    text = msgspec.msgpack.encode(head)
    to.write(len(text).to_bytes(HEAD_BYTES, "big") + text)
    to.writelines(bodies)
    to.flush()


def _head(source: IO[bytes]) -> bytes:
    return _read(source, int.from_bytes(_read(source, HEAD_BYTES), "big"))


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
