"""The `upshot` command: assembles the commands, and turns every expected error into one line and an exit code."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from api.errors import EXIT_FAILED, exit_code
from warehouse.errors import QueryError, UpshotError

COMMANDS = {
    "serve": "serve",
    "demo": "demo",
    "ingest": "ingest",
    "query": "query",
    "experiment": "",
    "report": "",
    "keys": "",
    "retain": "retain",
    "erase": "erase_command",
    "export": "export",
    "restore": "restore",
    "doctor": "doctor",
}
"""Each command, in the order of `--help`, and its function in `api/commands/NAME.py`; empty: that has an `app`."""

_STYLE: dict[str, Any] = {"rich_markup_mode": "rich", "context_settings": {"help_option_names": ["-h", "--help"]}}


class _OnDemand(TyperGroup):
    """Imports a command when it is called: all of them take a second, one a tenth of that."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the interface's
        return [*COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the interface's
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"api.commands.{cmd_name}")
        alone = typer.Typer(add_completion=False, **_STYLE)
        if COMMANDS[cmd_name]:
            alone.command(cmd_name, epilog=module.EXAMPLES)(getattr(module, COMMANDS[cmd_name]))
        else:
            alone.add_typer(module.app, name=cmd_name)
        return typer.main.get_group(alone).commands[cmd_name]


app = typer.Typer(
    name="upshot",
    cls=_OnDemand,
    help="Insights for AI agents: what they did, how it turned out, and which variant really works.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    **_STYLE,
)


@app.callback()
def _all() -> None:
    pass


def explain(error: UpshotError, sql: str = "") -> None:
    """Print an error on standard error: one line, the place in the SQL if it has one, the hint."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"upshot: {error.message}", style="bold red", markup=False)
    if isinstance(error, QueryError) and error.line is not None and sql:
        lines = sql.splitlines()
        if 0 < error.line <= len(lines):
            console.print(f"  {lines[error.line - 1]}", markup=False)
            console.print(" " * (error.col or 1) + " " + "^" * (error.length or 1), markup=False)
    if error.hint:
        console.print(f"  hint: {error.hint}", markup=False)


def main() -> None:
    """Run the command line; exit codes are those of `api.errors`."""
    try:
        app()
    except UpshotError as error:
        explain(error, getattr(error, "sql", ""))
        sys.exit(exit_code(error.code))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(EXIT_FAILED)


if __name__ == "__main__":
    main()
