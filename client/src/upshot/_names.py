"""Names of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def distinct(names: Sequence[str]) -> list[str]:
    """Return names of which no two are equal: the second `n` is `n_2`, as in the server's NDJSON."""
    taken: set[str] = set()
    made: list[str] = []
    for name in names:
        unique, number = name, 1
        while unique in taken or (number > 1 and unique in names):
            number += 1
            unique = f"{name}_{number}"
        taken.add(unique)
        made.append(unique)
    return made
