"""When a planned experiment ended: from then on its report stays as it is, however often it is asked.

A fixed test may be made once. So the end is a moment that the data alone decide, and the figures after it are those of
that moment: runs that started until the end, and what was scored once the last of them was mature.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from queries.experiments.cohort import assigned
from queries.experiments.observations import MATURITY_QUANTILE

if TYPE_CHECKING:
    from collections.abc import Callable

    from queries.experiments.cohort import Question
    from queries.experiments.metrics import Metric
    from queries.experiments.statements import Asker


@dataclass(frozen=True, slots=True)
class Horizon:
    """What the figures of a report are cut at; times are microseconds since 1970."""

    as_of: int
    """Scores that happened later do not count, and runs wait until then."""
    until: int
    """Runs that started later do not count."""
    maturity: int | None
    """Microseconds a run waits; None: to be observed."""
    by: Literal["planned_end", "planned_units"] | None = None
    """What ended the experiment; None while it runs."""


def horizon(ask: Asker, question: Question, metric: Callable[[int], Metric]) -> Horizon:
    """Return where the figures are cut: at the planned end once it is reached, else at `as_of`.

    The end is `planned_end`, or the moment in which the last of `planned_units` units came, whichever was first; it is
    reached when the runs that started by then are mature. Where no maturity is declared it is the one observed by the
    end itself, so that scores which come later move nothing. `metric` is what decides, as of a time.
    """
    options = question.options
    running = Horizon(options.as_of, options.as_of, options.maturity)
    ends: list[tuple[int, Literal["planned_end", "planned_units"]]] = []
    if options.planned_end is not None and options.planned_end <= options.as_of:
        ends.append((options.planned_end, "planned_end"))
    if options.planned_units is not None and (full := _full(ask, question, options.planned_units)) is not None:
        ends.append((full, "planned_units"))
    if not ends:
        return running
    end, by = min(ends)
    wait = options.maturity
    if wait is None:
        wait = _observed(ask, replace(question, until=end), metric(end))
    if wait is None:  # every score came after the end
        wait = _observed(ask, replace(question, until=end), metric(options.as_of))
    if wait is None or options.as_of < end + wait:
        return running
    return Horizon(end + wait, end, wait, by)


def _full(ask: Asker, question: Question, units: int) -> int | None:
    """Return when the last of so many units came; None when there are fewer."""
    found = ask.table(
        lambda put: (
            f"""WITH {assigned(question, put)}
SELECT min(started) AS first_at FROM assigned GROUP BY unit ORDER BY first_at LIMIT 1 OFFSET {units - 1}"""
        )
    )
    return found["first_at"][0].as_py() if len(found) else None


def _observed(ask: Asker, question: Question, own: Metric) -> int | None:
    """Return the 99 % quantile of the delays of scores."""
    found = ask.table(
        lambda put: (
            f"""WITH {assigned(question, put)}
SELECT quantile_disc(delay, {MATURITY_QUANTILE}) AS wait FROM (
    SELECT greatest(coalesce(epoch_us(max(m.happened_at)), 0) - any_value(a.started), 0) AS delay
    FROM assigned a JOIN ({own.query(put)}
    ) m ON m.run_id = a.run_id WHERE m.value IS NOT NULL GROUP BY a.run_id)"""
        )
    )
    return found["wait"][0].as_py()
