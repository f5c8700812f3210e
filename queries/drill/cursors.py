"""Cursors: where a page ended, as opaque text. Nothing secret is in one, so it is validated and not signed."""

from __future__ import annotations

import base64
import binascii

import msgspec

from warehouse.errors import InputError, shown

MOST_CHARACTERS = 8_000

Position = tuple[str | int, ...]

_DECODER = msgspec.json.Decoder(list[str | int])


def written(kind: str, position: Position) -> str:
    """Return the cursor of the last row of a page: `kind` says which list, in which order, `position` where in it."""
    return base64.urlsafe_b64encode(msgspec.json.encode([kind, *position])).decode().rstrip("=")


def position(cursor: str | None, kind: str, types: tuple[type, ...]) -> Position | None:
    """Return the position a cursor holds; None at the beginning.

    Raises:
        InputError: it is not a cursor of this list in this order.
    """
    if cursor is None:
        return None
    found = _decoded(cursor)
    values = found[1:]
    fits = len(values) == len(types) and all(
        isinstance(value, type_) and not isinstance(value, bool) for value, type_ in zip(values, types, strict=True)
    )
    if found[:1] != [kind] or not fits or any(isinstance(one, int) and abs(one) >= 1 << 62 for one in values):
        raise InputError(
            f"cursor is {shown(cursor)}, must be the `next` of an earlier page of this list in this order",
            hint="ask without a cursor for the first page",
        )
    return tuple(values)


def _decoded(cursor: str) -> list[str | int]:
    if len(cursor) > MOST_CHARACTERS:
        return []
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        return _DECODER.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, msgspec.DecodeError, UnicodeError, ValueError):
        return []
