"""Where sealed files are kept. One interface, `Files`; here on a local disk.

Elsewhere files are named (`FileName`), never opened by path, so that object storage can take the disk's place.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING, Protocol

from warehouse.ids import day_number
from warehouse.manifest import FileName
from warehouse.schema import FILES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from warehouse.paths import WorkspacePaths

Stamp = tuple[int, int, int]
"""Changes whenever a file's content was changed through the file system: inode, bytes, time of change."""


class Files(Protocol):
    """The sealed files of one workspace."""

    def scratch(self) -> Path:
        """Return a new local path to write a file to before it is published."""
        ...

    def publish(self, scratch: Path, place: FileName) -> None:
        """Give a written file its name. Once it returns the file is whole and on disk under that name."""
        ...

    def location(self, place: FileName) -> str:
        """Return what the engine is told to open."""
        ...

    def roots(self) -> list[str]:
        """Return the prefixes all locations begin with."""
        ...

    def stamp(self, place: FileName) -> Stamp | None:
        """Return a cheap mark of a file's content; None when there is no such file."""
        ...

    def digest(self, place: FileName) -> str:
        """Return the SHA-256 of a file's bytes, as hexadecimal text."""
        ...

    def remove(self, places: Iterable[FileName]) -> None:
        """Take files off the disk; those that are not there are no error. Once it returns they stay away."""
        ...

    def set_aside(self, place: FileName) -> str:
        """Move a file out of the way, keeping it; return where it went."""
        ...

    def present(self) -> Iterator[FileName]:
        """Yield the names of all files that are there, whoever made them."""
        ...

    def clear_scratch(self) -> None:
        """Remove what was written and never published."""
        ...


class LocalFiles:
    """Files below a workspace's folder (the promises stand in `Files`)."""

    def __init__(self, paths: WorkspacePaths) -> None:
        self._paths = paths
        self._number = 0

    def scratch(self) -> Path:
        """See `Files.scratch`."""
        self._paths.scratch.mkdir(exist_ok=True)
        self._number += 1
        return self._paths.scratch / f"{os.getpid()}-{id(self)}-{self._number}.partial"

    def publish(self, scratch: Path, place: FileName) -> None:
        """See `Files.publish`: fsync, rename, fsync the folder."""
        path = self._paths.file(place)
        make_folders(path.parent, self._paths.root)
        sync(scratch)
        scratch.rename(path)
        sync(path.parent)

    def location(self, place: FileName) -> str:
        """See `Files.location`."""
        return str(self._paths.file(place))

    def roots(self) -> list[str]:
        """See `Files.roots`."""
        return [f"{self._paths.root / table.name}/" for table in FILES]

    def stamp(self, place: FileName) -> Stamp | None:
        """See `Files.stamp`."""
        try:
            facts = self._paths.file(place).stat()
        except FileNotFoundError:
            return None
        return facts.st_ino, facts.st_size, facts.st_mtime_ns

    def digest(self, place: FileName) -> str:
        """See `Files.digest`."""
        return digest(self._paths.file(place))

    def remove(self, places: Iterable[FileName]) -> None:
        """See `Files.remove`."""
        folders: set[Path] = set()
        for place in places:
            path = self._paths.file(place)
            path.unlink(missing_ok=True)
            folders.add(path.parent)
        for folder in folders:
            if folder.is_dir():
                sync(folder)
                if not any(folder.iterdir()):
                    folder.rmdir()

    def set_aside(self, place: FileName) -> str:
        """See `Files.set_aside`."""
        path = self._paths.file(place)
        target = self._paths.quarantine / f"{place.table}-{path.parent.name}-{place.name}"
        target.parent.mkdir(exist_ok=True)
        path.rename(target)
        sync(target.parent)
        sync(path.parent)
        return str(target)

    def present(self) -> Iterator[FileName]:
        """See `Files.present`. Only what a query would take for a sealed file: `<table>/day=<day>/*.parquet`."""
        for table in FILES:
            for path in sorted((self._paths.root / table.name).glob("day=*/*.parquet")):
                day = day_number(path.parent.name.removeprefix("day="))
                if day is not None:
                    yield FileName(table.name, day, path.name)

    def clear_scratch(self) -> None:
        """See `Files.clear_scratch`."""
        shutil.rmtree(self._paths.scratch, ignore_errors=True)


def digest(path: Path) -> str:
    """Return the SHA-256 of a local file, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_folders(folder: Path, root: Path) -> None:
    """Create `folder` below `root` so that a power cut cannot undo it: every new level's parent is fsynced."""
    missing = [path for path in (folder, *folder.parents) if root in path.parents and not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        sync(path.parent)


def sync(path: Path) -> None:
    """Fsync a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
