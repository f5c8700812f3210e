"""How long work tells how far it is, without knowing who watches."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Told of what is at hand, and how many bytes of how many are done."""


def silent(_what: str, _done: int, _total: int) -> None:
    """Tell nobody."""
