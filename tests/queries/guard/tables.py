"""Rows for every table, hot and sealed, with the texts that trip quoting; and the same rows in a plain DuckDB."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from tests.support.rows import NOW
from warehouse.engine import rows_of
from warehouse.schema import FILE, TABLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.rows import Warehouse

SEED = 20_260_901
ROWS = 60
"""Rows of each file table."""

HOUR = 3_600_000_000

_RUNS = [f"r{n:02}" for n in range(20)]
_WORDS: dict[str, list[str | None]] = {
    "id": [f"i{n:02}" for n in range(40)],
    "run_id": [*_RUNS],
    "parent_run_id": [None, None, *_RUNS[:4]],
    "step_id": [None, "s0", "s1", "s2"],
    "trace_id": ["t0", "t1", "t2"],
    "status": ["Queued", "Running", "Completed", "Failed", "Cancelled"],
    "environment": ["production", "staging", None, "it's", 'say "x"', "żółć\nnew line", "back\\slash"],
    "user_id": ["u1", "u2", "u3", None],
    "function_id": ["answer", "triage"],
    "experiment": ["prompt-v2", "model"],
    "variant": ["control", "treatment", "it's"],
    "session_key": ["ticket_id", "chat"],
    "session_id": ["c1", "c2", "c3"],
    "source": ["code", "llm", "human"],
    "kind": ["numeric", "boolean"],
    "type": ["llm", "tool", "agent"],
    "name": ["support/ticket.created", "task-solved", "lookup", "a_b"],
    "unit": ["u1", "u2", "u3", "u4"],
    "release": ["1.0", "1.1", ""],
    "label": [None, "good", "4.5"],
    "request_model": ["gpt", "claude", None],
}
"""Column -> what its values are drawn from."""

_DOCUMENTS = (
    '{"answer": "yes", "citations": [1, 2], "ticket": {"id": 7, "subject": "it\'s"}, "grade": "A"}',
    '{"a": [{"b": "deep"}], "gen_ai.request.model": "gpt", "answer": null}',
    "[1, 2.5, null]",
    '"text"',
    None,
)


_VALUES: tuple[tuple[Callable[[pa.DataType], bool], Callable[[random.Random, str], Any]], ...] = (
    (pa.types.is_string, lambda rng, name: rng.choice(_WORDS.get(name, [None, "x", "y", "zażółć"]))),
    (pa.types.is_boolean, lambda rng, _: rng.random() < 0.5),
    (pa.types.is_integer, lambda rng, name: rng.randrange(4 if name in {"attempt", "loop_index"} else 5_000)),
    (pa.types.is_floating, lambda rng, _: rng.choice([0.0, 1.0, 0.25, -3.5, 12.125])),
    (pa.types.is_timestamp, lambda rng, _: NOW - rng.randrange(24 * 9) * HOUR),
    (pa.types.is_map, lambda rng, _: [("ticket_id", "c1"), ("gen_ai.request.model", "gpt")][: rng.randrange(3)]),
    (pa.types.is_list, lambda rng, _: [f"e{rng.randrange(5)}" for _ in range(rng.randrange(4))]),
    (lambda _: True, lambda rng, _: rng.choice(_DOCUMENTS)),
)
"""Kind of column -> how its values are made; the first that fits."""


def _value(rng: random.Random, name: str, kind: pa.DataType) -> Any:
    return next(make for fits, make in _VALUES if fits(kind))(rng, name)


def _row(rng: random.Random, table: str, n: int) -> dict[str, Any]:
    schema = FILE[table].arriving
    row = {name: _value(rng, name, kind) for name, kind in zip(schema.names, schema.types, strict=True)}
    row |= {"_given": True, "_day_id": row.get("run_id") or row.get("id") or "", "received_at": NOW + n}
    row |= {name: NOW + n for name in ("_received_at", "declared_at", "updated_at") if name in row}
    if table == "runs":
        row["id"] = row["_day_id"] = rng.choice(_RUNS)
    if table in {"experiment_declarations", "score_definitions"}:
        row["name"], row["_day_id"] = rng.choice(["prompt-v2", "model", "task-solved", "lookup"]), ""
        row |= {"unit": "run"} if table == "experiment_declarations" else {}
    return {name: value for name, value in row.items() if name in schema.names}


def fill(warehouse: Warehouse) -> None:
    """Land rows in every file table: most sealed, the last ones still in the log."""
    rng = random.Random(SEED)  # noqa: S311 - rows for a test, not a secret
    for table in FILE:
        warehouse.append(table, *(_row(rng, table, n) for n in range(ROWS)))
    warehouse.seal()
    for table in FILE:
        warehouse.append(table, *(_row(rng, table, ROWS + n) for n in range(5)))


def plain(warehouse: Warehouse) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB with no settings of ours but the time zone, whose tables hold the rows of the public tables."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET threads = 1")
    engine = warehouse.snapshots.engine()
    for table in TABLES:
        columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
        connection.execute(f'CREATE TABLE "{table.name}"({columns})')
        connection.register("_rows", rows_of(engine.cursor(), f'SELECT * FROM "{table.name}"'))
        connection.execute(f'INSERT INTO "{table.name}" SELECT * FROM _rows')
        connection.unregister("_rows")
    warehouse.snapshots.release()
    return connection
