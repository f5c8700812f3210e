"""A large workspace for `benchmarks.pages`: runs over 90 days with scores, sessions, variants and some traces.

Its files are written as a compacted workspace has them, one a table and day and some smaller ones of the newest day: by
the log the same would take an hour. `upshot doctor` finds nothing wrong with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.columns import documents
from warehouse.log import ROWS_BITS
from warehouse.manifest import Change, FileName
from warehouse.schema import FILE
from warehouse.workspace import open_workspace
from warehouse.writing import publish, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from warehouse.paths import WorkspacePaths
    from warehouse.workspace import Workspace
    from warehouse.writing import Written

_pa: Any = pa  # their stubs do not know arrays of every type
_pc: Any = pc

DAYS = 90
DAY_US = 86_400_000_000
NEWEST_FILES = 4
"""Files of the newest day, which is not merged yet."""
TRACED = 0.1
"""Share of the runs that have a trace, of five spans."""
SPANS = 5

_SYMBOLS = np.frombuffer(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", np.uint8)
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_FUNCTIONS = ("answer", "triage", "refund", "search", "summarise", "escalate")

Columns = dict[str, Any]


def texts(symbols: NDArray[np.uint8]) -> pa.Array[Any]:
    """Return a row of characters as a text each."""
    fixed = _pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(symbols.shape[1]), len(symbols), [None, _pa.py_buffer(np.ascontiguousarray(symbols))]
    )
    return fixed.cast(pa.binary()).cast(pa.string())


def ulids(us: NDArray[np.int64], rng: np.random.Generator) -> pa.Array[Any]:
    """Return a ULID of each time, microseconds since 1970."""
    made = rng.integers(0, 32, (len(us), 26), np.uint8)
    for at in range(10):
        made[:, at] = (us // 1000 >> 5 * (9 - at)) & 31
    return texts(_SYMBOLS[made])


def hexadecimal(count: int, digits: int, rng: np.random.Generator) -> pa.Array[Any]:
    """Return random ids of so many hexadecimal digits."""
    return texts(_HEX[rng.integers(0, 16, (count, digits), np.uint8)])


def day(number: int, first_us: int, length_us: int, count: int, seed: int) -> Iterator[tuple[str, Columns]]:
    """Yield the tables of a part of the time with their columns; `number` is that of its first run."""
    rng = np.random.default_rng(seed)
    us = first_us + np.sort(rng.integers(0, length_us, count))
    ended = us + rng.lognormal(16, 1, count).astype(np.int64)
    ids = ulids(us, rng)
    traced = np.flatnonzero(rng.random(count) < TRACED)
    traces = hexadecimal(len(traced), 32, rng)
    failing = rng.random(count) < 0.05
    function = _pa.array(_FUNCTIONS).take(_pa.array(rng.integers(0, len(_FUNCTIONS), count)))
    no = np.zeros(count, bool)
    of_run = np.full(count, -1)
    of_run[traced] = np.arange(len(traced))
    asked = [b'{"ticket":%d,"text":"%s"}' % (number + n, b"please help me with my order " * 5) for n in range(count)]
    yield (
        "runs",
        {
            "id": ids,
            "app_id": _pa.array(["support"] * count),
            "function_id": function,
            "status": np.where(failing, "Failed", "Completed"),
            "user_id": _named("user", rng.integers(0, 20_000, count)),
            "environment": np.where(rng.random(count) < 0.5, "production", "staging"),
            "trace_id": traces.take(_pa.array(of_run, mask=of_run < 0)),
            **dict.fromkeys(("queued_at", "started_at"), us),
            "ended_at": ended,
            "received_at": ended,
            "input": documents(asked),
            "output": documents([b'{"answer":"certainly, it is on its way"}'] * count),
            "_given": no,
        },
    )
    # Ten sessions of five runs each at a time; one run in twenty joins one of long ago.
    session = (number + np.arange(count)) // 50 * 10 + rng.integers(0, 10, count)
    session = np.where(rng.random(count) < 0.05, rng.integers(0, session + 1), session)
    joined = _named("T", session)
    kind = np.where(session % 5 == 0, "account", "ticket")
    yield (
        "session_runs",
        {"session_key": kind, "session_id": joined, "run_id": ids, "ts": us, "_received_at": ended, "_given": no},
    )
    yield (
        "assignments",
        {
            "run_id": ids,
            "experiment": _pa.array(["prompt"] * count),
            "variant": np.where(rng.random(count) < 0.5, "a", "b"),
            "ts": us,
            "received_at": us,
            "_given": no,
            "_implied": no,
        },
    )
    twice = _pa.array(np.tile(np.arange(count), 2))
    names = np.repeat(["solved", "quality"], count)
    values = np.concatenate([(rng.random(count) < 0.7).astype(float), rng.random(count)])
    yield (
        "score_history",
        {
            "id": _pc.binary_join_element_wise(ids.take(twice), _pa.array(names), ":"),
            "name": names,
            "kind": np.repeat(["boolean", "numeric"], count),
            "value": values,
            "run_id": ids.take(twice),
            "ts": np.tile(ended, 2),
            "received_at": np.tile(ended, 2),
            "source": _pa.array(["code"] * 2 * count),
            "_given": np.zeros(2 * count, bool),
        },
    )
    yield "trace_runs", _trace_runs(ids, us, ended, traced, traces)
    yield "spans", _spans(ids, us, ended, traced, traces, rng)


def _named(prefix: str, numbers: NDArray[np.int64]) -> pa.Array[Any]:
    return _pc.binary_join_element_wise(prefix, _pa.array(numbers).cast("string"), "-")


def _trace_runs(ids: pa.Array[Any], us: Any, ended: Any, traced: Any, traces: pa.Array[Any]) -> Columns:
    return {
        "trace_id": traces,
        "run_id": ids.take(_pa.array(traced)),
        "ts": us[traced],
        "_received_at": ended[traced],
        "_given": np.zeros(len(traced), bool),
    }


def _spans(  # noqa: PLR0917 - columns of one table
    ids: pa.Array[Any], us: Any, ended: Any, traced: Any, traces: pa.Array[Any], rng: np.random.Generator
) -> Columns:
    """Return an agent's span with four calls of a model below it, of each traced run."""
    count = len(traced) * SPANS
    at = np.repeat(np.arange(len(traced)), SPANS)
    root = np.arange(count) % SPANS == 0
    spans = hexadecimal(count, 16, rng)
    began = us[traced][at] + np.tile(np.arange(SPANS) * 100_000, len(traced))
    return {
        "trace_id": traces.take(_pa.array(at)),
        "span_id": spans,
        "parent_span_id": spans.take(_pa.array(np.arange(count) // SPANS * SPANS, mask=root)),
        "run_id": ids.take(_pa.array(traced[at])),
        "name": np.where(root, "agent", "chat"),
        "kind": np.where(root, "INTERNAL", "CLIENT"),
        "type": np.where(root, "agent", "llm"),
        "start_time": began,
        "end_time": began + 900_000,
        "status_code": _pa.array(["OK"] * count),
        "provider": _pa.array(["openai"] * count),
        "response_model": _pa.array(["gpt-5"] * count),
        **{name: _pa.array(rng.integers(10, 5_000, count), mask=root) for name in ("input_tokens", "output_tokens")},
        "cost_usd": _pa.array(rng.random(count) / 100, mask=root),
        "input": _pa.array(["a prompt"] * count),
        "output": _pa.array(["an answer"] * count),
        "_received_at": ended[traced][at],
        "_given": np.zeros(count, bool),
    }


def stored(table: str, columns: Mapping[str, Any], position: int) -> pa.Table:
    """Return columns as the sorted rows of a file, given the arrival of a log position."""
    schema: Any = FILE[table].stored_schema
    count = len(next(iter(columns.values())))
    columns = {**columns, "_arrival": (position << ROWS_BITS) + np.arange(count)}
    arrays: list[Any] = [
        columns[field.name].cast(field.type)
        if isinstance(columns.get(field.name), pa.Array) and field.type != pa.json_()
        else columns[field.name]
        if isinstance(columns.get(field.name), pa.Array)
        else _pa.array(columns[field.name], field.type)
        if field.name in columns
        else documents([None] * count)
        if field.type == pa.json_()
        else _pa.nulls(count, field.type)
        for field in schema
    ]
    rows = _pa.Table.from_arrays(arrays, schema=schema)
    return rows.take(
        _pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in (*FILE[table].sort, "_arrival")])
    )


