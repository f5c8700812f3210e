"""What a sealed file says of its rows: bounds that leave it closed, and filters that tell what it cannot have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.rows import NOW, Warehouse, run, score
from warehouse.pruning import Between, OneOf, may_hold
from warehouse.writing import NO_TIME

if TYPE_CHECKING:
    import pytest

    from warehouse.manifest import SealedFile

TRACES = [f"{number:032x}" for number in range(200, 400)]
TIME = st.one_of(st.none(), st.integers(-(10**15), 4 * 10**15))


def sealed(warehouse: Warehouse, table: str) -> list[SealedFile]:
    """Return the live files of a table, all sealed."""
    warehouse.seal()
    return warehouse.workspace.manifest.read(None)[0].of(table)


def test_a_time_that_no_row_has_leaves_its_file_closed(warehouse: Warehouse) -> None:
    """Runs known from traces alone have no `queued_at`: a question about it need not open them."""
    warehouse.append("runs", *(run(f"01M1D47Z00{n:016d}", started_at=NOW + n) for n in range(5)))
    [file] = sealed(warehouse, "runs")
    assert (NO_TIME, (NOW, NOW + 4)) == (file.bounds["queued_at"], file.bounds["started_at"])
    assert not may_hold(file.bounds, [[Between("queued_at", 0, None)]])
    assert not may_hold(file.bounds, [[Between("queued_at", None, 4 * 10**15)]])
    assert not may_hold(file.bounds, [[OneOf("queued_at", (NOW,))]])
    assert may_hold(file.bounds, [[Between("queued_at", None, None)]])
    assert may_hold(file.bounds, [[Between("queued_at", 0, None)], [Between("started_at", NOW, None)]])


def test_a_text_that_no_row_has_bounds_nothing(warehouse: Warehouse) -> None:
    """A row whose key is null can have its twin in a file where it is null throughout."""
    warehouse.append("runs", run("01M1D47Z000000000000000000"))
    assert "trace_id" not in sealed(warehouse, "runs")[0].bounds


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(times=st.lists(TIME, min_size=1, max_size=4), low=TIME, high=TIME)
def test_a_file_with_a_wanted_row_is_never_left_out(
    tmp_path_factory: pytest.TempPathFactory, times: list[int | None], low: int | None, high: int | None
) -> None:
    """Whatever the times, also before 1970 and none at all."""
    with Warehouse(tmp_path_factory.mktemp("bounds")) as warehouse:
        warehouse.append("runs", *(run(f"01M1D47Z00{n:016d}", queued_at=time) for n, time in enumerate(times)))
        [file] = sealed(warehouse, "runs")
        met = any(
            time is not None and (low is None or low <= time) and (high is None or time <= high) for time in times
        )
        assert may_hold(file.bounds, [[Between("queued_at", low, high)]]) or not met


def test_rows_are_found_by_ids_that_have_filters(warehouse: Warehouse) -> None:
    """An id in the file is found and another is not, by whichever column; the file stays a plain Parquet file."""
    for n, trace in enumerate(TRACES):
        warehouse.append("score_history", score(f"s{n}", 1.0, trace_id=trace, run_id=f"run {n}"))
    sealed(warehouse, "score_history")
    for column, ids in (("trace_id", TRACES), ("run_id", [f"run {n}" for n in range(200)])):
        for id_ in (ids[0], ids[150], "nobody"):
            rows = warehouse.ask(f"SELECT count(*) FROM internal.current_score_history WHERE {column} = '{id_}'")
            assert [(int(id_ in ids),)] == rows


def test_an_engine_reads_no_row_group_that_cannot_have_an_id(warehouse: Warehouse) -> None:
    """DuckDB's own probe of the filters: ids that were written are not excluded, others mostly are."""
    import duckdb  # noqa: PLC0415 - tests may

    warehouse.append("runs", *(run(trace, started_at=NOW, trace_id=trace) for trace in TRACES))
    [file] = sealed(warehouse, "runs")
    path = warehouse.paths.file(file.place)
    con = duckdb.connect()
    probe = "SELECT bloom_filter_excludes FROM parquet_bloom_probe(?, 'trace_id', ?)"
    assert not any(con.execute(probe, [str(path), trace]).fetchall()[0][0] for trace in TRACES)
    others = [f"{number:032x}" for number in range(10_000, 11_000)]
    missed = sum(not con.execute(probe, [str(path), other]).fetchall()[0][0] for other in others)
    assert missed < 10  # one in a thousand is promised
