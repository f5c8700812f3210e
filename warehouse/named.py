"""Named objects as a question finds them: the newest version, a given one, or a hint which name was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.errors import NotFoundError, did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from warehouse.manifest import Manifest, NamedObject


def found(
    manifest: Manifest, kind: str, name: str, version: int | None = None, *, also: Iterable[str] = ()
) -> NamedObject:
    """Return an object of a kind, the newest version when none is given.

    Args:
        manifest: of the workspace.
        kind: of the object, as people call it: query, dashboard, report.
        name: of the object.
        version: the newest when None.
        also: names that there are without being kept, for the hint.

    Raises:
        NotFoundError: there is no such name, with the nearest as a hint, or no such version, with the newest.
    """
    saved = manifest.object(kind, name, version)
    if saved is not None:
        return saved
    newest = manifest.object(kind, name)
    if newest is not None:
        raise NotFoundError(f"the {kind} {shown(name)} has no version {version}, the newest is {newest.version}")
    known = {*also, *(one.name for one in manifest.objects(kind))}
    raise NotFoundError(f"there is no {kind} {shown(name)}", hint=did_you_mean(name, sorted(known)))
