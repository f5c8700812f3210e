"""The pages of reports: bodies of `/v1/reports` in, HTML documents out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from api.pages.frame import NOBODY
from api.pages.render import PAGES
from api.reports.definition import templates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from api.pages.body import Body
    from api.pages.frame import Frame
    from warehouse.errors import UpshotError

TONES: Mapping[str, str] = {"done": "good", "failed": "bad", "running": "info", "waiting": "neutral"}
"""Status of an edition -> its tone."""

OUTCOMES: Mapping[str, str] = {"done": "good", "failed": "bad", "later": "warn", "skipped": "neutral"}
"""Outcome of a delivery's try -> its tone; another is neutral."""


def report_path(name: str, edition: str = "") -> str:
    """Return the address of a report's page, or of an edition's."""
    return f"/reports/{quote(name, safe='')}" + (f"/{edition}" if edition else "")


def _render(template: str, frame: Frame, **parts: Any) -> str:
    return PAGES.get_template(template).render(
        frame=frame, tones=TONES, outcomes=OUTCOMES, report_path=report_path, may_run="admin" in frame.rights, **parts
    )


def reports(
    frame: Frame, known: Sequence[Body], problem: UpshotError | None = None, given: Mapping[str, str] | None = None
) -> str:
    """Return the list of reports.

    Args:
        frame: what stands around the page.
        known: entries of `GET /v1/reports`.
        problem: why the report of the form was refused.
        given: what the form had.
    """
    return _render(
        "reports.html",
        frame,
        reports=known,
        notebooks=[(name, name.replace("-", " ")) for name in templates()],
        problem=problem,
        given=given or {},
    )


def report(frame: Frame, definition: Body, editions: Sequence[Body]) -> str:
    """Return the page of one report; the body of `GET /v1/reports/{name}` and its editions."""
    return _render("report_page.html", frame, report=definition, editions=editions)


def edition(frame: Frame = NOBODY, body: Body | None = None, deliveries: Sequence[Body] = ()) -> str:
    """Return the page of one edition; the body of `GET /v1/reports/{name}/editions/{id}` and its deliveries."""
    return _render("edition.html", frame, edition=body or {}, deliveries=deliveries)
