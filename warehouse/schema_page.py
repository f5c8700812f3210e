"""The page that explains the tables to people: `docs/reference/tables.md`, and `tables.md` of every export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.schema import FILES, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from warehouse.schema import Column, FileTable


def tables_page(note: str = "") -> str:
    """Return what SQL may name, as Markdown; `note` stands under the heading."""
    lines = [
        "# Tables",
        note,
        "What SQL may name. Times are UTC with microseconds; ids are text; JSON columns hold JSON text "
        "(`data->>'key'` reads them); a boolean score has the value 1.0 or 0.0.",
        "",
    ]
    for table in TABLES:
        lines += [f"## {table.name}", "", f"One row is {table.row}. Key: {', '.join(f'`{k}`' for k in table.key)}.", ""]
        lines += [*_columns(table.columns), ""]
    return "\n".join(lines)


def folder_of(table: FileTable) -> str:
    """Return the folder of a file table in an export: the public table whose rows its current rows are, if there is."""
    return next((public.name for public in TABLES if public.source == table.name), table.name)


def export_page() -> str:
    """Return the page of an export: the tables, and where their rows are in it."""
    lines = [
        tables_page(),
        "# Where the rows are in an export",
        "",
        "`<folder>/day=YYYY-MM-DD/*.parquet` holds the current rows, each key once. "
        "`superseded/<folder>/day=YYYY-MM-DD/*.parquet` holds what was replaced and is kept as history; "
        "both together are the `_history` or `_attempts` table. `duration_ms` is computed, not stored. "
        "A table that is not listed here is a view over these.",
        "",
        "| folder | key of a current row | with history | internal columns |",
        "| --- | --- | --- | --- |",
    ]
    for table in FILES:
        key = ", ".join(f"`{name}`" for name in table.current_key or table.key)
        inner = ", ".join(f"`{column.name}`" for column in table.stored if column.name.startswith("_"))
        lines.append(f"| `{folder_of(table)}` | {key} | {'yes' if table.history else 'no'} | {inner} |")
    lines += ["", "Internal columns, which a restore needs:", ""]
    inner = {column.name: column for table in FILES for column in table.stored if column.name.startswith("_")}
    lines += [*_columns(inner.values()), ""]
    lines += [
        "`internal/key_day.parquet` holds the day of every id that carries no time of its own, by the signed 64-bit "
        "BLAKE2b hash of the id. `export.json` names every file with its rows, bytes and SHA-256.",
        "",
    ]
    return "\n".join(lines)


def _columns(columns: Iterable[Column]) -> list[str]:
    return [
        "| column | type | meaning |",
        "| --- | --- | --- |",
        *(f"| `{column.name}` | {column.type} | {column.doc} |" for column in columns),
    ]
