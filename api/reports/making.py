"""An edition from its definition: run, masked, rendered, compared with the one before, kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from api.reports import facts
from api.reports.editions import Edition
from api.reports.rendering import rendered
from api.reports.running import run
from warehouse.clock import Clock, iso, system_clock
from warehouse.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.reports.definition import Definition
    from api.reports.editions import Editions


def make(
    definition: Definition,
    *,
    editions: Editions,
    id_: str,
    report: str,
    workspace: str,
    version: int,
    scheduled_for: str | None,
    known_at: str,
    params: Mapping[str, Any],
    url: str,
    token: str,
    clock: Clock = system_clock,
) -> Edition:
    """Make an edition and keep it; one that is kept under the id already is returned as it is.

    Whatever the notebook does there is an edition, perhaps one that failed. Killed at any instruction this leaves none,
    and can be done again.

    Args:
        definition: what to run.
        editions: where it is kept.
        id_: of the edition.
        report: name of the report.
        workspace: whose report it is.
        version: of the definition.
        scheduled_for: time of the schedule, ISO 8601 with Z; None when somebody asked.
        known_at: the notebook's questions are answered as known then, ISO 8601 with Z.
        params: of this run; they outrank the definition's.
        url: of the server, for the notebook.
        token: its key there; masked wherever the run wrote it.
        clock: for when it started and ended.

    Raises:
        OSError: it could not be kept.
    """
    try:
        return editions.get(workspace, report, id_)
    except NotFoundError:
        pass
    with editions.scratch(workspace, report, id_) as folder:
        started_at = iso(clock())
        (inside := folder / "run").mkdir()
        ran = run(definition, url=url, token=token, known_at=known_at, params=params, folder=inside)
        written = ran.notebook.read_bytes()
        notebook = msgspec.json.decode(written)
        before = editions.newest(workspace, report, before=known_at, status="done")
        found = facts.found(notebook)
        if ran.error is not None:
            before = None  # of a run that failed nobody knows what it would have found
        edition = Edition(
            id=id_,
            report=report,
            workspace=workspace,
            version=version,
            status=ran.status,
            scheduled_for=scheduled_for,
            started_at=started_at,
            ended_at=started_at,
            known_at=known_at,
            params={**definition.params, **params},
            facts=found,
            changes=tuple(facts.changes(before.facts, found)) if before else (),
            error=ran.error,
            seconds=ran.seconds,
            peak_mb=ran.peak_mb,
            title=definition.title,
            compared_with=before.id if before else None,
            warnings=ran.warnings,
        )
        (drawn := folder / "drawn").mkdir()
        page, chart = rendered(written, edition, drawn)
        files = {"notebook.ipynb": written, "report.html": page} | ({"chart.png": chart} if chart else {})
        made = msgspec.structs.replace(edition, has_chart=chart is not None, ended_at=iso(clock()))
        return editions.keep(made, files)
