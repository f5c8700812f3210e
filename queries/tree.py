"""DuckDB's own syntax tree of a statement, as the JSON of `json_serialize_sql`: how it is walked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Node = dict[str, Any]
"""An object of the tree."""


def every_node(tree: object, without: Callable[[Node], bool] = lambda _: False) -> Iterator[Node]:
    """Yield every object of a tree, each before those below it; those `without` names are left out, and all in them."""
    todo = [tree]
    while todo:
        value = todo.pop()
        if isinstance(value, list):
            todo.extend(reversed(cast("list[object]", value)))
        elif isinstance(value, dict):
            node = cast("Node", value)
            if not without(node):
                yield node
                todo.extend(reversed(list(node.values())))
