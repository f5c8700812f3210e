"""The pages: bodies of the HTTP API in, complete HTML documents out."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlencode

from jinja2 import ChainableUndefined, Environment, FileSystemLoader, Undefined
from markupsafe import Markup, escape

from api.assets import ISLANDS
from api.pages import checks, numbers, queries, specs, words
from api.pages import tables as report_tables
from api.pages.body import Body, entries
from api.pages.frame import LASTS, NOBODY
from api.pages.notes import notes_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from api.pages.frame import Frame

_HERE = Path(__file__).parent

STATIC = _HERE / "static"
"""The folder to serve at `/static/`."""


def experiment_path(name: str, score: str | None = None) -> str:
    """Return the address of an experiment's page; a name may hold any character, `/` included."""
    return f"/experiments/{quote(name, safe='')}" + (f"?{urlencode({'score': score})}" if score else "")


def report_path(name: str, score: str | None = None, form: str = "json") -> str:
    """Return the address of an experiment's report in a format: json, html, md, svg or png."""
    given = {"format": form} | ({"score": score} if score else {})
    return f"/v1{experiment_path(name)}/report?{urlencode(given)}"


def sql_path(query: str) -> str:
    """Return the address of the SQL page with a query that runs at once."""
    return f"/sql?{urlencode({'q': query}, quote_via=quote)}"


SHEETS = ("style.css", "drill.css", "dashboards.css")
"""The sheets of the pages, served as one."""


def sheet() -> bytes:
    """Return the one style sheet of the pages."""
    return b"\n".join((STATIC / name).read_bytes() for name in SHEETS)


def _style_path() -> str:
    return f"/static/style.css?v={hashlib.sha256(sheet()).hexdigest()[:12]}"


_HIDING = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufeff]"
)


def _plain(value: Any) -> str:
    return numbers.plain(None if isinstance(value, Undefined) else value)


def _visible(value: Any) -> Any:
    """Return a text with characters that hide or turn others around as their code points; anything else as it is.

    Whoever sends records must not be able to make a page read otherwise than it is (Unicode TR 36, bidirectional text
    spoofing). Marks that letters need, joiners say, stay.
    """
    if type(value) is not str:
        return value
    return _HIDING.sub(
        lambda found: f"\N{MATHEMATICAL LEFT ANGLE BRACKET}U+{ord(found[0]):04X}\N{MATHEMATICAL RIGHT ANGLE BRACKET}",
        value,
    )


def _exact(value: Any) -> Markup:
    """Return a text for the value of a field, with nothing made visible: what is sent back must be the same."""
    return escape("" if isinstance(value, Undefined) or value is None else value)


def _quoted(sentence: str) -> Markup:
    """Return a sentence as HTML, its `names in backticks` set as code; an odd backtick is only a backtick."""
    parts = str(_visible(sentence)).split("`")
    if len(parts) % 2 == 0:
        return escape(_visible(sentence))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part) for index, part in enumerate(parts)
    )


def _environment() -> Environment:
    """Return the templates' environment. What a body lacks renders as a missing number, never as an error."""
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=ChainableUndefined,
        finalize=_visible,
    )
    environment.filters |= {
        "chance": numbers.chance,
        "exact": _exact,
        "moment": numbers.moment,
        "number": numbers.number,
        "percent": numbers.percent,
        "percent_interval": numbers.percent_interval,
        "plain": _plain,
        "probability": numbers.probability,
        "quoted": _quoted,
        "signed": partial(numbers.number, plus=True),
        "spelled": words.spelled,
    }
    shared: dict[str, Any] = {
        "dash": numbers.DASH,
        "experiment_path": experiment_path,
        "is_numeric": queries.is_numeric,
        "islands": ISLANDS,
        "lasts": [(value, words_) for value, (words_, _) in LASTS.items()],
        "report_path": report_path,
        "sql_path": sql_path,
        "style_path": _style_path(),
        "words": words,
        "examples": queries.EXAMPLES,
        "table_sample": queries.table_sample,
    }
    cast("dict[str, Any]", environment.globals).update(shared)
    return environment


