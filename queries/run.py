"""A guarded query and its limits -> its rows, handed on a batch at a time, and whether there were more."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from queries.guard.explain import engine_error
from warehouse import engine
from warehouse.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    import pyarrow as pa

    from queries.formats import Writer
    from queries.guard import GuardedQuery
    from queries.messages import Ask

BATCH_ROWS = 20_000

REPORT_SECONDS = 120.0
"""The deadline of questions that are not the caller's SQL (reports, lists)."""


class Limits(msgspec.Struct, frozen=True):
    """What one query may take. A caller may tighten these, never widen them."""

    rows: int = 10_000
    seconds: float = 10.0
    max_rows: int = 1_000_000
    max_seconds: float = 30.0
    memory_mb: int = 1_000
    """Memory of the engine of one worker."""
    max_answer_mb: int = 1_000
    """Size of one answer, whatever its format."""
    max_scan_mb: int = 0
    """Size of the files one query may be given; 0: any."""


def deadline(ask: Ask, limits: Limits) -> float:
    """Return the seconds that a question may take."""
    if ask.kind not in ("query", "check"):
        return REPORT_SECONDS
    return max(min(ask.timeout_s or limits.seconds, limits.max_seconds), 0.0)


@dataclass(frozen=True, slots=True)
class Ran:
    """How many rows were handed on; `truncated` says that at least one more existed."""

    rows: int
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
            raise query.placed(engine_error(str(error), query.sql)) from error
        raise


def run(
    connection: engine.Connection,
    query: GuardedQuery,
    parameters: Sequence[Any] | Mapping[str, Any],
    limits: Limits,
    begin: Callable[[pa.Schema, Sequence[str]], Writer],
) -> tuple[Ran, Writer]:
    """Run the very text that was checked, and write its rows; one past the limit is fetched to know of more.

    `begin` is given the columns and DuckDB's names of their types, and returns what takes the rows.

    Raises:
        QueryError: the engine refused or failed, or `timeout` after `limits.seconds`.
    """
    deadline = time.monotonic() + limits.seconds
    timer = threading.Timer(limits.seconds, connection.interrupt)
    timer.start()
    try:
        relation = bind(connection, query, parameters)
        types = [str(type_) for type_ in relation.types]
        reader = relation.to_arrow_reader(BATCH_ROWS)
        writer = begin(reader.schema, types)
        count = 0
        with contextlib.closing(_batches(reader, limits.rows, connection)) as batches:
            for batch in batches:
                writer.write(batch.slice(0, limits.rows - count))
                count += batch.num_rows
                if time.monotonic() > deadline:
                    raise _late(limits)
        return Ran(min(count, limits.rows), count > limits.rows), writer
    except engine.InterruptError as error:
        raise _late(limits) from error
    except engine.Error as error:
        raise query.placed(engine_error(str(error), query.sql)) from error
    finally:
        timer.cancel()


def _batches(reader: pa.RecordBatchReader, limit: int, connection: engine.Connection) -> Generator[pa.RecordBatch]:
    """Yield batches until more than `limit` rows came.

    The next is made while the caller writes a full one: an answer of a million rows takes a fifth less time.
    """
    count = 0
    with ThreadPoolExecutor(1, "fetch") as thread:  # it starts with the first full batch
        batch = _next(reader)
        while batch is not None:
            count += batch.num_rows
            wanted = count <= limit
            following = thread.submit(_next, reader) if wanted and batch.num_rows == BATCH_ROWS else None
            try:
                yield batch
            except GeneratorExit:  # it could not be written, or not in time
                if following is not None:
                    connection.interrupt()
                raise
            batch = following.result() if following else _next(reader) if wanted else None


def _next(reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
    """Return the next batch, None after the last; what the engine raises arrives as OSError and leaves as its own."""
    try:
        return reader.read_next_batch()
    except StopIteration:
        return None
    except OSError as error:
        kind = engine.InterruptError if str(error).startswith("INTERRUPT") else engine.Error
        raise kind(str(error)) from error


def _late(limits: Limits) -> QueryError:
    return QueryError(
        f"the query was stopped after {limits.seconds:g} s",
        code="timeout",
        hint=f"ask for fewer days or rows, or give a larger timeout_s (at most {limits.max_seconds:g})",
    )
