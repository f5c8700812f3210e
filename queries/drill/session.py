"""`GET /v1/sessions/{key}/{id}`: one session, its runs in the order of time, a page at a time."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from queries.drill import cursors
from queries.drill.bodies import Session, TimelineRun
from queries.drill.members import listed, of_sessions
from queries.drill.options import PAGED, moment, page_rows
from queries.drill.reading import one_of
from queries.drill.rows import payload, run_rows, shortened
from queries.drill.said import session_scores
from queries.drill.sessions import ACTIVITY, ACTIVITY_TABLES, session_rows
from queries.drill.standing import runs_among
from queries.parameters import Parameter
from warehouse.errors import NotFoundError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from queries.drill.cursors import Position
    from queries.drill.reading import Reader

PARAMETERS = (Parameter("key", "text", required=True), Parameter("id", "text", required=True), *PAGED)

_MOST_SCORES = 1_000

_SEEN = f"""
SELECT epoch_us(max(ts)) AS active FROM ({ACTIVITY.format("")}) WHERE session_key = ? AND session_id = ?"""

_EVENTS = """
SELECT count(*) AS n FROM events WHERE sessions IS NOT NULL AND list_contains(map_values(sessions), ?)
AND list_contains(map_extract(sessions, ?), ?)"""

_WHEN = "epoch_us(coalesce(r.queued_at, r.started_at, m.ts))"


def session(read: Reader, given: Mapping[str, Any]) -> Session:
    """Return a session in numbers, which are of all its runs, and a page of its runs, the oldest first.

    Raises:
        NotFoundError: nothing is known of it.
        InputError: an option is out of its bounds.
    """
    key, id_ = given["key"], given["id"]
    rows = page_rows(given)
    after = cursors.position(given.get("cursor"), "timeline", (int, str))
    [seen] = read.rows(_SEEN, [key, id_], tables=ACTIVITY_TABLES)
    if seen["active"] is None:
        raise _not_found(read, key, id_)
    found = _timeline(read, key, id_, after, rows + 1)
    page = found[:rows]
    [events] = read.rows(_EVENTS, [id_, key, id_], tables=["events"])
    return Session(
        session=session_rows(read, [(int(seen["active"]), key, id_)])[0],
        own_scores=session_scores(read, key, id_, most=_MOST_SCORES),
        event_count=events["n"],
        runs=_shown(read, page),
        next=cursors.written("timeline", page[-1]) if len(found) > rows else None,
    )


def _timeline(read: Reader, key: str, id_: str, after: Position | None, rows: int) -> list[tuple[int, str]]:
    """Return (when, run) of the next runs of the session."""
    beyond = "" if after is None else f"WHERE {_WHEN} > ? OR ({_WHEN} = ? AND m.run_id > ?)"
    with of_sessions(read, [(key, id_)]) as runs:
        if runs is None:
            return []
        source, parameters, table = runs_among(read, runs)
        found = read.rows(
            f"SELECT {_WHEN} AS spot, m.run_id FROM temp.drill_member m LEFT JOIN {source} r ON r.id = m.run_id "
            f"{beyond} ORDER BY spot, m.run_id LIMIT {rows}",
            parameters if after is None else [*parameters, after[0], *after],
            tables=[table],
            wishes={"runs": runs.wish("id")},
        )
    return [(int(row["spot"]), row["run_id"]) for row in found]


def _shown(read: Reader, page: list[tuple[int, str]]) -> list[TimelineRun]:
    ids = [id_ for _, id_ in page]
    if not ids:
        return []
    source, parameters, table = runs_among(read, listed(ids))
    found = read.rows(
        f"SELECT id, {shortened('input')}, {shortened('output')} FROM {source}",
        parameters,
        tables=[table],
        wishes={"runs": one_of("id", ids)},
    )
    payloads = {row["id"]: row for row in found}
    shown_runs = run_rows(read, ids)
    return [
        TimelineRun(
            at=moment(when),
            run=shown_runs[id_],
            input=payload(payloads.get(id_, {}), "input"),
            output=payload(payloads.get(id_, {}), "output"),
        )
        for when, id_ in page
    ]


def _not_found(read: Reader, key: str, id_: str) -> NotFoundError:
    """Return the error for an unknown session: the id may stand under another key, or the key be misspelled."""
    found = read.rows(
        f'SELECT DISTINCT session_key AS "key", session_id = ? AS here FROM ({ACTIVITY.format("")}) '
        f'ORDER BY "key" LIMIT 1000',
        [id_],
        tables=ACTIVITY_TABLES,
    )
    elsewhere = [row["key"] for row in found if row["here"]]
    keys = sorted({row["key"] for row in found} - {key})
    near = elsewhere or difflib.get_close_matches(key, keys, n=1)
    hint = f"did you mean the key {near[0]!r}?" if near else None
    return NotFoundError(f"no session {shown(id_)} of the key {shown(key)} is here", hint=hint)
