"""Laws of landing: what is landed is read back, compaction changes no answer, the order of deliveries is the same."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.crash import EAGER
from tests.support.history import send
from tests.support.rows import NOW, Warehouse, assignment, batch, run, score, step
from warehouse.compaction import Compactor
from warehouse.engine import rows_of
from warehouse.schema import FILE, FILES, FileTable
from warehouse.sqlite_manifest import SqliteManifest
from warehouse.upkeep import unlink
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from warehouse.manifest import Change

SECOND = 1_000_000
SLOW = settings(max_examples=8, deadline=None, suppress_health_check=[*HealthCheck])  # pyright: ignore[reportArgumentType] - its metaclass hides it

Row = dict[str, Any]

# --- landing is identity --------------------------------------------------------------------------------------------

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "VARCHAR": words,
    "JSON": st.sampled_from(['{"a":[1,2.5,null,"\\u00e9"]}', "[]", "null", '"text"', "1e300", '{"":{"":""}}']),
    "DOUBLE": st.floats(allow_nan=False),
    "BIGINT": st.integers(-(2**63), 2**63 - 1),
    "INTEGER": st.integers(-(2**31), 2**31 - 1),
    "TIMESTAMPTZ": st.integers(-(2**40), 2**51),
    "BOOLEAN": st.booleans(),
    "VARCHAR[]": st.lists(words, max_size=3),
    "MAP(VARCHAR, VARCHAR)": st.dictionaries(words, words, max_size=3).map(lambda pairs: list(pairs.items())),
}
"""Arbitrary values of each type of a column; times in microseconds."""


def rows_of_table(table: FileTable) -> st.SearchStrategy[list[Row]]:
    """Return a strategy of rows with keys of their own and arbitrary values elsewhere."""
    keyed = {*table.key, *table.current_key}
    fixed = {*keyed, "_implied", "status"}
    row = st.fixed_dictionaries({c.name: st.none() | VALUES[c.type] for c in table.columns if c.name not in fixed})

    def with_keys(rows: list[Row]) -> list[Row]:
        made: list[Row] = []
        for number, own in enumerate(rows):
            keys = {c.name: number if c.type == "INTEGER" else f"k{number}" for c in table.columns if c.name in keyed}
            status = (
                {"status": "waiting" if table.name == "deferrals" else "Running"} if "status" in table.order else {}
            )
            internal = {"_given": True, "_implied": False, "_day_id": f"k{number}", table.received: NOW}
            times = {name: own.get(name) or NOW for name in table.order if name not in ("status", "_implied")}
            made.append(own | keys | status | internal | times)
        return made

    return st.lists(row, min_size=1, max_size=8).map(with_keys)


def landed(warehouse: Warehouse) -> dict[str, list[Row]]:
    """Return all rows of all file tables as their public columns, in order of arrival."""
    cursor = warehouse.snapshots.engine().cursor()
    found: dict[str, list[Row]] = {}
    for table in FILES:
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        found[table.name] = rows_of(
            cursor, f'SELECT {names} FROM internal."{table.name}" ORDER BY _arrival'
        ).to_pylist()
    warehouse.snapshots.release()
    return found


@settings(SLOW, max_examples=4)
@given(st.data())
def test_land_then_read_is_identity(data: st.DataObject) -> None:
    """Every value of every type of every table comes back: from the log, a sealed file, a compacted one."""
    first = {table.name: data.draw(rows_of_table(table)) for table in FILES}
    more = {table.name: data.draw(rows_of_table(table)) for table in FILES}
    wanted: dict[str, list[Row]] = {}
    for table in FILES:
        for row in more[table.name]:  # keys of their own
            for name in {*table.key, *table.current_key, "_day_id"}:
                row[name] = row[name] + 1000 if isinstance(row[name], int) else f"m{row[name]}"
        batches = [batch(table.name, rows[table.name]) for rows in (first, more)]
        wanted[table.name] = pa.Table.from_batches(batches).select([c.name for c in table.columns]).to_pylist()
    with tempfile.TemporaryDirectory() as folder, Warehouse(Path(folder)) as warehouse:
        for rows in (first, more):
            send(warehouse, rows)
            if rows is first:
                warehouse.seal()
        assert wanted == landed(warehouse)
        warehouse.seal()
        assert wanted == landed(warehouse)
        while warehouse.compactor.compact(whole=True):
            pass
        unlink(warehouse.workspace)
        assert wanted == landed(warehouse)


# --- compaction and order -------------------------------------------------------------------------------------------

PUBLIC = frozenset({"runs", "scores", "score_history", "assignments", "steps", "step_attempts"})
QUESTIONS = (
    "SELECT id, status, started_at, ended_at, app_id, output, received_at FROM runs ORDER BY id",
    "SELECT * FROM scores ORDER BY id",
    "SELECT * FROM score_history ORDER BY version",
    "SELECT * FROM assignments ORDER BY run_id",
    "SELECT * FROM steps ORDER BY run_id, id",
    "SELECT * FROM step_attempts ORDER BY run_id, id, attempt",
)
MOMENTS = (NOW + SECOND, NOW + 5 * SECOND)


def answers(warehouse: Warehouse) -> list[Any]:
    """Ask everything, as of now and as of some moments."""
    made: list[Any] = []
    for at in (None, *MOMENTS):
        cursor = warehouse.snapshots.engine(past=at is not None).cursor(PUBLIC, known_at=at)
        made.append([rows_of(cursor, sql).to_pylist() for sql in QUESTIONS])
        warehouse.snapshots.release()
    return made


ids = st.sampled_from(["a", "b", "c"])
instants = st.integers(0, 9).map(lambda n: NOW - 100 * SECOND + n * SECOND)
statuses = st.sampled_from(["Queued", "Running", "Completed"])


@st.composite
def deliveries(draw: st.DrawFn) -> list[tuple[str, Row]]:
    """Draw rows of four tables, many of one key, received one second after another."""
    made: list[tuple[str, Row]] = []
    for number in range(draw(st.integers(2, 12))):
        now, id_, at = NOW + number * SECOND, draw(ids), draw(instants)
        match draw(st.sampled_from(["runs", "score_history", "assignments", "step_attempts"])):
            case "runs":
                row = run(id_, now, status=draw(statuses), started_at=at, app_id=draw(st.none() | ids))
            case "score_history":
                row = score(id_, float(draw(st.integers(0, 3))), now, draw(st.none() | st.just(at)))
            case "assignments":
                row = assignment(id_, draw(ids), at, now, _implied=draw(st.booleans()))
            case _:
                row = step(id_, "step", draw(st.integers(0, 2)), now, status=draw(statuses), started_at=at)
        made.append((_table_of(row), row))
    return made


def _table_of(row: Row) -> str:
    if "attempt" in row:
        return "step_attempts"
    if "variant" in row:
        return "assignments"
    return "score_history" if "value" in row else "runs"


@settings(SLOW, max_examples=6)
@given(deliveries(), st.data())
def test_compaction_changes_no_answer(sent: list[tuple[str, Row]], data: st.DataObject) -> None:
    """At any moment, whole or by policy: history, versions and what was known at a time stay as they are."""
    with tempfile.TemporaryDirectory() as folder, Warehouse(Path(folder)) as warehouse:
        warehouse._compactor = Compactor(open_workspace(warehouse.paths), EAGER)  # pyright: ignore[reportPrivateUsage]
        for table, row in sent:
            warehouse.append(table, row)
            what = data.draw(st.sampled_from(["nothing", "seal", "seal", "policy", "whole"]))
            if what == "seal":
                warehouse.seal()
            elif what != "nothing":
                before = answers(warehouse)
                if warehouse.compactor.compact(whole=what == "whole"):
                    assert before == answers(warehouse)
        before = answers(warehouse)
        warehouse.seal()
        assert before == answers(warehouse)
        while warehouse.compactor.compact(whole=True):
            pass
        unlink(warehouse.workspace)
        assert before == answers(warehouse)


@settings(SLOW, max_examples=10)
@given(deliveries(), st.data())
def test_the_past_is_the_best_of_what_was_known(sent: list[tuple[str, Row]], data: st.DataObject) -> None:
    """Of each key, of the versions received by then, the winner by the table's own order: chosen here one by one."""
    with tempfile.TemporaryDirectory() as folder, Warehouse(Path(folder)) as warehouse:
        for table, row in sent:
            warehouse.append(table, row)
            what = data.draw(st.sampled_from(["nothing", "seal", "compact"]))
            if what != "nothing":
                warehouse.seal()
            if what == "compact":
                warehouse.compactor.compact(whole=True)
        every = landed(warehouse)  # in order of arrival
        for at in range(NOW - SECOND, NOW + 13 * SECOND, SECOND // 2):
            then = dt.datetime.fromtimestamp(at / SECOND, dt.UTC)
            best: dict[str, dict[Any, Row]] = {"score_history": {}, "assignments": {}}
            for row in every["score_history"]:
                before = best["score_history"].get(row["id"])
                if row["received_at"] <= then and (before is None or row["ts"] >= before["ts"]):
                    best["score_history"][row["id"]] = row
            for row in every["assignments"]:
                before = best["assignments"].get((row["run_id"], row["experiment"]))
                earlier = before is None or (row["_implied"], row["ts"]) < (before["_implied"], before["ts"])
                if row["received_at"] <= then and earlier:
                    best["assignments"][row["run_id"], row["experiment"]] = row
            cursor = warehouse.snapshots.engine(past=True).cursor(PUBLIC, known_at=at)
            for table, wanted in best.items():
                names = ", ".join(f'"{column.name}"' for column in FILE[table].columns)
                found = rows_of(cursor, f"SELECT {names} FROM internal.current_{table} ORDER BY _arrival").to_pylist()
                assert sorted(wanted.values(), key=every[table].index) == found
            warehouse.snapshots.release()


FINAL = (
    "SELECT id, status, started_at, app_id FROM runs ORDER BY id",
    "SELECT id, value, ts FROM scores ORDER BY id",
    "SELECT id, value, ts FROM score_history ORDER BY ALL",
    "SELECT run_id, variant, ts FROM assignments ORDER BY run_id",
    "SELECT run_id, attempt, status FROM steps ORDER BY run_id",
    "SELECT run_id, attempt, status FROM step_attempts ORDER BY run_id, attempt",
)
"""The final state without the times of receipt, which are those of the first delivery, whichever that was."""


def land(requests: Sequence[Sequence[tuple[str, Row]]], work: Sequence[str]) -> list[Any]:
    """Return the final answers after these requests, with some work after each."""
    with tempfile.TemporaryDirectory() as folder, Warehouse(Path(folder)) as warehouse:
        for request, after in zip(requests, work, strict=True):
            for table in dict.fromkeys(table for table, _ in request):
                warehouse.append(table, *(row for own, row in request if own == table))
            if after != "nothing":
                warehouse.seal()
            if after == "compact":
                warehouse.compactor.compact(whole=True)
        cursor = warehouse.snapshots.engine().cursor(PUBLIC)
        return [rows_of(cursor, sql).to_pylist() for sql in FINAL]


@settings(SLOW, max_examples=6)
@given(deliveries(), st.data())
def test_redelivery_gives_the_same_state(sent: list[tuple[str, Row]], data: st.DataObject) -> None:
    """Each row delivered 1 to 5 times, in any order and batching, with any seals and compactions: one final state.

    Ties are excepted by the design, so every row has a time of its own.
    """
    for number, [table, row] in enumerate(sent):
        at = NOW - 100 * SECOND + number * SECOND
        row.update({"ts": at, "_given": True} if table in ("score_history", "assignments") else {"started_at": at})
    times = data.draw(st.lists(st.integers(1, 5), min_size=len(sent), max_size=len(sent)))
    copies = data.draw(st.permutations([one for one, count in zip(sent, times, strict=True) for _ in range(count)]))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(copies) - 1), max_size=6)) if len(copies) > 1 else [])
    parts = [copies[low:high] for low, high in zip([0, *cuts], [*cuts, len(copies)], strict=True)]
    kinds = st.sampled_from(["nothing", "seal", "compact"])
    work = data.draw(st.lists(kinds, min_size=len(parts), max_size=len(parts)))
    once = land([[one] for one in sent], ["seal"] * len(sent))
    assert once == land(parts, work)


