"""The pages: bodies of the HTTP API in, complete HTML documents out."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlencode

from jinja2 import ChainableUndefined, Environment, FileSystemLoader, Undefined
from markupsafe import Markup, escape

from api.pages import charts, checks, numbers, queries, specs, words
from api.pages import tables as report_tables
from api.pages.body import Body, entries, inside
from api.pages.notes import Notes, notes_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from api.assets import Island

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


def _style_path() -> str:
    digest = hashlib.sha256((STATIC / "style.css").read_bytes()).hexdigest()
    return f"/static/style.css?v={digest[:12]}"


def _plain(value: Any) -> str:
    return numbers.plain(None if isinstance(value, Undefined) else value)


def _quoted(sentence: str) -> Markup:
    """Return a sentence as HTML, its `names in backticks` set as code; an odd backtick is only a backtick."""
    parts = sentence.split("`")
    if len(parts) % 2 == 0:
        return escape(sentence)
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
    )
    environment.filters |= {
        "chance": numbers.chance,
        "moment": numbers.moment,
        "number": numbers.number,
        "percent": numbers.percent,
        "percent_interval": numbers.percent_interval,
        "plain": _plain,
        "probability": numbers.probability,
        "quoted": _quoted,
        "spelled": words.spelled,
    }
    shared: dict[str, Any] = {
        "dash": numbers.DASH,
        "experiment_path": experiment_path,
        "is_numeric": queries.is_numeric,
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


def _confidence(report: Body) -> str:
    return f"{100 * (1 - checks.alpha(report)):g}%"


def home(experiments: Sequence[Body], reports: Mapping[str, Body], tables: Sequence[Body], origin: str) -> str:
    """Return the first page: every experiment with its verdict, a box for SQL, what the tables hold.

    Args:
        experiments: Entries of `GET /v1/experiments`; `name` is required.
        reports: Experiment name -> its report (DESIGN section 11); an experiment may have none.
        tables: Entries of `GET /v1/tables`: `name`, `row`, `columns`, and `rows` (how many) where it is known.
        origin: Scheme, host and port under which the reader sees this server; goes into the commands to copy.
    """
    return PAGES.get_template("home.html").render(
        cards=[_card(str(entry["name"]), inside(reports, str(entry["name"]))) for entry in experiments],
        tables=tables,
        commands=queries.first_commands(origin),
        counts=_counts(tables),
    )


@dataclass(frozen=True, slots=True)
class Card:
    """An experiment on the first page; `comparisons` and `rows` (of its forest plot) go by variant."""

    name: str
    report: Body
    scale: numbers.Scale
    confidence: str
    comparisons: Mapping[str, Body]
    rows: Mapping[str, charts.ForestRow]
    zero: float
    why: Notes


def _card(name: str, report: Body) -> Card:
    comparisons = {str(entry.get("variant")): entry for entry in entries(report, "comparisons")}
    plot = charts.forest(list(comparisons.values()))
    rows = dict(zip(comparisons, plot.rows, strict=True))
    scale, why = numbers.Scale(report.get("kind")), notes_of(entries(report, "notes"))
    return Card(name, report, scale, _confidence(report), comparisons, rows, plot.zero, why)


def _counts(tables: Sequence[Body]) -> list[tuple[str, int]]:
    """Return the tables that hold rows, largest first."""
    counted = [(str(table["name"]), table.get("rows")) for table in tables]
    return sorted(((name, count) for name, count in counted if count), key=lambda pair: (-pair[1], pair[0]))


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart in a page: what it shows, and its SVG."""

    label: str
    markup: Markup


def _drawing(name: str, svg: str) -> Drawing:
    """Return a chart as a picture with a name; its text was escaped by whoever drew it from the specification."""
    label = specs.DESCRIPTIONS[name]
    head, opening, rest = svg.partition("<svg ")
    named = Markup('<svg role="img" aria-label="{}" ').format(label) if opening else Markup()
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


def experiment(report: Body, drawings: Mapping[str, str] | None = None) -> str:
    """Return the page of one experiment.

    Args:
        report: DESIGN section 11; every number may be null.
        drawings: `charts_shown` of the report as SVG, by name; one that is missing leaves its place to the tables.
    """
    return PAGES.get_template("experiment.html").render(**_of_report(report, drawings or {}), standalone=False)


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


def sql(query: str, result: Body | None, error: Body | None, tables: Sequence[Body]) -> str:
    """Return the SQL page: the query in its box, below it the result or the error, beside it the tables.

    Args:
        query: The text of the box; empty at the first visit.
        result: The JSON body of `POST /v1/query`, or None.
        error: The object under `error` of a failed answer, or None.
        tables: Entries of `GET /v1/tables`.
    """
    lines = query.replace("\r\n", "\n")  # a form sends its line ends in this way
    return PAGES.get_template("sql.html").render(
        query=lines,
        result=result,
        error=error,
        tables=tables,
        excerpt=queries.excerpt(lines, error) if error else [],
        command=queries.as_command(lines),
    )


def sql_editor(island: Island, sheet: Island) -> str:
    """Return the SQL page with its editor, which asks by itself for the tables and what the page's address says.

    Args:
        island: The script of the editor.
        sheet: The looks of the islands.
    """
    return PAGES.get_template("sql_editor.html").render(island=island, sheet=sheet)


def error(status: int, error: Body) -> str:
    """Return the page of a failed request: HTTP status and the object under `error` of the one error body."""
    return PAGES.get_template("error.html").render(status=status, error=error)
