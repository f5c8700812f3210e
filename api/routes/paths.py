"""Ids in paths: an id may hold any character, so a slash within one is told from one between two by how it was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from starlette.requests import Request


def sent(request: Request) -> str:
    """Return the path as it was sent, percent-encoded."""
    raw: bytes = request.scope["raw_path"]
    return raw.decode("ascii", "replace")


def session_of(request: Request, before: str) -> tuple[str, str]:
    """Return the key and the id of a session in a path that begins with `before`; a slash in the key is sent as %2F."""
    key, _, id_ = sent(request).removeprefix(before).partition("/")
    return unquote(key), unquote(id_)
