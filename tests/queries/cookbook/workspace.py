"""A workspace of real records, landed by the real pipeline, and recipes asked of it as a stranger would."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ingest.declare import experiment_declaration, score_definition
from ingest.limits import Limits
from ingest.otel import taken
from ingest.pipeline import receive
from queries.cookbook import RECIPES
from queries.messages import Ask
from queries.run import Limits as QueryLimits
from queries.worker import Worker
from tests.support.rows import NOW, Warehouse
from warehouse.log import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from queries.cookbook import Recipe

Record = dict[str, Any]
Row = dict[str, Any]
Declarations = list[tuple[Any, str, dict[str, Any]]]

BATCH = 5_000
RECIPE = {recipe.name: recipe for recipe in RECIPES}
DECLARED = {"experiments": experiment_declaration, "scores": score_definition}
TABLES = {"experiments": "experiment_declarations", "scores": "score_definitions"}


@dataclass
class Workspace:
    """What records became, behind the guard."""

    worker: Worker

    def check(self, recipe: Recipe) -> list[dict[str, Any]]:
        """Return the diagnostics of a recipe."""
        answer, body = self.worker.answer(_asked("check", recipe, {}))
        assert answer.error is None, answer.error
        return json.loads(body)["diagnostics"]

    def rows(self, name: str, **given: Any) -> list[Row]:
        """Return the rows of a recipe, with its own parameters but for those that are given."""
        answer, body = self.worker.answer(_asked("query", RECIPE[name], given))
        assert answer.error is None, answer.error
        made = json.loads(body)
        names = [column["name"] for column in made["columns"]]
        assert len(names) == len(set(names)), "columns of one name"
        return [dict(zip(names, row, strict=True)) for row in made["rows"]]

    def columns(self, recipe: Recipe) -> list[str]:
        """Return the names of a recipe's columns."""
        answer, body = self.worker.answer(_asked("query", recipe, {}))
        assert answer.error is None, answer.error
        return [column["name"] for column in json.loads(body)["columns"]]


def _asked(kind: Any, recipe: Recipe, given: Mapping[str, Any]) -> Ask:
    params = {one.name: given.get(one.name, one.default) for one in recipe.params}
    return Ask(kind=kind, sql=recipe.sql, params=params, types={one.name: one.type for one in recipe.params})


@contextmanager
def holding(
    records: Iterable[Record], traces: Iterable[bytes] = (), declarations: Declarations | None = None
) -> Iterator[Workspace]:
    """Open a workspace that was sent these: half of it sealed, the rest in the log."""
    with tempfile.TemporaryDirectory() as folder, Warehouse(Path(folder)) as warehouse:
        for kind, name, body in declarations or []:
            row = DECLARED[kind](name, body, NOW)
            warehouse.log.append(encode({TABLES[kind]: row})).result(10)
        source = iter(records)
        while some := list(islice(source, BATCH)):
            made = receive(b"\n".join(map(msgspec.json.encode, some)), "application/x-ndjson", None, NOW, Limits())
            assert not made.rejected, made.rejected
            warehouse.log.append(encode(made.batches)).result(10)
        warehouse.seal()
        for body in traces:
            found = taken.receive(taken.TRACES, body, None, "application/json", NOW, taken.Reading())
            assert not found.rejected, found.reasons
            warehouse.log.append(found.entries).result(10)
        worker = Worker(warehouse.paths, QueryLimits())
        try:
            yield Workspace(worker)
        finally:
            worker._snapshots.close()  # pyright: ignore[reportPrivateUsage]


def otlp(*spans: Record) -> bytes:
    """Return spans as a request of OTLP: `trace`, `span`, `parent`, `name`, `start`, `end` (ms), `error`, `told`."""
    return msgspec.json.encode(
        {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": [_otlp(span) for span in spans]}]}]}
    )


def _otlp(span: Record) -> Record:
    made = {
        "traceId": f"{span['trace']:032x}",
        "spanId": f"{span['span']:016x}",
        "name": span["name"],
        "startTimeUnixNano": str(span["start"] * 1_000_000),
        "endTimeUnixNano": str(span["end"] * 1_000_000),
        "status": {"code": 2, "message": span["error"]} if "error" in span else {"code": 1},
        "attributes": [{"key": key, "value": _value(value)} for key, value in span.get("told", {}).items()],
    }
    return made | ({"parentSpanId": f"{span['parent']:016x}"} if "parent" in span else {})


def _value(value: str | float) -> Record:
    if isinstance(value, str):
        return {"stringValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"doubleValue": value}
