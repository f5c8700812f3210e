"""Addresses of every page over some data, how a page is opened as a whole, and what is wrong with it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from api.pages.drill import run_path, score_path, session_path, trace_path
from api.pages.render import experiment_path
from api.pages.reports import report_path
from tests.api.reports.workers import notebook
from tests.support.command import ROOT
from tests.support.reports import put, run

if TYPE_CHECKING:
    from playwright.sync_api import Page, Response

    from tests.support.server import Server

_IN_CI = bool(os.environ.get("UPSHOT_CI"))  # read before the fixture that scrubs the environment
_AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"

FIXED = {
    "home": "/",
    **{name: f"/{name}" for name in ("sql", "experiments", "sessions", "runs", "scores", "dashboards", "reports")},
    **{name: f"/{name}" for name in ("queries", "settings", "sign-in")},
}
"""Pages that every server has."""

PAGES = (*FIXED, "report", "session", "run", "trace", "score", "dashboard", "notebook", "edition")
"""Every page that a server has that knows something of everything."""


def addresses(server: Server) -> dict[str, str]:
    """Return the address of every page: of one thing, for the first that there is."""
    found = {**FIXED}
    if experiments := server.http.get("/v1/experiments").json()["experiments"]:
        found["report"] = experiment_path(experiments[0]["name"])
    if sessions := server.http.get("/v1/sessions").json()["sessions"]:
        found["session"] = session_path(sessions[0]["key"], sessions[0]["id"])
    if runs := server.ask("SELECT id FROM runs ORDER BY status = 'Failed' DESC, started_at DESC NULLS LAST LIMIT 1"):
        found["run"] = run_path(runs[0][0])
    if spans := server.ask("SELECT trace_id FROM spans GROUP BY ALL ORDER BY count(*) DESC, 1 LIMIT 1"):
        found["trace"] = trace_path(spans[0][0])
    if scores := server.http.get("/v1/scores").json()["scores"]:
        found["score"] = score_path(scores[0]["name"])
    if dashboards := server.http.get("/v1/dashboards").json().get("dashboards"):
        found["dashboard"] = f"/dashboards/{quote(dashboards[0]['name'], safe='')}"
    if notebooks := server.http.get("/v1/reports").json()["reports"]:
        found["notebook"] = report_path(notebooks[0]["name"])
        if newest := notebooks[0]["newest"]:
            found["edition"] = report_path(notebooks[0]["name"], newest["id"])
    return found


def make_an_edition(server: Server, words: str) -> None:
    """Save a report that says some words everywhere, and run it."""
    deliver = [{"to": "webhook", "url": "http://127.0.0.1:9/hook", "secret": "whsec_" + "QUFB" * 8}]
    cells = notebook("import upshot", "upshot.fact(words, words)", "print(words)", parameters=f"words = {words!r}")
    body = {"title": words, "description": words, "notebook": cells, "deliver": deliver, "params": {"words": words}}
    put(server, "notebook", body)
    assert "done" == run(server, "notebook")["status"]


def opened(page: Page, address: str) -> Response:
    """Go to a page, wait until it is alive and all its parts have come; returns the answer."""
    answer = page.goto(address)
    assert answer is not None
    page.wait_for_selector("body[data-ready]")
    expect(page.locator("[hx-trigger=load], .htmx-request")).to_have_count(0, timeout=30_000)
    return answer


def ground(page: Page) -> float:
    """Return how light the page's ground is, from 0 to 1."""
    light: float = page.evaluate(
        """() => { const c = document.createElement("canvas").getContext("2d");
            for (const node of [document.documentElement, document.body]) {
                c.fillStyle = getComputedStyle(node).backgroundColor; c.fillRect(0, 0, 1, 1); }
            return c.getImageData(0, 0, 1, 1).data.slice(0, 3).reduce((a, b) => a + b) / 765; }"""
    )
    return light


def wider_than_the_screen(page: Page) -> list[str]:
    """Return what makes a page scroll sideways; empty when it does not."""
    found: list[str] = page.evaluate(_WIDE)
    return found


_WIDE = """() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const scrolls = (node) => node && node !== document.body &&
        (["auto", "scroll", "hidden"].includes(getComputedStyle(node).overflowX) || scrolls(node.parentElement));
    const wide = [...document.querySelectorAll("body *")]
        .filter((one) => one.getBoundingClientRect().right > width + 0.5 && !scrolls(one.parentElement));
    return [`${document.documentElement.scrollWidth} pixels`, ...wide.map((one) => one.outerHTML.slice(0, 160))];
}"""


def axe_source() -> str:
    """Return the script of axe-core; without it the test is skipped, and in CI fails, by name."""
    if not _AXE.exists():
        if _IN_CI:
            pytest.fail("axe-core was not installed: scripts/assets.sh says why")
        pytest.skip("axe-core is not installed: scripts/assets.sh says why")
    return _AXE.read_text("utf-8")


def violations(page: Page, source: str) -> list[str]:
    """Return what axe-core finds against WCAG 2.1 at level AA in what the page shows now."""
    page.evaluate(source)  # through the debugger: the page's policy lets no script in
    found: list[str] = page.evaluate(
        """() => axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], resultTypes: ["violations"] })
            .then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.slice(0, 5).map((node) =>
                `${id}: ${node.html.slice(0, 200)}: ${[...node.any, ...node.all, ...node.none][0]?.message}`)))"""
    )
    return found
