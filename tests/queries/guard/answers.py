"""What a query answers, in a form in which two engines can be compared."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

DIGITS = 9
"""Significant digits of floating point that are compared: sums depend on the order of their terms."""

Answer = tuple[list[str], list[str], list[Any]]
"""Names, DuckDB's types, and rows in an order that does not depend on the engine."""


def answer(given: duckdb.DuckDBPyRelation) -> Answer:
    """Return what a relation holds."""
    rows = given.to_arrow_table()
    return rows.column_names, [str(kind) for kind in given.types], rows_of(rows)


def rows_of(table: pa.Table) -> list[Any]:
    """Return the rows of a table, in an order of their own."""
    columns = [[_value(value) for value in column.to_pylist()] for column in table.columns]
    return sorted(zip(*columns, strict=True), key=repr)


def _value(value: Any) -> Any:
    if isinstance(value, float):
        return str(value) if not math.isfinite(value) else float(f"{value:.{DIGITS}g}")
    if isinstance(value, list):
        return [_value(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, tuple):
        return tuple(_value(item) for item in value)  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return {key: _value(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value
