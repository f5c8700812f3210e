"""Signing in over HTTP: what a cookie opens, what it never opens, where one is led, and what is never written down.

Cross-site requests are those of Fetch Metadata (W3C) as browsers send them, and of OWASP's CSRF prevention cheat sheet.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.auth import COOKIE
from api.routes.html import within_server
from tests.support.command import upshot
from tests.support.server import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = (
    *("/", "/sql", "/experiments", "/experiments/e", "/verdicts", "/verdicts/e", "/runs", "/runs/r", "/traces/t"),
    *("/sessions", "/sessions/k/i", "/scores", "/scores/s", "/dashboards", "/dashboards/d", "/dashboards/new"),
    *("/queries", "/settings"),
)
AS_BROWSER = {"accept": "text/html,application/xhtml+xml"}
OWN = {"sec-fetch-site": "same-origin", **AS_BROWSER}
RUN = b'{"type":"run","id":"r","status":"Completed"}'


def created(server: Server, *arguments: str) -> str:
    """Return a key made by the command line beside the server."""
    done = upshot("keys", "create", "--data", server.data, *arguments)
    assert 0 == done.returncode, done.stderr
    return done.stdout.decode().strip()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has a key, so nobody is let in without one."""
    with serving(tmp_path_factory.mktemp("closed") / "data") as running:
        created(running, "--name", "the first", "--rights", "query,admin,ingest")
        yield running


@pytest.fixture(scope="module")
def keys(server: Server) -> dict[str, str]:
    """Keys by what they may."""
    return {
        "all": created(server, "--name", "all", "--rights", "query,admin,ingest"),
        "reader": created(server, "--name", "reader", "--rights", "query"),
        "ingest": created(server, "--name", "ingest", "--rights", "ingest"),
        "other": created(server, "--name", "another workspace", "--rights", "query,admin", "--workspace", "other"),
    }


@pytest.fixture
def browser(server: Server) -> Iterator[httpx.Client]:
    """What keeps cookies and is led nowhere by itself."""
    with httpx.Client(base_url=server.url, headers=OWN, timeout=60, trust_env=False) as client:
        yield client


def sign_in(client: httpx.Client, key: str, wanted: str = "/settings") -> httpx.Response:
    """Send the form of the page."""
    return client.post("/sign-in", data={"key": key, "next": wanted})


def signed_in(client: httpx.Client, key: str) -> str:
    """Sign in and return the token that the browser holds."""
    assert 303 == sign_in(client, key).status_code
    return client.cookies[COOKIE]


def key_ids(page: str) -> list[str]:
    """Return the ids of the keys that the settings show."""
    return re.findall(r'<th scope="row"><code>([0-9a-f]{12})</code>', page)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_leads_to_the_form_and_back(server: Server, browser: httpx.Client, path: str) -> None:
    """With its question; whoever is no browser is told as before."""
    answer = browser.get(path, params={"last": "7d", "q": "a b&c"})
    assert 303 == answer.status_code
    assert "no-store" == answer.headers["cache-control"]
    form = urlsplit(answer.headers["location"])
    assert "/sign-in" == form.path
    [back] = parse_qs(form.query)["next"]
    assert (path, {"last": ["7d"], "q": ["a b&c"]}) == (urlsplit(back).path, parse_qs(urlsplit(back).query))
    shown = browser.get(answer.headers["location"])
    assert 200 == shown.status_code and 'type="password"' in shown.text
    told = server.http.get(path, headers={"accept": "application/json"})
    assert (401, "unauthorized") == (told.status_code, told.json()["error"]["code"])


def test_the_right_key_goes_on_with_a_cookie_that_no_script_reads(browser: httpx.Client, keys: dict[str, str]) -> None:
    """A token in the place of the key, for thirty days, for this site's own requests."""
    answer = sign_in(browser, keys["reader"], "/runs?last=7d")
    assert (303, "/runs?last=7d") == (answer.status_code, answer.headers["location"])
    [cookie] = answer.headers.get_list("set-cookie")
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/", f"max-age={30 * 86_400}"} == attributes
    assert keys["reader"] not in str(answer.headers)
    page = browser.get("/runs")
    assert 200 == page.status_code and "Sign out" in page.text


