"""The charts of a report: pure functions from the report (DESIGN section 11) to a Vega-Lite specification.

Whatever a stranger named stands in `data.values` or in a title as plain text, never in an expression, a field name or
an address; there are no clips, gradients or other things with an id, so that several drawings can stand in one page.
Colours are told apart by lightness, shape and dash too, for grey print and for colour-blind readers (the palette of
Okabe and Ito 2008, darkened where a line would be too faint on white).
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from api.pages.body import Body, entries, inside, names
from api.pages.charts import Domain, axis_of, domain
from api.pages.checks import alpha, option
from api.pages.numbers import DASH, Scale, finite, interval, number, percent, probability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Spec = dict[str, Any]
"""A Vega-Lite specification, ready for JSON."""

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
VERSION = "6.4"
"""The Vega-Lite that draws the charts; `SCHEMA` names its language."""

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
"""Widths are measured with the first, which vl-convert carries; the others have the same ones."""

INK, MUTED, LINE, FAINT, GROUND = "#16181d", "#5a6170", "#c9ced6", "#e9ecf1", "#ffffff"
NEUTRAL, NAMED = "#474e5c", "#11693c"
DEEP, MIDDLE, PALE = "#1d4f91", "#86b1dc", "#dde6f1"
COURSES = (
    *(("#16181d", [1, 0]), ("#0072b2", [7, 3]), ("#c2470a", [2, 2]), ("#00795a", [9, 3, 2, 3]), ("#9c4f7c", [5, 2])),
    *(("#b07900", [1, 3]), ("#2b8fd0", [12, 3]), ("#6b7280", [4, 4])),
)
"""Colour and dash of each variant's line; the control has the first."""

WIDTH = 580
"""Pixels of the plot between the names on its left and the figures on its right."""
ROW = 30
COURSE_WIDTH = 960
FOREST_ROWS = 40
"""Rows of a forest plot; further ones are left to the table, and the subtitle says so."""
COURSE_DAYS = 400
"""Days of a course, counted from the newest; the subtitle says so when there are more."""

