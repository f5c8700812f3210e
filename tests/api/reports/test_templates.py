"""The notebooks that ship, run by a real server over the demo and published data, and opened without a network.

Their facts are compared with the same records as plain Python reads them (`tests.queries.cookbook.reading`).
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from api.demo.truth import TRUTH
from api.reports.definition import templates
from tests.api.demo.reading import moment
from tests.api.pages.documents import Document
from tests.queries.cookbook.reading import Told, told
from tests.support.browser import visit
from tests.support.command import SHARED
from tests.support.demo import send, send_demo
from tests.support.reports import ended, put
from tests.support.server import Server, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PUBLISHED = ("tau-bench-airline.ndjson", "alpaca-eval-6-models.ndjson")
DAYS = 3650


@dataclass(frozen=True)
class World:
    """A server, what it was told, and the editions of every template."""

    server: Server
    told: Told
    editions: dict[str, dict[str, Any]]

    def window(self, template: str) -> tuple[dt.datetime, dt.datetime]:
        """Return the time that an edition is about."""
        until = dt.datetime.fromisoformat(self.editions[template]["known_at"])
        return until - dt.timedelta(days=DAYS), until


@pytest.fixture(scope="module", params=["demo and published", pytest.param("published", marks=pytest.mark.long)])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Every template, run over everything; published data alone has no model calls and no failures."""
    records: list[dict[str, Any]] = []
    bodies: list[bytes] = []
    with serving(tmp_path_factory.mktemp("templates") / "data") as server:
        if request.param != "published":
            records, bodies = send_demo(server, dt.datetime.now(dt.UTC))
        elif not SHARED.exists():
            pytest.skip("shared/data is not beside this checkout")
        if SHARED.exists():
            published = [
                json.loads(line) for file in PUBLISHED for line in (SHARED / file).read_text("utf-8").splitlines()
            ]
            send(server, published)
            records = [*records, *published]
        known = told(records, bodies)
        places: dict[str, str] = {}
        for template in templates():
            put(server, template, {"title": template, "template": template})
            asked = server.http.post(f"/v1/reports/{template}/run", json={"params": {"days": DAYS}})
            places[template] = asked.json()["place"]
        yield World(server, known, {one: ended(server, place) for one, place in places.items()})


def test_there_are_five() -> None:
    """Those of the documentation."""
    assert {"weekly-winners", "score-movers", "cost-and-latency", "session-health", "data-quality"} == {*templates()}


TABLES = {"weekly-winners": 0, "score-movers": 1, "cost-and-latency": 2, "session-health": 2, "data-quality": 2}
"""Least tables of a page over data that has something of everything; a winner's report has one an experiment."""


@pytest.mark.parametrize("template", templates())
def test_its_page_opens_alone_with_tables_and_charts(world: World, template: str, tmp_path: Path) -> None:
    """From the disk, without a network: nothing is asked of anybody or refused, every chart and table is there."""
    edition = world.editions[template]
    assert ("done", None) == (edition["status"], edition["error"])
    file = tmp_path / "report.html"
    file.write_bytes(world.server.http.get(edition["files"]["report.html"]).content)
    seen = visit(file.as_uri(), offline=True)
    assert ([], set()) == (seen.console, seen.hosts)
    page = Document(re.sub(r"^<!DOCTYPE[^>]*>\s*", "", seen.dom, flags=re.IGNORECASE))
    assert not [e.tag for e in page.elements if e.tag in ("script", "iframe", "object", "link")]
    assert "Traceback" not in page.words
    if world.told.spans:
        assert len(page.all("table")) >= max(TABLES[template], 1)
        charts = [e.attributes["src"] or "" for e in page.all("img")]
        assert charts
        for chart in charts:
            picture = ET.fromstring(base64.b64decode(chart.removeprefix("data:image/svg+xml;base64,")))  # noqa: S314 - ours
            assert len([*picture.iter()]) > 20
        assert world.server.http.get(edition["files"]["chart.png"]).content.startswith(b"\x89PNG")
    for table in page.all("table"):
        assert table.words.strip()


def _means(told_: Told, since: dt.datetime, until: dt.datetime) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for score in told_.scores.values():
        if "value" in score and since <= moment(score["ts"]) < until:
            values.setdefault(score["name"], []).append(float(score["value"]))
    return {name: fmean(found) for name, found in values.items()}


def _coverage(told_: Told, since: dt.datetime, until: dt.datetime) -> dict[str, float]:
    lately = {
        id_: run.get("function_id")
        for id_, run in told_.runs.items()
        if run["status"] == "Completed" and "started_at" in run and since <= moment(run["started_at"]) < until
    }
    scored: dict[str, set[str]] = {}
    for score in told_.scores.values():
        if score.get("run_id") in lately:
            scored.setdefault(score["name"], set()).add(score["run_id"])
    found: dict[str, float] = {}
    for name, ids in scored.items():
        meant = {lately[id_] for id_ in ids}
        found[f"coverage of {name}"] = len(ids) / sum(function in meant for function in lately.values())
    return found


def _unhealthy(told_: Told, since: dt.datetime, until: dt.datetime) -> dict[str, float]:
    of_kind: dict[str, list[bool]] = {}
    for (kind, _), ids in told_.sessions.items():
        runs = [told_.runs[id_] for id_ in ids if id_ in told_.runs]
        lately = [
            run for run in runs if (at := run.get("started_at") or run.get("queued_at")) and since <= moment(at) < until
        ]
        if lately:
            of_kind.setdefault(kind, []).append(any(run["status"] == "Failed" for run in lately))
    return {f"{kind} with a failure": fmean(failed) for kind, failed in of_kind.items()}


def _cost(told_: Told, since: dt.datetime, until: dt.datetime) -> dict[str, float]:
    within = (since.timestamp() * 1000, until.timestamp() * 1000)
    calls = [call for call in told_.calls() if within[0] <= call["start"] < within[1]]
    return {"cost of model calls": sum(call.get("gen_ai.usage.cost", 0.0) for call in calls)}


ORACLES: dict[str, Callable[[Told, dt.datetime, dt.datetime], dict[str, float]]] = {
    "score-movers": _means,
    "data-quality": _coverage,
    "session-health": _unhealthy,
    "cost-and-latency": _cost,
}


@pytest.mark.parametrize("template", ORACLES)
def test_its_facts_are_those_of_the_records(world: World, template: str) -> None:
    """Every fact, and no other."""
    facts = {name: fact["value"] for name, fact in world.editions[template]["facts"].items()}
    assert pytest.approx(ORACLES[template](world.told, *world.window(template))) == facts


def test_the_winners_are_those_of_the_experiments(world: World) -> None:
    """Each experiment's verdict is that of its own report as known then; the demo's are the truth."""
    edition = world.editions["weekly-winners"]
    for name in {key[1] for key in world.told.assigned}:
        report = world.server.http.get(
            f"/v1/experiments/{name}/report", params={"known_at": edition["known_at"]}
        ).json()
        verdict = edition["facts"][name]
        assert ("verdict", report["verdict"]["sentence"]) == (verdict["kind"], verdict["words"])
        if name in TRUTH:
            said = report["verdict"]
            assert TRUTH[name].winner == (said["variants"][0] if said["kind"] == "winner" else None)
