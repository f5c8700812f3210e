"""What rows a checked statement can want of each table, read from DuckDB's own tree: so that fewer files are opened.

Only what is certain counts: conditions of a WHERE that all must hold, between a column of one table and a value. Every
other form says nothing, and nothing never leaves a file out.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import msgspec

from queries.tree import every_node
from warehouse.engine import evaluator
from warehouse.pruning import Between, OneOf
from warehouse.schema import TABLE, TABLES
from warehouse.views import sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from queries.tree import Node
    from warehouse.pruning import Value, Wishes

Condition = Between | OneOf

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_TIME = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?")
_JOINS = frozenset({"INNER", "LEFT", "RIGHT"})
_REFERENCES = frozenset({"REGULAR", "CROSS"})
"""Joins in which a row that fails WHERE cannot matter; in a positional or ASOF join it can."""
_MIRRORED = {
    "COMPARE_EQUAL": "COMPARE_EQUAL",
    "COMPARE_LESSTHAN": "COMPARE_GREATERTHAN",
    "COMPARE_LESSTHANOREQUALTO": "COMPARE_GREATERTHANOREQUALTO",
    "COMPARE_GREATERTHAN": "COMPARE_LESSTHAN",
    "COMPARE_GREATERTHANOREQUALTO": "COMPARE_LESSTHANOREQUALTO",
}
_UNITS = ("seconds", "minutes", "hours", "days", "weeks", "months", "years")
_STILL = frozenset({"-", "+", "now", "get_current_timestamp", "trunc", *(f"to_{unit}" for unit in _UNITS)})
"""Functions of a moment that does not move while a query runs."""
_SLACK_US = 60_000_000
"""A moment is computed before the query is, so each limit of time is taken so much wider."""
_TYPES = {
    column.name: column.type
    for table in TABLES
    for column in table.columns
    if column.type in ("VARCHAR", "TIMESTAMPTZ")
}


def wishes(statement: Node, params: Sequence[Any] | Mapping[str, Any], moment: Callable[[Node], int | None]) -> Wishes:
    """Return the rows a statement can want, by file table.

    Args:
        statement: one statement of `json_serialize_sql`, checked by the guard.
        params: the bound parameters.
        moment: an expression without columns -> its value in microseconds since 1970, None when it is no time.
    """
    found: dict[str, list[list[Condition]]] = {}
    anything: set[str] = set()
    for name, conditions in _Reader(params, moment).references(statement):
        if name not in TABLE:
            continue  # a common table expression; what it reads is met where it is written
        source = TABLE[name].source
        if source and conditions:
            found.setdefault(source, []).append(conditions)
        else:
            anything |= sources(frozenset((name,)))
    return {name: wish for name, wish in found.items() if name not in anything}


def moments(serialize: Callable[[str], str]) -> Callable[[Node], int | None]:
    """Return the function `wishes` needs: the engine computes an expression, nobody else reads it."""
    evaluate = evaluator()
    frame = serialize("SELECT epoch_us(CAST('hole' AS TIMESTAMPTZ))")

    def moment(expression: Node) -> int | None:
        tree = msgspec.json.decode(frame)
        tree["statements"][0]["node"]["select_list"][0]["arguments"][0]["expression"]["child"] = expression
        value = evaluate(msgspec.json.encode(tree).decode())
        return value if isinstance(value, int) else None

    return moment


@dataclass(frozen=True, slots=True)
class _Own:
    """A reference to a table: by what name, and whether it is the only one of its FROM."""

    alias: str
    alone: bool


@dataclass(frozen=True, slots=True)
class _Reader:
    params: Sequence[Any] | Mapping[str, Any]
    moment: Callable[[Node], int | None]

    def references(self, tree: object) -> Iterator[tuple[str, list[Condition]]]:
        """Yield each reference to a table by name, and what WHERE asks of its rows."""
        told: set[int] = set()
        for node in every_node(tree):
            if node.get("type") == "SELECT_NODE":
                for table, own in _joined(node):
                    told.add(id(table))
                    asked = self._conditions(_node(node.get("where_clause")), own)
                    yield table["table_name"].lower(), [_with_slack(one) for one in asked]
            elif node.get("type") == "BASE_TABLE" and id(node) not in told:
                yield node["table_name"].lower(), []

    def _conditions(self, node: Node, own: _Own) -> Iterator[Condition]:
        """Yield the conditions on a table's own columns that must hold together."""
        kind = node.get("type")
        if kind == "CONJUNCTION_AND":
            for child in node["children"]:
                yield from self._conditions(child, own)
        elif kind in _MIRRORED:
            yield from self._compared(node["left"], kind, node["right"], own)
            yield from self._compared(node["right"], _MIRRORED[kind], node["left"], own)
        elif kind == "COMPARE_BETWEEN":
            if column := _column(node["input"], own):
                yield Between(column, self._value(node["lower"], column), self._value(node["upper"], column))
        elif kind == "COMPARE_IN" and (column := _column(node["children"][0], own)):
            values = [self._value(one, column) for one in node["children"][1:]]
            known = tuple(one for one in values if one is not None)
            if len(known) == len(values):
                yield OneOf(column, known)

    def _compared(self, left: Node, kind: str, right: Node, own: _Own) -> Iterator[Condition]:
        column = _column(left, own)
        limit = self._value(right, column) if column else None
        if not column or limit is None:
            return
        low = None if kind.startswith("COMPARE_LESSTHAN") else limit
        high = None if kind.startswith("COMPARE_GREATERTHAN") else limit
        yield Between(column, low, high)

    def _value(self, node: Node, column: str) -> Value | None:
        """Return what a column is compared with, in the form of a bound; None when that is not certain."""
        text: object = None
        if node.get("class") == "CONSTANT":
            literal = _node(node.get("literal"))
            text = literal.get("text") if literal.get("kind") == "STRING" else None
        elif node.get("class") == "PARAMETER":
            text = self._bound(str(node.get("identifier")))
        elif _TYPES[column] == "TIMESTAMPTZ" and _stands_still(node):
            return self.moment(node)
        if not isinstance(text, str):
            return None
        return text if _TYPES[column] == "VARCHAR" else _microseconds(text)

    def _bound(self, name: str) -> object:
        """Return the value of a parameter; None when it is not known."""
        if not isinstance(self.params, list | tuple):
            return cast("Mapping[str, Any]", self.params).get(name)
        return self.params[int(name) - 1] if name.isdigit() and 0 < int(name) <= len(self.params) else None


