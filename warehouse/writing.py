"""Writing a sealed file: sorted rows -> a whole, named, measured Parquet file."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc
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

NO_TIME = (1 << 62, -1)
"""The bound of a time that no row has: nothing lies in it, so a question about that time leaves the file closed."""

LOOKED_UP = frozenset({"run_id", "trace_id", "session_id", "parent_run_id"})
"""Columns rows are looked up by, beside a key that is one text. A Bloom filter tells which row groups cannot have one:
the bounds of random ids exclude no file (5 traces of 5 M spans in 90 files: 24 ms, without 191)."""

MISSED = 0.001
"""Share of the row groups that are read for an id they do not have; a column takes 2 to 4 bytes a row for it."""

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
    groups = _groups(parts)
    first = next(groups, schema.empty_table())
    with pq.ParquetWriter(
        scratch,
        schema,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        data_page_version="2.0",
        store_schema=False,  # as much again as a small file's own footer, and the engine does not read it
        bloom_filter_options=_filters(table, first),
    ) as writer:
        for group in chain((first,) if len(first) else (), groups):
            writer.write_table(group.cast(schema), row_group_size=ROW_GROUP)
    return measured(scratch, table, place, current=current)


def _filters(table: FileTable, first: pa.Table) -> dict[str, dict[str, float]]:
    """Return the Bloom filters of a file by its first row group, which is as large as any later one, about."""
    wanted = LOOKED_UP if len(table.key) > 1 else LOOKED_UP | {*table.key}
    columns = {column.name: first[column.name] for column in table.columns if column.name in wanted}
    return {
        name: {"ndv": cast("Any", pc).count_distinct(values).as_py(), "fpp": MISSED}
        for name, values in columns.items()
        if values.null_count < len(values)
    }


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
    """Return the smallest and largest value of the columns files are chosen by, from a file's own footer.

    A time that no row has is bounded by `NO_TIME`; in manifests of before it has no bound, which chooses the file.
    """
    wanted = {
        c.name
        for c in table.columns
        if (c.type == "VARCHAR" and c.name in (*table.key, "run_id", "trace_id")) or c.type == "TIMESTAMPTZ"
    }
    lows: dict[str, str | int] = {}
    highs: dict[str, str | int] = {}
    unknown: set[str] = set()
    nulls: set[str] = set()
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
            elif not found.has_min_max:
                nulls.add(name)
            else:
                low, high = _plain(found.min), _plain(found.max)
                lows[name] = min(lows.get(name, low), low)  # pyright: ignore[reportArgumentType] - of one type
                highs[name] = max(highs.get(name, high), high)  # pyright: ignore[reportArgumentType]
    found = {
        name: (low, highs[name])
        for name, low in lows.items()
        if name not in unknown and max(len(str(low)), len(str(highs[name]))) <= MAX_BOUND
    }
    # Not of texts: a row whose key is null can have a twin in a file where it is null throughout.
    times = {column.name for column in table.columns if column.type == "TIMESTAMPTZ"}
    return found | dict.fromkeys((nulls & times) - lows.keys() - unknown, NO_TIME)


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
