"""A Slack-compatible incoming webhook: blocks for Slack, and one plain `text` for those that read only that.

Limits and escaping are those of Slack's reference (docs.slack.dev: section block, formatting message text): 3,000
characters in a text, and `&`, `<`, `>` as entities. Slack has no escape for `*`, `_`, `~` and backticks, so each in a
stranger's text is followed by a zero-width space, which ends what it would begin.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from api.reports.deliveries.message import and_more, table
from api.reports.deliveries.outcome import DeliveryError
from api.reports.deliveries.posting import post

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.reports.deliveries.message import Message
    from api.reports.deliveries.outcome import Delivered

MAX_TEXT = 3_000
"""Characters of a block's text, as it is sent."""

LOOK_SECONDS = 5.0
"""Time for the look whether the chart can be fetched without a key."""

_FORMATTING = re.compile(r"([*_~`])")
_REFUSED = 400


def escaped(text: str) -> str:
    """Return a text as Slack shows it letter by letter: no mention, link or formatting comes of it."""
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _FORMATTING.sub("\\1\N{ZERO WIDTH SPACE}", safe)


def _fitting(lines: Sequence[str], room: int) -> str:
    """Return as many lines as fit into `room` characters, and how many did not."""
    whole = "\n".join(lines)
    if len(whole) <= room:
        return whole
    room -= len(and_more(len(lines))) + 1
    kept = 0
    while (room := room - len(lines[kept]) - 1) >= 0:
        kept += 1
    return "\n".join([*lines[:kept], and_more(len(lines) - kept)])


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _said(message: Message) -> list[str]:
    """Return the lines above the table, escaped, the headline in bold."""
    title = f"*{escaped(message.title)}*"
    if message.failure:
        return [f"{title} failed", *map(escaped, message.failure)]
    return [title, *map(escaped, message.verdicts), *map(escaped, message.news)]


def body_of(message: Message, *, image: bool) -> dict[str, Any]:
    """Return the JSON object that is sent; `image`: Slack can fetch the chart at `message.chart_url`."""
    link = f"<{message.permalink}|Open the report>"
    blocks = [_section(_fitting(_said(message), MAX_TEXT))]
    if message.rows:
        fence = "```"
        lines = [*map(escaped, table(message.rows))]
        blocks.append(_section(f"{fence}\n{_fitting(lines, MAX_TEXT - 2 * len(fence) - 2)}\n{fence}"))
    if image:
        alt = f"First chart of {message.title}"
        blocks.append({"type": "image", "image_url": message.chart_url, "alt_text": alt})
    as_known = f"as known at {message.edition.known_at}"
    blocks.append(_section(f"{link}, {as_known}"))
    text = f"*{escaped(message.title)}*: {escaped(message.headline)} {link}"
    return {"text": text, "blocks": blocks}


def send(message: Message, url: str) -> Delivered:
    """Post an edition; raises DeliveryError as `posting.post` does.

    Slack refuses a whole message when it cannot fetch its image, so the image goes along only when it can be had over
    https without a key, and when a message with it is refused, it is sent without.
    """
    image = message.chart_url is not None and asyncio.run(_fetchable(message.chart_url))
    try:
        return post(url, msgspec.json.encode(body_of(message, image=image)), {})
    except DeliveryError as error:
        if not image or error.status != _REFUSED:
            raise
    return post(url, msgspec.json.encode(body_of(message, image=False)), {})


async def _fetchable(url: str) -> bool:
    """Tell whether anybody gets a picture at `url`, over https."""
    if not url.startswith("https://"):
        return False
    try:
        async with (
            asyncio.timeout(LOOK_SECONDS),
            httpx.AsyncClient(timeout=LOOK_SECONDS) as client,
            client.stream("GET", url) as answer,
        ):
            return answer.is_success and answer.headers.get("content-type", "").startswith("image/")
    except (httpx.HTTPError, TimeoutError):
        return False