def _node(value: object) -> Node:
    return cast("Node", value) if isinstance(value, dict) else {}


def _joined(select: Node) -> Iterator[tuple[Node, _Own]]:
    """Yield the tables that a FROM joins plainly; one that is sampled or has its columns renamed says nothing."""
    todo = [] if select.get("sample") else [_node(select.get("from_table"))]
    alone = bool(todo) and todo[0].get("type") == "BASE_TABLE"
    while todo:
        node = todo.pop()
        if node.get("sample") or node.get("column_name_alias"):
            continue
        if node.get("type") == "BASE_TABLE":
            yield node, _Own(str(node.get("alias") or node["table_name"]).lower(), alone)
        elif node.get("type") == "JOIN" and node.get("join_type") in _JOINS and node.get("ref_type") in _REFERENCES:
            todo += [_node(node.get("left")), _node(node.get("right"))]


def _column(node: Node, own: _Own) -> str:
    """Return the name of a column that is surely the table's own; empty when it is not."""
    if node.get("class") != "COLUMN_REF":
        return ""
    name = ""
    match [str(part).lower() for part in node["column_names"]]:
        case [column] if own.alone:
            name = column
        case [alias, column] if alias == own.alias:
            name = column
        case _:
            pass
    return name if name in _TYPES else ""


def _microseconds(text: str) -> int | None:
    """Return a time as DuckDB reads it (UTC where it names no zone), None for every form but the plain ones."""
    if not _TIME.fullmatch(text):
        return None
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return ((when if when.tzinfo else when.replace(tzinfo=dt.UTC)) - _EPOCH) // dt.timedelta(microseconds=1)


def _stands_still(node: Node) -> bool:
    """Tell whether an expression is a moment made of constants, `now()` and intervals."""
    match node.get("class"):
        case "CONSTANT":
            return True
        case "CAST":
            return not node.get("try_cast") and _stands_still(_node(node.get("child")))
        case "FUNCTION":
            arguments: list[Node] = node.get("arguments") or []
            return node.get("function_name") in _STILL and all(_stands_still(_node(a["expression"])) for a in arguments)
        case _:
            return False


def _with_slack(condition: Condition) -> Condition:
    """Return a condition on a time a little wider than it says."""
    if isinstance(condition, OneOf):
        return condition
    low, high = condition.low, condition.high
    return Between(
        condition.column,
        low - _SLACK_US if isinstance(low, int) else low,
        high + _SLACK_US if isinstance(high, int) else high,
    )
