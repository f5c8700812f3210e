"""What the model calls of some runs came to: of their traces alone, not of the whole workspace."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from queries.drill.bodies import Usage
from queries.drill.reading import marks, one_of
from queries.drill.standing import TRACE_DIGITS, TRACE_RUNS
from warehouse.pruning import Between
from warehouse.schema import TABLE
from warehouse.views import views_over_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from queries.drill.members import Members
    from queries.drill.reading import Reader
    from warehouse.pruning import Wishes

SPANS = "internal.current_spans"
SOLE_RUN = "CASE WHEN count(DISTINCT run_id) = 1 THEN min(run_id) END AS run_id"
"""The run that stands for a trace: the only one its spans name."""

_LISTED_TRACES = 1_000
"""Traces that a statement lists one by one."""

_LATER_US = 86_400_000_000
"""How much later than a call the calls below it begin at the most, where all calls of a time are looked through."""

_COLUMNS = (
    *(column.name for column in TABLE["model_calls"].columns if column.name != "model"),
    *("parent_span_id", "request_model", "response_model"),
)


@dataclass(frozen=True, slots=True)
class Traces:
    """Where spans are: whole traces, by a condition on `trace_id`; the tables and wishes of what reads them."""

    condition: str
    parameters: list[object]
    tables: tuple[str, ...] = (SPANS, TRACE_RUNS)
    wishes: Wishes = field(default_factory=dict)  # pyright: ignore[reportUnknownVariableType]

    @property
    def twice(self) -> list[object]:
        """Return the parameters of `calls_among`."""
        return self.parameters * 2


def listed_traces(traces: Sequence[str]) -> Traces:
    """Return some traces, at least one, by their ids."""
    wishes = {"spans": one_of("trace_id", traces), "trace_runs": one_of("trace_id", traces)}
    return Traces(f"trace_id IN ({marks(traces)})", [*traces], wishes=wishes)


TOTALS = (
    "count(*) AS calls, sum(input_tokens)::BIGINT AS input_tokens, sum(output_tokens)::BIGINT AS output_tokens, "
    "sum(cost_usd) AS cost_usd, count(cost_usd) AS priced_calls"
)

NONE = Usage(0, None, None, None, 0)


def calls_among(traces: str, *more: str) -> str:
    """Return common table expressions: `picked`, the spans of some traces, and `calls`, their `model_calls`.

    `picked` has the columns of `model_calls`, what its view needs, and `more`. The views look at one trace at a time,
    so over whole traces they say the same as over all of them: this is their own text, over fewer rows.

    Args:
        traces: a condition on `trace_id`. Its parameters are to be given twice.
        more: columns of `spans`.
    """
    views = views_over_files()
    sole = f"SELECT trace_id, {SOLE_RUN} FROM {TRACE_RUNS} WHERE {traces} GROUP BY trace_id"
    spans = (
        views["spans"]
        .replace("internal.current_spans s", f"(SELECT * FROM {SPANS} WHERE {traces}) s")
        .replace("internal.trace_run t", f"({sole}) t")
    )
    calls = views["model_calls"].replace("main.spans", "picked").replace("internal.current_spans", "picked")
    columns = ", ".join((*_COLUMNS, *more))
    return f"picked AS MATERIALIZED (SELECT {columns} FROM ({spans})), calls AS ({calls})"


def traces_of(read: Reader, runs: Members) -> Traces | None:
    """Return where the spans of some runs can be; None: nowhere."""
    named = f"SELECT trace_id FROM {TRACE_RUNS} WHERE run_id IN ({runs.sql})"
    own = runs.like_traces(TRACE_DIGITS)
    sql = f"{named} UNION {own[0]}" if own else named
    parameters = [*runs.parameters, *(own[1] if own else ())]
    found = read.rows(
        f"SELECT DISTINCT trace_id FROM ({sql}) LIMIT {_LISTED_TRACES + 1}",
        parameters,
        tables=[TRACE_RUNS],
        wishes={"trace_runs": runs.wish("run_id")},
    )
    if not found:
        return None
    if len(found) > _LISTED_TRACES:
        return Traces(f"trace_id IN ({sql})", parameters)
    return listed_traces([row["trace_id"] for row in found])


# The view `model_calls`, by 64-bit hashes of span ids, which join twice as fast as the texts: of a million spans two
# meet once in thirty million questions.
_BETWEEN = f"""
WITH RECURSIVE span AS MATERIALIZED (
    SELECT start_time, hash(trace_id, span_id) AS me, hash(trace_id, parent_span_id) AS up,
           parent_span_id IS NULL AS top, type IN ('llm', 'embedding') AS is_call, input_tokens, output_tokens, cost_usd
    FROM {SPANS} WHERE start_time >= make_timestamptz({{0}}) AND start_time < make_timestamptz({{2}})),
