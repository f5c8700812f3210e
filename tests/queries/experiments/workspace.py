"""A workspace in memory: the public tables of the schema as plain tables, filled with rows."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from queries.experiments.report import report
from tests.support.command import SHARED
from warehouse.engine import rows_of
from warehouse.schema import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
START = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
ALPACA = SHARED / "alpaca-eval-6-models.ndjson"

USED = (
    "runs", "scores", "score_history", "score_definitions", "experiments", "assignments", "session_runs", "steps",
    "spans",
)  # fmt: skip


def micros(at: dt.datetime) -> int:
    return (at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


@dataclass
class Workspace:
    """Tables to fill, and the report over them."""

    connection: duckdb.DuckDBPyConnection = field(default_factory=lambda: duckdb.connect(":memory:"))
    versions: int = 0
    known: str = "infinity"
    """Until when `scores` has what came; without a question's `known_at` all of it."""
    queries: dict[str, str] = field(default_factory=dict[str, str])
    """Saved queries by name."""

    def __post_init__(self) -> None:
        """Make the tables."""
        self.connection.execute("SET TimeZone = 'UTC'")
        for name in USED:
            columns = ", ".join(f'"{column.name}" {column.type}' for column in TABLE[name].columns)
            self.connection.execute(f"CREATE TABLE {name} ({columns})")

    def rows(self, sql: str, parameters: Sequence[object]) -> pa.Table:
        return rows_of(self.connection, sql, parameters)

    def insert(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows; missing columns are null."""
        made = list(rows)
        if not made:
            return
        columns = [column for column in TABLE[table].columns if any(column.name in row for row in made)]
        names = ", ".join(f'"{column.name}"' for column in columns)
        arrow = pa.table({c.name: [row.get(c.name) for row in made] for c in columns})
        self.connection.register("_new", arrow)
        picks = ", ".join(f'"{column.name}"::{column.type}' for column in columns)
        self.connection.execute(f"INSERT INTO {table} ({names}) SELECT {picks} FROM _new")
        self.connection.unregister("_new")

    def declare(self, name: str = "e", **columns: Any) -> None:
        options = columns.pop("options", {})
        self.connection.execute("DELETE FROM experiments WHERE name = ?", [name])
        declared_at = START if columns or options else None
        unit = columns.pop("unit", "assignment")
        self.insert(
            "experiments",
            [{"name": name, "unit": unit, "options": json.dumps(options), "declared_at": declared_at, **columns}],
        )

    def assign(self, rows: Iterable[Mapping[str, Any]], experiment: str = "e") -> None:
        given = [{"experiment": experiment, "ts": START, "received_at": START, **row} for row in rows]
        self.insert("assignments", given)
        if not self.connection.execute("SELECT 1 FROM experiments WHERE name = ?", [experiment]).fetchall():
            self.insert("experiments", [{"name": experiment, "unit": "assignment"}])

    def score(self, rows: Iterable[Mapping[str, Any]], name: str = "s") -> None:
        """Insert scores as accepted in this order: `scores` has the newest of each id by (ts, order)."""
        history: list[dict[str, Any]] = []
        for row in rows:
            self.versions += 1
            made = {"name": name, "kind": "numeric", "ts": START, "received_at": START, "version": self.versions, **row}
            history.append({"id": f"{made['run_id']}:{made['name']}", **made})
        self.insert("score_history", history)
        self._know("infinity")

    def _know(self, known_at: str) -> None:
        """Let `scores` have the newest of each id by (ts, order) that was known at a time."""
        self.known = known_at
        columns = ", ".join(f'"{column.name}"' for column in TABLE["scores"].columns)
        self.connection.execute("DELETE FROM scores")
        self.connection.execute(
            f"INSERT INTO scores SELECT {columns} FROM score_history WHERE received_at <= ?::TIMESTAMPTZ "
            f"QUALIFY row_number() OVER (PARTITION BY id ORDER BY ts DESC, version DESC) = 1",
            [known_at],
        )

    def fill(self, arms: Mapping[str, Sequence[Sequence[float | None]]], kind: str = "numeric") -> None:
        """Insert variants as lists of units, units as lists of scores; null is a run without a score."""
        assigned: list[dict[str, Any]] = []
        scored: list[dict[str, Any]] = []
        for variant, units in arms.items():
            for at, unit in enumerate(units):
                for number, value in enumerate(unit):
                    run = f"{variant}-{at}-{number}"
                    assigned.append({"run_id": run, "variant": variant, "unit": f"{variant}-{at}"})
                    if value is not None:
                        scored.append({"run_id": run, "value": value, "kind": kind})
        self.assign(assigned)
        self.score(scored)

    def report(self, name: str = "e", /, **request: str) -> dict[str, Any]:
        """Return the report over what was known then; every report must be JSON without NaN."""
        if self.known != (known_at := request.get("known_at", "infinity")):
            self._know(known_at)
        made = report(self.rows, name, request, micros(NOW), "1.0", str, self.queries.__getitem__)
        json.dumps(made, allow_nan=False)
        return made
