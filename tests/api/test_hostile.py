"""The corpora over HTTP: two workspaces, a key each, and a text in the one that must never reach the other."""

from __future__ import annotations

import statistics
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pytest

from tests.queries.guard.answers import rows_of
from tests.queries.guard.cases import ACCEPTED, BOUNDED, COMPLETED, REFUSED, Case
from tests.queries.guard.tables import fill, plain
from tests.support.command import upshot
from tests.support.rows import Warehouse
from tests.support.server import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb
    import httpx

CANARY = "canary-7f3a9c"
"""Stands in every text of the other workspace."""

SECRETS = (
    CANARY,
    "internal.",
    "hot_",
    "hidden_",
    "sealed_hidden",
    "staged_",
    ".parquet",
    "log.db",
    "server.db",
    "Traceback",
)
"""What no answer may hold, unless the statement itself has it: an error repeats the caller's own words."""

BOMB_SECONDS = 0.5
"""The deadline bombs are given."""
OVERTIME = 3.0
"""Seconds after its deadline within which a bomb must be answered."""
START_SECONDS = 5.0
"""Seconds that a bomb may have to wait for a worker that replaces a killed one, on a machine that others use."""

ARROW = {"accept": "application/vnd.apache.arrow.stream"}


class Attacked(NamedTuple):
    """A server with rows in `default`, which the attacker's key opens, and canaries in `other`."""

    server: Server
    attacker: dict[str, str]
    other: dict[str, str]
    same_rows: duckdb.DuckDBPyConnection

    def post(self, sql: str, key: dict[str, str], **options: Any) -> httpx.Response:
        """Ask with a key; `headers` adds headers."""
        headers = key | options.pop("headers", {})
        return self.server.http.post("/v1/query", json={"sql": sql, **options}, headers=headers)


def canaries() -> list[dict[str, Any]]:
    """Return records of every type whose texts are the canary."""
    run = {"type": "run", "id": f"{CANARY}-run", "status": "Completed", "user_id": CANARY, "environment": CANARY}
    return [
        {
            "type": "event",
            "id": f"{CANARY}-e",
            "name": CANARY,
            "data": {CANARY: CANARY},
            "sessions": {"ticket": CANARY},
        },
        run | {"input": {"text": CANARY}, "output": CANARY, "error": {"message": CANARY}, "sessions": {"chat": CANARY}},
        {"type": "step", "run_id": run["id"], "id": CANARY, "name": CANARY, "status": "Completed", "output": CANARY},
        {"type": "assignment", "run_id": run["id"], "experiment": CANARY, "variant": CANARY, "unit": CANARY},
        {"type": "score", "name": CANARY, "value": 1, "run_id": run["id"], "comment": CANARY},
        {"type": "metadata", "run_id": run["id"], "kind": CANARY, "values": {CANARY: CANARY}},
    ]


def key(data: Path, workspace: str) -> dict[str, str]:
    """Return the header that carries a new key of a workspace."""
    made = upshot("keys", "create", "--data", data, "--workspace", workspace)
    assert made.returncode == 0, made.stderr
    return {"authorization": f"Bearer {made.stdout.decode().strip()}"}


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """The server, its keys, and a plain DuckDB over the attacker's own rows."""
    data = tmp_path_factory.mktemp("hostile") / "data"
    attacker, other = (key(data, name) for name in ("default", "other"))
    with Warehouse(data) as warehouse:
        fill(warehouse)
        same_rows = plain(warehouse)
    with same_rows, serving(data) as server:
        server.http.headers.update(other)
        sent = server.ingest(canaries())
        assert [] == sent["rejected"]
        del server.http.headers["authorization"]
        found = Attacked(server, attacker, other, same_rows)
        assert [[f"{CANARY}-run"]] == found.post("SELECT id FROM runs", found.other).json()["rows"]
        yield found


def leaks(attacked: Attacked, sql: str, answer: httpx.Response) -> list[str]:
    """Return what an answer holds that it may not."""
    text = repr(answer.headers) + answer.content.decode(errors="replace")
    return [
        word for word in (*SECRETS, str(attacked.server.data)) if word in text and word.strip(".") not in sql.lower()
    ]


def say(text: str) -> None:
    """Print what was measured; `pytest -s` shows it."""
    print(text)  # noqa: T201


def p95(seconds: list[float]) -> float:
    """Return the 95th percentile in milliseconds."""
    return round(1000 * statistics.quantiles(seconds, n=20)[-1], 1)


