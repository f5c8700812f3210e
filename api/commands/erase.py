"""`upshot erase`: takes everything of a run, a session or a user off the disk, for good."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer
from rich.console import Console

from api.commands.remote import KeyOption, Remote, UrlOption
from warehouse.belongings import Subject, subject_of
from warehouse.clock import system_clock
from warehouse.compaction import Compactor
from warehouse.directory import WriterLock, open_directory
from warehouse.erasure import advance, audit_line, erase, sealed_here
from warehouse.errors import InputError, NotFoundError, TransientError, shown
from warehouse.keys import DEFAULT_WORKSPACE
from warehouse.logs import set_up_logs
from warehouse.paths import DataPaths
from warehouse.upkeep import recover
from warehouse.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from collections.abc import Generator

EXAMPLES = (
    "Examples: upshot erase --user u_4711 · upshot erase --session ticket_id=88123 --yes · "
    "upshot erase --run 01K5... --data upshot-data"
)

POLL_SECONDS = 0.2
WAIT_SECONDS = 600.0
"""How long a step may stand still before the command stops waiting; a server goes on without it."""

Progress = tuple[str, str, bool]
"""The stage with what it waits for, the audit line, and whether it is done."""


class Place(Protocol):
    """Where something is erased."""

    def erase(self, subject: Subject) -> Generator[Progress]:
        """Hide it, then yield how far its erasure is, until it is done."""
        ...

    def close(self) -> None:
        """Finish."""
        ...


def erase_command(
    run: Annotated[str | None, typer.Option(help="Id of the run to erase.")] = None,
    session: Annotated[
        str | None, typer.Option(metavar="KEY=ID", help="The session to erase, with all its runs.")
    ] = None,
    user: Annotated[str | None, typer.Option(help="The user_id to erase, with all its runs and spans.")] = None,
    url: UrlOption = None,
    key: KeyOption = None,
    data: Annotated[
        Path | None, typer.Option(help="Erase in this data folder, with no server running, instead of asking one.")
    ] = None,
    workspace: Annotated[str, typer.Option(help="With --data: the workspace.")] = DEFAULT_WORKSPACE,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before erasing.")] = False,
) -> None:
    """Erase a run, a session or a user: hidden at once, then off the disk; it cannot be undone.

    Prints the audit line, which names nobody. Exits 4 when there is nothing of it.
    """
    subject = subject_of(run, None if session is None else session_pair(session), user)
    place: Place = _Server(Remote(url, key)) if data is None else _Folder(data, workspace)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        if not yes and sys.stdin.isatty():
            name = f"{subject.key}={subject.id}" if subject.key else subject.id
            typer.confirm(
                f"Erase everything of {subject.kind} {shown(name)}? It cannot be undone.", abort=True, err=True
            )
        audit, last, moved_at = "", "", time.monotonic()
        with console.status("finding the rows") as status, closing(place.erase(subject)) as steps:
            for stage, audit, done in steps:  # noqa: B007 - the last audit line is printed
                status.update(stage)
                if done:
                    break
                if stage != last:
                    last, moved_at = stage, time.monotonic()
                if time.monotonic() - moved_at > WAIT_SECONDS:
                    raise TransientError(
                        f"the rows are hidden, but not off the disk after {WAIT_SECONDS:.0f} s: {stage}",
                        hint="a server goes on by itself: see GET /v1/erasures; offline, run the server or this again",
                    )
        typer.echo(audit)
    finally:
        place.close()


def session_pair(text: str) -> dict[str, str]:
    """Return KEY=ID as a pair; raises InputError."""
    key, equals, id_ = text.partition("=")
    if not (key and equals and id_):
        raise InputError(f"--session {shown(text)} must be KEY=ID, such as ticket_id=88123")
    return {key: id_}


class _Server:
    """A running server, over HTTP."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def erase(self, subject: Subject) -> Generator[Progress]:
        who: Any = {subject.key: subject.id} if subject.kind == "session" else subject.id
        facts = self._remote.checked("POST", "/v1/erase", json={subject.kind: who}).json()
        while True:
            waits = f", waiting for {facts['waits_for']}" if facts["waits_for"] else ""
            yield f"{facts['stage']}{waits}", facts["audit"], facts["done_at"] is not None
            time.sleep(POLL_SECONDS)
            facts = self._remote.checked("GET", f"/v1/erasures/{facts['id']}").json()

    def close(self) -> None:
        """Nothing to finish: the server goes on."""


class _Folder:
    """A data directory without a server: the same steps in this process."""

    def __init__(self, root: Path, workspace: str) -> None:
        set_up_logs("warning")
        self._lock, self._workspace = existing(root, workspace)

    def erase(self, subject: Subject) -> Generator[Progress]:
        own = self._workspace
        recover(own)
        erasure = erase(own, subject, system_clock, settle=sealed_here(own.paths, system_clock))
        compactor = Compactor(open_workspace(own.paths))
        try:
            while True:
                [now] = [one for one in own.manifest.erasures() if one.id == erasure.id]
                waits = f", waiting for {now.waits_for}" if now.waits_for else ""
                yield f"{now.stage}{waits}", audit_line(now), now.done_at is not None
                sealed_here(own.paths, system_clock)(own)
                if not advance(own, compactor, system_clock):
                    time.sleep(POLL_SECONDS)
        finally:
            compactor.close()

    def close(self) -> None:
        """Let others write."""
        self._workspace.manifest.close()
        self._lock.release()


def existing(root: Path, name: str) -> tuple[WriterLock, Workspace]:
    """Open a workspace of a data folder, held against other writers; both are to be closed.

    Raises:
        NotFoundError: there is no such folder or workspace; none is made.
        TransientError: a server is running over it.
    """
    data = DataPaths(root)
    if not data.server.exists():
        raise NotFoundError(
            f"{root} is no data directory of upshot", hint="give the folder of `upshot serve` to --data"
        )
    if not data.workspace(name).database.exists():
        known = ", ".join(data.workspaces()) or "none"
        raise NotFoundError(f"there is no workspace {shown(name)} in {root}; there are: {known}")
    lock = WriterLock(open_directory(root))
    try:
        return lock, open_workspace(data.workspace(name))
    except BaseException:
        lock.release()
        raise
