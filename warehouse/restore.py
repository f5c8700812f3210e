"""Restore: an export becomes a workspace again, with the same answers, history and days.

Everything is verified before anything is written, and the workspace gets its name last: it is whole or it is not there.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.directory import WriterLock, refusal
from warehouse.errors import InputError, NotFoundError, shown
from warehouse.files import digest, make_folders, sync
from warehouse.layout import DAYS, DAYS_SCHEMA, FORMAT, INDEX, PAGE, ExportedFile, Index, objects_digest, path_of
from warehouse.log import ROWS_BITS
from warehouse.manifest import Change, FileName
from warehouse.paths import WorkspacePaths
from warehouse.progress import Progress, silent
from warehouse.schema import FILE
from warehouse.workspace import open_workspace
from warehouse.writing import measured, publish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from warehouse.paths import DataPaths
    from warehouse.workspace import Workspace
    from warehouse.writing import Written

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\.parquet")
_DAYS_AT_ONCE = 500_000


def read_index(folder: Path) -> Index:
    """Return what an export holds, after looking that its files are there, and no others.

    Raises:
        NotFoundError: the folder is no export.
        InputError: a newer version wrote it, or a file is missing, foreign or of another length; it is named.
    """
    try:
        raw = (folder / INDEX).read_bytes()
    except OSError as error:
        raise NotFoundError(
            f"{folder} is no export: {INDEX} cannot be read: {error.strerror}",
            hint="give a folder that `upshot export` made",
        ) from error
    try:
        form = msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).get("format", msgspec.Raw(b"0"))
        if (number := msgspec.json.decode(form, type=int)) > FORMAT:
            raise InputError(
                f"{folder} has export format {number}; this version of upshot reads up to {FORMAT}",
                hint="a newer upshot wrote it: upgrade, nothing was touched",
            )
        index = msgspec.json.decode(raw, type=Index)
    except msgspec.MsgspecError as error:
        raise InputError(f"{folder / INDEX} is damaged: {error}", hint="take another copy of the export") from error
    listed = {file.path: file for file in index.files}
    for file in index.files:
        _check_place(folder, file)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name not in (*listed, INDEX, PAGE) and not (path.is_dir() and not path.is_symlink()):
            raise InputError(f"{path} is not part of the export", hint="move it elsewhere; nothing was restored")
    if len(listed) != len(index.files) or DAYS not in listed:
        raise InputError(f"{folder / INDEX} is damaged: its list of files is not whole")
    if objects_digest(index.objects) != index.objects_sha256:
        raise InputError(
            f"{folder / INDEX} is damaged: its saved queries do not match their digest",
            hint="take another copy of the export; nothing was restored",
        )
    return index


def restore(
    folder: Path, data: DataPaths, name: str | None = None, *, progress: Progress = silent
) -> tuple[str, Index]:
    """Make a workspace of an export, by default under its own name; return the name and what the export held.

    Once it returns, every answer of the exported workspace is answered alike, also with `known_at`; a late resend
    meets its twin; what arrives from now on counts as later. When it raises, nothing of it is there.

    Raises:
        InputError: the export is not whole or too new, or the workspace is not empty.
        TransientError: another process writes into the data directory, or its disk is full.
    """
    index = read_index(folder)
    name = name or index.workspace
    paths = data.workspace(name)
    total, done = 2 * sum(file.bytes for file in index.files), 0
    for file in index.files:
        progress(f"checking {file.path}", done, total)
        _verify(folder, file)
        done += file.bytes
    try:
        with WriterLock(data):
            _check_empty(paths)
            # Beside the workspaces, where neither a server nor a later restore takes it for one.
            building = WorkspacePaths(data.root / f"{name}.restoring")
            shutil.rmtree(building.root, ignore_errors=True)
            make_folders(building.root, data.root)
            try:
                _build(folder, index, building, lambda what, more: progress(what, done + more, total))
                _swap(building, paths, data)
            except BaseException:
                shutil.rmtree(building.root, ignore_errors=True)
                raise
    except OSError as error:
        raise refusal(error, data.root) from error
    progress("done", total, total)
    return name, index


def _check_place(folder: Path, file: ExportedFile) -> None:
    name = file.path.rpartition("/")[2]
    days = file.table == "key_day" and file.path == DAYS
    if not days and (
        file.table not in FILE
        or not _NAME.fullmatch(name)
        or file.path != path_of(file.table, file.day, name, current=file.current)
    ):
        raise InputError(f"{folder / INDEX} names {shown(file.path)}, which is no file of an export")
    path = folder / file.path
    if not path.is_file() or path.is_symlink():
        raise InputError(f"{path} is missing", hint="take another copy of the export; nothing was restored")
    if (size := path.stat().st_size) != file.bytes:
        raise InputError(f"{path} has {size} bytes, {INDEX} says {file.bytes}", hint="take another copy of the export")


def _verify(folder: Path, file: ExportedFile) -> None:
    path = folder / file.path
    try:
        if digest(path) != file.sha256:
            raise InputError(f"the content of {path} does not match its digest", hint="take another copy of the export")
        facts = pq.read_metadata(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    wanted = DAYS_SCHEMA.names if file.path == DAYS else [column.name for column in FILE[file.table].stored]
    names = facts.schema.to_arrow_schema().names
    if names != wanted or facts.num_rows != file.rows:
        raise InputError(f"{path} has other columns or another number of rows than {INDEX} says")


def _check_empty(paths: WorkspacePaths) -> None:
    """Raise InputError unless the workspace is missing, or there and never written to."""
    if not paths.root.exists():
        return
    made = {paths.database.with_name(f"{paths.database.name}{end}") for end in ("", "-wal", "-shm")}
    others = [path for path in sorted(paths.root.iterdir()) if path not in {*made, paths.pins, paths.scratch}]
    used = bool(others)
    if not used and paths.database.exists():
        workspace = open_workspace(paths)
        try:
            snapshot, entries = workspace.manifest.read(None, max_rows=1)
            given = set(workspace.manifest.settings()) - {"salt"}  # every workspace is born with one
            objects = workspace.manifest.all_objects()
            used = bool(snapshot.version or snapshot.sealed or entries or given or objects)
        finally:
            workspace.manifest.close()
    if used:
        what = f" ({others[0].name} is there)" if others else ""
        raise InputError(f"{paths.root} is not empty{what}", hint="restore into a new --data or another --workspace")


def _build(folder: Path, index: Index, building: WorkspacePaths, progress: Callable[[str, int], None]) -> None:
    """Copy the files, then make them live in one commit."""
    workspace = open_workspace(building)
    try:
        last, done = index.sealed, 0
        written: list[Written] = []
        for number, file in enumerate(one for one in index.files if one.path != DAYS):
            progress(f"copying {file.path}", done)
            scratch = workspace.files.scratch()
            shutil.copyfile(folder / file.path, scratch)
            # A name of its own: those of seals and merges are given anew here.
            place = FileName(file.table, file.day, f"restored-{number:08d}.parquet")
            one = measured(scratch, FILE[file.table], place, current=file.current)
            if one.new.file.sha256 != file.sha256:
                raise InputError(f"{folder / file.path} changed while it was read; nothing was restored")
            written.append(one)
            last = max(last, _last_position(scratch))
            publish(workspace.manifest, workspace.files, [one])
            done += file.bytes
        progress("making it live", done)
        _settle(workspace, folder, index, written, last)
    finally:
        workspace.manifest.close()


def _settle(workspace: Workspace, folder: Path, index: Index, written: list[Written], last: int) -> None:
    manifest = workspace.manifest
    for name, value in index.settings.items():
        manifest.set(name, value)
    manifest.keep_objects(index.objects)
    for days in _days(folder):
        manifest.commit(Change(manifest.read(None, max_rows=0)[0].version, days=days))
    version = manifest.read(None, max_rows=0)[0].version
    manifest.commit(Change(version, [one.new for one in written], sealed=last or None, tombstones=index.tombstones))
    manifest.start_after(last)


def _days(folder: Path) -> Iterator[dict[int, int]]:
    with pq.ParquetFile(folder / DAYS) as file:
        for part in file.iter_batches(_DAYS_AT_ONCE):
            yield dict(zip(part["hash"].to_numpy().tolist(), part["day"].to_numpy().tolist(), strict=True))


def _last_position(path: Path) -> int:
    """Return the highest log position of a file's rows."""
    arrivals = pq.read_table(path, columns=["_arrival"])["_arrival"].to_numpy()
    return int(arrivals.max()) >> ROWS_BITS if len(arrivals) else 0


def _swap(building: WorkspacePaths, paths: WorkspacePaths, data: DataPaths) -> None:
    """Give the finished workspace its name, in the place of an empty one."""
    for path in sorted(building.root.rglob("*"), reverse=True):
        if path.is_dir():
            with contextlib.suppress(OSError):  # only what is empty goes
                path.rmdir()
    make_folders(paths.root.parent, data.root)
    shutil.rmtree(paths.root, ignore_errors=True)
    sync(building.root)
    building.root.rename(paths.root)
    sync(paths.root.parent)
    sync(data.root)
