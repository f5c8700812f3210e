"""`POST /v1/ingest`: typed records in, one outcome a record out."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from api.requests import body_within, caller, services
from api.wire import IngestAnswer
from ingest.limits import Limits
from ingest.pipeline import receive
from warehouse.log import Encoded, encode

router = APIRouter()

LIMITS = Limits()


@router.post("/v1/ingest", responses={200: {"model": IngestAnswer}, 207: {"model": IngestAnswer}})
async def ingest(request: Request) -> Response:
    """Take NDJSON or a JSON array of records; those accepted are durable and visible when this answers."""
    access = caller(request, "ingest")
    own = services(request)
    body = await body_within(request, LIMITS.body_bytes)
    entries, accepted, rejected = await asyncio.to_thread(_validated, request, body, own.clock())
    await own.append(access.workspace, entries)
    status = HTTPStatus.OK
    if rejected:
        status = HTTPStatus.MULTI_STATUS if accepted else HTTPStatus.BAD_REQUEST
    return Response(
        msgspec.json.encode({"accepted": accepted, "rejected": rejected}), status, media_type="application/json"
    )


def _validated(request: Request, body: bytes, now: int) -> tuple[list[Encoded], int, list[dict[str, int | str | None]]]:
    headers = request.headers
    validated = receive(body, headers.get("content-type"), headers.get("content-encoding"), now, LIMITS)
    rejected = [
        {"index": no.index, "code": no.code, "field": no.field, "message": no.message} for no in validated.rejected
    ]
    return encode(validated.batches), validated.accepted, rejected
