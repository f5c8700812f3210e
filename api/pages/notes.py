"""Why a number is missing: the report's notes, found by the path of the number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from api.pages.body import Body

_PART = re.compile(r"[^.\[\]/$'\"]+")

Step = str | int | tuple[str | int, ...]
"""One step of a path; a tuple holds the names a row may go by, such as its place and its variant."""


@dataclass(frozen=True, slots=True)
class Note:
    """One note: the steps of its path (`*` matches any), and its message."""

    path: tuple[str, ...]
    message: str

    def covers(self, path: tuple[Step, ...]) -> bool:
        """Return whether the note is about `path` or something around it; a note about everything covers nothing."""
        if not 0 < len(self.path) <= len(path):
            return False
        names = ({str(name) for name in (step if isinstance(step, tuple) else (step,))} for step in path)
        return all(part == "*" or part in allowed for part, allowed in zip(self.path, names, strict=False))


@dataclass(frozen=True, slots=True)
class Notes:
    """All notes of a report."""

    notes: tuple[Note, ...]

    def __call__(self, *path: Step) -> str:
        """Return the message of the most specific note that covers `path`, or an empty text."""
        covering = [note for note in self.notes if note.covers(path)]
        return max(covering, key=lambda note: len(note.path)).message if covering else ""


def notes_of(entries: Iterable[Body]) -> Notes:
    """Read the `notes` of a report; paths may be written `comparisons[0].lift` or `/comparisons/0/lift`."""
    return Notes(
        tuple(Note(tuple(_PART.findall(str(entry.get("path") or ""))), str(entry.get("message"))) for entry in entries)
    )
