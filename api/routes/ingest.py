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

router = APIRouter()

LIMITS = Limits()


@router.post("/v1/ingest", responses={200: {"model": IngestAnswer}, 207: {"model": IngestAnswer}})
async def ingest(request: Request) -> Response:
    """Take NDJSON or a JSON array of records; those accepted are durable and visible when this answers."""
    access = caller(request, "ingest")
    own = services(request)
    form, encoding = (request.headers.get(name) for name in ("content-type", "content-encoding"))
    with own.holding() as hold:
        body = await body_within(request, LIMITS.body_bytes, hold)
        taken = await asyncio.to_thread(own.decoders.receive, body, form, encoding, own.clock(), LIMITS)
        await own.append(access.workspace, taken.entries)
    status = HTTPStatus.OK
    if taken.rejected:
        status = HTTPStatus.MULTI_STATUS if taken.accepted else HTTPStatus.BAD_REQUEST
    answer = {"accepted": taken.accepted, "rejected": taken.rejected}
    return Response(msgspec.json.encode(answer), status, media_type="application/json")
