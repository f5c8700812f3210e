"""The planned end: decided once, by the data alone, and the same at every later look."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

from tests.queries.experiments.workspace import START, Workspace
from warehouse.clock import iso

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)


def days(count: int, shift: float, seed: int) -> list[tuple[str, str, dt.datetime, float]]:
    """Return a unit of each variant every 6 hours: run, variant, start, value; `b` is better by `shift`."""
    random = np.random.default_rng(seed)
    return [
        (f"{variant}{n}", variant, START + n * 6 * HOUR, float(random.normal(shift * (variant == "b"), 1)))
        for n in range(count * 4)
        for variant in "ab"
    ]


def landed(workspace: Workspace, rows: list[tuple[str, str, dt.datetime, float]], delay: dt.timedelta) -> None:
    workspace.assign([{"run_id": run, "variant": v, "unit": run, "ts": at} for run, v, at, _ in rows])
    workspace.score([{"run_id": run, "value": value, "ts": at + delay} for run, _, at, value in rows])


def bare(made: dict[str, Any]) -> dict[str, Any]:
    """Return what a decided report says, without when it was asked."""
    return {k: v for k, v in made.items() if k not in ("as_of", "known_at", "options", "receipt")}


@pytest.mark.parametrize("maturity", [None, "12h"])
@pytest.mark.parametrize(
    "plan", [{"planned_end": iso_end} for iso_end in ["2026-10-11T00:00:00Z"]] + [{"planned_units": "60"}]
)
def test_later_looks_repeat_the_verdict(plan: dict[str, str], maturity: str | None) -> None:
    """Runs and scores after the end, whatever they say, change nothing of the report."""
    workspace = Workspace()
    rows = days(12, 1.5, 1)
    landed(workspace, rows, 5 * HOUR)
    request = {**plan, **({} if maturity is None else {"maturity": maturity}), "control": "a"}
    first = workspace.report(as_of="2026-10-12T00:00:00Z", **request)
    assert first["verdict"]["kind"] == "winner"
    assert first["decided"]["by"] == next(iter(plan))
    landed(workspace, [(f"late-{run}", v, at + 13 * DAY, -9 * x) for run, v, at, x in rows], 30 * HOUR)
    assert bare(workspace.report(**request)) == bare(first)


def test_the_end_is_when_the_last_planned_unit_is_mature() -> None:
    """20 units come in 9 intervals of 6 hours, two at a time; they are mature 12 hours later."""
    workspace = Workspace()
    landed(workspace, days(12, 1.5, 2), HOUR)
    end = START + 9 * 6 * HOUR + 12 * HOUR
    request = {"planned_units": "20", "maturity": "12h", "control": "a"}
    before = workspace.report(as_of=(end - dt.timedelta(microseconds=1)).isoformat(), **request)
    at = workspace.report(as_of=end.isoformat(), **request)
    assert (before["decided"]["by"], before["audit"]["planned_end_reached"]) == (None, False)
    assert at["decided"] == {"at": iso((end - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)),
                             "by": "planned_units"}  # fmt: skip
    assert sum(v["units"] for v in at["variants"]) == sum(v["scored_runs"] for v in at["variants"]) == 20


def test_a_plan_whose_scores_all_come_after_its_end_waits_for_them() -> None:
    """Not a score by the end: the delay is the one seen since."""
    workspace = Workspace()
    landed(workspace, days(5, 1.5, 3), 8 * DAY)
    request = {"planned_end": (START + 6 * DAY).isoformat(), "control": "a"}
    waiting = workspace.report(as_of=(START + 7 * DAY).isoformat(), **request)
    assert (waiting["decided"]["by"], waiting["verdict"]["kind"]) == (None, "keep_running")
    assert workspace.report(as_of=(START + 15 * DAY).isoformat(), **request)["decided"]["by"] == "planned_end"
