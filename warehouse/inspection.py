"""Looks at sealed files: is each what the manifest says, are keys unique, and which files are not ours."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.engine import connect, rows_of
from warehouse.fold import current_key, quoted
from warehouse.ids import day_text
from warehouse.integrity import examine
from warehouse.schema import FILE
from warehouse.stage import sealed_rows
from warehouse.writing import bounds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from warehouse.manifest import Hidden, SealedFile
    from warehouse.paths import WorkspacePaths
    from warehouse.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a sealed file."""

    code: str
    what: str
    there: bool = True
    """There is something under its name."""
    drop: bool = True
    """Its rows cannot be trusted; otherwise only what the manifest says of it is wrong."""


def inspect(workspace: Workspace, file: SealedFile, hidden: Hidden) -> Problem | None:
    """Return what is wrong with a sealed file: its digest, its footer, or what the manifest says of it."""
    stamp = workspace.files.stamp(file.place)
    if stamp is None:
        return Problem("missing", "it is missing", there=False)
    if stamp[1] != file.bytes:
        return Problem("damaged", f"it has {stamp[1]} bytes, the manifest says {file.bytes}")
    if reason := examine(workspace.files, file):
        return Problem("damaged", reason)
    try:
        facts = pq.read_metadata(workspace.files.location(file.place))
    except (pa.ArrowException, OSError) as error:
        return Problem("damaged", f"it is not readable Parquet: {str(error).partition(chr(10))[0]}")
    return next((Problem(code, what, drop=False) for code, what in _contradictions(file, hidden, facts)), None)


def _contradictions(file: SealedFile, hidden: Hidden, facts: pq.FileMetaData) -> Iterator[tuple[str, str]]:
    """Yield (code, what) of everything the manifest says of a whole file that is not so."""
    table = FILE.get(file.place.table)
    if table is None:
        yield "unknown_table", f"there is no table {file.place.table!r}"
        return
    if facts.num_rows != file.rows:
        yield "wrong_rows", f"it has {facts.num_rows} rows, the manifest says {file.rows}"
    names = facts.schema.to_arrow_schema().names
    if missing := [column.name for column in table.stored if column.name not in names]:
        yield "wrong_columns", f"it has no column {', '.join(missing)}"
    for name, (low, high) in bounds(facts, table).items():
        bound = file.bounds.get(name)
        if bound is not None and not (_ordered(bound[0], low) and _ordered(high, bound[1])):
            what = f"{name} lies between {low!r} and {high!r}, the manifest says {bound[0]!r} and {bound[1]!r}"
            yield "wrong_bounds", what
    for numbers in (hidden.everywhere, hidden.superseded):
        if len(numbers) and int(numbers.max()) >= file.rows:
            yield "wrong_hidden", f"row {int(numbers.max())} is hidden, it has {file.rows} rows"


def _ordered(low: str | int, high: str | int) -> bool:
    if isinstance(low, int) and isinstance(high, int):
        return low <= high
    return isinstance(low, str) and isinstance(high, str) and low <= high


def doubles(
    workspace: Workspace, files: Sequence[SealedFile], hidden: Mapping[int, Hidden]
) -> Iterator[tuple[str, str, str]]:
    """Yield (table and day, code, what) of rows that count twice: one current key, or one arrival, in two live rows."""
    spill = workspace.files.scratch().with_suffix(".spill")
    with contextlib.closing(connect(memory="512MB", spill=str(spill))) as con:
        for (name, day), group in groupby(files, key=lambda file: (file.place.table, file.place.day)):
            table = FILE[name]
            live = sealed_rows(con, workspace.files, list(group), hidden)
            for code, columns, wanted in (
                ("key_twice", quoted(current_key(table)), "_current"),
                ("arrival_twice", "_arrival", "true"),
            ):
                found = rows_of(
                    con,
                    f"SELECT count(*) AS n, first(k ORDER BY k) AS k FROM (SELECT ({columns},)::VARCHAR AS k, count(*) "
                    f"FROM ({live}) WHERE {wanted} GROUP BY ALL HAVING count(*) > 1)",
                ).to_pylist()[0]
                if found["n"]:
                    what = f"{found['n']} keys ({columns}) are in several live rows, such as {found['k']}"
                    yield f"{name}, day {day_text(day)}", code, what


def strangers(workspace: Workspace) -> list[Path]:
    """Return every file of a workspace's folder that upshot did not make: they are never read and never removed.

    Right also beside a running keeper: a file goes from announced to live to dropped, and is asked for in this order.
    """
    paths, manifest = workspace.paths, workspace.manifest
    found = _others(paths)
    ours = set(manifest.leftovers())
    ours.update(file.place for file in manifest.read(None, max_rows=0)[0].files)
    ours.update(manifest.dropped())
    own = {paths.file(place) for place in ours}
    return [path for path in found if path not in own and path.exists()]


def _others(paths: WorkspacePaths) -> list[Path]:
    """Return every file of a workspace's folder but its database and what running processes keep."""
    own = {paths.database.with_name(f"{paths.database.name}{end}") for end in ("", "-wal", "-shm", "-journal")}
    own.update((paths.scratch, paths.pins, paths.quarantine))
    found: list[Path] = []
    for path in sorted(paths.root.iterdir()):
        if path.is_dir() and path not in own:
            found.extend(file for file in sorted(path.rglob("*")) if not file.is_dir())
        elif path not in own:
            found.append(path)
    return found
