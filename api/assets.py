"""The built islands: what `scripts/assets.sh` made of `web/`, named for templates and served for ever.

Names carry a hash of the content, so a browser that has a file never asks for it again. The files are compressed when
they are built, at gzip's highest level; Starlette's middleware would do that anew for every answer, and for every
other answer of the server too (level 9 of a 10 MB Arrow answer: 4 s).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from api.accept import by_preference
from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

router = APIRouter(include_in_schema=False)

BUILT = Path(__file__).parent / "pages" / "static" / "built"
"""Where the build leaves its files; not there when nothing was built."""

_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}

FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Island:
    """Address of a built script or sheet, and of what a script imports at once."""

    address: str
    imports: tuple[str, ...] = ()


class _Entry(msgspec.Struct, frozen=True):
    file: str
    imports: list[str]


class _Manifest(msgspec.Struct, frozen=True):
    """`manifest.json` of `web/build.mjs`."""

    islands: dict[str, _Entry]
    files: list[str]


def read(folder: Path) -> _Manifest:
    """Return what was built into a folder; without islands and files when nothing was."""
    try:
        return msgspec.json.decode((folder / "manifest.json").read_bytes(), type=_Manifest)
    except FileNotFoundError:
        return _Manifest(islands={}, files=[])


def _address(name: str) -> str:
    return f"/static/built/{name}"


def islands(manifest: _Manifest) -> Mapping[str, Island]:
    """Return the islands by name (`sql`, `charts`, and `sheet`, their looks); empty when nothing was built."""
    return {
        name: Island(_address(entry.file), tuple(map(_address, entry.imports)))
        for name, entry in manifest.islands.items()
    }


_MANIFEST = read(BUILT)

ISLANDS = islands(_MANIFEST)
"""The islands of this installation."""

_FILES = frozenset(_MANIFEST.files)


@router.get("/static/built/{name}")
async def built(request: Request, name: str) -> Response:
    """Return a built file, compressed for those who take gzip."""
    if name not in _FILES:
        raise InputError(f"there is no built file {shown(name)}", code="not_found", hint="load the page anew")
    headers = {"Cache-Control": FOR_EVER, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
    path = BUILT / name
    if not {"gzip", "*"}.isdisjoint(by_preference(request.headers.get("accept-encoding", ""))):
        path = path.with_name(f"{name}.gz")
        headers["Content-Encoding"] = "gzip"
    content = await asyncio.to_thread(path.read_bytes)
    return Response(content, media_type=_TYPES[Path(name).suffix], headers=headers)
