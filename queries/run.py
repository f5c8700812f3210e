"""A guarded query and its limits -> rows, and whether there were more."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from queries.guard.explain import engine_error
from warehouse import engine
from warehouse.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from queries.guard import GuardedQuery

BATCH_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may take. A caller may tighten these, never widen them."""

    rows: int = 10_000
    seconds: float = 10.0
    max_rows: int = 1_000_000
    max_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Result:
    """The rows of a query; `types` are DuckDB's names; `truncated` says that at least one more row existed."""

    rows: pa.Table
    types: tuple[str, ...]
    truncated: bool


def bind(
    connection: engine.Connection, query: GuardedQuery, parameters: Sequence[Any] | Mapping[str, Any]
) -> engine.Relation:
    """Let the engine resolve every name; nothing has run yet.

    Raises:
        QueryError: `unknown_column` and the like, with the place.
    """
    try:
        return connection.sql(query.sql, params=parameters or None)
    except engine.BindError:
        # Only `execute` says where; a statement that does not bind does not run there either.
        try:
            connection.execute(query.sql, parameters)
        except engine.Error as error:
            raise engine_error(str(error), query.sql) from error
        raise


def run(
    connection: engine.Connection,
    query: GuardedQuery,
    parameters: Sequence[Any] | Mapping[str, Any],
    limits: Limits,
) -> Result:
    """Run the very text that was checked; one row past the limit is fetched so that `truncated` is a fact.

    Raises:
        QueryError: the engine refused or failed, or `timeout` after `limits.seconds`.
    """
    timer = threading.Timer(limits.seconds, connection.interrupt)
    timer.start()
    try:
        relation = bind(connection, query, parameters)
        types = tuple(str(type_) for type_ in relation.types)
        reader = relation.to_arrow_reader(BATCH_ROWS)
        batches: list[pa.RecordBatch] = []
        count = 0
        for batch in reader:
            batches.append(batch)
            count += batch.num_rows
            if count > limits.rows:
                break
        rows = pa.Table.from_batches(batches, schema=reader.schema)
        return Result(rows.slice(0, limits.rows), types, count > limits.rows)
    except engine.InterruptError as error:
        raise QueryError(
            f"the query was stopped after {limits.seconds:g} s",
            code="timeout",
            hint=f"ask for fewer days or rows, or give a larger timeout_s (at most {limits.max_seconds:g})",
        ) from error
    except engine.Error as error:
        raise engine_error(str(error), query.sql) from error
    finally:
        timer.cancel()
