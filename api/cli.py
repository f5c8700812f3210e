"""The `upshot` command: assembles the commands, and turns every expected error into one line and an exit code."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from api.commands import demo, doctor, erase, experiment, export, ingest, keys, query, restore, retain, serve
from api.errors import EXIT_FAILED, exit_code
from warehouse.errors import QueryError, UpshotError

app = typer.Typer(
    name="upshot",
    help="Insights for AI agents: what they did, how it turned out, and which variant really works.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve", epilog=serve.EXAMPLES)(serve.serve)
app.command("demo", epilog=demo.EXAMPLES)(demo.demo)
app.command("ingest", epilog=ingest.EXAMPLES)(ingest.ingest)
app.command("query", epilog=query.EXAMPLES)(query.query)
app.command("erase", epilog=erase.EXAMPLES)(erase.erase_command)
app.command("retain", epilog=retain.EXAMPLES)(retain.retain)
app.command("doctor", epilog=doctor.EXAMPLES)(doctor.doctor)
app.command("export", epilog=export.EXAMPLES)(export.export)
app.command("restore", epilog=restore.EXAMPLES)(restore.restore)
app.add_typer(experiment.app, name="experiment")
app.add_typer(keys.app, name="keys")


def explain(error: UpshotError, sql: str = "") -> None:
    """Print an error on standard error: one line, the place in the SQL if it has one, the hint."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"upshot: {error.message}", style="bold red", markup=False)
    if isinstance(error, QueryError) and error.line is not None and sql:
        lines = sql.splitlines()
        if 0 < error.line <= len(lines):
            console.print(f"  {lines[error.line - 1]}", markup=False)
            console.print(" " * (error.col or 1) + " ^", markup=False)
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
