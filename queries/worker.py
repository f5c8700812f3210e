"""A query worker: a process that answers questions about one workspace, and can be killed at any time.

It opens only that workspace's files, holds no secrets, and writes nothing. Reads questions from standard input and
writes answers to standard output (`queries.messages`).
"""

from __future__ import annotations

import os
import resource
import sys
import time
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
import pyarrow as pa

from queries import guard
from queries.experiments.listing import experiments, score_names
from queries.experiments.options import known_at_of
from queries.experiments.report import report
from queries.guard.explain import engine_error
from queries.messages import BODY_BYTES, HEAD_BYTES, Answer, Ask, Failure, frame
from queries.pruning import moments, wishes
from queries.run import Limits, Result, bind, run
from queries.snapshots import Snapshots
from queries.values import json_rows
from warehouse.engine import Connection, Error, rows_of, serializer
from warehouse.errors import InputError, QueryError, UpshotError
from warehouse.paths import WorkspacePaths
from warehouse.pruning import NO_WISHES
from warehouse.schema import TABLES

if TYPE_CHECKING:
    from warehouse.pruning import Wishes
    from warehouse.reading import ReadEngine

ADDRESS_SPACE = 8 << 30
"""Bytes of address space a worker may map; engines reserve far more than they use."""

OPEN_FILES = 4096


class Worker:
    """Answers the questions of one workspace, one after another."""

    def __init__(self, paths: WorkspacePaths, limits: Limits) -> None:
        self._snapshots = Snapshots(paths)
        self._limits = limits
        self._serialize = serializer()
        self._moment = moments(self._serialize)

    def answer(self, ask: Ask) -> tuple[Answer, bytes]:
        """Return the answer; an expected error is an answer too. No file stays pinned."""
        try:
            return self._answer(ask)
        except UpshotError as error:
            return Answer(error=_failure(error)), b""
        except Error as error:
            return Answer(error=_failure(engine_error(str(error)))), b""
        except MemoryError:
            return Answer(error=Failure("memory_limit", "the answer does not fit into the worker's memory")), b""
        finally:
            self._snapshots.release()

    def _answer(self, ask: Ask) -> tuple[Answer, bytes]:
        match ask.kind:
            case "query":
                return self._query(ask)
            case "check":
                return Answer(), self._check(ask)
            case "report":
                known_at = known_at_of(ask.options)
                engine = self._snapshots.engine(past=known_at is not None)
                made = report(
                    _rows(engine.cursor(known_at=known_at)),
                    ask.name,
                    ask.options,
                    now_us=ask.now,
                    snapshot=_snapshot(engine),
                    check_where=self._check_where,
                )
                return Answer(), msgspec.json.encode(made)
            case "experiments":
                return Answer(), msgspec.json.encode({"experiments": experiments(self._trusted())})
            case "scores":
                return Answer(), msgspec.json.encode({"scores": score_names(self._trusted())})
            case "counts":
                return Answer(), msgspec.json.encode(self._counts())

    def _trusted(self) -> Any:
        return _rows(self._snapshots.engine().cursor())

    def _check_where(self, condition: str) -> str:
        return guard.check_condition(condition, "runs", self._serialize)

    def _query(self, ask: Ask) -> tuple[Answer, bytes]:
        limits = self._tightened(ask)
        started = time.perf_counter()
        query = guard.check(ask.sql, self._serialize, _names(ask.params))
        engine = self._snapshots.engine(past=ask.known_at is not None)
        wanted = self._wishes(query, ask)
        result = run(engine.cursor(query.tables, known_at=ask.known_at, wishes=wanted), query, ask.params, limits)
        elapsed = round((time.perf_counter() - started) * 1000, 3)
        _, rows, size = _reads(engine, query, wanted)
        facts = {
            "row_count": result.rows.num_rows,
            "truncated": result.truncated,
            "elapsed_ms": elapsed,
            "rows_scanned": rows,
            "bytes_scanned": size,
            "snapshot": _snapshot(engine),
        }
        if ask.known_at is not None:
            facts["known_at_note"] = (
                "scores, assignments and declarations are as known then; other rows first received later are absent, "
                "the rest show their newest state"
            )
        body = _arrow(result, facts) if ask.format == "arrow" else _json(result, facts)
        return Answer(facts=facts), body

    def _wishes(self, query: guard.GuardedQuery, ask: Ask) -> Wishes:
        """Return what rows a query can want; as known in the past, other versions of a row decide, so: any."""
        return NO_WISHES if ask.known_at is not None else wishes(query.statement, ask.params, self._moment)

    def _tightened(self, ask: Ask) -> Limits:
        base = self._limits
        rows = base.rows if ask.limit is None else ask.limit
        seconds = base.seconds if ask.timeout_s is None else ask.timeout_s
        if not 0 <= rows <= base.max_rows:
            raise InputError(f"limit is {rows}, must be 0 to {base.max_rows}")
        if not 0 < seconds <= base.max_seconds:
            raise InputError(f"timeout_s is {seconds:g}, must be above 0 and at most {base.max_seconds:g}")
        return Limits(rows, seconds, base.max_rows, base.max_seconds)

    def _check(self, ask: Ask) -> bytes:
        try:
            query = guard.check(ask.sql, self._serialize, _names(ask.params))
            engine = self._snapshots.engine()
            wanted = self._wishes(query, ask)
            bind(engine.cursor(query.tables, wishes=wanted), query, ask.params)
        except QueryError as error:
            return msgspec.json.encode(
                {"ok": False, "diagnostics": [{"severity": "error", **msgspec.to_builtins(_failure(error))}]}
            )
        files, rows, size = _reads(engine, query, wanted)
        return msgspec.json.encode(
            {
                "ok": True,
                "diagnostics": [],
                "tables": sorted(query.tables),
                "files": files,
                "estimated_rows": rows,
                "estimated_bytes": size,
            }
        )

    def _counts(self) -> dict[str, int]:
        names = [table.name for table in TABLES if table.source]
        counted = self._trusted()(
            "SELECT " + ", ".join(f'(SELECT count(*) FROM "{name}") AS "{name}"' for name in names), []
        )
        return counted.to_pylist()[0]


