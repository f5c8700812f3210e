"""Reports over HTTP: notebooks under a name, with a schedule, and the editions that were made of them.

The right `query` reads definitions and editions. To save, remove or run one takes `admin`: a notebook is a program.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import msgspec
import structlog
from fastapi import APIRouter, Body, Query, Request
from starlette.responses import FileResponse, Response

from api.answers import readable
from api.reports import asking
from api.reports.definition import Definition, check_params, kept, written
from api.reports.editions import Edition, Editions
from api.reports.named import found, put
from api.reports.occurring import occurrences
from api.reports.places import Places
from api.reports.process import need_extra
from api.reports.scheduling import Firing, firing, next_at
from api.requests import caller, services
from api.routes.saved import within
from queries.documented import Documented
from warehouse.clock import iso
from warehouse.errors import InputError, NotFoundError, UpshotError, shown
from warehouse.options import moment

if TYPE_CHECKING:
    from api.services import Services
    from warehouse.keys import Access
    from warehouse.manifest import Manifest, NamedObject

router = APIRouter()

log = structlog.get_logger("reports")

MAX_BACKFILL = 100
"""Editions that one request may ask for."""

MAX_EDITIONS = 1000

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox"
)
"""Of an edition's page, which a notebook wrote: no script, nothing from elsewhere, and no part in this site."""

_FILES = {
    "report.html": "text/html; charset=utf-8",
    "notebook.ipynb": "application/x-ipynb+json",
    "chart.png": "image/png",
}


@dataclasses.dataclass(frozen=True, slots=True)
class _Facts(Documented):
    name: str
    version: int
    """1, 2, 3 and so on for each name."""
    created_at: str
    next_at: str | None
    """When it runs next by itself; null: never."""


@dataclasses.dataclass(frozen=True, slots=True)
class ReportAnswer(_Facts):
    """One version of a report. `PUT` takes it as it is; where a secret is masked the one that was kept stays."""

    title: str
    description: str
    template: str | None
    """Name of a shipped notebook; null: it has its own."""
    notebook: dict[str, Any] | None
    params: dict[str, Any]
    schedule: dict[str, Any] | None
    deliver: list[dict[str, Any]]
    only_when_changed: bool
    limits: dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class ReportEntry(_Facts):
    """A report in the list."""

    title: str
    description: str
    schedule: dict[str, Any] | None
    newest: dict[str, Any] | None
    """Its newest edition: id, status, known_at, ended_at; null: there is none."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reports(Documented):
    """Answer of `GET /v1/reports`: the newest version of each, by name."""

    reports: list[ReportEntry]


@dataclasses.dataclass(frozen=True, slots=True)
class RunRequest(Documented):
    """Body of `POST /v1/reports/{name}/run`."""

    params: dict[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    """Values of names that the notebook's parameters cell sets, before those of the definition."""
    deliver: bool = True
    """Whether the edition goes where the definition says."""


@dataclasses.dataclass(frozen=True, slots=True)
class BackfillRequest(Documented):
    """Body of `POST /v1/reports/{name}/backfill`."""

    since: str
    """The first moment whose edition is wanted; ISO 8601."""
    until: str
    """The moment before which editions are wanted; not in the future."""
    deliver: bool = False
    """Whether the editions go where the definition says."""


@dataclasses.dataclass(frozen=True, slots=True)
class ReportRun(Documented):
    """A run that was asked for."""

    id: str
    """Of its edition."""
    status: str
    """waiting; done or failed: this edition is kept already and is not made again."""
    scheduled_for: str | None
    place: str
    """Where to ask how far it is."""
    page: str


@dataclasses.dataclass(frozen=True, slots=True)
class ReportRuns(Documented):
    """Answer of `POST /v1/reports/{name}/backfill`."""

    editions: list[ReportRun]


