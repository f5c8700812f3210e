"""Arithmetic that misleads: divisors that can be zero, and scores that are missing but counted as zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from queries.diagnostics.statement import arguments, call, constant, nodes, remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from queries.diagnostics.question import QueryWarning, Question
    from queries.diagnostics.statement import Field, Select
    from queries.tree import Node

_DIVISIONS = {
    "/": "gives inf or NaN, shown as null, when the divisor is 0",
    "//": "fails the whole query when the divisor is 0",
    "%": "fails the whole query when the divisor is 0",
}
_TESTS = frozenset({"count_if", "countif"})
_COUNTS = frozenset({"count", "count_star"}) | _TESTS
_NULL_WITHOUT_ROWS = frozenset({"avg", "fsum", "max", "mean", "median", "min", "sum"})
_SPREADS = frozenset({"mad", "stddev", "stddev_pop", "stddev_samp", "var_pop", "var_samp", "variance"})
_DEPTH = 12
"""Steps from a column to what it is made of, through aliases and inner SELECTs."""

VALUES = frozenset(
    {
        ("scores", "value"),
        ("score_history", "value"),
        ("experiment_scores", "value"),
        ("scored_runs", "value"),
        ("session_scores", "mean"),
    }
)
_NULL_IF_UNSCORED = frozenset({("experiment_scores", "value"), ("scored_runs", "value")})
_MEANS = frozenset({"avg", "favg", "mean", "median", "quantile", "quantile_cont", "quantile_disc", "sem"}) | _SPREADS


def division_by_zero(question: Question) -> Iterator[QueryWarning]:
    """Divisions whose divisor can be zero."""
    for select in question.selects:
        for node in select.expressions():
            if call(node) in _DIVISIONS and len(operands := arguments(node)) == 2:  # noqa: PLR2004 - a / b
                above, below = operands
                if (
                    _zero(select, below, 0)
                    and not _guarded(select, node, below)
                    and not _null_above(select, above, below)
                ):
                    yield question.warn(
                        "division_by_zero",
                        below,
                        f"{call(node)} {_DIVISIONS[call(node)]}",
                        "divide by nullif(divisor, 0): the answer is then null",
                    )


@remembered
def _zero(select: Select, node: Node, depth: int) -> bool:
    """Tell whether an expression can well be zero; what is not understood cannot."""
    reader = _READERS.get(str(node.get("class")))
    return reader is not None and depth < _DEPTH and reader(select, node, depth)


def _constant_zero(_select: Select, node: Node, _depth: int) -> bool:
    return constant(node) == 0


def _cast_zero(select: Select, node: Node, depth: int) -> bool:
    return _zero(select, node["child"], depth + 1)


def _operator_zero(select: Select, node: Node, depth: int) -> bool:
    return node["type"] == "OPERATOR_COALESCE" and any(_zero(select, one, depth + 1) for one in node["children"])


def _call_zero(select: Select, node: Node, depth: int) -> bool:
    name, parts = call(node), arguments(node)
    if name in _COUNTS:
        return bool(node.get("filter")) or name in _TESTS or not _never_null(select, parts)
    if name in _SPREADS:
        return True
    quantifier = _ZERO_WHEN.get(name)
    return bool(parts) and quantifier is not None and quantifier(_zero(select, one, depth + 1) for one in parts)


def _first(zeros: Iterable[bool]) -> bool:
    return next(iter(zeros))


_ZERO_WHEN: Mapping[str, Callable[[Iterable[bool]], bool]] = {
    **dict.fromkeys(("-", "*"), any),
    **dict.fromkeys(("+", "greatest"), all),
    **dict.fromkeys(("/", *["abs", "avg", "ceil", "floor", "max", "mean", "median", "min", "round", "sum"]), _first),
}
"""Which arguments of a function must be zero for it to be zero; a rough rule, right for counts and sums."""


def _column_zero(select: Select, node: Node, depth: int) -> bool:
    field = select.field(node)
    if field is None:
        return False
    if field.made is not None and field.within is not None:
        return _zero(field.within, field.made, depth + 1) and not _tested(field.within, field.made)
    return field.origin is not None


def _case_zero(select: Select, node: Node, depth: int) -> bool:
    """Tell whether a branch can be zero that no condition of the CASE speaks of."""
    tests = [check["when_expr"] for check in node["case_checks"]]
    branches = [*(check["then_expr"] for check in node["case_checks"]), node.get("else_expr")]
    return any(
        branch and _zero(select, branch, depth + 1) and not any(select.contains(test, branch) for test in tests)
        for branch in branches
    )


_READERS: Mapping[str, Callable[[Select, Node, int], bool]] = {
    "CASE": _case_zero,
    "CAST": _cast_zero,
    "COLUMN_REF": _column_zero,
    "CONSTANT": _constant_zero,
    "FUNCTION": _call_zero,
    "OPERATOR": _operator_zero,
    "WINDOW": _call_zero,
}
"""By class of expression."""


def _never_null(select: Select, parts: list[Node]) -> bool:
    """Tell whether a count of these is at least 1 in every group: a star, a literal, or part of a table's key."""
    if not parts or constant(parts[0]) is not None:
        return True
    field = select.field(parts[0])
    return field is not None and field.origin in _ALWAYS_THERE and not field.missing


