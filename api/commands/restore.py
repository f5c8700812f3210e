"""`upshot restore`: an export becomes a workspace again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api import settings as settings_table
from api.commands.progress import shown_progress
from warehouse.directory import open_directory
from warehouse.layout import DAYS
from warehouse.restore import read_index
from warehouse.restore import restore as make_workspace_of

EXAMPLES = "Example: upshot restore /backup/upshot-monday --data /var/lib/upshot-new"


def restore(
    folder: Annotated[Path, typer.Argument(help="What `upshot export` wrote.")],
    data: Annotated[Path | None, typer.Option(help="The data folder to restore into; made when missing.")] = None,
    workspace: Annotated[
        str | None, typer.Option(help="The workspace to make; the exported one's name, when not given.")
    ] = None,
) -> None:
    """Make a workspace of an export. Everything is verified first; no server may run meanwhile.

    Keys are not in an export: make new ones with `upshot keys create`.
    """
    read_index(folder)  # a folder that is no export makes no data directory
    paths = open_directory(settings_table.load({"data": data}).data)
    with shown_progress() as progress:
        name, index = make_workspace_of(folder, paths, workspace, progress=progress)
    rows = sum(file.rows for file in index.files if file.path != DAYS)
    typer.echo(f"workspace {name}: {rows:,} rows as of {index.exported_at}", err=True)
