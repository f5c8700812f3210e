"""`GET /v1/sessions` and one session: rollups from raw rows against plain Python over the same records."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from queries.drill import reading
from tests.queries.drill.world import MS, START_MS, activity, land, members, pairs_of, usage_of, walked
from tests.queries.drill.world import ask as asked
from tests.support.rows import NOW, Warehouse
from warehouse.errors import NotFoundError

if TYPE_CHECKING:
    from tests.queries.drill.conftest import Known
    from tests.queries.drill.world import World

TIME = st.integers(START_MS - 1, START_MS + 5 * 86_400_000)
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "key": st.sampled_from(["ticket", "account", "none"]),
        "q": st.sampled_from(["t-1", "A", "only", "zz"]),
        "status": st.sampled_from(["Failed", "Completed"]),
        "from": TIME,
        "to": TIME,
        "order": st.sampled_from(["newest", "oldest"]),
    },
)


def expected(known: World, asked_for: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the sessions that a list must have, in its order."""
    statuses = {run["id"]: run["status"] for run in known.of("run")}
    inside = members(known)
    oldest = asked_for.get("order") == "oldest"
    ranked: list[tuple[int, tuple[str, str]]] = []
    for pair, times in activity(known).items():
        low, high = asked_for.get("from", -1) * MS, asked_for.get("to", 1 << 60) * MS
        within = [time for time in times if low <= time < high]
        found = {statuses.get(run) for run in inside.get(pair, ())}
        if (
            within
            and asked_for.get("key", pair[0]) == pair[0]
            and asked_for.get("q", "").lower() in pair[1].lower()
            and asked_for.get("status", next(iter(found), None)) in (found or {None})
        ):
            ranked.append((min(within) if oldest else max(within), pair))
    return [pair for _, pair in sorted(ranked, reverse=not oldest)]


@pytest.mark.parametrize("window", [1, reading.WINDOW_ROWS])
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(filters=FILTERS, limit=st.sampled_from([3, 8, 100]))
def test_pages_make_up_the_list(
    known: Known, monkeypatch: pytest.MonkeyPatch, window: int, filters: dict[str, Any], limit: int
) -> None:
    """Each session that is meant, once, in order, whatever the limit and however far one looks at first."""
    monkeypatch.setattr(reading, "WINDOW_ROWS", window)
    pages = walked(known.warehouse, "sessions", "sessions", limit=limit, **filters)
    assert expected(known.world, filters) == [(one.key, one.id) for page in pages for one in page]


def test_rollups_are_of_the_raw_rows(known: Known) -> None:
    """Runs, failures, usage, scores of runs and of the session itself, variants: of each session."""
    [page] = walked(known.warehouse, "sessions", "sessions", limit=500)
    world = known.world
    inside = members(world)
    runs = {run["id"]: run for run in world.of("run")}
    for one in page:
        own = inside.get((one.key, one.id), set())
        assert (len(own), sum(runs.get(run, {}).get("status") == "Failed" for run in own)) == (
            one.run_count,
            one.failed_run_count,
        )
        spans = [span for span in world.spans if span["run"] in own]
        assert usage_of(spans) == (one.usage.calls, one.usage.input_tokens, one.usage.output_tokens)
        values: dict[str, list[float]] = {}
        for score in world.of("score"):
            if "value" in score and (score.get("run_id") in own or score.get("session") == {one.key: one.id}):
                values.setdefault(score["name"], []).append(float(score["value"]))
        assert {name: (len(found), pytest.approx(sum(found) / len(found))) for name, found in values.items()} == {
            score.name: (score.n, score.mean) for score in one.scores if score.mean is not None
        }
        variants = {(a["experiment"], a["variant"]) for a in world.of("assignment") if a["run_id"] in own}
        assert sorted(variants) == [(met.experiment, met.variant) for met in one.assignments]