_ALWAYS_THERE = frozenset(
    {
        ("events", "id"),
        ("events", "name"),
        ("runs", "id"),
        ("runs", "status"),
        ("steps", "id"),
        ("steps", "run_id"),
        ("step_attempts", "run_id"),
        ("step_attempts", "id"),
        ("scores", "id"),
        ("scores", "name"),
        ("score_history", "id"),
        ("assignments", "run_id"),
        ("assignments", "experiment"),
        ("assignments", "variant"),
        ("session_runs", "run_id"),
        ("session_runs", "session_id"),
        ("spans", "trace_id"),
        ("spans", "span_id"),
        ("experiment_scores", "run_id"),
        ("experiment_scores", "unit"),
        ("scored_runs", "run_id"),
        ("scored_runs", "unit"),
        ("deferrals", "id"),
    }
)


def _guarded(select: Select, division: Node, divisor: Node) -> bool:
    """Tell whether a condition around the division speaks of the divisor."""
    if _tested(select, divisor):
        return True
    for node in select.expressions():
        if node.get("type") == "OPERATOR_TRY" and select.contains(node, division):
            return True
        if node.get("class") == "CASE":
            inside = [*(check["then_expr"] for check in node["case_checks"]), node.get("else_expr")]
            tests = [check["when_expr"] for check in node["case_checks"]]
            if any(select.contains(one, division) for one in inside) and any(
                _speaks(select, one, divisor) for one in tests
            ):
                return True
        if (filtered := node.get("filter")) and select.contains(node, division) and _speaks(select, filtered, divisor):
            return True
    return False


def _tested(select: Select, divisor: Node) -> bool:
    """Tell whether WHERE, HAVING or QUALIFY speak of an expression, by itself or by its alias."""
    conditions = [*select.where, select.node.get("having"), select.node.get("qualify")]
    alike = [item for item in select.aliases.values() if select.same(item, divisor)]
    names = [{**_ALIAS, "column_names": [item["alias"]]} for item in alike]
    meant = select.meant(divisor)
    return any(_speaks(select, one, form) for one in conditions if one for form in (divisor, meant, *names))


_ALIAS: Node = {"class": "COLUMN_REF", "type": "COLUMN_REF"}


def _speaks(select: Select, test: Node, divisor: Node) -> bool:
    """Tell whether a condition compares an expression, or one of the columns it is made of."""
    if divisor.get("class") == "CAST":
        return _speaks(select, test, divisor["child"])
    return select.contains(test, divisor)


def _null_above(select: Select, above: Node, below: Node) -> bool:
    """Tell whether the dividend is null whenever the divisor, a count, is zero: null / 0 is null."""
    if call(below) not in _COUNTS:
        return False
    for node in nodes(above):
        alike = not below.get("filter") or select.same(node.get("filter"), below.get("filter"))
        if call(node) in _NULL_WITHOUT_ROWS and alike:
            counted = arguments(below)
            if call(below) == "count_star" or select.same(counted, arguments(node)):
                return True
    return False


