"""Which partition day a row belongs to: a pure function of its key, so that a retry meets its twin (DESIGN 4)."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.ids import day_in_id, days_in_ulids, key_hash

if TYPE_CHECKING:
    from warehouse.manifest import Manifest
    from warehouse.schema import FileTable

CONSTANT_DAY = 0
"""The day of tables whose keys are names (declarations): one small partition."""

MAX_CACHED = 1_000_000
"""Ids whose day is remembered in memory."""

_UNKNOWN = -1
_DAY_US = 86_400_000_000
_DAY_ITSELF = re.compile(r"\d{4}-\d\d-\d\d")


def _day_of(text: str) -> int:
    """Return the day a span's row names itself: its start's."""
    return (dt.date.fromisoformat(text) - dt.date(1970, 1, 1)).days


class Days:
    """Days of ids: the time an id begins with, else the day it was first seen, which the manifest keeps for ever."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._kept: dict[str, int] = {"": CONSTANT_DAY}
        self._erased_at = 0
        self.new: dict[int, int] = {}
        """Days given since the last `forget`, by hash of the id: to be kept with the next commit."""

    def known(self, rows: pa.Table) -> pa.Array[Any]:
        """Return the day of each row by its `_day_id`; null: never sealed before."""
        if (erased_at := self._manifest.erased_at()) != self._erased_at:  # a day we remember may be forgotten
            self._kept, self._erased_at = {"": CONSTANT_DAY}, erased_at
        ids = rows["_day_id"].combine_chunks()
        first = np.ones(len(ids), bool)  # rows of one id mostly follow one another
        first[1:] = pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)
        heads = ids.take(np.flatnonzero(first))
        days = days_in_ulids(heads)
        others = np.flatnonzero(days < 0)
        texts: list[Any] = heads.take(others).to_pylist()
        found = {text: self._day(text) for text in texts}
        kept = self._manifest.days(text for text, day in found.items() if day is None)
        found |= kept
        self._kept.update(kept)
        if len(self._kept) > MAX_CACHED:
            self._kept = {"": CONSTANT_DAY}
        days[others] = [_UNKNOWN if (day := found[text]) is None else day for text in texts]
        of_rows = days[np.cumsum(first) - 1]
        return pa.array(of_rows, mask=of_rows == _UNKNOWN)

    def _day(self, text: str) -> int | None:
        if text in self._kept:
            return self._kept[text]
        return _day_of(text) if _DAY_ITSELF.fullmatch(text) else day_in_id(text)

    def assign(self, table: FileTable, rows: pa.Table) -> pa.Array[Any]:
        """Return the day of each row; an id that has none is given the day its first row happened."""
        known = self.known(rows)
        if not known.null_count:
            return known
        days = known.fill_null(_UNKNOWN).to_numpy().copy()
        new = np.flatnonzero(days == _UNKNOWN)
        unknown = rows.take(new)
        happened = pc.coalesce(*(unknown[name] for name in (*table.time, table.received))).cast(pa.int64())
        texts: list[Any] = unknown["_day_id"].to_pylist()
        given = happened.to_numpy() // _DAY_US
        days[new] = [self.new.setdefault(key_hash(text), day) for text, day in zip(texts, given.tolist(), strict=True)]
        return pa.array(days)

    def forget(self) -> None:
        """Drop the days given since the last commit; they are kept by now, or were never."""
        self.new = {}
