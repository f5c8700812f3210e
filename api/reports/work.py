"""What the worker does for one firing: make its edition, once, and try its deliveries. Nothing here knows of DBOS.

Both may be done again after a kill: an edition that is kept is taken, a delivery that arrived is not sent again.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
import structlog

from api.reports import delivering
from api.reports.asking import Asking
from api.reports.definition import KIND, Definition, kept
from api.reports.deliveries.outcome import DeliveryError
from api.reports.editions import Edition, Editions
from api.reports.places import Places
from warehouse.clock import Clock, system_clock
from warehouse.errors import NotFoundError, shown
from warehouse.keys import Keys
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from api.reports.scheduling import Firing
    from warehouse.paths import DataPaths

log = structlog.get_logger("reports")

RIGHTS = ("query",)
"""What a notebook may do with the server; it reads."""

LOAN_SECONDS = 60
"""How much longer than the run its token lives: for the start and the end of its process."""


class Made(msgspec.Struct, frozen=True):
    """An edition, as far as its deliveries need it."""

    status: str
    deliveries: int
    """How many are to be tried; 0 also when only changes are delivered, and nothing changed."""


class Sent(msgspec.Struct, frozen=True):
    """One try of a delivery."""

    outcome: str
    """done, retry or failed."""
    retry_after: int | None = None
    """Seconds the receiver asked to wait."""


@dataclass(frozen=True, slots=True)
class Work:
    """Everything a firing needs of its data directory and of the server."""

    data: DataPaths
    url: str
    """Of the server, for the notebook: on this machine."""
    base: str
    """Of the server, for links: as people reach it."""
    means: delivering.Means
    clock: Clock = system_clock

    @property
    def places(self) -> Places:
        """Return where reports are kept."""
        return Places(self.data.root)

    def make(self, firing: Firing) -> Made:
        """Make the edition of a firing, or take the one that is kept; log where it lies.

        Raises:
            NotFoundError: there is no such report any more.
            UpshotError, OSError: it could not be kept.
        """
        asking, editions = Asking(self.places.asked), Editions(self.places.editions)
        try:
            edition = editions.get(firing.workspace, firing.report, firing.edition)
            definition = self.definition(firing, edition.version)[0]
        except NotFoundError:
            definition, version = self.definition(firing)
            asking.say(firing, "running")
            edition = self._run(editions, definition, version, firing)
        asking.done(firing)
        folder = editions.path(firing.workspace, firing.report, firing.edition)
        delivering.filed(edition, folder, self.permalink(firing), clock=self.clock)
        log.info(
            "edition", id=edition.id, report=edition.report, workspace=edition.workspace, status=edition.status,
            seconds=round(edition.seconds, 1),
        )  # fmt: skip
        wanted = firing.deliver and (not definition.only_when_changed or _changed(edition, editions))
        return Made(edition.status, len(definition.deliver) if wanted else 0)

    def send(self, firing: Firing, number: int, attempt: int) -> Sent:
        """Try a delivery of the edition of a firing; `number` counts those of its definition, `attempt` the tries."""
        editions = Editions(self.places.editions)
        edition = editions.get(firing.workspace, firing.report, firing.edition)
        definition, _ = self.definition(firing, edition.version)
        try:
            delivering.deliver(
                definition.deliver[number - 1],
                edition,
                editions.path(firing.workspace, firing.report, firing.edition),
                number=number,
                permalink=self.permalink(firing),
                attempt=attempt,
                means=self.means,
                clock=self.clock,
            )
        except DeliveryError as error:
            return Sent("retry" if error.retryable else "failed", error.retry_after)
        return Sent("done")

    def definition(self, firing: Firing, version: int | None = None) -> tuple[Definition, int]:
        """Return a version of a report and its number, the newest when none is given; raises NotFoundError."""
        workspace = open_workspace(self.data.workspace(firing.workspace))
        with contextlib.closing(workspace.manifest) as manifest:
            saved = manifest.object(KIND, firing.report, version)
        if saved is None or saved.body is None:
            raise NotFoundError(f"there is no report {shown(firing.report)} any more")
        return kept(saved.body), saved.version

    def permalink(self, firing: Firing) -> str:
        """Return where people find the edition of a firing."""
        return f"{self.base}/reports/{quote(firing.report, safe='')}/{firing.edition}"

    def _run(self, editions: Editions, definition: Definition, version: int, firing: Firing) -> Edition:
        from api.reports.making import make  # noqa: PLC0415 - an idle worker is smaller without

        now = self.clock()
        with contextlib.closing(Keys(self.data)) as keys:
            ends = now + round((definition.limits.seconds + LOAN_SECONDS) * 1_000_000)
            token = keys.lend(firing.workspace, RIGHTS, ends, now, f"report {firing.report}")
            try:
                return make(
                    definition,
                    editions=editions,
                    id_=firing.edition,
                    report=firing.report,
                    workspace=firing.workspace,
                    version=version,
                    scheduled_for=firing.scheduled_for,
                    known_at=firing.known_at,
                    params=firing.params,
                    url=self.url,
                    token=token,
                    clock=self.clock,
                )
            finally:
                keys.end_loan(token)


def _changed(edition: Edition, editions: Editions) -> bool:
    """Return whether an edition says something new: other facts, the first ones, that the report fails, or no more."""
    before = editions.newest(edition.workspace, edition.report, before=edition.known_at)
    return bool(edition.changes) or before is None or before.status != edition.status