def missing_as_zero(question: Question) -> Iterator[QueryWarning]:
    """Scores that do not exist, counted as if they were zero."""
    for select in question.selects:
        summed = {id(one) for node in select.expressions() if call(node) in {"sum", "fsum"} for one in arguments(node)}
        for node in select.expressions():
            if id(node) not in summed and _filled(select, node):
                yield question.warn(
                    "missing_as_zero",
                    node,
                    "a score that is missing counts as this number, as if somebody had given it",
                    "leave it null: avg passes over nulls, and count(value) says how many there are",
                )
            elif call(node) in _MEANS and any(_graded(select, one) for one in arguments(node)):
                yield question.warn(
                    "missing_as_zero",
                    node,
                    "a run without the score takes the ELSE branch and counts as a number",
                    "leave ELSE out, or add WHEN value IS NULL THEN NULL before it",
                )
            elif call(node) == "/" and _share_of_all(select, node):
                yield question.warn(
                    "missing_as_zero",
                    node,
                    "count(*) also counts the runs that have no score, so each of them counts as a zero",
                    "divide by count(value), or take avg(value)",
                )


def _filled(select: Select, node: Node) -> bool:
    """Tell whether an expression puts a number where a score is null."""
    if node.get("type") == "OPERATOR_COALESCE":
        *values, last = node["children"]
        return _number(last) and any(_score(select, one, 0) for one in values)
    if node.get("class") == "CASE":
        return any(
            check["when_expr"].get("type") == "OPERATOR_IS_NULL"
            and _number(check["then_expr"])
            and _score(select, check["when_expr"]["children"][0], 0)
            for check in node["case_checks"]
        )
    return False


def _number(node: Node) -> bool:
    return isinstance(constant(node), int | float)


@remembered
def _score(select: Select, node: Node, depth: int) -> bool:
    """Tell whether an expression is a score, or the mean or sum of scores."""
    if depth > _DEPTH:
        return False
    if node.get("class") == "COLUMN_REF":
        field = select.field(node)
        if field is None:
            return False
        made = field.made is not None and field.within is not None and field.origin is None
        return field.origin in VALUES or (made and _made_of_scores(field, depth))
    if node.get("class") == "CAST":
        return _score(select, node["child"], depth + 1)
    if call(node) in _MEANS | {"sum", "fsum", "round", "max", "min"}:
        return any(_score(select, one, depth + 1) for one in arguments(node)[:1])
    return False


def _made_of_scores(field: Field, depth: int) -> bool:
    return field.made is not None and field.within is not None and _score(field.within, field.made, depth + 1)


def _maybe_missing(select: Select, node: Node, depth: int = 0) -> bool:
    """Tell whether a column is a score that a row may lack: of an outer join, or of the experiment views."""
    field = select.field(node)
    if field is None or depth > _DEPTH or (not field.missing and field.origin not in _NULL_IF_UNSCORED):
        return False
    return _score(select, node, 0) and not _present(select, node)


def _present(select: Select, node: Node) -> bool:
    """Tell whether WHERE keeps only rows that have the value."""
    return any(select.contains(condition, node) for condition in select.where)


def _graded(select: Select, node: Node) -> bool:
    """Tell whether a CASE over a score gives a number to rows that lack it."""
    if node.get("class") == "CAST":
        return _graded(select, node["child"])
    if node.get("class") != "CASE" or not node.get("else_expr") or not _number(node["else_expr"]):
        return False
    tests = [check["when_expr"] for check in node["case_checks"]]
    asked = [one for test in tests for one in nodes(test) if one.get("class") == "COLUMN_REF"]
    knows = any(test.get("type") == "OPERATOR_IS_NULL" for test in tests)
    return not knows and any(_maybe_missing(select, one) for one in asked)


def _share_of_all(select: Select, division: Node) -> bool:
    """Tell whether a sum or count over scores that may be missing is divided by the number of all rows."""
    above, below = arguments(division)[:2]
    while below.get("class") == "CAST" or (call(below) == "nullif" and arguments(below)):
        below = below["child"] if below.get("class") == "CAST" else arguments(below)[0]
    if call(below) != "count_star" or below.get("filter") or below.get("class") == "WINDOW":
        return False
    for node in nodes(above):
        if call(node) in {"sum", "count_if", "countif"}:
            return any(_maybe_missing(select, one) for part in arguments(node) for one in nodes(part))
        if call(node) == "count_star" and node.get("filter"):
            return any(_maybe_missing(select, one) for one in _compared(node["filter"]))
    return False


def _compared(test: Node) -> Iterator[Node]:
    """Yield the columns of a condition; those that are asked whether they are null are meant so."""
    if "NULL" in str(test.get("type")):
        return
    yield from (one for one in nodes(test) if one.get("class") == "COLUMN_REF")
