"""What query workers are asked for the tiles of a dashboard: to check them when it is saved, and for their rows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from api.routes.saved import within
from queries.dashboards import Flaw, Statement, of_tile, statement, wrong_column
from queries.messages import Ask, Failure
from queries.pool import RUNNING
from queries.saved import found as found_query
from warehouse.clock import iso
from warehouse.errors import InputError, UpshotError
from warehouse.options import moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.pages.frame import Period
    from api.services import Services
    from queries.dashboards import Dashboard, Tile
    from warehouse.keys import Access
    from warehouse.manifest import Manifest

_MINUTE_US = 60_000_000


@dataclass(frozen=True, slots=True)
class Span:
    """The time that the tiles of a dashboard are about, microseconds since 1970, and their environment."""

    start: int
    end: int
    """Exclusive."""
    environment: str | None
    """None: all of them."""
    whole: bool
    """From the beginning, so that there is no time before it."""

    def shared(self) -> dict[str, str | None]:
        """Return the values of the parameters that tiles have in common (`queries.dashboards.SHARED`)."""
        return {"from": iso(self.start), "to": iso(self.end), "environment": self.environment}

    def before(self) -> Span | None:
        """Return the equally long time that ends where this begins."""
        start = 2 * self.start - self.end
        return None if self.whole or start < 0 else Span(start, self.start, self.environment, whole=False)


def span_of(period: Period, environment: str, now_us: int) -> Span:
    """Return the times of a period; what has no end ends with the minute that `now_us` is in.

    So everybody who asks within a minute asks the same, and one answer serves them all.

    Raises:
        InputError: a time is none, or the end is not after the start.
    """
    start = 0 if period.start is None else moment("from", period.start)
    end = (now_us // _MINUTE_US + 1) * _MINUTE_US if period.end is None else moment("to", period.end)
    if end <= start:
        raise InputError(f"to is {iso(end)}, must be after from, which is {iso(start)}")
    return Span(start, end, environment or None, whole=period.start is None)


def _saved_body(manifest: Manifest, tile: Tile) -> Mapping[str, Any] | None:
    return None if tile.query is None else found_query(manifest, tile.query, tile.version).body


async def statement_of(own: Services, access: Access, index: int, tile: Tile, span: Span) -> Statement:
    """Return the statement of a tile; raises UpshotError with the tile named."""
    try:
        saved = None
        if tile.query is not None:
            saved = await within(own, access, lambda manifest: _saved_body(manifest, tile))
        return statement(tile, saved, span.shared())
    except UpshotError as error:
        raise of_tile(error, index, tile) from None


async def flaws_of(own: Services, access: Access, dashboard: Dashboard) -> list[Flaw]:
    """Return what would be refused of the tiles of a dashboard: their statements, values and columns."""
    span = Span(0, own.clock(), "any", whole=True)
    turn = asyncio.Semaphore(RUNNING)  # more would only wait, and take the places of the caller's other questions

    async def flaw(index: int, tile: Tile) -> Flaw | None:
        try:
            asked = await statement_of(own, access, index, tile, span)
        except UpshotError as error:  # a query that is not there is a bad value here, not an address that leads nowhere
            return Flaw(InputError(error.message, hint=error.hint), index)
        try:
            async with turn:
                columns = await _columns(own, access, asked)
            wrong = wrong_column(tile, columns)
            return None if wrong is None else Flaw(of_tile(InputError(wrong), index, tile), index)
        except UpshotError as error:
            return Flaw(of_tile(error, index, tile), index)

    checked = await asyncio.gather(*(flaw(index, tile) for index, tile in enumerate(dashboard.tiles)))
    return [one for one in checked if one is not None]


async def _columns(own: Services, access: Access, asked: Statement) -> dict[str, str]:
    """Return the columns of a statement's answer, name -> type; raises QueryError when it would be refused."""
    ask = Ask(kind="check", sql=asked.sql, params=asked.params, types=asked.types)
    reply = await own.workers.ask(access.workspace, ask, access.key or "everybody")
    body: dict[str, Any] = msgspec.json.decode(await reply.whole())
    for diagnostic in body["diagnostics"]:
        if diagnostic["severity"] == "error":
            raise msgspec.convert(diagnostic, Failure).as_error()
    return {column["name"]: column["type"] for column in body["columns"]}