def test_received_at_is_when_the_state_was_first_known(warehouse: Warehouse) -> None:
    """A run sent again as it was keeps its time of receipt, whether or not a seal came between the two."""
    for id_, between in (("sealed", True), ("hot", False)):
        warehouse.append("runs", run(id_, NOW, status="Running", started_at=NOW))
        if between:
            warehouse.seal()
        warehouse.append("runs", run(id_, NOW + SECOND, status="Running", started_at=NOW))
    for _ in range(2):
        asked = warehouse.ask("SELECT id, epoch_us(received_at) FROM runs ORDER BY id")
        assert [("hot", NOW), ("sealed", NOW)] == asked
        warehouse.seal()


# --- sealing beside compaction --------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["seal", "compact"])
def test_sealing_and_compaction_in_one_another(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """One hides or replaces what the other is about to commit: nothing is lost, and no file is left over."""
    for number in range(3):
        warehouse.append("runs", run("a", status="Queued", app_id="x"), run(f"r{number}", status="Queued"))
        warehouse.append("score_history", score("s", float(number), NOW, NOW + number))
        warehouse.seal()
    warehouse.append("runs", run("a", status="Completed", received_at=NOW + 1), run("r0", status="Running"))
    warehouse.append("score_history", score("s", 9.0, NOW + 1, NOW + 100))
    before = answers(warehouse)
    work: dict[str, Callable[[], object]] = {"seal": warehouse.seal, "compact": lambda: _compact(warehouse)}
    [other] = set(work) - {first}
    commit = SqliteManifest.commit
    inside: list[str] = []

    def commit_late(self: SqliteManifest, change: Change) -> int:
        if not inside and (change.sealed is None) == (first == "compact"):
            inside.append(other)
            work[other]()
            assert before == answers(warehouse)
        return commit(self, change)

    monkeypatch.setattr(SqliteManifest, "commit", commit_late)
    work[first]()
    assert [other] == inside
    assert before == answers(warehouse)
    warehouse.seal()
    _compact(warehouse)
    assert before == answers(warehouse)
    unlink(warehouse.workspace)
    manifest, files = warehouse.workspace.manifest, warehouse.workspace.files
    assert sorted(file.place for file in manifest.read(None)[0].files) == sorted(files.present())
    assert [] == manifest.leftovers()


def _compact(warehouse: Warehouse) -> None:
    while warehouse.compactor.compact(whole=True):
        pass
