"""Where the server is, the key to send, and how long to wait: given, or from the environment."""

from __future__ import annotations

import datetime as dt
import ipaddress
import math
import os
from dataclasses import dataclass, field

import httpx

from upshot._errors import ArgumentError

DEFAULT_URL = "http://127.0.0.1:8787"

CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0

Moment = str | int | dt.datetime
"""A time: ISO 8601, milliseconds since 1970, or a datetime. One without an offset is UTC, as for the server."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client knows of its server. The key is in no representation."""

    url: str
    key: str = field(repr=False)
    known_at: str | int | None
    timeout: float | None
    """Seconds without a byte; None: `READ_SECONDS`, or longer for what the server takes longer for."""
    connect_timeout: float
    retries: int

    @property
    def local(self) -> bool:
        """Return whether the server is on this machine; it is then not asked through a proxy."""
        host = httpx.URL(self.url).host
        try:
            return host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    def seconds(self, patience: float) -> httpx.Timeout:
        """Return the time limits of a call for which the server may take `patience` seconds."""
        read = max(READ_SECONDS, patience + CONNECT_SECONDS) if self.timeout is None else self.timeout
        return httpx.Timeout(read, connect=self.connect_timeout)


def settings(
    url: str | None,
    api_key: str | None,
    known_at: Moment | None,
    *,
    timeout: float | None,
    connect_timeout: float,
    retries: int,
) -> Settings:
    """Return the settings, each as given or else from `UPSHOT_URL`, `UPSHOT_API_KEY`, `UPSHOT_KNOWN_AT`.

    Raises:
        ArgumentError: one of them is out of its bounds.
    """
    for name, seconds in (("timeout", timeout), ("connect_timeout", connect_timeout)):
        if seconds is not None and not 0 < seconds < math.inf:
            raise ArgumentError(f"{name} is {seconds}, must be seconds above 0")
    if retries < 0:
        raise ArgumentError(f"retries is {retries}, must be 0 or more")
    pinned = os.environ.get("UPSHOT_KNOWN_AT") or None if known_at is None else known_at
    return Settings(
        url=_address(url or os.environ.get("UPSHOT_URL") or DEFAULT_URL),
        key=_key((os.environ.get("UPSHOT_API_KEY", "") if api_key is None else api_key).strip()),
        known_at=moment("known_at", pinned),
        timeout=timeout,
        connect_timeout=connect_timeout,
        retries=retries,
    )


def moment(name: str, value: object) -> str | int | None:
    """Return a time as the server reads it; raises ArgumentError when it is none."""
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if value is None or (isinstance(value, str | int) and not isinstance(value, bool)):
        return value
    raise ArgumentError(
        f"{name} is a {type(value).__name__}, must be ISO 8601 text, milliseconds since 1970 or a datetime"
    )


def moment_of(known_at: str | int | None) -> dt.datetime:
    """Return a time as the server reads it as a datetime in UTC; without one, now. Raises ArgumentError for none."""
    if known_at is None:
        return dt.datetime.now(dt.UTC)
    if isinstance(known_at, int) or known_at.strip().isdigit():
        return dt.datetime.fromtimestamp(int(known_at) / 1000, dt.UTC)
    try:
        found = dt.datetime.fromisoformat(known_at)
    except ValueError:
        raise ArgumentError(f"known_at is {known_at!r}, must be ISO 8601 or milliseconds since 1970") from None
    return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found.astimezone(dt.UTC)


def _address(text: str) -> str:
    bound = f"must be an address such as {DEFAULT_URL}"
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL as error:
        raise ArgumentError(f"the server's address cannot be read, {bound}: {error}") from None
    # What else an address can hold may be a secret, so the messages do not repeat it.
    if url.scheme not in ("http", "https") or not url.host:
        raise ArgumentError(f"the server's address does not begin with http:// or https://, {bound}")
    if url.userinfo or url.query or url.fragment:
        raise ArgumentError(
            f"the server's address has a user, a query or a fragment, {bound}", hint="a key goes into UPSHOT_API_KEY"
        )
    return str(url).rstrip("/")


def _key(text: str) -> str:
    # An HTTP library would name the whole header in its own complaint.
    if not (text.isascii() and text.isprintable() and " " not in text):
        raise ArgumentError("the key has characters that no key has (a space, a line break or such)")
    return text
