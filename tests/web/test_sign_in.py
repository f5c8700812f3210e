"""Signing in with a real browser: what it keeps, what it sends along, and what other sites' pages make it do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from api.auth import COOKIE
from tests.support.command import upshot
from tests.support.server import Server, serving
from tests.web.browsing import Visit
from tests.web.built import needs_the_build
from tests.web.world import axe_source, opened, violations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, Page, Route


def created(server: Server, name: str, rights: str) -> str:
    """Return a key made by the command line beside the server."""
    done = upshot("keys", "create", "--data", server.data, "--name", name, "--rights", rights)
    assert 0 == done.returncode, done.stderr
    return done.stdout.decode().strip()


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    """A server that asks for a key, and a key that may everything."""
    needs_the_build()
    with serving(tmp_path_factory.mktemp("closed") / "data") as server:
        server.ingest([{"type": "run", "id": "r", "status": "Completed"}])  # so that the first page has parts
        yield server, created(server, "the reader", "query,admin,ingest")


def sign_in(page: Page, key: str) -> None:
    """Fill in the form."""
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_a_reader_signs_in_and_out(context: BrowserContext, closed: tuple[Server, str]) -> None:
    """Led to the form, told what is wrong, led on to where they wanted to go; after signing out, asked again."""
    server, key = closed
    visit = Visit(context.new_page(), server.url)
    page = visit.page
    opened(page, f"{server.url}/runs?status=Failed")
    expect(page).to_have_title(re.compile("Sign in"))
    expect(page.get_by_label("Key", exact=True)).to_be_focused()
    page.on("console", lambda message: visit.said.remove(message.text) if "status of 401" in message.text else None)
    sign_in(page, "upk_wrong")
    expect(page.get_by_role("alert")).to_have_text("This key does not exist, or was revoked.")
    assert [] == violations(page, axe_source())
    sign_in(page, key)
    page.wait_for_url(f"{server.url}/runs?status=Failed")
    assert key not in page.url and key not in page.content()
    assert COOKIE not in page.evaluate("document.cookie")  # no script reads it
    [cookie] = [one for one in context.cookies() if one.get("name") == COOKIE]
    assert (True, "Lax") == (cookie.get("httpOnly"), cookie.get("sameSite"))
    page.locator(".who .menu > summary").last.click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{server.url}/sign-in")
    page.goto(f"{server.url}/runs")
    page.wait_for_url("**/sign-in?next=%2Fruns")
    copy = cookie.get("value", "")  # that somebody made before
    context.add_cookies([{"name": COOKIE, "value": copy, "url": server.url}])
    page.goto(f"{server.url}/runs")
    page.wait_for_url("**/sign-in?next=%2Fruns")
    assert [] == visit.trouble()


def test_what_the_page_asks_for_itself_works_signed_in(context: BrowserContext, closed: tuple[Server, str]) -> None:
    """The SQL editor asks by POST, with the cookie, from a page of this server."""
    server, key = closed
    visit = Visit(context.new_page(), server.url)
    visit.page.goto(f"{server.url}/sql")
    sign_in(visit.page, key)
    visit.page.wait_for_selector("body[data-ready]")
    visit.ask("SELECT 6 * 7 AS answer")
    assert [["42"]] == visit.cells()
    assert [] == visit.trouble()


def test_a_key_is_shown_once(context: BrowserContext, closed: tuple[Server, str]) -> None:
    """Made in the settings, copied, gone when the page is opened again, revoked by its button."""
    server, key = closed
    visit = Visit(context.new_page(), server.url)
    page = visit.page
    page.goto(f"{server.url}/settings")
    sign_in(page, key)
    page.get_by_label("Name").fill("grafana")
    page.get_by_role("button", name="Make a key").click()
    made = page.locator(".fresh code").inner_text()
    page.locator(".fresh [data-copy]").click()
    expect(page.locator(".fresh [data-copy]")).to_have_text("Copied")
    assert made == page.evaluate("navigator.clipboard.readText()")
    opened(page, f"{server.url}/settings")
    assert made not in page.content()
    bearer = {"authorization": f"Bearer {made}"}
    assert server.http.get("/v1/tables", headers=bearer).is_success
    page.get_by_role("button", name="Revoke grafana").click()
    expect(page.locator("tr", has_text="grafana")).to_contain_text("revoked")
    assert 401 == server.http.get("/v1/tables", headers=bearer).status_code
    assert [] == visit.trouble()


def elsewhere(page: Page, address: str, html: str) -> None:
    """Let an address of another server be a page."""
    page.route(address, lambda route: route.fulfill(body=html, content_type="text/html"))


FORMS = """<!doctype html><form method=post action="SERVER/settings/keys"><input name=query value=1>
<input name=name value=stolen></form><script>document.forms[0].submit()</script>"""
FETCHES = """<!doctype html><script>fetch("SERVER/v1/query", { method: "POST", credentials: "include", mode: "no-cors",
    headers: { "content-type": "text/plain" }, body: '{"sql": "SELECT 1"}' }).then(() => document.title = "sent",
    () => document.title = "refused")</script>"""


@pytest.mark.parametrize("site", ["http://127.0.0.1:9", "http://evil.example"])
def test_a_page_elsewhere_changes_nothing(context: BrowserContext, closed: tuple[Server, str], site: str) -> None:
    """Neither one on another port of this machine, which gets the cookie sent along, nor one of another site."""
    server, key = closed
    page = context.new_page()
    page.goto(f"{server.url}/sign-in")
    sign_in(page, key)
    page.wait_for_url(f"{server.url}/")
    for path, body in (("form", FORMS), ("fetch", FETCHES)):
        elsewhere(page, f"{site}/{path}", body.replace("SERVER", server.url))
    answers: list[tuple[str, int]] = []
    page.on("response", lambda response: answers.append((response.url, response.status)))
    page.goto(f"{site}/form")
    page.wait_for_url(f"{server.url}/settings/keys")
    assert next(status for url, status in answers if url == f"{server.url}/settings/keys") in (401, 403)
    page.goto(f"{site}/fetch")
    expect(page).to_have_title(re.compile("sent|refused"))
    assert not [status for url, status in answers if url == f"{server.url}/v1/query" and status < 400]
    page.goto(f"{server.url}/settings")
    expect(page.locator("main")).to_contain_text("the reader")
    assert "stolen" not in page.content()


def test_a_link_elsewhere_leads_in(context: BrowserContext, closed: tuple[Server, str]) -> None:
    """The cookie is sent when the reader follows a link: a report's address in a chat opens."""
    server, key = closed
    page = context.new_page()
    page.goto(f"{server.url}/sign-in")
    sign_in(page, key)
    page.wait_for_url(f"{server.url}/")
    link = f'<!doctype html><a href="{server.url}/runs">the runs</a>'
    elsewhere(page, "http://chat.example/", link)
    page.goto("http://chat.example/")
    page.get_by_role("link", name="the runs").click()
    page.wait_for_url(f"{server.url}/runs")
    expect(page.locator("h1")).to_have_text("Runs")


def test_a_part_of_a_page_leads_to_the_form(context: BrowserContext, closed: tuple[Server, str]) -> None:
    """When the token ended while the page was open, what comes by itself leads the whole page there and back."""
    server, key = closed
    page = context.new_page()
    page.goto(f"{server.url}/")
    sign_in(page, key)
    page.wait_for_url(f"{server.url}/")
    [cookie] = [one for one in context.cookies() if one.get("name") == COOKIE]
    ending = {"cookie": f"{COOKIE}={cookie.get('value')}", "sec-fetch-site": "same-origin"}

    def end(route: Route) -> None:
        assert 303 == server.http.post("/sign-out", headers=ending).status_code
        route.continue_()

    page.route("**/verdicts", end)
    page.goto(f"{server.url}/?last=30d")
    page.wait_for_url("**/sign-in?next=%2F%3Flast%3D30d")
    sign_in(page, key)
    page.wait_for_url(f"{server.url}/?last=30d")
