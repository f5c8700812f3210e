"""Unpacking: whole, in pieces, in several members; stopped at the ceilings, loud when damaged."""

from __future__ import annotations

import gzip
import hashlib
import tracemalloc
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.body import unpack
from ingest.limits import Limits
from warehouse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

LIMITS = Limits()


def zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


def plain(content: bytes) -> bytes:
    return content


PACKED: list[tuple[str, Callable[[bytes], bytes]]] = [("gzip", gzip.compress), ("zstd", zstd)]
ENCODINGS: list[tuple[str | None, Callable[[bytes], bytes]]] = [
    (None, plain),
    ("", plain),
    ("Identity", plain),
    *PACKED,
    ("x-gzip", gzip.compress),
    (" GZIP ", gzip.compress),
]


@pytest.mark.parametrize(("encoding", "pack"), ENCODINGS)
@settings(deadline=None)
@given(members=st.lists(st.binary(max_size=200), min_size=1, max_size=3), size=st.integers(1, 40))
def test_members_sent_in_pieces_unpack_to_their_contents(
    encoding: str | None, pack: Callable[[bytes], bytes], members: list[bytes], size: int
) -> None:
    """Whatever the pieces, several gzip members or zstd frames unpack to their joined contents."""
    packed = b"".join(pack(member) for member in members)
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert b"".join(members) == unpack(pieces, encoding, LIMITS)
    assert b"".join(members) == unpack(packed, encoding, LIMITS)


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
@pytest.mark.parametrize(("encoding", "pack"), PACKED)
def test_members_longer_than_one_step_unpack_whole(encoding: str, pack: Callable[[bytes], bytes], size: int) -> None:
    """Content that takes many bounded steps comes out entire, packed well or hardly, member after member."""
    contents = [bytes(3 << 20), hashlib.shake_128(b"hardly").digest(5_000), bytes(range(256)) * 9_000]
    packed = b"".join(pack(content) for content in contents)
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert b"".join(contents) == unpack(pieces, encoding, LIMITS)


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
@settings(deadline=None)
@given(data=st.data())
def test_packed_data_cut_anywhere_is_malformed(
    encoding: str, pack: Callable[[bytes], bytes], data: st.DataObject
) -> None:
    """Packed data that ends early is malformed wherever it was cut."""
    packed = pack(b'{"type":"event","name":"a"}\n' * 50)
    cut = packed[: data.draw(st.integers(0, len(packed) - 1))]
    with pytest.raises(InputError) as caught:
        unpack(cut, encoding, LIMITS)
    assert caught.value.code == "malformed"


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@settings(deadline=None)
@given(garbage=st.binary(max_size=300))
def test_garbage_is_malformed(encoding: str, garbage: bytes) -> None:
    """Bytes that are no gzip or zstd raise nothing but InputError `malformed`."""
    with pytest.raises(InputError) as caught:
        unpack(b"{" + garbage, encoding, LIMITS)
    assert caught.value.code == "malformed"


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
def test_what_follows_a_member_must_be_another(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """Bytes behind the last member are damage."""
    with pytest.raises(InputError, match=encoding):
        unpack(pack(b"{}") + b"more", encoding, LIMITS)


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
def test_a_bomb_is_stopped_while_it_unpacks(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """A megabyte at most that unpacks to 512 MiB is refused with memory growing under 64 MB."""
    bomb = pack(bytes(512 << 20))
    assert len(bomb) < 1 << 20
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as caught:
            unpack(bomb, encoding, Limits(unpacked_bytes=16 << 20))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.code == "too_large"
    assert peak < 64_000_000


def test_a_body_above_the_ceiling_as_sent_is_refused() -> None:
    """The ceiling as sent holds for plain and packed bodies alike, and is not off by one."""
    limits = Limits(body_bytes=100)
    assert len(unpack(bytes(100), None, limits)) == 100
    for encoding in (None, "gzip"):
        with pytest.raises(InputError) as caught:
            unpack([bytes(60), bytes(41)] if encoding is None else [gzip.compress(b"")] * 6, encoding, limits)
        assert caught.value.code == "too_large"


def test_another_encoding_is_refused_by_name() -> None:
    """An encoding that is not known is named, with those that are."""
    with pytest.raises(InputError, match="'br'") as caught:
        unpack(b"", "br", LIMITS)
    assert caught.value.hint == "send plain, gzip or zstd"
