"""`upshot doctor`: is everything on disk as it should be, and what can be done where it is not."""

from __future__ import annotations

import contextlib
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from api import settings as settings_table
from api.commands.progress import shown_progress
from api.errors import EXIT_FAILED
from warehouse.clock import system_clock
from warehouse.directory import WriterLock, existing_directory, existing_workspace
from warehouse.doctor import Finding, examine, save_quarantined

EXAMPLES = (
    "Examples: upshot doctor --data /var/lib/upshot · upshot doctor --repair (with the server stopped) · "
    "upshot doctor --format json | jq .findings"
)

_COLOURS = {"error": "bold red", "warning": "yellow", "note": "dim"}


class Format(StrEnum):
    """How findings are printed."""

    TABLE = "table"
    JSON = "json"


def doctor(
    data: Annotated[Path | None, typer.Option(help="The server's data folder.")] = None,
    workspace: Annotated[str | None, typer.Option(help="Only this workspace; all, when not given.")] = None,
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what safely can be; no server may run meanwhile.")
    ] = False,
    quarantined: Annotated[
        Path | None, typer.Option(help="Write log entries that could not be applied into this folder.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", "-f", help="table or json.")] = Format.TABLE,
) -> None:
    """Check server.db, every workspace's log and manifest, and every file. Also beside a running server.

    Exit code 0: nothing is wrong (notes are as they should be); 1: something was found, repaired or not.
    """
    paths = existing_directory(settings_table.load({"data": data}).data)
    if workspace is not None:
        existing_workspace(paths, workspace)
    names = paths.workspaces() if workspace is None else [workspace]
    with contextlib.ExitStack() as held:
        if repair:
            held.enter_context(WriterLock(paths))
        progress = held.enter_context(shown_progress())
        found = list(examine(paths, names, system_clock, repair=repair, progress=progress))
    saved: list[Path] = []
    for name in names if quarantined is not None else ():
        saved += save_quarantined(paths, name, quarantined or Path())
    if format_ is Format.JSON:
        json.dump({"workspaces": names, "findings": [_facts(one) for one in found]}, sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        _print(found, names)
    for path in saved:
        typer.echo(f"written: {path}", err=True)
    if any(one.severity != "note" for one in found):
        raise SystemExit(EXIT_FAILED)


def _facts(finding: Finding) -> dict[str, Any]:
    names = ("severity", "code", "workspace", "place", "what", "repair", "rows", "done")
    return {name: getattr(finding, name) for name in names}


def _print(found: list[Finding], names: list[str]) -> None:
    console = Console(highlight=False)
    shown = Table(header_style="bold", box=None, pad_edge=False)
    for name in ("", "workspace", "place", "what is wrong", "repair"):
        shown.add_column(name, overflow="fold")
    for one in found:
        mend = f"done: {one.done}" if one.done else one.repair
        cells = (one.workspace, one.place, one.what, mend)
        shown.add_row(Text(one.severity, style=_COLOURS[one.severity]), *map(Text, cells))
    if found:
        console.print(shown)
    wrong = [one for one in found if one.severity != "note"]
    mended = [one for one in wrong if one.done]
    loud = Console(stderr=True, highlight=False)
    workspaces = f"{len(names)} workspace{'' if len(names) == 1 else 's'}"
    if not wrong:
        loud.print(f"nothing is wrong in {workspaces}", style="green")
        return
    loud.print(f"{len(wrong)} found in {workspaces}, {len(mended)} repaired", style="bold")
    for one in mended:
        if one.rows:
            text = (
                f"{one.rows} rows LOST from answers: {one.workspace} {one.place}. Their file is in quarantine/, if any."
            )
            loud.print(text, style="bold red", markup=False)
