"""Unpacks a request's body: plain, gzip or zstd, stopped at its ceilings while it grows."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Protocol

import zstandard

from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ingest.limits import Limits

_STEP = 1 << 20
"""Most bytes that gzip unpacks in one step."""

_ZSTD_SLICE = 512
"""Bytes of zstd fed at once. Four bytes can be a block of 128 KiB, so a slice unpacks to 16 MiB at the most."""

_GZIP_WINDOW = 31
"""zlib's largest window, plus 16 to mean gzip with its header and checksum."""

_ZSTD_WINDOW_LOG = 27
"""A frame that asks for a larger window (128 MiB) is refused, as the zstd command does by default."""


class _Member(Protocol):
    """One gzip member or zstd frame, being unpacked."""

    ended: bool
    rest: bytes
    """What was fed after its end."""

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """Yield what more bytes unpack to, in bounded parts."""
        ...


class _GzipMember:
    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP_WINDOW)
        self.ended = False
        self.rest = b""

    def feed(self, packed: bytes) -> Iterator[bytes]:
        # What waits inside zlib when all of `packed` is consumed comes with the next feed: the checksum is still due.
        while packed and not self._stream.eof:
            yield self._stream.decompress(packed, _STEP)
            packed = self._stream.unconsumed_tail
        self.ended = self._stream.eof
        self.rest = self._stream.unused_data


class _ZstdFrame:
    def __init__(self) -> None:
        self._stream = zstandard.ZstdDecompressor(max_window_size=1 << _ZSTD_WINDOW_LOG).decompressobj()
        self.ended = False
        self.rest = b""

    def feed(self, packed: bytes) -> Iterator[bytes]:
        for start in range(0, len(packed), _ZSTD_SLICE):
            yield self._stream.decompress(packed[start : start + _ZSTD_SLICE])
            if self._stream.eof:
                self.ended = True
                self.rest = self._stream.unused_data + packed[start + _ZSTD_SLICE :]
                return


def unpack(raw: bytes | Iterable[bytes], content_encoding: str | None, limits: Limits) -> bytes:
    """Return the body without its content encoding.

    Args:
        raw: the body as sent, whole or in pieces.
        content_encoding: the header: none, `identity`, `gzip` or `zstd`.
        limits: ceilings as sent and unpacked.

    Raises:
        InputError: `too_large` above a ceiling, `malformed` when the data is damaged or ends early, `bad_parameter`
            for another encoding.
    """
    pieces = _within([raw] if isinstance(raw, bytes) else raw, limits.body_bytes, "as sent")
    encoding = (content_encoding or "identity").strip().lower()
    unpacker = _UNPACKERS.get(encoding)
    if unpacker is None:
        raise InputError(f"content encoding {shown(encoding)} is not known", hint="send plain, gzip or zstd")
    return b"".join(_within(unpacker(pieces), limits.unpacked_bytes, "unpacked"))


def gunzip(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the contents of gzip members, at most 1 MiB at a time; InputError `malformed` when damaged or cut short."""
    return _unpacked(pieces, "gzip", _GzipMember)


def unzstd(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the contents of zstd frames, at most 16 MiB at a time; InputError `malformed` when damaged or cut short."""
    return _unpacked(pieces, "zstd", _ZstdFrame)


def _plain(pieces: Iterable[bytes]) -> Iterator[bytes]:
    yield from pieces


_UNPACKERS: dict[str, Callable[[Iterable[bytes]], Iterator[bytes]]] = {
    "identity": _plain,
    "": _plain,
    "gzip": gunzip,
    "x-gzip": gunzip,
    "zstd": unzstd,
}


def _within(pieces: Iterable[bytes], most: int, what: str) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > most:
            raise InputError(
                f"the body has more than {most} bytes {what}", code="too_large", hint="send it in several requests"
            )
        yield piece


def _unpacked(pieces: Iterable[bytes], name: str, begin: Callable[[], _Member]) -> Iterator[bytes]:
    """Unpack members one after another: each begins where the one before ended."""
    member: _Member | None = None
    try:
        for piece in pieces:
            rest = piece
            while rest:
                if member is None or member.ended:
                    member = begin()
                yield from member.feed(rest)
                rest = member.rest if member.ended else b""
    except (zlib.error, zstandard.ZstdError) as error:
        raise InputError(f"the {name} data is damaged: {error}", code="malformed") from error
    if member is None or not member.ended:
        raise InputError(f"the {name} data ends before it is complete", code="malformed")
