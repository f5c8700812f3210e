"""Writing a sealed file: sorted rows -> a whole, named, measured Parquet file."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.files import digest
from warehouse.manifest import FileName, NewFile, SealedFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from warehouse.files import Files
    from warehouse.manifest import Bound, Manifest
    from warehouse.schema import FileTable

ROW_GROUP = 122_880
"""Rows of a Parquet row group (measured: reference/storage.md 7.2)."""

ZSTD_LEVEL = 3
OPTIONS = (
    f"FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {ZSTD_LEVEL}, ROW_GROUP_SIZE {ROW_GROUP}, PARQUET_VERSION v2"
)
"""How the engine writes a file."""

GROUP_BYTES = 32 << 20
"""Bytes in memory of a row group: one of spans with prompts has fewer rows."""

MAX_BOUND = 128
"""Characters of the longest text kept as a bound; longer ones choose no file."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is whole but has no name yet."""

    scratch: Path
    new: NewFile


def write_rows(
    files: Files, table: FileTable, place: FileName, parts: Iterable[pa.Table], *, current: bool = True
) -> Written:
    """Write sorted rows (the table's stored columns, in order) to a scratch file, and measure it.

    At most one row group is in memory. By Arrow, which takes half the engine's time for rows that are there already.
    """
    scratch = files.scratch()
    schema = table.stored_schema
    with pq.ParquetWriter(
        scratch,
        schema,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        data_page_version="2.0",
        store_schema=False,  # as much again as a small file's own footer, and the engine does not read it
    ) as writer:
        for group in _groups(parts):
            writer.write_table(group.cast(schema), row_group_size=ROW_GROUP)
    return measured(scratch, table, place, current=current)


def _groups(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield rows put together and cut to row groups, of `ROW_GROUP` rows and `GROUP_BYTES` at most, about."""
    waiting: list[pa.Table] = []
    size = 0
    for part in parts:
        rows = max(1, min(ROW_GROUP, GROUP_BYTES * part.num_rows // max(part.nbytes, 1)))
        for start in range(0, part.num_rows, rows):
            cut = part.slice(start, rows)
            if waiting and (size + cut.nbytes > GROUP_BYTES or sum(map(len, waiting)) + len(cut) > ROW_GROUP):
                yield pa.concat_tables(waiting)
                waiting, size = [], 0
            waiting.append(cut)
            size += cut.nbytes
    if waiting:
        yield pa.concat_tables(waiting)


def measured(scratch: Path, table: FileTable, place: FileName, *, current: bool) -> Written:
    """Return a local Parquet file as the manifest will name it."""
    facts = pq.read_metadata(scratch)
    file = SealedFile(
        place, facts.num_rows, scratch.stat().st_size, digest(scratch), bounds(facts, table), current=current
    )
    return Written(scratch, NewFile(file))


def bounds(facts: pq.FileMetaData, table: FileTable) -> dict[str, Bound]:
    """Return the smallest and largest value of the columns files are chosen by, from a file's own footer."""
    wanted = {
        c.name
        for c in table.columns
        if (c.type == "VARCHAR" and c.name in (*table.key, "run_id", "trace_id")) or c.type == "TIMESTAMPTZ"
    }
    lows: dict[str, str | int] = {}
    highs: dict[str, str | int] = {}
    unknown: set[str] = set()
    for at in range(facts.num_row_groups):
        group = facts.row_group(at)
        for index in range(group.num_columns):
            column = group.column(index)
            name = column.path_in_schema
            if name not in wanted:
                continue
            found = column.statistics
            if found is None or (not found.has_min_max and found.null_count != group.num_rows):
                unknown.add(name)
            elif found.has_min_max:
                low, high = _plain(found.min), _plain(found.max)
                lows[name] = min(lows.get(name, low), low)  # pyright: ignore[reportArgumentType] - of one type
                highs[name] = max(highs.get(name, high), high)  # pyright: ignore[reportArgumentType]
    return {
        name: (low, highs[name])
        for name, low in lows.items()
        if name not in unknown and max(len(str(low)), len(str(highs[name]))) <= MAX_BOUND
    }


def _plain(value: object) -> str | int:
    if isinstance(value, dt.datetime):
        return (value - _EPOCH) // _MICROSECOND
    return str(value)


def publish(manifest: Manifest, files: Files, written: Sequence[Written]) -> None:
    """Give written files their names; until a commit makes them live, recovery would remove them."""
    if written:
        manifest.announce([one.new.file.place for one in written])
    for one in written:
        files.publish(one.scratch, one.new.file.place)


def discard(written: Iterable[Written]) -> None:
    """Remove scratch files that will not be published."""
    for one in written:
        one.scratch.unlink(missing_ok=True)
