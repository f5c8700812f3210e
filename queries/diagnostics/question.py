"""What a rule is given, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from queries.diagnostics.statement import nodes
from queries.guard.names import position

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from queries.diagnostics.statement import Select
    from queries.tree import Node


@dataclass(frozen=True, slots=True)
class QueryWarning:
    """What will mislead in an answer, where it is written, and what to write instead."""

    code: str
    message: str
    hint: str
    line: int
    col: int
    length: int
    """In characters."""


@dataclass(frozen=True)
class Question:
    """A checked statement, and the workspace it is asked of."""

    sql: str
    selects: Sequence[Select]
    facts: Callable[[str], Sequence[tuple[Any, ...]]]
    _asked: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict[str, list[tuple[Any, ...]]])

    @cached_property
    def _bytes(self) -> bytes:
        return self.sql.encode()

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a question to the workspace; it is asked once."""
        if sql not in self._asked:
            self._asked[sql] = list(self.facts(sql))
        return self._asked[sql]

    def warn(self, code: str, node: Node, message: str, hint: str) -> QueryWarning:
        """Return a warning about an expression."""
        start, end = _span(node)
        line, col = position(self.sql, len(self._bytes[:start].decode(errors="ignore")))
        length = len(self._bytes[start:end].decode(errors="ignore"))
        return QueryWarning(code, message, hint, line, col, max(1, length))


def _span(node: Node) -> tuple[int, int]:
    """Return the bytes an expression takes with all its parts; of an operator the engine may know but its sign."""
    places = [(int(one.get("query_location", 0)), int(one.get("query_location_length", 0))) for one in nodes(node)]
    known = [(start, start + size) for start, size in places if size]
    return min((start for start, _ in known), default=0), max((end for _, end in known), default=0)
