"""What stands around every page: who reads it, over which time and environment, in which looks."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

LASTS: Mapping[str, tuple[str, dt.timedelta | None]] = {
    "1h": ("Last hour", dt.timedelta(hours=1)),
    "24h": ("Last 24 hours", dt.timedelta(hours=24)),
    "7d": ("Last 7 days", dt.timedelta(days=7)),
    "30d": ("Last 30 days", dt.timedelta(days=30)),
    "90d": ("Last 90 days", dt.timedelta(days=90)),
    "all": ("All time", None),
}
"""Value of `last` in an address -> its words and its length."""

THEMES = ("light", "dark")
THEME_COOKIE = "upshot_theme"


@dataclass(frozen=True, slots=True)
class Period:
    """The time that a page is about: the last of something, or from a time (inclusive) to a time (exclusive)."""

    last: str = "all"
    """A key of `LASTS`; empty where times are given."""
    start: str | None = None
    """ISO 8601, or as the address gives it; None: from the beginning."""
    end: str | None = None
    """None: up to now."""
    default: str = "all"
    """`last` of an address that says nothing."""

    @property
    def words(self) -> str:
        """Return the period as the page's control names it."""
        return LASTS[self.last][0] if self.last else f"{self.start or 'the beginning'} to {self.end or 'now'}"

    def query(self) -> dict[str, str]:
        """Return what an address carries of it; nothing for the default."""
        if self.last:
            return {} if self.last == self.default else {"last": self.last}
        return {name: value for name, value in (("from", self.start), ("to", self.end)) if value}

    def times(self) -> dict[str, str]:
        """Return it as the parameters `from` and `to` of the JSON routes."""
        return {name: value for name, value in (("from", self.start), ("to", self.end)) if value}


def period_of(query: Mapping[str, str], now_us: int, default: str = "all") -> Period:
    """Return the period that an address asks for; `from` and `to` outrank `last`.

    The start of `last` is cut to the minute, so that pages within it ask the same and share an answer.

    Raises:
        InputError: `bad_parameter`: `last` is none of `LASTS`.
    """
    start, end = query.get("from") or None, query.get("to") or None
    if start or end:
        return Period("", start, end, default)
    last = query.get("last") or default
    if last not in LASTS:
        raise InputError(f"last is {shown(last)}, must be one of {', '.join(LASTS)}")
    length = LASTS[last][1]
    if length is None:
        return Period(last, default=default)
    now = dt.datetime.fromtimestamp(now_us // 60_000_000 * 60, dt.UTC)
    return Period(last, (now - length).strftime("%Y-%m-%dT%H:%MZ"), None, default)


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame of one page. Without arguments: a page of an open server, read by nobody in particular."""

    workspace: str = ""
    closed: bool = False
    """The reader was not let in yet: there is nowhere to go."""
    rights: frozenset[str] = frozenset()
    key: str = ""
    """The id of the reader's key; empty on a server that is open on loopback."""
    signed_in: bool = False
    """By a cookie, so there is something to sign out of."""
    theme: str = ""
    """`light` or `dark` when the reader chose; else the browser decides."""
    period: Period = Period()
    environment: str = ""
    path: str = "/"
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    """The parameters of the page's address."""

    @property
    def open(self) -> bool:
        """Return whether no key is needed here."""
        return not self.key

    def link(self, path: str) -> str:
        """Return the address of another page over the same time and environment."""
        carried = self.period.query() | ({"environment": self.environment} if self.environment else {})
        return f"{path}?{urlencode(carried)}" if carried else path

    def here(self, **changed: str | None) -> str:
        """Return the address of this page with some parameters changed; None and empty take one away."""
        query = {**self.query, **changed}
        kept = {name: value for name, value in query.items() if value and name != "cursor"}
        return f"{self.path}?{urlencode(kept)}" if kept else self.path

    def others(self, *mine: str) -> list[tuple[str, str]]:
        """Return the parameters of the address that a form with the fields `mine` has to carry along."""
        return [(name, value) for name, value in self.query.items() if name not in {*mine, "cursor"} and value]


NOBODY = Frame()
"""The frame of a page that knows nothing of its reader."""
