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
        self.new: dict[int, int] = {}
        """Days given since the last `forget`, by hash of the id: to be kept with the next commit."""

    def known(self, rows: pa.Table) -> pa.Table:
        """Return the distinct `_day_id` of rows with their days, as `id` and `day`; null: never sealed before."""
        ids = pc.unique(rows["_day_id"].combine_chunks())
        days = days_in_ulids(ids)
        others = np.flatnonzero(days < 0)
        texts: list[Any] = [ids[at].as_py() for at in others.tolist()]
        found = [self._day(text) for text in texts]
        kept = self._manifest.days(text for text, day in zip(texts, found, strict=True) if day is None)
        days[others] = [
            kept.get(text, _UNKNOWN) if day is None else day for text, day in zip(texts, found, strict=True)
        ]
        self._kept.update(kept)
        if len(self._kept) > MAX_CACHED:
            self._kept = {"": CONSTANT_DAY}
        return pa.table({"id": ids, "day": pa.array(days, mask=days == _UNKNOWN)})

    def _day(self, text: str) -> int | None:
        if text in self._kept:
            return self._kept[text]
        return _day_of(text) if _DAY_ITSELF.fullmatch(text) else day_in_id(text)

    def assign(self, table: FileTable, rows: pa.Table) -> pa.Table:
        """Return the days of all the rows' `_day_id`, giving new ones the day their first row happened."""
        known = self.known(rows)
        if not known["day"].null_count:
            return known
        given: dict[Any, int] = dict.fromkeys(known.filter(pc.is_null(known["day"]))["id"].to_pylist(), _UNKNOWN)
        happened = pc.coalesce(*(rows[name] for name in (*table.time, table.received))).cast(pa.int64())
        texts: list[Any] = rows["_day_id"].to_pylist()
        moments: list[Any] = happened.to_pylist()
        for text, us in zip(texts, moments, strict=True):
            if given.get(text) == _UNKNOWN:
                given[text] = self.new.setdefault(key_hash(text), us // _DAY_US)
        first_seen = pa.table({"id": pa.array(given.keys(), pa.string()), "day": pa.array(given.values(), pa.int32())})
        return pa.concat_tables([known.filter(pc.is_valid(known["day"])), first_seen])

    def forget(self) -> None:
        """Drop the days given since the last commit; they are kept by now, or were never."""
        self.new = {}
