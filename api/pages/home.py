"""The first page and the list of experiments: the body of `/v1/overview` and reports in, HTML out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from api.pages import charts, checks, numbers, plots, queries
from api.pages.body import Body, entries, inside
from api.pages.drill import shared
from api.pages.frame import NOBODY
from api.pages.notes import Notes, notes_of
from api.pages.render import PAGES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from api.pages.frame import Frame

SHOWN = 6
"""Experiments on the first page; the list has all."""


@dataclass(frozen=True, slots=True)
class Card:
    """An experiment with its verdict; `comparisons` and `rows` (of its forest plot) go by variant."""

    name: str
    report: Body
    scale: numbers.Scale
    confidence: str
    comparisons: Mapping[str, Body]
    rows: Mapping[str, charts.ForestRow]
    zero: float
    why: Notes


def _card(name: str, report: Body) -> Card:
    comparisons = {str(entry.get("variant")): entry for entry in entries(report, "comparisons")}
    plot = charts.forest(list(comparisons.values()))
    rows = dict(zip(comparisons, plot.rows, strict=True))
    scale, why = numbers.Scale(report.get("kind")), notes_of(entries(report, "notes"))
    confidence = f"{100 * (1 - checks.alpha(report)):g}%"
    return Card(name, report, scale, confidence, comparisons, rows, plot.zero, why)


def card(name: str, report: Body) -> str:
    """Return the card of one experiment as a part of a page; `report` is DESIGN section 11, and may be empty."""
    return PAGES.get_template("verdict.html").render(card=_card(name, report))


def verdict_path(name: str) -> str:
    """Return the address of an experiment's card."""
    return f"/verdicts/{quote(name, safe='')}"


def verdicts(experiments: Sequence[Body], frame: Frame) -> str:
    """Return the first page's part with the newest experiments, each with a place for its card."""
    return PAGES.get_template("verdicts.html").render(
        frame=frame, experiments=experiments[:SHOWN], all=len(experiments), verdict_path=verdict_path
    )


def experiments(experiments: Sequence[Body], frame: Frame = NOBODY) -> str:
    """Return the list of experiments; entries of `GET /v1/experiments`."""
    return PAGES.get_template("experiments.html").render(
        frame=frame, experiments=experiments, verdict_path=verdict_path
    )


def home(overview: Body, origin: str, frame: Frame = NOBODY) -> str:
    """Return the first page.

    Args:
        overview: the body of `GET /v1/overview`.
        origin: scheme, host and port under which the reader sees this server; goes into the commands to copy.
        frame: what stands around the page.
    """
    runs = inside(overview, "runs")
    return PAGES.get_template("home.html").render(
        frame=frame,
        body=overview,
        now=inside(runs, "now"),
        before=inside(runs, "before"),
        chart=plots.columns([_bar(one, str(runs.get("step"))) for one in entries(runs, "series")]),
        commands=queries.first_commands(origin, open_=frame.open),
        arrived=sorted(entries(overview, "arrived"), key=lambda table: -int(table.get("rows") or 0)),
        **shared(),
    )


def _bar(one: Body, step: str) -> tuple[str, str, object, object]:
    """Return a day or an hour as a column: its name, what it says, its runs, the failed ones of these."""
    at = numbers.moment(one.get("at"))
    name = at if step == "hour" else at.partition(",")[0]
    return (
        name,
        f"{name}: {numbers.number(one.get('runs'))} runs, {numbers.number(one.get('failed'))} failed",
        one.get("runs"),
        one.get("failed"),
    )
