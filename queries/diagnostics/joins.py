"""Joins that change what is counted: rows repeated before they are averaged, an outer join that WHERE undoes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from queries.diagnostics.statement import arguments, call, conjuncts, nodes, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from queries.diagnostics.question import QueryWarning, Question
    from queries.diagnostics.statement import Relation, Select
    from queries.tree import Node

_COUNTING = words("""
    approx_quantile avg corr count count_if countif covar_pop covar_samp entropy favg fsum geomean geometric_mean
    kahan_sum kurtosis kurtosis_pop mad mean median mode product quantile quantile_cont quantile_disc regr_slope sem
    skewness stddev stddev_pop stddev_samp sum sumkahan var_pop var_samp variance wavg weighted_avg
    """)
"""Aggregates that a repeated row changes."""

_NULL_REJECTING = frozenset(
    {
        "COMPARE_BETWEEN",
        "COMPARE_EQUAL",
        "COMPARE_GREATERTHAN",
        "COMPARE_GREATERTHANOREQUALTO",
        "COMPARE_IN",
        "COMPARE_LESSTHAN",
        "COMPARE_LESSTHANOREQUALTO",
        "COMPARE_NOTEQUAL",
    }
)


def repeated_rows(question: Question) -> Iterator[QueryWarning]:
    """Aggregates over rows that a join repeats: their mean and sum weigh each row by its matches.

    A relation is safe when the rows being aggregated, the groups and the conditions fix one of its keys.
    """
    for select in question.selects:
        if len(select.relations) > 1:
            for node in select.expressions():
                yield from _repeated(question, select, node)


def _repeated(question: Question, select: Select, node: Node) -> Iterator[QueryWarning]:
    if node.get("class") != "FUNCTION" or call(node) not in _COUNTING or node.get("distinct"):
        return
    counted = {relation for one in arguments(node) for relation in select.owners(one)}
    if not counted or not all(one.shape.certain for one in counted):
        return
    once = select.determined(counted, list(conjuncts(node.get("filter"))))
    repeating = [one for one in select.relations if one not in once]
    if not repeating or not all(one.shape.certain for one in repeating):
        return
    rows, by = _called(counted), repeating[0].name
    yield question.warn(
        "repeated_rows",
        node,
        f"a row of {rows} is repeated for every row of {by} it meets, and {call(node)} takes each repetition",
        _remedy(rows, by),
    )


def _called(relations: set[Relation]) -> str:
    return " and ".join(sorted({one.name for one in relations}))


def _remedy(rows: str, by: str) -> str:
    if by == "assignments":
        return "a run can be in several experiments: name one (experiment = '...'), or read experiment_scores"
    if by == "scores":
        return "a run has a score of every name: name one (name = '...') in ON or WHERE, or aggregate scores first"
    return f"aggregate {rows} in a subquery before the join, or ask for {by} with EXISTS"


def outer_join_undone(question: Question) -> Iterator[QueryWarning]:
    """Conditions in WHERE that no row without a match can meet: the outer join was for nothing."""
    for select in question.selects:
        if any(relation.missing for relation in select.relations):
            for condition in select.where:
                yield from _undone(question, select, condition)


def _undone(question: Question, select: Select, condition: Node) -> Iterator[QueryWarning]:
    if condition.get("type") not in _NULL_REJECTING:
        return
    sides = [condition[name] for name in ("left", "right", "input") if name in condition]
    for side in sides or condition["children"][:1]:
        own = select.resolve(side["column_names"]) if side.get("class") == "COLUMN_REF" else None
        if own and own[0].missing and not _all_missing(select):
            yield question.warn(
                "outer_join_undone",
                condition,
                f"rows without a match in {own[0].name} fail this condition, so the outer join keeps none of them",
                "move the condition into ON, or write a plain JOIN",
            )
            return


def _all_missing(select: Select) -> bool:
    """Tell whether every relation can be missing, as in a FULL JOIN: then either side may be meant."""
    return all(relation.missing for relation in select.relations)


def not_in_null(question: Question) -> Iterator[QueryWarning]:
    """NOT IN over a column that can be null: one null among the values, and no row passes."""
    for select in question.selects:
        for node in select.expressions():
            if node.get("type") == "OPERATOR_NOT" and _any_of_nullable(question, node["children"][0]):
                yield question.warn(
                    "not_in_null",
                    node,
                    "one null among the values of this subquery, and NOT IN is true for no row",
                    "use NOT EXISTS, or add WHERE ... IS NOT NULL to the subquery",
                )


def _any_of_nullable(question: Question, node: Node) -> bool:
    if node.get("class") != "SUBQUERY" or node.get("subquery_type") != "ANY":
        return False
    inner = node["subquery"]["node"]
    select = next((one for one in question.selects if one.node is inner), None)
    if select is None or len(select.node["select_list"]) != 1:
        return False
    item = select.node["select_list"][0]
    field = select.field(item)
    if field is None or field.origin not in _OFTEN_NULL:
        return False
    return not any(select.field(one) is not None and _same_column(select, one, item) for one in _tested(select))


def _tested(select: Select) -> Iterator[Node]:
    """Yield the columns that the conditions of a SELECT let through only when they are not null."""
    for condition in (*select.on, *select.where):
        if condition.get("type") in _NULL_REJECTING | {"OPERATOR_IS_NOT_NULL"}:
            yield from (one for one in nodes(condition) if one.get("class") == "COLUMN_REF")


def _same_column(select: Select, left: Node, right: Node) -> bool:
    return select.resolve(left["column_names"]) == select.resolve(right["column_names"])


_OFTEN_NULL = frozenset(
    {
        *((table, column) for table in ("scores", "score_history") for column in ("run_id", "step_id", "trace_id")),
        *((table, "experiment") for table in ("scores", "score_history", "deferrals")),
        ("runs", "parent_run_id"),
        ("runs", "trace_id"),
        ("runs", "user_id"),
        ("spans", "run_id"),
        ("spans", "step_id"),
        ("spans", "parent_span_id"),
        ("metadata", "step_id"),
        ("metadata", "span_id"),
    }
)
