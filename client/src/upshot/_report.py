"""The report of an experiment: the verdict first, then its numbers, as dicts, a frame, HTML, Markdown or a chart."""

from __future__ import annotations

import contextlib
import html
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

from upshot._call import SERVER_SECONDS, Question, body_of, get, route
from upshot._errors import ArgumentError, Error
from upshot._facts import MIME, facts_of
from upshot._settings import Moment, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from upshot._call import Answer
    from upshot._transport import AsyncTransport, Transport

Chart = Literal["effects", "series", "coverage", "segments", "sample_ratio"]

_TABLE = (
    "variant", "control", "units", "runs", "scored_runs", "mean", "ci_low", "ci_high", "difference",
    "difference_low", "difference_high", "lift", "p_adjusted", "chance_to_beat",
)  # fmt: skip
"""The columns of `Report.table`."""

_SHOWN = {
    "variant": "variant",
    "units": "units",
    "scored_runs": "scored runs",
    "mean": "mean",
    "ci": "interval",
    "difference": "difference",
    "difference_ci": "its interval",
    "p_adjusted": "p, adjusted",
}
"""The columns of a drawn table, and their headings."""


class ReportOptions(TypedDict, total=False):
    """The options of a report; what is not given comes from the declared experiment, then from the server."""

    score: str
    control: str
    unit: str
    higher_is_better: bool
    alpha: float
    margin: float
    weights: Mapping[str, float]
    since: Moment
    as_of: Moment
    known_at: Moment
    environment: str
    where: str
    maturity: str
    planned_units: int
    planned_end: Moment
    estimand: Literal["runs", "units"]
    primary_score: str
    secondary_scores: Sequence[str]
    guardrails: Sequence[Mapping[str, Any]]
    segments: Sequence[str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a report says.

    Attributes:
        kind: winner, winner_set, no_difference, keep_running, inconclusive, winner_blocked or invalid.
        sentence: the same in words.
        variants: whom it is about.
        reasons: codes of why.
        flags: codes of what to be careful about.
    """

    kind: str
    sentence: str
    variants: tuple[str, ...]
    reasons: tuple[str, ...]
    flags: tuple[str, ...]

    def __str__(self) -> str:
        """Return the sentence."""
        return self.sentence


def _text(answer: Answer) -> str:
    return bytes(answer.body).decode()


def _bytes(answer: Answer) -> bytes:
    return bytes(answer.body)


_READERS: dict[str, Callable[[Answer], Any]] = {"json": body_of, "svg": _text, "png": _bytes, "vega": body_of}
"""Format -> what makes its answer a value."""


def report_question(
    name: str, options: Mapping[str, Any], *, form: str = "json", chart: str | None = None
) -> Question[Any]:
    """Return a report as a question: its JSON object, or a chart as text (svg), bytes (png) or a dict (vega)."""
    if form not in _READERS:
        raise ArgumentError(f"format is {form!r}, must be svg, png or vega")
    params = {**options, "format": None if form == "json" else form, "chart": chart}
    call = get(route("experiments", name, "report"), params, patience=SERVER_SECONDS, accept="*/*")
    return Question(call, _READERS[form])


class ReportData:
    """The numbers of a report, and how they are shown. What draws charts adds that (`Report`, `AsyncReport`)."""

    def __init__(self, body: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        self._body = body
        # A chart asked for later is of the same moment.
        self._options = {"as_of": body["as_of"], "known_at": body["known_at"], **options}
        self._charts: dict[tuple[str, str], Any] = {}

    @property
    def experiment(self) -> str:
        """The experiment's name."""
        return self._body["experiment"]

    @property
    def score(self) -> str | None:
        """The name of the score that is compared."""
        return self._body["score"]

    @property
    def verdict(self) -> Verdict:
        """What the numbers say."""
        said = self._body["verdict"]
        lists = (tuple(said[name]) for name in ("variants", "reasons", "flags"))
        return Verdict(said["kind"], said["sentence"], *lists)

    @property
    def winner(self) -> str | None:
        """The variant that won; None while there is none, or several cannot be told apart."""
        verdict = self.verdict
        return verdict.variants[0] if verdict.kind == "winner" and len(verdict.variants) == 1 else None

    def to_dict(self) -> dict[str, Any]:
        """Return the whole report as the JSON that was answered; not to be changed."""
        return dict(self._body)

    @overload
    def table(self, frame: None = None) -> list[dict[str, Any]]: ...
    @overload
    def table(self, frame: Literal["pandas", "polars"]) -> Any: ...
    def table(self, frame: Literal["pandas", "polars"] | None = None) -> Any:
        """Return a row for each variant: its own numbers, and how it differs from the control.

        Args:
            frame: `pandas` or `polars` for a frame of theirs, else a list of dicts.

        Raises:
            MissingPackageError: that package is not installed.
        """
        rows = self._rows()
        if frame is None:
            return rows
        from upshot import _frames  # noqa: PLC0415 - extras

        return _frames.of_dicts(rows, list(_TABLE), frame)

    def _rows(self) -> list[dict[str, Any]]:
        compared = {one["variant"]: one for one in self._body["comparisons"]}
        made: list[dict[str, Any]] = []
        for variant in self._body["variants"]:
            beside = compared.get(variant["variant"], {})
            low, high = _pair(variant.get("ci"))
            difference_low, difference_high = _pair(beside.get("ci"))
            known = {
                **{name: variant.get(name) for name in ("variant", "control", "units", "runs", "scored_runs", "mean")},
                **{name: beside.get(name) for name in ("difference", "lift", "p_adjusted", "chance_to_beat")},
                "ci_low": low,
                "ci_high": high,
                "difference_low": difference_low,
                "difference_high": difference_high,
            }
            made.append({name: known[name] for name in _TABLE})
        return made

    def __repr__(self) -> str:
        """Return the verdict."""
        return f"<{type(self).__name__} {self.experiment!r}: {self.verdict.kind}: {self.verdict.sentence}>"

    def _cells(self) -> list[list[str]]:
        return [[_shown_cell(row, name) for name in _SHOWN] for row in self._rows()]

    def _foot(self) -> str:
        said = (f"score {self.score}", self.verdict.kind, *self.verdict.flags, f"as of {self._body['as_of']}")
        return " · ".join(said)

    def _html(self, svg: str | None) -> str:
        head = "".join(f"<th>{html.escape(heading)}</th>" for heading in _SHOWN.values())
        rows = "".join(
            f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>" for cells in self._cells()
        )
        return (
            f"<div><p><strong>{html.escape(self.verdict.sentence)}</strong></p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            f"<p>{html.escape(self.experiment)} · {html.escape(self._foot())}</p>{harmless(svg or '') or ''}</div>"
        )

    def _repr_markdown_(self) -> str:
        lines = [[*_SHOWN.values()], ["---"] * len(_SHOWN), *self._cells()]
        table = "\n".join(f"| {' | '.join(map(_markdown, cells))} |" for cells in lines)
        about = f"{_markdown(self.experiment)} · {_markdown(self._foot())}"
        return f"**{_markdown(self.verdict.sentence)}**\n\n{table}\n\n{about}\n"

    def _mimebundle(self, svg: str | None) -> dict[str, Any]:
        texts = {"text/html": self._html(svg), "text/markdown": self._repr_markdown_(), "text/plain": repr(self)}
        return {**texts, MIME: facts_of(self.to_dict())}


class Report(ReportData):
    """The report of an experiment. In a notebook it shows itself."""

    def __init__(self, transport: Transport, body: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        super().__init__(body, options)
        self._transport = transport

    @overload
    def chart(self, name: Chart = "effects", format: Literal["svg"] = "svg") -> str: ...
    @overload
    def chart(self, name: Chart = "effects", *, format: Literal["png"]) -> bytes: ...
    @overload
    def chart(self, name: Chart = "effects", *, format: Literal["vega"]) -> dict[str, Any]: ...
    def chart(self, name: Chart = "effects", format: Literal["svg", "png", "vega"] = "svg") -> Any:  # noqa: A002 - the server's word
        """Return a chart of this very report: SVG as text, PNG as bytes, or its Vega-Lite specification as a dict.

        Raises:
            Error: the server cannot draw it.
        """
        if (name, format) not in self._charts:
            question = report_question(self.experiment, self._options, form=format, chart=name)
            self._charts[name, format] = self._transport.ask(question)
        return self._charts[name, format]

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        del include, exclude  # IPython filters by itself
        return self._mimebundle(self._svg())

    def _repr_html_(self) -> str:
        return self._html(self._svg())

    def _svg(self) -> str | None:
        with contextlib.suppress(Error):  # the verdict and the numbers stand without a picture
            return self.chart()
        return None


class AsyncReport(ReportData):
    """The report of an experiment. In a notebook it shows itself, with the chart of the effects once that was asked."""

    def __init__(self, transport: AsyncTransport, body: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        super().__init__(body, options)
        self._transport = transport

    @overload
    async def chart(self, name: Chart = "effects", format: Literal["svg"] = "svg") -> str: ...
    @overload
    async def chart(self, name: Chart = "effects", *, format: Literal["png"]) -> bytes: ...
    @overload
    async def chart(self, name: Chart = "effects", *, format: Literal["vega"]) -> dict[str, Any]: ...
    async def chart(self, name: Chart = "effects", format: Literal["svg", "png", "vega"] = "svg") -> Any:  # noqa: A002 - the server's word
        """Return a chart of this very report: SVG as text, PNG as bytes, or its Vega-Lite specification as a dict.

        Raises:
            Error: the server cannot draw it.
        """
        if (name, format) not in self._charts:
            question = report_question(self.experiment, self._options, form=format, chart=name)
            self._charts[name, format] = await self._transport.ask(question)
        return self._charts[name, format]

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        del include, exclude  # IPython filters by itself
        return self._mimebundle(self._svg())

    def _repr_html_(self) -> str:
        return self._html(self._svg())

    def _svg(self) -> str | None:
        return self._charts.get(("effects", "svg"))


def report_options(options: ReportOptions, known_at: str | int | None) -> dict[str, Any]:
    """Return the options as they are sent; raises ArgumentError.

    For a pinned client it is that time now: unless they say others, both clocks stand there, so that a report asked
    again is the same.
    """
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if "known_at" not in given:
        given = {"known_at": known_at, "as_of": known_at, **given}
    for name in ("since", "as_of", "known_at", "planned_end"):
        given[name] = moment(name, given.get(name))
    return {name: value for name, value in given.items() if value is not None}


def _pair(interval: Sequence[float] | None) -> tuple[float | None, float | None]:
    return (interval[0], interval[1]) if interval else (None, None)


def _shown_cell(row: Mapping[str, Any], name: str) -> str:
    match name:
        case "variant":
            return f"{row['variant']}{' (control)' if row['control'] else ''}"
        case "ci":
            return _interval(row["ci_low"], row["ci_high"])
        case "difference_ci":
            return _interval(row["difference_low"], row["difference_high"])
        case _:
            return _number(row[name])


def _interval(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{_number(low)} to {_number(high)}"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _markdown(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", " ".join(text.split())) if text != "---" else text


_ELEMENTS = frozenset(
    (
        *("svg", "g", "defs", "clipPath", "linearGradient", "stop", "title", "desc", "text", "tspan"),
        *("path", "rect", "line", "circle", "ellipse", "polygon", "polyline"),
    )
)
_LEADS_OUT = re.compile(r"^on|href$|^src$", re.IGNORECASE)


def harmless(svg: str) -> str | None:
    """Return an SVG that can stand in a page: only shapes and text, nothing that runs or is fetched; None otherwise."""
    try:
        root = ET.fromstring(svg)  # noqa: S314 - of our own server; entities that swell end in an error
    except ET.ParseError:
        return None
    for element in root.iter():
        if not isinstance(element.tag, str) or element.tag.rpartition("}")[2] not in _ELEMENTS:  # pyright: ignore[reportUnnecessaryIsInstance]
            return None
        for name, value in element.attrib.items():
            if _LEADS_OUT.search(name) or re.search(r"url\((?!['\"]?#)|javascript:", value, re.IGNORECASE):
                return None
    return svg[svg.index("<svg") :]
