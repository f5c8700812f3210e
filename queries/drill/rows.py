"""Ids of runs -> their rows in lists, with scores, variants and usage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from queries.drill import usage
from queries.drill.bodies import Assigned, Payload, RunRow, ScoreMean, Usage
from queries.drill.members import listed
from queries.drill.said import run_scores, run_variants, said_of
from queries.drill.standing import runs_among

if TYPE_CHECKING:
    from collections.abc import Sequence

    from queries.drill.reading import Reader

SHORTENED = 2_000
"""Characters that are shown of a long text."""

_PLAIN = (
    *("app_id", "function_id", "status", "environment", "release", "user_id", "trace_id", "parent_run_id"),
    *("triggering_event_name", "queued_at", "started_at", "ended_at", "duration_ms"),
)
RUN_COLUMNS = ", ".join(("id", *_PLAIN))


def shortened(column: str, characters: int = SHORTENED) -> str:
    """Return the two columns of a text's beginning and length."""
    text = f'"{column}"::VARCHAR'
    return f'left({text}, {characters}) AS "{column}", length({text}) AS "{column}_length"'


def payload(row: dict[str, Any], column: str) -> Payload | None:
    """Take a shortened text out of a row."""
    text, length = row.pop(column, None), row.pop(f"{column}_length", None)
    return None if text is None else Payload(text, length)


def run_rows(read: Reader, run_ids: Sequence[str]) -> dict[str, RunRow]:
    """Return a row of each run, also of one without a record. In lists only; no more than a page of them."""
    if not run_ids:
        return {}
    runs = listed(run_ids)
    source, parameters, table = runs_among(read, runs)
    found = read.rows(
        f"SELECT {RUN_COLUMNS}, {shortened('error', 200)} FROM {source}",
        parameters,
        tables=[table],
        wishes={"runs": runs.wish("id")},
    )
    records = {row["id"]: row for row in found}
    with said_of(read, runs) as said:
        scores, variants = run_scores(read, said), run_variants(read, said)
    used = usage.by_run(read, runs)
    return {
        id_: run_row(
            records.get(id_, {"id": id_}), scores.get(id_, []), variants.get(id_, []), used.get(id_, usage.NONE)
        )
        for id_ in run_ids
    }


def run_row(record: dict[str, Any], scores: list[ScoreMean], variants: list[Assigned], used: Usage) -> RunRow:
    """Return a run's row of the columns `RUN_COLUMNS` and a shortened error; those it lacks are null."""
    error = payload(record, "error")
    plain = {name: record.get(name) for name in _PLAIN}
    return RunRow(id=record["id"], **plain, error=error, scores=scores, assignments=variants, usage=used)
