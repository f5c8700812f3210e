"""Finds every sealed row that belongs to a run, a session or a user, on the disk and not only among those that count.

A row that was superseded or hidden long ago is still in its file until that is written anew, so it is found too.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.engine import rows_of
from warehouse.errors import InputError
from warehouse.integrity import damaged
from warehouse.manifest import Hidden
from warehouse.schema import FILE
from warehouse.stage import hidden_rows, sealed_rows
from warehouse.tombstones import RUN_COLUMN, pair_sql, pair_subject, subject_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from warehouse.engine import Connection
    from warehouse.files import Files
    from warehouse.manifest import SealedFile, Snapshot

_USER = "user_id = getvariable('subject_id')"
_SESSION = "session_key = getvariable('subject_key') AND session_id = getvariable('subject_id')"
_PAIR = "list_contains(map_extract(sessions, getvariable('subject_key')), getvariable('subject_id'))"
_SPAN = pair_sql("trace_id", "span_id")
_LIVE = "g.row IS NULL"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be erased: the id of a run, of a user, or of a session with its key."""

    kind: str
    """run, session or user."""
    id: str
    key: str = ""

    def hashed(self, salt: str) -> str:
        """Return what stands for it where it must not be named."""
        id_ = pair_subject(self.key, self.id) if self.kind == "session" else self.id
        return subject_hash(salt, self.kind, id_)


def subject_of(run: str | None, session: dict[str, str] | None, user: str | None) -> Subject:
    """Return who is to be erased; raises InputError unless exactly one is given."""
    given = [name for name, value in (("run", run), ("session", session), ("user", user)) if value is not None]
    if len(given) != 1:
        raise InputError(f"give exactly one of run, session and user, not {' and '.join(given) or 'none'}")
    if session is not None:
        if len(session) != 1 or not all((*session.keys(), *session.values())):
            raise InputError("session must be one pair of a key and an id, neither of them empty")
        [(key, id_)] = session.items()
        return Subject("session", id_, key)
    id_ = run if run is not None else user
    if not id_:
        raise InputError(f"{given[0]} must be an id, not empty")
    return Subject(given[0], id_)


@dataclass
class Found:
    """What belongs to a subject."""

    rows: dict[int, NDArray[np.uint32]] = field(default_factory=dict[int, "NDArray[np.uint32]"])
    """File id -> the numbers of its rows, hidden ones included."""
    live: dict[str, int] = field(default_factory=dict[str, int])
    """File table -> rows that count until now."""
    runs: set[str] = field(default_factory=set[str])
    events: set[str] = field(default_factory=set[str])
    traces: set[str] = field(default_factory=set[str])
    """Traces that name no run outside."""
    spans: set[str] = field(default_factory=set[str])
    """Its spans in traces that are not its own, as `pair_subject` of trace and span."""
    day_ids: set[str] = field(default_factory=set[str])
    """Ids that no row has any more."""


def find(con: Connection, files: Files, snapshot: Snapshot, subject: Subject) -> Found:
    """Return what belongs to a subject in the files of a snapshot, which must be pinned.

    With a run go its steps, scores (also on its spans and trace), assignments, sessions, metadata and deferrals, its
    spans (of a trace that names no other run, all), and the events that no other run names.

    Raises:
        TransientError: a file that may hold rows of it is damaged; it would be unknown what stays.
    """
    search = _Search(con, files, snapshot)
    con.execute("SET VARIABLE subject_id = ?", [subject.id])
    con.execute("SET VARIABLE subject_key = ?", [subject.key])
    found = Found()
    events, traces = _seed(search, subject, found)
    named, own_traces = _around(search, subject, found.runs)
    naming = search.scan(
        "trace_runs", "trace_id", f"{_LIVE} AND run_id IN (FROM erased_runs)", {"run_id": "erased_runs"}
    )
    search.know("named_traces", _texts(naming, "trace_id"))
    found.traces = _unshared(search, subject, traces | own_traces | found.runs | set(search.ids["named_traces"]))
    found.runs |= found.traces & set(search.ids["named_traces"])  # what a trace was before it named its run
    search.know("erased_runs", found.runs)
    _take(search, subject, found)
    _take_events(search, found, events | named)
    return found


