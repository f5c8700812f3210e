"""Ways through the pages that somebody walks: by links, by keys, and back to where they were."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.web.browsing import Visit
from tests.web.world import addresses, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

    from tests.support.server import Server


@pytest.fixture
def walk(context: BrowserContext, demo: Server) -> Iterator[Visit]:
    """A tab that is nowhere yet. Wherever it goes: no error in the console, no refusal, no other host."""
    fresh = Visit(context.new_page(), demo.url)
    yield fresh
    assert [] == fresh.trouble()


def focused(page: Page) -> str:
    """Return the words of what has the focus."""
    words: str = page.evaluate("document.activeElement.textContent.trim()")
    return words


def test_from_a_bad_score_to_what_a_span_was_given(walk: Visit, demo: Server) -> None:
    """Score, runs below its mean, one of them, its session, the run again, its waterfall, a span's payload."""
    page = walk.page
    opened(page, f"{demo.url}/scores/answer-quality")
    page.get_by_role("link", name="runs below the mean").click()
    page.wait_for_url("**/runs?score=answer-quality&score_below=*")
    below = float(page.get_by_label("below").input_value())
    assert page.locator("[data-row]").count() > 10
    for score in page.locator("[data-row] .score", has_text="answer-quality").locator(".figure").all_inner_texts():
        assert float(score) < below + 0.005  # as it is rounded
    link = page.locator("tr[data-row] th a").first
    run_url = link.evaluate("link => link.href")
    link.click()
    page.wait_for_url(run_url)
    page.locator(".crumbs a[href^='/sessions/']").first.click()
    page.wait_for_url("**/sessions/*/*")
    page.locator(f"a[href='{run_url.removeprefix(demo.url)}']").first.click()
    page.wait_for_url(run_url)
    waterfall = page.locator(".waterfall .bar")
    assert waterfall.count() > 3
    shown = page.locator(".bar[id^='span-'] a[data-payload]", has_text="in").first
    shown.click()
    expect(page.locator(".below pre, .below .json").first).not_to_be_empty()
    shown.click()
    expect(page.locator(".below")).to_have_count(0)
    page.locator("a.tag", has_text="trace").click()
    page.wait_for_url("**/traces/*")
    assert page.locator(".waterfall .bar").count() > 1
    page.locator("a.tag", has_text="run ").first.click()
    page.wait_for_url(run_url)


def test_from_a_verdict_to_its_runs_and_its_sql(walk: Visit, demo: Server) -> None:
    """The card of the first page, the report, a variant's runs, and the SQL behind, run at once."""
    page = walk.page
    opened(page, f"{demo.url}/")
    sentence = page.locator(".card .sentence").first.inner_text()
    page.locator(".card h3 a").first.click()
    page.wait_for_url("**/experiments/*")
    assert sentence in page.locator("main").inner_text()
    report = page.url
    name = page.locator("h1").first.inner_text()
    runs = page.locator("main a[href^='/runs?experiment=']").first
    variant = re.search(r"variant=([^&]+)", runs.get_attribute("href") or "")
    assert variant is not None
    runs.click()
    page.wait_for_url("**/runs?experiment=*")
    assert name == page.get_by_label("Experiment").input_value()
    rows = page.locator("tr[data-row]")
    assert rows.count() > 10
    assert rows.count() == page.locator("tr[data-row]", has_text=f"{name}: {variant[1]}").count()
    page.goto(report)
    sql = page.locator("main a[href^='/sql?q=']").first
    sql.click()
    page.wait_for_url("**/sql?*")
    page.locator("regular-table tbody td").first.wait_for()
    expect(page.locator("#error")).to_be_hidden()