def wrong(attacked: Attacked, case: Case, answer: httpx.Response) -> str | None:
    """Return what is wrong with the refusal of a hostile statement."""
    if held := leaks(attacked, case.sql, answer):
        return f"leaks {held}"
    if not 400 <= answer.status_code < 500:
        return f"status {answer.status_code}"
    error = answer.json()["error"]
    if case.headers["code"] != error["code"]:
        return f"code {error['code']}, not {case.headers['code']}"
    missing = {"message", "line", "col"} - {name for name, value in error.items() if value}
    return f"has no {sorted(missing)}" if missing else None


def test_every_hostile_statement_is_refused_and_shows_nothing(attacked: Attacked) -> None:
    """Each answer is a 4xx with code, message, line and column; nothing foreign or internal is in it."""
    seconds: list[float] = []
    found: dict[str, str] = {}
    for case in REFUSED:
        started = time.perf_counter()
        answer = attacked.post(case.sql, attacked.attacker, params=case.params)
        seconds.append(time.perf_counter() - started)
        if complaint := wrong(attacked, case, answer):
            found[str(case)] = complaint
    say(f"{len(seconds)} refusals: p50 {1000 * statistics.median(seconds):.1f} ms, p95 {p95(seconds)} ms")
    assert {} == found


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.long)])
def test_realistic_queries_are_answered_as_by_plain_duckdb(attacked: Attacked, every: int) -> None:
    """At least 99 % are answered, all of these with the rows of a plain DuckDB; a dynamic PIVOT is no exception.

    Here over HTTP: `tests/queries/guard/test_corpora.py` asks all of them of the guard and the engine alone.
    """
    refused: dict[str, str] = {}
    different: list[str] = []
    asked = (*ACCEPTED, *COMPLETED)[::every]
    for case in asked:
        answer = attacked.post(case.sql, attacked.attacker, params=case.params, headers=ARROW)
        assert [] == leaks(attacked, case.sql, answer), case
        if not answer.is_success:
            refused[str(case)] = answer.text
            continue
        found = pa.ipc.open_stream(answer.content).read_all()
        expected = attacked.same_rows.sql(case.sql, params=case.params or None).to_arrow_table()
        same = found.column_names == expected.column_names
        if case.headers.get("compare") != "columns":
            same = same and rows_of(expected) == rows_of(found)
        if not same:
            different.append(str(case))
    assert [] == different
    assert len(refused) <= len(asked) / 100, (refused, attacked.server.log[-5000:])


def test_an_error_after_the_first_rows_is_coded(attacked: Attacked) -> None:
    """What the engine meets only while it hands rows on is answered like what it meets before."""
    sql = "SELECT CASE WHEN x = 99999 THEN 'no' ELSE '1' END::INT FROM range(100000) t(x)"
    answer = attacked.post(sql, attacked.attacker, limit=1_000_000)
    assert 400 == answer.status_code, answer.text
    error = answer.json()["error"]
    assert ("engine_error", 1, sql.index("::") + 1) == (error["code"], error["line"], error["col"])


def small(attacked: Attacked, until: threading.Event, atleast: int = 0) -> list[float]:
    """Return how long small queries of the other key took; asserts that each was answered."""
    seconds: list[float] = []
    while len(seconds) < atleast or not until.is_set():
        started = time.perf_counter()
        answer = attacked.post("SELECT count(*) FROM runs", attacked.other)
        seconds.append(time.perf_counter() - started)
        assert [[1]] == answer.json()["rows"]
        time.sleep(0.02)
    return seconds


def test_bombs_are_bounded_and_others_are_answered(attacked: Attacked) -> None:
    """Each bomb is answered soon after its deadline, and meanwhile the other key's queries are."""
    idle = threading.Event()
    idle.set()
    before = small(attacked, idle, 50)
    over = threading.Event()
    during: list[float] = []
    beside = threading.Thread(target=lambda: during.extend(small(attacked, over)))
    beside.start()
    late: dict[str, float] = {}
    failed: dict[str, str] = {}
    try:
        for case in BOUNDED:
            started = time.perf_counter()
            answer = attacked.post(case.sql, attacked.attacker, timeout_s=BOMB_SECONDS, limit=100)
            seconds = time.perf_counter() - started
            assert [] == leaks(attacked, case.sql, answer), case
            if answer.status_code >= 500:
                failed[str(case)] = answer.text
            if seconds > BOMB_SECONDS + OVERTIME + START_SECONDS:
                late[str(case)] = round(seconds, 1)
            say(f"{seconds:5.2f} s {answer.status_code} {case}")
    finally:
        over.set()
        beside.join(60)
    say(f"another key's small query: p95 {p95(before)} ms before, {p95(during)} ms beside bombs ({len(during)} asked)")
    assert {} == late
    assert {} == failed
    assert len(during) >= len(BOUNDED)
    assert attacked.post("SELECT 1", attacked.attacker).is_success
