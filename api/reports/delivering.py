"""Deliveries of an edition: one call is one try, logged beside the edition. Whoever calls decides when to try again.

What reached its receiver is not sent again: the log says so. A machine that stops between the receiver's answer and
the log's line sends twice, with the same idempotency key.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from api.reports.definition import Email, Slack, Webhook
from api.reports.deliveries import email, slack, webhook
from api.reports.deliveries.message import Message
from api.reports.deliveries.outcome import Delivered, DeliveryError, masked_url
from api.reports.deliveries.posting import check_url
from warehouse.clock import Clock, iso, system_clock
from warehouse.errors import InputError
from warehouse.files import sync

if TYPE_CHECKING:
    from pathlib import Path

    from api.reports.definition import Delivery
    from api.reports.editions import Edition

LOG = "deliveries.ndjson"
"""The log's name in an edition's folder."""

FILE = 0
"""Number of the delivery that every edition has: its file and permalink. Those of a definition count from 1."""


class Try(msgspec.Struct, frozen=True):
    """One line of the log."""

    at: str
    """When it ended, ISO 8601."""
    number: int
    """Which delivery of the definition, from 1; `FILE` is the edition's own file."""
    to: str
    """file, webhook, slack or email."""
    where: str
    """The permalink, the masked URL, or the recipient; the mail server when a try failed."""
    key: str
    """The idempotency key."""
    attempt: int
    outcome: str
    """done; retry: failed, and another try may succeed; failed: no other try can."""
    status: int | None
    detail: str
    retry_after: int | None
    """Seconds that the receiver asked to wait."""


@dataclass(frozen=True, slots=True)
class Means:
    """What the server's operator set for deliveries."""

    mail: email.MailServer | None
    plain_http: bool
    """Whether http:// beyond loopback is allowed."""


def means(smtp_url: str, smtp_from: str, *, plain_http: bool) -> Means:
    """Return the means of the settings `smtp_url`, `smtp_from` and `report_http`; raises InputError."""
    return Means(email.mail_server(smtp_url, smtp_from), plain_http)


def check(delivery: Delivery, means: Means) -> None:
    """Raise InputError when a delivery can never succeed as it is written; no message repeats a secret."""
    match delivery:
        case Webhook(url=url, secret=secret):
            check_url(url, plain_http=means.plain_http)
            webhook.signing_key(secret)
        case Slack(url=url):
            check_url(url, plain_http=means.plain_http)
        case Email(addresses=addresses):
            if means.mail is None:
                raise InputError("a delivery goes to email, and no mail server is set", hint="set UPSHOT_SMTP_URL")
            for address in addresses:
                email.check_address(address)


def key_of(edition: Edition, number: int) -> str:
    """Return the idempotency key of a delivery: of this edition and this number, and of no other; hexadecimal.

    The workspace is part of it, since editions of one firing have the same id in all workspaces.
    """
    parts = (edition.workspace, edition.report, edition.id, number)
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def filed(edition: Edition, folder: Path, permalink: str, *, clock: Clock = system_clock) -> None:
    """Log that an edition lies in its folder and under its permalink, once."""
    if not any(line.number == FILE for line in log_of(folder)):
        _Log(folder, FILE, "file", key_of(edition, FILE), 1, clock).add(permalink, Delivered(None, ""))


def deliver(
    delivery: Delivery,
    edition: Edition,
    folder: Path,
    *,
    number: int,
    permalink: str,
    attempt: int,
    means: Means,
    clock: Clock = system_clock,
) -> Delivered:
    """Try once to deliver an edition, and log how it went. What was delivered before is not sent again.

    Takes up to `posting.SECONDS` for a webhook, some more for Slack, `email.SECONDS` for e-mail. Must be called in a
    thread that runs no event loop.

    Args:
        delivery: where to.
        edition: what.
        folder: of the edition, with `chart.png` if it has a chart; the log is kept there.
        number: of the delivery in the definition, from 1.
        permalink: of the edition, `BASE/reports/NAME/EDITION`, percent-encoded.
        attempt: counts the tries, from 1; it is only logged.
        means: what the operator set.
        clock: for the log and the signature.

    Raises:
        DeliveryError: it failed; `retryable` and `retry_after` say whether and when another try makes sense.
    """
    chart = folder / "chart.png"
    message = Message(key_of(edition, number), edition, permalink, chart if edition.has_chart else None)
    log = _Log(folder, number, _to(delivery), message.key, attempt, clock)
    try:
        _check_again(delivery, means)
        return _tried(delivery, message, means, log)
    except DeliveryError as error:
        log.add(_where(delivery, means), error)
        raise


def log_of(folder: Path) -> list[Try]:
    """Return the tries of an edition in their order. A line that a power cut left half is passed over."""
    try:
        lines = (folder / LOG).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return [line for text in lines if (line := _read(text)) is not None]


def _read(text: bytes) -> Try | None:
    try:
        return msgspec.json.decode(text, type=Try)
    except msgspec.DecodeError:
        return None


@dataclass(frozen=True, slots=True)
class _Log:
    """The log of one delivery of an edition."""

    folder: Path
    number: int
    to: str
    key: str
    attempt: int
    clock: Clock

    def done(self) -> set[str]:
        """Return where this delivery arrived."""
        return {line.where for line in log_of(self.folder) if line.key == self.key and line.outcome == "done"}

    def add(self, where: str, result: Delivered | DeliveryError) -> None:
        """Append a line. Once it returns, the line is on disk."""
        failed = isinstance(result, DeliveryError)
        line = Try(
            at=iso(self.clock()),
            number=self.number,
            to=self.to,
            where=where,
            key=self.key,
            attempt=self.attempt,
            outcome=("retry" if result.retryable else "failed") if failed else "done",
            status=result.status,
            detail=result.message if failed else result.detail,
            retry_after=result.retry_after if failed else None,
        )
        path = self.folder / LOG
        new = not path.exists()
        with path.open("a+b") as file:
            # A line that a power cut left half stays alone on its line.
            torn = file.tell() > 0 and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n"
            file.write((b"\n" if torn else b"") + msgspec.json.encode(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if new:
            sync(self.folder)


def _check_again(delivery: Delivery, means: Means) -> None:
    """Check what the operator may have changed since the definition was written."""
    try:
        check(delivery, means)
    except InputError as error:
        raise DeliveryError(error.message, retryable=False, hint=error.hint) from error


def _to(delivery: Delivery) -> str:
    return str(delivery.__struct_config__.tag)


def _where(delivery: Delivery, means: Means) -> str:
    """Return the receiver of a delivery as the log names it."""
    if isinstance(delivery, Email):
        return f"{means.mail.host}:{means.mail.port}" if means.mail else "no mail server"
    return masked_url(delivery.url)


def _tried(delivery: Delivery, message: Message, means: Means, log: _Log) -> Delivered:
    """Send to those that have not got it yet, and log each as soon as it has."""
    done = log.done()
    if isinstance(delivery, Email):
        left = [address for address in dict.fromkeys(delivery.addresses) if address not in done]
        assert means.mail is not None  # noqa: S101 - checked just before
        return email.send(
            message, means.mail, left, taken=lambda to, status, detail: log.add(to, Delivered(status, detail))
        )
    where = masked_url(delivery.url)
    if where in done:
        return Delivered(None, "delivered before")
    if isinstance(delivery, Slack):
        delivered = slack.send(message, delivery.url)
    else:
        delivered = webhook.send(message, delivery.url, delivery.secret, now=log.clock() // 1_000_000)
    log.add(where, delivered)
    return delivered
