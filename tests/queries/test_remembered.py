"""Answers that are given again: the same question over the same data, and nothing that changes by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec
import pytest

from queries.guard import check
from queries.guard.functions import ALLOWED
from queries.messages import Ask
from queries.remembered import CHANGING, LARGEST, MOST, repeatable
from queries.run import Limits
from queries.worker import Worker
from tests.support.rows import Warehouse, run
from warehouse.engine import serializer

if TYPE_CHECKING:
    from collections.abc import Iterator

SQL = "SELECT count(*) AS n FROM runs"


@pytest.fixture
def worker(warehouse: Warehouse) -> Iterator[Worker]:
    """A worker's inside over a workspace of one run."""
    warehouse.append("runs", run("a"))
    made = Worker(warehouse.paths, Limits())
    yield made
    made._snapshots.close()  # pyright: ignore[reportPrivateUsage]


def asked(worker: Worker, sql: str, **given: Any) -> tuple[Any, bytes]:
    """Return the rows and the whole body of an answer."""
    answer, body = worker.answer(Ask(kind="query", sql=sql, **given))
    assert answer.error is None, answer.error
    return msgspec.json.decode(body)["rows"], body


def test_the_same_question_has_the_same_answer_until_something_is_acknowledged(
    worker: Worker, warehouse: Warehouse
) -> None:
    """To the byte; then it is asked anew, and again after a seal."""
    _, first = asked(worker, SQL)
    assert first == asked(worker, SQL)[1]
    assert first != asked(worker, SQL, limit=5)[1]
    warehouse.append("runs", run("b"))
    assert [[2]] == asked(worker, SQL)[0]
    warehouse.seal()
    rows, sealed = asked(worker, SQL)
    assert [[2]] == rows
    assert sealed == asked(worker, SQL)[1]


@pytest.mark.parametrize(
    "expression", ["random()", "uuid()", "now()", "epoch_us(current_timestamp)", "age(TIMESTAMP '2020-01-01')"]
)
def test_what_changes_by_itself_is_asked_again(worker: Worker, expression: str) -> None:
    """Clocks and chance."""
    sql = f"SELECT {expression}, count(*) FROM runs"
    first = asked(worker, sql)[1]
    time.sleep(0.002)
    assert first != asked(worker, sql)[1]


@pytest.mark.parametrize(
    ("sql", "same"),
    [
        (SQL, True),
        ("SELECT * FROM runs WHERE id = 'now'", True),
        ("SELECT current_date FROM runs", False),
        ("WITH a AS (SELECT now() AS t) SELECT t FROM a", False),
        ("SELECT * FROM runs USING SAMPLE 3", False),
        ("SELECT * FROM (SELECT * FROM runs TABLESAMPLE 10%)", False),
        ("SELECT list_transform([1], lambda x: x + random())", False),
    ],
)
def test_what_is_repeatable(sql: str, same: bool) -> None:  # noqa: FBT001
    """Wherever in the statement it stands."""
    assert same == repeatable(check(sql, serializer()))


def test_every_function_the_engine_calls_changing_is_listed() -> None:
    """The oracle is DuckDB's own catalogue."""
    with duckdb.connect() as con:
        rows = con.execute(
            "SELECT lower(function_name) FROM duckdb_functions() WHERE stability <> 'CONSISTENT'"
        ).fetchall()
    assert {name for (name,) in rows} & ALLOWED <= CHANGING <= ALLOWED


def test_few_and_small_answers_are_kept(worker: Worker) -> None:
    """The oldest goes; a large one never stays."""
    kept = worker._remembered._answers  # pyright: ignore[reportPrivateUsage]
    for number in range(MOST + 5):
        asked(worker, f"{SQL} -- {number}")
    assert MOST == len(kept)
    asked(worker, "SELECT repeat('x', 10000) FROM range(200)")
    assert all(len(body) <= LARGEST for _, body in kept.values())
