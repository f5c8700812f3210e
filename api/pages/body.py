"""Reading JSON bodies that may lack anything: what is missing or null is empty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

Body = Mapping[str, Any]
"""A JSON object of the HTTP API."""


def inside(body: Body, key: str) -> Body:
    """Return the object under `key`, empty when there is none."""
    found: object = body.get(key)
    return cast("Body", found) if isinstance(found, dict) else {}


def entries(body: Body, key: str) -> list[Body]:
    """Return the list of objects under `key`, empty when there is none."""
    found: object = body.get(key)
    return cast("list[Body]", found) if isinstance(found, list) else []


def names(body: Body, key: str) -> list[str]:
    """Return the list of texts under `key`, empty when there is none."""
    found: object = body.get(key)
    return [str(name) for name in cast("list[object]", found)] if isinstance(found, list) else []
