"""What `upshot experiment verify` does: a report computed again from exported Parquet, by DuckDB alone."""

from __future__ import annotations

import json
import sys
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import typer

from queries import guard
from queries.experiments import receipt
from queries.experiments.options import known_at_of
from queries.experiments.report import report
from queries.stats.sql import register
from warehouse.engine import rows_of, serializer
from warehouse.errors import InputError, NotFoundError, shown
from warehouse.exported import open_export

_MOST_SHOWN = 10
_LONGEST_SHOWN = 100


def verify(report_file: Path, export: Path) -> None:
    """Compute a report again from exported Parquet and compare it to the last digit; exit with 1 when it differs."""
    made = receipt.read(_text(report_file))
    request: dict[str, str] = made["receipt"]["request"]
    serialize = serializer()
    con = open_export(export, known_at_of(request), register)
    again = report(
        partial(rows_of, con),
        made["experiment"],
        request,
        now_us=receipt.made_at(made),
        snapshot="",
        check_where=lambda condition: guard.check_condition(condition, "runs", serialize),
        saved_query=lambda name: guard.check(_saved(made, name), serialize).sql,
    )
    differences = list(islice(receipt.differing(made, _as_json(again)), _MOST_SHOWN + 1))
    own, found = made["receipt"]["hash"], again["receipt"]["hash"]
    if own == found:
        typer.echo(f"verified: {made['experiment']}, {made['verdict']['kind']}, SHA-256 {own}")
        return
    typer.echo(f"NOT the same: the report has SHA-256 {own}, computed again it is {found}", err=True)
    for path, ours, theirs in differences[:_MOST_SHOWN]:
        typer.echo(f"  differs: {path}: {_value(ours)}, computed again {_value(theirs)}", err=True)
    if len(differences) > _MOST_SHOWN:
        typer.echo("  and more", err=True)
    typer.echo(
        f"hint: the report was made from snapshot {made['snapshot']}; an export of a later moment also holds what came "
        "since. Ask for the report with as_of and known_at to make it last.",
        err=True,
    )
    raise typer.Exit(1)


def _as_json(made: dict[str, Any]) -> Any:
    return json.loads(json.dumps(made))


def _value(value: object) -> str:
    return shown(value) if isinstance(value, str) else json.dumps(value)[:_LONGEST_SHOWN]


def _saved(made: dict[str, Any], name: str) -> str:
    queries: dict[str, Any] = made["receipt"]["queries"]
    if not isinstance(queries.get(name), str):
        raise NotFoundError(f"the receipt has no saved query {shown(name)}")
    return queries[name]


def _text(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text("utf-8")
    except OSError as error:
        raise NotFoundError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no UTF-8 text") from error
