"""The rows of a query, whole or a batch at a time, and what the server says of them."""

from __future__ import annotations

import asyncio
import functools
import html
import importlib.util
import io
import itertools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from upshot import _values
from upshot._call import Answer, Call, Question, body_of, encoded, not_upshot
from upshot._errors import ArgumentError, MissingPackageError, UnreachableError
from upshot._names import distinct
from upshot._settings import Moment, moment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import httpx
    import pandas as pd
    import polars as pl
    import pyarrow as pa

ARROW = "application/vnd.apache.arrow.stream"
SERVER_QUERY_SECONDS = 30.0
"""The longest that a server lets a query run, unless it is set otherwise."""

_SHOWN_ROWS = 20
_CELL = 200


class TruncatedWarning(UserWarning):
    """There are more rows than were answered."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a result: its name, no two of which are equal, and the engine's type."""

    name: str
    type: str


@functools.cache
def arrow_is_here() -> bool:
    """Return whether rows can be read as Arrow."""
    return importlib.util.find_spec("pyarrow") is not None


def is_arrow(headers: Mapping[str, str]) -> bool:
    """Return whether an answer is an Arrow stream."""
    return headers.get("content-type", "").startswith(ARROW)


def room(length: int) -> bytearray | memoryview:
    """Return a buffer for an Arrow stream of an announced length; one that grows when none was."""
    return _arrow().room(length) if length and arrow_is_here() else bytearray(length)


def query_call(
    sql: str,
    params: Sequence[object] | Mapping[str, object] | None,
    known_at: Moment | None,
    limit: int | None,
    timeout: float | None,
    *,
    accept: str | None = None,
) -> Call:
    """Return the request of a query; raises ArgumentError when it cannot be sent."""
    if not isinstance(sql, str):  # pyright: ignore[reportUnnecessaryIsInstance] - not everyone checks types
        raise ArgumentError(f"sql is a {type(sql).__name__}, must be text")
    if isinstance(params, str | bytes):
        raise ArgumentError("params is text, must be a list of values of ?, or a dict of those of $name")
    body = {
        "sql": encoded("sql", sql),
        "params": None if params is None else encoded("params", _collected(params)),
        "known_at": None if known_at is None else encoded("known_at", moment("known_at", known_at)),
        "limit": None if limit is None else encoded("limit", limit),
        "timeout_s": None if timeout is None else encoded("timeout", timeout),
    }
    text = ",".join(f'"{name}":{value}' for name, value in body.items() if value is not None)
    return Call(
        "POST",
        "/v1/query",
        body=f"{{{text}}}".encode(),
        headers={
            "Content-Type": "application/json",
            "Accept": accept or (ARROW if arrow_is_here() else "application/json"),
        },
        patience=SERVER_QUERY_SECONDS if timeout is None else timeout,
        sql=sql,
    )


def _collected(params: Sequence[object] | Mapping[str, object]) -> object:
    return dict(params) if isinstance(params, Mapping) else list(params)


class _Rows(Protocol):
    """Where the rows of a result are."""

    def rows(self) -> list[dict[str, Any]]: ...

    def table(self) -> pa.Table: ...


class _ArrowRows:
    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def rows(self) -> list[dict[str, Any]]:
        return _arrow().rows(self._table)

    def table(self) -> pa.Table:
        return self._table


