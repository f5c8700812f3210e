"""What a caller is told beside the answer: what will mislead, where a refusal stands, what a query would read."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from queries.diagnostics.budget import Estimate, estimate, over_budget
from queries.diagnostics.joins import not_in_null, outer_join_undone, repeated_rows
from queries.diagnostics.numbers import division_by_zero, missing_as_zero
from queries.diagnostics.places import nearest_column, token_length, with_column_hint
from queries.diagnostics.question import QueryWarning, Question
from queries.diagnostics.shapes import null_comparison, unordered_limit
from queries.diagnostics.statement import selects
from queries.diagnostics.values import mixed_scores, unknown_name, unknown_value
from queries.tree import every_node

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from queries.guard import GuardedQuery

__all__ = [
    "MAX_NODES",
    "MAX_WARNINGS",
    "RULES",
    "Estimate",
    "QueryWarning",
    "estimate",
    "nearest_column",
    "over_budget",
    "token_length",
    "warnings",
    "with_column_hint",
]

RULES = (
    repeated_rows,
    outer_join_undone,
    not_in_null,
    division_by_zero,
    missing_as_zero,
    unknown_name,
    unknown_value,
    mixed_scores,
    null_comparison,
    unordered_limit,
)
"""Each takes a question and yields what will mislead in its answer."""


MAX_NODES = 10_000
"""Objects of a statement's tree; one of the corpus has 60 to 900."""
MAX_WARNINGS = 20


def warnings(query: GuardedQuery, sql: str, facts: Callable[[str], Sequence[tuple[Any, ...]]]) -> list[QueryWarning]:
    """Return what will mislead in the answer of a checked statement, in the order of the text.

    Args:
        query: the statement.
        sql: its text, for the places.
        facts: asks the workspace one question (SQL -> rows); called only for names that the statement compares.

    A statement of more than `MAX_NODES` parts, or one nested too deeply, gets none; of each rule `MAX_WARNINGS`.
    """
    if sum(1 for _ in islice(every_node(query.statement), MAX_NODES + 1)) > MAX_NODES:
        return []
    try:
        question = Question(sql, selects(query.statement), facts)
        found = {one for rule in RULES for one in islice(rule(question), MAX_WARNINGS)}
    except RecursionError:
        return []
    return sorted(found, key=lambda one: (one.line, one.col, one.code, one.message))
