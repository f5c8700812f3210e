"""The SQL of a report: every statement that was run, with its parameters, in order, so that it can be run again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

if TYPE_CHECKING:
    from types import TracebackType

Rows = Callable[[str, Sequence[object]], pa.Table]
"""Runs trusted SQL with positional parameters on the workspace's snapshot; a statement without rows gives none."""

Put = Callable[[object], str]
"""Adds a parameter and returns its placeholder."""

TEMPORARY = ("member", "cohort", "observed")
"""Temporary tables of a report, in the order in which they are made (`cohort.py`, `observations.py`)."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL and its parameters."""

    sql: str
    parameters: tuple[object, ...] = ()

    @property
    def receipt(self) -> str:
        """Return the statement as the report's receipt says it."""
        if not self.parameters:
            return self.sql
        values = [value if isinstance(value, str | int | float | None) else str(value) for value in self.parameters]
        return f"{self.sql}\n-- parameters: {json.dumps(values, ensure_ascii=False)}"


def written(text: Callable[[Put], str]) -> Statement:
    """Return the statement of a text that puts its parameters where they stand.

    Parameters are positional: the text must ask for them in the order in which they stand in it.
    """
    parameters: list[object] = []

    def put(value: object) -> str:
        parameters.append(value)
        return "?"

    sql = text(put).strip()
    return Statement(sql, tuple(parameters))


class Asker:
    """Runs statements and keeps them for the receipt. At the end of its `with` the temporary tables are gone."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._asked: list[Statement] = []

    def __enter__(self) -> Self:
        """Begin a report."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the memory of the temporary tables back."""
        for table in reversed(TEMPORARY):
            self._rows(f"DROP TABLE IF EXISTS temp.{table}", ())

    @property
    def receipt(self) -> list[str]:
        """Return the statements run so far."""
        return [statement.receipt for statement in self._asked]

    def run(self, statement: Statement) -> pa.Table:
        """Return the rows of a statement."""
        self._asked.append(statement)
        return self._rows(statement.sql, statement.parameters)

    def make(self, table: str, text: Callable[[Put], str]) -> None:
        """Make a temporary table anew from a query."""
        self._rows(f"DROP TABLE IF EXISTS temp.{table}", ())  # first: two of them would not fit into the memory
        self.run(written(lambda put: f"CREATE OR REPLACE TEMP TABLE {table} AS\n{text(put).strip()}"))

    def table(self, text: Callable[[Put], str]) -> pa.Table:
        """Return the rows of a query that puts its parameters where they stand."""
        return self.run(written(text))

    def __call__(self, sql: str, *parameters: object) -> list[dict[str, Any]]:
        """Return the rows of a statement as mappings."""
        return self.run(Statement(sql.strip(), parameters)).to_pylist()