class _JsonRows:
    def __init__(self, columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> None:
        self._columns = columns
        self._rows = rows

    def rows(self) -> list[dict[str, Any]]:
        names = [column.name for column in self._columns]
        readers = [_values.reader(column.type) for column in self._columns]
        return [
            {name: _values.none_or(read, value) for name, read, value in zip(names, readers, row, strict=True)}
            for row in self._rows
        ]

    def table(self) -> pa.Table:
        _arrow()
        raise MissingPackageError("pyarrow was not installed when the query was asked", hint="ask again")


def require_arrow() -> None:
    """Raise MissingPackageError without pyarrow."""
    _arrow()


def _arrow() -> Any:
    """Return the module for Arrow; raises MissingPackageError without pyarrow."""
    try:
        from upshot import _arrow  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingPackageError("pyarrow is not installed", hint="pip install 'upshot[arrow]'") from error
    return _arrow


class Told:
    """What the server says of the rows of an answer.

    Attributes:
        columns: name and type of each, in order.
        row_count: how many rows there are.
        truncated: whether there are more rows than these.
        elapsed_ms: what the server took, in milliseconds.
        snapshot: the state of the data that was asked; the same statement about the same gives the same rows.
        stats: the other facts, such as `rows_scanned` and `bytes_scanned`.
    """

    def __init__(self, columns: Sequence[Column], facts: Mapping[str, Any]) -> None:
        self.columns = tuple(columns)
        self.row_count: int = facts["row_count"]
        self.truncated: bool = facts["truncated"]
        self.elapsed_ms: float = facts["elapsed_ms"]
        self.snapshot: str = facts["snapshot"]
        known = {"columns", "rows", "types", *vars(self)}
        self.stats: dict[str, Any] = {name: fact for name, fact in facts.items() if name not in known}

    def __repr__(self) -> str:
        """Return the shape."""
        more = ", truncated" if self.truncated else ""
        return f"<{type(self).__name__}: {self.row_count} rows x {len(self.columns)} columns{more}>"

    def warn(self, limit: int | None, depth: int) -> None:
        """Warn the caller `depth` frames above when there are more rows than these."""
        if self.truncated:
            bound = self.stats.get("limits", {}).get("rows", limit or self.row_count)
            told = f"the answer has the first {self.row_count} rows and there are more: the limit is {bound:.0f}"
            warnings.warn(f"{told}; give a larger limit, or aggregate", TruncatedWarning, stacklevel=depth + 1)


class Result(Told):
    """The rows of a query, whole."""

    def __init__(self, columns: Sequence[Column], facts: Mapping[str, Any], rows: _Rows) -> None:
        super().__init__(columns, facts)
        self._rows = rows

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows as dicts with Python values: aware datetimes, dates, decimals, ints of any size, lists.

        Intervals are ISO 8601 text, JSON columns JSON text. Without pyarrow NaN and infinities are None.
        """
        return self._rows.rows()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the rows as dicts."""
        return iter(self.rows())

    def __len__(self) -> int:
        """Return how many rows there are."""
        return self.row_count

    def arrow(self) -> pa.Table:
        """Return the rows as a table, without copying them; raises MissingPackageError without pyarrow."""
        return self._rows.table()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in batches; `Client.stream` does so without holding them all."""
        return iter(self.arrow().to_batches())

    def polars(self) -> pl.DataFrame:
        """Return the rows as a frame of polars; raises MissingPackageError without it."""
        return _arrow().polars(self.arrow())

    def pandas(self) -> pd.DataFrame:
        """Return the rows as a frame of pandas; raises MissingPackageError without it."""
        return _arrow().pandas(self.arrow())

    def _repr_html_(self) -> str:
        shown = list(itertools.islice(self.rows(), _SHOWN_ROWS))
        head = "".join(f"<th>{html.escape(column.name)}</th>" for column in self.columns)
        body = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row.values())}</tr>" for row in shown)
        rest = self.row_count - len(shown)
        below = f"{self.row_count} rows{f', {rest} not shown' if rest else ''}{', truncated' if self.truncated else ''}"
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{below}</p>"


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return html.escape(text if len(text) <= _CELL else f"{text[:_CELL]}…")


def result(answer: Answer) -> Result:
    """Return the rows of an answer; raises Error when it is damaged."""
    if is_arrow(answer.headers):
        table, facts = _arrow().table(answer.body)
        return Result(_arrow_columns(table.schema, facts), facts, _ArrowRows(table))
    body = body_of(answer)
    if not {"columns", "rows", "row_count"} <= body.keys():
        raise not_upshot(answer)
    if len(body["rows"]) != body["row_count"]:
        raise UnreachableError(f"the answer has {len(body['rows'])} of {body['row_count']} rows")
    names = distinct([column["name"] for column in body["columns"]])
    columns = [Column(name, column["type"]) for name, column in zip(names, body["columns"], strict=True)]
    return Result(columns, body, _JsonRows(columns, body["rows"]))


def _arrow_columns(schema: pa.Schema, facts: Mapping[str, Any]) -> list[Column]:
    types = facts.get("types") or [str(kind) for kind in schema.types]  # a server that does not tell the engine's
    return [Column(name, type_) for name, type_ in zip(schema.names, types, strict=True)]


def queried(call: Call) -> Question[Result]:
    """Return a query as a question."""
    return Question(call, result)


class Stream(Told):
    """The rows of a query as they arrive. Iterating holds a batch at a time; it can be done once."""

    def __init__(self, response: httpx.Response) -> None:
        self._reader, self._schema, facts = _reading(_Readable(response.iter_bytes()))
        super().__init__(_arrow_columns(self._schema, facts), facts)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield the batches; raises UnreachableError when the connection breaks before the last."""
        return _arrow().batches(self._reader, self._schema, self.row_count)

    batches = __iter__


class AsyncStream(Told):
    """The rows of a query as they arrive. Iterating holds a batch at a time; it can be done once."""

    def __init__(self, reading: tuple[Any, Any, dict[str, Any]]) -> None:
        self._reader, self._schema, facts = reading
        super().__init__(_arrow_columns(self._schema, facts), facts)

    async def __aiter__(self) -> AsyncIterator[pa.RecordBatch]:
        """Yield the batches; raises UnreachableError when the connection breaks before the last."""
        batches = _arrow().batches(self._reader, self._schema, self.row_count)
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            yield batch

    batches = __aiter__

    @classmethod
    async def opened(cls, response: httpx.Response) -> AsyncStream:
        """Return the stream of an answer. Arrow's reader pulls, so it works in a thread and is fed from the loop."""
        loop = asyncio.get_running_loop()
        pieces = response.aiter_bytes()

        async def following() -> bytes:
            return await anext(pieces, b"")

        def fed() -> Iterator[bytes]:
            while piece := asyncio.run_coroutine_threadsafe(following(), loop).result():
                yield piece

        return cls(await asyncio.to_thread(_reading, _Readable(fed())))


def _reading(source: _Readable) -> tuple[Any, Any, dict[str, Any]]:
    reader = _arrow().opened(source)
    return reader, _arrow().tidied(reader.schema), _arrow().facts(reader.schema)


class _Readable(io.RawIOBase):
    """Pieces of bytes as a file that can be read once."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._left:
            self._left = memoryview(next(self._pieces, b""))
        wanted = memoryview(buffer).cast("B")
        count = min(len(wanted), len(self._left))
        wanted[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def read(self, size: int = -1, /) -> Any:
        """Return `size` bytes in a buffer, fewer only at the end: Arrow takes less for the end."""
        parts = memoryview(bytearray(size))
        filled = 0
        while filled < size and (count := self.readinto(parts[filled:])):
            filled += count
        return parts[:filled]
