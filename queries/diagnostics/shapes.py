"""Clauses that are legal and say something else than they seem to: comparisons with NULL, a top list without order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from queries.diagnostics.question import QueryWarning, Question
    from queries.tree import Node

_COMPARISONS = frozenset(
    {
        "COMPARE_EQUAL",
        "COMPARE_GREATERTHAN",
        "COMPARE_GREATERTHANOREQUALTO",
        "COMPARE_LESSTHAN",
        "COMPARE_LESSTHANOREQUALTO",
        "COMPARE_NOTEQUAL",
    }
)


def null_comparison(question: Question) -> Iterator[QueryWarning]:
    """Comparisons with NULL, which are never true."""
    for select in question.selects:
        for node in select.expressions():
            if node.get("type") in _COMPARISONS and (_is_null(node["left"]) or _is_null(node["right"])):
                yield question.warn(
                    "null_comparison",
                    node,
                    "a comparison with NULL is never true",
                    "write IS NULL, or IS NOT NULL",
                )


def _is_null(node: Node) -> bool:
    literal: Node = node.get("literal") or {}
    return literal.get("kind") == "NULL_LITERAL"


def unordered_limit(question: Question) -> Iterator[QueryWarning]:
    """Some groups of many by LIMIT, without ORDER BY: which ones is left to chance."""
    for select in question.selects:
        modifiers = {one["type"]: one for one in select.node.get("modifiers") or ()}
        if select.groups and "LIMIT_MODIFIER" in modifiers and "ORDER_MODIFIER" not in modifiers:
            limit = modifiers["LIMIT_MODIFIER"].get("limit")
            if limit:
                yield question.warn(
                    "unordered_limit",
                    limit,
                    "without ORDER BY it is left to chance which groups are shown",
                    "add ORDER BY before LIMIT",
                )
