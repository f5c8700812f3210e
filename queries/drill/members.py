"""Some runs, as statements name them: a few, listed; or those of sessions, in a temporary table."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from queries.drill.reading import marks, one_of
from queries.drill.said import said_of
from queries.drill.standing import STORED_RUNS, TRACE_DIGITS, TRACE_RUNS
from queries.drill.usage import SOLE_RUN
from warehouse.pruning import Between

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from queries.drill.reading import Reader
    from warehouse.pruning import Wish, Wishes

_TABLE = "temp.drill_member"
SESSION_RUNS = "internal.current_session_runs"

_LISTED = 1_000
"""Runs of sessions that statements list one by one."""

_MOST_EVENTS = 10_000
"""Events of a page's sessions whose runs are looked for."""


@dataclass(frozen=True, slots=True)
class Members:
    """What stands between the brackets of `run_id IN (...)`, and which files can hold such a run."""

    sql: str
    parameters: tuple[str, ...] = ()
    low: str = ""
    high: str = ""

    @property
    def select(self) -> str:
        """Return a SELECT of their ids as `run_id`."""
        return f"SELECT DISTINCT unnest([{self.sql}]) AS run_id" if self.parameters else f"{self.sql} GROUP BY ALL"

    def wish(self, column: str) -> Wish:
        """Return the wish for rows whose column is one of these runs."""
        return one_of(column, self.parameters) if self.parameters else [[Between(column, self.low, self.high)]]

    def like_traces(self, digits: int) -> tuple[str, list[object]] | None:
        """Return a SELECT of those that look like traces, with its parameters; None when surely none does."""
        if not self.parameters:
            return f"SELECT run_id FROM {_TABLE} WHERE length(run_id) = {digits}", []
        found = [run for run in self.parameters if len(run) == digits]
        return (f"SELECT unnest([{marks(found)}])", [*found]) if found else None


def listed(run_ids: Sequence[str]) -> Members:
    """Return some runs, at least one, by their ids."""
    return Members(marks(run_ids), tuple(run_ids))


@contextlib.contextmanager
def candidates(read: Reader, run_ids: Sequence[str]) -> Iterator[Members]:
    """Keep some runs, at least one; many of them in a temporary table."""
    if len(run_ids) <= _LISTED:
        yield listed(run_ids)
        return
    try:
        read.table(
            "CREATE OR REPLACE TEMP TABLE drill_candidate AS SELECT unnest(?::VARCHAR[]) AS run_id",
            [[*run_ids]],
            tables=[],
        )
        yield Members("SELECT run_id FROM temp.drill_candidate", (), min(run_ids), max(run_ids))
    finally:
        read.table("DROP TABLE IF EXISTS temp.drill_candidate", tables=[])


# As the view `session_runs` says, over the rows of these sessions alone.
_OWN = f"""
CREATE OR REPLACE TEMP TABLE drill_own AS SELECT session_key, session_id, run_id, ts FROM {SESSION_RUNS}
WHERE session_key IN ({{0}}) AND session_id IN ({{1}})"""

_MEANT = f"""
SELECT x.session_key, x.session_id, coalesce(t.run_id, x.run_id) AS run_id, x.ts FROM temp.drill_own x
LEFT JOIN (SELECT trace_id, {SOLE_RUN} FROM {TRACE_RUNS} WHERE trace_id IN ({{0}}) GROUP BY trace_id) t
  ON t.trace_id = x.run_id
WHERE (x.session_key, x.session_id) IN ({{1}})"""

_TRACES = f"SELECT DISTINCT run_id FROM temp.drill_own WHERE length(run_id) = {TRACE_DIGITS}"

_OF_EVENTS = """
SELECT e.session_key, e.session_id, r.id, coalesce(r.queued_at, r.started_at, e.ts)
FROM (SELECT id, queued_at, started_at, unnest(event_ids) AS event_id FROM runs WHERE event_ids IS NOT NULL) r
JOIN (SELECT unnest([{0}]) AS id, unnest([{0}]) AS session_key, unnest([{0}]) AS session_id,
             make_timestamptz(unnest([{1}])) AS ts) e ON e.id = r.event_id"""


