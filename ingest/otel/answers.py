"""What OTLP answers: responses with their partial success, and google.rpc.Status, in the request's encoding.

Written by hand, since the messages are small and an answer is a few bytes: the tests read them with the stock ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from warehouse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warehouse.errors import UpshotError

JSON_TYPE = "application/json"
PROTOBUF_TYPE = "application/x-protobuf"

REASONS = 5
"""Distinct reasons that a partial success tells at the most."""

INVALID_ARGUMENT, PERMISSION_DENIED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = 3, 7, 12, 13, 14, 16
"""Codes of google.rpc.Status, which are gRPC's own."""

_CODES: Mapping[str, int] = {"unauthorized": UNAUTHENTICATED, "forbidden": PERMISSION_DENIED, "internal": INTERNAL}
_RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"


def status_code(error: UpshotError) -> int:
    """Return the google.rpc code of an error: UNAVAILABLE is the one that clients send again after.

    RESOURCE_EXHAUSTED is none of them: for some clients it is final, for others a reason to retry.
    """
    return _CODES.get(error.code, INVALID_ARGUMENT if isinstance(error, InputError) else UNAVAILABLE)


def response(rejected: int, reasons: Sequence[str], counter: str, kind: str) -> bytes:
    """Return an Export...ServiceResponse; its partial success is set only when something was rejected.

    Args:
        rejected: records that were not kept; they must not be sent again.
        reasons: why, distinct.
        counter: JSON name of the count, such as `rejectedSpans`.
        kind: the content type of the request.
    """
    if not rejected:
        return b"{}" if kind == JSON_TYPE else b""
    more = len(reasons) - REASONS
    message = "; ".join(reasons[:REASONS]) + (f"; and {more} other reasons" if more > 0 else "")
    if kind == JSON_TYPE:  # a 64-bit integer is a text in protobuf's JSON
        return msgspec.json.encode({"partialSuccess": {counter: str(rejected), "errorMessage": message}})
    return _field(1, b"\x08" + _varint(rejected) + _field(2, message.encode()))


def status(code: int, message: str, kind: str) -> bytes:
    """Return a google.rpc.Status."""
    if kind == JSON_TYPE:
        return msgspec.json.encode({"code": code, "message": message})
    return b"\x08" + _varint(code) + _field(2, message.encode())


def retryable_status(code: int, message: str, seconds: int) -> bytes:
    """Return a google.rpc.Status in protobuf, its details a RetryInfo."""
    retry = _field(1, _RETRY_INFO.encode()) + _field(2, retry_info(seconds))
    return status(code, message, PROTOBUF_TYPE) + _field(3, retry)


def retry_info(seconds: int) -> bytes:
    """Return a google.rpc.RetryInfo: a Duration of whole seconds."""
    return _field(1, b"\x08" + _varint(seconds))


def _field(number: int, content: bytes) -> bytes:
    """Return a field of bytes, text or a message."""
    return bytes((number << 3 | 2,)) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
