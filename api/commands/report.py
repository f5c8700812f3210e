"""`upshot report`: list, show, put, run, schedule, logs, backfill."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.commands.experiment import Format, FormatOption
from api.commands.remote import KeyOption, Remote, UrlOption
from api.errors import EXIT_FAILED
from api.pages.numbers import number
from warehouse.errors import InputError, TransientError, shown

app = typer.Typer(help="Reports: notebooks that run by themselves, and are sent.", no_args_is_help=True)

ENDED = ("done", "failed")

_POLL_SECONDS = (0.2, 0.3, 0.5, 1.0)
"""Between two looks at a run, the last one for good."""
_AWAY_SECONDS = 60.0
"""How long a server that is started anew is waited for in the middle of a run."""

_FILES = {".html": "report.html", ".ipynb": "notebook.ipynb", ".png": "chart.png"}

NameArgument = Annotated[str, typer.Argument(help="The report.")]


def _place(name: str, *more: str) -> str:
    return "/".join(("/v1/reports", quote(name, safe=""), *more))


@app.command("list", epilog="Example: upshot report list")
def list_(format_: FormatOption = Format.TABLE, url: UrlOption = None, key: KeyOption = None) -> None:
    """List the reports: when each runs next, and how its newest edition ended."""
    response = Remote(url, key).checked("GET", "/v1/reports")
    if format_ is Format.JSON:
        typer.echo(response.text, nl=False)
        return
    rows = [
        (
            row["name"],
            row["title"],
            row["schedule"] and f"{row['schedule']['cron']} {row['schedule']['timezone']}",
            _minute(row["next_at"]),
            row["newest"] and row["newest"]["status"],
            row["newest"] and _minute(row["newest"]["ended_at"]),
        )
        for row in response.json()["reports"]
    ]
    _print(("name", "title", "schedule", "next (UTC)", "newest", "ended (UTC)"), rows)


def _print(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in names:
        table.add_column(name)
    for row in rows:
        table.add_row(*(Text(str(cell or "–")) for cell in row))
    Console().print(table)


def _minute(at: str | None) -> str | None:
    return at and at[:16].replace("T", " ")


@app.command("show", epilog="Example: upshot report show weekly > weekly.json")
def show(
    name: NameArgument,
    version: Annotated[int | None, typer.Option(help="That version; the newest when not given.")] = None,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Show a report's definition as JSON, secrets masked. `put` takes it, and keeps what is masked."""
    params = {} if version is None else {"version": version}
    typer.echo(Remote(url, key).checked("GET", _place(name), params=params).text, nl=False)


@app.command("put", epilog="Example: upshot report put weekly.json · upshot report put weekly.ipynb --name weekly")
def put(
    file: Annotated[Path, typer.Argument(help="A definition as JSON, or a notebook; - reads JSON from stdin.")],
    name: Annotated[str | None, typer.Option(help="The report; the file's own name when not given.")] = None,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Save a report. A notebook (.ipynb) replaces that of the report it names, or makes a new one."""
    remote = Remote(url, key)
    given = _read(file)
    if name is None:
        name = str(given.get("name") or ("" if str(file) == "-" else file.stem))
    if not name:
        raise InputError("the definition has no name", hint="give one with --name")
    body = _with_notebook(remote, name, given) if file.suffix == ".ipynb" else given
    saved = remote.checked("PUT", _place(name), json=body).json()
    typer.echo(f"{saved['name']} version {saved['version']}, next {saved['next_at'] or 'only when asked'}")


def _read(file: Path) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
        given = json.loads(text)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", code="not_found") from error
    except ValueError as error:
        raise InputError(f"{file} is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise InputError(f"{file} is not a JSON object")
    return given  # pyright: ignore[reportUnknownVariableType] - the server checks it


def _with_notebook(remote: Remote, name: str, notebook: dict[str, Any]) -> dict[str, Any]:
    response = remote.call("GET", _place(name))
    before: dict[str, Any] = response.json() if response.is_success else {"title": name}
    return before | {"template": None, "notebook": notebook}


@app.command(
    "run", epilog="Examples: upshot report run weekly · upshot report run weekly --param days=28 --out weekly.html"
)
def run(
    name: NameArgument,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="NAME=VALUE", help="A value of the parameters cell; repeatable."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write: .html, .ipynb, .png (the first chart) or .json (the facts).")
    ] = None,
    deliver: Annotated[bool, typer.Option(help="Deliver the edition as the report says.")] = True,  # noqa: FBT002
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Run a report now and wait for it. It needs no schedule, so cron or Kubernetes may call it.

    Exit code 0: the edition is done. 1: it failed; what failed is said, and the partial notebook is kept.
    """
    if out is not None and out.suffix not in (*_FILES, ".json"):
        raise InputError(f"--out is {shown(str(out))}, must end in {', '.join((*_FILES, '.json'))}")
    remote = Remote(url, key)
    body = {"params": _params(param), "deliver": deliver}
    asked = remote.checked("POST", _place(name, "run"), json=body).json()
    edition = _ended(remote, asked["place"])
    if out is not None:
        _write(remote, edition, out)
    _tell(edition)
    typer.echo(f"{remote.url}{edition['page']}")
    if edition["status"] != "done":
        raise typer.Exit(EXIT_FAILED)


def _params(given: list[str] | None) -> dict[str, Any]:
    """Return NAME=VALUE texts as a mapping; a value that is JSON is taken as that, else as text. Raises InputError."""
    found: dict[str, Any] = {}
    for text in given or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"--param {shown(text)} must be NAME=VALUE, such as days=28")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _ended(remote: Remote, place: str) -> dict[str, Any]:
    """Wait for an edition to end and return it; how far it is goes to standard error."""
    console = Console(stderr=True, highlight=False)
    began = heard = time.monotonic()
    with console.status("asked for") as line:
        for look in range(sys.maxsize):
            try:
                edition: dict[str, Any] = remote.checked("GET", place).json()
                heard = time.monotonic()
            except TransientError:
                if time.monotonic() - heard > _AWAY_SECONDS:
                    raise
            else:
                if edition["status"] in ENDED:
                    return edition
                line.update(f"{edition['status']}, {time.monotonic() - began:.0f} s")
            time.sleep(_POLL_SECONDS[min(look, len(_POLL_SECONDS) - 1)])
    raise AssertionError


