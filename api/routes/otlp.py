"""`POST /v1/traces`: OTLP over HTTP, protobuf and JSON, with the protocol's own bodies."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.errors import STATUS
from api.requests import body_within, caller, services
from ingest.body import unpack
from ingest.limits import Limits
from ingest.otlp import JSON_TYPE, PROTOBUF_TYPE, Traces, answer, decode_traces, status_body
from warehouse.errors import InputError, TransientError, UpshotError
from warehouse.log import Encoded, encode

router = APIRouter()

LIMITS = Limits(body_bytes=20 << 20, unpacked_bytes=20 << 20)

_INVALID_ARGUMENT, _UNAVAILABLE = 3, 14
"""Codes of google.rpc.Status."""


@router.post("/v1/traces")
async def traces(request: Request) -> Response:
    """Take spans; those not named in partial_success are durable and visible when this answers."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (JSON_TYPE, PROTOBUF_TYPE):
        text = f"content type {kind or '(none)'}: send {PROTOBUF_TYPE} or {JSON_TYPE}"
        return Response(text, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, media_type="text/plain")
    try:
        access = caller(request, "ingest")
        own = services(request)
        body = await body_within(request, LIMITS.body_bytes)
        encoding = request.headers.get("content-encoding")
        entries, made = await asyncio.to_thread(_decoded, body, encoding, kind, own.clock())
        await own.append(access.workspace, entries)
    except UpshotError as error:
        return _refused(error, kind)
    return Response(answer(made, kind), media_type=kind)


def _decoded(body: bytes, encoding: str | None, kind: str, now: int) -> tuple[list[Encoded], Traces]:
    made = decode_traces(unpack(body, encoding, LIMITS), kind, now)
    return encode({"spans": made.batch}), made


def _refused(error: UpshotError, kind: str) -> Response:
    retry = isinstance(error, TransientError)
    status = STATUS.get(error.code, 400) if isinstance(error, InputError) else HTTPStatus.SERVICE_UNAVAILABLE
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, TransientError) else {}
    code = _UNAVAILABLE if retry else _INVALID_ARGUMENT
    return Response(status_body(code, error.message, kind), status, headers=headers, media_type=kind)
