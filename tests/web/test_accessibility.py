"""What axe-core finds against WCAG 2.1 at level AA: nothing, on every page, in both looks, and with everything open.

axe-core finds what can be found by a machine, about half of all that goes wrong (its own documentation); keyboards are
tried in `test_journeys`, names and contrasts inside the SQL editor in `test_sql_page`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.web.browsing import Visit
from tests.web.world import PAGES, addresses, axe_source, opened, violations

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

    from tests.support.server import Server


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core."""
    return axe_source()


@pytest.fixture(scope="module")
def paths(demo: Server) -> dict[str, str]:
    """The address of every page of the demo."""
    return addresses(demo)


def in_both_looks(page: Page, axe: str) -> None:
    """Fail on what axe-core finds in the page as it is now."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert [] == [(scheme, found) for found in violations(page, axe)]


@pytest.mark.parametrize("name", PAGES)
def test_a_page(context: BrowserContext, demo: Server, paths: dict[str, str], axe: str, name: str) -> None:
    """As it opens, and with everything that folds opened."""
    visit = Visit(context.new_page(), demo.url)
    opened(visit.page, f"{demo.url}{paths[name]}")
    visit.page.evaluate("() => document.querySelectorAll('main details:not(.menu)').forEach((one) => one.open = true)")
    in_both_looks(visit.page, axe)


def test_the_menus_and_the_list_of_keys(context: BrowserContext, demo: Server, axe: str) -> None:
    """What stands over a page when it is opened."""
    page = context.new_page()
    opened(page, f"{demo.url}/runs")
    for menu in page.locator(".who .menu").all():
        menu.evaluate("menu => menu.open = true")
        in_both_looks(page, axe)
        menu.evaluate("menu => menu.open = false")
    page.keyboard.press("?")
    expect(page.locator("dialog.keys")).to_be_visible()
    in_both_looks(page, axe)


def test_an_answer_in_sql(context: BrowserContext, demo: Server, axe: str) -> None:
    """As rows, as a chart, and as an error."""
    visit = Visit(context.new_page(), demo.url)
    visit.open(q="SELECT status, count(*) AS n FROM runs GROUP BY ALL")
    visit.page.locator("regular-table tbody td").first.wait_for()
    in_both_looks(visit.page, axe)
    visit.page.click("#as-chart")
    visit.page.locator("#drawn svg").wait_for()
    in_both_looks(visit.page, axe)
    visit.open(q="SELECT statsu FROM runs")
    visit.page.locator("#error:not([hidden])").wait_for()
    in_both_looks(visit.page, axe)


@pytest.mark.parametrize(
    "path", ["/runs/nobody", "/nowhere", "/runs?last=2d", "/runs?q=nothing+has+this", "/sql?plain=1"]
)
def test_a_page_of_an_error_or_of_nothing(context: BrowserContext, demo: Server, axe: str, path: str) -> None:
    """They are pages like others."""
    page = context.new_page()
    page.goto(f"{demo.url}{path}")
    in_both_looks(page, axe)


def test_axe_finds_what_is_wrong(context: BrowserContext, axe: str) -> None:
    """So that its silence says something: a picture without a name, a field without one, grey on grey."""
    page = context.new_page()
    page.set_content(
        """<html lang="en"><title>t</title><main><h1>t</h1><img src="data:,"><input>
        <p style="color:#999;background:#aaa">grey</p></main>"""
    )
    assert {"image-alt", "label", "color-contrast"} == {found.split(":")[0] for found in violations(page, axe)}
