"""Reads files of records, plain or packed, NDJSON or a JSON array, in pieces that a request can carry."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ingest.arrays import begins_array, elements
from ingest.body import gunzip, unzstd
from ingest.limits import Limits
from ingest.records import count
from warehouse.errors import InputError, NotFoundError, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TARGET_BYTES = 4 << 20

_BLOCK = 1 << 18
_HEAD = 1 << 20
"""Bytes in which something that is not white space must come."""

_LONGEST_LINE = Limits().body_bytes // 2
"""A longer line could not be sent beside others; more than `Limits.record_bytes` are refused there anyway."""

_LARGEST_ARRAY = Limits().unpacked_bytes
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_PEEK = 512
"""Bytes at the beginning of a file in which a control character means that it is no text."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some whole records of a file, as NDJSON."""

    body: bytes
    first_line: int
    """The number, from 1, of its first line in the file; of an array, of its first element."""
    first_record: int
    """The number, from 1, of its first record: blank lines do not count."""
    consumed: int
    """Bytes of the file read so far, packed ones as they are."""


def chunks(source: Path | BinaryIO, target_bytes: int = TARGET_BYTES) -> Iterator[Chunk]:
    """Yield the records of a file of any size; memory stays at some multiple of `target_bytes`, but for an array.

    Args:
        source: a path, or a binary stream such as standard input.
        target_bytes: bytes of a chunk; one is longer only when a line is.

    Raises:
        InputError: there is no such file, or it is empty, damaged, cut short or holds no text. Whole records before
            the damage were yielded.
    """
    if isinstance(source, Path):
        with _opened(source) as stream:
            yield from _chunks(stream, target_bytes)
    else:
        yield from _chunks(source, target_bytes)


def _opened(path: Path) -> BinaryIO:
    try:
        if path.is_dir():
            raise InputError(f"{shown(str(path))} is a folder", hint="name the files in it")
        return path.open("rb")
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {shown(str(path))}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"cannot open {shown(str(path))}: {error}") from error


class _Source:
    """The blocks of a stream, and how many bytes they had."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.consumed = 0

    def blocks(self) -> Iterator[bytes]:
        while block := self._read():
            self.consumed += len(block)
            yield block

    def _read(self) -> bytes:
        try:
            return self._stream.read(_BLOCK)
        except OSError as error:
            raise InputError(f"cannot read on after {self.consumed} bytes: {error.strerror}") from error


def _chunks(stream: BinaryIO, target_bytes: int) -> Iterator[Chunk]:
    source = _Source(stream)
    blocks = _unpacked(source.blocks())
    head = _head(blocks)
    content = itertools.chain([head], blocks)
    first_line = first_record = 1
    for body in (_array_bodies if begins_array(head) else _line_bodies)(content, target_bytes):
        yield Chunk(body, first_line, first_record, source.consumed)
        first_line += body.count(b"\n")
        first_record += count(body)


def _unpacked(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Return the blocks without the packing that their first bytes announce."""
    first = next(blocks, b"")
    packed = itertools.chain([first], blocks)
    if first.startswith(_GZIP):
        return gunzip(packed)
    return unzstd(packed) if first.startswith(_ZSTD) else packed


def _head(blocks: Iterator[bytes]) -> bytes:
    """Return the first blocks, up to one with content; refuse what cannot be records."""
    head = bytearray()
    for block in blocks:
        head += block
        if head.strip() or len(head) > _HEAD:
            break
    if not head.strip():
        found = "begins with nothing but white space" if head else "is empty"
        raise InputError(f"the file {found}", code="malformed")
    if head.startswith(_UTF_16):
        raise InputError("the file is UTF-16", code="malformed", hint="save it as UTF-8")
    if _BINARY.search(head, 0, _PEEK):
        raise InputError("the file is binary", code="malformed", hint="send NDJSON or a JSON array, plain, .gz or .zst")
    return bytes(head.removeprefix(_BOM))


def _line_bodies(blocks: Iterable[bytes], target_bytes: int) -> Iterator[bytes]:
    """Yield whole lines, about `target_bytes` at a time; when reading fails, first those that were whole by then."""
    waiting = bytearray()
    fault: InputError | None = None
    try:
        for block in blocks:
            waiting += block
            while len(waiting) >= target_bytes:
                end = waiting.rfind(b"\n", 0, target_bytes) + 1 or waiting.find(b"\n", target_bytes) + 1
                if end:
                    yield bytes(waiting[:end])
                    del waiting[:end]
                elif len(waiting) > _LONGEST_LINE:
                    raise InputError(f"a line has more than {_LONGEST_LINE} bytes", code="too_large")  # noqa: TRY301
                else:
                    break
    except InputError as error:
        fault = error
    whole = len(waiting) if fault is None else waiting.rfind(b"\n") + 1
    if whole:
        yield bytes(waiting[:whole])
    if fault is not None:
        raise fault


def _array_bodies(blocks: Iterable[bytes], target_bytes: int) -> Iterator[bytes]:
    """Yield the elements of an array as lines; when it breaks off, first those that were whole by then."""
    content, fault = _gathered(blocks)
    part = bytearray()
    try:
        for element in elements(content):
            # Between tokens a tab is as good as a line break, and inside a string it is as wrong.
            line = element.replace(b"\n", b"\t").strip()
            part += (line or b",") + b"\n"  # an element left out must not become a blank line: that would be no record
            if len(part) >= target_bytes:
                yield bytes(part)
                part.clear()
    except InputError as error:
        fault = fault or error
    if part:
        yield bytes(part)
    if fault is not None:
        raise fault


def _gathered(blocks: Iterable[bytes]) -> tuple[bytes, InputError | None]:
    """Return the whole content, or what came before reading failed and why it did."""
    content = bytearray()
    try:
        for block in blocks:
            content += block
            if len(content) > _LARGEST_ARRAY:
                message = f"the JSON array has more than {_LARGEST_ARRAY} bytes"
                return b"[]", InputError(
                    message, code="too_large", hint="send NDJSON: jq -c '.[]' FILE | upshot ingest -"
                )
    except InputError as error:
        return bytes(content), error
    return bytes(content), None
