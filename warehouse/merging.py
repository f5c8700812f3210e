"""Merges sorted files of one table in bounded memory: a k-way merge of their live rows, a batch of each at a time.

The engine's own sort holds whole rows and fails beyond its memory when they are wide (100,000 spans in 500 MB).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from warehouse.schema import FileTable

PENDING_ROWS = 8_192
"""Rows of all files together that are held to be merged, about."""
FEWEST_ROWS = 256
"""Rows of each file that are held, however many files there are."""

_READ_BYTES = 1 << 16
"""Read of a column at once; else all of a row group's are held."""


class Source(NamedTuple):
    """Some rows of a sealed file, which is sorted by `FileTable.sort` and `_arrival`."""

    path: Path | str
    chosen: NDArray[np.bool_]
    """Of each row in the file: whether it is wanted."""


class _Stream:
    """The wanted rows of a file, from its beginning to its end."""

    def __init__(self, source: Source, schema: pa.Schema, rows: int) -> None:
        self._file = pq.ParquetFile(source.path, pre_buffer=False, buffer_size=_READ_BYTES)
        self._batches: Any = self._file.iter_batches(batch_size=rows, columns=schema.names, use_threads=False)
        self._chosen = source.chosen
        self._schema = schema
        self._at = 0
        self.rows: pa.Table = schema.empty_table()
        self.ended = False

    def fill(self) -> None:
        """Read on until a row is pending, or the file ends."""
        while not self.rows.num_rows and not self.ended:
            batch = next(self._batches, None)
            if batch is None:
                self.ended = True
                self._file.close()
                return
            chosen = self._chosen[self._at : self._at + batch.num_rows]
            self._at += batch.num_rows
            read = pa.Table.from_batches([batch]).select(self._schema.names).cast(self._schema)
            self.rows = read if chosen.all() else cast("Any", read).filter(pa.array(chosen))


def merged(table: FileTable, sources: Sequence[Source]) -> Iterator[pa.Table]:
    """Yield the wanted rows of sorted files in the order of the table, stored columns only, a part at a time."""
    schema = table.stored_schema
    size = max(FEWEST_ROWS, PENDING_ROWS // max(len(sources), 1))
    streams = [_Stream(source, schema, size) for source in sources]
    order = [*table.sort, "_arrival"]
    while True:
        for stream in streams:
            stream.fill()
        streams = [stream for stream in streams if stream.rows.num_rows]
        if not streams:
            return
        pending = pa.concat_tables([stream.rows for stream in streams])
        ends = np.cumsum([stream.rows.num_rows for stream in streams])
        keys: list[tuple[str, Literal["ascending"]]] = [(name, "ascending") for name in order]
        places: NDArray[np.int64] = cast("Any", pc).sort_indices(pending.select(order), sort_keys=keys).to_numpy()
        # What a file has beyond its pending rows comes after the last of them.
        place_of = np.empty(len(places), np.int64)
        place_of[places] = np.arange(len(places))
        known = int(place_of[ends - 1].min()) + 1
        yield cast("Any", pending).take(pa.array(places[:known])).combine_chunks()
        gone = np.bincount(np.searchsorted(ends, places[:known], side="right"), minlength=len(streams))
        for stream, rows in zip(streams, gone.tolist(), strict=True):
            stream.rows = stream.rows.slice(rows)
