"""Saved queries: where they are kept among the named objects of a workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse import named

if TYPE_CHECKING:
    from warehouse.manifest import Manifest, NamedObject

KIND = "query"
"""Their kind among the named objects of a workspace."""


def found(manifest: Manifest, name: str, version: int | None = None) -> NamedObject:
    """Return a saved query, the newest when no version is given; raises NotFoundError with the nearest name."""
    return named.found(manifest, KIND, name, version)
