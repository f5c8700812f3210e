"""`GET /v1/runs`: filters and orders against plain Python over the records, and pages that make up the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from queries.drill import reading
from tests.queries.drill.world import START_MS, at_ms, land, runs_of, scores_of, usage_of, walked, world
from tests.queries.drill.world import ask as asked
from warehouse.errors import InputError

if TYPE_CHECKING:
    from tests.queries.drill.conftest import Known
    from tests.queries.drill.world import Record, World
    from tests.support.rows import Warehouse

TIME = st.integers(START_MS - 1, START_MS + 5 * 86_400_000)
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "function": st.sampled_from(["answer", "triage", "none"]),
        "status": st.sampled_from(["Completed", "Failed", "Running"]),
        "environment": st.sampled_from(["production", "staging"]),
        "user": st.sampled_from(["user 1", "user 2"]),
        "experiment": st.just("prompt"),
        "q": st.sampled_from(["order 1", "TIMEOUT", "plain/", "01M", "%", ""]),
        "from": TIME,
        "to": TIME,
        "order": st.sampled_from(["newest", "oldest", "slowest"]),
    },
)


def slowness(run: Record) -> int:
    """Return a run's duration in milliseconds, -1 while it is not known."""
    return run["ended_at"] - run["started_at"] if run.get("ended_at") and run.get("started_at") else -1


def expected(known: World, asked_for: dict[str, Any]) -> list[str]:
    """Return the ids of the runs that a list must have, in its order."""
    variants = {one["run_id"] for one in known.of("assignment") if one["experiment"] == asked_for.get("experiment")}
    plain = {"function": "function_id", "status": "status", "environment": "environment", "user": "user_id"}

    def wanted(run: Record) -> bool:
        payloads: list[dict[str, str]] = [run.get("input") or {}, run.get("error") or {}]
        texts = [run["id"], *(text for payload in payloads for text in payload.values())]
        return (
            all(run.get(column) == asked_for[name] for name, column in plain.items() if name in asked_for)
            and ("experiment" not in asked_for or run["id"] in variants)
            and ("q" not in asked_for or any(asked_for["q"].lower() in text.lower() for text in texts))
            and asked_for.get("from", at_ms(run)) <= at_ms(run) < asked_for.get("to", at_ms(run) + 1)
        )

    order = asked_for.get("order", "newest")
    ranked = [
        ((slowness(run) if order == "slowest" else at_ms(run)), run["id"]) for run in runs_of(known) if wanted(run)
    ]
    return [id_ for _, id_ in sorted(ranked, reverse=order != "oldest")]


@pytest.mark.parametrize("window", [1, reading.WINDOW_ROWS])
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(filters=FILTERS, limit=st.sampled_from([4, 17, 100]))
def test_pages_make_up_the_list(
    known: Known, monkeypatch: pytest.MonkeyPatch, window: int, filters: dict[str, Any], limit: int
) -> None:
    """Each run that is meant, once, in order, whatever the limit and however far one looks at first."""
    monkeypatch.setattr(reading, "WINDOW_ROWS", window)
    pages = walked(known.warehouse, "runs", "runs", limit=limit, **filters)
    assert expected(known.world, filters) == [run.id for page in pages for run in page]
    assert all(len(page) == limit for page in pages[:-1])


@pytest.mark.parametrize("bounds", [{}, {"score_below": 0.5}, {"score_above": 0.25, "score_below": 0.75}])
def test_runs_by_score(known: Known, bounds: dict[str, float]) -> None:
    """The mean of the raters decides; a run without the score is in no such list."""
    means = {
        run["id"]: sum(values) / len(values)
        for run in runs_of(known.world)
        if (values := scores_of(known.world, run["id"], "quality"))
    }
    low, high = bounds.get("score_above", -1.0), bounds.get("score_below", 9.0)
    [page] = walked(known.warehouse, "runs", "runs", limit=500, score="quality", **bounds)
    assert {id_ for id_, mean in means.items() if low < mean < high} == {run.id for run in page}
    assert all(
        score.mean == pytest.approx(means[run.id]) for run in page for score in run.scores if score.name == "quality"
    )


def test_what_a_row_says(known: Known) -> None:
    """Scores, variants and usage of each run, from the records alone; a label has no mean."""
    [page] = walked(known.warehouse, "runs", "runs", limit=500)
    variants = {one["run_id"]: one["variant"] for one in known.world.of("assignment")}
    labels = {one["run_id"]: one["label"] for one in known.world.of("score") if "label" in one}
    for run in page:
        spans = [span for span in known.world.spans if run.id in (span["run"], span["trace"])]
        assert usage_of(spans) == (run.usage.calls, run.usage.input_tokens, run.usage.output_tokens)
        assert ([("prompt", variants[run.id])] if run.id in variants else []) == [
            (one.experiment, one.variant) for one in run.assignments
        ]
        solved = scores_of(known.world, run.id, "solved")
        assert [(1, value) for value in solved] == [(s.n, s.mean) for s in run.scores if s.name == "solved"]
        tone = [(score.label, score.mean, score.n) for score in run.scores if score.name == "tone"]
        assert ([(labels[run.id], None, 1)] if run.id in labels else []) == tone


@pytest.mark.parametrize("order", ["newest", "oldest"])
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(2, 20), late=st.lists(st.integers(-5, 10), max_size=6))
def test_a_walk_while_runs_arrive(
    tmp_path_factory: pytest.TempPathFactory, order: str, limit: int, late: list[int]
) -> None:
    """Every run that was there at the beginning is seen once, whatever arrives before, between and after."""
    from tests.support.rows import Warehouse  # noqa: PLC0415 - a workspace an example

    with Warehouse(tmp_path_factory.mktemp("walk")) as warehouse:
        made = world(runs=25)
        land(warehouse, made.of("run"))
        seen: list[str] = []
        cursor: str | None = None
        while True:
            page = asked(warehouse, "runs", limit=limit, order=order, cursor=cursor)
            seen += [run.id for run in page.runs]
            cursor = page.next
            if cursor is None:
                break
            if late:
                day = late.pop()
                run = {"type": "run", "id": f"late {len(late)}", "status": "Running"}
                land(warehouse, [run | {"queued_at": START_MS + day * 86_400_000}])
        assert len(seen) == len(set(seen))
        there = [id_ for id_ in seen if not id_.startswith("late")]
        assert [
            run for run in expected(made, {"order": order}) if run in {one["id"] for one in made.of("run")}
        ] == there


def test_an_empty_workspace(warehouse: Warehouse) -> None:
    """An empty list is an answer."""
    assert walked(warehouse, "runs", "runs") == [[]]


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"limit": 0}, "limit is 0, must be 1 to 500"),
        ({"limit": 501}, "limit is 501, must be 1 to 500"),
        ({"score_below": 1}, "score_below is given without score"),
        ({"variant": "a"}, "variant is given without experiment"),
        ({"status": "done"}, "'status' is 'done', must be one of Queued"),
        ({"order": "best"}, "'order' is 'best', must be one of newest"),
        ({"from": "yesterday"}, "'from' is 'yesterday', must be an ISO 8601 time"),
        ({"score": "s", "score_above": "nan"}, "'score_above' is 'nan', must be a finite number"),
        ({"functions": "f"}, "there is no parameter 'functions'"),
        ({"cursor": "abc"}, "cursor is 'abc'"),
    ],
)
def test_what_cannot_be_asked(warehouse: Warehouse, given_: dict[str, Any], message: str) -> None:
    """The value and the bound are named."""
    with pytest.raises(InputError, match=message):
        asked(warehouse, "runs", **given_)
