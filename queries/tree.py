"""DuckDB's own syntax tree of a statement, as the JSON of `json_serialize_sql`: how it is walked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

Node = dict[str, Any]
"""An object of the tree."""


def every_node(tree: object) -> Iterator[Node]:
    """Yield every object of a tree, those of inner queries too, each before those below it."""
    todo = [tree]
    while todo:
        value = todo.pop()
        if isinstance(value, list):
            todo.extend(reversed(cast("list[object]", value)))
        elif isinstance(value, dict):
            node = cast("Node", value)
            yield node
            todo.extend(reversed(list(node.values())))
