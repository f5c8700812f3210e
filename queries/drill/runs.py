"""`GET /v1/runs`: runs by what they are and how they were judged, a page at a time.

First the ids of the page, from the newest files back; then what is shown of these alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from queries.drill import cursors
from queries.drill.bodies import Runs
from queries.drill.members import candidates
from queries.drill.options import PAGED, TIMES, microseconds, page_rows
from queries.drill.reading import RUN_TIMES, WIDER, within
from queries.drill.rows import run_rows
from queries.drill.said import ASSIGNMENTS, RUN_LEVEL, SCORES, assigned, said_of
from queries.drill.standing import OWN, STORED_RUNS, gone
from queries.parameters import Parameter
from warehouse.errors import InputError
from warehouse.schema import RUN_STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from queries.drill.cursors import Position
    from queries.drill.reading import Reader
    from queries.drill.said import Said

ORDERS = ("newest", "oldest", "slowest")

FIRST_BATCH = 1_000
"""Runs of which it is asked at first what is said of them; the next batch has `WIDER` times as many."""
MOST_BATCH = 200_000

PARAMETERS = (
    Parameter("function", "text", required=False),
    Parameter("status", "text", required=False, choices=RUN_STATUSES),
    Parameter("environment", "text", required=False),
    Parameter("user", "text", required=False),
    Parameter("score", "text", required=False),
    Parameter("score_below", "number", required=False),
    Parameter("score_above", "number", required=False),
    Parameter("experiment", "text", required=False),
    Parameter("variant", "text", required=False),
    *TIMES,
    Parameter("q", "text", required=False),
    Parameter("order", "text", required=False, default="newest", choices=ORDERS),
    *PAGED,
)

AT = "coalesce(epoch_us(queued_at), epoch_us(started_at), epoch_us(ended_at), 0)"
"""When a run was, microseconds since 1970; one without any time is put at 1970."""

_TIMELESS = " AND ".join(f"{name} IS NULL" for name in RUN_TIMES)
_TIMED = f"NOT ({_TIMELESS})"

_SLOWNESS = "coalesce(epoch_us(ended_at) - epoch_us(started_at), -1)"
"""A run's duration in microseconds; -1 while it is not known."""

_SEARCHED = ("id", "input::VARCHAR", "output::VARCHAR", "error::VARCHAR")

Condition = tuple[str, list[object]]


def _is(column: str) -> Callable[[Any], Condition]:
    return lambda value: (f"{column} = ?", [value])


def _found(text: str) -> Condition:
    anywhere = " OR ".join(f"contains(lower({column}), lower(?))" for column in _SEARCHED)
    return f"({anywhere})", [text] * len(_SEARCHED)


_CONDITIONS: dict[str, Callable[[Any], Condition]] = {
    "function": _is("function_id"),
    "status": _is("status"),
    "environment": _is("environment"),
    "user": _is("user_id"),
    "q": _found,
}
"""Option -> its condition on a run."""


def _scored(read: Reader, said: Said, given: Mapping[str, Any]) -> set[str]:
    bounds = {"avg(value) < ?": given.get("score_below"), "avg(value) > ?": given.get("score_above")}
    asked = {text: value for text, value in bounds.items() if value is not None}
    having = f" HAVING {' AND '.join(asked)}" if asked else ""
    found = read.rows(
        f"SELECT d.run_id FROM {SCORES} x JOIN temp.drill_said d ON d.raw = x.run_id WHERE x.run_id IN ({said.raw}) "
        f"AND name = ? AND {RUN_LEVEL} GROUP BY d.run_id{having}",
        [*said.parameters, given["score"], *asked.values()],
        tables=[SCORES],
        wishes=said.wishes("score_history"),
    )
    return {row["run_id"] for row in found}


def _assigned(read: Reader, said: Said, given: Mapping[str, Any]) -> set[str]:
    variant = given.get("variant")
    only, more = ("", []) if variant is None else (" AND variant = ?", [variant])
    found = read.rows(
        f"{assigned(said)} SELECT run_id FROM given WHERE experiment = ?{only}",
        [*said.parameters, given["experiment"], *more],
        tables=[ASSIGNMENTS],
        wishes=said.wishes("assignments"),
    )
    return {row["run_id"] for row in found}


_SAID: dict[str, Callable[[Reader, Said, Mapping[str, Any]], set[str]]] = {"score": _scored, "experiment": _assigned}
"""Option -> those of some runs of which that is said."""

_NEEDED = {"score_below": "score", "score_above": "score", "variant": "experiment"}
"""An option that says nothing without another."""


def runs(read: Reader, given: Mapping[str, Any]) -> Runs:
    """Return a page of runs. `score_below` and `score_above` compare the mean of a run's scores of that name.

    A walk through the pages has every run once that was there at its beginning and whose times stay as they are, runs
    that arrive meanwhile where they belong.

    Raises:
        InputError: an option is out of its bounds, or says nothing without another.
    """
    for name, other in _NEEDED.items():
        if given.get(name) is not None and given.get(other) is None:
            raise InputError(f"{name} is given without {other}, must come with it")
    rows, order = page_rows(given), given["order"]
    after = cursors.position(given.get("cursor"), f"runs.{order}", (int, str))
    found = spots(read, given, after, rows + 1)
    page = found[:rows]
    shown = run_rows(read, [str(id_) for _, id_ in page])
    more = len(found) > rows
    return Runs([*shown.values()], cursors.written(f"runs.{order}", page[-1]) if more else None)