class _Search:
    """Scans sealed rows, hidden ones too, into temporary tables."""

    def __init__(self, con: Connection, files: Files, snapshot: Snapshot) -> None:
        self._con = con
        self._files = files
        self._snapshot = snapshot
        self.ids: dict[str, list[str]] = {}
        """Name of a temporary table of ids -> its ids, sorted."""

    def know(self, name: str, ids: Iterable[str]) -> None:
        """Make a temporary table `name(id)` of ids."""
        self.ids[name] = sorted(set(ids))
        self._con.register("_ids", pa.table({"id": pa.array(self.ids[name], pa.string())}))
        self._con.execute(f'CREATE OR REPLACE TEMP TABLE "{name}" AS SELECT * FROM _ids')
        self._con.unregister("_ids")

    def scan(self, table: str, columns: str, where: str, among: Mapping[str, str] | None = None) -> pa.Table:
        """Return `columns` of the rows, with `_file`, `_row` and `_live`.

        `among` (column -> name of ids) leaves out the files in which no such column can have such an id.
        """
        chosen = [file for file in self._snapshot.of(table) if among is None or self._may_hold(file, among)]
        for file in chosen:
            if file.damaged:
                raise damaged(file, file.damaged)
        if not chosen:
            types = ", ".join(f'NULL::{c.type} AS "{c.name}"' for c in FILE[table].stored)
            rows = f"SELECT {types}, NULL::BIGINT AS _file, NULL::BIGINT AS _row WHERE false"
        else:
            rows = sealed_rows(self._con, self._files, chosen, {})
        gone = {
            file.id: Hidden(everywhere=self._snapshot.hidden[file.id].everywhere)
            for file in chosen
            if file.id in self._snapshot.hidden
        }
        self._con.register("_gone", hidden_rows(gone))
        try:
            return rows_of(
                self._con,
                f"SELECT {columns}, r._file, r._row, {_LIVE} AS _live FROM ({rows}) r "
                f"LEFT JOIN _gone g ON g.file = r._file AND g.row = r._row WHERE {where}",
            )
        finally:
            self._con.unregister("_gone")

    def _may_hold(self, file: SealedFile, among: Mapping[str, str]) -> bool:
        return any(_meets(file.bounds.get(column), self.ids[name]) for column, name in among.items())


def _meets(bound: tuple[Any, Any] | None, ids: list[str]) -> bool:
    if not ids or bound is None:
        return bool(ids)
    at = bisect_left(ids, bound[0])
    return at < len(ids) and ids[at] <= bound[1]


def _seed(search: _Search, subject: Subject, found: Found) -> tuple[set[str], set[str]]:
    """Find the runs of a subject, and the events and traces that are its own without a run."""
    if subject.kind == "run":
        found.runs = {subject.id}
        return set(), set()
    if subject.kind == "session":
        found.runs = _texts(search.scan("session_runs", "run_id", f"{_LIVE} AND {_SESSION}"), "run_id")
        events = _texts(search.scan("events", "id", f"{_LIVE} AND {_PAIR}"), "id")
        search.know("session_events", events)
        found.runs |= _texts(search.scan("runs", "id", f"{_LIVE} AND ({_PAIR} OR {_names('session_events')})"), "id")
        return events, set()
    found.runs = _texts(search.scan("runs", "id", f"{_LIVE} AND {_USER}"), "id")
    spans = search.scan("spans", "trace_id, run_id", f"{_LIVE} AND {_USER}")
    search.know("runs_of_spans", _texts(spans, "run_id") - found.runs)
    others = "id IN (FROM runs_of_spans) AND user_id IS NOT NULL"
    of_others = _texts(search.scan("runs", "id", f"{_LIVE} AND {others}", {"id": "runs_of_spans"}), "id")
    found.runs |= _texts(spans, "run_id") - of_others
    return set(), _texts(spans, "trace_id")


def _around(search: _Search, subject: Subject, runs: set[str]) -> tuple[set[str], set[str]]:
    """Return the events and traces that the runs name."""
    search.know("erased_runs", runs)
    rows = search.scan(
        "runs",
        "trace_id, unnest(event_ids) AS event_id",
        f"{_LIVE} AND id IN (FROM erased_runs)",
        {"id": "erased_runs"},
    )
    events = _texts(rows, "event_id")
    traces = _texts(
        search.scan("runs", "trace_id", f"{_LIVE} AND id IN (FROM erased_runs)", {"id": "erased_runs"}), "trace_id"
    )
    spans = f"{_LIVE} AND run_id IN (FROM erased_runs)" + (f" OR {_LIVE} AND {_USER}" if subject.kind == "user" else "")
    among = None if subject.kind == "user" else {"run_id": "erased_runs"}
    return events, traces | _texts(search.scan("spans", "trace_id", spans, among), "trace_id")