@dataclasses.dataclass(frozen=True, slots=True)
class EditionAnswer(Documented):
    """One edition, or a run that is on its way to be one."""

    __pydantic_config__ = {"extra": "allow"}  # noqa: RUF012 - pydantic's own name; what it says differs by edition

    id: str
    report: str
    status: str
    """waiting, running, done or failed."""
    scheduled_for: str | None
    """The time of the schedule it is made for; null: somebody asked."""
    known_at: str
    """Everything in it is as known then."""
    params: dict[str, Any]
    files: dict[str, str]
    """Name -> address: report.html, notebook.ipynb, chart.png."""
    page: str
    error: dict[str, Any] | None
    """Of a failed one: name, message, cell, source."""


@dataclasses.dataclass(frozen=True, slots=True)
class EditionsAnswer(Documented):
    """Answer of `GET /v1/reports/{name}/editions`: newest first, those on their way before them."""

    editions: list[dict[str, Any]]


def _places(own: Services) -> Places:
    return Places(own.data.root)


def _editions(own: Services) -> Editions:
    return Editions(_places(own).editions)


def _address(name: str, edition: str = "") -> str:
    place = f"/v1/reports/{quote(name, safe='')}"
    return f"{place}/editions/{edition}" if edition else place


def _page(name: str, edition: str) -> str:
    return f"/reports/{quote(name, safe='')}/{edition}"


def _facts(saved: NamedObject, definition: Definition, now_us: int) -> dict[str, Any]:
    return {
        "name": saved.name,
        "version": saved.version,
        "created_at": iso(saved.created_at),
        "next_at": next_at(definition.schedule, now_us),
    }


FACTS = ("name", "version", "created_at", "next_at")
"""What answers say beside a report's own fields. `PUT` reads none of these."""


@router.get("/v1/reports", response_model=Reports)
async def listed(request: Request) -> Response:
    """List the reports, each with its next time and its newest edition."""
    access = caller(request, "query")
    own = services(request)

    def entries(manifest: Manifest) -> list[dict[str, Any]]:
        known: list[dict[str, Any]] = []
        for saved in manifest.objects("report"):
            try:
                known.append(_entry(own, access, saved))
            except UpshotError as error:  # the others are still to be seen
                log.exception("report_unreadable", report=saved.name, error=error.message)
        return known

    return readable({"reports": await within(own, access, entries)})


def _entry(own: Services, access: Access, saved: NamedObject) -> dict[str, Any]:
    definition = kept(saved.body or {})
    newest = _editions(own).newest(access.workspace, saved.name)
    return {
        **_facts(saved, definition, own.clock()),
        "title": definition.title,
        "description": definition.description,
        "schedule": msgspec.to_builtins(definition.schedule),
        "newest": newest
        and {"id": newest.id, "status": newest.status, "known_at": newest.known_at, "ended_at": newest.ended_at},
    }


@router.get("/v1/reports/{name}", response_model=ReportAnswer)
async def report(
    request: Request,
    name: str,
    version: Annotated[int | None, Query(description="the newest when not given", ge=1, lt=2**63)] = None,
) -> Response:
    """Return a report's definition, secrets masked. A version stays readable for ever."""
    access = caller(request, "query")
    own = services(request)
    saved: NamedObject = await within(own, access, lambda manifest: found(manifest, name, version))
    return readable(_whole(own, saved))


def _whole(own: Services, saved: NamedObject) -> dict[str, Any]:
    definition = kept(saved.body or {})
    return {**_facts(saved, definition, own.clock()), **written(definition)}


@router.put("/v1/reports/{name}", response_model=ReportAnswer)
async def save(request: Request, name: str, body: Annotated[dict[str, Any], Body()]) -> Response:
    """Save a report as the next version of its name. Needs the right `admin`; applies within seconds."""
    access = caller(request, "admin")
    own = services(request)
    need_extra()
    given = {key: value for key, value in body.items() if key not in FACTS}

    def keep(manifest: Manifest) -> NamedObject:
        return put(manifest, name, given, own.clock(), lambda made: _check_deliveries(own, made))

    saved: NamedObject = await within(own, access, keep)
    _tell(own)
    return readable(_whole(own, saved))


def _check_deliveries(own: Services, definition: Definition) -> None:
    from api.reports import delivering  # noqa: PLC0415 - a server without reports is smaller

    means = delivering.means(own.settings.smtp_url, own.settings.smtp_from, plain_http=own.settings.report_http)
    for delivery in definition.deliver:
        delivering.check(delivery, means)


