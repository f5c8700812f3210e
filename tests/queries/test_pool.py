"""Query workers as the server uses them: real processes, several keys, answers large and small, kills."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from queries import pool
from queries.messages import Ask
from queries.pool import Reply, Workers
from queries.run import Limits
from tests.support.rows import Warehouse, run
from warehouse.errors import QueryError, TransientError
from warehouse.paths import DataPaths

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

SLOW = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"
QUICK = "SELECT count(*) AS n FROM runs"


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataPaths]:
    """A data directory with some runs in it."""
    with Warehouse(tmp_path / "data") as warehouse:
        warehouse.append("runs", *(run(f"r{number}") for number in range(20)))
        yield DataPaths(tmp_path / "data")


def served(data: DataPaths, scene: Callable[[Workers], Awaitable[Any]], limits: Limits | None = None) -> Any:
    """Play a scene with workers over a data directory."""

    async def play() -> Any:
        workers = Workers(data, limits)
        try:
            return await scene(workers)
        finally:
            await workers.close()

    return asyncio.run(play())


def ask(sql: str, **given: Any) -> Ask:
    """Return a question."""
    return Ask(kind="query", sql=sql, **given)


async def first_row(reply: Reply) -> list[Any]:
    """Return the first row of a JSON answer."""
    return msgspec.json.decode(await reply.whole())["rows"][0]


def pids(workers: Workers) -> list[int]:
    """Return the ids of the processes that run."""
    [crew] = workers._crews.values()  # pyright: ignore[reportPrivateUsage]
    found = [worker._process for worker in crew._workers if worker.runs]  # pyright: ignore[reportPrivateUsage]
    return [process.pid for process in found if process is not None]


def test_another_key_is_answered_beside_bombs(data: DataPaths) -> None:
    """One key with more slow questions than its share leaves workers for others; its own wait their turn."""

    async def scene(workers: Workers) -> tuple[float, list[str], int]:
        await workers.start("default")
        bombs = [
            asyncio.create_task(workers.ask("default", ask(f"{SLOW} -- {n}", timeout_s=1), "greedy")) for n in range(4)
        ]
        await asyncio.sleep(0.3)
        began = time.monotonic()
        reply = await workers.ask("default", ask(QUICK), "modest")
        assert [20] == await first_row(reply)
        took = time.monotonic() - began
        running = len(pids(workers))
        ends = await asyncio.gather(*bombs, return_exceptions=True)
        return took, [end.code for end in ends if isinstance(end, QueryError)], running

    took, codes, running = served(data, scene)
    assert ["timeout"] * 4 == codes
    assert pool.RUNNING + 1 == running
    assert took < 10, "the other key waited for the bombs"  # a worker's start on a loaded machine


def test_too_many_questions_of_one_key_are_refused(data: DataPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """429 with a time to wait; the server's own questions have no bound."""
    monkeypatch.setattr(pool, "WAITING", 3)

    async def scene(workers: Workers) -> list[Any]:
        asked = [workers.ask("default", ask(f"{QUICK} -- {n}"), "greedy") for n in range(pool.RUNNING + 5)]
        own = [workers.ask("default", ask(f"{QUICK} -- own {n}")) for n in range(9)]
        return await asyncio.gather(*asked, *own, return_exceptions=True)

    ends = served(data, scene)
    refused = [end for end in ends if isinstance(end, TransientError)]
    assert [("rate_limited", 1)] * 2 == [(end.code, end.retry_after) for end in refused]
    assert pool.RUNNING + 3 + 9 == sum(isinstance(end, Reply) for end in ends)


def test_questions_that_are_the_same_are_asked_once(data: DataPaths) -> None:
    """Those that wait together share an answer; one that comes after it began sees what was acknowledged by then."""

    async def scene(workers: Workers) -> list[int]:
        busy = [
            asyncio.create_task(workers.ask("default", ask(f"{SLOW} -- {n}", timeout_s=1), f"k{n}"))
            for n in range(pool.WORKERS)
        ]
        await asyncio.sleep(0.2)
        same = await asyncio.gather(*(workers.ask("default", ask(QUICK), f"viewer {n}") for n in range(30)))
        await asyncio.gather(*busy, return_exceptions=True)
        later = await workers.ask("default", ask(QUICK), "viewer 1")
        return [len({id(reply) for reply in same}), sum(later is reply for reply in same)]

    assert [1, 0] == served(data, scene)


