"""How a page is answered: its headers, its frame, the fields of a form, and what stays on this server."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from fastapi.routing import APIRoute
from starlette.responses import HTMLResponse, Response

from api.accept import by_preference
from api.auth import COOKIE
from api.pages.frame import THEME_COOKIE, THEMES, Frame, period_of
from api.requests import services

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from starlette.requests import Request

    from warehouse.keys import Access

_SMALL = 1_000
"""Bytes below which packing a page is not worth it."""

POLICY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
}
"""Scripts and styles of our own, from files; none in the page, none made from text; nothing of another host."""


class Page(APIRoute):
    """A route whose pages are sent packed to whoever takes gzip, at the level that costs least."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See FastAPI."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            answer = await handle(request)
            takes = by_preference(request.headers.get("accept-encoding", ""))
            if not isinstance(answer, HTMLResponse) or "gzip" not in takes or len(answer.body) < _SMALL:
                return answer
            body = await asyncio.to_thread(gzip.compress, bytes(answer.body), 1, mtime=0)
            headers = dict(answer.headers) | {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
            del headers["content-length"]
            return Response(body, answer.status_code, headers)

        return handled


def page(html: str, status: int = 200, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    """Return a page with the headers that keep it to itself."""
    return HTMLResponse(html, status, headers={**POLICY, **(headers or {})})


def frame_of(request: Request, access: Access | None, last: str = "all") -> Frame:
    """Return what stands around a page.

    Args:
        request: of the page.
        access: of the reader; None on pages for those who have none.
        last: the period of an address that names none.

    Raises:
        InputError: `bad_parameter`: the address asks for a period that is none.
    """
    theme = request.cookies.get(THEME_COOKIE, "")
    query = dict(request.query_params)
    return Frame(
        workspace="" if access is None else access.workspace,
        closed=access is None,
        rights=frozenset() if access is None else access.rights,
        key="" if access is None else access.key,
        signed_in=access is not None and bool(access.key) and COOKIE in request.cookies,
        theme=theme if theme in THEMES else "",
        period=period_of(query, services(request).clock(), last),
        environment=query.get("environment", ""),
        path=request.url.path,
        query=query,
    )


async def fields(request: Request) -> dict[str, str]:
    """Return the fields of a form that was sent as `application/x-www-form-urlencoded`; of one name, the last."""
    body = (await request.body()).decode("utf-8", "replace")
    return {name: values[-1] for name, values in parse_qs(body, keep_blank_values=True).items()}


def within_server(address: str) -> str:
    """Return a path of this server, to go on to; `/` for anything that could lead elsewhere."""
    inside = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if inside else "/"
