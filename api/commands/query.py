"""`upshot query`: SQL from the shell."""

from __future__ import annotations

import io
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.commands.remote import KeyOption, Remote, UrlOption
from queries.formats import ARROW_STREAM
from queries.messages import Ask
from queries.values import json_rows
from warehouse.directory import open_directory
from warehouse.errors import InputError, UpshotError
from warehouse.keys import DEFAULT_WORKSPACE
from warehouse.options import moment

if TYPE_CHECKING:
    import httpx

EXAMPLES = (
    'Examples: upshot query "SELECT status, count(*) FROM runs GROUP BY 1" · upshot query - < report.sql > out.csv'
)


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    ARROW = "arrow"
    PARQUET = "parquet"


def query(
    sql: Annotated[str, typer.Argument(help="One SELECT; - reads it from standard input.")],
    format_: Annotated[
        Format | None, typer.Option("--format", "-f", help="table on a terminal, csv elsewhere, when not given.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Rows at the most; 10,000 when not given.")] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds at the most; 10 when not given, 30 at the most.")
    ] = None,
    known_at: Annotated[str | None, typer.Option(help="Answer as known at that time (ISO 8601).")] = None,
    url: UrlOption = None,
    key: KeyOption = None,
    data: Annotated[Path | None, typer.Option(help="Read this data folder instead of asking a server.")] = None,
) -> None:
    """Ask in SQL. Tables: `upshot query "SELECT * FROM runs LIMIT 5"`, or the server's /v1/tables."""
    text = sys.stdin.read() if sql == "-" else sql
    wanted = format_ or (Format.TABLE if sys.stdout.isatty() else Format.CSV)
    wire = "json" if wanted is Format.JSON else "arrow"
    body = {"sql": text, "limit": limit, "timeout_s": timeout, "known_at": known_at}
    try:
        if data is not None:
            answer = _offline(data, text, limit, timeout, known_at, wire)
        else:
            accept = {"Accept": ARROW_STREAM if wire == "arrow" else "application/json"}
            given = {name: value for name, value in body.items() if value is not None}
            response: httpx.Response = Remote(url, key).checked("POST", "/v1/query", json=given, headers=accept)
            answer = response.content
    except UpshotError as error:
        error.sql = text  # pyright: ignore[reportAttributeAccessIssue] - for the caret under the place
        raise
    write(answer, wanted)


def _offline(data: Path, sql: str, limit: int | None, timeout: float | None, known_at: str | None, wire: str) -> bytes:
    from queries.run import Limits  # noqa: PLC0415 - a server is asked without all this
    from queries.worker import Worker  # noqa: PLC0415

    if not data.is_dir():
        raise InputError(f"{data} is no folder", code="not_found")
    worker = Worker(open_directory(data).workspace(DEFAULT_WORKSPACE), Limits())
    answer, body = worker.answer(
        Ask(
            kind="query",
            sql=sql,
            limit=limit,
            timeout_s=timeout,
            known_at=None if known_at is None else moment("known_at", known_at),
            format="arrow" if wire == "arrow" else "json",
        )
    )
    if answer.error is not None:
        raise answer.error.as_error()
    return body


def write(answer: bytes, wanted: Format) -> None:
    """Write an answer (JSON or an Arrow stream) to standard output."""
    if wanted in (Format.JSON, Format.ARROW):
        sys.stdout.buffer.write(answer + (b"\n" if wanted is Format.JSON else b""))
        return
    rows = pa.ipc.open_stream(answer).read_all()
    if wanted is Format.TABLE:
        Console().print(table(rows))
        facts = rows.schema.metadata or {}
        Console(stderr=True, highlight=False).print(f"{rows.num_rows} rows{_more(facts)}", style="dim")
    elif wanted is Format.PARQUET:
        sink = io.BytesIO()
        pq.write_table(rows, sink, compression="zstd")
        sys.stdout.buffer.write(sink.getvalue())
    else:
        arrow_csv.write_csv(_flat(rows), sys.stdout.buffer)


def _more(facts: dict[bytes, bytes]) -> str:
    return " (there are more: raise --limit)" if b'"truncated":true' in facts.get(b"upshot", b"") else ""


def _flat(rows: pa.Table) -> pa.Table:
    """Return rows whose nested values and times are text, as CSV has only text."""
    plain = [
        column if not (pa.types.is_nested(column.type) or pa.types.is_timestamp(column.type)) else None
        for column in rows.columns
    ]
    texts = json_rows(rows) if None in plain else []
    columns = [
        column
        if column is not None
        else pa.array([None if row[at] is None else str(row[at]) for row in texts], pa.string())
        for at, column in enumerate(plain)
    ]
    return pa.Table.from_arrays(columns, names=rows.column_names)


def table(rows: pa.Table) -> Table:
    """Return rows as a table for a terminal; numbers to the right."""
    shown = Table(header_style="bold", box=None, pad_edge=False)
    for name, kind in zip(rows.schema.names, rows.schema.types, strict=True):
        numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        shown.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in json_rows(rows):
        shown.add_row(*(Text("" if value is None else str(value)) for value in row))
    return shown
