"""`GET /v1/traces/{trace_id}`: a trace as a tree of rows, and its totals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from queries.drill.bodies import Trace, Usage
from queries.drill.options import PAGED, page_rows
from queries.drill.reading import one_of
from queries.drill.spans import PAGE_SPANS, TREE_SPANS, page_of
from queries.drill.usage import TOTALS, calls_among, listed_traces
from queries.parameters import Parameter
from warehouse.errors import NotFoundError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from queries.drill.reading import Reader

PARAMETERS = (Parameter("trace_id", "text", required=True), *PAGED)

_MOST_RUNS = 100

_TOTALS = f"""
SELECT (SELECT count(*) FROM picked) AS span_count, (SELECT min(start_time) FROM picked) AS start_time,
       (SELECT (epoch_us(max(end_time)) - epoch_us(min(start_time))) / 1000.0 FROM picked) AS duration_ms,
       (SELECT count(*) FROM picked WHERE status_code = 'ERROR') AS error_count,
       (SELECT list_sort(list(run_id)) FROM (
           SELECT DISTINCT run_id FROM picked WHERE run_id IS NOT NULL ORDER BY run_id LIMIT {_MOST_RUNS})) AS run_ids,
       {TOTALS}
FROM calls"""
_FACTS = ("span_count", "start_time", "duration_ms", "error_count")


def trace(read: Reader, given: Mapping[str, Any]) -> Trace:
    """Return a page of a trace's tree and the totals of the whole trace, which count leaf model calls only.

    Raises:
        NotFoundError: no span of the trace is here.
        InputError: an option is out of its bounds.
    """
    id_ = given["trace_id"]
    rows = page_rows(given, PAGE_SPANS, TREE_SPANS)
    among = listed_traces([id_])
    [found] = read.rows(
        f"WITH {calls_among(among.condition)} {_TOTALS}", among.twice, tables=among.tables, wishes=among.wishes
    )
    if not found["span_count"]:
        raise _not_found(read, id_)
    page = page_of(read, among, given.get("cursor"), rows)
    run_ids: list[str] = found.pop("run_ids") or []
    facts = {name: found.pop(name) for name in _FACTS}
    return Trace(
        trace_id=id_,
        run_ids=run_ids,
        **facts,
        usage=Usage(**found),
        spans=page.rows,
        tree_truncated=page.truncated,
        next=page.next,
    )


def _not_found(read: Reader, id_: str) -> NotFoundError:
    """Return the error for a trace that is not here, with the same id as OpenTelemetry writes it if that is here."""
    plain = id_.strip().lower().replace("-", "")
    near = plain != id_ and read.rows(
        "SELECT 1 AS here FROM spans WHERE trace_id = ? LIMIT 1",
        [plain],
        tables=["spans"],
        wishes={"spans": one_of("trace_id", [plain])},
    )
    return NotFoundError(
        f"no span of the trace {shown(id_)} is here", hint=f"did you mean {plain!r}?" if near else None
    )
