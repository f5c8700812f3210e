"""What is where: the log's unsealed end, the live files, their hidden rows. One interface, `Manifest`.

One commit moves rows from the log into files; a reader's snapshot is one read, so it sees each row once. The keeper of
it is SQLite (`warehouse/sqlite_manifest.py`); everything else knows only this module, so that another database can take
its place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from warehouse.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

Bound = tuple[str | int, str | int]
"""Smallest and largest value of a column: text, or microseconds since 1970 for times."""


class StaleError(TransientError):
    """A change was made from a snapshot that no longer holds: make it anew."""


class FileName(NamedTuple):
    """The name of a sealed file inside its workspace."""

    table: str
    day: int
    """Days since 1970-01-01."""
    name: str

    def __str__(self) -> str:
        """Return it as messages show it."""
        return f"{self.table}/{self.day}/{self.name}"


@dataclass(frozen=True, slots=True)
class SealedFile:
    """A Parquet file as the manifest names it; `bounds` are of the columns that files are chosen by."""

    place: FileName
    rows: int
    bytes: int
    sha256: str
    bounds: Mapping[str, Bound]
    current: bool = True
    """False: every row of it is superseded, kept as history."""
    damaged: str = ""
    """Why it must not be read; empty while it is whole."""
    id: int = 0


_NONE = np.empty(0, np.uint32)


@dataclass(frozen=True, slots=True)
class Hidden:
    """The numbers of a file's rows that no longer count: in any table, or only among the current rows."""

    everywhere: NDArray[np.uint32] = field(default_factory=lambda: _NONE)
    superseded: NDArray[np.uint32] = field(default_factory=lambda: _NONE)

    def __or__(self, other: Hidden) -> Hidden:
        """Return what either hides."""
        return Hidden(np.union1d(self.everywhere, other.everywhere), np.union1d(self.superseded, other.superseded))

    def __bool__(self) -> bool:
        """Tell whether anything is hidden."""
        return bool(len(self.everywhere) or len(self.superseded))

    def __len__(self) -> int:
        """Return how many rows are hidden in any way."""
        return len(np.union1d(self.everywhere, self.superseded))