_DAY_TICKS = 9
_MOST_POINTS = 500
"""Days of lines beyond which their points would only be a thicker line."""
_LONGEST_NAME = 120
_LABEL = 230
"""Pixels of a name beside its row; a longer one ends in an ellipsis."""
_LARGEST = 1e150
"""Beyond it an axis would leave the range of doubles."""
_NOT_IN_XML = re.compile("[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(value: object) -> str:
    """Return a name as one line that XML can carry, cut after 120 characters."""
    plain = _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", " ".join(str(value).split()))
    return plain if len(plain) <= _LONGEST_NAME else f"{plain[:_LONGEST_NAME]}\N{HORIZONTAL ELLIPSIS}"


def _number(value: object) -> float | None:
    real = finite(value)
    return None if real is None or abs(real) > _LARGEST else real


def _ends(value: object) -> tuple[float, float] | None:
    ends = interval(value)
    return None if ends is None or max(map(abs, ends)) > _LARGEST else ends


def _layer(values: Iterable[Body], mark: Body, **channels: Any) -> Spec:
    return {"data": {"values": list(values)}, "mark": dict(mark), "encoding": channels}


def _at(pixel: float) -> Spec:
    return {"value": pixel}


def _rows(count: int) -> Spec:
    scale = {"domain": list(range(count)), "paddingInner": 0.0, "paddingOuter": 0.0}
    return {"field": "row", "type": "ordinal", "axis": None, "scale": scale}


def _chart(title: str, subtitle: Sequence[str], body: Spec) -> Spec:
    """Return a whole specification: the body under a title, in the one theme."""
    return {
        "$schema": SCHEMA,
        "background": GROUND,
        "padding": 10,
        "title": {"text": title, **({"subtitle": list(subtitle)} if subtitle else {})},
        **body,
        "config": {
            "aria": False,
            "font": FONT,
            "view": {"stroke": None},
            "title": {
                "anchor": "start",
                "frame": "bounds",
                "fontSize": 14,
                "fontWeight": 600,
                "color": INK,
                "subtitleColor": MUTED,
                "subtitleFontSize": 12,
                "subtitlePadding": 5,
                "offset": 12,
                "limit": 960,
            },
            "axis": {
                "domainColor": LINE,
                "tickColor": LINE,
                "gridColor": FAINT,
                "labelColor": MUTED,
                "labelFontSize": 11,
                "titleColor": MUTED,
                "titleFontSize": 12,
                "titleFontWeight": "normal",
                "titlePadding": 8,
            },
            "legend": {
                "orient": "top",
                "title": None,
                "labelColor": INK,
                "labelFontSize": 12,
                "labelLimit": 220,
                "symbolStrokeWidth": 2,
                "symbolSize": 300,
                "columnPadding": 18,
                "offset": 6,
            },
            "concat": {"spacing": 16},
        },
    }


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of a forest plot: its name, what stands beside it, and the figures, in the unit of the axis."""

    name: str
    value: float | None
    ends: tuple[float, float] | None
    far: tuple[float, float] | None
    figures: tuple[str, ...]
    named: bool = False


@dataclass(frozen=True, slots=True)
class _Subject:
    """What all parts of a report agree on: how the score is written and which way is better."""

    scale: Scale
    score: str
    factor: float
    higher_is_better: bool
    confidence: str
    margin: float | None

    @property
    def unit(self) -> str:
        return ", percentage points" if self.scale.kind == "boolean" else ""

    def places(self, value: object) -> float | None:
        real = _number(value)
        return None if real is None else real * self.factor

    def span(self, value: object) -> tuple[float, float] | None:
        ends = _ends(value)
        return None if ends is None else (ends[0] * self.factor, ends[1] * self.factor)

    def figures(self, entry: Body, alike: Sequence[Body]) -> tuple[str, str]:
        """Return difference and interval of an entry, written like those around it."""
        scale = self.scale.fitted(other.get("ci") for other in alike)
        return scale.difference(entry.get("difference")), scale.difference_interval(entry.get("ci"))


def _subject(report: Body) -> _Subject:
    kind = report.get("kind")
    return _Subject(
        Scale(str(kind) if kind else None),
        text(report.get("score") or "score"),
        100.0 if kind == "boolean" else 1.0,
        option(report, "higher_is_better") is not False,
        f"{100 * (1 - alpha(report)):g}%",
        _number(option(report, "margin")),
    )


def _axis_of(lines: Sequence[_Line]) -> Domain | None:
    near = [value for line in lines for value in (line.value, *(line.ends or ())) if value is not None]
    return axis_of(near, [end for line in lines for end in line.far or ()])


def _forest(
    lines: Sequence[_Line],
    axis: Domain,
    subject: _Subject,
    heads: Sequence[str],
    *,
    is_first: bool = True,
    is_last: bool = True,
) -> Spec:
    """Return the body of a forest plot: names, marks on one axis that contains zero, figures in columns.

    Of several below one another the first says what the columns are, and the last what the axis is.
    """
    y, x_scale = _rows(len(lines)), {"domain": [axis.low, axis.high], "nice": False, "zero": False}

    bottom = {
        "format": "+,.6~g",
        "labelExpr": "datum.value === 0 ? '0' : datum.label",
        "tickCount": 6,
        "grid": True,
        "title": f"difference in {subject.score}{subject.unit}" if is_last else None,
        "titleLimit": WIDTH,
    }

    def x(field: str) -> Spec:
        return {"field": field, "type": "quantitative", "scale": x_scale, "axis": bottom}

    layers = [_layer([{"at": 0}], {"type": "rule", "color": INK, "strokeWidth": 1}, x=x("at"))]
    if subject.margin:
        margin = subject.margin * subject.factor
        band = {"low": max(-margin, axis.low), "high": min(margin, axis.high)}
        mark = {"type": "rect", "color": PALE, "opacity": 0.7}
        layers.insert(0, _layer([band], mark, x=x("low"), x2={"field": "high"}))
    pairs = list(enumerate(lines))
    sequences = [
        {"row": row, "low": max(line.far[0], axis.low), "high": min(line.far[1], axis.high)}
        for row, line in pairs
        if line.far
    ]
    layers.append(
        _layer(sequences, {"type": "rule", "color": NEUTRAL, "strokeWidth": 1}, y=y, x=x("low"), x2={"field": "high"})
    )
    cut = [
        {"row": row, "at": edge, "turn": turn}
        for row, line in pairs
        if line.far
        for beyond, edge, turn in ((line.far[0] < axis.low, axis.low, -90), (line.far[1] > axis.high, axis.high, 90))
        if beyond
    ]
    arrow = {"type": "point", "shape": "triangle", "filled": True, "size": 36, "color": NEUTRAL, "opacity": 1}
    layers += [
        _layer([c for c in cut if c["turn"] == turn], {**arrow, "angle": turn}, y=y, x=x("at")) for turn in (-90, 90)
    ]
    for named, colour, shape, size in ((False, NEUTRAL, "circle", 70), (True, NAMED, "diamond", 110)):
        own = [(row, line) for row, line in pairs if line.named is named]
        bars = [{"row": row, "low": line.ends[0], "high": line.ends[1]} for row, line in own if line.ends]
        points = [{"row": row, "at": line.value} for row, line in own if line.value is not None]
        bar = {"type": "rule", "color": colour, "strokeWidth": 4, "strokeCap": "round"}
        point = {"type": "point", "shape": shape, "filled": True, "size": size, "color": colour, "opacity": 1}
        layers.append(_layer(bars, bar, y=y, x=x("low"), x2={"field": "high"}))
        layers.append(_layer(points, {**point, "stroke": GROUND, "strokeWidth": 1.5}, y=y, x=x("at")))
        layers += _words(own, y, _FIGURES)
    better, worse = ("better →", "← worse") if subject.higher_is_better else ("worse →", "← better")
    if is_first:
        layers += _headings([(0, "left", worse), (WIDTH, "right", better)]) + _heads(heads, _FIGURES)
    layers.append(_room(lines, _FIGURES[len(heads) - 1]))
    return {"width": WIDTH, "height": {"step": ROW}, "layer": [layer for layer in layers if layer["data"]["values"]]}


_FIGURES = (WIDTH + 92, WIDTH + 240, WIDTH + 300)
"""Right ends of the columns beside a forest plot: a difference, its interval, units."""
_COUNTS = (WIDTH + 80, WIDTH + 160, WIDTH + 240)
"""Right ends of three columns of counts."""


def _words(own: Sequence[tuple[int, _Line]], y: Spec, columns: Sequence[int]) -> list[Spec]:
    """Return the names left of the rows and the figures right of them."""
    plain = {"type": "text", "baseline": "middle", "align": "right"}
    said = {"field": "words", "type": "nominal"}
    layers: list[Spec] = []
    for named, weight in ((False, "normal"), (True, "bold")):
        rows = [(row, line) for row, line in own if line.named is named]
        name = {**plain, "color": INK, "fontSize": 13, "fontWeight": weight, "limit": _LABEL}
        layers.append(
            _layer([{"row": row, "words": line.name} for row, line in rows], name, y=y, x=_at(-12), text=said)
        )
        first = {**plain, "color": INK, "fontSize": 12, "fontWeight": weight}
        for column, at in enumerate(columns):
            values = [{"row": row, "words": line.figures[column]} for row, line in rows if column < len(line.figures)]
            mark = {**plain, "color": MUTED, "fontSize": 12} if column else first
            layers.append(_layer(values, mark, y=y, x=_at(at), text=said))
    return layers


def _room(lines: Sequence[_Line], right: int) -> Spec:
    """Return an unseen line from the longest name to the last figure: room for fonts wider than the measured one."""
    left = -12 - min(_LABEL, 8.4 * max((len(line.name) for line in lines), default=0))
    return _layer([{}], {"type": "rule", "opacity": 0}, x=_at(left), x2=_at(right), y=_at(0))


def _heads(heads: Sequence[str], columns: Sequence[int]) -> list[Spec]:
    return _headings([(at, "right", head) for at, head in zip(columns, heads, strict=False)])


def _headings(heads: Sequence[tuple[float, str, str]]) -> list[Spec]:
    mark = {"type": "text", "baseline": "bottom", "color": MUTED, "fontSize": 11}
    said = {"field": "words", "type": "nominal"}
    return [
        _layer([{"words": words}], {**mark, "align": align}, x=_at(at), y=_at(-4), text=said)
        for at, align, words in heads
    ]


def effects(report: Body) -> Spec | None:
    """Return the forest plot of the differences to the control; None when no comparison has a number."""
    subject, verdict = _subject(report), inside(report, "verdict")
    winners = names(verdict, "variants") if verdict.get("kind") in {"winner", "winner_set"} else []
    compared = entries(report, "comparisons")
    lines = [
        _Line(
            text(entry.get("variant")),
            subject.places(entry.get("difference")),
            subject.span(entry.get("ci")),
            subject.span(inside(entry, "sequence").get("ci")),
            subject.figures(entry, compared),
            named=str(entry.get("variant")) in winners,
        )
        for entry in compared[:FOREST_ROWS]
    ]
    axis = _axis_of(lines)
    if axis is None:
        return None
    key = [f"thick line: {subject.confidence} interval"]
    key += ["thin line: interval that holds at every look"] if any(line.far for line in lines) else []
    key += [f"band: margin of {subject.scale.spread(subject.margin)}"] if subject.margin else []
    key += ["diamond: named by the verdict"] if any(line.named for line in lines) else []
    key += [f"first {FOREST_ROWS} of {len(compared)} comparisons"] if len(compared) > FOREST_ROWS else []
    against = text(compared[0].get("control") or "the control")
    heads = ("difference", f"{subject.confidence} interval")
    title = f"{text(report.get('experiment'))}: {subject.score} against {against}"
    return _chart(title, [" · ".join(key)], _forest(lines, axis, subject, heads))


def segments(report: Body) -> Spec | None:
    """Return a forest plot for each dimension and variant, on one axis; None when no group has a number."""
    subject = _subject(report)
    parts: list[tuple[str, list[_Line]]] = []
    left = FOREST_ROWS
    for entry in entries(report, "segments"):
        lines = [
            _Line(
                "(none)" if group.get("segment") is None else text(group.get("segment")),
                subject.places(group.get("difference")),
                subject.span(group.get("ci")),
                None,
                (*subject.figures(group, entries(entry, "groups")), number(group.get("units"))),
            )
            for group in entries(entry, "groups")[: max(left, 0)]
        ]
        left -= len(lines)
        if any(line.value is not None for line in lines):
            parts.append((_segment_title(entry), lines))
    axis = _axis_of([line for _, lines in parts for line in lines])
    if axis is None:
        return None
    heads = ("difference", f"{subject.confidence} interval", "units")
    own = {"fontSize": 12, "fontWeight": 600, "anchor": "start", "frame": "group"}
    bodies = [
        {
            "title": {"text": title, **own, "offset": 18 if at == 0 else 6},
            **_forest(lines, axis, subject, heads, is_first=at == 0, is_last=at == len(parts) - 1),
        }
        for at, (title, lines) in enumerate(parts)
    ]
    hidden = sum(len(entries(entry, "groups")) for entry in entries(report, "segments")) - FOREST_ROWS
    key = [f"thick line: {subject.confidence} interval"]
    key += [f"{hidden} more groups are in the table"] if hidden > 0 else []
    title = f"{text(report.get('experiment'))}: {subject.score} by segment"
    return _chart(title, [" · ".join(key)], {"vconcat": bodies})


def _segment_title(entry: Body) -> str:
    p = probability(inside(entry, "heterogeneity").get("p"))
    told = "" if p == DASH else f" · between segments: p {p}"
    return f"{text(entry.get('by'))} · {text(entry.get('variant'))} against {text(entry.get('control'))}{told}"


def _shown_variants(report: Body, known: Iterable[str]) -> list[str]:
    """Return the variants with a line of their own: the control, those the verdict names, then by their order."""
    control = [str(entry.get("variant")) for entry in entries(report, "variants") if entry.get("control") is True]
    named = names(inside(report, "verdict"), "variants")
    seen = list(dict.fromkeys(known))
    order = dict.fromkeys([*(name for name in (*control, *named) if name in seen), *seen])
    return list(order)[: len(COURSES)]


def series(report: Body) -> Spec | None:
    """Return the daily means of each variant as lines; None when no day has one."""
    subject = _subject(report)
    found = [
        (dt.date.fromisoformat(str(entry["day"])[:10]), str(entry.get("variant")), mean)
        for entry in entries(report, "series")
        if (mean := subject.places(entry.get("mean"))) is not None
    ]
    if not found:
        return None
    newest = max(day for day, _, _ in found)
    oldest = min(day for day, _, _ in found)
    since = max(oldest, newest - dt.timedelta(days=COURSE_DAYS - 1))
    everyone = list(dict.fromkeys(variant for _, variant, _ in found))
    shown = _shown_variants(report, everyone)
    values = [
        {"t": _milliseconds(day), "mean": mean, "variant": text(variant)}
        for day, variant, mean in found
        if day >= since and variant in shown
    ]
    key = ["mean of the runs that began on a day"]
    key += [f"{len(shown)} of {len(everyone)} variants"] if len(everyone) > len(shown) else []
    key += [f"the last {COURSE_DAYS} days"] if since > oldest else []
    x_scale: Spec = {"type": "utc"}
    if since == newest:  # one day alone stands in the middle
        x_scale["domain"] = [_milliseconds(newest - dt.timedelta(days=1)), _milliseconds(newest + dt.timedelta(days=1))]
    span = (newest - since).days + 1
    step = -(-span // _DAY_TICKS)
    x_axis: Spec = {
        "format": "%-d %b %Y" if since.year != newest.year else "%-d %b",
        "values": [_milliseconds(since + dt.timedelta(days=day)) for day in range(0, span, step)],
        "grid": False,
    }
    x = {"field": "t", "type": "temporal", "scale": x_scale, "axis": x_axis, "title": None}
    y_axis = {"format": ",.6~g", "tickCount": 5, "title": f"{subject.score}{', %' if subject.factor != 1 else ''}"}
    up = domain([mean for day, variant, mean in found if day >= since and variant in shown], padding=0.08)
    y = {
        "field": "mean",
        "type": "quantitative",
        "scale": {"domain": [up.low, up.high], "nice": False, "zero": False},
        "axis": {**y_axis, "titleLimit": 220},
    }
    kinds = [text(variant) for variant in shown]
    colours, dashes = [colour for colour, _ in COURSES], [dash for _, dash in COURSES]
    colour = {
        "field": "variant",
        "type": "nominal",
        "scale": {"domain": kinds, "range": colours[: len(kinds)]},
        "legend": {"symbolType": "stroke", "columns": 4},
    }
    dash = {"field": "variant", "type": "nominal", "scale": {"domain": kinds, "range": dashes[: len(kinds)]}}
    line = {"type": "line", "strokeWidth": 1.8, "strokeJoin": "round"}
    point = {"type": "point", "filled": True, "size": 20, "opacity": 1}
    layers = [_layer(values, line, x=x, y=y, color=colour, strokeDash={**dash, "legend": {"symbolType": "stroke"}})]
    if len(values) <= _MOST_POINTS:
        layers.append(_layer(values, point, x=x, y=y, color=colour))
    title = f"{text(report.get('experiment'))}: {subject.score} by day"
    return _chart(title, [" · ".join(key)], {"width": COURSE_WIDTH, "height": 240, "layer": layers})


def _milliseconds(day: dt.date) -> int:
    return (day - dt.date(1970, 1, 1)).days * 86_400_000


def coverage(report: Body) -> Spec | None:
    """Return what became of each variant's runs (scored, mature without a score, still open); None without runs."""
    parts = ("scored", "mature, not scored", "too recent to count")
    own = entries(report, "variants")
    bars: list[Spec] = []
    lines: list[_Line] = []
    for entry in own[:FOREST_ROWS]:
        runs, mature, scored = (finite(entry.get(key)) or 0.0 for key in ("runs", "mature_runs", "scored_runs"))
        mature, scored = min(mature, runs), min(scored, mature, runs)
        row = len(lines)
        ends = [0.0, scored, mature, runs]
        if runs:
            bars += [
                {"row": row, "part": part, "low": 100 * low / runs, "high": 100 * high / runs}
                for part, low, high in zip(parts, ends, ends[1:], strict=False)
                if high > low
            ]
        figures = tuple(number(int(count)) for count in (scored, mature, runs))
        lines.append(_Line(text(entry.get("variant")), None, None, None, figures))
    if not bars:
        return None
    y = _rows(len(lines))
    x_axis = {"format": ".0f", "tickCount": 5, "title": "share of the variant's runs, %", "grid": False}
    x = {"field": "low", "type": "quantitative", "scale": {"domain": [0, 100]}, "axis": x_axis}
    colour = {
        "field": "part",
        "type": "nominal",
        "scale": {"domain": list(parts), "range": [DEEP, MIDDLE, PALE]},
        "legend": {"symbolType": "square", "symbolSize": 120, "symbolStrokeWidth": 0},
    }
    bar = {"type": "bar", "height": 16, "stroke": MUTED, "strokeWidth": 0.5}
    layers = [_layer(bars, bar, y=y, x=x, x2={"field": "high"}, color=colour)]
    layers += _words(list(enumerate(lines)), y, _COUNTS) + _heads(("scored", "mature", "runs"), _COUNTS)
    layers.append(_room(lines, _COUNTS[-1]))
    subtitle = [f"first {FOREST_ROWS} of {len(own)} variants"] if len(own) > FOREST_ROWS else []
    title = f"{text(report.get('experiment'))}: coverage of {text(report.get('score') or 'the score')}"
    return _chart(title, subtitle, {"width": WIDTH, "height": {"step": ROW}, "layer": layers})


def sample_ratio(report: Body) -> Spec | None:
    """Return observed and expected units of each variant; None when nothing was counted."""
    srm = inside(inside(report, "health"), "srm")
    observed, expected = inside(srm, "observed"), inside(srm, "expected")
    counts = [(str(name), _number(count), _number(expected.get(name))) for name, count in observed.items()]
    known = [count for _, *pair in counts for count in pair if count is not None]
    if not known or max(known) <= 0:
        return None
    shown = counts[:FOREST_ROWS]
    total = sum(count for _, count, _ in counts if count is not None)
    lines = [
        _Line(
            text(name),
            None,
            None,
            None,
            (
                DASH if count is None else number(int(count)),
                DASH if wanted is None else number(round(wanted, 1)),
                DASH if count is None or not total else percent(count / total),
            ),
        )
        for name, count, wanted in shown
    ]
    y = _rows(len(lines))
    x_axis = {"format": ",.6~g", "tickCount": 6, "title": "units", "grid": True}
    x = {
        "field": "at",
        "type": "quantitative",
        "scale": {"domain": [0, 1.05 * max(known)], "nice": False},
        "axis": x_axis,
    }
    bars = [{"row": row, "at": count} for row, (_, count, _) in enumerate(shown) if count is not None]
    marks = [{"row": row, "at": wanted} for row, (*_, wanted) in enumerate(shown) if wanted is not None]
    layers = [
        _layer(bars, {"type": "bar", "height": 14, "color": MIDDLE, "stroke": MUTED, "strokeWidth": 0.5}, y=y, x=x),
        _layer(marks, {"type": "tick", "color": INK, "thickness": 2.5, "size": 24}, y=y, x=x),
    ]
    layers += _words(list(enumerate(lines)), y, _COUNTS) + _heads(("units", "expected", "share"), _COUNTS)
    layers.append(_room(lines, _COUNTS[-1]))
    p = probability(srm.get("p"))
    key = ["bar: units that arrived", "black mark: expected by the weights", *([] if p == DASH else [f"p {p}"])]
    title = f"{text(report.get('experiment'))}: sample ratio"
    return _chart(title, [" · ".join(key)], {"width": WIDTH, "height": {"step": ROW}, "layer": layers})


CHARTS: dict[str, Callable[[Body], Spec | None]] = {
    "effects": effects,
    "series": series,
    "coverage": coverage,
    "segments": segments,
    "sample_ratio": sample_ratio,
}
"""Every chart by its name in the HTTP API."""

DESCRIPTIONS = {
    "effects": "Differences to the control with their intervals",
    "series": "Daily means of each variant",
    "coverage": "Scored, mature and open runs of each variant",
    "segments": "Differences to the control in each segment",
    "sample_ratio": "Units that arrived and units expected in each variant",
}

_NOTHING = {
    "effects": "no comparison has a figure yet",
    "series": "no day has a scored run yet",
    "coverage": "no run has been assigned yet",
    "segments": "no segments were asked for, or none has a figure",
    "sample_ratio": "no unit has been counted yet",
}


def untitled(spec: Spec) -> Spec:
    """Return a chart for a page that has a heading of its own: of the title only the key to the marks is left."""
    key = " ".join(spec["title"].get("subtitle", []))
    title = {"text": key, "fontSize": 12, "fontWeight": "normal", "color": MUTED} if key else None
    return {**spec, "title": title, "padding": {"left": 1, "right": 8, "top": 4, "bottom": 4}}


def chart(name: str, report: Body) -> Spec:
    """Return a chart of a report; one without figures says so instead."""
    spec = CHARTS[name](report)
    if spec is not None:
        return spec
    mark = {"type": "text", "color": MUTED, "fontSize": 13, "align": "left"}
    said = {"field": "words", "type": "nominal"}
    empty = _layer([{"words": _NOTHING[name]}], mark, x=_at(0), y=_at(20), text=said)
    return _chart(text(report.get("experiment")), [DESCRIPTIONS[name]], {"width": WIDTH, "height": 40, **empty})
