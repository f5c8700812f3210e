"""`GET /v1/sessions`: sessions by their last activity, a page at a time.

First the page's sessions, from the newest files back; then the rollups of these alone, from their rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from queries.drill import cursors, usage
from queries.drill.bodies import Assigned, ScoreMean, SessionKey, SessionRow, Sessions
from queries.drill.members import SESSION_RUNS, of_sessions
from queries.drill.options import PAGED, TIMES, microseconds, moment, page_rows
from queries.drill.reading import WIDER, marks
from queries.drill.said import ASSIGNMENTS, RUN_LEVEL, SCORES, assigned, said_of
from queries.drill.standing import runs_among
from queries.parameters import Parameter
from warehouse.pruning import Between
from warehouse.schema import RUN_STATUSES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from queries.drill.cursors import Position
    from queries.drill.reading import Reader
    from warehouse.pruning import Wishes

PARAMETERS = (
    Parameter("key", "text", required=False),
    Parameter("q", "text", required=False),
    *TIMES,
    Parameter("status", "text", required=False, choices=RUN_STATUSES),
    Parameter("order", "text", required=False, default="newest", choices=("newest", "oldest")),
    *PAGED,
)

FIRST_BATCH = 200
"""Sessions of whose runs the status is asked at first; the next batch has `WIDER` times as many."""
MOST_BATCH = 20_000

ACTIVITY_TABLES = (SESSION_RUNS, "events", SCORES)
"""What makes a session active. The view `session_runs` would join every run and event to say when."""

ACTIVITY = f"""
SELECT session_key, session_id, ts FROM {SESSION_RUNS}{{0}}
UNION ALL
SELECT pair.key, pair.value, ts FROM (
    SELECT ts, unnest(map_entries(sessions)) AS pair FROM (SELECT ts, sessions FROM events{{0}})
    WHERE sessions IS NOT NULL)
UNION ALL
SELECT session_key, session_id, ts FROM (SELECT session_key, session_id, ts FROM {SCORES}{{0}})
WHERE session_key IS NOT NULL"""

_KEYS = f"""
SELECT session_key AS "key", sum(n)::BIGINT AS runs FROM (
    SELECT session_key, count(*) AS n FROM {SESSION_RUNS} GROUP BY ALL
    UNION ALL SELECT DISTINCT unnest(map_keys(sessions)), 0 FROM events WHERE sessions IS NOT NULL
    UNION ALL SELECT DISTINCT session_key, 0 FROM {SCORES} WHERE session_key IS NOT NULL)