REFUSED = (
    ("", 401, "does not exist, or was revoked"),
    ("upk_wrong", 401, "does not exist, or was revoked"),
    ("revoked", 401, "does not exist, or was revoked"),
    ("ingest", 403, "This key may not query; it has the rights ingest."),
)


@pytest.mark.parametrize(("which", "status", "words"), REFUSED)
def test_a_key_that_does_not_open_says_why(  # noqa: PLR0917 - the cases and what they need
    server: Server, browser: httpx.Client, keys: dict[str, str], which: str, status: int, words: str
) -> None:
    """In words, keeping where one wanted to go, without a cookie and without the key in the page."""
    key = keys.get(which, which)
    if which == "revoked":
        key = created(server, "--name", "soon revoked", "--rights", "query")
        assert 0 == upshot("keys", "revoke", "soon revoked", "--data", server.data).returncode
    answer = sign_in(browser, key, "/runs?last=7d")
    assert status == answer.status_code
    assert words in answer.text and 'role="alert"' in answer.text
    assert 'name="next" value="/runs?last=7d"' in answer.text
    assert "set-cookie" not in answer.headers
    assert not key or key not in answer.text


ELSEWHERE = (
    *("//evil.example", "/\\evil.example", "https://evil.example/", "\n//evil.example", "/\n/evil.example", "evil"),
    *("/\t/evil.example", "javascript:alert(1)", "\\\\evil.example", " //evil.example", "", "/a\r\nSet-Cookie: x=y"),
)


@pytest.mark.parametrize("wanted", ELSEWHERE)
def test_one_is_never_led_off_the_server(browser: httpx.Client, keys: dict[str, str], wanted: str) -> None:
    """Neither by the form nor by the page's link."""
    assert "/" == sign_in(browser, keys["reader"], wanted).headers["location"]
    assert 'name="next" value="/"' in browser.get("/sign-in", params={"next": wanted}).text


@given(st.text(alphabet=st.sampled_from("/\\:.?#@ahttps\t\r\n \x00\u200b"), max_size=12) | st.text(max_size=12))
@example("/\x0b/evil")
@example("/\\/evil")
def test_whatever_was_wanted_stays_here(wanted: str) -> None:
    """As a browser reads it (WHATWG URL): tabs and line ends fall away, and a backslash is a slash."""
    read = re.sub(r"[\t\r\n]", "", within_server(wanted)).replace("\\", "/")
    assert read.startswith("/") and not read.startswith("//")


def test_signing_out_ends_the_token_everywhere(server: Server, browser: httpx.Client, keys: dict[str, str]) -> None:
    """A copy of the cookie opens nothing any more; the key does."""
    token = signed_in(browser, keys["reader"])
    copy = {"cookie": f"{COOKIE}={token}", **AS_BROWSER}
    assert 200 == server.http.get("/runs", headers=copy).status_code
    answer = browser.post("/sign-out")
    assert (303, "/sign-in") == (answer.status_code, answer.headers["location"])
    assert COOKIE not in browser.cookies
    assert 303 == server.http.get("/runs", headers=copy).status_code
    assert 200 == server.http.get("/runs", headers={"authorization": f"Bearer {keys['reader']}"}).status_code


def test_revoking_the_key_ends_what_stands_for_it(server: Server, browser: httpx.Client) -> None:
    """At the next request."""
    signed_in(browser, created(server, "--name", "short", "--rights", "query"))
    assert 200 == browser.get("/runs").status_code
    assert 0 == upshot("keys", "revoke", "short", "--data", server.data).returncode
    assert 303 == browser.get("/runs").status_code
    assert 401 == browser.get("/v1/tables").status_code