def make(paths: WorkspacePaths, runs: int, end_us: int) -> None:
    """Fill an empty workspace with about so many runs over the `DAYS` days before a time."""
    workspace = open_workspace(paths)
    try:
        today = end_us // DAY_US
        position = 0
        written: list[Written] = []
        for number in range(today - DAYS + 1, today + 1):
            parts = NEWEST_FILES if number == today else 1
            length = (end_us - today * DAY_US if number == today else DAY_US) // parts
            for part in range(parts):
                count = runs // DAYS * length // DAY_US
                position += 1
                start = number * DAY_US + part * length
                for table, columns in day(position * (runs // DAYS), start, length, count, position):
                    if len(columns["_given"]):
                        written.append(_file(workspace, table, number, position, columns))
        version = workspace.manifest.read(None, max_rows=0)[0].version
        workspace.manifest.commit(Change(version, [one.new for one in written], sealed=position))
        workspace.manifest.start_after(position)
    finally:
        workspace.manifest.close()


def _file(workspace: Workspace, table: str, number: int, position: int, columns: Columns) -> Written:
    place = FileName(table, number, f"{position:012d}-{position:012d}.parquet")
    one = write_rows(workspace.files, FILE[table], place, [stored(table, columns, position)])
    publish(workspace.manifest, workspace.files, [one])
    return one
