"""Ids that carry their own time, minting of new ones, and the names of workspaces."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
import time
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CROCKFORD_VALUE = {c: i for i, c in enumerate(_CROCKFORD)} | {c.lower(): i for i, c in enumerate(_CROCKFORD)}
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}")
_UUID7 = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-7[0-9a-fA-F]{3}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_TRACE_ID = re.compile(r"[0-9a-fA-F]{32}(?![0-9A-Za-z])")
"""A trace id of W3C Trace Context, which is random; one in 75 of them would read as a ULID of 1980 to 2100."""
_WORKSPACE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

_EARLIEST_MS = int(dt.datetime(1980, 1, 1, tzinfo=dt.UTC).timestamp() * 1000)
_LATEST_MS = int(dt.datetime(2100, 1, 1, tzinfo=dt.UTC).timestamp() * 1000)
_DAY_MS = 86_400_000
_EPOCH = dt.date(1970, 1, 1)


def day_in_id(text: str) -> int | None:
    """Return the day (days since 1970-01-01, UTC) an id begins with, or None when it carries no time.

    An id has a day when it begins with a ULID or a UUIDv7 whose time lies between 1980 and 2100 (DESIGN section 4), and
    not with a trace id.
    """
    if _ULID.match(text) and not _TRACE_ID.match(text):
        ms = 0
        for char in text[:10]:
            ms = ms * 32 + _CROCKFORD_VALUE[char]
    elif _UUID7.match(text):
        ms = int(text[:8] + text[9:13], 16)
    else:
        return None
    return ms // _DAY_MS if _EARLIEST_MS <= ms < _LATEST_MS else None


_SYMBOLS = np.full(256, 255, np.uint8)
for _char, _value in _CROCKFORD_VALUE.items():
    _SYMBOLS[ord(_char)] = _value
_POWERS = 32.0 ** np.arange(9, -1, -1)
"""As floats: exact below 2^53, and multiplied much faster than integers."""
_ULID_CHARS, _TIME_CHARS, _FIRST_SYMBOLS, _HEX_SYMBOLS = 26, 10, 8, 16


def days_in_ulids(ids: pa.Array[Any]) -> NDArray[np.int32]:
    """Return `day_in_id` of many ids at once, for those that begin with a ULID; -1 for all others."""
    days = np.full(len(ids), -1, np.int32)
    compute: Any = pc  # its stubs do not know arrays of every type
    heads = compute.binary_slice(ids.cast(pa.binary()), 0, _ULID_CHARS)
    long: NDArray[np.int64] = np.flatnonzero(compute.binary_length(heads).to_numpy() == _ULID_CHARS)
    if not len(long):
        return days
    packed = heads.take(pa.array(long)).cast(pa.binary(_ULID_CHARS)).buffers()[1]
    symbols = _SYMBOLS[np.frombuffer(packed, np.uint8)].reshape(-1, _ULID_CHARS)
    ms = symbols[:, :_TIME_CHARS].astype(np.float64) @ _POWERS
    valid = (symbols < len(_CROCKFORD)).all(axis=1) & (symbols[:, 0] < _FIRST_SYMBOLS)
    valid &= (ms >= _EARLIEST_MS) & (ms < _LATEST_MS)
    for at in np.flatnonzero(valid & (symbols < _HEX_SYMBOLS).all(axis=1)):
        valid[at] = not _TRACE_ID.match(ids[int(long[at])].as_py())
    days[long[valid]] = ms[valid] // _DAY_MS
    return days


def day_text(day: int) -> str:
    """Return days since 1970-01-01 as YYYY-MM-DD."""
    return (_EPOCH + dt.timedelta(days=day)).isoformat()


def day_number(text: str) -> int | None:
    """Return YYYY-MM-DD as days since 1970-01-01, None when it is no day."""
    try:
        return (dt.date.fromisoformat(text) - _EPOCH).days
    except ValueError:
        return None


def key_hash(text: str) -> int:
    """Return the signed 64-bit BLAKE2b hash under which the day of a timeless id is kept.

    Two ids of one hash share a day, which is harmless: the day stays a pure function of the id.
    """
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def new_id(now_ms: int | None = None) -> str:
    """Mint a UUIDv7 (RFC 9562): 48 bits of milliseconds, then random bits."""
    ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    value = int.from_bytes(ms.to_bytes(6, "big") + os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return str(uuid.UUID(int=value))


def workspace_name(text: str) -> str:
    """Return `text` when it can name a workspace (and so a folder); raise InputError otherwise."""
    if not _WORKSPACE.fullmatch(text):
        raise InputError(
            f"workspace {shown(text)} is not a name: 1 to 63 of a-z, 0-9, _ and -, not beginning with _ or -"
        )
    return text
