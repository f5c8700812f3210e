"""A server with the demo's data, and a browser."""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.support.browser import CHROMIUM
from tests.support.demo import send_demo
from tests.support.server import Server, serving
from tests.web.browsing import Visit
from tests.web.built import needs_chromium, needs_the_build
from tests.web.world import make_an_edition

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that holds what `upshot demo` makes; the data is made once for all workers of xdist."""
    needs_the_build()
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    with (shared / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "demo").exists():
            made = tmp_path_factory.mktemp("made") / "data"
            with serving(made) as server:
                send_demo(server, dt.datetime.now(dt.UTC))
                make_an_edition(server, "What a notebook says")
                assert 0 == server.stop()
            made.rename(shared / "demo")
    data = tmp_path_factory.mktemp("web") / "data"
    shutil.copytree(shared / "demo", data)
    with serving(data) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, as the system has it. For a module: while Playwright is there no other test could run an event loop."""
    needs_chromium()
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser of its own for a test: no history, nothing stored."""
    fresh = browser.new_context(viewport={"width": 1400, "height": 900}, accept_downloads=True)
    fresh.set_default_timeout(15_000)
    fresh.grant_permissions(["clipboard-read", "clipboard-write"])
    yield fresh
    fresh.close()


@pytest.fixture
def visit(context: BrowserContext, demo: Server) -> Iterator[Visit]:
    """The SQL page. Whatever a test does: no error in the console, no refusal of the policy, no other host."""
    opened = Visit(context.new_page(), demo.url)
    opened.open()
    yield opened
    assert [] == opened.trouble()
