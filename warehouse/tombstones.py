"""Tombstones: what was erased must not come back with a late retry. Subjects are compared as salted hashes only.

Rows are held against them when they are taken from the log (`warehouse/stage.py`), by the keeper and by query workers
alike, before they are given a day or meet other rows.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from warehouse.engine import rows_of, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warehouse.engine import Connection
    from warehouse.manifest import Snapshot, Tombstone
    from warehouse.schema import FileTable

KINDS = ("run", "session", "user", "event", "trace", "span")
"""What can have a tombstone. The last three get theirs with the run, session or user they were erased with; spans only
where others had a part in the trace."""

RUN_COLUMN = {
    "runs": "id",
    **dict.fromkeys(
        (
            *("step_attempts", "score_history", "assignments", "session_runs", "spans", "metadata", "deferrals"),
            "trace_runs",
        ),
        "run_id",
    ),
}
"""The column of each file table that names the run a row belongs to."""


def subject_hash(salt: str, kind: str, id_: str) -> str:
    """Return SHA-256 of salt, kind, a zero byte and the id, as hexadecimal text; pairs: see `pair_subject`."""
    return hashlib.sha256(f"{salt}{kind}\0{id_}".encode()).hexdigest()


def pair_subject(key: str, id_: str) -> str:
    """Return the id of a session (key, id) or span (trace, span) for `subject_hash`; no two pairs have the same."""
    return f"{len(key)}:{key}={id_}"


class Blocked:
    """Holds rows against tombstones, in the temporary tables of one connection. Without tombstones it costs nothing."""

    def __init__(self, con: Connection) -> None:
        self._con = con
        self._known: tuple[Tombstone, ...] = ()
        self._salt = ""
        self._kinds: set[str] = set()

    def know(self, snapshot: Snapshot) -> None:
        """Go by the tombstones of this snapshot from now on."""
        if snapshot.tombstones is self._known or not (snapshot.tombstones or self._known):
            return
        stones = pa.table(
            {
                "_kind": pa.array([stone.kind for stone in snapshot.tombstones], pa.string()),
                "_subject": pa.array([stone.subject for stone in snapshot.tombstones], pa.string()),
                "_until": pa.array([stone.until for stone in snapshot.tombstones], pa.int64()),
            }
        )
        self._con.register("_stones", stones)
        self._con.execute("CREATE OR REPLACE TEMP TABLE tombstone AS SELECT * FROM _stones")
        self._con.unregister("_stones")
        self._known, self._salt = snapshot.tombstones, snapshot.salt
        self._kinds = {stone.kind for stone in snapshot.tombstones}

    def without(self, table: FileTable, rows: pa.Table) -> pa.Table:
        """Return the rows that may come in; `rows` itself when nothing was erased that they name."""
        tests = list(self._tests(table)) if self._known and rows.num_rows else []
        if not tests:
            return rows
        numbers = pa.array(range(rows.num_rows), pa.int64())
        self._con.register("_held", rows.append_column("_at", numbers))
        try:
            found = rows_of(self._con, " UNION ".join(tests))["_at"]
        finally:
            self._con.unregister("_held")
        return rows.filter(pc.invert(pc.is_in(numbers, found.combine_chunks()))) if len(found) else rows

    def _tests(self, table: FileTable) -> Iterator[str]:
        """Yield a SELECT of the blocked rows' `_at` for each way in which a row of the table can name a subject."""
        name = table.name
        if name in RUN_COLUMN and "run" in self._kinds:
            yield self._named("run", f'"{RUN_COLUMN[name]}"')
        if name in ("spans", "score_history"):  # a trace that names no run is a run of its own
            for kind in {"run", "trace"} & self._kinds:
                yield self._named(kind, "trace_id", "run_id IS NULL")
        if name in ("spans", "score_history") and "span" in self._kinds:
            yield self._named("span", pair_sql("trace_id", "span_id"), "run_id IS NULL")
        if name == "events" and "event" in self._kinds:
            yield self._named("event", "id")
        happened = f"epoch_us(coalesce({', '.join((*table.time, table.received))}))"
        if name in ("runs", "spans") and "user" in self._kinds:
            yield self._named("user", "user_id", before=happened)
        if "session" in self._kinds:
            if name in ("session_runs", "score_history"):
                yield self._named("session", pair_sql("session_key", "session_id"), before=happened)
            if name in ("events", "runs"):
                pairs = f"SELECT _at, {happened} AS _us, unnest(map_entries(sessions)) AS pair FROM _held"
                subject = pair_sql("pair.key", "pair.value")
                yield self._named("session", subject, before="_us", source=f"({pairs})")

    def _named(self, kind: str, column: str, where: str = "true", *, before: str = "", source: str = "_held") -> str:
        until = f"AND {before} < _until" if before else ""
        subject = f"sha256({text(self._salt + kind)} || chr(0) || {column})"
        return (
            f"SELECT _at FROM {source} JOIN tombstone ON _kind = {text(kind)} AND _subject = {subject} {until} "
            f"WHERE {where}"
        )


def pair_sql(key: str, id_: str) -> str:
    """Return the SQL expression of `pair_subject` of two columns."""
    return f"(length({key})::VARCHAR || ':' || {key} || '=' || {id_})"
