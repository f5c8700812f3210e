"""`GET /v1/runs/{id}/payload`: one input, output or error as a whole, of a run, a step or a span."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from queries.drill import usage
from queries.drill.bodies import WholePayload
from queries.drill.members import listed
from queries.drill.reading import one_of
from queries.parameters import Parameter
from warehouse.errors import InputError, NotFoundError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from queries.drill.reading import Reader

PARAMETERS = (
    Parameter("id", "text", required=True),
    Parameter("of", "text", required=True, choices=("input", "output", "error")),
    Parameter("step", "text", required=False),
    Parameter("loop", "integer", required=False),
    Parameter("attempt", "integer", required=False),
    Parameter("span", "text", required=False),
    Parameter("trace", "text", required=False),
)

_NEEDED = {"loop": "step", "attempt": "step", "trace": "span"}
"""An option that says nothing without another."""

_OF_SPAN = {"input": "input", "output": "output", "error": "status_message"}


def whole(read: Reader, given: Mapping[str, Any]) -> WholePayload:
    """Return a payload. Of a step: its newest attempt, unless `attempt` (and for loops `loop`) says which.

    Raises:
        NotFoundError: there is no such run, step or span.
        InputError: both a step and a span are asked for, or several spans of the run have the id.
    """
    if given.get("step") is not None and given.get("span") is not None:
        raise InputError("step and span are both given, at most one of them can be")
    for name, other in _NEEDED.items():
        if given.get(name) is not None and given.get(other) is None:
            raise InputError(f"{name} is given without {other}, must come with it")
    if given.get("step") is not None:
        text = _of_step(read, given)
    elif given.get("span") is not None:
        text = _of_span(read, given)
    else:
        text = _of_run(read, given)
    return WholePayload(
        run_id=given["id"],
        of=given["of"],
        step=given.get("step"),
        span=given.get("span"),
        text=text,
        length=len(text or ""),
    )


def _of_run(read: Reader, given: Mapping[str, Any]) -> str | None:
    found = read.rows(
        f'SELECT "{given["of"]}"::VARCHAR AS text FROM runs WHERE id = ?',
        [given["id"]],
        tables=["runs"],
        wishes={"runs": one_of("id", [given["id"]])},
    )
    if not found:
        raise NotFoundError(f"no record of the run {shown(given['id'])} is here")
    return found[0]["text"]


def _of_step(read: Reader, given: Mapping[str, Any]) -> str | None:
    conditions = {"loop_index": given.get("loop"), "attempt": given.get("attempt")}
    asked = {name: value for name, value in conditions.items() if value is not None}
    more = "".join(f" AND {name} = ?" for name in asked)
    found = read.rows(
        f'SELECT "{given["of"]}"::VARCHAR AS text FROM step_attempts WHERE run_id = ? AND id = ?{more} '
        f"ORDER BY loop_index DESC, attempt DESC LIMIT 1",
        [given["id"], given["step"], *asked.values()],
        tables=["step_attempts"],
        wishes={"step_attempts": one_of("run_id", [given["id"]])},
    )
    if not found:
        raise NotFoundError(f"the run {shown(given['id'])} has no such attempt of a step {shown(given['step'])}")
    return found[0]["text"]


def _of_span(read: Reader, given: Mapping[str, Any]) -> str | None:
    among = usage.traces_of(read, listed([given["id"]]))
    found: list[dict[str, Any]] = []
    if among is not None:
        trace = given.get("trace")
        only, more = ("", []) if trace is None else (" AND trace_id = ?", [trace])
        found = read.rows(
            f"SELECT trace_id, {_OF_SPAN[given['of']]} AS text FROM spans "
            f"WHERE {among.condition} AND run_id = ? AND span_id = ?{only} ORDER BY trace_id LIMIT 2",
            [*among.parameters, given["id"], given["span"], *more],
            tables=("spans", *among.tables),
            wishes=among.wishes,
        )
    if not found:
        raise NotFoundError(f"the run {shown(given['id'])} has no span {shown(given['span'])}")
    if len(found) > 1:
        traces = " and ".join(row["trace_id"] for row in found)
        raise InputError(f"span is {shown(given['span'])}, which the traces {traces} have: say which with trace")
    return found[0]["text"]