def test_a_question_becomes_a_chart_that_others_see(walk: Visit, demo: Server, browser: Browser) -> None:
    """Asked, drawn, saved; found in the list of saved queries; its link shows the same in another browser."""
    walk.open()
    walk.ask("SELECT function_id, count(*) AS runs FROM runs GROUP BY ALL ORDER BY ALL")
    rows = walk.cells()
    page = walk.page
    page.click("#as-chart")
    page.locator("#drawn svg").wait_for()
    page.click("#save-open")
    page.get_by_label("Name").fill("runs-by-function")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#status")).to_contain_text("Saved as runs-by-function")
    opened(page, f"{demo.url}/queries")
    page.get_by_role("link", name="runs-by-function").click()
    page.locator("regular-table tbody td").first.wait_for()
    assert rows == walk.cells()
    page.click("#as-chart")
    page.locator("#drawn svg").wait_for()
    walk.choose("Copy as", "Link")
    link: str = page.evaluate("navigator.clipboard.readText()")
    other = Visit(browser.new_context().new_page(), demo.url)
    other.page.goto(link)
    drawn = other.page.locator("#drawn svg")
    drawn.wait_for()
    assert page.locator("#drawn svg .role-mark path").count() == drawn.locator(".role-mark path").count()
    other.page.click("#as-table")
    other.page.locator("regular-table tbody td").first.wait_for()
    assert rows == other.cells()
    assert [] == other.trouble()
    other.page.context.close()


def test_an_error_is_pointed_at_corrected_and_run(walk: Visit) -> None:
    """The squiggle is under the misspelt name, the hint has the right one, and the corrected query answers."""
    walk.open()
    walk.ask("SELECT statsu, count(*) AS n FROM runs GROUP BY ALL")
    expect(walk.squiggle.first).to_have_text("statsu")
    expect(walk.page.locator("#error")).to_contain_text("did you mean")
    walk.ask("SELECT status, count(*) AS n FROM runs GROUP BY ALL")
    expect(walk.squiggle).to_have_count(0)
    expect(walk.page.locator("#error")).to_be_hidden()
    assert ["Completed"] == [row[0] for row in walk.cells() if row[0] == "Completed"]


def test_time_and_environment_go_along(walk: Visit, demo: Server) -> None:
    """Chosen once at the top of a page, they are those of the next page; the default leaves the address clean."""
    page = walk.page
    opened(page, f"{demo.url}/runs")
    assert f"{demo.url}/runs" == page.url
    page.locator(".who .menu > summary").first.click()
    page.get_by_label("Environment").fill("production")
    page.locator("select[name=last]").select_option("24h")
    page.wait_for_url("**/runs?*last=24h*")
    assert "environment=production" in page.url
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Sessions").click()
    page.wait_for_url("**/sessions?*")
    assert "last=24h" in page.url and "environment=production" in page.url
    expect(page.locator("main")).to_contain_text("Last 24 hours")


GOES = {
    "h": "/",
    "e": "/experiments",
    "s": "/sessions",
    "r": "/runs",
    "c": "/scores",
    "d": "/dashboards",
    "p": "/reports",
    "q": "/sql",
    ",": "/settings",
}


def test_keys_lead_to_every_page(walk: Visit, demo: Server) -> None:
    """`g` and a letter, as the list of keys says them."""
    page = walk.page
    opened(page, f"{demo.url}/scores")
    page.keyboard.press("?")
    told = page.locator("dialog.keys kbd").all_inner_texts()
    page.keyboard.press("Escape")
    for key, path in GOES.items():
        assert key in told
        opened(page, f"{demo.url}/queries")
        page.keyboard.press("g")
        page.keyboard.press(key)
        page.wait_for_url(f"{demo.url}{path}")


def test_the_list_of_keys_opens_and_closes(walk: Visit, demo: Server) -> None:
    """`?` opens it, Escape and its button close it, and no key of the page does anything meanwhile."""
    page = walk.page
    opened(page, f"{demo.url}/runs")
    keys = page.locator("dialog.keys")
    for closing in ("Escape", "button"):
        page.keyboard.press("?")
        expect(keys).to_be_visible()
        for key in "gs":
            page.keyboard.press(key)
        if closing == "Escape":
            page.keyboard.press("Escape")
        else:
            keys.get_by_role("button", name="Close").click()
        expect(keys).to_be_hidden()
    assert f"{demo.url}/runs" == page.url


