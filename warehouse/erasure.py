"""Erasure: everything that belongs to a run, a session or a user leaves the disk, and does not come back.

    seal the log -> find the rows -> one commit hides them, blocks late retries and notes the audit line   (`erase`)
    -> write their files anew -> unlink the old ones -> write the log's file anew -> done                  (`advance`)

Once `erase` returns no later query sees the rows. Killed before that commit, nothing has happened; killed after it, the
keeper goes on where it was, without knowing whom it erases.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import structlog

from warehouse.belongings import Found, Subject, find
from warehouse.clock import iso
from warehouse.engine import DataErrors, connect
from warehouse.engine import Error as EngineError
from warehouse.errors import NotFoundError, TransientError
from warehouse.ids import key_hash, new_id
from warehouse.integrity import examine
from warehouse.log import Encoded, decode, encode
from warehouse.manifest import Change, Erasure, Hidden, StaleError, Tombstone
from warehouse.schema import FILE, TABLES
from warehouse.sealing import TRIM_BYTES, Limits, Sealer
from warehouse.tombstones import Blocked, subject_hash
from warehouse.upkeep import unlink
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from warehouse.clock import Clock
    from warehouse.compaction import Compactor
    from warehouse.manifest import Manifest, Snapshot
    from warehouse.paths import WorkspacePaths
    from warehouse.workspace import Workspace

log = structlog.get_logger("erasure")

ATTEMPTS = 20
"""How often the rows are looked for anew because others were sealed meanwhile."""

SEAL_SECONDS = 60.0
"""How long the keeper may take to seal what was in the log when the erasure was asked for."""

_MEMORY = "512MB"
_POLL_SECONDS = 0.05
_PUBLIC = {table.source: table.name for table in TABLES if table.source} | {
    name: name for name in ("session_runs", "trace_runs")
}


def erase(
    workspace: Workspace, subject: Subject, clock: Clock, *, settle: Callable[[Workspace], None] | None = None
) -> Erasure:
    """Hide everything that belongs to `subject`, for every query that starts later, and block late retries of it.

    Rows that were acknowledged before the call are hidden with the others: `settle` seals them (when not given, the
    keeper is asked to, and waited for). Rows that arrive meanwhile are dropped when they are taken from the log.

    Raises:
        NotFoundError: there is nothing of it; nothing was changed.
        TransientError: a file that may hold rows of it is damaged, or the keeper does not seal; nothing was changed.
    """
    manifest = workspace.manifest
    asked_at = clock()
    spill = workspace.files.scratch().with_suffix(".spill")
    con = connect(threads=2, memory=_MEMORY, spill=str(spill))
    pin = manifest.pin()
    try:
        for _ in range(ATTEMPTS):
            (settle or sealed_by_keeper)(workspace)
            pin.protect()
            snapshot, _ = manifest.read(None, max_rows=0)
            pin.hold(snapshot.version)
            found = find(con, workspace.files, snapshot, subject)
            if not found.rows:
                raise NotFoundError(f"there is nothing of that {subject.kind} in the workspace")
            change = _change(snapshot, subject, found, asked_at, clock())
            try:
                version = manifest.commit(change)
            except StaleError:
                continue
            assert change.erasure is not None  # noqa: S101 - `_change` always makes one
            log.info("erased", erasure=change.erasure.id, kind=subject.kind, rows=sum(found.live.values()))
            return replace(change.erasure, version=version)
    except EngineError as error:
        raise TransientError(f"the files could not be searched: {str(error).partition(chr(10))[0]}") from error
    finally:
        pin.close()
        con.close()
    raise TransientError(
        f"rows were sealed during each of {ATTEMPTS} searches; nothing was erased", hint="try again later"
    )


def _change(snapshot: Snapshot, subject: Subject, found: Found, asked_at: int, now: int) -> Change:
    places = {file.id: file.place for file in snapshot.files if file.id in found.rows}
    files = [_PUBLIC[place.table] for place in places.values()]
    hashed = subject.hashed(snapshot.salt)
    also = {"run": found.runs, "event": found.events, "trace": found.traces - found.runs, "span": found.spans}
    stones = [
        Tombstone(kind, subject_hash(snapshot.salt, kind, id_), now) for kind in also for id_ in sorted(also[kind])
    ]
    if subject.kind != "run":
        stones.append(Tombstone(subject.kind, hashed, now))
    return Change(
        snapshot.version,
        hidden={id_: Hidden(everywhere=rows) for id_, rows in found.rows.items()},
        tombstones=stones,
        erasure=Erasure(
            id=new_id(asked_at // 1_000),
            kind=subject.kind,
            subject=hashed,
            asked_at=asked_at,
            rows={_PUBLIC[table]: rows for table, rows in sorted(found.live.items())},
            files={table: files.count(table) for table in sorted(set(files))},
            position=snapshot.sealed,
            awaited=tuple(sorted(places.values())),
        ),
        forgotten=[key_hash(id_) for id_ in sorted(found.day_ids)],
    )


def sealed_by_keeper(workspace: Workspace) -> None:
    """Return once the keeper has sealed everything that is in the log by now; raises TransientError."""
    manifest = workspace.manifest
    position = manifest.want_sealed()
    deadline = time.monotonic() + SEAL_SECONDS
    while manifest.read(None, max_rows=0)[0].sealed < position:
        if time.monotonic() > deadline:
            raise TransientError(
                f"the keeper has not sealed the log within {SEAL_SECONDS:.0f} s; nothing was erased", retry_after=60
            )
        time.sleep(_POLL_SECONDS)


def sealed_here(paths: WorkspacePaths, clock: Clock) -> Callable[[Workspace], None]:
    """Return what seals the log in this process: for where no keeper runs."""

    def settle(_workspace: Workspace) -> None:
        sealer = Sealer(open_workspace(paths), Limits(), clock)
        try:
            while sealer.seal():
                pass
        finally:
            sealer.close()

    return settle


def advance(workspace: Workspace, compactor: Compactor, clock: Clock) -> bool:
    """Bring the erasures that are not done one step on; tell whether there was one that could be taken.

    Runs in the thread that compacts: no compaction is in its middle. Whatever a step was killed in, it is taken again.
    """
    pending = [erasure for erasure in workspace.manifest.erasures() if erasure.done_at is None]
    if not pending:
        return False
    moved = [_STEPS[erasure.stage](workspace, compactor, erasure) for erasure in pending if erasure.stage in _STEPS]
    return any(moved) or _finish(workspace, clock)


def _widen(workspace: Workspace, _compactor: Compactor, erasure: Erasure) -> bool:
    """Take note of where the rows may have gone: a compaction that ran at the commit carried them into new files."""
    position = workspace.manifest.want_sealed()
    snapshot, _ = workspace.manifest.read(None, max_rows=0)
    partitions = {(place.table, place.day) for place in erasure.awaited}
    carried = {
        file.place
        for file in snapshot.files
        if (file.place.table, file.place.day) in partitions
        and file.id in snapshot.hidden
        and len(snapshot.hidden[file.id].everywhere)
    }
    awaited = tuple(sorted(carried.union(erasure.awaited)))
    workspace.manifest.note_erasure(replace(erasure, stage="rewriting", position=position, awaited=awaited))
    return True


def _rewrite(workspace: Workspace, compactor: Compactor, erasure: Erasure) -> bool:
    """Write one of the files anew that are still live; when none is, all old ones are to be unlinked."""
    manifest = workspace.manifest
    pin = manifest.pin()
    try:
        pin.protect()
        snapshot, _ = manifest.read(None, max_rows=0)
        pin.hold(snapshot.version)
        awaited = set(erasure.awaited)
        live = [file for file in snapshot.files if file.place in awaited]
        for file in live:
            reason = file.damaged or examine(workspace.files, file)
            if not reason:
                return compactor.rewrite(snapshot, [file]) > 0
            if not file.damaged:
                manifest.mark(file.id, damaged=reason)
    except StaleError:
        return False  # too much was hidden in it meanwhile; the next time it is chosen anew
    finally:
        pin.close()
    if live:
        _wait(manifest, erasure, f"{len(live)} damaged files, the first is {live[0].place}; run `upshot doctor`")
        return False
    manifest.note_erasure(replace(erasure, stage="unlinking", awaited=tuple(sorted(manifest.dropped())), waits_for=""))
    return True


def _unlink(workspace: Workspace, _compactor: Compactor, erasure: Erasure) -> bool:
    """Unlink what no reader needs, until everything that was dropped by the end of the rewriting is off the disk."""
    manifest = workspace.manifest
    unlink(workspace)
    left = set(erasure.awaited).intersection(manifest.dropped())
    if left:
        _wait(manifest, erasure, f"a query that still reads {len(left)} of the old files")
        return False
    manifest.note_erasure(replace(erasure, stage="scouring", awaited=(), waits_for=""))
    return True


_STEPS: dict[str, Callable[[Workspace, Compactor, Erasure], bool]] = {
    "hidden": _widen,
    "rewriting": _rewrite,
    "unlinking": _unlink,
}


def _finish(workspace: Workspace, clock: Clock) -> bool:
    """Take what is left off the log's file, once for all erasures that have come so far; then they are done."""
    manifest = workspace.manifest
    snapshot, _ = manifest.read(None, max_rows=0)
    ready: list[Erasure] = []
    for erasure in manifest.erasures():
        if erasure.stage == "scouring" and erasure.position <= snapshot.sealed:
            ready.append(erasure)
        elif erasure.stage == "scouring":
            manifest.want_sealed()
            _wait(manifest, erasure, "rows that arrived meanwhile to be sealed")
    if not ready:
        return False
    while manifest.trim(TRIM_BYTES):
        pass
    unsearched = clear_quarantine(workspace, snapshot)
    if not manifest.scour():
        for erasure in ready:
            _wait(manifest, erasure, "a reader of the log")
        return False
    for erasure in ready:
        manifest.note_erasure(replace(erasure, stage="done", waits_for="", unsearched=unsearched, done_at=clock()))
        log.info("erasure_done", erasure=erasure.id, kind=erasure.kind)
    return True


