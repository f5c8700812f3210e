"""A query worker: a process that answers questions about one workspace, and can be killed at any time.

It opens only that workspace's files, holds no secrets, and writes nothing. Reads questions from standard input and
writes answers to standard output (`queries.messages`).
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import msgspec
import structlog

from queries import diagnostics, drill, formats, guard
from queries.experiments.listing import experiments, score_names
from queries.experiments.options import known_at_of
from queries.experiments.report import report
from queries.guard.explain import UNSAID, engine_error
from queries.guard.pivot import MAX_VALUES
from queries.isolation import isolate, limit_resources, limit_time
from queries.messages import BODY_BYTES, HEAD_BYTES, Answer, Ask, Failure, Ready, frame
from queries.parameters import engine_values
from queries.pruning import moments, wishes
from queries.remembered import Remembered, repeatable
from queries.run import Limits, bind, deadline, run
from queries.snapshots import Snapshots
from queries.spool import Spool
from warehouse.engine import Connection, Error, rows_of, serializer
from warehouse.errors import InputError, QueryError, UpshotError, shown
from warehouse.logs import set_up_logs
from warehouse.paths import WorkspacePaths
from warehouse.pruning import NO_WISHES
from warehouse.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.pruning import Wishes
    from warehouse.reading import ReadEngine

log = structlog.get_logger("worker")

_T = TypeVar("_T")

THREADS = 2
"""Threads of a worker's engine."""

_MARGIN_SECONDS = 10.0
"""Processor time a question may take beside its deadline's, before the kernel ends the worker."""

FRESH_US = 60_000_000
"""A report asked again within the same minute over the same data is the same, its `as_of` with it; one with both
clocks given is the same whenever it is asked."""

SAID = 2_000
"""Characters of what the engine said that the log repeats."""

_STATEMENTS = 256
"""Guarded statements that are remembered: dashboards ask the same ones over and over."""