def _unshared(search: _Search, subject: Subject, traces: set[str]) -> set[str]:
    """Return the traces in which no run outside, and no other user's span, has a part."""
    search.know("erased_traces", traces)
    other = "run_id IS NOT NULL AND run_id NOT IN (FROM erased_runs)"
    if subject.kind == "user":
        other = f"({other} OR run_id IS NULL AND user_id <> getvariable('subject_id'))"
    shared = _texts(
        search.scan(
            "spans",
            "trace_id",
            f"{_LIVE} AND trace_id IN (FROM erased_traces) AND {other}",
            {"trace_id": "erased_traces"},
        ),
        "trace_id",
    )
    runs = search.scan(
        "runs",
        "id, trace_id",
        f"{_LIVE} AND id NOT IN (FROM erased_runs) AND NOT (id = trace_id AND id IN (FROM named_traces)) "
        f"AND (id IN (FROM erased_traces) OR trace_id IN (FROM erased_traces))",
        {"id": "erased_traces", "trace_id": "erased_traces"},
    )
    return traces - shared - _texts(runs, "id") - _texts(runs, "trace_id")


def _take(search: _Search, subject: Subject, found: Found) -> None:
    """Take the rows of every table but `events`."""
    search.know("erased_traces", found.traces)
    own = "run_id IS NULL AND trace_id IN (FROM erased_traces)"
    spans = f" OR {own}"
    runs, of_session = "", ""
    if subject.kind == "user":
        spans += f" OR {_USER}"
        runs = f" OR NOT ({_LIVE}) AND {_USER}"  # what it was once said to be, before somebody else's
    if subject.kind == "session":
        of_session = f" OR {_SESSION}"
    rows = search.scan(
        "spans",
        f"trace_id, {_SPAN} AS span",
        f"run_id IN (FROM erased_runs){spans}",
        None if subject.kind == "user" else {"run_id": "erased_runs", "trace_id": "erased_traces"},
    )
    _add(found, "spans", rows)
    search.know("erased_spans", _texts(rows, "span"))
    others = rows.filter(pc.invert(pc.is_in(rows["trace_id"], pa.array(sorted(found.traces), pa.string()))))
    found.spans = _texts(others, "span")
    scores = search.scan(
        "score_history",
        "id",
        f"run_id IN (FROM erased_runs) OR {own}{of_session} OR run_id IS NULL AND {_SPAN} IN (FROM erased_spans)",
    )
    _add(found, "score_history", scores)
    search.know("erased_scores", _texts(scores, "id"))
    for table, column in RUN_COLUMN.items():
        if table not in ("spans", "score_history"):
            more = {"runs": runs, "session_runs": of_session}.get(table, "")
            among = None if more else {column: "erased_runs"}
            key = {"runs": "id", "deferrals": "id", "trace_runs": "trace_id"}.get(table, "run_id")
            rows = search.scan(table, key, f'r."{column}" IN (FROM erased_runs){more}', among)
            _add(found, table, rows)
            if table in ("deferrals", "trace_runs"):
                found.day_ids |= _texts(rows, key)
    found.day_ids |= found.runs | _dead_scores(search, found)


def _dead_scores(search: _Search, found: Found) -> set[str]:
    """Return the ids of erased scores that no other score has: a writer's own id may have moved to another run."""
    rows = search.scan("score_history", "id", f"{_LIVE} AND id IN (FROM erased_scores)", {"id": "erased_scores"})
    taken = {(file, row) for file, numbers in found.rows.items() for row in numbers.tolist()}
    alive = {
        id_
        for id_, file, row in zip(*(rows[name].to_pylist() for name in ("id", "_file", "_row")), strict=True)
        if (file, row) not in taken
    }
    return set(search.ids["erased_scores"]) - alive


def _take_events(search: _Search, found: Found, events: set[str]) -> None:
    """Take the events that no other run names."""
    search.know("named_events", events)
    if events:
        rows = search.scan(
            "runs",
            "unnest(event_ids) AS event_id",
            f"{_LIVE} AND id NOT IN (FROM erased_runs) AND {_names('named_events')}",
        )
        found.events = events - _texts(rows, "event_id")
        search.know("erased_events", found.events)
        _add(found, "events", search.scan("events", "id", "id IN (FROM erased_events)", {"id": "erased_events"}))
        found.day_ids |= found.events


def _names(events: str) -> str:
    return f"list_has_any(event_ids, (SELECT coalesce(list(id), []) FROM {events}))"


def _add(found: Found, table: str, rows: pa.Table) -> None:
    ids, numbers = rows["_file"].to_numpy(), rows["_row"].to_numpy().astype(np.uint32)
    for id_ in np.unique(ids):
        found.rows[int(id_)] = np.unique(numbers[ids == id_])
    live = int(np.count_nonzero(rows["_live"].to_numpy(zero_copy_only=False)))
    if live:
        found.live[table] = live


def _texts(rows: pa.Table, column: str) -> set[str]:
    """Return the texts of a column, without nulls."""
    texts: list[str | None] = rows[column].to_pylist()
    return {one for one in texts if one is not None}
