"""Editions: what came of each run of a report, a folder each, there whole or not at all.

DATA/reports/WORKSPACE/NAME/EDITION/edition.json      what follows below, as JSON
                                   /notebook.ipynb    executed, also when it failed: as far as it came
                                   /report.html       one file, nothing from elsewhere
                                   /chart.png         the first chart, when there is one
                                   /deliveries.ndjson a line for each try to deliver it; grows later
DATA/reports/WORKSPACE/NAME/.EDITION.*                of a run that goes on, or was killed; nothing in it is state
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from api.reports.facts import Change, Fact
from warehouse.errors import InputError, NotFoundError, UpshotError, shown
from warehouse.files import make_folders, sync
from warehouse.ids import workspace_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["FILES", "Change", "Edition", "Editions", "Fact", "Failure", "key"]

FILES = ("notebook.ipynb", "report.html", "chart.png")
"""Files that an edition may have beside `edition.json`."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FACTS = "edition.json"


class Failure(msgspec.Struct, frozen=True):
    """Why a run failed."""

    name: str
    """Of the exception, or time_limit, memory_limit, output_limit, folder_limit, kernel_died."""
    message: str
    cell: int | None = None
    """Number of the cell from 1, of all cells of the notebook that ran; None: it was in none."""
    source: str = ""
    """First line of that cell."""


class Edition(msgspec.Struct, frozen=True):
    """What came of one run."""

    id: str
    report: str
    workspace: str
    version: int
    """Of the report's definition."""
    status: str
    """done or failed."""
    scheduled_for: str | None
    """The time of the schedule it was made for, ISO 8601 with Z; None: somebody asked."""
    started_at: str
    ended_at: str
    known_at: str
    """Everything the notebook asked is as known then."""
    params: dict[str, Any]
    facts: dict[str, Fact] = {}
    changes: tuple[Change, ...] = ()
    """Against the edition before it that is done."""
    has_chart: bool = False
    error: Failure | None = None
    seconds: float = 0.0
    peak_mb: float = 0.0
    """Most memory that the notebook's processes had at one time."""
    title: str = ""
    compared_with: str | None = None
    """Id of the edition that `changes` are against; None: there was none."""
    warnings: tuple[str, ...] = ()
    """What of the sandbox this machine does not have."""


class Editions:
    """The editions of all workspaces. Any number of processes may use one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        """DATA/reports."""

    def path(self, workspace: str, report: str, id_: str, file: str = "") -> Path:
        """Return where an edition, or a file of it, is or would be; raises InputError for an id that is none."""
        if not _ID.fullmatch(id_):
            raise InputError(f"edition {shown(id_)} is not an id: 1 to 64 of a-z, A-Z, 0-9, _ and -")
        folder = self._folder(workspace, report) / id_
        return folder / file if file else folder

    def keep(self, edition: Edition, files: Mapping[str, bytes]) -> Edition:
        """Keep an edition with its files; once it returns they are on disk, all of them.

        When its id is kept already, that one stays and is returned: who makes an edition twice has one.

        Args:
            edition: what is known of it.
            files: name (of `FILES`) -> content.
        """
        target = self.path(edition.workspace, edition.report, edition.id)
        with self.scratch(edition.workspace, edition.report, edition.id) as folder:
            for name, content in {**files, _FACTS: msgspec.json.encode(edition)}.items():
                path = folder / name
                path.write_bytes(content)
                sync(path)
            sync(folder)
            with contextlib.suppress(OSError):  # a folder that is not empty is never replaced: rename(2)
                folder.rename(target)
            sync(target.parent)
        return self.get(edition.workspace, edition.report, edition.id)

    def get(self, workspace: str, report: str, id_: str) -> Edition:
        """Return an edition; raises NotFoundError."""
        found = self._read(self.path(workspace, report, id_))
        if found is None:
            raise NotFoundError(f"the report {shown(report)} has no edition {shown(id_)}")
        return found

    def file(self, workspace: str, report: str, id_: str, name: str) -> Path:
        """Return the path of a file of an edition; raises NotFoundError when the edition or the file is not there."""
        self.get(workspace, report, id_)
        path = self.path(workspace, report, id_, name)
        if name not in FILES or not path.is_file():
            raise NotFoundError(f"edition {shown(id_)} of the report {shown(report)} has no file {shown(name)}")
        return path

    def list(self, workspace: str, report: str, limit: int | None = None) -> list[Edition]:
        """Return the editions of a report, newest first: by what they know, then by when they began."""
        folder = self._folder(workspace, report)
        paths = [path for path in folder.iterdir() if _ID.fullmatch(path.name)] if folder.is_dir() else []
        known = [edition for path in paths if (edition := self._read(path)) is not None]
        return sorted(known, key=_age, reverse=True)[:limit]

    def newest(
        self, workspace: str, report: str, before: str | None = None, status: str | None = None
    ) -> Edition | None:
        """Return the newest edition, None when there is none.

        Args:
            workspace: whose.
            report: of what.
            before: only those that know less than what was known then (ISO 8601 with Z).
            status: only those that are done, or failed.
        """
        known = (
            edition
            for edition in self.list(workspace, report)
            if (before is None or edition.known_at < before) and status in {None, edition.status}
        )
        return next(known, None)

    @contextlib.contextmanager
    def scratch(self, workspace: str, report: str, id_: str) -> Iterator[Path]:
        """Give a folder beside where an edition will be, for as long as it is made."""
        target = self.path(workspace, report, id_)
        make_folders(target.parent, self._root.parent)
        folder = tempfile.mkdtemp(prefix=f".{id_}.{os.getpid()}.", dir=target.parent)
        made = target.parent / folder
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def clear_scratch(self) -> None:
        """Remove what killed runs left behind. Only for who knows that no run goes on."""
        for folder in self._root.glob("*/*/.*"):
            shutil.rmtree(folder, ignore_errors=True)

    def remove(self, workspace: str, report: str) -> None:
        """Remove all editions of a report."""
        shutil.rmtree(self._folder(workspace, report), ignore_errors=True)

    def _folder(self, workspace: str, report: str) -> Path:
        name = quote(report, safe="").replace(".", "%2E") if report.startswith(".") else quote(report, safe="")
        if not 0 < len(name) < 256:  # noqa: PLR2004 - file systems' bound
            raise InputError(f"report {shown(report)} cannot be the name of a folder")
        return self._root / workspace_name(workspace) / name

    def _read(self, folder: Path) -> Edition | None:
        try:
            return msgspec.json.decode((folder / _FACTS).read_bytes(), type=Edition)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UpshotError(f"the edition in {folder.name} is damaged: {error}", code="internal") from None


def _age(edition: Edition) -> tuple[str, str]:
    return edition.known_at, edition.started_at


def key(report: str, moment: str) -> str:
    """Return the id of the edition of a schedule's time: the same whenever and wherever it is asked for.

    Args:
        report: its name.
        moment: the time of the schedule, ISO 8601 with Z.
    """
    plain = re.sub(r"[^A-Za-z0-9]+", "-", report).strip("-")[:24]
    stamp = re.sub(r"[^0-9TZ]", "", moment.partition(".")[0].removesuffix("Z") + "Z")
    digest = hashlib.sha256(f"{report}\0{moment}".encode()).hexdigest()[:12]
    return f"{plain}-{stamp}-{digest}"
