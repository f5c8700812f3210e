"""However far a list looks at a time, its pages are those of one question over everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from queries.drill import reading, runs, sessions
from tests.queries.drill.world import START_MS, activity, at_ms, land, members, runs_of, scores_of, walked
from tests.support.rows import NOW, Warehouse
from tests.support.rows import run as row

if TYPE_CHECKING:
    from tests.queries.drill.conftest import Known
    from tests.queries.drill.world import Record

DAY_US = 86_400_000_000
TIMES = st.one_of(st.none(), st.sampled_from([-DAY_US, -1, 0, 1, NOW, NOW + 1]), st.integers(NOW - 9 * DAY_US, NOW))
SENT = st.lists(st.tuples(TIMES, TIMES, TIMES, st.booleans()), min_size=1, max_size=14)
"""When each run was asked for, began and ended, and whether a file ends with it."""


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=SENT, order=st.sampled_from(["newest", "oldest"]), limit=st.integers(1, 5), window=st.sampled_from([1, 4]))
def test_windows_leave_no_run_out(  # noqa: PLR0917 - two fixtures and what is drawn
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    sent: list[tuple[int | None, int | None, int | None, bool]],
    order: str,
    limit: int,
    window: int,
) -> None:
    """Each run once and in order, with any of its times, also before 1970, or none; sealed in files of any size."""
    monkeypatch.setattr(reading, "WINDOW_ROWS", window)
    with Warehouse(tmp_path_factory.mktemp("windows")) as warehouse:
        expected: list[tuple[int, str]] = []
        for number, (queued, started, ended, ends) in enumerate(sent):
            id_ = f"01M1D47Z00{number:016d}"
            warehouse.append("runs", row(id_, queued_at=queued, started_at=started, ended_at=ended))
            expected.append((next((time for time in (queued, started, ended) if time is not None), 0), id_))
            if ends:
                warehouse.seal()
        pages = walked(warehouse, "runs", "runs", order=order, limit=limit)
        assert [id_ for _, id_ in sorted(expected, reverse=order == "newest")] == [
            run.id for page in pages for run in page
        ]
        assert all(len(page) == limit for page in pages[:-1])


def span(trace: int, number: int, run: str | None) -> Record:
    """Return a span of a trace, the root when its number is 0."""
    made: Record = {"trace": f"{trace + 1:032x}", "span": f"{16 * trace + number + 1:016x}", "name": "s", "llm": False}
    made |= {"parent": f"{16 * trace + 1:016x}" if number else None, "start": START_MS + trace, "end": START_MS + trace}
    return made | {"tokens": None, "failed": False, "run": run}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.booleans(), min_size=1, max_size=12), limit=st.integers(1, 4))
def test_traces_that_are_part_of_a_run_leave_no_gap(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bool], limit: int
) -> None:
    """A page is full however many of the runs that were met turned out to be a part of another."""
    with Warehouse(tmp_path_factory.mktemp("traces")) as warehouse:
        land(warehouse, [], [span(trace, 0, None) for trace in range(len(parts))])
        warehouse.seal()
        if named := [span(trace, 1, "named") for trace, part in enumerate(parts) if part]:
            land(warehouse, [], named)
        pages = walked(warehouse, "runs", "runs", limit=limit)
        standing = [f"{trace + 1:032x}" for trace, part in enumerate(parts) if not part]
        assert standing[::-1] == [run.id for page in pages for run in page]
        assert all(len(page) == limit for page in pages[:-1])


ASKED: list[dict[str, Any]] = [
    {"score": "quality"},
    {"score": "quality", "score_above": 0.4},
    {"score": "solved", "experiment": "prompt", "variant": "a"},
    {"experiment": "prompt", "order": "oldest"},
    {"score": "nowhere"},
]


@pytest.mark.parametrize("batch", [1, 3, 1_000])
@pytest.mark.parametrize("asked", ASKED)
def test_what_is_said_of_runs_is_asked_in_parts(
    known: Known, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], batch: int
) -> None:
    """Runs by score and variant, whatever the number of runs that are looked at together."""
    monkeypatch.setattr(runs, "FIRST_BATCH", batch)
    monkeypatch.setattr(runs, "MOST_BATCH", max(batch, 8))
    variants = {one["run_id"]: one["variant"] for one in known.world.of("assignment")}

    def wanted(run: Record) -> bool:
        values = scores_of(known.world, run["id"], asked.get("score", ""))
        return (
            ("score" not in asked or bool(values))
            and ("score_above" not in asked or sum(values) / len(values) > asked["score_above"])
            and ("experiment" not in asked or run["id"] in variants)
            and ("variant" not in asked or variants[run["id"]] == asked["variant"])
        )

    found = sorted(
        ((at_ms(run), run["id"]) for run in runs_of(known.world) if wanted(run)), reverse="order" not in asked
    )
    pages = walked(known.warehouse, "runs", "runs", limit=5, **asked)
    assert [id_ for _, id_ in found] == [run.id for page in pages for run in page]


@pytest.mark.parametrize("batch", [1, 4, 200])
@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_sessions_by_the_status_of_a_run_in_parts(
    known: Known, monkeypatch: pytest.MonkeyPatch, order: str, batch: int
) -> None:
    """Sessions with a failed run, whatever the number of sessions that are looked at together."""
    monkeypatch.setattr(sessions, "FIRST_BATCH", batch)
    failed = {run["id"] for run in runs_of(known.world) if run["status"] == "Failed"}
    whole, own = activity(known.world), members(known.world)
    extreme = max if order == "newest" else min
    expected = sorted(
        ((extreme(times), *pair) for pair, times in whole.items() if own.get(pair, set()) & failed),
        reverse=order == "newest",
    )
    pages = walked(known.warehouse, "sessions", "sessions", status="Failed", order=order, limit=3)
    assert [tuple(pair) for _, *pair in expected] == [(one.key, one.id) for page in pages for one in page]
