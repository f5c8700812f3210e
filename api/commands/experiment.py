"""`upshot experiment`: list, declare, report."""

from __future__ import annotations

import importlib
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.commands.remote import KeyOption, Remote, UrlOption
from api.commands.verdicts import show
from warehouse.errors import InputError, TransientError, shown

app = typer.Typer(help="Experiments: which variant really works.", no_args_is_help=True)


class Format(StrEnum):
    """How a list is printed."""

    TABLE = "table"
    JSON = "json"


class Form(StrEnum):
    """What a report is written as."""

    TABLE = "table"
    JSON = "json"
    HTML = "html"
    MD = "md"
    SVG = "svg"
    PNG = "png"


class Chart(StrEnum):
    """The charts of a report."""

    EFFECTS = "effects"
    SERIES = "series"
    COVERAGE = "coverage"
    SEGMENTS = "segments"
    SAMPLE_RATIO = "sample_ratio"


FormatOption = Annotated[Format, typer.Option("--format", "-f", help="table or json.")]
OptionPairs = Annotated[
    list[str] | None,
    typer.Option(
        "--option", "-o", metavar="NAME=VALUE", help="Any option of the report, such as maturity=72h; repeatable."
    ),
]


def pairs(given: list[str] | None) -> dict[str, str]:
    """Return NAME=VALUE texts as a mapping; raises InputError."""
    options: dict[str, str] = {}
    for text in given or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"--option {shown(text)} must be NAME=VALUE, such as maturity=72h")
        options[name] = value
    return options


@app.command("list", epilog="Example: upshot experiment list")
def list_(format_: FormatOption = Format.TABLE, url: UrlOption = None, key: KeyOption = None) -> None:
    """List the experiments, declared or seen."""
    response = Remote(url, key).checked("GET", "/v1/experiments")
    if format_ is Format.JSON:
        typer.echo(response.text)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("name", "control", "unit", "primary score", "first", "last"):
        table.add_column(name)
    for row in response.json()["experiments"]:
        cells = (row["name"], row["control"], row["unit"], row["primary_score"], row["first_at"], row["last_at"])
        table.add_row(*(Text(str(cell or "–")) for cell in cells))
    Console().print(table)


@app.command(
    "declare", epilog="Example: upshot experiment declare prompt-test --control a --score solved -o maturity=72h"
)
def declare(
    name: Annotated[str, typer.Argument(help="The experiment.")],
    control: Annotated[str | None, typer.Option(help="The variant the others are compared with.")] = None,
    unit: Annotated[
        str | None, typer.Option(help="What was assigned: assignment, run, user_id, session:KEY or attribute:NAME.")
    ] = None,
    score: Annotated[str | None, typer.Option(help="The score that decides.")] = None,
    option: OptionPairs = None,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Declare an experiment; replaces what was declared before."""
    body: dict[str, Any] = {"control": control, "unit": unit, "primary_score": score}
    body |= {name: _value(text) for name, text in pairs(option).items()}
    given = {name: value for name, value in body.items() if value is not None}
    typer.echo(Remote(url, key).checked("PUT", f"/v1/experiments/{quote(name, safe='')}", json=given).text)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


@app.command("report", epilog="Example: upshot experiment report prompt-test --score solved --format html --out a.html")
def report(
    name: Annotated[str, typer.Argument(help="The experiment.")],
    score: Annotated[str | None, typer.Option(help="The score to judge by; the primary one when not given.")] = None,
    option: OptionPairs = None,
    format_: Annotated[
        Form, typer.Option("--format", "-f", help="table, json, html or md (the whole report), svg or png (a chart).")
    ] = Form.TABLE,
    chart: Annotated[Chart | None, typer.Option(help="The chart of svg and png; effects when not given.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; standard output when not given.")] = None,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Report on an experiment: the verdict in a sentence, then the numbers per variant."""
    if chart is not None and format_ not in (Form.SVG, Form.PNG):
        raise InputError(f"--chart {chart} chooses the picture of svg and png, and the format is {format_}")
    if format_ is Form.PNG and out is None and sys.stdout.isatty():
        raise InputError("a PNG would upset the terminal", hint="give --out FILE, or send it to a pipe")
    options = pairs(option) | ({"score": score} if score else {}) | ({"chart": chart.value} if chart else {})
    options["format"] = "json" if format_ is Form.TABLE else format_.value
    response = Remote(url, key).checked("GET", f"/v1/experiments/{quote(name, safe='')}/report", params=options)
    if format_ is not Form.TABLE:
        _write(response.content, out)
    elif out is None:
        show(Console(), response.json())
    else:
        with _opened(out) as file:
            show(Console(file=file, width=_FILE_WIDTH), response.json())


_FILE_WIDTH = 120


def _opened(out: Path) -> TextIO:
    try:
        return out.open("w", encoding="utf-8")
    except OSError as error:
        raise TransientError(f"{out} cannot be written: {error.strerror}") from error


def _write(body: bytes, out: Path | None) -> None:
    if out is not None:
        try:
            out.write_bytes(body)
        except OSError as error:
            raise TransientError(f"{out} cannot be written: {error.strerror}") from error
        return
    sys.stdout.buffer.write(body if body.endswith(b"\n") or body.startswith(b"\x89PNG") else body + b"\n")
    sys.stdout.buffer.flush()


@app.command(
    "verify",
    epilog="Example: upshot experiment report e --format json > report.json; upshot export --parquet monday; "
    "upshot experiment verify report.json --export monday",
)
def verify(
    receipt: Annotated[Path, typer.Argument(help="A report saved with --format json; - reads stdin.")],
    export: Annotated[Path, typer.Option(help="A folder that `upshot export` made.")],
) -> None:
    """Compute a report again from exported Parquet, without a server, and compare it to the last digit.

    Exit code 0: the same. 1: something differs; the first differences are named.
    """
    importlib.import_module("api.commands.verify").verify(receipt, export)  # on demand: it loads an engine