PAGES = _environment()


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart in a page: what it shows, and its SVG."""

    label: str
    markup: Markup


_ROLES = re.compile(' (?:role="graphics-[a-z]+"|aria-roledescription="[^"]*")')
"""What Vega says of the parts of a chart: to those who hear it, a picture has a name and no parts."""


def _drawing(name: str, svg: str) -> Drawing:
    """Return a chart as a picture with a name; its text was escaped by whoever drew it from the specification."""
    label = specs.DESCRIPTIONS[name]
    head, opening, rest = svg.partition("<svg ")
    named = Markup('<svg role="img" aria-label="{}" ').format(label) if opening else Markup()
    rest = _visible(_ROLES.sub("", rest))
    return Drawing(label, Markup(head) + named + Markup(rest))  # noqa: S704 - drawn from data, see `api.pages.specs`


def charts_shown(report: Body) -> dict[str, specs.Spec]:
    """Return the charts that the page of a report shows, by name: those with figures, and what the eye should see.

    Units that arrived as expected need no picture, nor does one day alone; their figures stand in the tables.
    """
    made = {name: build(report) for name, build in specs.CHARTS.items()}
    if checks.health(report)[0].tone not in {"warn", "bad"}:
        made["sample_ratio"] = None
    if len({row.get("day") for row in entries(report, "series")}) < 2:  # noqa: PLR2004 - a course has two ends
        made["series"] = None
    return {name: specs.untitled(spec) for name, spec in made.items() if spec is not None}


def _of_report(report: Body, drawings: Mapping[str, str]) -> dict[str, Any]:
    """Return what the body of a report is made of; `drawings` are SVG by chart name and may be missing."""
    name, score = str(report.get("experiment")), report.get("score")
    return {
        "report": report,
        "tables": report_tables.tables(report),
        "drawings": {chart: _drawing(chart, svg) for chart, svg in drawings.items()},
        "checks": checks.health(report),
        "why": notes_of(entries(report, "notes")),
        "maturity": numbers.lasting(checks.option(report, "maturity")),
        "false_share": f"{100 * checks.alpha(report):g}%",
        "methods": report_tables.methods(report),
        "power": report_tables.power(report),
        "trust": report_tables.trust(report),
        "decided": report_tables.decided(report),
        "statements": report_tables.statements(report),
        "saved_queries": report_tables.saved_queries(report),
        "runs_query": queries.runs_of(name, str(score) if score else None),
    }


def experiment(report: Body, drawings: Mapping[str, str] | None = None, frame: Frame = NOBODY) -> str:
    """Return the page of one experiment.

    Args:
        report: DESIGN section 11; every number may be null.
        drawings: `charts_shown` of the report as SVG, by name; one that is missing leaves its place to the tables.
        frame: what stands around the page.
    """
    parts = _of_report(report, drawings or {})
    return PAGES.get_template("experiment.html").render(**parts, standalone=False, frame=frame)


_SHEET = (STATIC / "style.css").read_text("utf-8")

STANDALONE_POLICY = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_SHEET.encode()).digest()).decode()
    + "'; img-src data:; form-action 'none'; base-uri 'none'"
)
"""The Content-Security-Policy of a report that stands alone: its own style by its digest, and nothing else."""


def standalone(report: Body, drawings: Mapping[str, str] | None = None) -> str:
    """Return a report as one file: its style and pictures inside, no script, no link, nothing that is loaded."""
    parts = _of_report(report, drawings or {})
    return PAGES.get_template("standalone.html").render(
        **parts,
        standalone=True,
        policy=STANDALONE_POLICY,
        style=Markup(_SHEET),  # noqa: S704 - our own file
    )


def sql(query: str, result: Body | None, error: Body | None, tables: Sequence[Body], frame: Frame = NOBODY) -> str:
    """Return the SQL page: the query in its box, below it the result or the error, beside it the tables.

    Args:
        query: The text of the box; empty at the first visit.
        result: The JSON body of `POST /v1/query`, or None.
        error: The object under `error` of a failed answer, or None.
        tables: Entries of `GET /v1/tables`.
        frame: what stands around the page.
    """
    lines = query.replace("\r\n", "\n")  # a form sends its line ends in this way
    return PAGES.get_template("sql.html").render(
        frame=frame,
        query=lines,
        result=result,
        error=error,
        tables=tables,
        excerpt=queries.excerpt(lines, error) if error else [],
        command=queries.as_command(lines),
    )


def sql_editor(frame: Frame = NOBODY) -> str:
    """Return the SQL page with its editor, which asks by itself for the tables and what the page's address says."""
    return PAGES.get_template("sql_editor.html").render(frame=frame)


def error(status: int, error: Body, frame: Frame = NOBODY) -> str:
    """Return the page of a failed request: HTTP status and the object under `error` of the one error body."""
    return PAGES.get_template("error.html").render(status=status, error=error, frame=frame)
