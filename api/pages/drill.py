"""The drill-down pages: bodies of the JSON routes in, HTML documents out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlencode

import msgspec

from api.pages import behind, conversation, plots, timeline
from api.pages.body import entries, inside
from api.pages.frame import NOBODY
from api.pages.numbers import DASH, finite, number
from api.pages.render import PAGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.pages.body import Body
    from api.pages.frame import Frame

_SECOND, _MINUTE, _HOUR = 1_000.0, 60_000.0, 3_600_000.0
TONES: Mapping[str, str] = {
    "Completed": "good",
    "OK": "good",
    "Failed": "bad",
    "Errored": "bad",
    "ERROR": "bad",
    "Cancelled": "warn",
    "Running": "info",
    "Queued": "neutral",
    "waiting": "info",
    "matched": "good",
    "timed_out": "warn",
}
"""Status -> the tone it is shown in; another status is neutral."""


def duration(ms: object) -> str:
    """Return a duration of the API (milliseconds) as people say it: `230 ms`, `4.21 s`, `3 min 20 s`, `2 h 05 min`."""
    value = finite(ms)
    if value is None:
        return DASH
    if value < _SECOND:
        return f"{number(round(value) if value >= 10 else value)} ms"  # noqa: PLR2004 - below, decimals tell
    if value < _MINUTE:
        return f"{number(value / _SECOND)} s"
    if value < _HOUR:
        return f"{int(value // _MINUTE)} min {int(value % _MINUTE // _SECOND):02} s"
    return f"{number(int(value // _HOUR))} h {int(value % _HOUR // _MINUTE):02} min"


def dollars(cost: object) -> str:
    """Return a cost in US dollars: `$0.0042`, `$12.30`."""
    value = finite(cost)
    if value is None:
        return DASH
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${number(value)}"


def wrong(error: object) -> str:
    """Return an error as one reads it: `TimeoutError: the model did not answer`, out of JSON where it has such fields.

    Args:
        error: `Payload` of the drill-down, or a text.
    """
    text = str(inside({"error": error}, "error").get("text") or "") if isinstance(error, dict) else str(error or "")
    try:
        found: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return text
    if isinstance(found, str):
        return found
    told = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    message = told.get("message") or told.get("error")
    if not isinstance(message, str):
        return text
    name = told.get("name") or told.get("type")
    return f"{name}: {message}" if isinstance(name, str) and name not in message else message


def run_path(run_id: str) -> str:
    """Return the address of a run's page; an id may hold any character, `/` included."""
    return f"/runs/{quote(run_id, safe='')}"


def trace_path(trace_id: str) -> str:
    """Return the address of a trace's page."""
    return f"/traces/{quote(trace_id, safe='')}"


def session_path(key: str, id_: str) -> str:
    """Return the address of a session's page."""
    return f"/sessions/{quote(key, safe='')}/{quote(id_, safe='')}"


def score_path(name: str) -> str:
    """Return the address of a score's page."""
    return f"/scores/{quote(name, safe='')}"


def shared() -> dict[str, Any]:
    """Return what the templates of the drill-down use: how things are said, and where they stand."""
    return {
        "duration": duration,
        "dollars": dollars,
        "tones": TONES,
        "run_path": run_path,
        "trace_path": trace_path,
        "session_path": session_path,
        "score_path": score_path,
        "turns": conversation.turns,
        "wrong": wrong,
    }


def _next(path: str, asked: Mapping[str, str], cursor: object) -> str | None:
    """Return the address of the next page of what was asked for."""
    return f"{path}?{urlencode({**asked, 'cursor': cursor})}" if isinstance(cursor, str) else None


def _render(template: str, frame: Frame, asked: Mapping[str, str], **parts: Any) -> str:
    kept = {name: value for name, value in asked.items() if name != "cursor"}
    return PAGES.get_template(template).render(
        **parts,
        **shared(),
        frame=frame,
        asked=asked,
        is_first="cursor" not in asked,
        following=partial(_next, frame.path, kept | frame.period.query()),
    )


def runs(body: Body, asked: Mapping[str, str], frame: Frame = NOBODY) -> str:
    """Return the list of runs; `asked` are the parameters of the page, as given."""
    return _render("runs.html", frame, asked, body=body, filtered=bool(set(asked) - {"order", "limit", "cursor"}))


def run(body: Body, asked: Mapping[str, str], frame: Frame = NOBODY) -> str:
    """Return the page of one run; a later page of its spans shows these alone."""
    own = inside(body, "run")
    steps = [] if "cursor" in asked else entries(body, "steps")
    return _render(
        "run.html",
        frame,
        asked,
        body=body,
        run=own,
        rows=timeline.rows(steps, entries(body, "spans"), own.get("duration_ms")),
        step_names={step.get("id"): step.get("name") or step.get("id") for step in entries(body, "steps")},
        payload=f"/v1{run_path(str(own.get('id')))}/payload",
        query=behind.of_run(str(own.get("id"))),
    )


def trace(body: Body, asked: Mapping[str, str], frame: Frame = NOBODY) -> str:
    """Return the page of one trace."""
    return _render(
        "trace.html",
        frame,
        asked,
        body=body,
        rows=timeline.rows([], entries(body, "spans"), body.get("duration_ms")),
        query=behind.of_trace(str(body.get("trace_id"))),
    )


def sessions(body: Body, asked: Mapping[str, str], frame: Frame = NOBODY) -> str:
    """Return the list of sessions."""
    return _render("sessions.html", frame, asked, body=body)


def session(body: Body, asked: Mapping[str, str], frame: Frame = NOBODY) -> str:
    """Return the page of one session."""
    own = inside(body, "session")
    query = behind.of_session(str(own.get("key")), str(own.get("id")))
    return _render("session.html", frame, asked, body=body, session=own, query=query)


def scores(body: Body, frame: Frame = NOBODY) -> str:
    """Return the list of score names; the body of `GET /v1/scores`."""
    return _render("scores.html", frame, {}, scores=entries(body, "scores"))


def score(body: Body, asked: Mapping[str, str], frame: Frame = NOBODY) -> str:
    """Return the page of one score."""
    trend = entries(body, "trend")
    days = [(str(day.get("day")), day.get("mean")) for day in trend]
    return _render(
        "score.html",
        frame,
        asked,
        body=body,
        distribution=plots.columns([_bin(one) for one in entries(body, "distribution")]),
        trend=plots.line(days),
        daily=plots.columns(
            [(str(day.get("day")), f"{day.get('day')}: {number(day.get('n'))}", day.get("n"), 0) for day in trend]
        ),
        query=behind.of_score(str(body.get("name"))),
    )


def _bin(one: Body) -> tuple[str, str, object, object]:
    label = one.get("label")
    name = str(label) if label is not None else f"{number(one.get('low'))} to {number(one.get('high'))}"
    return name, f"{name}: {number(one.get('n'))}", one.get("n"), 0
