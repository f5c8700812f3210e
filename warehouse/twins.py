"""Which sealed files hold a key that arrived again: told by 64-bit hashes of their keys, kept in memory.

Random ids lie between the bounds of every file of their day, so without this each seal, and each question over new
rows, would read the keys of the whole day again.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from warehouse.engine import rows_of, text
from warehouse.fold import current_key, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from warehouse.engine import Connection
    from warehouse.files import Files
    from warehouse.integrity import Verified
    from warehouse.manifest import SealedFile
    from warehouse.schema import FileTable

MOST_ROWS = 8_000_000
"""Keys whose hashes are kept, 8 bytes each: those used last."""


class Twins:
    """The hashed keys of sealed files, read once while there is room for them."""

    def __init__(self, con: Connection, files: Files, verified: Verified) -> None:
        self._con = con
        self._files = files
        self._verified = verified
        self._kept: OrderedDict[int, NDArray[np.uint64]] = OrderedDict()
        self._rows = 0

    def among(self, table: FileTable, chosen: Sequence[SealedFile]) -> list[SealedFile]:
        """Return those of the files that hold a current key of the table `incoming`; one too many is harmless.

        Raises:
            TransientError: a file that must be read is damaged; the message names it.
        """
        if not chosen:
            return []
        found = rows_of(self._con, f"SELECT DISTINCT hash({quoted(current_key(table))}) AS h FROM incoming ORDER BY h")
        wanted = _numbers(found)
        return [file for file in chosen if _meet(self._hashes(table, file), wanted)]

    def _hashes(self, table: FileTable, file: SealedFile) -> NDArray[np.uint64]:
        if file.id in self._kept:
            self._kept.move_to_end(file.id)
            return self._kept[file.id]
        self._verified.need(file)
        path = text(self._files.location(file.place))
        keys = f"SELECT hash({quoted(current_key(table))}) AS h FROM read_parquet({path}, hive_partitioning = false)"
        hashes = np.sort(_numbers(rows_of(self._con, keys)))
        self._kept[file.id] = hashes
        self._rows += len(hashes)
        while self._rows > MOST_ROWS and len(self._kept) > 1:
            self._rows -= len(self._kept.popitem(last=False)[1])
        return hashes


def _numbers(rows: Any) -> NDArray[np.uint64]:
    return rows["h"].to_numpy().astype(np.uint64)


def _meet(sorted_: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> bool:
    """Tell whether two sorted arrays share a value."""
    few, many = sorted((sorted_, wanted), key=len)
    if not len(few):
        return False
    at = np.minimum(np.searchsorted(many, few), len(many) - 1)
    return bool((many[at] == few).any())
