"""Requests from plain dictionaries, and their rows back as plain dictionaries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from ingest.limits import Limits
from ingest.pipeline import Validated, receive

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NOW = 1_790_000_000_000_000
"""When requests are received: microseconds since 1970 (September 2026)."""

NDJSON = "application/x-ndjson"


def ndjson(records: Iterable[Mapping[str, Any]]) -> bytes:
    """Return records as lines, spaces and all, as Python's own json writes them."""
    return b"\n".join(json.dumps(record, ensure_ascii=False).encode() for record in records)


def received(body: bytes, content_type: str | None = NDJSON) -> Validated:
    """Return what becomes of a plain body."""
    return receive(body, content_type, None, NOW, Limits())


def rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Return the rows of a batch: times as microseconds, maps as dictionaries, JSON as text."""
    batch.validate(full=True)
    columns: dict[str, list[Any]] = {}
    for name, column in zip(batch.schema.names, cast("list[pa.Array[Any]]", batch.columns), strict=True):
        if pa.types.is_timestamp(column.type):
            columns[name] = column.cast(pa.int64()).to_pylist()
        elif pa.types.is_map(column.type):
            pairs = cast("list[list[tuple[str, str]] | None]", column.to_pylist())
            columns[name] = [None if row is None else dict(row) for row in pairs]
        elif isinstance(column, pa.ExtensionArray):
            columns[name] = column.storage.to_pylist()
        else:
            columns[name] = column.to_pylist()
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def tables(validated: Validated) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of a request by file table."""
    return {table: rows(batch) for table, batch in validated.batches.items()}
