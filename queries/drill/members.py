"""Some runs, as statements name them: a few, listed; or those of sessions, in a temporary table."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from queries.drill.reading import marks, one_of
from queries.drill.usage import SOLE_RUN, TRACE_RUNS
from warehouse.pruning import Between

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from queries.drill.reading import Reader
    from warehouse.pruning import Wish, Wishes

_TABLE = "temp.drill_member"
SESSION_RUNS = "internal.current_session_runs"

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


# As the view `session_runs` says, over the rows of these sessions alone.
_OWN = f"""
SELECT x.session_key, x.session_id, coalesce(t.run_id, x.run_id) AS run_id, x.ts
FROM (SELECT * FROM {SESSION_RUNS} WHERE {{0}}) x
LEFT JOIN (SELECT trace_id, {SOLE_RUN} FROM {TRACE_RUNS}
           WHERE trace_id IN (SELECT run_id FROM {SESSION_RUNS} WHERE {{0}}) GROUP BY trace_id) t
  ON t.trace_id = x.run_id"""

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
    among = (
        f"session_key IN ({marks(keys)}) AND session_id IN ({marks(ids)}) AND (session_key, session_id) IN ({pairs})"
    )
    of_pairs: list[object] = [*keys, *ids, *(part for pair in sessions for part in pair)]
    wishes: Wishes = {"session_runs": [[*one_of("session_key", keys)[0], *one_of("session_id", ids)[0]]]}
    sql, parameters, tables = _OWN.format(among), of_pairs * 2, [SESSION_RUNS, TRACE_RUNS]
    if events := _events(read, sessions):
        sql = f"{sql} UNION ALL {_OF_EVENTS.format(marks(events), marks(events))}"
        parameters = [*parameters, *(event[part] for part in ("id", "key", "session", "us") for event in events)]
        tables = [*tables, "runs"]
    try:
        read.table(
            f"CREATE OR REPLACE TEMP TABLE drill_member AS SELECT session_key, session_id, run_id, min(ts) AS ts "
            f"FROM ({sql}) GROUP BY ALL",
            parameters,
            tables=tables,
            wishes=wishes,
        )
        edges = read.rows(f"SELECT min(run_id) AS low, max(run_id) AS high FROM {_TABLE}", tables=[])[0]
        yield None if edges["low"] is None else Members(f"SELECT run_id FROM {_TABLE}", (), edges["low"], edges["high"])
    finally:
        read.table(f"DROP TABLE IF EXISTS {_TABLE}", tables=[])


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