GROUP BY ALL ORDER BY runs DESC, "key" LIMIT 1000"""


def sessions(read: Reader, given: Mapping[str, Any]) -> Sessions:
    """Return a page of sessions. `from` and `to` are of activity, `status` asks for a run of that status.

    Newest first, a later page looks at the activity up to that of the first page's first session: what happens
    meanwhile moves no session, so a walk has each that was there at its beginning once.

    Raises:
        InputError: an option is out of its bounds.
    """
    rows, order = page_rows(given), given["order"]
    kind = f"sessions.{order}"
    types = (int, int, str, str) if order == "newest" else (int, str, str)
    after = cursors.position(given.get("cursor"), kind, types)
    found = _page(read, given, after, rows + 1)
    page = found[:rows]
    following = None
    if len(found) > rows:
        until = (after[0] if after else page[0][0],) if order == "newest" else ()
        following = cursors.written(kind, (*until, *page[-1]))
    keys = None if after else [SessionKey(**row) for row in read.rows(_KEYS, tables=ACTIVITY_TABLES)]
    return Sessions(keys, session_rows(read, page), following)


def _page(read: Reader, given: Mapping[str, Any], after: Position | None, rows: int) -> list[tuple[int, str, str]]:
    """Return (activity, key, id) of the next sessions, one more than the page has if there are more."""
    newest = given["order"] == "newest"
    until = None
    if newest and after is not None:
        until, after = int(after[0]), after[1:]
    if given.get("status") is None:
        return _active(read, given, after, until, rows)
    found: list[tuple[int, str, str]] = []
    batch = FIRST_BATCH
    while True:  # the runs of some sessions at a time, so that a page reads no others
        some = _active(read, given, after, until, batch)
        with_status = _having(read, [(key, id_) for _, key, id_ in some], given["status"])
        found += [one for one in some if one[1:] in with_status]
        if len(found) >= rows or len(some) < batch:
            return found[:rows]
        if newest and until is None:
            until = some[0][0]
        after = some[-1]
        batch = min(batch * WIDER, MOST_BATCH)


def _having(read: Reader, sessions: Sequence[tuple[str, str]], status: str) -> set[tuple[str, str]]:
    """Return those of some sessions that have a run of a status."""
    if not sessions:
        return set()
    with of_sessions(read, sessions) as runs:
        if runs is None:
            return set()
        source, parameters, table = runs_among(read, runs)
        found = read.rows(
            f"SELECT DISTINCT m.session_key, m.session_id FROM temp.drill_member m JOIN {source} r ON r.id = m.run_id "
            f"WHERE r.status = ?",
            [*parameters, status],
            tables=[table],
            wishes={"runs": runs.wish("id")},
        )
    return {(row["session_key"], row["session_id"]) for row in found}


def _active(
    read: Reader, given: Mapping[str, Any], after: Position | None, until: int | None, rows: int
) -> list[tuple[int, str, str]]:
    """Return (activity, key, id) of the next sessions whatever their runs are; of activity up to `until` alone."""
    low, high = microseconds(given, "from"), microseconds(given, "to")
    high = None if high is None else high - 1
    newest = given["order"] == "newest"
    if until is not None:
        high = until if high is None else min(high, until)
    start = int(after[0]) if after is not None else (high if newest else low)
    found: list[tuple[int, str, str]] = []
    for limit in read.windows("session_runs", ("ts",), newest=newest, start=start):
        window = _narrower(low, high, limit, newest=newest)
        found = _ids(read, given, after, rows, window)
        if len(found) == rows:
            break
    return found


def _narrower(low: int | None, high: int | None, limit: int | None, *, newest: bool) -> tuple[int | None, int | None]:
    if limit is None:
        return low, high
    if newest:
        return (limit if low is None else max(low, limit)), high
    return low, (limit if high is None else min(high, limit))


def _ids(
    read: Reader, given: Mapping[str, Any], after: Position | None, rows: int, window: tuple[int | None, int | None]
) -> list[tuple[int, str, str]]:
    newest = given["order"] == "newest"
    limits = [("ts >= make_timestamptz(?)", window[0]), ("ts <= make_timestamptz(?)", window[1])]
    times: list[object] = [value for _, value in limits if value is not None]
    within = " AND ".join(text for text, value in limits if value is not None)
    conditions = {
        "session_key = ?": given.get("key"),
        "contains(lower(session_id), lower(?))": given.get("q"),
    }
    asked = {text: value for text, value in conditions.items() if value is not None}
    where = f"WHERE {' AND '.join(asked)}" if asked else ""
    way, compared, extreme = ("DESC", "<", "max") if newest else ("", ">", "min")
    having = f"HAVING (spot, session_key, session_id) {compared} (?, ?, ?)" if after else ""
    found = read.rows(
        f"SELECT epoch_us({extreme}(ts)) AS spot, session_key, session_id "
        f"FROM ({ACTIVITY.format(f' WHERE {within}' if within else '')}) {where} GROUP BY session_key, session_id "
        f"{having} ORDER BY spot {way}, session_key {way}, session_id {way} LIMIT {rows}",
        [*times * 3, *asked.values(), *(after or ())],
        tables=ACTIVITY_TABLES,
        wishes=_wishes(window),
    )
    return [(int(row["spot"]), row["session_key"], row["session_id"]) for row in found]


def _wishes(window: tuple[int | None, int | None]) -> Wishes:
    return {table: [[Between("ts", *window)]] for table in ("session_runs", "events", "score_history")}


@dataclass(slots=True)
class _Mean:
    """Scores of one name, of runs and of the session itself, as they come."""

    n: int = 0
    valued: int = 0
    total: float = 0.0
    label: tuple[int, str] | None = None

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in the scores of a row."""
        self.n += row["n"]
        self.valued += row["valued"]
        self.total += row["total"] or 0.0
        if row["label"] is not None:
            self.label = max(self.label or (0, ""), (int(row["label_us"]), row["label"]))

    def shown(self, name: str) -> ScoreMean:
        """Return what a body says of them."""
        mean = self.total / self.valued if self.valued else None
        return ScoreMean(name, self.valued or self.n, mean, self.label[1] if self.label else None)


