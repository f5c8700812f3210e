"""Every page in a browser, over the demo's data and over real records: whole, quiet, in both looks, on a telephone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
from playwright.sync_api import expect

from tests.support.command import SHARED
from tests.support.server import Server, serving
from tests.web.browsing import Visit
from tests.web.built import needs_the_build
from tests.web.world import PAGES, addresses, ground, opened, wider_than_the_screen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext

TELEPHONE = 390
"""Pixels of width."""


@pytest.fixture(scope="module")
def paths(demo: Server) -> dict[str, str]:
    """The address of every page of the demo."""
    return addresses(demo)


def whole(browser: Browser, server: Server, path: str, looks: Literal["light", "dark"], width: int = 1280) -> None:
    """Open a page and fail on anything that should not be."""
    context = browser.new_context(color_scheme=looks, viewport={"width": width, "height": 800})
    visit = Visit(context.new_page(), server.url)
    answer = opened(visit.page, f"{server.url}{path}")
    assert 200 == answer.status
    assert (ground(visit.page) > 0.8) == (looks == "light")
    assert [] == wider_than_the_screen(visit.page)
    assert [] == visit.trouble()
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_demo(browser: Browser, demo: Server, paths: dict[str, str], name: str) -> None:
    """No error in the console, no refusal of the policy, no other host, no scrolling sideways."""
    whole(browser, demo, paths[name], "light")
    whole(browser, demo, paths[name], "dark", TELEPHONE)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that holds real records: six models' answers with judgements, and agents that book flights."""
    needs_the_build()
    files = [SHARED / name for name in ("alpaca-eval-6-models.ndjson", "tau-bench-airline.ndjson")]
    if missing := [file.name for file in files if not file.exists()]:
        pytest.skip(f"there is no {' and no '.join(missing)} beside the checkout")
    with serving(tmp_path_factory.mktemp("real") / "data") as server:
        for file in files:
            headers = {"content-type": "application/x-ndjson"}
            answer = server.http.post("/v1/ingest", content=file.read_bytes(), headers=headers)
            assert [] == answer.json()["rejected"]
        yield server


@pytest.mark.parametrize(
    "name", ["home", "experiments", "report", "sessions", "session", "runs", "run", "scores", "score"]
)
def test_a_page_of_real_records(browser: Browser, real: Server, name: str) -> None:
    """The same, over what others recorded; a page of what they did not is not there."""
    found = addresses(real)
    if name not in found:
        pytest.skip(f"these records have no {name}")
    whole(browser, real, found[name], "dark", TELEPHONE)


def test_the_readers_looks_are_kept(context: BrowserContext, demo: Server) -> None:
    """Turned by the page's own button: kept over a reload, on every page, written by the server, so nothing flashes."""
    visit = Visit(context.new_page(), demo.url)
    page = visit.page
    assert 'data-theme="' not in opened(page, f"{demo.url}/runs").text()
    for wanted, bright in (("dark", False), ("light", True)):
        page.locator(".who .menu > summary").last.click()
        page.get_by_role("button", name="Light or dark").click()
        assert bright == (ground(page) > 0.8)
        answer = page.reload()
        assert answer is not None
        assert ('data-theme="dark"' in answer.text()) == (wanted == "dark")  # light is what the browser says anyway
        assert bright == (ground(page) > 0.8)
    page.emulate_media(color_scheme="dark")
    page.locator(".who .menu > summary").last.click()
    page.get_by_role("button", name="Light or dark").click()
    answer = opened(page, f"{demo.url}/scores")
    assert 'data-theme="light"' in answer.text() and ground(page) > 0.8
    assert [] == visit.trouble()


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_written_in_the_readers_looks(demo: Server, paths: dict[str, str], name: str) -> None:
    """By the cookie; one that says something else is as none."""
    for theme, written in (("dark", True), ("light", True), ("<b>", False)):
        text = demo.http.get(paths[name], headers={"cookie": f"upshot_theme={theme}", "accept": "text/html"}).text
        assert written == (f'<html lang="en" data-theme="{theme}"' in text)


def test_a_server_without_any_data(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every list says what would fill it."""
    needs_the_build()
    with serving(tmp_path_factory.mktemp("empty") / "data") as server:
        found = addresses(server)
        for path in found.values():
            whole(browser, server, path, "light", TELEPHONE)
        page = browser.new_page()
        for path, words in (("/", "Nothing has arrived yet"), ("/runs", "No runs yet"), ("/scores", "No scores yet")):
            page.goto(f"{server.url}{path}")
            expect(page.locator("main")).to_contain_text(words)
        page.close()