@contextlib.contextmanager
def of_sessions(read: Reader, sessions: Sequence[tuple[str, str]]) -> Iterator[Members | None]:
    """Keep the runs of some sessions in `temp.drill_member` (session_key, session_id, run_id, ts); None: no runs.

    Args:
        read: what asks.
        sessions: keys and ids, at least one.
    """
    keys, ids = sorted({key for key, _ in sessions}), sorted({id_ for _, id_ in sessions})
    pairs = ", ".join("(?, ?)" for _ in sessions)
    of_pairs: list[object] = [part for pair in sessions for part in pair]
    try:
        read.table(
            _OWN.format(marks(keys), marks(ids)),
            [*keys, *ids],
            tables=[SESSION_RUNS],
            wishes={"session_runs": [[*one_of("session_key", keys)[0], *one_of("session_id", ids)[0]]]},
        )
        traces = [row["run_id"] for row in read.rows(f"{_TRACES} LIMIT {_LISTED + 1}", tables=[])]
        few = len(traces) <= _LISTED
        wishes: Wishes = {"trace_runs": one_of("trace_id", traces)} if few else {}
        sql = _MEANT.format((marks(traces) or "NULL") if few else _TRACES, pairs)
        parameters: list[object] = [*(traces if few else ()), *of_pairs]
        tables = [TRACE_RUNS]
        if events := _events(read, sessions):
            sql = f"{sql} UNION ALL {_OF_EVENTS.format(marks(events), marks(events))}"
            parameters += [event[part] for part in ("id", "key", "session", "us") for event in events]
            tables += ["runs"]
        read.table(
            f"CREATE OR REPLACE TEMP TABLE drill_member AS SELECT session_key, session_id, run_id, min(ts) AS ts "
            f"FROM ({sql}) GROUP BY ALL",
            parameters,
            tables=tables,
            wishes=wishes,
        )
        edges = read.rows(f"SELECT min(run_id) AS low, max(run_id) AS high FROM {_TABLE}", tables=[])[0]
        found = read.rows(f"SELECT DISTINCT run_id FROM {_TABLE} LIMIT {_LISTED + 1}", tables=[])
        if 0 < len(found) <= _LISTED:
            yield listed([row["run_id"] for row in found])
        else:
            named = f"SELECT run_id FROM {_TABLE}"
            yield None if edges["low"] is None else Members(named, (), edges["low"], edges["high"])
    finally:
        for name in ("drill_member", "drill_own"):
            read.table(f"DROP TABLE IF EXISTS temp.{name}", tables=[])


def _events(read: Reader, sessions: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the events that name one of some sessions."""
    ids = sorted({id_ for _, id_ in sessions})
    found = read.rows(
        f"SELECT id, pair.key AS key_, pair.value AS session, epoch_us(ts) AS us FROM ("
        f"SELECT id, ts, unnest(map_entries(sessions)) AS pair FROM events WHERE sessions IS NOT NULL) "
        f"WHERE pair.value IN ({marks(ids)}) LIMIT {_MOST_EVENTS}",
        ids,
        tables=["events"],
    )
    wanted = set(sessions)
    named = [row | {"key": row["key_"], "us": int(row["us"])} for row in found]
    return [row for row in named if (row["key"], row["session"]) in wanted]


_OF_SOME = f"""
SELECT DISTINCT session_key, session_id, d.run_id FROM {SESSION_RUNS} x JOIN temp.drill_said d ON d.raw = x.run_id
WHERE x.run_id IN ({{0}})"""

_BY_EVENTS = """
SELECT DISTINCT e.pair.key AS session_key, e.pair.value AS session_id, r.run_id
FROM (SELECT id, unnest(map_entries(sessions)) AS pair FROM events WHERE id IN ({0}) AND sessions IS NOT NULL) e
JOIN (SELECT unnest([{1}]) AS id, unnest([{1}]) AS run_id) r USING (id)"""


def sessions_of(read: Reader, run_ids: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return the (key, id, run) of the sessions that a few runs are in, each once, as the view `session_runs` says.

    They are in one by themselves, or by an event that started them.
    """
    if not run_ids:
        return []
    runs = listed(run_ids)
    with said_of(read, runs) as said:
        found = read.rows(
            _OF_SOME.format(said.raw), said.parameters, tables=[SESSION_RUNS], wishes=said.wishes("session_runs")
        )
    started = read.rows(
        f"SELECT id AS run_id, unnest(event_ids) AS event_id FROM {STORED_RUNS} WHERE id IN ({runs.sql})",
        runs.parameters,
        tables=[STORED_RUNS],
        wishes={"runs": runs.wish("id")},
    )
    if events := sorted({row["event_id"] for row in started}):
        found += read.rows(
            _BY_EVENTS.format(marks(events), marks(started)),
            [*events, *(row["event_id"] for row in started), *(row["run_id"] for row in started)],
            tables=["events"],
            wishes={"events": one_of("id", events)},
        )
    return sorted({(row["session_key"], row["session_id"], row["run_id"]) for row in found})