def test_an_error_is_everybodys_who_asked_the_same(data: DataPaths) -> None:
    """Each of those that wait gets the refusal."""

    async def scene(workers: Workers) -> list[Any]:
        return await asyncio.gather(
            *(workers.ask("default", ask("SELECT nothing FROM runs"), f"k{n}") for n in range(9)),
            return_exceptions=True,
        )

    assert ["unknown_column"] * 9 == [end.code for end in served(data, scene)]


@pytest.mark.parametrize("read", [True, False])
def test_a_large_answer_leaves_no_file(data: DataPaths, read: bool) -> None:  # noqa: FBT001
    """Its file goes once it was read, or once nobody wants it; what a killed server left goes at the next start."""
    left = data.spool / "default" / "answer-left"
    left.parent.mkdir(parents=True)
    left.touch()
    sql = "SELECT md5(a.range::VARCHAR) AS a, md5(b.range::VARCHAR) AS b FROM range(500) a, range(500) b"

    async def scene(workers: Workers) -> int:
        assert not left.exists()
        reply = await workers.ask("default", ask(sql, limit=250_000, format="csv"), "k")
        assert Path(reply.answer.file).exists()  # noqa: ASYNC240 - a test's
        size = reply.size
        if read:
            assert size == len(await reply.whole())
        else:
            reply.discard()
        assert not Path(reply.answer.file).exists()  # noqa: ASYNC240 - a test's
        return size

    assert served(data, scene) > 250_000 * 64


def test_a_larger_answer_than_allowed_is_refused(data: DataPaths) -> None:
    """With its bound, and without leaving a file."""
    sql = "SELECT md5(a.range::VARCHAR) AS a FROM range(1000000) a"

    async def scene(workers: Workers) -> list[Path]:
        with pytest.raises(QueryError, match="more than 20000000 bytes") as refused:
            await workers.ask("default", ask(sql, limit=1_000_000, format="ndjson"), "k")
        assert "too_large" == refused.value.code
        assert [20] == await first_row(await workers.ask("default", ask(QUICK), "k"))
        return [*data.spool.rglob("answer-*")]

    assert [] == served(data, scene, Limits(max_answer_mb=20))


def test_a_killed_worker_is_replaced(data: DataPaths) -> None:
    """The question in its hands fails with a code; the next one is answered by another process."""

    async def scene(workers: Workers) -> bool:
        await workers.start("default")
        [before] = pids(workers)
        task = asyncio.create_task(workers.ask("default", ask(SLOW), "k"))
        await asyncio.sleep(0.3)
        os.kill(before, signal.SIGKILL)
        with pytest.raises(QueryError) as failed:
            await task
        assert "memory_limit" == failed.value.code
        assert [20] == await first_row(await workers.ask("default", ask(QUICK), "k"))
        return before in pids(workers)

    assert not served(data, scene)


@pytest.mark.parametrize("after", [0.0, 0.05, 0.3, 0.6])
def test_a_question_given_up_while_its_worker_starts_spoils_no_other(data: DataPaths, after: float) -> None:
    """Whatever the worker was saying at that moment, the next question gets its own answer."""

    async def scene(workers: Workers) -> list[Any]:
        task = asyncio.create_task(workers.ask("default", ask("SELECT 1"), "k"))
        await asyncio.sleep(after)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return await first_row(await workers.ask("default", ask(QUICK), "k"))

    assert [20] == served(data, scene)


def test_a_worker_that_ran_out_of_memory_is_replaced(data: DataPaths) -> None:
    """Its engine is in a state nobody has tested."""
    hungry = "SELECT list(a.range || md5(a.range::VARCHAR)) AS l FROM range(10000000) a"

    async def scene(workers: Workers) -> bool:
        await workers.start("default")
        [before] = pids(workers)
        with pytest.raises(QueryError) as failed:
            await workers.ask("default", ask(hungry, timeout_s=30), "k")
        assert "memory_limit" == failed.value.code
        await workers.ask("default", ask(QUICK), "k")
        return before in pids(workers)

    assert not served(data, scene, Limits(memory_mb=100))


def test_an_idle_worker_ends_unless_it_is_the_first(data: DataPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is for those who ask."""
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.2)

    async def scene(workers: Workers) -> tuple[int, int]:
        await workers.start("default")
        slow = [workers.ask("default", ask(f"{SLOW} -- {n}", timeout_s=1), f"k{n}") for n in range(4)]
        busy = asyncio.gather(*slow, return_exceptions=True)
        most = 0
        while not busy.done():
            most = max(most, len(pids(workers)))
            await asyncio.sleep(0.05)
        for _ in range(100):
            if len(pids(workers)) == 1:
                break
            await asyncio.sleep(0.1)
        return most, len(pids(workers))

    assert (4, 1) == served(data, scene)
