"""The layout of an export: what its folder holds, and `export.json`, which names all of it.

DIR/export.json, DIR/tables.md
DIR/<table>/day=YYYY-MM-DD/*.parquet               current rows
DIR/superseded/<table>/day=YYYY-MM-DD/*.parquet    replaced rows, kept as history
DIR/internal/key_day.parquet                       the day of every id that carries no time
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from warehouse.ids import day_text
from warehouse.manifest import NamedObject, Tombstone
from warehouse.schema import FILE
from warehouse.schema_page import folder_of

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT = 1
"""The format of an export; a newer one is refused."""

INDEX, PAGE, DAYS = "export.json", "tables.md", "internal/key_day.parquet"

DAYS_SCHEMA = pa.schema([("hash", pa.int64()), ("day", pa.int32())])


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A Parquet file of an export. The days of ids are one as well, of the table `key_day`."""

    path: str
    """Below the export's folder."""
    table: str
    day: int
    """Days since 1970-01-01."""
    current: bool
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Index:
    """The content of `export.json`."""

    format: int
    upshot: str
    """Version that wrote it."""
    workspace: str
    snapshot: int
    """Version of the manifest that was exported."""
    sealed: int
    """The last position of the log that is in it; what arrives after a restore gets higher ones."""
    exported_at: str
    files: list[ExportedFile]
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    tombstones: list[Tombstone] = field(default_factory=list[Tombstone])
    quarantined: int = 0
    """Log entries that could not be applied; they are not in the export."""
    objects: list[NamedObject] = field(default_factory=list[NamedObject])
    """Saved queries and other named things, with every version."""
    objects_sha256: str = ""
    """`objects_digest` of these; empty in an export that has none."""


def objects_digest(objects: Sequence[NamedObject]) -> str:
    """Return the SHA-256 of objects as JSON: what is run must not come back with a flipped bit."""
    return hashlib.sha256(msgspec.json.encode(objects, order="deterministic")).hexdigest() if objects else ""


def path_of(table: str, day: int, name: str, *, current: bool) -> str:
    """Return where a file of an export is, below its folder."""
    place = PurePosixPath(folder_of(FILE[table]), f"day={day_text(day)}", name)
    return str(place if current else "superseded" / place)
