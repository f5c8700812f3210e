"""The four pages: bodies of the HTTP API in, complete HTML documents out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlencode

from jinja2 import ChainableUndefined, Environment, FileSystemLoader, Undefined
from markupsafe import Markup, escape

from api.pages import charts, checks, numbers, queries, words
from api.pages.body import Body, entries, inside
from api.pages.notes import Notes, notes_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HERE = Path(__file__).parent

STATIC = _HERE / "static"
"""The folder to serve at `/static/`."""


def experiment_path(name: str, score: str | None = None) -> str:
    """Return the address of an experiment's page; a name may hold any character, `/` included."""
    return f"/experiments/{quote(name, safe='')}" + (f"?{urlencode({'score': score})}" if score else "")


def report_path(name: str, score: str | None = None) -> str:
    """Return the address of an experiment's report as JSON."""
    return f"/v1{experiment_path(name)}/report" + (f"?{urlencode({'score': score})}" if score else "")


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


_PAGES = _environment()


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
    return _PAGES.get_template("home.html").render(
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


def experiment(report: Body) -> str:
    """Return the page of one experiment from its report (DESIGN section 11); every number may be null."""
    name, score = str(report.get("experiment")), report.get("score")
    return _PAGES.get_template("experiment.html").render(
        report=report,
        scale=numbers.Scale(report.get("kind")),
        number_scale=numbers.Scale(None),
        confidence=_confidence(report),
        why=notes_of(entries(report, "notes")),
        forest=charts.forest(entries(report, "comparisons")),
        series=charts.series(entries(report, "series")),
        checks=checks.health(report),
        readings=checks.readings(report),
        higher_is_better=checks.option(report, "higher_is_better") is not False,
        runs_query=queries.runs_of(name, str(score) if score else None),
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
    return _PAGES.get_template("sql.html").render(
        query=lines,
        result=result,
        error=error,
        tables=tables,
        excerpt=queries.excerpt(lines, error) if error else [],
        command=queries.as_command(lines),
    )


def error(status: int, error: Body) -> str:
    """Return the page of a failed request: HTTP status and the object under `error` of the one error body."""
    return _PAGES.get_template("error.html").render(status=status, error=error)