@dataclass(slots=True)
class _Rollup:
    """What is shown of a session, as it is found."""

    runs: dict[str, Any] = field(default_factory=lambda: {"run_count": 0, "failed_run_count": 0})
    scores: dict[str, _Mean] = field(default_factory=dict[str, _Mean])
    variants: list[Assigned] = field(default_factory=list[Assigned])


_RUNS = """
SELECT m.session_key, m.session_id, count(*) AS run_count, count(*) FILTER (r.status = 'Failed') AS failed_run_count,
       min(coalesce(r.queued_at, r.started_at, m.ts)) AS first_at,
       max(coalesce(r.ended_at, r.started_at, m.ts)) AS last_at
FROM temp.drill_member m LEFT JOIN {0} r ON r.id = m.run_id GROUP BY ALL"""

_SUMS = (
    "count(*) AS n, count(s.value) AS valued, sum(s.value) AS total, "
    "arg_max(s.label, (s.ts, s.id)) FILTER (s.label IS NOT NULL) AS label, "
    "epoch_us(max(s.ts) FILTER (s.label IS NOT NULL)) AS label_us"
)
_RUN_SCORES = f"""
SELECT m.session_key, m.session_id, s.name, {_SUMS} FROM {SCORES} s JOIN temp.drill_said d ON d.raw = s.run_id
JOIN temp.drill_member m ON m.run_id = d.run_id WHERE s.run_id IN ({{0}}) AND {RUN_LEVEL} GROUP BY ALL"""

_VARIANTS = """
SELECT DISTINCT m.session_key, m.session_id, a.experiment, a.variant
FROM given a JOIN temp.drill_member m ON m.run_id = a.run_id ORDER BY a.experiment, a.variant"""


def session_rows(read: Reader, page: Sequence[tuple[int, str, str]]) -> list[SessionRow]:
    """Return the rows of some sessions of which the activity is known, in their order."""
    if not page:
        return []
    found = {(key, id_): _Rollup() for _, key, id_ in page}
    used: dict[tuple[str, str], Any] = {}
    with of_sessions(read, [*found]) as runs:
        if runs is not None:
            source, parameters, table = runs_among(read, runs)
            for row in read.rows(_RUNS.format(source), parameters, tables=[table], wishes={"runs": runs.wish("id")}):
                found[row.pop("session_key"), row.pop("session_id")].runs = row
            with said_of(read, runs) as said:
                scores = _RUN_SCORES.format(said.raw)
                for row in read.rows(scores, said.parameters, tables=[SCORES], wishes=said.wishes("score_history")):
                    _take(found, row)
                variants = f"{assigned(said)} {_VARIANTS}"
                for row in read.rows(
                    variants, said.parameters, tables=[ASSIGNMENTS], wishes=said.wishes("assignments")
                ):
                    found[row.pop("session_key"), row.pop("session_id")].variants.append(Assigned(**row))
            used = usage.by_session(read, runs)
    for row in _own_scores(read, [*found]):
        _take(found, row)
    return [
        SessionRow(
            key=key,
            id=id_,
            active_at=moment(at),
            run_count=rollup.runs["run_count"],
            failed_run_count=rollup.runs["failed_run_count"],
            first_at=rollup.runs.get("first_at"),
            last_at=rollup.runs.get("last_at"),
            scores=[rollup.scores[name].shown(name) for name in sorted(rollup.scores)],
            assignments=rollup.variants,
            usage=used.get((key, id_), usage.NONE),
        )
        for (at, key, id_), rollup in zip(page, found.values(), strict=True)
    ]


def _own_scores(read: Reader, pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the sums of the scores on some sessions themselves."""
    keys, ids = sorted({key for key, _ in pairs}), sorted({id_ for _, id_ in pairs})
    found = read.rows(
        f"SELECT session_key, session_id, name, {_SUMS} FROM {SCORES} s "
        f"WHERE session_key IN ({marks(keys)}) AND session_id IN ({marks(ids)}) GROUP BY ALL",
        [*keys, *ids],
        tables=[SCORES],
    )
    return [row for row in found if (row["session_key"], row["session_id"]) in set(pairs)]


def _take(found: dict[tuple[str, str], _Rollup], row: dict[str, Any]) -> None:
    rollup = found[row["session_key"], row["session_id"]]
    rollup.scores.setdefault(row["name"], _Mean()).add(row)