def _tell(own: Services) -> None:
    """Let the worker know that there is something new to read."""
    _places(own).changed.touch()
    own.reports.wake(own.url)


@router.delete("/v1/reports/{name}", status_code=HTTPStatus.NO_CONTENT)
async def remove(
    request: Request,
    name: str,
    *,
    editions: Annotated[bool, Query(description="remove its editions too; they stay otherwise")] = False,
) -> None:
    """Take a report out of use: it runs no more. Needs the right `admin`."""
    access = caller(request, "admin")
    own = services(request)

    def gone(manifest: Manifest) -> None:
        found(manifest, name)
        manifest.remove_object("report", name, own.clock())
        if editions:
            _editions(own).remove(access.workspace, name)

    await within(own, access, gone)
    _places(own).changed.touch()


@router.post("/v1/reports/{name}/run", status_code=HTTPStatus.ACCEPTED, response_model=ReportRun)
async def run(request: Request, name: str, body: RunRequest | None = None) -> Response:
    """Run a report now, whatever its schedule; answers at once with where its edition will be. Needs `admin`."""
    access = caller(request, "admin")
    own = services(request)
    need_extra()
    wanted = body or RunRequest()

    def ask(manifest: Manifest) -> Firing:
        check_params(kept(found(manifest, name).body or {}), wanted.params)
        new = asking.new(access.workspace, name, wanted.params, own.clock(), deliver=wanted.deliver)
        asking.Asking(_places(own).asked).add(new)
        return new

    asked: Firing = await within(own, access, ask)
    own.reports.wake(own.url)
    return readable(_run(asked, "waiting"), HTTPStatus.ACCEPTED)


def _run(firing: Firing, status: str) -> dict[str, Any]:
    return {
        "id": firing.edition,
        "status": status,
        "scheduled_for": firing.scheduled_for,
        "place": _address(firing.report, firing.edition),
        "page": _page(firing.report, firing.edition),
    }


@router.post("/v1/reports/{name}/backfill", status_code=HTTPStatus.ACCEPTED, response_model=ReportRuns)
async def backfill(request: Request, name: str, body: BackfillRequest) -> Response:
    """Make the editions of the schedule's times in [since, until), each as known then. Needs `admin`.

    Those that are kept stay as they are. At most 100 at a time.
    """
    access = caller(request, "admin")
    own = services(request)
    need_extra()

    def ask(manifest: Manifest) -> list[dict[str, Any]]:
        times = _times(name, kept(found(manifest, name).body or {}), body, own.clock())
        return [_asked_for(own, access, name, time, deliver=body.deliver) for time in times]

    runs: list[dict[str, Any]] = await within(own, access, ask)
    own.reports.wake(own.url)
    return readable({"editions": runs}, HTTPStatus.ACCEPTED)


def _times(name: str, definition: Definition, body: BackfillRequest, now_us: int) -> list[dt.datetime]:
    if definition.schedule is None:
        raise InputError(f"the report {shown(name)} has no schedule", hint="put one, or run it with its parameters")
    since, until = moment("since", body.since), moment("until", body.until)
    if until > now_us:
        raise InputError(f"until is {shown(body.until)}, must not be in the future")
    low, high = (dt.datetime.fromtimestamp((at - 1) / 1e6, dt.UTC) for at in (since, until))
    times = occurrences(definition.schedule.cron, definition.schedule.timezone, low, high)
    wanted = [*itertools.islice(times, MAX_BACKFILL + 1)]
    if len(wanted) > MAX_BACKFILL:
        raise InputError(
            f"the schedule has more than {MAX_BACKFILL} times from {body.since} to {body.until}, "
            f"must have at most {MAX_BACKFILL}",
            hint=f"ask until {wanted[-1].isoformat()}, then on from there",
        )
    return wanted


def _asked_for(own: Services, access: Access, name: str, time: dt.datetime, *, deliver: bool) -> dict[str, Any]:
    one = msgspec.structs.replace(firing(access.workspace, name, time), deliver=deliver)
    try:
        return _run(one, _editions(own).get(access.workspace, name, one.edition).status)
    except NotFoundError:
        asking.Asking(_places(own).asked).add(one)
        return _run(one, "waiting")


