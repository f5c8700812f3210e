"""Saved queries: where they are kept among the named objects of a workspace."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from warehouse.errors import NotFoundError, shown

if TYPE_CHECKING:
    from warehouse.manifest import Manifest, NamedObject

KIND = "query"
"""Their kind among the named objects of a workspace."""


def found(manifest: Manifest, name: str, version: int | None = None) -> NamedObject:
    """Return a saved query, the newest when no version is given; raises NotFoundError with the nearest name."""
    saved = manifest.object(KIND, name, version)
    if saved is not None:
        return saved
    newest = manifest.object(KIND, name)
    if newest is not None:
        raise NotFoundError(f"the query {shown(name)} has no version {version}, the newest is {newest.version}")
    near = difflib.get_close_matches(name, [one.name for one in manifest.objects(KIND)], n=1)
    raise NotFoundError(f"no query is saved as {shown(name)}", hint=f"did you mean {near[0]!r}?" if near else None)
