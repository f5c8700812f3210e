"""OTLP over HTTP, protobuf and JSON: `POST /v1/traces` and `/v1/logs`, with the protocol's own bodies.

The rules are those of https://opentelemetry.io/docs/specs/otlp/#otlphttp. Clients send again after 429, 502, 503 and
504, and after nothing else: so these are the answers to what may succeed later, and to that only.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog
from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from api.errors import STATUS
from api.requests import body_within, caller, services
from ingest.otel.answers import INTERNAL, JSON_TYPE, PROTOBUF_TYPE, UNIMPLEMENTED, response, status, status_code
from ingest.otel.taken import LIMITS, LOGS, TRACES, Signal, Taken
from warehouse.errors import InputError, TransientError, UpshotError

if TYPE_CHECKING:
    from collections.abc import Mapping

log = structlog.get_logger("otlp")

router = APIRouter()

_TYPES = (JSON_TYPE, PROTOBUF_TYPE)
_OTHER_METHODS = ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"]
_CLIENT_LEFT = 499
"""What the server's own log shows for a request whose client is gone: nobody reads the answer."""


@router.post("/v1/traces")
async def traces(request: Request) -> Response:
    """Take spans; those not counted in partial_success are durable and visible when this answers."""
    return await _taken(request, TRACES)


@router.post("/v1/logs")
async def logs(request: Request) -> Response:
    """Take log records: evaluation results become scores, durable and visible when this answers; others are let go."""
    return await _taken(request, LOGS)


@router.post("/v1/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Refuse metrics for good: after a 404 an exporter drops what it has, and does not send it again."""
    text = "metrics are not taken here, only /v1/traces and /v1/logs"
    return _status(HTTPStatus.NOT_FOUND, UNIMPLEMENTED, text, _kind(request))


@router.api_route("/v1/traces", methods=_OTHER_METHODS, include_in_schema=False)
@router.api_route("/v1/logs", methods=_OTHER_METHODS, include_in_schema=False)
@router.api_route("/v1/metrics", methods=_OTHER_METHODS, include_in_schema=False)
async def other_methods(request: Request) -> Response:
    """Refuse whatever is no POST."""
    text = f"{request.method} {request.url.path}: only POST is taken here"
    return _status(HTTPStatus.METHOD_NOT_ALLOWED, UNIMPLEMENTED, text, _kind(request), {"Allow": "POST"})


async def _taken(request: Request, signal: Signal) -> Response:
    kind = _kind(request)
    if kind not in _TYPES:
        text = f"content type {kind or '(none)'}: send {PROTOBUF_TYPE} or {JSON_TYPE}"
        return Response(text, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, media_type="text/plain")
    try:
        made = await _kept(request, signal, kind)
    except UpshotError as error:
        return _refused(error, kind)
    except ClientDisconnect:
        return Response(status_code=_CLIENT_LEFT)
    except Exception:  # a protocol of its own has its own body even for our defects
        log.exception("defect", path=request.url.path)
        return _status(HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL, "the server failed; its log has the reason", kind)
    return Response(response(made.rejected, made.reasons, signal.counter, kind), media_type=kind)


async def _kept(request: Request, signal: Signal, kind: str) -> Taken:
    """Return what the request came to, once that is durable."""
    access = caller(request, "ingest")
    own = services(request)
    encoding = request.headers.get("content-encoding")
    with own.holding() as hold:
        body = await body_within(request, LIMITS.body_bytes, hold)
        return await own.keep(access.workspace, signal, body, encoding, kind)


def _kind(request: Request) -> str:
    """Return the content type without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _refused(error: UpshotError, kind: str) -> Response:
    headers: dict[str, str] = {}
    if isinstance(error, InputError) or error.code == "internal":
        code = STATUS[error.code]
    else:  # a full disk, too: what the client keeps meanwhile is not lost
        busy = error.code == "rate_limited"
        code = HTTPStatus.TOO_MANY_REQUESTS if busy else HTTPStatus.SERVICE_UNAVAILABLE
    if isinstance(error, TransientError):
        headers["Retry-After"] = str(error.retry_after)
    if error.code == "unauthorized":
        headers["WWW-Authenticate"] = "Bearer"
    return _status(code, status_code(error), error.message, kind, headers)


def _status(http: int, code: int, text: str, kind: str, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with a google.rpc.Status, in JSON unless the request is in protobuf."""
    kind = kind if kind in _TYPES else JSON_TYPE
    return Response(status(code, text, kind), http, headers=dict(headers or {}), media_type=kind)
