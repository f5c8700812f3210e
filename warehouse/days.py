"""Which partition day a row belongs to: a pure function of its key, so that a retry meets its twin (DESIGN 4)."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from warehouse.ids import day_in_id, key_hash

if TYPE_CHECKING:
    from warehouse.manifest import Manifest
    from warehouse.schema import FileTable

CONSTANT_DAY = 0
"""The day of tables whose keys are names (declarations): one small partition."""

MAX_CACHED = 1_000_000
"""Ids whose day is remembered in memory."""

_DAY_US = 86_400_000_000
_DAY_ITSELF = re.compile(r"\d{4}-\d\d-\d\d")


def _day_of(text: str) -> int:
    """Return the day a span's row names itself: its start's."""
    return (dt.date.fromisoformat(text) - dt.date(1970, 1, 1)).days


class Days:
    """Days of ids: the time an id begins with, else the day it was first seen, which the manifest keeps for ever."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._known: dict[str, int] = {"": CONSTANT_DAY}
        self.new: dict[int, int] = {}
        """Days given since the last `forget`, by hash of the id: to be kept with the next commit."""

    def known(self, rows: pa.Table) -> dict[str, int]:
        """Return the days of the rows' `_day_id`; ids never sealed before are absent."""
        ids: list[Any] = pc.unique(rows["_day_id"]).to_pylist()
        timeless: list[str] = []
        found: dict[str, int] = {}
        for text in ids:
            day = self._known.get(text)
            if day is None:
                day = day_in_id(text) if not _DAY_ITSELF.fullmatch(text) else _day_of(text)
                if day is None:
                    timeless.append(text)
                    continue
                self._known[text] = day
            found[text] = day
        kept = self._manifest.days(timeless)
        self._known.update(kept)
        if len(self._known) > MAX_CACHED:
            self._known = {"": CONSTANT_DAY}
        return found | kept

    def assign(self, table: FileTable, rows: pa.Table) -> dict[str, int]:
        """Return the days of all the rows' `_day_id`, giving new ones the day their first row happened."""
        days = self.known(rows)
        if len(days) == pc.count_distinct(rows["_day_id"]).as_py():
            return days
        happened = pc.coalesce(*(rows[name] for name in (*table.time, table.received))).cast(pa.int64())
        texts: list[Any] = rows["_day_id"].to_pylist()
        moments: list[Any] = happened.to_pylist()
        for text, us in zip(texts, moments, strict=True):
            if text not in days:
                days[text] = self.new.setdefault(key_hash(text), us // _DAY_US)
        return days

    def forget(self) -> None:
        """Drop the days given since the last commit; they are kept by now, or were never."""
        self.new = {}