CHANGES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("POST", "/settings/keys", {"data": {"query": "1", "name": "one more"}}),
    ("POST", "/settings/keys/revoke", {"data": {"id": "0123456789ab"}}),
    ("PUT", "/v1/queries/x", {"json": {"sql": "SELECT 1"}}),
    ("POST", "/v1/query", {"json": {"sql": "SELECT 1"}}),
    ("POST", "/v1/ingest", {"content": RUN}),
    ("POST", "/sign-out", {}),
)
FOREIGN: tuple[dict[str, str], ...] = (
    *({"sec-fetch-site": site} for site in ("cross-site", "same-site", "none")),
    {"sec-fetch-site": "cross-site", "origin": "SELF"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:1"},
    {},
)


@pytest.mark.parametrize(("method", "path", "sent"), CHANGES)
def test_another_sites_page_changes_nothing_in_the_readers_name(  # noqa: PLR0917 - the cases and what they need
    server: Server, browser: httpx.Client, keys: dict[str, str], method: str, path: str, sent: dict[str, Any]
) -> None:
    """The cookie alone does not do: the request has to come from a page of this server."""
    token = signed_in(browser, keys["all"])
    before = key_ids(browser.get("/settings").text)
    with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as bare:
        for foreign in FOREIGN:
            said = {name: server.url if value == "SELF" else value for name, value in foreign.items()}
            headers = {"cookie": f"{COOKIE}={token}", **said}
            answer = bare.request(method, path, headers=headers, **sent)
            assert (foreign, 403) == (foreign, answer.status_code)
        assert before == key_ids(browser.get("/settings").text)  # still signed in, and no key was made
        for own in ({"sec-fetch-site": "same-origin"}, {"origin": server.url}):
            headers = {"cookie": f"{COOKIE}={token}", **own}
            answer = bare.request(method, path, headers=headers, **sent)
            assert 403 != answer.status_code


def test_another_site_signs_nobody_in(browser: httpx.Client, keys: dict[str, str]) -> None:
    """As somebody else, whose data the reader would then add to."""
    answer = browser.post("/sign-in", data={"key": keys["reader"]}, headers={"sec-fetch-site": "cross-site"})
    assert 403 == answer.status_code and "set-cookie" not in answer.headers


def test_a_key_that_is_sent_needs_no_page(server: Server, keys: dict[str, str]) -> None:
    """Programs say nothing of a site; a key outranks a cookie, and a wrong key is not made good by one."""
    headers = {"authorization": f"Bearer {keys['all']}"}
    for more in ({}, {"sec-fetch-site": "cross-site"}, {"cookie": f"{COOKIE}=nonsense"}):
        answer = server.http.post("/v1/query", json={"sql": "SELECT 1"}, headers=headers | more)
        assert 200 == answer.status_code
    with httpx.Client(base_url=server.url, headers=OWN, trust_env=False) as client:
        signed_in(client, keys["all"])
        assert 401 == client.get("/v1/tables", headers={"authorization": "Bearer upk_wrong"}).status_code


def test_a_part_of_a_page_leads_the_whole_page_to_the_form(browser: httpx.Client) -> None:
    """What htmx asks for is no page to be led from: it is told to lead the page around it."""
    here = "http://elsewhere.example/experiments?last=7d#top"
    headers = {"hx-request": "true", "hx-current-url": here}
    answer = browser.get("/verdicts/e", headers=headers)
    assert 401 == answer.status_code
    assert {"next": ["/experiments?last=7d"]} == parse_qs(urlsplit(answer.headers["hx-redirect"]).query)
    assert answer.headers["hx-redirect"].startswith("/sign-in?")


def test_keys_are_made_shown_once_and_revoked(server: Server, browser: httpx.Client, keys: dict[str, str]) -> None:
    """The new one works; the page that was asked for again shows its id only."""
    signed_in(browser, keys["all"])
    before = key_ids(browser.get("/settings").text)
    made = browser.post("/settings/keys", data={"name": "dashboard", "query": "1"})
    assert (200, "no-store") == (made.status_code, made.headers["cache-control"])
    [key] = set(re.findall(r"upk_[\w-]{43}", made.text))
    assert key not in browser.get("/settings").text
    [new] = set(key_ids(browser.get("/settings").text)) - set(before)
    headers = {"authorization": f"Bearer {key}"}
    assert 200 == server.http.get("/v1/tables", headers=headers).status_code
    assert 403 == server.http.post("/v1/ingest", content=RUN, headers=headers).status_code
    assert 303 == browser.post("/settings/keys/revoke", data={"id": new}).status_code
    assert 401 == server.http.get("/v1/tables", headers=headers).status_code


def test_settings_say_what_is_wrong(browser: httpx.Client, keys: dict[str, str]) -> None:
    """A key without rights, a name that is none, an id that nobody has, and the key that one is signed in with."""
    signed_in(browser, keys["all"])
    own = re.search(r"<span>key <code>([0-9a-f]{12})</code>", browser.get("/settings").text)
    assert own is not None
    wrong = (
        ("/settings/keys", {"name": "useless"}, "a key without rights is of no use"),
        ("/settings/keys", {"name": "a\nb", "query": "1"}, "printable"),
        ("/settings/keys/revoke", {"id": "000000000000"}, "no key of this workspace has the id"),
        ("/settings/keys/revoke", {"id": "reader"}, "no key of this workspace has the id"),
        ("/settings/keys/revoke", {"id": own[1]}, "sign in with another one to revoke it"),
    )
    for path, sent, words in wrong:
        answer = browser.post(path, data=sent)
        assert 400 == answer.status_code and words in answer.text
    assert 200 == browser.get("/settings").status_code


def test_another_workspaces_keys_are_neither_seen_nor_revoked(
    server: Server, browser: httpx.Client, keys: dict[str, str]
) -> None:
    """Whatever id is sent; keys made here are of this workspace."""
    signed_in(browser, keys["other"])
    theirs = browser.get("/settings")
    assert "another workspace" in theirs.text
    [own] = key_ids(theirs.text)
    listed = upshot("keys", "list", "--data", server.data).stdout.decode()
    foreign = set(re.findall(r"^[0-9a-f]{12}", listed, re.MULTILINE)) - {own}
    assert foreign
    for id_ in foreign:
        answer = browser.post("/settings/keys/revoke", data={"id": id_})
        assert 400 == answer.status_code and f"no key of this workspace has the id '{id_}'" in re.sub(
            "&#39;", "'", answer.text
        )
    assert 200 == server.http.get("/v1/tables", headers={"authorization": f"Bearer {keys['all']}"}).status_code


def test_without_the_right_nothing_of_it_is_shown(browser: httpx.Client, keys: dict[str, str]) -> None:
    """Neither keys nor settings; and the forms answer nobody."""
    signed_in(browser, keys["reader"])
    page = browser.get("/settings").text
    assert "shown to keys with the right" in page
    assert "UPSHOT_" not in page and [] == key_ids(page) and "<form" not in page.split("<main", 1)[1]
    for path in ("/settings/keys", "/settings/keys/revoke"):
        assert 403 == browser.post(path, data={"query": "1"}).status_code


def test_neither_key_nor_token_is_written_anywhere(server: Server, browser: httpx.Client, keys: dict[str, str]) -> None:
    """No page, no address, no line of a log, no file of the data folder has one."""
    token = signed_in(browser, keys["all"])
    texts = [browser.get(path).text for path in ("/", "/settings", "/sql", "/runs", "/sign-in")]
    browser.post("/v1/query", json={"sql": "SELECT 1"})
    deadline = time.monotonic() + 10
    logs: list[str] = []
    while not any('"statement"' in text for text in logs):  # a line is written once its answer was sent
        assert time.monotonic() < deadline, logs
        logs = [path.read_text() for path in (server.data / "logs").rglob("*") if path.is_file()]
    texts += [*logs, server.log]
    kept = b"".join(path.read_bytes() for path in server.data.rglob("*") if path.is_file())
    for secret in (token, *keys.values()):
        assert not any(secret in text for text in texts)
        assert secret.encode() not in kept


def test_a_link_of_another_site_opens_on_an_open_loopback(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The reader follows it and sees; a script there reads nothing, and no form there changes anything."""
    with serving(tmp_path_factory.mktemp("open") / "data") as server:
        followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", **AS_BROWSER}
        assert 200 == server.http.get("/runs", headers=followed).status_code
        for mode in ("cors", "no-cors", "same-origin"):
            asked = followed | {"sec-fetch-mode": mode}
            assert not server.http.get("/runs", headers=asked).is_success
            assert not server.http.get("/v1/tables", headers=asked).is_success
        assert 401 == server.http.post("/settings/keys", data={"query": "1"}, headers=followed).status_code
        assert 401 == server.http.post("/v1/query", json={"sql": "SELECT 1"}, headers=followed).status_code
        assert "upshot keys create" in server.http.get("/sign-in", headers=AS_BROWSER).text
        first = server.http.post("/settings/keys", data={"query": "1", "admin": "1"}, headers=OWN)
        assert "from now on this server asks for one" in first.text
        assert 303 == server.http.get("/runs", headers=AS_BROWSER).status_code