def test_keys_are_letters_in_a_field(walk: Visit, demo: Server) -> None:
    """`/` goes to the search; what is typed there is only typed, arrows included."""
    page = walk.page
    opened(page, f"{demo.url}/runs")
    page.keyboard.press("/")
    search = page.locator("[data-search]")
    expect(search).to_be_focused()
    page.keyboard.type("gs/?gh")
    page.keyboard.press("ArrowDown")
    expect(search).to_be_focused()
    expect(search).to_have_value("gs/?gh")
    expect(page.locator("dialog.keys")).to_be_hidden()
    page.locator("select[name=status]").focus()
    for key in "gs":
        page.keyboard.press(key)
    assert f"{demo.url}/runs" == page.url


@pytest.mark.parametrize("path", ["/runs", "/sessions", "/scores"])
def test_arrows_walk_a_list(walk: Visit, demo: Server, path: str) -> None:
    """Down and up, to both ends, not beyond them; Enter follows."""
    page = walk.page
    opened(page, f"{demo.url}{path}")
    links = page.locator("[data-rows] > [data-row]").locator("a[href] >> nth=0")
    names = [row.locator("a").first.inner_text() for row in page.locator("[data-rows] > [data-row]").all()[:3]]
    page.locator("[data-rows] > [data-row] a").first.focus()
    walked = [focused(page)]
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
        walked.append(focused(page))
    assert [names[n] for n in (0, 1, 2, 1, 0, 0)] == walked
    page.keyboard.press("End")
    last = page.locator("[data-rows] > [data-row]").last.locator("a").first
    expect(last).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(last).to_be_focused()
    page.keyboard.press("Home")
    expect(links.first).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{demo.url}{path}/**")


def test_arrows_walk_and_fold_a_waterfall(walk: Visit, demo: Server) -> None:
    """Left hides what is below a row, Right shows it again, and the walk goes over what can be seen only."""
    page = walk.page
    opened(page, f"{demo.url}{addresses(demo)['trace']}")
    bars = page.locator(".waterfall .bar")
    count = bars.count()
    assert count > 2
    bars.first.focus()
    page.keyboard.press("ArrowDown")
    expect(bars.nth(1)).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".bar:visible")).to_have_count(1)
    expect(bars.first.locator("[data-fold]")).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("ArrowDown")
    expect(bars.first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".bar:visible")).to_have_count(count)
    page.keyboard.press("End")
    expect(bars.last).to_be_focused()
    bars.first.locator("[data-fold]").click()
    expect(page.locator(".bar:visible")).to_have_count(1)


def test_an_inner_fold_stays_closed(walk: Visit, demo: Server) -> None:
    """Closing and opening what is around it shows no more than before."""
    page = walk.page
    page.route("**/folds", lambda route: route.fulfill(body=_FOLDS.replace("SHELL", shell), content_type="text/html"))
    opened(page, f"{demo.url}/scores")
    shell = page.locator("script[type=module]").first.get_attribute("src") or ""
    page.goto(f"{demo.url}/folds")
    page.wait_for_selector("body[data-ready]")
    for row, key in (("b", "ArrowLeft"), ("a", "ArrowLeft"), ("a", "ArrowRight")):
        page.locator(f"#{row}").focus()
        page.keyboard.press(key)
    assert ["a", "b", "d"] == page.locator("[data-row]:visible").evaluate_all("rows => rows.map((row) => row.id)")


_FOLDS = """<!doctype html><script type=module src="SHELL"></script><div data-rows>
<p id=a data-row data-depth=0 tabindex=0>a</p><p id=b data-row data-depth=1 tabindex=0>b</p>
<p id=c data-row data-depth=2 tabindex=0>c</p><p id=d data-row data-depth=1 tabindex=0>d</p></div>"""


def test_without_scripts_every_link_still_leads(browser: Browser, demo: Server) -> None:
    """From the first page to a verdict and to a run's payload, as JSON."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{demo.url}/")
    page.get_by_role("link", name="Experiments and their verdicts").click()
    page.wait_for_url("**/experiments")
    page.locator("main h3 a").first.click()
    page.wait_for_url("**/experiments/*")
    expect(page.locator("h1")).to_be_visible()
    page.goto(f"{demo.url}{addresses(demo)['trace']}")
    page.locator("a[data-payload]").first.click()
    assert "/payload?of=input" in page.url
    context.close()
