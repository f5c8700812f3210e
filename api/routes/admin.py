"""Erasure and retention: what leaves the warehouse, and when. For keys with the right `admin`."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, Request

from api.requests import caller, services
from api.wire import EraseRequest, ErasureAnswer
from warehouse.belongings import subject_of
from warehouse.clock import iso
from warehouse.erasure import audit_line, erase
from warehouse.errors import NotFoundError, shown
from warehouse.retention import retention, set_retention
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.manifest import Erasure
    from warehouse.workspace import Workspace

router = APIRouter()


def shown_erasure(erasure: Erasure) -> dict[str, Any]:
    """Return an erasure as the routes show it."""
    return {
        "id": erasure.id,
        "kind": erasure.kind,
        "subject": erasure.subject,
        "asked_at": iso(erasure.asked_at),
        "rows": dict(erasure.rows),
        "files": dict(erasure.files),
        "snapshot": erasure.version,
        "stage": erasure.stage,
        "waits_for": erasure.waits_for or None,
        "unsearched": erasure.unsearched,
        "done_at": None if erasure.done_at is None else iso(erasure.done_at),
        "audit": audit_line(erasure),
    }


async def _within(request: Request, work: Callable[[Workspace], Any]) -> Any:
    """Return what `work` does in the caller's workspace, in a thread; raises InputError without the right."""
    access = caller(request, "admin")
    own = services(request)
    own.log(access.workspace)  # made, if it is new

    def run() -> Any:
        workspace = open_workspace(own.data.workspace(access.workspace))
        try:
            return work(workspace)
        finally:
            workspace.manifest.close()

    return await asyncio.to_thread(run)


@router.post("/v1/erase", status_code=HTTPStatus.ACCEPTED)
async def erase_subject(request: Request, body: EraseRequest) -> ErasureAnswer:
    """Erase a run, a session or a user: hidden from every later query when this answers, off the disk when done."""
    subject = subject_of(body.run, body.session, body.user)
    clock = services(request).clock
    erasure = await _within(request, lambda workspace: erase(workspace, subject, clock))
    return ErasureAnswer(**shown_erasure(erasure))


@router.get("/v1/erasures")
async def erasures(request: Request) -> dict[str, list[ErasureAnswer]]:
    """List the erasures, oldest first: the audit log, which names nobody."""
    found: list[Erasure] = await _within(request, lambda workspace: workspace.manifest.erasures())
    return {"erasures": [ErasureAnswer(**shown_erasure(erasure)) for erasure in found]}


@router.get("/v1/erasures/{id_}")
async def one_erasure(request: Request, id_: str) -> ErasureAnswer:
    """Return how far an erasure has come."""
    found: list[Erasure] = await _within(request, lambda workspace: workspace.manifest.erasures())
    for erasure in found:
        if erasure.id == id_:
            return ErasureAnswer(**shown_erasure(erasure))
    raise NotFoundError(f"there is no erasure {shown(id_)}")


@router.get("/v1/retention")
async def kept_days(request: Request) -> dict[str, dict[str, int]]:
    """Return the days each limited table keeps; all others are kept for ever."""
    return {"days": await _within(request, lambda workspace: retention(workspace.manifest))}


@router.put("/v1/retention")
async def keep_days(request: Request, days: Annotated[dict[str, Any], Body()]) -> dict[str, dict[str, int]]:
    """Set the days of the named tables, replacing all that was set before; older days are dropped within minutes."""
    return {"days": await _within(request, lambda workspace: set_retention(workspace.manifest, days))}