def _reads(engine: ReadEngine, query: guard.GuardedQuery, wanted: Wishes) -> tuple[int, int, int]:
    """Return how many files, rows and bytes a query is given; it may read less."""
    files = engine.listed(query.tables, wanted)
    return len(files), sum(file.rows for file in files), sum(file.bytes for file in files)


def _rows(connection: Connection) -> Any:
    return partial(rows_of, connection)


def _names(params: list[Any] | dict[str, Any]) -> int | frozenset[str]:
    return len(params) if isinstance(params, list) else frozenset(params)


def _snapshot(engine: ReadEngine) -> str:
    return f"{engine.snapshot.version}.{engine.tail_position}"


def _json(result: Result, facts: dict[str, Any]) -> bytes:
    columns = [
        {"name": name, "type": type_} for name, type_ in zip(result.rows.column_names, result.types, strict=True)
    ]
    return msgspec.json.encode({"columns": columns, "rows": json_rows(result.rows), **facts})


def _arrow(result: Result, facts: dict[str, Any]) -> bytes:
    rows = result.rows.replace_schema_metadata({"upshot": msgspec.json.encode(facts).decode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()


def _failure(error: UpshotError) -> Failure:
    return Failure(error.code, error.message, error.line, error.col, error.hint)


def _read(stream: BinaryIO, size: int) -> bytes | None:
    data = stream.read(size)
    return data if len(data) == size else None


def serve(paths: WorkspacePaths, questions: BinaryIO, answers: BinaryIO, limits: Limits) -> None:
    """Answer until the questions end."""
    worker = Worker(paths, limits)
    answers.write(frame(Answer()))  # ready
    answers.flush()
    while (head := _read(questions, HEAD_BYTES)) is not None:
        text = _read(questions, int.from_bytes(head, "big"))
        if text is None or _read(questions, BODY_BYTES) is None:
            return
        try:
            answer, body = worker.answer(msgspec.json.decode(text, type=Ask))
        except Exception:  # noqa: BLE001 - a defect is an answer too; this process then ends and is replaced
            traceback.print_exc()
            answers.write(frame(Answer(error=Failure("internal", "the query failed inside the server; see its log"))))
            answers.flush()
            return
        answers.write(frame(answer, body))
        answers.flush()


def main() -> None:
    """Serve the workspace folder named by the first argument; limits as JSON in the second."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that prints may end up between the answers
    limits = msgspec.json.decode(sys.argv[2], type=Limits)
    serve(WorkspacePaths(Path(sys.argv[1])), sys.stdin.buffer, answers, limits)


if __name__ == "__main__":
    main()