def _write(remote: Remote, edition: dict[str, Any], out: Path) -> None:
    if out.suffix == ".json":
        content = json.dumps(edition, ensure_ascii=False, indent=2).encode() + b"\n"
    else:
        name = _FILES[out.suffix]
        if name not in edition["files"]:
            Console(stderr=True).print(f"the edition has no {name}; {out} is not written", markup=False)
            return
        content = remote.checked("GET", edition["files"][name]).content
    try:
        out.write_bytes(content)
    except OSError as error:
        raise TransientError(f"{out} cannot be written: {error.strerror}") from error


def _tell(edition: dict[str, Any]) -> None:
    """Say on standard error how an edition ended: its facts and changes, or what failed."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for name, fact in edition.get("facts", {}).items():
        console.print(f"{name}: {fact['words'] or number(fact['value'])}", markup=False)
    for change in edition.get("changes", []):
        console.print(f"  {change['words']}", markup=False)
    error = edition["error"]
    if error is not None:
        where = f"cell {error['cell']} " if error.get("cell") else ""
        console.print(f"failed: {where}{error['name']}: {error['message']}", style="bold red", markup=False)
        if error.get("source"):
            console.print(f"  {error['source']}", markup=False)


@app.command(
    "schedule",
    epilog="Examples: upshot report schedule weekly --cron '0 8 * * 1' --timezone Europe/Berlin · "
    "upshot report schedule weekly --off",
)
def schedule(
    name: NameArgument,
    cron: Annotated[str | None, typer.Option(help="Minute, hour, day of the month, month, day of the week.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Whose wall clock it is; UTC when never given.")] = None,
    missed: Annotated[
        str | None, typer.Option(help="What of missed times is made up for: skip, latest or all.")
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Run it only when asked.")] = False,  # noqa: FBT002
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Say when a report runs by itself; what is not given stays as it was."""
    given = {name: value for name, value in (("cron", cron), ("timezone", timezone), ("missed", missed)) if value}
    if off == bool(given):
        raise InputError("give either --off, or some of --cron, --timezone and --missed")
    remote = Remote(url, key)
    before = remote.checked("GET", _place(name)).json()
    body = before | {"schedule": None if off else (before["schedule"] or {}) | given}
    saved = remote.checked("PUT", _place(name), json=body).json()
    typer.echo(f"{saved['name']} version {saved['version']}, next {saved['next_at'] or 'only when asked'}")


@app.command("logs", epilog="Example: upshot report logs weekly --limit 5")
def logs(
    name: NameArgument,
    limit: Annotated[int, typer.Option(help="Editions at the most, the newest.")] = 20,
    format_: FormatOption = Format.TABLE,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Show a report's editions, newest first: how each ended, and every try to deliver it."""
    remote = Remote(url, key)
    editions = remote.checked("GET", _place(name, "editions"), params={"limit": limit}).json()["editions"]
    for edition in editions:
        place = _place(name, "editions", edition["id"], "deliveries")
        kept = bool(edition["files"])
        edition["deliveries"] = remote.checked("GET", place).json()["deliveries"] if kept else []
    if format_ is Format.JSON:
        typer.echo(json.dumps(editions, ensure_ascii=False, indent=2))
        return
    rows: list[tuple[Any, ...]] = []
    for edition in editions:
        error = edition["error"]
        said = f"{error['name']}: {error['message']}" if error else ""
        rows.append((_minute(edition["known_at"]), edition["status"], edition["id"], said))
        rows += [
            (_minute(one["at"]), one["outcome"], f"  {one['to']} try {one['attempt']}", _said(one))
            for one in edition["deliveries"]
        ]
    _print(("as of, at (UTC)", "status", "edition", "said"), rows)


def _said(one: dict[str, Any]) -> str:
    return " ".join(str(part) for part in (one["where"], one["status"], one["detail"]) if part not in (None, ""))


@app.command("backfill", epilog="Example: upshot report backfill weekly --from 2026-08-01 --to 2026-10-01")
def backfill(
    name: NameArgument,
    since: Annotated[str, typer.Option("--from", help="The first moment whose edition is wanted (ISO 8601).")],
    until: Annotated[str, typer.Option("--to", help="The moment before which editions are wanted.")],
    deliver: Annotated[bool, typer.Option("--deliver", help="Deliver them too.")] = False,  # noqa: FBT002
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Make the editions of a schedule's past times, each as known then, and wait for them. Kept ones stay.

    Exit code 0: all are done. 1: some failed.
    """
    remote = Remote(url, key)
    body = {"since": since, "until": until, "deliver": deliver}
    runs = remote.checked("POST", _place(name, "backfill"), json=body).json()["editions"]
    failed = 0
    for at, one in enumerate(runs, 1):
        edition = one if one["status"] in ENDED else _ended(remote, one["place"])
        failed += edition["status"] != "done"
        typer.echo(f"{at}/{len(runs)} {one['scheduled_for']} {edition['status']} {remote.url}{one['page']}")
    typer.echo(f"{len(runs)} editions, {failed} failed", err=True)
    if failed:
        raise typer.Exit(EXIT_FAILED)
