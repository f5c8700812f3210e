"""Says in our words why a record could not be decoded: the decoder's errors become rejections."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ingest.verdict import Code, Rejection
from warehouse.errors import SHOWN, did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_AT = re.compile(r" - at `\$\.?(?P<path>.*)`$", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`", re.DOTALL)
_OUT_OF_RANGE = re.compile(r".*out of range", re.DOTALL)


def explained(error: Exception, index: int, piece: bytes, types: Mapping[str, type[msgspec.Struct]]) -> Rejection:
    """Return the rejection of the record `piece`, which failed to decode with `error`.

    Args:
        error: what the decoder raised.
        index: the record's place in the request.
        piece: the record's text.
        types: the known records by the name in their `type`.
    """
    if isinstance(error, msgspec.ValidationError):
        return Rejection(index, *_invalid(str(error), piece, types))
    return Rejection(index, "malformed", None, _not_json(error))


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean ...?` when one of the known names is near, else nothing."""
    near = did_you_mean(name, known)
    return "" if near is None else f"; {near}"


def _not_json(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "the record is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"the record is not UTF-8: {error.reason} at byte {error.start}"
    detail = str(error).removeprefix("JSON is malformed: ")
    return f"the record is not JSON: {detail[:1].lower()}{detail[1:]}"


def _invalid(message: str, piece: bytes, types: Mapping[str, type[msgspec.Struct]]) -> tuple[Code, str | None, str]:
    """Return code, field and message for JSON that is not a record."""
    found = _AT.search(message)
    path = found["path"] if found else ""
    what = message[: found.start()] if found else message
    content = _content(piece)
    kind = content.get("type")
    if path == "type":
        return _wrong_type(kind, types)
    record = types.get(kind) if isinstance(kind, str) else None
    named = f"a record of type {kind}" if record else "a record"
    if unknown := _UNKNOWN.fullmatch(what):
        name = unknown["name"]
        hint = nearest(name, _fields(record, path))
        return "unknown_field", _joined(path, name)[:SHOWN], f"{named} has no field {shown(_joined(path, name))}{hint}"
    if missing := _MISSING.fullmatch(what):
        field = _joined(path, missing["name"])
        return "missing_field", field, f"{named} must have {field}"
    if not path:
        return "malformed", None, f"a record must be a JSON object: {_lowered(what)}"
    field = _precise(path, content)
    if _OUT_OF_RANGE.fullmatch(what):
        return "bad_parameter", field, f"{shown(field)} is out of range: it must be a finite number"
    return "malformed", field, f"{shown(field)} has the wrong type: {_lowered(what)}"


def _content(piece: bytes) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(piece)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def _wrong_type(kind: object, types: Mapping[str, type[msgspec.Struct]]) -> tuple[Code, str, str]:
    if not isinstance(kind, str):
        return "malformed", "type", f"type must be text, one of {', '.join(types)}"
    return "unknown_type", "type", f"type is {shown(kind)}, must be one of {', '.join(types)}{nearest(kind, types)}"


def _fields(record: type[msgspec.Struct] | None, path: str) -> tuple[str, ...]:
    """Return the names that a record, or the one object inside it that has names, may have."""
    if record is None:
        return ()
    return ("name", "variant") if path else record.__struct_fields__


def _precise(path: str, content: dict[str, Any]) -> str:
    """Return a path with the key of the session pair where the decoder says only `[...]`."""
    field = path.removesuffix("[...]")
    pairs = content.get(field)
    if field == path or not isinstance(pairs, dict):
        return field
    wrong = (
        key
        for key, value in cast("dict[str, Any]", pairs).items()
        if isinstance(value, bool) or not isinstance(value, str | int | float)
    )
    return _joined(field, next(wrong, ""))[:SHOWN]


def _joined(path: str, name: str) -> str:
    return ".".join(part for part in (path, name) if part)


def _lowered(text: str) -> str:
    return (text[:1].lower() + text[1:]).replace("`", "")
