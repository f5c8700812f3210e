"""Reports as a workspace keeps them: by name, every version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.reports.definition import KIND, NAME, Definition, defined, kept, written
from warehouse import named
from warehouse.errors import InputError, UpshotError, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.manifest import Manifest, NamedObject


def found(manifest: Manifest, name: str, version: int | None = None) -> NamedObject:
    """Return a report, the newest version when none is given; raises NotFoundError with the nearest name."""
    return named.found(manifest, KIND, name, version)


def put(
    manifest: Manifest, name: str, body: Any, now_us: int, check: Callable[[Definition], None] | None = None
) -> NamedObject:
    """Keep a report as the next version of its name; what stands there already is no new version.

    Args:
        manifest: of the workspace.
        name: of the report.
        body: a definition as JSON; a secret that is masked stays as it was.
        now_us: microseconds since 1970.
        check: refuses a definition that could be, but not here.

    Raises:
        InputError: the name or the definition cannot be.
    """
    if not NAME.fullmatch(name):
        raise InputError(
            f"name {shown(name)} must be 1 to 128 of a-z, A-Z, 0-9, _, . and -, beginning with a letter or digit, "
            "and not 'new'"
        )
    saved = manifest.object(KIND, name)
    before = None if saved is None else _readable(saved)
    made = defined(body, before)
    if check is not None:
        check(made)
    if saved is not None and before == made:
        return saved
    return manifest.put_object(KIND, name, written(made, mask=False), now_us)


def _readable(saved: NamedObject) -> Definition | None:
    """Return what was kept, None when it cannot be read: then it can still be replaced."""
    try:
        return kept(saved.body or {})
    except UpshotError:
        return None
