"""`GET /v1/runs`: runs by what they are and how they were judged, a page at a time.

First the ids of the page, from the newest files back; then what is shown of these alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from queries.drill import cursors
from queries.drill.bodies import Runs
from queries.drill.options import PAGED, TIMES, microseconds, page_rows
from queries.drill.reading import RUN_TIMES, within
from queries.drill.rows import run_rows
from queries.drill.said import RUN_LEVEL
from queries.parameters import Parameter
from warehouse.errors import InputError
from warehouse.schema import RUN_STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from queries.drill.cursors import Position
    from queries.drill.reading import Reader

ORDERS = ("newest", "oldest", "slowest")

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

_SLOWNESS = "coalesce(epoch_us(ended_at) - epoch_us(started_at), -1)"
"""A run's duration in microseconds; -1 while it is not known."""

_SEARCHED = ("id", "input::VARCHAR", "output::VARCHAR", "error::VARCHAR")

Condition = tuple[str, list[object]]


def _is(column: str) -> Callable[[Any, Mapping[str, Any]], Condition]:
    return lambda value, _: (f"{column} = ?", [value])


def _scored(name: str, given: Mapping[str, Any]) -> Condition:
    bounds = {"avg(value) < ?": given.get("score_below"), "avg(value) > ?": given.get("score_above")}
    asked = {text: value for text, value in bounds.items() if value is not None}
    having = f" HAVING {' AND '.join(asked)}" if asked else ""
    runs = f"SELECT run_id FROM scores WHERE name = ? AND run_id IS NOT NULL AND {RUN_LEVEL} GROUP BY run_id{having}"
    return f"id IN ({runs})", [name, *asked.values()]


def _assigned(experiment: str, given: Mapping[str, Any]) -> Condition:
    variant = given.get("variant")
    only, more = ("", []) if variant is None else (" AND variant = ?", [variant])
    return f"id IN (SELECT run_id FROM assignments WHERE experiment = ?{only})", [experiment, *more]


def _found(text: str, _: Mapping[str, Any]) -> Condition:
    anywhere = " OR ".join(f"contains(lower({column}), lower(?))" for column in _SEARCHED)
    return f"({anywhere})", [text] * len(_SEARCHED)


_CONDITIONS: dict[str, tuple[Callable[[Any, Mapping[str, Any]], Condition], str]] = {
    "function": (_is("function_id"), ""),
    "status": (_is("status"), ""),
    "environment": (_is("environment"), ""),
    "user": (_is("user_id"), ""),
    "score": (_scored, "scores"),
    "experiment": (_assigned, "assignments"),
    "q": (_found, ""),
}
"""Option -> its condition on a run, and the table that it reads besides."""

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
    found = _page(read, given, after, rows + 1)
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


def _page(read: Reader, given: Mapping[str, Any], after: Position | None, rows: int) -> list[tuple[int, str]]:
    """Return the (sort value, id) of the next runs, one more than the page has if there are more."""
    low, high = microseconds(given, "from"), microseconds(given, "to")
    asked = _Times(low, None if high is None else high - 1)
    order = given["order"]
    if order == "slowest":
        return _ids(read, given, after, rows, asked)
    newest = order == "newest"
    edge = (asked.high if newest else asked.low) if after is None else int(after[0])
    if after is not None:  # what is beyond the cursor need not be read
        asked = _Times(asked.low, _least(asked.high, edge)) if newest else _Times(_most(asked.low, edge), asked.high)
    found: list[tuple[int, str]] = []
    for limit in read.windows("runs", RUN_TIMES, newest=newest, start=edge):
        window = _Times(_most(asked.low, limit), asked.high) if newest else _Times(asked.low, _least(asked.high, limit))
        found = _ids(read, given, after, rows, window)
        if len(found) == rows:
            break
    return found


def _least(one: int | None, other: int | None) -> int | None:
    return min((value for value in (one, other) if value is not None), default=None)


def _most(one: int | None, other: int | None) -> int | None:
    return max((value for value in (one, other) if value is not None), default=None)


def _ids(
    read: Reader, given: Mapping[str, Any], after: Position | None, rows: int, times: _Times
) -> list[tuple[int, str]]:
    order = given["order"]
    value, way = (_SLOWNESS, "DESC") if order == "slowest" else (AT, "DESC" if order == "newest" else "")
    conditions = times.conditions()
    tables = ["runs"]
    for name, (condition, table) in _CONDITIONS.items():
        if given.get(name) is not None:
            conditions.append(condition(given[name], given))
            tables += [table] if table else []
    if after is not None:
        compared = "<" if way else ">"
        conditions.append((f"({value} {compared} ? OR ({value} = ? AND id {compared} ?))", [after[0], *after]))
    where = f"WHERE {' AND '.join(text for text, _ in conditions)}" if conditions else ""
    # A run without a time is at 1970 and in files whose bounds say nothing of it.
    timed = times.low is not None and times.low > 0
    found = read.rows(
        f"SELECT {value} AS spot, id FROM runs {where} ORDER BY spot {way}, id {way} LIMIT {rows}",
        [parameter for _, parameters in conditions for parameter in parameters],
        tables=tables,
        wishes={"runs": within(RUN_TIMES, times.low, times.high)} if timed else {},
    )
    return [(int(row["spot"]), str(row["id"])) for row in found]
