"""Cuts a JSON array into its elements without understanding them, so that each can be judged on its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from warehouse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_LEVELS = 4
"""Levels of nesting that one match takes at once; deeper ones are counted in Python."""


def _balanced(levels: int, scalars: bytes = rb'[^"\[\]{}]') -> bytes:
    """Return a pattern of text whose brackets close, nested up to `levels` deep; which bracket closes which is open."""
    inside = rb"" if levels == 0 else rb"|[\[{]" + _balanced(levels - 1) + rb"[\]}]"
    return rb"(?:" + scalars + rb"++|" + _STRING + inside + rb")*+"


_ELEMENT = re.compile(_balanced(_LEVELS, scalars=rb'[^"\[\]{},]'), re.DOTALL)
_NESTED = re.compile(_balanced(_LEVELS), re.DOTALL)
_BLANK = re.compile(rb"\s*+")


def begins_array(body: bytes) -> bool:
    """Return whether the first character that is not blank is `[`."""
    start = _end(_BLANK, body, 0)
    return body[start : start + 1] == b"["


def elements(body: bytes) -> Iterator[bytes]:
    """Yield the text of each element of a JSON array, in linear time and without recursion.

    Raises:
        InputError: `malformed`, when the brackets do not close or something follows; elements before it were yielded.
    """
    start = position = _end(_BLANK, body, 0) + 1
    depth = count = 0
    while True:
        end = _end(_NESTED if depth else _ELEMENT, body, position)
        mark = body[end : end + 1]
        position = end + 1
        if mark in (b"[", b"{"):
            depth += 1
        elif depth and mark in (b"]", b"}"):
            depth -= 1
        elif mark in (b",", b"]"):
            element = body[start:end]
            if mark == b"," or count or element.strip():
                yield element
            count += 1
            start = position
            if mark == b"]":
                break
        else:
            raise InputError(f"the JSON array is not closed: it breaks off at byte {end}", code="malformed")
    if _end(_BLANK, body, position) < len(body):
        raise InputError(f"something follows the JSON array at byte {position}", code="malformed")


def _end(pattern: re.Pattern[bytes], body: bytes, position: int) -> int:
    match = pattern.match(body, position)
    return position if match is None else match.end()
