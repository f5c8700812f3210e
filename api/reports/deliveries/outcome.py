"""How one try of a delivery ended, and what of it may be written down."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from warehouse.errors import UpshotError

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "•••"
"""Stands where a secret was."""

DETAIL_CHARS = 500
"""Characters of a receiver's answer that are kept."""

MAX_RETRY_AFTER = 3600
"""Seconds that a receiver may make the next try wait."""

_SHORTEST_SECRET = 4
_SHORTEST_SEGMENT = 12
"""Characters of one step of a path that may be a secret by itself; a shorter one is a word, or an id."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Delivered:
    """A receiver took it."""

    status: int | None
    """Of HTTP or SMTP; None when there was nothing left to send."""
    detail: str
    """What the receiver said."""


class DeliveryError(UpshotError):
    """One try failed; the message names the receiver, and no secret.

    `retryable`: another try may succeed. `retry_after`: seconds the receiver asked to wait, at most `MAX_RETRY_AFTER`.
    `status`: of HTTP or SMTP, None when there was no answer.
    """

    code = "delivery_failed"

    def __init__(
        self,
        message: str,
        *,
        retryable: bool,
        status: int | None = None,
        retry_after: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.retryable = retryable
        self.status = status
        self.retry_after = retry_after


def masked_url(url: str) -> str:
    """Return where a URL leads, without what may be a secret in it: user, path, query."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{place}/{MASK}" if parts.path.strip("/") or parts.query else f"{parts.scheme}://{place}"


def secrets_of_url(url: str) -> tuple[str, ...]:
    """Return the texts of a URL that may be secrets, as a receiver or a library may repeat them."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    steps = [step for step in parts.path.split("/") if len(step) >= _SHORTEST_SEGMENT]
    values = [value for _, value in parse_qsl(parts.query)]
    return (url, path, parts.path, parts.query, *steps, *values, parts.password or "")


def told(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a stranger's text fit for a log: on one line, secrets masked, cut after `DETAIL_CHARS` characters.

    A secret is also found percent-encoded and decoded. Very short ones stay: they would be found everywhere.
    """
    spelled = {form for secret in secrets for form in (secret, quote(secret, safe=""), unquote(secret))}
    for secret in sorted(spelled, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, MASK)
    line = _UNPRINTABLE.sub(" ", text).strip()
    return line if len(line) <= DETAIL_CHARS else f"{line[: DETAIL_CHARS - 1]}…"