above(me, levels) AS (
    SELECT DISTINCT up, 1 FROM span
    WHERE is_call AND NOT top AND coalesce(input_tokens, output_tokens, cost_usd) IS NOT NULL
    UNION
    SELECT s.up, a.levels + 1 FROM above a JOIN span s USING (me) WHERE NOT s.top AND a.levels < 1000)
SELECT start_time >= make_timestamptz({{1}}) AS now, {TOTALS} FROM span ANTI JOIN above USING (me)
WHERE is_call AND start_time < make_timestamptz({{3}}) GROUP BY now"""


_LEAVES = f"""
SELECT c.start_time >= make_timestamptz({{1}}) AS now, {TOTALS}, count(p.up) AS above
FROM {SPANS} c LEFT JOIN (
    SELECT DISTINCT hash(parent_span_id) AS up FROM {SPANS}
    WHERE parent_span_id IS NOT NULL AND start_time >= make_timestamptz({{0}}) AND start_time < make_timestamptz({{2}})
) p ON p.up = hash(c.span_id)
WHERE type IN ('llm', 'embedding')
AND c.start_time >= make_timestamptz({{0}}) AND c.start_time < make_timestamptz({{3}}) GROUP BY now"""
"""The same where no call is above another span, which takes half as long and says itself whether it holds."""


def before_and_now(read: Reader, before: int, start: int, end: int) -> tuple[Usage, Usage]:
    """Return the usage of the calls that began from `before` to `start`, and from there to `end`, which is not in it.

    Times are microseconds since 1970. A call that repeats the usage of calls below it is told by those of the time and
    of the day after it.
    """
    until = end + _LATER_US
    found: list[dict[str, Any]] = []
    for sql in (_LEAVES, _BETWEEN):
        found = read.rows(
            sql.format(before, start, until, end),
            tables=[SPANS],
            wishes={"spans": [[Between("start_time", before, until)]]},
        )
        if not sum(row.pop("above", 0) for row in found):
            break
    sides = {row.pop("now"): Usage(**row) for row in found}
    return sides.get(False, NONE), sides.get(True, NONE)


def by_run(read: Reader, runs: Members) -> dict[str, Usage]:
    """Return the usage of each run that has any."""
    among = traces_of(read, runs)
    if among is None:
        return {}
    found = read.rows(
        f"WITH {calls_among(among.condition)} SELECT run_id, {TOTALS} FROM calls WHERE run_id IN ({runs.sql}) "
        f"GROUP BY run_id",
        [*among.twice, *runs.parameters],
        tables=among.tables,
        wishes=among.wishes,
    )
    return {row.pop("run_id"): Usage(**row) for row in found}


def by_session(read: Reader, runs: Members) -> dict[tuple[str, str], Usage]:
    """Return the usage of each session of the member table that has any."""
    among = traces_of(read, runs)
    if among is None:
        return {}
    found = read.rows(
        f"WITH {calls_among(among.condition)} SELECT m.session_key, m.session_id, {TOTALS} "
        f"FROM calls c JOIN temp.drill_member m ON m.run_id = c.run_id GROUP BY ALL",
        among.twice,
        tables=among.tables,
        wishes=among.wishes,
    )
    return {(row.pop("session_key"), row.pop("session_id")): Usage(**row) for row in found}
