"""Liveness and readiness."""

from __future__ import annotations

from fastapi import APIRouter, Request

from api.requests import services
from queries.messages import Ask
from warehouse.errors import TransientError
from warehouse.keys import DEFAULT_WORKSPACE

router = APIRouter()


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Answer while the process lives."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(request: Request) -> dict[str, str]:
    """Answer 200 when rows can be acknowledged and queries answered, else 503 with the reason.

    A log that is full for the moment takes rows again in a second: that is ready.
    """
    own = services(request)
    if own.stopping:
        raise TransientError("the server is stopping", retry_after=5)
    try:
        await own.append(DEFAULT_WORKSPACE, [])
    except TransientError as error:
        if error.code != "rate_limited":
            raise
    await own.workers.ask(DEFAULT_WORKSPACE, Ask(kind="query", sql="SELECT 1"))
    return {"status": "ready"}