@router.get("/v1/reports/{name}/editions", response_model=EditionsAnswer)
async def editions_of(
    request: Request,
    name: str,
    limit: Annotated[int, Query(description="editions at the most", ge=1, le=MAX_EDITIONS)] = 100,
) -> Response:
    """List a report's editions, newest first, and before them the runs that are on their way."""
    access = caller(request, "query")
    own = services(request)

    def known(manifest: Manifest) -> list[dict[str, Any]]:
        under_way = [
            _under_way(one)
            for one in asking.Asking(_places(own).asked).all()
            if (one.firing.workspace, one.firing.report) == (access.workspace, name)
        ]
        whole = [_edition(one) for one in _editions(own).list(access.workspace, name, limit)]
        there = {one["id"] for one in whole}  # a run is forgotten a moment after its edition is kept
        under_way = [one for one in under_way if one["id"] not in there]
        if not under_way and not whole:
            found(manifest, name)
        return (under_way + whole)[:limit]

    return readable({"editions": await within(own, access, known)})


@router.get("/v1/reports/{name}/editions/{edition}", response_model=EditionAnswer)
async def edition_of(request: Request, name: str, edition: str) -> Response:
    """Return one edition: its facts, what changed since the one before; or how far its run is."""
    access = caller(request, "query")
    own = services(request)
    return readable(await within(own, access, lambda _: edition_facts(own, access.workspace, name, edition)))


def edition_facts(own: Services, workspace: str, name: str, edition: str) -> dict[str, Any]:
    """Return an edition, or how far its run is, as the routes answer it; raises NotFoundError."""
    try:
        return _edition(_editions(own).get(workspace, name, edition))
    except NotFoundError:
        asked = asking.Asking(_places(own).asked).get(workspace, name, edition)
        if asked is None:
            # It may have been kept between the two looks.
            return _edition(_editions(own).get(workspace, name, edition))
        return _under_way(asked)


def _edition(edition: Edition) -> dict[str, Any]:
    names = [name for name in _FILES if name != "chart.png" or edition.has_chart]
    place = _address(edition.report, edition.id)
    return {
        **msgspec.to_builtins(edition),
        "files": {name: f"{place}/{name}" for name in names},
        "page": _page(edition.report, edition.id),
    }


def _under_way(asked: asking.Asked) -> dict[str, Any]:
    one = asked.firing
    return {
        "id": one.edition,
        "report": one.report,
        "workspace": one.workspace,
        "status": asked.state,
        "scheduled_for": one.scheduled_for,
        "known_at": one.known_at,
        "params": one.params,
        "files": {},
        "page": _page(one.report, one.edition),
        "error": None if asked.error is None else {"name": "server", "message": asked.error},
    }


@router.get("/v1/reports/{name}/editions/{edition}/deliveries")
async def deliveries(request: Request, name: str, edition: str) -> Response:
    """Return the log of an edition's deliveries: one entry for each try, secrets masked."""
    access = caller(request, "query")
    own = services(request)

    def tries(_: Manifest) -> list[Any]:
        from api.reports.delivering import log_of  # noqa: PLC0415 - a server without reports is smaller

        _editions(own).get(access.workspace, name, edition)
        return msgspec.to_builtins(log_of(_editions(own).path(access.workspace, name, edition)))

    return readable({"deliveries": await within(own, access, tries)})


@router.get(
    "/v1/reports/{name}/editions/{edition}/{file}",
    response_class=FileResponse,
    responses={200: {"content": {kind.partition(";")[0]: {} for kind in _FILES.values()}}},
)
async def file_of(request: Request, name: str, edition: str, file: str) -> Response:
    """Return a file of an edition: report.html, notebook.ipynb or chart.png."""
    access = caller(request, "query")
    own = services(request)
    path = await within(own, access, lambda _: _editions(own).file(access.workspace, name, edition, file))
    headers = {"Cache-Control": "private, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return FileResponse(path, media_type=_FILES[file], headers=headers | {"Content-Security-Policy": POLICY})
