"""The server's end of the report worker: started with the first report, started again when it dies, ended with us."""

from __future__ import annotations

import asyncio
import contextlib
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

import structlog

from api.child import Child
from api.reports.places import Places
from warehouse.errors import UpshotError
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from warehouse.paths import DataPaths

log = structlog.get_logger("server")

KIND = "report"
"""As `api.reports.definition` has it, which a server without reports does not load."""

NEEDED = ("croniter", "dbos", "ipykernel", "nbconvert", "papermill")
"""What of the extra `reports` must be there."""

END_SECONDS = 5.0


def need_extra() -> None:
    """Raise UpshotError `unavailable` when this server was installed without the extra `reports`."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UpshotError(
            f"reports need the extra `reports` of upshot-server; {', '.join(missing)} is not installed",
            code="unavailable",
            hint="install it with `uv pip install 'upshot-server[reports]'`",
        )


class ReportWorker:
    """The worker of a data directory. One instance a server; everything in its event loop."""

    def __init__(self, data: DataPaths) -> None:
        self._data = data
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the worker; None when there is none."""
        return None if self._child is None else self._child.pid

    async def start(self, url: str) -> None:
        """Start the worker if there is a report, or a run that was asked for, and the extra is there.

        Args:
            url: of this server, as a program on this machine reaches it.
        """
        if await asyncio.to_thread(self._needed):
            try:
                need_extra()
            except UpshotError as error:
                log.warning("no_reports", error=error.message)
                return
            self.wake(url)

    def wake(self, url: str) -> None:
        """Start the worker unless it was started."""
        if self._child is None:
            own = {name: value for name, value in os.environ.items() if not name.startswith("DBOS")}
            self._child = Child(
                "report_worker",
                ("api.reports.worker", str(self._data.root), url),
                own | {"MALLOC_ARENA_MAX": "2"},
                END_SECONDS,
            )
            self._child.start()

    def _needed(self) -> bool:
        for name in self._data.workspaces():
            with contextlib.suppress(UpshotError):  # said elsewhere
                workspace = open_workspace(self._data.workspace(name))
                with contextlib.closing(workspace.manifest) as manifest:
                    if manifest.objects(KIND):
                        return True
        return any(Places(self._data.root).asked.glob("*/*.json"))

    async def stop(self) -> None:
        """End the worker; what it was doing is resumed by the next one."""
        if self._child is not None:
            await self._child.stop()
