"""A browser that keeps what it saw: messages of the console, refusals of the policy, hosts that were asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Locator, Page

_REPORT_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
    window.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
"""


@dataclass
class Visit:
    """A page of the server in a browser's tab."""

    page: Page
    url: str
    said: list[str] = field(default_factory=list[str])
    """Warnings and errors of the console, and errors that no script caught."""

    asked: list[str] = field(default_factory=list[str])
    """Addresses that were asked for."""

    def __post_init__(self) -> None:
        """Listen."""
        self.page.add_init_script(_REPORT_VIOLATIONS)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def _heard(self, message: ConsoleMessage) -> None:
        refused = "the server responded with a status of 400" in message.text  # the browser's own words on a refusal
        if message.type in {"error", "warning"} and not refused:
            self.said.append(message.text)

    def open(self, path: str = "/sql", **query: str) -> None:
        """Go to a path of the server and wait until the page is alive."""
        self.page.goto(f"{self.url}{path}{f'?{urlencode(query)}' if query else ''}")
        self.page.wait_for_selector("body[data-ready]")

    def write(self, sql: str) -> None:
        """Paste a statement over what the editor holds; `fill` would make Chromium itself write styled elements."""
        self.page.evaluate("text => navigator.clipboard.writeText(text)", sql)
        editor = self.page.locator(".cm-content")
        editor.press("Control+a")
        editor.press("Control+v" if sql else "Delete")

    def run(self) -> None:
        """Press Ctrl+Enter in the editor and wait for an answer."""
        self.page.locator("#facts").evaluate("facts => facts.replaceChildren()")
        self.page.locator(".cm-content").press("Control+Enter")
        self.page.locator("#facts:not(:empty), #error:not([hidden])").first.wait_for()

    def ask(self, sql: str) -> None:
        """Write a statement and run it."""
        self.write(sql)
        self.run()

    def cells(self) -> list[list[str]]:
        """Return the rows that the grid shows now; null is `null`."""
        rows: list[list[str]] = self.page.locator("regular-table").evaluate(
            """grid => [...grid.querySelectorAll("tbody tr")].map(row => [...row.querySelectorAll("td")].map(
                cell => cell.classList.contains("null") ? "null" : cell.textContent))"""
        )
        return rows

    def choose(self, menu: str, choice: str) -> None:
        """Open a menu and press one of its buttons."""
        self.page.locator(".menu > summary", has_text=menu).click()
        self.page.locator(".menu[open] .choices").get_by_role("button", name=choice).first.click()

    @property
    def squiggle(self) -> Locator:
        """What is underlined as an error."""
        return self.page.locator(".cm-lintRange-error")

    def trouble(self) -> list[str]:
        """Return what should not have been: messages, refusals of the policy, requests to other hosts."""
        violations: list[str] = self.page.evaluate("window.violations ?? []")
        strangers = [asked for asked in self.asked if not asked.startswith((self.url, "data:", "blob:"))]
        assert urlsplit(self.url).hostname == "127.0.0.1"
        return [*self.said, *violations, *strangers]
