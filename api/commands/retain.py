"""`upshot retain`: how many days of each table are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from api.commands.erase import existing
from api.commands.remote import KeyOption, Remote, UrlOption
from warehouse.errors import InputError, shown
from warehouse.keys import DEFAULT_WORKSPACE
from warehouse.retention import FILE_TABLE, MAX_DAYS, retention, set_retention

EXAMPLES = "Examples: upshot retain · upshot retain spans 30 · upshot retain events off"

OFF = "off"


def retain(
    table: Annotated[str | None, typer.Argument(help="The table to limit; shows all of them when not given.")] = None,
    days: Annotated[
        str | None, typer.Argument(metavar="DAYS|off", help="Days to keep; off keeps the table for ever.")
    ] = None,
    url: UrlOption = None,
    key: KeyOption = None,
    data: Annotated[Path | None, typer.Option(help="Read or set this data folder's, with no server running.")] = None,
    workspace: Annotated[str, typer.Option(help="With --data: the workspace.")] = DEFAULT_WORKSPACE,
) -> None:
    """Show how many days each table keeps, or set it for one. Whole days older than that are dropped by the server."""
    wanted = None if table is None else _wanted(table, days)
    kept = _of_server(Remote(url, key), wanted) if data is None else _of_folder(data, workspace, wanted)
    shown_table = Table(box=None, header_style="bold", pad_edge=False)
    shown_table.add_column("table")
    shown_table.add_column("days")
    for name in FILE_TABLE:
        shown_table.add_row(name, str(kept.get(name, "for ever")))
    Console().print(shown_table)


def _wanted(table: str, days: str | None) -> dict[str, int | None]:
    if table not in FILE_TABLE:
        raise InputError(f"the days of {shown(table)} cannot be limited: give one of {', '.join(FILE_TABLE)}")
    if days is None:
        raise InputError(f"say how many days of {table} are to be kept: 1 to {MAX_DAYS}, or {OFF}")
    if days == OFF:
        return {table: None}
    if not (days.isascii() and days.isdecimal() and len(days) <= len(str(MAX_DAYS)) and 1 <= int(days) <= MAX_DAYS):
        raise InputError(f"the days of {table} must be a whole number of 1 to {MAX_DAYS}, or {OFF}, not {shown(days)}")
    return {table: int(days)}


def _of_server(remote: Remote, wanted: dict[str, int | None] | None) -> dict[str, int]:
    kept: dict[str, int] = remote.checked("GET", "/v1/retention").json()["days"]
    if wanted is None:
        return kept
    return remote.checked("PUT", "/v1/retention", json={**kept, **wanted}).json()["days"]


def _of_folder(root: Path, name: str, wanted: dict[str, int | None] | None) -> dict[str, int]:
    lock, workspace = existing(root, name)
    try:
        kept = retention(workspace.manifest)
        return kept if wanted is None else set_retention(workspace.manifest, {**kept, **wanted})
    finally:
        workspace.manifest.close()
        lock.release()