@dataclass(frozen=True, slots=True)
class _Times:
    """The times that are looked through, microseconds since 1970, both ends included; None: no limit."""

    low: int | None
    high: int | None

    def conditions(self) -> list[Condition]:
        limits = ((f"{AT} >= ?", self.low), (f"{AT} <= ?", self.high))
        return [(text, [value]) for text, value in limits if value is not None]


def spots(read: Reader, given: Mapping[str, Any], after: Position | None, rows: int) -> list[tuple[int, str]]:
    """Return the (sort value, id) of the next runs, at most `rows`, from the newest files back.

    What is said of runs is asked of some at a time, so that a page reads the scores of those it looks at alone.

    Args:
        read: what asks.
        given: the options of the list; those that are absent are not asked for.
        after: where the page before ended.
        rows: how many.
    """
    said = [option for option in _SAID if given.get(option) is not None]
    found: list[tuple[int, str]] = []
    batch = max(rows, FIRST_BATCH) if said else rows
    while True:
        stored = _stored(read, given, after, batch)
        lost = set(gone(read, [id_ for _, id_, own in stored if own]))
        there = [(spot, id_) for spot, id_, own in stored if not (own and id_ in lost)]
        for option in said:
            if there:
                with candidates(read, [id_ for _, id_ in there]) as runs, said_of(read, runs) as about:
                    kept = _SAID[option](read, about, given)
                there = [(spot, id_) for spot, id_ in there if id_ in kept]
        found += there
        if len(found) >= rows or len(stored) < batch:
            return found[:rows]
        after = stored[-1][:2]
        batch = min(batch * WIDER, MOST_BATCH)


def _stored(read: Reader, given: Mapping[str, Any], after: Position | None, rows: int) -> list[tuple[int, str, bool]]:
    """Return the (sort value, id, it is its trace) of the next runs as they came."""
    low, high = microseconds(given, "from"), microseconds(given, "to")
    high = None if high is None else high - 1
    order = given["order"]
    if order == "slowest":
        return _ids(read, given, after, rows, _Times(low, high))
    newest = order == "newest"
    if after is not None:  # what is beyond the cursor need not be read
        low, high = (low, _least(high, int(after[0]))) if newest else (_most(low, int(after[0])), high)
    parts = [_timed, _early] if newest else [_early, _timed]
    found: list[tuple[int, str, bool]] = []
    for part in parts:
        if len(found) < rows:
            found += part(read, given, after, rows - len(found), _Times(low, high))
    return found


def _timed(
    read: Reader, given: Mapping[str, Any], after: Position | None, rows: int, times: _Times
) -> list[tuple[int, str, bool]]:
    """Return the next runs after 1970, window by window: these overlap nowhere and leave no time out."""
    newest = given["order"] == "newest"
    low, high = max(times.low or 1, 1), times.high
    found: list[tuple[int, str, bool]] = []
    for limit in read.windows("runs", RUN_TIMES, newest=newest, start=high if newest else low):
        window = _Times(_most(low, limit), high) if newest else _Times(low, _least(high, limit))
        found += _ids(read, given, after, rows - len(found), window)
        if len(found) == rows or limit is None:
            break
        low, high = (low, _least(high, limit - 1)) if newest else (max(low, limit + 1), high)
        if high is not None and low > high:
            break
    return found


def _early(
    read: Reader, given: Mapping[str, Any], after: Position | None, rows: int, times: _Times
) -> list[tuple[int, str, bool]]:
    """Return the next runs of 1970 or before: those without a time can be in any file."""
    if times.low is not None and times.low > 0:
        return []
    until = _Times(times.low, _least(times.high, 0))
    found = _ids(read, given, after, rows, until, when=_TIMED)
    if until.high == 0:
        found += _ids(read, given, after, rows, until, when=_TIMELESS)
    return sorted(found, reverse=given["order"] == "newest")[:rows]


def _least(one: int | None, other: int | None) -> int | None:
    return min((value for value in (one, other) if value is not None), default=None)


def _most(one: int | None, other: int | None) -> int | None:
    return max((value for value in (one, other) if value is not None), default=None)


def _ids(
    read: Reader, given: Mapping[str, Any], after: Position | None, rows: int, times: _Times, *, when: str = ""
) -> list[tuple[int, str, bool]]:
    order = given["order"]
    value, way = (_SLOWNESS, "DESC") if order == "slowest" else (AT, "DESC" if order == "newest" else "")
    conditions = times.conditions()
    conditions += [made(given[name]) for name, made in _CONDITIONS.items() if given.get(name) is not None]
    if after is not None:
        compared = "<" if way else ">"
        conditions.append((f"({value} {compared} ? OR ({value} = ? AND id {compared} ?))", [after[0], *after]))
    conditions += [(when, [])] if when else []
    where = f"WHERE {' AND '.join(text for text, _ in conditions)}" if conditions else ""
    # A run without a time is in files whose bounds say nothing of it.
    timed = when == _TIMED or (times.low is not None and times.low > 0)
    found = read.table(
        f"SELECT {value} AS spot, id, {OWN} AS own FROM {STORED_RUNS} {where} "
        f"ORDER BY spot {way}, id {way} LIMIT {rows}",
        [parameter for _, parameters in conditions for parameter in parameters],
        tables=[STORED_RUNS],
        wishes={"runs": within(RUN_TIMES, times.low, times.high)} if timed else {},
    )
    return list(zip(*(found[name].to_pylist() for name in ("spot", "id", "own")), strict=True))
