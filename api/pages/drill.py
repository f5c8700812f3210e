"""The drill-down pages: bodies of `/v1/sessions`, `/v1/runs` and `/v1/traces` in, HTML documents out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from api.pages.body import entries, inside
from api.pages.numbers import DASH, finite, number
from api.pages.render import PAGES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from api.pages.body import Body

_SECOND, _MINUTE, _HOUR = 1_000.0, 60_000.0, 3_600_000.0
_THINNEST = 0.2
"""Percent of the width below which a bar would not be seen."""

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


def run_path(run_id: str) -> str:
    """Return the address of a run's page; an id may hold any character, `/` included."""
    return f"/runs/{quote(run_id, safe='')}"


def trace_path(trace_id: str) -> str:
    """Return the address of a trace's page."""
    return f"/traces/{quote(trace_id, safe='')}"


def session_path(key: str, id_: str) -> str:
    """Return the address of a session's page."""
    return f"/sessions/{quote(key, safe='')}/{quote(id_, safe='')}"


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of a waterfall: from where to where its bar goes, in percent of the width."""

    row: Body
    start: float
    width: float
    tone: str


def waterfall(rows: Sequence[Body], whole_ms: object = None) -> list[Bar]:
    """Return rows with `start_offset_ms` and `duration_ms` as bars; the width is `whole_ms`, or what they need."""
    ends = [(finite(row.get("start_offset_ms")) or 0.0) + (finite(row.get("duration_ms")) or 0.0) for row in rows]
    whole = max([finite(whole_ms) or 0.0, *ends], default=0.0) or 1.0
    return [_bar(row, whole) for row in rows]


def _bar(row: Body, whole: float) -> Bar:
    start = min(max((finite(row.get("start_offset_ms")) or 0.0) / whole * 100, 0.0), 100.0 - _THINNEST)
    width = (finite(row.get("duration_ms")) or 0.0) / whole * 100
    tone = "bad" if TONES.get(str(row.get("status"))) == "bad" else str(row.get("type") or "other")
    return Bar(row, round(start, 3), round(min(max(width, _THINNEST), 100.0 - start), 3), tone)


def _next(path: str, asked: Mapping[str, str], cursor: object) -> str | None:
    """Return the address of the next page of what was asked for."""
    return f"{path}?{urlencode({**asked, 'cursor': cursor})}" if isinstance(cursor, str) else None


def _render(template: str, **parts: Any) -> str:
    return PAGES.get_template(template).render(
        **parts,
        duration=duration,
        dollars=dollars,
        tones=TONES,
        run_path=run_path,
        trace_path=trace_path,
        session_path=session_path,
    )


def runs(body: Body, asked: Mapping[str, str]) -> str:
    """Return the list of runs; `asked` are the parameters of the page, as given."""
    given = {name: value for name, value in asked.items() if name != "cursor"}
    return _render("runs.html", body=body, asked=asked, older=_next("/runs", given, body.get("next")))


def run(body: Body, asked: Mapping[str, str]) -> str:
    """Return the page of one run."""
    own = inside(body, "run")
    path = run_path(str(own.get("id")))
    return _render(
        "run.html",
        body=body,
        run=own,
        steps=waterfall([_spanning(step) for step in entries(body, "steps")], own.get("duration_ms")),
        spans=waterfall(entries(body, "spans"), own.get("duration_ms")),
        more=_next(path, {k: v for k, v in asked.items() if k != "cursor"}, body.get("next")),
        payload=f"/v1{path}/payload",
    )


def _spanning(step: Body) -> Body:
    """Return a step with the time from its first attempt to the end of its last."""
    attempts = entries(step, "attempts")
    return {**step, "duration_ms": sum(finite(attempt.get("duration_ms")) or 0.0 for attempt in attempts) or None}


def trace(body: Body, asked: Mapping[str, str]) -> str:
    """Return the page of one trace."""
    path = trace_path(str(body.get("trace_id")))
    given = {name: value for name, value in asked.items() if name != "cursor"}
    bars = waterfall(entries(body, "spans"), body.get("duration_ms"))
    return _render("trace.html", body=body, spans=bars, more=_next(path, given, body.get("next")))


def sessions(body: Body, asked: Mapping[str, str]) -> str:
    """Return the list of sessions."""
    given = {name: value for name, value in asked.items() if name != "cursor"}
    return _render("sessions.html", body=body, asked=asked, older=_next("/sessions", given, body.get("next")))


def session(body: Body, asked: Mapping[str, str]) -> str:
    """Return the page of one session."""
    own = inside(body, "session")
    path = session_path(str(own.get("key")), str(own.get("id")))
    given = {name: value for name, value in asked.items() if name != "cursor"}
    return _render("session.html", body=body, session=own, more=_next(path, given, body.get("next")))
