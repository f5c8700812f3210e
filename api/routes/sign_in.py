"""Signing in: a key is given once, and a cookie that no script can read stands for it (`Keys.sign_in`)."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from api.auth import COOKIE, of_own_page
from api.pages import account
from api.requests import services
from api.routes.html import Page, fields, frame_of, page, within_server
from warehouse.errors import InputError
from warehouse.keys import SIGN_IN_SECONDS

router = APIRouter(include_in_schema=False, route_class=Page)


@router.get("/sign-in")
async def sign_in_page(request: Request, next: str = "/") -> Response:  # noqa: A002 - the name in the address
    """Show the form."""
    closed = services(request).keys.any()
    return page(account.sign_in(frame_of(request, None), within_server(next), closed=closed))


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Take a key and go on to where the reader wanted to."""
    _need_own_page(request)
    own, given = services(request), await fields(request)
    key, wanted = given.get("key", "").strip(), within_server(given.get("next", "/"))
    access = await asyncio.to_thread(own.keys.access, key)
    problem = None
    if access is None:
        problem = "This key does not exist, or was revoked."
    elif "query" not in access.rights:
        problem = f"This key may not query; it has the rights {', '.join(sorted(access.rights))}."
    token = None if problem else await asyncio.to_thread(own.keys.sign_in, key, own.clock())
    if token is None:
        html = account.sign_in(frame_of(request, None), wanted, closed=True, problem=problem)
        return page(html, 401 if access is None else 403)
    answer = RedirectResponse(wanted, 303, {"Cache-Control": "no-store"})
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, token, max_age=SIGN_IN_SECONDS, httponly=True, samesite="lax", secure=secure)
    return answer


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End what the cookie stands for, here and for whoever may have a copy of it."""
    _need_own_page(request)
    await asyncio.to_thread(services(request).keys.sign_out, request.cookies.get(COOKIE, ""))
    answer = RedirectResponse("/sign-in", 303, {"Cache-Control": "no-store"})
    answer.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return answer


def _need_own_page(request: Request) -> None:
    """Refuse another site's form: it could sign the reader in as somebody else, or out."""
    if not of_own_page(request):
        raise InputError("this request did not come from a page of this server", code="forbidden")
