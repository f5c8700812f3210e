"""`upshot export`: everything acknowledged by now, as plain Parquet that anything can read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api import settings as settings_table
from api.commands.progress import shown_progress
from warehouse.clock import system_clock
from warehouse.directory import existing_directory, existing_workspace
from warehouse.export import export as write_export
from warehouse.keys import DEFAULT_WORKSPACE
from warehouse.layout import DAYS
from warehouse.logs import set_up_logs

EXAMPLES = "Example: upshot export --parquet /backup/upshot-monday --data /var/lib/upshot"


def export(
    parquet: Annotated[Path, typer.Option(help="Folder to write; new or empty, outside the data folder.")],
    data: Annotated[Path | None, typer.Option(help="The server's data folder.")] = None,
    workspace: Annotated[str, typer.Option(help="The workspace to export.")] = DEFAULT_WORKSPACE,
) -> None:
    """Write a consistent snapshot of a workspace as Parquet. Works beside a running server.

    The folder gets its name when it is whole. `upshot restore` makes a workspace of it again.
    """
    set_up_logs("warning")
    paths = existing_directory(settings_table.load({"data": data}).data)
    existing_workspace(paths, workspace)
    with shown_progress() as progress:
        index = write_export(paths, workspace, parquet, system_clock, progress)
    files = [file for file in index.files if file.path != DAYS]
    rows, old = (sum(file.rows for file in files if file.current == kind) for kind in (True, False))
    size = sum(file.bytes for file in index.files)
    typer.echo(f"{parquet}: {rows:,} rows and {old:,} superseded in {len(files):,} files, {size:,} bytes", err=True)
    if index.quarantined:
        typer.echo(
            f"{index.quarantined:,} log entries could not be applied and are not in it: "
            f"`upshot doctor --quarantined FOLDER` writes them out",
            err=True,
        )