class Worker:
    """Answers the questions of one workspace, one after another."""

    def __init__(self, paths: WorkspacePaths, limits: Limits, spool: Path | None = None) -> None:
        self._snapshots = Snapshots(paths, memory=f"{limits.memory_mb}MB")
        self._limits = limits
        self._folder = spool
        self._serialize = serializer()
        self._moment = moments(self._serialize)
        self._remembered = Remembered()
        self._known: tuple[str, dict[str, list[tuple[Any, ...]]]] = ("", {})
        self._guarded = lru_cache(_STATEMENTS)(self._guard)
        self._snapshots.engine()  # opens what isolation would refuse later
        self._snapshots.release()

    def _guard(self, sql: str, names: int | frozenset[str]) -> guard.GuardedQuery:
        return guard.check(sql, self._serialize, names)

    def answer(self, ask: Ask) -> tuple[Answer, bytes]:
        """Return the answer; an expected error is an answer too. No file stays pinned."""
        try:
            return self._answer(ask)
        except UpshotError as error:
            return Answer(error=_failure(_logged(error, error.__cause__), ask.sql)), b""
        except Error as error:
            return Answer(error=_failure(_logged(engine_error(str(error)), error), ask.sql)), b""
        except MemoryError:
            return Answer(error=Failure("memory_limit", "the answer does not fit into the worker's memory")), b""
        finally:
            self._snapshots.release()

    def _answer(self, ask: Ask) -> tuple[Answer, bytes]:  # noqa: PLR0911 - one case a kind
        match ask.kind:
            case "query":
                return self._query(ask)
            case "check":
                return Answer(), self._check(ask)
            case "report":
                return self._report(ask)
            case "experiments":
                return Answer(), msgspec.json.encode({"experiments": experiments(self._trusted())})
            case "scores":
                return Answer(), msgspec.json.encode({"scores": score_names(self._trusted())})
            case "counts":
                return Answer(), msgspec.json.encode(self._counts())
            case "drill":
                return self._drill(ask)

    def _report(self, ask: Ask) -> tuple[Answer, bytes]:
        known_at = known_at_of(ask.options)
        engine = self._snapshots.engine(past=known_at is not None)
        snapshot = _snapshot(engine)
        pinned = {"as_of", "known_at"} <= ask.options.keys()
        asked = msgspec.structs.replace(ask, now=0 if pinned else ask.now // FRESH_US)
        if (again := self._remembered.get(asked, snapshot)) is not None:
            return again
        cursor = engine.cursor(known_at=known_at)
        made = report(
            _rows(cursor),
            ask.name,
            ask.options,
            now_us=ask.now,
            snapshot=snapshot,
            check_where=self._check_where,
            saved_query=partial(self._saved_query, cursor),
        )
        answer, body = Answer(), msgspec.json.encode(made)
        self._remembered.keep(asked, snapshot, answer, body)
        return answer, body

    def _drill(self, ask: Ask) -> tuple[Answer, bytes]:
        engine = self._snapshots.engine()
        snapshot = _snapshot(engine)
        if (again := self._remembered.get(ask, snapshot)) is not None:
            return again
        given = ask.params if isinstance(ask.params, dict) else {}
        answer, body = Answer(), msgspec.json.encode(drill.answer(engine, ask.name, given))
        self._remembered.keep(ask, snapshot, answer, body)
        return answer, body

    def _saved_query(self, cursor: Connection, name: str) -> str:
        """Return the text of a saved query that can be a metric: guarded, without parameters, (run_id, value)."""
        sql = self._snapshots.saved_query(name)
        query = self._guarded(sql, 0)
        if not repeatable(query):
            raise InputError(f"the saved query {shown(name)} has another answer each time, and a report must not")
        columns = self._hinted(query, lambda: bind(cursor, query, [])).columns
        if missing := [column for column in ("run_id", "value") if column not in columns]:
            raise InputError(
                f"the saved query {shown(name)} returns {', '.join(columns)}; as a metric it must return run_id and "
                f"value, and {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
            )
        return query.sql

    def _trusted(self) -> Any:
        return _rows(self._snapshots.engine().cursor())

    def _check_where(self, condition: str) -> str:
        return guard.check_condition(condition, "runs", self._serialize)

    def _query(self, ask: Ask) -> tuple[Answer, bytes]:
        limits = self._tightened(ask)
        started = time.perf_counter()
        engine = self._snapshots.engine(past=ask.known_at is not None)
        snapshot = _snapshot(engine)
        if (again := self._remembered.get(ask, snapshot)) is not None:
            return again
        query = self._served(ask, engine, limits)
        wanted = self._wishes(query, ask)
        self._refuse_over_budget(engine, query, wanted, past=ask.known_at is not None)
        spool = Spool(self._folder, limits.max_answer_mb * 1_000_000)
        try:
            cursor = engine.cursor(query.tables, known_at=ask.known_at, wishes=wanted)
            given = engine_values(ask.params, ask.types)
            ran, writer = self._hinted(
                query, lambda: run(cursor, query, given, limits, partial(formats.writer, ask.format, spool))
            )
            facts = self._facts(engine, query, wanted, ask) | {
                "row_count": ran.rows,
                "truncated": ran.truncated,
                "elapsed_ms": round((time.perf_counter() - started) * 1000, 3),
                "limits": {"rows": limits.rows, "seconds": limits.seconds, "memory_mb": limits.memory_mb},
            }
            head = writer.finish(facts)
            body, file = spool.finish()
        except BaseException:
            spool.discard()
            raise
        answer, body = Answer(facts=facts, file=file), head + body
        if repeatable(query):
            self._remembered.keep(ask, snapshot, answer, body)
        return answer, body

    def _served(self, ask: Ask, engine: ReadEngine, limits: Limits) -> guard.GuardedQuery:
        """Return the guarded statement; a PIVOT without its list of values is given the values of these very rows."""
        names = _names(ask.params)
        if not guard.unlisted(ask.sql):
            return self._guarded(ask.sql, names)

        def values(query: guard.GuardedQuery) -> list[tuple[str | None, ...]]:
            given: Any = engine_values(ask.params, ask.types)
            params = {name: given[name] for name in query.parameters}  # positional ones `complete` refuses here
            cursor = engine.cursor(query.tables, known_at=ask.known_at, wishes=self._wishes(query, ask))
            few = msgspec.structs.replace(limits, rows=MAX_VALUES + 1)
            kept = formats.Rows()
            run(cursor, query, params, few, kept.begin)
            return kept.rows

        return guard.complete(ask.sql, self._serialize, names, values)

    def _refuse_over_budget(
        self, engine: ReadEngine, query: guard.GuardedQuery, wanted: Wishes, *, past: bool = False
    ) -> None:
        budget = self._limits.max_scan_mb * 1_000_000
        refusal = diagnostics.over_budget(query, engine.snapshot.of, wanted, budget, past=past) if budget else None
        if refusal is not None:
            raise refusal

    def _facts(self, engine: ReadEngine, query: guard.GuardedQuery, wanted: Wishes, ask: Ask) -> dict[str, Any]:
        read = diagnostics.estimate(engine.listed(query.tables, wanted))
        facts: dict[str, Any] = {"rows_scanned": read.rows, "bytes_scanned": read.bytes, "snapshot": _snapshot(engine)}
        if ask.known_at is not None:
            facts["known_at_note"] = (
                "scores, assignments and declarations are as known then; other rows first received later are absent, "
                "the rest show their newest state"
            )
        return facts

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
        return msgspec.structs.replace(base, rows=rows, seconds=seconds)

    def _check(self, ask: Ask) -> bytes:
        """Return what is wrong with a statement, or what it would read and what will mislead in its answer."""
        try:
            engine = self._snapshots.engine()
            query = self._served(ask, engine, self._tightened(ask))
            wanted = self._wishes(query, ask)
            cursor = engine.cursor(query.tables, wishes=wanted)
            relation = self._hinted(query, lambda: bind(cursor, query, engine_values(ask.params, ask.types)))
            columns = [
                {"name": name, "type": str(kind)} for name, kind in zip(relation.columns, relation.types, strict=True)
            ]
            self._refuse_over_budget(engine, query, wanted)
        except QueryError as error:
            return msgspec.json.encode(
                {"ok": False, "diagnostics": [{"severity": "error", **msgspec.to_builtins(_failure(error, ask.sql))}]}
            )
        found = [_placed(one, query) for one in diagnostics.warnings(query, query.sql, self._facts_of(engine))]
        estimate = diagnostics.estimate(engine.listed(query.tables, wanted))
        return msgspec.json.encode(
            {
                "ok": True,
                "diagnostics": [{"severity": "warning", **msgspec.to_builtins(one)} for one in found],
                "tables": sorted(query.tables),
                "columns": columns,
                "files": estimate.files,
                "estimated_rows": estimate.rows,
                "estimated_bytes": estimate.bytes,
            }
        )

    def _facts_of(self, engine: ReadEngine) -> Callable[[str], list[tuple[Any, ...]]]:
        """Return what asks the workspace a question of our own; answers are kept while the snapshot is."""
        snapshot = _snapshot(engine)
        if self._known[0] != snapshot:
            self._known = (snapshot, {})

        def ask(sql: str) -> list[tuple[Any, ...]]:
            answers = self._known[1]
            if sql not in answers:
                query = self._guarded(sql, 0)
                rows = rows_of(engine.cursor(query.tables), query.sql)
                answers[sql] = [tuple(row.values()) for row in rows.to_pylist()]
            return answers[sql]

        return ask

    def _hinted(self, query: guard.GuardedQuery, work: Callable[[], _T]) -> _T:
        """Do some work; an unknown column it meets gets the nearest one as its hint."""
        try:
            return work()
        except QueryError as error:
            raise diagnostics.with_column_hint(error, query.tables) from error.__cause__

    def _counts(self) -> dict[str, int]:
        names = [table.name for table in TABLES if table.source]
        counted = self._trusted()(
            "SELECT " + ", ".join(f'(SELECT count(*) FROM "{name}") AS "{name}"' for name in names), []
        )
        return counted.to_pylist()[0]


def _rows(connection: Connection) -> Any:
    return partial(rows_of, connection)


def _names(params: list[Any] | dict[str, Any]) -> int | frozenset[str]:
    return len(params) if isinstance(params, list) else frozenset(params)


def _snapshot(engine: ReadEngine) -> str:
    return f"{engine.snapshot.version}.{engine.tail_position}"


def _placed(one: diagnostics.QueryWarning, query: guard.GuardedQuery) -> diagnostics.QueryWarning:
    """Return a warning placed in the caller's own text."""
    moved = query.placed(QueryError(one.message, line=one.line, col=one.col))
    return replace(one, line=moved.line or 1, col=moved.col or 1)


def _logged(error: UpshotError, cause: BaseException | None) -> UpshotError:
    """Return the error; what the engine said is for the operator's eyes where the caller is not told it."""
    if error.message == UNSAID:
        log.error("engine_failed", said=str(cause)[:SAID])
    return error


def _failure(error: UpshotError, sql: str) -> Failure:
    """Return an error with the length of what stands at its place."""
    length = error.length
    if length is None and error.line is not None and error.col is not None:
        length = diagnostics.token_length(sql, error.line, error.col)
    return Failure(error.code, error.message, error.line, error.col, length, error.hint)


def _read(stream: BinaryIO, size: int) -> bytes | None:
    data = stream.read(size)
    return data if len(data) == size else None


def serve(paths: WorkspacePaths, spool: Path, questions: BinaryIO, answers: BinaryIO, limits: Limits) -> None:
    """Answer until the questions end."""
    worker = Worker(paths, limits, spool)
    databases = [paths.database.with_name(f"{paths.database.name}{end}") for end in ("", "-wal", "-shm")]
    missing = isolate(readable=[paths.root], writable=[spool, paths.pins, *databases])
    answers.write(frame(Ready(missing)))
    answers.flush()
    while (head := _read(questions, HEAD_BYTES)) is not None:
        text = _read(questions, int.from_bytes(head, "big"))
        if text is None or _read(questions, BODY_BYTES) is None:
            return
        try:
            ask = msgspec.json.decode(text, type=Ask)
            limit_time(THREADS * deadline(ask, limits) + _MARGIN_SECONDS)
            answer, body = worker.answer(ask)
        except Exception:  # noqa: BLE001 - a defect is an answer too; this process then ends and is replaced
            traceback.print_exc()
            answers.write(frame(Answer(error=Failure("internal", "the query failed inside the server; see its log"))))
            answers.flush()
            return
        answers.write(frame(answer, body))
        answers.flush()


def main() -> None:
    """Serve the workspace folder named by the first argument; a folder for answers, and limits as JSON."""
    limit_resources()
    set_up_logs("warning")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that prints may end up between the answers
    limits = msgspec.json.decode(sys.argv[3], type=Limits)
    serve(WorkspacePaths(Path(sys.argv[1])), Path(sys.argv[2]), sys.stdin.buffer, answers, limits)


if __name__ == "__main__":
    main()
