"""Rules of text: how long, whether blank, which characters; whole columns are checked at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ingest.limits import ID_BYTES, NAME_BYTES
from warehouse.errors import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SPACE, _DELETE, _ASCII_END = 0x20, 0x7F, 0x80


@dataclass(frozen=True, slots=True)
class TextRule:
    """What a text must be. `fault` decides; `suspects` finds the few rows of a column that need it."""

    most_bytes: int
    """Length in UTF-8."""
    may_be_empty: bool = False
    may_be_blank: bool = False
    """Only white space."""
    may_have_controls: bool = False
    """Characters below U+0020 and U+007F."""
    refused_character: str = ""

    def fault(self, text: str) -> str | None:
        """Return what is wrong with a text, as the end of a sentence about it; None when nothing is."""
        size = len(text.encode())
        if size > self.most_bytes:
            return f"{shown(text)} has {size} bytes, at most {self.most_bytes} are allowed"
        if not text and not self.may_be_empty:
            return "must not be empty"
        if text and not text.strip() and not self.may_be_blank:
            return f"{shown(text)} must not be blank"
        if not self.may_have_controls and (found := _CONTROL.search(text)):
            return f"{shown(text)} must not have the control character {found[0]!r}"
        if self.refused_character and self.refused_character in text:
            return f"{shown(text)} must not have the character {self.refused_character}"
        return None

    def faults(self, texts: Sequence[str | None], column: pa.StringArray) -> list[tuple[int, str]]:
        """Return (position, what is wrong) of each faulty text; `column` holds the same texts."""
        checked = ((row, texts[row]) for row in self._suspects(column))
        found = ((row, self.fault(text)) for row, text in checked if text is not None)
        return [(row, fault) for row, fault in found if fault is not None]

    def _suspects(self, column: pa.StringArray) -> list[int]:
        """Return the positions, rising, of all faulty texts and perhaps of some others.

        Looks only at the bytes of the whole column: a blank text begins with a space, a control character or a
        character beyond ASCII; every character that may be refused is ASCII, whose bytes occur in no other character.
        """
        _, offsets_buffer, data_buffer = column.buffers()
        if column.null_count == len(column) or offsets_buffer is None:
            return []
        offsets = np.frombuffer(memoryview(offsets_buffer), np.int32)[: len(column) + 1]
        data = np.frombuffer(memoryview(data_buffer or b""), np.uint8)[: int(offsets[-1])]
        lengths = np.diff(offsets)
        suspect: NDArray[np.bool_] = lengths > self.most_bytes
        if not self.may_be_empty:
            suspect |= (lengths == 0) & _present(column)
        if not self.may_be_blank and data.size:
            first = data[np.minimum(offsets[:-1], data.size - 1)]
            suspect |= (lengths > 0) & ((first <= _SPACE) | (first >= _ASCII_END))
        refused = np.zeros(data.size, np.bool_)
        if not self.may_have_controls:
            refused |= (data < _SPACE) | (data == _DELETE)
        if self.refused_character:
            refused |= data == ord(self.refused_character)
        if refused.any():
            suspect[np.searchsorted(offsets, np.flatnonzero(refused), side="right") - 1] = True
        return [int(row) for row in np.flatnonzero(suspect)]


def _present(column: pa.StringArray) -> NDArray[np.bool_]:
    return np.asarray(column.is_valid().to_numpy(zero_copy_only=False), np.bool_)


ID = TextRule(ID_BYTES)
NAME = TextRule(NAME_BYTES)
SCORE_NAME = TextRule(NAME_BYTES, refused_character="'")
LABEL = TextRule(ID_BYTES, may_have_controls=True)
WORD = TextRule(ID_BYTES, may_be_empty=True, may_be_blank=True, may_have_controls=True)
SESSION_KEY = TextRule(NAME_BYTES, may_be_blank=True, may_have_controls=True)
SESSION_ID = TextRule(ID_BYTES, may_be_blank=True, may_have_controls=True)
