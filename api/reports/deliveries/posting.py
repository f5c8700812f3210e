"""One POST to an address that an operator wrote down: bounded in time and size, and its answer judged.

An address in a private network is as good as any: whoever may write a delivery (`admin`) runs notebooks on this machine
anyway, and a self-hosted receiver is often its neighbour. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import email.utils
import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from api.reports.deliveries.outcome import (
    DETAIL_CHARS,
    MAX_RETRY_AFTER,
    Delivered,
    DeliveryError,
    masked_url,
    secrets_of_url,
    told,
)
from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SECONDS = 10.0
"""Time for one try, from the look-up of the name to the answer's status and headers."""

BODY_SECONDS = 2.0
"""Time for the beginning of the answer's body, which is only logged."""

MAX_URL = 2_000

_ANSWER_BYTES = 4 * DETAIL_CHARS
"""Read of an answer: characters of UTF-8 take up to four bytes."""

_LATER = frozenset({408, 409, 425, 429})
"""Statuses between 400 and 499 that another try may change: timeout, conflict, too early, too many (RFC 9110, 8470)."""

_UNFIT = re.compile(r"[\x00-\x20\x7f-\x9f\\]")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver answered: its status, headers, and the beginning of its body."""

    status: int
    headers: httpx.Headers
    body: str


def check_url(url: str, *, plain_http: bool) -> None:
    """Raise InputError unless `url` is one to post to: https, or http on loopback (or anywhere with `plain_http`)."""
    where = masked_url(url) if _parsable(url) else "the URL"
    if len(url) > MAX_URL:
        raise InputError(f"{told(where)} has {len(url)} characters, at most {MAX_URL} are allowed")
    if not _parsable(url) or _UNFIT.search(url) or not (parts := urlsplit(url)).hostname:
        raise InputError("a delivery's URL cannot be read, must be https://HOST/PATH")
    if parts.scheme not in ("https", "http"):
        raise InputError(f"a delivery's URL begins with {shown(parts.scheme)}, must be https")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InputError(f"{where} has a user, a password or a fragment in its URL, which are not sent")
    if parts.scheme == "http" and not plain_http and not is_loopback(parts.hostname):
        raise InputError(
            f"{where} is not encrypted, must be https beyond this machine",
            hint="the server's operator can allow it with UPSHOT_REPORT_HTTP=on",
        )


def _parsable(url: str) -> bool:
    try:
        return urlsplit(url).port != 0  # reading the port is what fails for a bad one
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Tell whether a host, as an address or `localhost`, is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def post(url: str, body: bytes, headers: Mapping[str, str], *, secrets: Iterable[str] = ()) -> Delivered:
    """Post JSON and return when the receiver answered 2xx.

    Must be called in a thread that runs no event loop.

    Raises:
        DeliveryError: anything else. Retryable but for an answer that says the request is wrong: 3xx, and 4xx except
            408, 409, 425 and 429.
    """
    where, hidden = masked_url(url), (*secrets, *secrets_of_url(url))
    try:
        answer = asyncio.run(_posted(url, body, headers))
    except TimeoutError as error:
        raise DeliveryError(f"{where} did not answer within {SECONDS:g} s", retryable=True) from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        detail = told(str(error), hidden) or type(error).__name__
        raise DeliveryError(f"{where} cannot be reached: {detail}", retryable=True) from error
    detail = told(answer.body, hidden)
    if httpx.codes.is_success(answer.status):
        return Delivered(answer.status, detail)
    if httpx.codes.is_redirect(answer.status):
        raise DeliveryError(
            f"{where} answered {answer.status}, a redirect, which is not followed",
            retryable=False,
            status=answer.status,
            hint="write the address it leads to into the delivery",
        )
    retryable = answer.status in _LATER or not httpx.codes.is_client_error(answer.status)
    raise DeliveryError(
        f"{where} answered {answer.status}: {detail}" if detail else f"{where} answered {answer.status}",
        retryable=retryable,
        status=answer.status,
        retry_after=retry_after(answer.headers.get("retry-after", "")) if retryable else None,
    )


async def _posted(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    sent = {"content-type": "application/json", "user-agent": "upshot", "accept-encoding": "identity", **headers}
    # A proxy that the environment names is for the outside; loopback is never asked through it.
    outside = not is_loopback(urlsplit(url).hostname or "")
    async with httpx.AsyncClient(timeout=SECONDS, follow_redirects=False, trust_env=outside) as client:
        async with asyncio.timeout(SECONDS):
            answer = await client.send(client.build_request("POST", url, content=body, headers=sent), stream=True)
        try:
            return Answer(answer.status_code, answer.headers, await _beginning(answer))
        finally:
            await answer.aclose()


async def _beginning(answer: httpx.Response) -> str:
    """Return the first characters of an answer's body.

    The status is the answer: a body that breaks off, or does not come, is as long as what came of it.
    """
    read = bytearray()
    with contextlib.suppress(httpx.TransportError, TimeoutError):
        async with asyncio.timeout(BODY_SECONDS):
            async for part in answer.aiter_raw():
                read += part
                if len(read) >= _ANSWER_BYTES:
                    break
    return read[:_ANSWER_BYTES].decode("utf-8", "replace")


def retry_after(value: str, now: dt.datetime | None = None) -> int | None:
    """Return the seconds of a Retry-After header (RFC 9110, section 10.2.3), 1 to `MAX_RETRY_AFTER`; None: unreadable.

    The header is a number of seconds or a date of HTTP.
    """
    if value.isascii() and value.isdigit():
        seconds = float(value[:10])
    else:
        try:
            moment = email.utils.parsedate_to_datetime(value)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        seconds = (moment - (now or dt.datetime.now(dt.UTC))).total_seconds()
    return round(min(max(seconds, 1), MAX_RETRY_AFTER))
