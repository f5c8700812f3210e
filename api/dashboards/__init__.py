"""Dashboards as a workspace has them: those that ship with the server, and those that were saved, over them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from queries.dashboards import KIND, Dashboard, as_body, parsed
from warehouse import named
from warehouse.errors import InputError, NotFoundError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warehouse.manifest import Manifest, NamedObject


def _read(given: object) -> Dashboard:
    """Return a dashboard that was found good before it was kept."""
    dashboard, flaws = parsed(given)
    if dashboard is None:
        raise flaws[0].error
    return dashboard


def _shipped() -> dict[str, Dashboard]:
    folder = files("api").joinpath("dashboards")
    own = sorted((one for one in folder.iterdir() if one.name.endswith(".json")), key=lambda one: one.name)
    return {one.name.removesuffix(".json"): _read(json.loads(one.read_text("utf-8"))) for one in own}


SHIPPED: Mapping[str, Dashboard] = _shipped()
"""Those that every workspace has, by name."""

AS_SHIPPED = 0
"""The version of a dashboard as it ships."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A dashboard under its name."""

    name: str
    version: int
    """`AS_SHIPPED`, or of those saved under the name 1, 2, 3 and so on."""
    dashboard: Dashboard
    created_at: int | None
    """Microseconds since 1970; None of one as it ships."""

    @property
    def shipped(self) -> bool:
        """Return whether it is as it ships."""
        return self.version == AS_SHIPPED

    @property
    def overrides(self) -> bool:
        """Return whether it was saved over one that ships."""
        return not self.shipped and self.name in SHIPPED


def _as_shipped(name: str) -> Kept:
    return Kept(name, AS_SHIPPED, SHIPPED[name], None)


def _saved(saved: NamedObject) -> Kept:
    return Kept(saved.name, saved.version, _read(saved.body), saved.created_at)


def kept(manifest: Manifest) -> list[Kept]:
    """Return the newest version of every dashboard, by name."""
    own = {saved.name: _saved(saved) for saved in manifest.objects(KIND)}
    every = {name: _as_shipped(name) for name in SHIPPED} | own
    return [every[name] for name in sorted(every)]


def found(manifest: Manifest, name: str, version: int | None = None) -> Kept:
    """Return a dashboard, the newest when no version is given; raises NotFoundError with the nearest name."""
    if name in SHIPPED and manifest.object(KIND, name, version) is None:
        if version in (None, AS_SHIPPED):
            return _as_shipped(name)
        if manifest.object(KIND, name) is None:
            raise NotFoundError(f"the dashboard {shown(name)} has no version {version}, the newest is {AS_SHIPPED}")
    return _saved(named.found(manifest, KIND, name, version, also=SHIPPED))


def newest(manifest: Manifest, name: str) -> int | None:
    """Return the newest version of a name; None when there is no such dashboard."""
    saved = manifest.object(KIND, name)
    return saved.version if saved is not None else AS_SHIPPED if name in SHIPPED else None


def put(manifest: Manifest, name: str, dashboard: Dashboard, now_us: int) -> Kept:
    """Keep a dashboard as the next version of its name; what stands there already is no new version."""
    newest = manifest.object(KIND, name)
    if newest is None and SHIPPED.get(name) == dashboard:
        return _as_shipped(name)
    body = as_body(dashboard)
    if newest is not None and newest.body == body:
        return _saved(newest)
    return _saved(manifest.put_object(KIND, name, body, now_us))


def remove(manifest: Manifest, name: str, now_us: int) -> None:
    """Take a dashboard out of use; one that was saved over one that ships gives way to it.

    Raises:
        InputError: `not_found`, or `bad_parameter` for one as it ships.
    """
    one = found(manifest, name)
    if one.shipped:
        raise InputError(
            f"the dashboard {shown(name)} ships with the server and cannot be removed",
            hint="save another one under its name to show that instead",
        )
    manifest.remove_object(KIND, name, now_us)