def test_the_keys_there_are(known: Known) -> None:
    """Every key on the first page, with the runs that joined by themselves or by a score; none on later pages."""
    first = asked(known.warehouse, "sessions", limit=1)
    joined: dict[str, set[tuple[str, str]]] = {"lonely": set()}
    for record in known.world.records:
        if record["type"] in ("run", "score"):
            for key, id_ in pairs_of(record, "sessions"):
                joined.setdefault(key, set()).add((id_, record.get("run_id") or record["id"]))
    assert {key: len(runs) for key, runs in joined.items()} == {one.key: one.runs for one in first.keys}
    assert asked(known.warehouse, "sessions", limit=1, cursor=first.next).keys is None


@pytest.mark.parametrize("limit", [pytest.param(2, marks=pytest.mark.long), 500])
def test_a_session_is_a_timeline(known: Known, limit: int) -> None:
    """Its runs in the order of time, in pages, with the beginning of what went in."""
    runs = {run["id"]: run for run in known.world.of("run")}
    events = {event["id"]: event["ts"] for event in known.world.of("event")}
    for (key, id_), own in members(known.world).items():
        pages = walked(known.warehouse, "session", "runs", key=key, id=id_, limit=limit)
        found = [one for page in pages for one in page]
        assert sorted(own) == sorted(one.run.id for one in found)
        assert sorted(found, key=lambda one: (one.at, one.run.id)) == found
        for one in found:
            run = runs.get(one.run.id)
            known_times = [*map(events.get, (run or {}).get("event_ids") or ()), START_MS, NOW // MS]
            began = (run or {}).get("queued_at") or (run or {}).get("started_at")
            times = [began] if began else known_times
            assert one.at in {asked_time(time) for time in times if time is not None}
            assert (run is None) == (one.input is None)
            assert run is None or one.input.length == len(one.input.text)


def asked_time(ms: int) -> str:
    """Return a time as bodies have it."""
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_a_session_that_is_only_scored(known: Known) -> None:
    """It is there, without runs, with its score."""
    found = asked(known.warehouse, "session", key="lonely", id="only a score")
    assert ([], 0, [("csat", 5.0)]) == (
        found.runs,
        found.session.run_count,
        [(score.name, score.value) for score in found.own_scores],
    )


@pytest.mark.parametrize(
    ("key", "id_", "hint"),
    [
        ("tickets", "T-1", "did you mean the key 'ticket'?"),
        ("tickt", "none", "did you mean the key 'ticket'?"),
        ("ticket", "T-999", None),
        ("'; DROP TABLE runs", "\x00", None),
    ],
)
def test_an_unknown_session(known: Known, key: str, id_: str, hint: str | None) -> None:
    """Not found, with the key under which the id stands, or the nearest key."""
    with pytest.raises(NotFoundError) as caught:
        asked(known.warehouse, "session", key=key, id=id_)
    assert hint == caught.value.hint


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 4), late=st.lists(st.integers(0, 9), max_size=5))
def test_a_walk_while_sessions_go_on(tmp_path_factory: pytest.TempPathFactory, limit: int, late: list[int]) -> None:
    """A session that something comes to meanwhile keeps its place; new ones are not in this walk."""
    runs = [
        {"type": "run", "id": f"r{n}", "status": "Running", "queued_at": START_MS + n, "sessions": {"k": f"s{n}"}}
        for n in range(10)
    ]
    with Warehouse(tmp_path_factory.mktemp("walk")) as warehouse:
        land(warehouse, runs)
        seen: list[str] = []
        cursor: str | None = None
        while True:
            page = asked(warehouse, "sessions", limit=limit, cursor=cursor)
            seen += [one.id for one in page.sessions]
            cursor = page.next
            if cursor is None:
                break
            if late:
                session = late.pop()
                later = {"id": f"late {len(late)}", "queued_at": START_MS + 1_000, "sessions": {"k": f"s{session}"}}
                land(warehouse, [runs[0] | later, runs[0] | later | {"id": "new", "sessions": {"k": "new"}}])
        assert [f"s{n}" for n in reversed(range(10))] == seen
