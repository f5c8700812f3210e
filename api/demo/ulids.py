"""ULIDs whose random bits are given, so that the same demo has the same ids."""

from __future__ import annotations

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(high + low for high in _CROCKFORD for low in _CROCKFORD)
_RANDOM_BITS = 80
_CHARACTERS = 26


def ulid(ms: int, bits: int) -> str:
    """Return the ULID of a time in milliseconds since 1970 and 80 random bits: 26 characters that sort by time."""
    value = ms << _RANDOM_BITS | bits
    return "".join([_PAIRS[value >> shift & 0x3FF] for shift in range(5 * (_CHARACTERS - 2), -1, -10)])
