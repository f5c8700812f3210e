"""`upshot experiment`: list, declare, report."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.commands.remote import KeyOption, Remote, UrlOption
from api.commands.verdicts import show
from warehouse.errors import InputError, shown

app = typer.Typer(help="Experiments: which variant really works.", no_args_is_help=True)


class Format(StrEnum):
    """How a report or list is printed."""

    TABLE = "table"
    JSON = "json"


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


@app.command("report", epilog="Example: upshot experiment report prompt-test --score solved -o maturity=72h")
def report(
    name: Annotated[str, typer.Argument(help="The experiment.")],
    score: Annotated[str | None, typer.Option(help="The score to judge by; the primary one when not given.")] = None,
    option: OptionPairs = None,
    format_: FormatOption = Format.TABLE,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Report on an experiment: the verdict in a sentence, then the numbers per variant."""
    options = pairs(option) | ({"score": score} if score else {})
    response = Remote(url, key).checked("GET", f"/v1/experiments/{quote(name, safe='')}/report", params=options)
    if format_ is Format.JSON:
        typer.echo(response.text)
    else:
        show(Console(), response.json())
