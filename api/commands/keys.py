"""`upshot keys`: who may do what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api import settings as settings_table
from warehouse.clock import system_clock
from warehouse.directory import make_workspace, open_directory
from warehouse.keys import DEFAULT_WORKSPACE, Keys

app = typer.Typer(help="API keys: who may do what in which workspace.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """API keys: who may do what in which workspace."""


@app.command("create", epilog="Example: upshot keys create --workspace support --rights ingest,query")
def create(
    workspace: Annotated[
        str, typer.Option(help="The workspace the key is for; made when it is new.")
    ] = DEFAULT_WORKSPACE,
    rights: Annotated[str, typer.Option(help="Some of ingest,query,admin.")] = "ingest,query",
    data: Annotated[Path | None, typer.Option(help="The server's data folder; made when missing.")] = None,
) -> None:
    """Make a key and print it, once. Takes effect at once, with or without a running server.

    From the first key on, everybody needs one, also on loopback.
    """
    paths = open_directory(settings_table.load({"data": data}).data)
    keys = Keys(paths)
    key = keys.create(workspace, [right.strip() for right in rights.split(",") if right.strip()], system_clock())
    keys.close()
    make_workspace(paths, workspace)
    typer.echo(key)
