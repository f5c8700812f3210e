"""The forms a report is answered in: chosen by `format` or Accept, drawn from the report's JSON."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import msgspec
import structlog

from api.accept import by_preference
from api.drawing.pool import Drawings
from api.pages import markdown, render, specs
from warehouse.errors import InputError, UpshotError, did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

log = structlog.get_logger("reports")

MEDIA_TYPES = {
    "json": "application/json",
    "html": "text/html; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "vega": "application/json",
}
"""Every format of a report; vega is the specification of the chart that svg and png are drawn from."""

_ACCEPTED = {
    "application/json": "json",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/markdown": "md",
    "image/svg+xml": "svg",
    "image/png": "png",
    "*/*": "json",
    "application/*": "json",
    "text/*": "html",
    "image/*": "svg",
}

_CHARTS = ("svg", "png", "vega")
"""The formats that are one chart."""

DEFAULT_CHART = "effects"


def _one_of(name: str, value: str, known: tuple[str, ...]) -> InputError:
    message = f"{name} is {shown(value)}, must be one of {', '.join(known)}"
    return InputError(message, hint=did_you_mean(value, known))


def form_of(accept: str, form: str | None, chart: str | None) -> tuple[str, str]:
    """Return the format of the answer and its chart: `form` when there is one, else the best that Accept names.

    Raises:
        InputError: `bad_parameter`: there is no such format or chart, or the format has no chart to choose.
    """
    if form is None:
        liked = by_preference(accept) if accept.strip() else ["*/*"]
        form = next((_ACCEPTED[name] for name in liked if name in _ACCEPTED), None)
        if form is None:
            raise InputError(f"Accept is {shown(accept)}, and reports are one of {', '.join(_ACCEPTED)}")
    if form not in MEDIA_TYPES:
        raise _one_of("format", form, tuple(MEDIA_TYPES))
    if chart is not None and form not in _CHARTS:
        raise InputError(
            f"chart is {shown(chart)}, and format={form} has no chart to choose", hint="ask for svg or png"
        )
    if chart is not None and chart not in specs.CHARTS:
        raise _one_of("chart", chart, tuple(specs.CHARTS))
    return form, chart or DEFAULT_CHART


def _drawings(request: Request) -> Drawings:
    """Return the server's drawings, made at first use; their process ends with the server."""
    state = request.app.state
    if not hasattr(state, "drawings"):
        state.drawings = Drawings()
    return cast("Drawings", state.drawings)


async def charts_of(request: Request, report: Mapping[str, Any]) -> dict[str, str]:
    """Return the charts of a report's page as SVG, by name; one that cannot be drawn is left out, and logged."""
    drawings = _drawings(request)

    async def drawn(name: str, spec: specs.Spec) -> tuple[str, str] | None:
        try:
            return name, (await drawings.draw(spec, "svg", specs.VERSION)).decode()
        except UpshotError as error:
            log.warning("chart_not_drawn", chart=name, code=error.code, reason=error.message)
            return None

    shown_ = render.charts_shown(report).items()
    return dict(filter(None, await asyncio.gather(*(drawn(name, spec) for name, spec in shown_))))


async def written(request: Request, body: bytes, form: str, chart: str) -> bytes:
    """Return a report, given as JSON, in another form.

    Raises:
        UpshotError: the chart that was asked for cannot be drawn.
    """
    if form == "json":
        return body
    report: dict[str, Any] = msgspec.json.decode(body)
    match form:
        case "html":
            return render.standalone(report, await charts_of(request, report)).encode()
        case "md":
            return markdown.markdown(report).encode()
        case "vega":
            return msgspec.json.encode(specs.chart(chart, report))
        case _:
            return await _drawings(request).draw(specs.chart(chart, report), cast("Any", form), specs.VERSION)
