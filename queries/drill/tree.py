"""Spans -> the order and depth in which a tree is drawn, whatever the parents they name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

Place = Literal["root", "child", "orphan", "cycle"]

_NEVER = 1 << 62
"""A start that is not known comes last."""


class Node(NamedTuple):
    """What decides where a span stands."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    start_us: int | None


@dataclass(frozen=True, slots=True)
class Placed:
    """A span's place in the drawing."""

    index: int
    """In what was given."""
    depth: int
    place: Place


def drawn(nodes: Sequence[Node]) -> list[Placed]:
    """Return every span once: a parent before its children, siblings by start, then by id.

    A span whose parent is not among these stands at the top as an orphan. Of spans whose parents lead in a circle the
    one that began first stands at the top as the cycle's entry; so does nobody twice, and nobody is missing.
    """
    at = {(node.trace_id, node.span_id): index for index, node in enumerate(nodes)}
    order = sorted(range(len(nodes)), key=lambda index: _rank(nodes[index]))
    parents = [at.get((node.trace_id, node.parent_span_id or "")) for node in nodes]
    children: list[list[int]] = [[] for _ in nodes]
    tops: dict[int, Place] = {}
    for index in order:
        parent = parents[index]
        if parent is not None:
            children[parent].append(index)
        else:
            tops[index] = "orphan" if nodes[index].parent_span_id else "root"
    reached = _below(tops, children)
    for index in order:
        if index not in reached:
            entry = _entry(index, parents, nodes)
            tops[entry] = "cycle"
            reached |= _below([entry], children)
    return _walk(sorted(tops, key=lambda index: _rank(nodes[index])), tops, children)


def _rank(node: Node) -> tuple[int, str, str]:
    return (_NEVER if node.start_us is None else node.start_us, node.trace_id, node.span_id)


def _below(tops: Sequence[int] | dict[int, Place], children: list[list[int]]) -> set[int]:
    """Return these and everything below them."""
    found: set[int] = set()
    todo = list(tops)
    while todo:
        index = todo.pop()
        if index not in found:
            found.add(index)
            todo += children[index]
    return found


def _entry(index: int, parents: list[int | None], nodes: Sequence[Node]) -> int:
    """Return the first of the cycle that the parents of a span lead into."""
    seen: dict[int, int] = {}
    current: int | None = index
    while current is not None and current not in seen:
        seen[current] = len(seen)
        current = parents[current]
    cycle = [one for one, when in seen.items() if current is not None and when >= seen[current]]
    return min(cycle, key=lambda one: _rank(nodes[one]))


def _walk(order: Sequence[int], tops: dict[int, Place], children: list[list[int]]) -> list[Placed]:
    made: list[Placed] = []
    todo = [(index, 0) for index in reversed(order)]
    while todo:
        index, depth = todo.pop()
        made.append(Placed(index, depth, tops.get(index, "child")))
        todo += [(child, depth + 1) for child in reversed(children[index]) if child not in tops]
    return made
