"""Drill-down: sessions, runs, traces and scores, from raw rows, a page at a time (DESIGN section 5).

`QUESTIONS` has what can be asked; `answer` answers one over a state of a workspace with a body of `bodies`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from queries.drill import overview, payload, run, runs, scores, session, sessions, trace
from queries.drill.reading import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from queries.parameters import Parameter
    from warehouse.reading import ReadEngine


@dataclass(frozen=True, slots=True)
class Question:
    """What can be asked: its parameters, and what answers it."""

    parameters: tuple[Parameter, ...]
    answer: Callable[[Reader, Mapping[str, Any]], object]


QUESTIONS: dict[str, Question] = {
    "overview": Question(overview.PARAMETERS, overview.overview),
    "sessions": Question(sessions.PARAMETERS, sessions.sessions),
    "session": Question(session.PARAMETERS, session.session),
    "runs": Question(runs.PARAMETERS, runs.runs),
    "run": Question(run.PARAMETERS, run.run),
    "payload": Question(payload.PARAMETERS, payload.whole),
    "trace": Question(trace.PARAMETERS, trace.trace),
    "score": Question(scores.PARAMETERS, scores.score),
}


def answer(engine: ReadEngine, name: str, given: Mapping[str, Any]) -> object:
    """Return the body of an answer.

    Args:
        engine: a state of a workspace.
        name: one of `QUESTIONS`.
        given: the value of each of its parameters (`queries.parameters.values`).

    Raises:
        InputError: a value is out of its bounds, or a cursor is not of this list.
        NotFoundError: what is asked about is not here.
    """
    return QUESTIONS[name].answer(Reader(engine), given)
