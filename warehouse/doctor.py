"""The doctor: is everything on disk what the manifest says, and what can be done where it is not.

Checking changes nothing and goes on beside a running server. Repairing needs the writer's lock; it sets damaged files
aside, so that questions go on without their rows, and never touches what upshot did not make.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from warehouse import keys
from warehouse.clock import iso
from warehouse.directory import check_database, read_only
from warehouse.errors import InputError, UpshotError
from warehouse.inspection import doubles, inspect, strangers
from warehouse.log import decode
from warehouse.manifest import Change, Hidden
from warehouse.progress import Progress, silent
from warehouse.schema import FILE
from warehouse.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from warehouse.clock import Clock
    from warehouse.manifest import FileName, SealedFile, Snapshot
    from warehouse.paths import DataPaths, WorkspacePaths

Severity = Literal["error", "warning", "note"]
"""error: answers fail or are wrong; warning: somebody should look; note: as it should be, or soon will be."""

LOG_ROWS, LOG_BYTES = 250_000, 64 << 20
"""How much of the log is read at a time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the doctor saw."""

    severity: Severity
    code: str
    workspace: str
    """Empty: the data directory itself."""
    place: str
    what: str
    repair: str = ""
    """What `--repair` would do, or what a person can."""
    rows: int = 0
    """Rows that are in no answer once it is repaired."""
    done: str = ""
    """What the repair did."""
    act: Callable[[], str] | None = field(default=None, repr=False, compare=False)


def examine(
    data: DataPaths, names: Sequence[str], clock: Clock, *, repair: bool = False, progress: Progress = silent
) -> Iterator[Finding]:
    """Check server.db and these workspaces; with `repair` also mend what safely can be (the caller holds the lock)."""
    yield from _server(data)
    for name in names:
        try:
            paths = data.workspace(name)
        except InputError as error:
            yield Finding("warning", "stranger", name, f"workspaces/{name}", error.message, "move it elsewhere")
            continue
        for finding in _workspace(name, paths, clock, progress):
            done = finding.act() if repair and finding.act is not None else ""
            yield replace(finding, done=done)


def save_quarantined(data: DataPaths, name: str, folder: Path) -> list[Path]:
    """Write every quarantined log entry of a workspace as it arrived (an Arrow stream) into a folder."""
    workspace = open_workspace(data.workspace(name))
    try:
        saved: list[Path] = []
        for entry in workspace.manifest.quarantine():
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{name}-{entry.seq}-{entry.table}.arrow"
            path.write_bytes(entry.payload)
            saved.append(path)
        return saved
    finally:
        workspace.manifest.close()


def _server(data: DataPaths) -> Iterator[Finding]:
    restore = "restore server.db from a backup; without one, move it away, `touch server.db`, and make new keys"
    if not data.server.exists():
        yield Finding("error", "server_missing", "", "server.db", "it is missing: no server starts here", restore)
        return
    try:
        check_database(data.server, len(keys.STEPS))
        with contextlib.closing(read_only(data.server)) as con:
            problems = [problem for (problem,) in con.execute("PRAGMA integrity_check(10)") if problem != "ok"]
    except (InputError, sqlite3.DatabaseError) as error:
        problems = [str(error)]
    for problem in problems:
        yield Finding("error", "server_damaged", "", "server.db", problem, restore)


def _workspace(name: str, paths: WorkspacePaths, clock: Clock, progress: Progress) -> Iterator[Finding]:
    """Check one workspace, and offer what can be done about each finding while it is open."""
    backup = "restore the workspace from a backup (`upshot restore`)"
    if not paths.database.exists():
        if any(paths.root.iterdir()):
            yield Finding("error", "log_missing", name, "log.db", "it is missing: no row here can be read", backup)
        return
    try:
        workspace = open_workspace(paths)
    except UpshotError as error:
        yield Finding("error", "log_damaged", name, "log.db", error.message, backup)
        return
    pin = workspace.manifest.pin()
    try:
        problems = list(workspace.manifest.check())
        for problem in problems:
            yield Finding("error", "log_damaged", name, "log.db", problem, backup)
        try:
            yield from _contents(_Patient(name, workspace, clock, progress), pin.protect, pin.hold)
        except (UpshotError, sqlite3.DatabaseError) as error:
            if not problems:
                yield Finding("error", "log_damaged", name, "log.db", str(error), backup)
    finally:
        pin.close()
        workspace.manifest.close()


@dataclass(frozen=True, slots=True)
class _Patient:
    name: str
    workspace: Workspace
    clock: Clock
    progress: Progress

    def drop(self, file: SealedFile, *, there: bool) -> str:
        """Set a file aside, then take it out of the manifest: killed in between, it counts as missing."""
        manifest, files = self.workspace.manifest, self.workspace.files
        went = files.set_aside(file.place) if there else ""
        manifest.commit(Change(manifest.read(None, max_rows=0)[0].version, dropped=[file.id]))
        manifest.forget([file.place])
        return f"moved to {went} and taken out of the manifest" if there else "taken out of the manifest"

    def unmark(self, file: SealedFile) -> str:
        """Let questions read a file again."""
        self.workspace.manifest.mark(file.id, damaged="", checked_at=self.clock())
        return "the mark is gone"

    def remove(self, place: FileName) -> str:
        """Remove a file that was announced and never became live."""
        self.workspace.files.remove([place])
        self.workspace.manifest.forget([place])
        return "removed"


def _contents(patient: _Patient, protect: Callable[[], None], hold: Callable[[int], None]) -> Iterator[Finding]:
    workspace = patient.workspace
    manifest = workspace.manifest
    protect()
    odd, aside = strangers(workspace), _set_aside(workspace.paths)
    announced = manifest.leftovers()
    snapshot, _ = manifest.read(None, max_rows=0)
    hold(snapshot.version)
    dropped = manifest.dropped()
    whole: list[SealedFile] = []
    yield from _files(patient, snapshot, whole)
    yield from _keys(patient, snapshot, whole)
    yield from _log(patient, snapshot)
    live = {file.place for file in snapshot.files}
    for path in odd:
        place = str(path.relative_to(workspace.paths.root))
        what = "upshot did not make this file; it is never read and never removed"
        yield Finding("warning", "stranger", patient.name, place, what, "move it elsewhere, by hand")
    for place in announced:
        if place not in live:
            what = "left by a write that did not end, or being written now; no answer reads it"
            offer = "remove it (the next start of the server does so too)"
            yield Finding(
                "note", "leftover", patient.name, str(place), what, offer, act=lambda p=place: patient.remove(p)
            )
    for place in dropped:
        what = "replaced by a newer file; it goes once no question reads it any more"
        yield Finding("note", "dropped", patient.name, str(place), what)
    for entry in manifest.quarantine():
        what = (
            f"{entry.rows} rows of {entry.table}, received {iso(entry.received_at)}, are in no answer: {entry.reason}"
        )
        offer = "write it to a file with --quarantined FOLDER, and send its rows again"
        yield Finding("warning", "quarantined", patient.name, f"log entry {entry.seq}", what, offer)
    for name in aside:
        what = "set aside by an earlier repair; its rows are in no answer"
        yield Finding("note", "set_aside", patient.name, f"quarantine/{name}", what)


def _set_aside(paths: WorkspacePaths) -> list[str]:
    return sorted(path.name for path in paths.quarantine.iterdir()) if paths.quarantine.is_dir() else []


def _files(patient: _Patient, snapshot: Snapshot, whole: list[SealedFile]) -> Iterator[Finding]:
    """Check every named file; those that can be trusted are added to `whole`."""
    total, done = sum(file.bytes for file in snapshot.files), 0
    for file in snapshot.files:
        patient.progress(f"{patient.name}: {file.place}", done, total)
        done += file.bytes
        hidden = snapshot.hidden.get(file.id, Hidden())
        lost = file.rows - len(hidden.everywhere)
        problem = inspect(patient.workspace, file, hidden)
        if problem is None:
            whole.append(file)
            if file.damaged:
                what = f"marked as damaged ({file.damaged}), and whole again"
                act = lambda f=file: patient.unmark(f)  # noqa: E731 - bound to this file
                yield Finding("warning", "marked", patient.name, str(file.place), what, "remove the mark", act=act)
            continue
        code, what, there = problem.code, problem.what, problem.there
        if not problem.drop:
            offer = "export the workspace and restore it: that writes its manifest anew"
            yield Finding("error", code, patient.name, str(file.place), what, offer)
            continue
        aside = "set it aside in quarantine/ and go on" if there else "go on"
        act = lambda f=file, t=there: patient.drop(f, there=t)  # noqa: E731
        offer = f"put it back from a backup; or {aside} without its {lost} rows"
        yield Finding("error", code, patient.name, str(file.place), what, offer, lost, act=act)
    patient.progress(f"{patient.name}: files", total, total)
    ids = {file.id for file in snapshot.files}
    for id_ in sorted(set(snapshot.hidden) - ids):
        what = f"{len(snapshot.hidden[id_])} rows are hidden in a file that is not live; no answer is changed by it"
        yield Finding("warning", "hidden_nowhere", patient.name, f"file {id_}", what)


def _keys(patient: _Patient, snapshot: Snapshot, whole: Sequence[SealedFile]) -> Iterator[Finding]:
    offer = "report it to the makers of upshot with the names of the files: this should not happen"
    for place, code, what in doubles(patient.workspace, whole, snapshot.hidden):
        yield Finding("error", code, patient.name, place, what, offer)


def _log(patient: _Patient, snapshot: Snapshot) -> Iterator[Finding]:
    """Check that every entry that waits to be sealed can be decoded."""
    after = snapshot.sealed
    while True:
        _, entries = patient.workspace.manifest.read(snapshot, after, max_rows=LOG_ROWS, max_bytes=LOG_BYTES)
        for entry in entries:
            after = entry.seq
            reason = "" if entry.payload else "it does not match its checksum"
            if entry.table not in FILE:
                reason = f"there is no table {entry.table!r}"
            elif not reason:
                try:
                    rows = decode(entry.payload).num_rows
                    reason = "" if rows == entry.rows else f"it has {rows} rows, the log says {entry.rows}"
                except (pa.ArrowException, OSError, ValueError) as error:
                    reason = str(error).partition("\n")[0]
            if reason:
                what = f"{entry.rows} rows of {entry.table} cannot be read: {reason}"
                offer = "the running server puts it into quarantine when it comes to it"
                yield Finding("error", "entry_damaged", patient.name, f"log entry {entry.seq}", what, offer, entry.rows)
        if not entries:
            return