def clear_quarantine(workspace: Workspace, snapshot: Snapshot) -> int:
    """Take erased rows out of quarantined log entries; return how many things put aside cannot be searched."""
    unsearched = len(list(workspace.paths.quarantine.iterdir())) if workspace.paths.quarantine.is_dir() else 0
    con = connect(threads=1, memory=_MEMORY)
    blocked = Blocked(con)
    blocked.know(snapshot)
    try:
        for entry in workspace.manifest.quarantine():
            try:
                rows = decode(entry.payload)
                kept = blocked.without(FILE[entry.table], rows)
            except (*DataErrors, KeyError, pa.ArrowException):
                unsearched += 1
                continue
            if kept.num_rows < rows.num_rows:
                again: Sequence[Encoded] = (
                    encode({entry.table: kept.combine_chunks().to_batches()[0]}) if len(kept) else ()
                )
                workspace.manifest.replace_quarantined(entry.seq, len(kept), again[0].payload if again else b"")
    finally:
        con.close()
    return unsearched


def _wait(manifest: Manifest, erasure: Erasure, reason: str) -> None:
    if erasure.waits_for != reason:
        manifest.note_erasure(replace(erasure, waits_for=reason))


def audit_line(erasure: Erasure) -> str:
    """Return what was erased, when and from where, in one line that names nobody."""
    tables = ", ".join(f"{table} {rows}" for table, rows in erasure.rows.items()) or "no row that still counted"
    done = f"done {iso(erasure.done_at)}" if erasure.done_at is not None else f"not done: {erasure.stage}"
    waits = f", waits for {erasure.waits_for}" if erasure.waits_for else ""
    unsearched = f"; {erasure.unsearched} damaged things put aside could not be searched" if erasure.unsearched else ""
    return (
        f"erasure {erasure.id}: {erasure.kind} {erasure.subject}; rows: {tables}; "
        f"files: {sum(erasure.files.values())}; asked {iso(erasure.asked_at)}, {done}{waits}{unsearched}"
    )


__all__ = ["Subject", "advance", "audit_line", "erase", "sealed_by_keeper", "sealed_here"]