@dataclass(frozen=True, slots=True)
class Entry:
    """A log entry that is not sealed yet; `payload` is an Arrow stream."""

    seq: int
    table: str
    rows: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The sealed rows at one version of the manifest."""

    version: int
    sealed: int
    """The last log position that is in the files."""
    files: tuple[SealedFile, ...] = ()
    hidden: Mapping[int, Hidden] = field(default_factory=dict[int, Hidden])
    """By file id; files of which nothing is hidden are absent."""
    tombstones: tuple[Tombstone, ...] = ()
    salt: str = ""
    """What the subjects of tombstones are hashed with."""

    def of(self, table: str) -> list[SealedFile]:
        """Return the live files of a table, oldest day first."""
        return [file for file in self.files if file.place.table == table]


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What was erased and must not come back. Subjects are kept as salted hashes only."""

    kind: str
    """One of `warehouse.tombstones.KINDS`."""
    subject: str
    """`warehouse.tombstones.subject_hash` of its id."""
    until: int
    """Rows of a session or user that happened before (microseconds since 1970) are refused; of the others, all."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """The audit line of an erasure. It never holds its subject in clear."""

    id: str
    kind: str
    """run, session or user."""
    subject: str
    """`warehouse.tombstones.subject_hash` of its id."""
    asked_at: int
    rows: Mapping[str, int]
    """Public table -> rows that were hidden."""
    files: Mapping[str, int]
    """Public table -> files that held them."""
    stage: str = "hidden"
    """hidden, rewriting, unlinking, scouring (the log's file), then done."""
    version: int = 0
    """The version from which on no reader sees the rows."""
    position: int = 0
    """The last log position that may hold a row of it."""
    awaited: tuple[FileName, ...] = ()
    """Files that must leave the disk before it is done."""
    waits_for: str = ""
    """Why it does not go on, in words."""
    unsearched: int = 0
    """Things put aside as damaged that could not be searched."""
    done_at: int | None = None


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to be made live, and which of its rows are hidden from the start."""

    file: SealedFile
    hidden: Hidden = field(default_factory=Hidden)


@dataclass(frozen=True, slots=True)
class Change:
    """What one commit of the manifest changes."""

    based_on: int
    """The version it was made from."""
    added: Sequence[NewFile] = ()
    hidden: Mapping[int, Hidden] = field(default_factory=dict[int, Hidden])
    """Rows to hide in live files, by file id."""
    dropped: Sequence[int] = ()
    """Ids of files that are no longer live; they are unlinked once no reader needs them."""
    sealed: int | None = None
    """The log is in the files up to this position."""
    days: Mapping[int, int] = field(default_factory=dict[int, int])
    """Hash of an id without time -> its day, to be kept."""
    quarantined: Mapping[int, str] = field(default_factory=dict[int, str])
    """Log positions of entries that cannot be applied, with the reason; kept aside with their rows."""
    tombstones: Sequence[Tombstone] = ()
    erasure: Erasure | None = None
    """An erasure to be noted as hidden; it was made from a log sealed up to `position`."""
    forgotten: Sequence[int] = ()
    """Hashes of ids whose day need not be kept any more."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The log's unsealed end in figures."""

    rows: int
    bytes: int
    oldest: int
    """When the oldest entry was received, microseconds since 1970; 0 when none waits."""
    wanted: bool
    """Somebody asked for it to be sealed now."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A log entry that could not be applied: kept, named, counted."""

    seq: int
    table: str
    rows: int
    received_at: int
    payload: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class NamedObject:
    """One version of something a workspace keeps under a name, such as a saved query."""

    kind: str
    name: str
    version: int
    """1, 2, 3 and so on for each (kind, name), removals counted."""
    created_at: int
    """Microseconds since 1970."""
    body: dict[str, Any] | None
    """None: with this version the name was removed."""


class Pin(Protocol):
    """Keeps the files of a version from being unlinked."""

    def hold(self, version: int) -> None:
        """Need no file that was dropped before `version`."""
        ...

    def rest(self) -> None:
        """Need no file."""
        ...

    def protect(self) -> None:
        """Need every file: until the version that will be read is known."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class Manifest(Protocol):
    """One process's view of a workspace's log and manifest."""

    def append(self, requests: Sequence[Sequence[tuple[str, int, bytes]]], received_at: int) -> list[int]:
        """Log the entries (table, rows, payload) of many requests in one commit; return the last position of each.

        Once it returns they are on disk, survive a kill or power loss, and are in every later `read`; all of them
        became visible together. When it raises, none of them were kept.
        """
        ...

    def read(
        self, known: Snapshot | None, after: int = 0, *, max_rows: int | None = None, max_bytes: int | None = None
    ) -> tuple[Snapshot, list[Entry]]:
        """Return the snapshot and the unsealed entries beyond position `after`, as of one instant.

        `known` is returned itself when its version still holds. With `max_rows` and `max_bytes` at most as many rows
        and bytes of the log are read, but one entry at the least. An entry whose checksum is wrong has no payload.
        """
        ...

    def waiting(self) -> Waiting:
        """Return how much of the log is not sealed."""
        ...

    def want_sealed(self) -> int:
        """Ask the keeper to seal everything that is in the log by now; return its last position."""
        ...

    def days(self, ids: Iterable[str]) -> dict[str, int]:
        """Return the days that are kept for ids without a time of their own; unknown ids are absent."""
        ...

    def all_days(self) -> Iterator[tuple[int, int]]:
        """Yield every kept day of an id without a time of its own, as (hash of the id, day)."""
        ...

    def start_after(self, position: int) -> None:
        """Give the entries that are logged from now on positions above this one."""
        ...

    def announce(self, files: Sequence[FileName]) -> None:
        """Say which names are about to be given to files: recovery removes these and no others."""
        ...

    def commit(self, change: Change) -> int:
        """Make a change in one durable commit and return the new version.

        Before it returns readers see the old state, afterwards the new one; never both, never neither. Every file it
        adds must already be on disk under its final name.

        Raises:
            StaleError: a file it touches is no longer live, one it adds is not announced (any more), one it drops had
                rows hidden since `based_on`, rows were sealed past `erasure.position`, or something was erased, or the
                same rows sealed, while `sealed` was being made.
        """
        ...

    def shrink(self, max_bytes: int) -> bool:
        """Give at most so many free bytes back to the disk, if there are more than 4 MiB; tell whether it did.

        Safe at any moment: a killed step is undone by the next opening.
        """
        ...

    def trim(self, max_bytes: int) -> bool:
        """Drop at most so many bytes of sealed entries from the log, one at the least; tell whether any are left."""
        ...

    def leftovers(self) -> list[FileName]:
        """Return the announced files that never became live."""
        ...

    def forget(self, files: Sequence[FileName]) -> None:
        """Take note that announced or dropped files are off the disk."""
        ...

    def unneeded(self) -> list[FileName]:
        """Return the dropped files that no pin needs any more."""
        ...

    def pin(self) -> Pin:
        """Return a pin that holds nothing yet; it ends with the process at the latest."""
        ...

    def mark(self, file: int, *, damaged: str | None = None, checked_at: int | None = None) -> None:
        """Note that a file was checked, and what is wrong with it (empty: nothing)."""
        ...

    def least_checked(self) -> tuple[SealedFile, int] | None:
        """Return the live file whose check is longest ago, and when that was (0: never)."""
        ...

    def quarantine(self) -> list[Quarantined]:
        """Return the log entries that could not be applied."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return the workspace's named settings, such as retention; `salt` is always there."""
        ...

    def set(self, name: str, value: Any) -> None:
        """Keep a named setting; None removes it."""
        ...

    def put_object(self, kind: str, name: str, body: Mapping[str, Any], now_us: int) -> NamedObject:
        """Keep `body` (JSON of valid Unicode) as the next version of a name and return it.

        Once it returns the version is on disk and everybody reads it. Of two writers at one time each gets a version
        of its own. A number is never given again, also when the name was removed in between.
        """
        ...

    def remove_object(self, kind: str, name: str, now_us: int) -> bool:
        """Take a name out of use, durable once returned; False when it is not in use. Its versions stay readable."""
        ...

    def object(self, kind: str, name: str, version: int | None = None) -> NamedObject | None:
        """Return the newest version of a name in use, or the given version, also of a name that was removed."""
        ...

    def objects(self, kind: str) -> list[NamedObject]:
        """Return the newest version of every name in use, by name."""
        ...

    def all_objects(self) -> list[NamedObject]:
        """Return every version of every object, removals included, by kind, name and version."""
        ...

    def keep_objects(self, objects: Iterable[NamedObject]) -> None:
        """Keep objects with the versions and times they have, in a workspace that has none of them: for a restore."""
        ...

    def erasures(self) -> list[Erasure]:
        """Return every erasure there was, oldest first."""
        ...

    def note_erasure(self, erasure: Erasure) -> None:
        """Keep how far an erasure has come; one that is unknown is no error and is not kept."""
        ...

    def dropped(self) -> list[FileName]:
        """Return the dropped files that are not known to be off the disk."""
        ...

    def replace_quarantined(self, seq: int, rows: int, payload: bytes) -> None:
        """Give a quarantined entry other rows; of none it is forgotten."""
        ...

    def erased_at(self) -> int:
        """Return the version since which nothing was erased and no day forgotten: what was read before may be gone."""
        ...

    def forget_days(self) -> int:
        """Forget the kept days on which no table has a live file; return how many ids that were."""
        ...

    def scour(self) -> bool:
        """Take off the disk what deleted entries left there; tell whether that could be done now."""
        ...

    def check_days(self) -> list[str]:
        """Return what is wrong with the kept days: one that was lost would let a late record count twice."""
        ...

    def check(self) -> Iterator[str]:
        """Yield what is wrong with the manifest itself."""
        ...

    def close(self) -> None:
        """Close it."""
        ...
