"""A signed JSON webhook, as the Standard Webhooks specification 1.0.0 says (standardwebhooks.com).

Headers: `Webhook-Id`, the idempotency key, the same over all tries; `Webhook-Timestamp`, seconds since 1970 of this
try; `Webhook-Signature`, `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`. A receiver refuses timestamps
far from its own clock, so that a recorded request cannot be sent again later, and ids it has seen.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING, Any

import msgspec

from api.reports.deliveries.message import line
from api.reports.deliveries.posting import post
from warehouse.errors import InputError

if TYPE_CHECKING:
    from api.reports.deliveries.message import Message
    from api.reports.deliveries.outcome import Delivered
    from api.reports.editions import Failure
    from api.reports.facts import Change, Fact

PREFIX = "whsec_"
MIN_KEY_BYTES, MAX_KEY_BYTES = 24, 64
"""Size of a signing key; the specification's bounds."""

MAX_FACTS = 30
MAX_TEXT = 200
"""Facts and changes in a body, each, and characters of a text of theirs: the specification wants bodies of some 20 kB,
and the rest is at the permalink."""


def signing_key(secret: str) -> bytes:
    """Return the key of a secret, which is `whsec_` and base64 of 24 to 64 random bytes.

    Raises:
        InputError: it is anything else. The message does not repeat it.
    """
    hint = "make one with: python3 -c \"import base64,os; print('whsec_'+base64.b64encode(os.urandom(32)).decode())\""
    if not secret.startswith(PREFIX):
        raise InputError(f"a webhook's secret must begin with {PREFIX}", hint=hint)
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"a webhook's secret must be {PREFIX} and base64", hint=hint) from error
    if not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise InputError(
            f"a webhook's secret has {len(key)} bytes, must have {MIN_KEY_BYTES} to {MAX_KEY_BYTES}", hint=hint
        )
    return key


def signature(key: bytes, identity: str, timestamp: int, body: bytes) -> str:
    """Return the value of `Webhook-Signature`: of a body, the id and the seconds since 1970 sent with it."""
    signed = hmac.digest(key, b"%s.%d.%s" % (identity.encode(), timestamp, body), hashlib.sha256)
    return f"v1,{base64.b64encode(signed).decode()}"


def body_of(message: Message) -> dict[str, Any]:
    """Return the JSON object that is sent. The same message gives the same object, at every try."""
    edition = message.edition
    return {
        "type": f"report.{edition.status}",
        "timestamp": edition.ended_at,
        "report": edition.report,
        "edition": edition.id,
        "status": edition.status,
        "title": message.title,
        "headline": message.headline,
        "scheduled_for": edition.scheduled_for,
        "known_at": edition.known_at,
        "facts": {name: _cut(message.facts[name]) for name in list(message.facts)[:MAX_FACTS]},
        "facts_left_out": max(0, len(message.facts) - MAX_FACTS),
        "changes": [_cut(change) for change in edition.changes[:MAX_FACTS]],
        "changes_left_out": max(0, len(edition.changes) - MAX_FACTS),
        "error": edition.error and _cut(edition.error),
        "permalink": message.permalink,
        "chart_url": message.chart_url,
    }


def _cut(given: Fact | Change | Failure) -> dict[str, Any]:
    """Return the fields of one of them, long texts cut."""
    fields = msgspec.structs.asdict(given)
    return {name: line(value, MAX_TEXT) if isinstance(value, str) else value for name, value in fields.items()}


def send(message: Message, url: str, secret: str, *, now: int) -> Delivered:
    """Post an edition, signed at `now`, in seconds since 1970; raises DeliveryError as `posting.post` does."""
    body = msgspec.json.encode(body_of(message))
    headers = {
        "webhook-id": message.key,
        "webhook-timestamp": str(now),
        "webhook-signature": signature(signing_key(secret), message.key, now, body),
    }
    return post(url, body, headers, secrets=(secret, secret.removeprefix(PREFIX)))
