"""The steps of a run, each with its attempts and scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from queries.drill.bodies import Attempt, Step
from queries.drill.reading import one_of
from queries.drill.rows import payload, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from queries.drill.bodies import Score
    from queries.drill.reading import Reader

MOST_ATTEMPTS = 5_000
"""Attempts of a run's steps that are shown."""

SHORTENED = 500
"""Characters that are shown of a step's input, output and error."""

_TEXTS = ("input", "output", "error")
_BEGAN = "coalesce(epoch_us(queued_at), epoch_us(started_at), epoch_us(ended_at))"


def steps_of(read: Reader, run_id: str, scores: Sequence[Score], zero_us: int | None) -> tuple[list[Step], bool]:
    """Return the steps of a run in the order in which they began, and whether there are more attempts than shown.

    Args:
        read: what asks.
        run_id: the run.
        scores: the scores on its steps; one on a step that is repeated stands at each repetition.
        zero_us: when the run began, microseconds since 1970; without one, offsets are from the first step.
    """
    found = read.rows(
        f"SELECT id, loop_index, name, type, attempt, status, queued_at, started_at, ended_at, duration_ms, "
        f"{_BEGAN} AS began_us, {', '.join(shortened(column, SHORTENED) for column in _TEXTS)} "
        f"FROM step_attempts WHERE run_id = ? "
        f"ORDER BY began_us NULLS LAST, id, loop_index, attempt LIMIT {MOST_ATTEMPTS + 1}",
        [run_id],
        tables=["step_attempts"],
        wishes={"step_attempts": one_of("run_id", [run_id])},
    )
    grouped: dict[tuple[str, int | None], list[dict[str, Any]]] = {}
    for row in found[:MOST_ATTEMPTS]:
        grouped.setdefault((row["id"], row["loop_index"]), []).append(row)
    began: list[int] = [row["began_us"] for row in found if row["began_us"] is not None]
    zero = zero_us if zero_us is not None else min(began, default=None)
    by_step: dict[str | None, list[Score]] = {}
    for score in scores:
        by_step.setdefault(score.step_id, []).append(score)
    steps = [_step(rows, zero, by_step.get(id_, [])) for (id_, _), rows in grouped.items()]
    return steps, len(found) > MOST_ATTEMPTS


def _step(rows: list[dict[str, Any]], zero: int | None, scores: list[Score]) -> Step:
    rows = sorted(rows, key=lambda row: row["attempt"] or 0)
    newest = rows[-1]
    began = min((row["began_us"] for row in rows if row["began_us"] is not None), default=None)
    return Step(
        id=newest["id"],
        loop_index=newest["loop_index"],
        name=newest["name"],
        type=newest["type"],
        status=newest["status"],
        start_offset_ms=None if began is None or zero is None else (began - zero) / 1000,
        attempts=[_attempt(row) for row in rows],
        scores=scores,
    )


_ATTEMPT = ("attempt", "status", "queued_at", "started_at", "ended_at", "duration_ms")


def _attempt(row: dict[str, Any]) -> Attempt:
    plain: dict[str, Any] = {name: row[name] for name in _ATTEMPT}
    return Attempt(**plain, input=payload(row, "input"), output=payload(row, "output"), error=payload(row, "error"))
