"""Export: a consistent snapshot of one workspace as plain Parquet that anything can read.

Written beside its final name, fsynced, and renamed last: an export that has its name is whole.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shutil
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.clock import iso
from warehouse.directory import WriterLock, refusal
from warehouse.engine import Error as EngineError
from warehouse.engine import connect, text
from warehouse.errors import InputError, TransientError
from warehouse.files import digest, sync
from warehouse.fold import quoted
from warehouse.integrity import damaged, verify
from warehouse.layout import DAYS, DAYS_SCHEMA, FORMAT, INDEX, PAGE, ExportedFile, Index, objects_digest, path_of
from warehouse.manifest import Hidden
from warehouse.progress import Progress, silent
from warehouse.schema import FILE
from warehouse.schema_page import export_page
from warehouse.sealing import Limits, Sealer
from warehouse.stage import sealed_rows
from warehouse.workspace import open_workspace
from warehouse.writing import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warehouse.clock import Clock
    from warehouse.engine import Connection
    from warehouse.manifest import SealedFile, Snapshot
    from warehouse.paths import DataPaths
    from warehouse.workspace import Workspace

PATIENCE_SECONDS = 60.0
"""How long the running keeper may seal nothing before the export gives up."""

_DAYS_AT_ONCE = 1_000_000
_POLL_SECONDS = 0.1


def export(data: DataPaths, name: str, target: Path, clock: Clock, progress: Progress = silent) -> Index:
    """Write everything acknowledged by now of a workspace to `target`, a new or empty folder; return what it holds.

    Works beside a running server and without one.

    Raises:
        InputError: `target` is not empty, is inside the data directory, or cannot be written.
        TransientError: a sealed file is damaged, the disk is full, or the keeper does not seal.
    """
    target = _checked(data, target)
    workspace = open_workspace(data.workspace(name))
    pin = workspace.manifest.pin()
    try:
        seal_now(data, name, workspace, clock)
        pin.protect()
        snapshot, _ = workspace.manifest.read(None, max_rows=0)
        pin.hold(snapshot.version)
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}-", suffix=".unfinished", dir=target.parent))
        try:
            return _write(workspace, snapshot, folder, target, name=name, clock=clock, progress=progress)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except OSError as error:
        raise refusal(error, target) from error
    except EngineError as error:
        code = "disk_full" if "No space left" in str(error) else "unavailable"
        raise TransientError(f"cannot write {target}: {error}", code=code) from error
    finally:
        pin.close()
        workspace.manifest.close()


def seal_now(data: DataPaths, name: str, workspace: Workspace, clock: Clock) -> None:
    """Return once everything that is in the log by now is in files: by the running keeper, or else by ourselves."""
    wanted = workspace.manifest.want_sealed()
    try:
        lock = WriterLock(data)
    except TransientError:
        _await_keeper(workspace, wanted)
        return
    with lock, contextlib.closing(Sealer(open_workspace(data.workspace(name)), Limits(), clock)) as sealer:
        while sealer.seal():
            pass


def _await_keeper(workspace: Workspace, wanted: int) -> None:
    snapshot, _ = workspace.manifest.read(None, max_rows=0)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while snapshot.sealed < wanted:
        time.sleep(_POLL_SECONDS)
        before = snapshot.sealed
        snapshot, _ = workspace.manifest.read(snapshot, max_rows=0)
        if snapshot.sealed > before:
            deadline = time.monotonic() + PATIENCE_SECONDS
        elif time.monotonic() > deadline:
            raise TransientError(
                f"the log is sealed up to {snapshot.sealed}, {wanted} is wanted, and nothing moved for "
                f"{PATIENCE_SECONDS:.0f} s",
                hint="look at the server's log for seal_failed",
            )


def _checked(data: DataPaths, target: Path) -> Path:
    target = target.resolve()
    if target == data.root or data.root in target.parents:
        raise InputError(f"{target} is inside the data directory", hint="give a folder elsewhere")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} is there already and not an empty folder", hint="give a new or empty folder")
    return target


def _write(
    workspace: Workspace, snapshot: Snapshot, folder: Path, target: Path, *, name: str, clock: Clock, progress: Progress
) -> Index:
    files: list[ExportedFile] = []
    total, done = sum(file.bytes for file in snapshot.files), 0
    with contextlib.closing(connect(memory="512MB", spill=str(folder / "spill"))) as con:
        for file in snapshot.files:
            progress(str(file.place), done, total)
            files.extend(_file(workspace, con, file, snapshot.hidden.get(file.id, Hidden()), folder))
            done += file.bytes
    shutil.rmtree(folder / "spill", ignore_errors=True)
    files.append(_days(workspace, folder))
    progress("syncing to disk", total, total)
    objects = workspace.manifest.all_objects()
    index = Index(
        FORMAT,
        importlib.metadata.version("upshot-server"),
        name,
        snapshot.version,
        snapshot.sealed,
        iso(clock()),
        files,
        workspace.manifest.settings(),
        list(snapshot.tombstones),
        len(workspace.manifest.quarantine()),
        objects,
        objects_digest(objects),
    )
    (folder / PAGE).write_text(export_page())
    (folder / INDEX).write_bytes(msgspec.json.format(msgspec.json.encode(index), indent=1))
    folder.chmod(0o777 & ~_umask())
    for path in sorted(folder.rglob("*"), reverse=True):
        sync(path)
    sync(folder)
    folder.rename(target)
    sync(target.parent)
    return index


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _file(
    workspace: Workspace, con: Connection, file: SealedFile, hidden: Hidden, folder: Path
) -> Iterator[ExportedFile]:
    """Write the live rows of one sealed file: a copy where all of them are of one kind, else the rows themselves."""
    table, day, name = file.place
    if workspace.files.stamp(file.place) is None:
        raise damaged(file, "it is missing")
    if not hidden:
        path = path_of(table, day, name, current=file.current)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(workspace.files.location(file.place), folder / path)
        if digest(folder / path) != file.sha256:
            raise damaged(file, "its content does not match its digest")
        yield ExportedFile(path, table, day, file.current, file.rows, file.bytes, file.sha256)
        return
    verify(workspace.files, file)
    columns = quoted(column.name for column in FILE[table].stored)
    live = sealed_rows(con, workspace.files, [file], {file.id: hidden})
    for current in (True, False) if file.current else (False,):
        replaced = name if current or not file.current else f"{name.removesuffix('.parquet')}-replaced.parquet"
        path = path_of(table, day, replaced, current=current)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        con.execute(
            f"COPY (SELECT {columns} FROM ({live}) WHERE _current = {current} ORDER BY _row) "
            f"TO {text(str(folder / path))} ({OPTIONS})"
        )
        whole = folder / path
        if rows := pq.read_metadata(whole).num_rows:
            yield ExportedFile(path, table, day, current, rows, whole.stat().st_size, digest(whole))
        else:
            whole.unlink()
            for parent in list(whole.parents)[:3]:
                with contextlib.suppress(OSError):  # others are in it
                    parent.rmdir()


def _days(workspace: Workspace, folder: Path) -> ExportedFile:
    """Write the day of every id without a time, sorted by hash."""
    path = folder / DAYS
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = 0
    days = workspace.manifest.all_days()
    with pq.ParquetWriter(path, DAYS_SCHEMA, compression="zstd") as writer:
        while part := list(islice(days, _DAYS_AT_ONCE)):
            hashes, numbers = zip(*part, strict=True)
            writer.write_table(pa.table({"hash": hashes, "day": numbers}, schema=DAYS_SCHEMA))
            rows += len(part)
    return ExportedFile(DAYS, "key_day", 0, True, rows, path.stat().st_size, digest(path))
