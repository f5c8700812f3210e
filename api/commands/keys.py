"""`upshot keys`: who may do what."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from api import settings as settings_table
from warehouse.clock import iso, system_clock
from warehouse.directory import existing_directory, make_workspace, open_directory
from warehouse.ids import day_text
from warehouse.keys import DEFAULT_WORKSPACE, KeyEntry, Keys

if TYPE_CHECKING:
    from collections.abc import Iterator

app = typer.Typer(help="API keys: who may do what in which workspace.", no_args_is_help=True)

DataOption = Annotated[Path | None, typer.Option(help="The server's data folder.")]

_COLUMNS = ("id", "name", "workspace", "rights", "created", "last used", "revoked")


@app.callback()
def _group() -> None:
    """API keys: who may do what in which workspace."""


@app.command("create", epilog="Example: upshot keys create --name grafana --workspace support --rights query")
def create(
    workspace: Annotated[
        str, typer.Option(help="The workspace the key is for; made when it is new.")
    ] = DEFAULT_WORKSPACE,
    rights: Annotated[str, typer.Option(help="Some of ingest,query,admin.")] = "ingest,query",
    name: Annotated[str, typer.Option(help="What it is for, as `upshot keys list` shows it.")] = "",
    data: Annotated[Path | None, typer.Option(help="The server's data folder; made when missing.")] = None,
) -> None:
    """Make a key and print it, once. Takes effect at once, with or without a running server.

    From the first key on, everybody needs one, also on loopback, and also when all keys were revoked.
    """
    paths = open_directory(settings_table.load({"data": data}).data)
    wanted = [right.strip() for right in rights.split(",") if right.strip()]
    with contextlib.closing(Keys(paths)) as keys:
        key = keys.create(workspace, wanted, system_clock(), name)
    make_workspace(paths, workspace)
    typer.echo(key)


@app.command("list", epilog="Example: upshot keys list --data /var/lib/upshot")
def list_(data: DataOption = None) -> None:
    """List the keys, those that were revoked too: never the key itself. The day of the last use is in UTC."""
    with _existing(data) as keys:
        entries = keys.entries()
    if not sys.stdout.isatty():  # a terminal's width must not break the lines that a script reads
        for cells in (_COLUMNS, *map(_cells, entries)):
            typer.echo("\t".join(cells))
        return
    table = Table(*_COLUMNS, box=None, header_style="bold", pad_edge=False)
    for entry in entries:
        table.add_row(*map(Text, _cells(entry)))
    Console().print(table)


@app.command("revoke", epilog="Example: upshot keys revoke grafana")
def revoke(
    which: Annotated[str, typer.Argument(metavar="ID|NAME", help="The key's id or name, as `upshot keys list` shows.")],
    data: DataOption = None,
) -> None:
    """Revoke a key. A running server lets in no later request with it.

    A server whose keys were all revoked stays closed: make a new key.
    """
    with _existing(data) as keys:
        revoked = keys.revoke(which, system_clock())
    typer.echo(f"revoked {revoked}", err=True)


@contextlib.contextmanager
def _existing(data: Path | None) -> Iterator[Keys]:
    """The keys of a data folder that must be there already."""
    paths = existing_directory(settings_table.load({"data": data}).data)
    with contextlib.closing(Keys(open_directory(paths.root))) as keys:
        yield keys


def _cells(entry: KeyEntry) -> tuple[str, ...]:
    return (
        entry.id,
        entry.name or "–",
        entry.workspace,
        ",".join(entry.rights),
        iso(entry.created_at),
        "–" if entry.used is None else day_text(entry.used),
        "–" if entry.revoked_at is None else iso(entry.revoked_at),
    )
