"""`create_app(services)`: the composition root. Routes, the error body, the life of the server's parts."""

from __future__ import annotations

from contextlib import asynccontextmanager, nullcontext
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from api import assets, errors
from api.pages import render
from api.request_log import Lines, QueryLog, note
from api.requests import BodyLimit
from api.routes import (
    admin,
    cookbook,
    dashboard_pages,
    dashboards,
    drill,
    experiments,
    health,
    ingest,
    otlp,
    pages,
    query,
    report_pages,
    reports,
    saved,
    settings,
    sign_in,
)
from api.routes.html import page
from api.telemetry import RequestLog
from warehouse.errors import InputError, TransientError, UpshotError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from api.services import Services

log = structlog.get_logger("http")


def create_app(own: Services, *, request_log: bool = True, otlp_grpc: str | None = None) -> FastAPI:
    """Return the application over the server's parts, which it starts and stops.

    With `request_log` each query leaves a line in `DATA/logs` (`api.request_log`). With `otlp_grpc`, an address such
    as `127.0.0.1:4317`, OTLP is taken there over gRPC.
    """
    lines = Lines(own.data.request_log)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        app.state.services = own
        try:
            await own.start()
            async with _otlp_grpc(own, otlp_grpc):
                yield
        finally:
            await own.stop()
            lines.close()

    app = FastAPI(title="Upshot", lifespan=life, docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    for routes in (
        ingest,
        otlp,
        query,
        cookbook,
        saved,
        dashboards,
        reports,
        experiments,
        drill,
        admin,
        health,
        assets,
        sign_in,
        settings,
        dashboard_pages,
        report_pages,
        pages,
    ):
        app.include_router(routes.router)
    app.add_exception_handler(UpshotError, _expected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(Exception, _defect)
    app.add_middleware(BodyLimit)
    if request_log:
        app.add_middleware(QueryLog, lines=lines, clock=own.clock)
    app.add_middleware(RequestLog)
    return app


def _otlp_grpc(own: Services, address: str | None) -> AbstractAsyncContextManager[None]:
    if address is None:
        return nullcontext()
    from api.otlp_grpc import receiving  # noqa: PLC0415 - a server without it starts faster, and is smaller

    return receiving(own, address)


def _answer(request: Request, error: UpshotError) -> Response:
    note(request, verdict=error.code)
    body = errors.body(error, getattr(request.state, "request_id", ""))
    status = errors.STATUS.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR)
    headers: dict[str, str] = {}
    if isinstance(error, TransientError) or error.code == "rate_limited":
        headers["Retry-After"] = str(getattr(error, "retry_after", 1))
    as_page = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/")
    if as_page and error.code == "unauthorized" and request.method == "GET":
        return _to_sign_in(request)
    if error.code == "unauthorized" and not as_page:
        headers["WWW-Authenticate"] = 'Basic realm="upshot: any user name, a key as password", charset="UTF-8"'
    if as_page:
        return page(render.error(status, body["error"]), status, headers)
    return JSONResponse(body, status, headers=headers)


def _to_sign_in(request: Request) -> Response:
    """Return the way to where a key is given, and from there back; of a part of a page, to the page."""
    wanted = request.headers.get("hx-current-url") or str(request.url)
    path = urlsplit(wanted)._replace(scheme="", netloc="", fragment="").geturl()
    address = f"/sign-in?{urlencode({'next': path})}"
    if "hx-request" in request.headers:
        return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": address})
    return RedirectResponse(address, HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})


async def _expected(request: Request, error: Exception) -> Response:
    assert isinstance(error, UpshotError)  # noqa: S101 - registered for it
    return _answer(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    first: dict[str, Any] = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    code = "malformed" if first["type"] == "json_invalid" else "bad_parameter"
    message = f"{where}: {first['msg']}" if where and code != "malformed" else f"the body is not JSON: {first['msg']}"
    return _answer(request, InputError(message[:1].lower() + message[1:], code=code))


async def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    code = errors.code_of_status(error.status_code)
    message = (
        f"there is no {request.method} {request.url.path} here"
        if code in ("not_found", "method_not_allowed")
        else str(error.detail)
    )
    return _answer(request, InputError(message, code=code))


async def _defect(request: Request, error: Exception) -> Response:
    log.error("defect", path=request.url.path, exc_info=error)
    return _answer(
        request, UpshotError("the server failed; its log has the reason under this request id", code="internal")
    )
