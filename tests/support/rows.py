"""Rows of file tables from plain dictionaries, and a workspace to land them in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from ingest.columns import documents
from queries.snapshots import Snapshots
from warehouse.compaction import Compactor
from warehouse.engine import rows_of
from warehouse.log import Log, encode
from warehouse.paths import DataPaths
from warehouse.schema import FILE
from warehouse.sealing import Limits, Sealer
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

NOW = 1_790_000_000_000_000
"""Microseconds since 1970 at which a test's clock starts (September 2026)."""


def batch(table: str, rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """Return rows as a validated batch of a file table; missing columns are null."""
    schema = FILE[table].arriving
    columns: list[pa.Array[Any]] = []
    for name, kind in zip(schema.names, schema.types, strict=True):
        values = [row.get(name) for row in rows]
        if kind == pa.json_():
            columns.append(documents([None if value is None else value.encode() for value in values]))
        else:
            columns.append(pa.array(values, kind))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def run(id_: str, received_at: int = NOW, **columns: Any) -> dict[str, Any]:
    """Return a row of `runs` as validation makes it."""
    return {"id": id_, "received_at": received_at, "_given": False, "_day_id": id_, **columns}


def score(id_: str, value: float, received_at: int = NOW, ts: int | None = None, **columns: Any) -> dict[str, Any]:
    """Return a row of `score_history` as validation makes it; without `ts` the sender gave none."""
    made = {"id": id_, "name": "solved", "value": value, "kind": "numeric", "run_id": "r", "ts": ts or received_at}
    return made | {"received_at": received_at, "_given": ts is not None, "_day_id": id_} | columns


def assignment(run_id: str, variant: str, ts: int, received_at: int = NOW, **columns: Any) -> dict[str, Any]:
    """Return a row of `assignments` as validation makes it."""
    made = {"run_id": run_id, "experiment": "e", "variant": variant, "ts": ts, "received_at": received_at}
    return made | {"_implied": False, "_given": True, "_day_id": run_id} | columns


def step(run_id: str, id_: str, attempt: int, received_at: int = NOW, **columns: Any) -> dict[str, Any]:
    """Return a row of `step_attempts` as validation makes it."""
    made = {"run_id": run_id, "id": id_, "loop_index": 0, "attempt": attempt, "_received_at": received_at}
    return made | {"_given": False, "_day_id": run_id} | columns


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    us: int = NOW

    def __call__(self) -> int:
        """Return microseconds since 1970."""
        return self.us


@dataclass
class Warehouse:
    """A workspace in a folder: append, seal, ask."""

    root: Path
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        """Open it."""
        self.paths = DataPaths(self.root).workspace("default")
        self.paths.root.mkdir(parents=True, exist_ok=True)
        self.workspace = open_workspace(self.paths)
        self.log = Log(open_workspace(self.paths).manifest, self.clock)
        self.sealer = Sealer(open_workspace(self.paths), Limits(), self.clock)
        self._compactor: Compactor | None = None
        self.snapshots = Snapshots(self.paths)

    def append(self, table: str, *rows: Mapping[str, Any]) -> int:
        """Log rows as one request and return once they are durable."""
        return self.log.append(encode({table: batch(table, rows)})).result(10)

    @property
    def compactor(self) -> Compactor:
        """What compacts it, made when it is first needed."""
        if self._compactor is None:
            self._compactor = Compactor(open_workspace(self.paths))
        return self._compactor

    def seal(self) -> int:
        """Seal everything that waits."""
        total = 0
        while rows := self.sealer.seal():
            total += rows
        return total

    def ask(self, sql: str, known_at: int | None = None) -> list[tuple[Any, ...]]:
        """Return the rows of trusted SQL over everything acknowledged."""
        engine = self.snapshots.engine(past=known_at is not None)
        rows = rows_of(engine.cursor(known_at=known_at), sql)
        self.snapshots.release()
        return [tuple(row.values()) for row in rows.to_pylist()]

    def close(self) -> None:
        """Close it."""
        self.log.close()
        self.sealer.close()
        if self._compactor is not None:
            self._compactor.close()
        self.snapshots.close()
        self.workspace.manifest.close()

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()
