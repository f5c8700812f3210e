"""Bounds on calls that make much of little: the engine neither times nor counts one scalar call on one row."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, cast

from queries.guard.names import folded
from warehouse.errors import QueryError, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_TEXT = 10_000
"""Characters, bits or items that one padding or resizing call may ask for."""
MAX_REPEATS = 1_000_000
"""Product of the counts of all `repeat` calls of a statement, for they may feed each other."""
MAX_RANGE = 10_000_000
"""Numbers that may stand in the arguments of a range."""
MAX_WIDTH = 1_000
"""Field width and precision in `format` and `printf`."""
MAX_BAR = 1_000
MAX_BINS = 10_000
MAX_ARRAY = 100_000
"""Items of a fixed-size array type, nested ones multiplied."""

_LITERAL_SIZES = {"repeat": (1, MAX_TEXT), "lpad": (1, MAX_TEXT), "rpad": (1, MAX_TEXT)}
"""Function -> argument that must be written out as a number, and its bound."""

_SIZES = {
    "list_resize": (1, MAX_TEXT),
    "array_resize": (1, MAX_TEXT),
    "bitstring": (1, MAX_TEXT),
    "bar": (3, MAX_BAR),
    "equi_width_bins": (2, MAX_BINS),
}
"""Function -> argument that may be read from data but holds no larger number, and its bound."""

_RANGES = frozenset({"range", "generate_series"})

_MULTIPLYING = frozenset(
    {"*", "**", "^", "<<", "!__postfix", "exp", "factorial", "gamma", "multiply", "pow", "power", "product"}
)

_FOLDS: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}

_FORMAT_FIELD = re.compile(r"\{[^{}]*+\}")
_FORMAT_NESTED = re.compile(r"\{[^{}]*+\{")
_PRINTF_FIELD = re.compile(r"%[^a-zA-Z%]*+")
_DIGITS = re.compile(r"\d+")

Expression = dict[str, Any]
"""A node of DuckDB's tree, as JSON."""


def text_growth(name: str, arguments: Sequence[Expression]) -> int:
    """Return the factor by which a call may lengthen its text, 1 for most; `name` is folded.

    Raises:
        QueryError: `refused_statement`: the call asks for more than its bound, or for a size nobody can see.
    """
    if name in _LITERAL_SIZES:
        index, bound = _LITERAL_SIZES[name]
        size = _literal_size(name, arguments, index, bound)
        return max(1, size) if name == "repeat" else 1
    if name in _SIZES:
        index, bound = _SIZES[name]
        for argument in arguments[index : index + 1]:
            _check_size(name, argument, bound)
    elif name in _RANGES:
        for argument in arguments:
            _check_size(name, argument, MAX_RANGE)
    elif name in {"format", "printf"}:
        _check_format(name, arguments)
    return 1


def array_items(node: Expression) -> int:
    """Return how many items a value of the type in `node` has at the least: the product of nested array sizes."""
    sizes = [_constant(child) for child in node.get("children", ()) if child.get("class") != "TYPE"]
    own = 1
    if folded(str(node.get("type_name"))) == "array":
        own = int(max((size for size in sizes if size is not None), default=1))
    return own * max(
        (array_items(child) for child in node.get("children", ()) if child.get("class") == "TYPE"), default=1
    )


def _literal_size(name: str, arguments: Sequence[Expression], index: int, bound: int) -> int:
    size = _constant(arguments[index]) if index < len(arguments) else None
    if size is None:
        hint = "bar(value, min, max, width) draws bars of a bounded width" if name == "repeat" else None
        raise QueryError(f"the size in {name} must be written out as a number, at most {bound}", hint=hint)
    if size > bound:
        raise QueryError(f"the size in {name} is {size:g}, at most {bound} is allowed")
    return int(size)


def _check_size(name: str, argument: Expression, bound: int) -> None:
    """Refuse numbers above `bound`, and multiplication, in an argument that may otherwise be any expression."""
    pending: list[Any] = [argument]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(cast("list[Any]", node))
        elif isinstance(node, dict):
            expression = cast("Expression", node)
            size = _constant(expression)
            if size is None:
                if folded(str(expression.get("function_name", ""))) in _MULTIPLYING:
                    raise QueryError(f"a size in {name} may not be multiplied", hint="write the product as a number")
                pending.extend(expression.values())
            elif abs(size) > bound:
                raise QueryError(f"a number in {name} is {size:g}, at most {bound} is allowed")


def _check_format(name: str, arguments: Sequence[Expression]) -> None:
    if not arguments:
        return
    literal = cast("Expression", arguments[0].get("literal") or {})
    if literal.get("kind") != "STRING":
        raise QueryError(f"the first argument of {name} must be a text literal")
    text = str(literal.get("text", ""))
    if name == "printf":
        fields = _PRINTF_FIELD.findall(text.replace("%%", ""))
        dynamic = any("*" in field for field in fields)
    else:
        text = text.replace("{{", "").replace("}}", "")
        fields = _FORMAT_FIELD.findall(text)
        dynamic = bool(_FORMAT_NESTED.search(text))
    if dynamic:
        raise QueryError(f"a width in {name} must be written out as a number, at most {MAX_WIDTH}")
    for digits in _DIGITS.findall(" ".join(fields)):
        if len(digits) > len(str(MAX_WIDTH)) or int(digits) > MAX_WIDTH:
            raise QueryError(f"a width in {name} is {shown(digits)}, at most {MAX_WIDTH} is allowed")


def _constant(node: Expression) -> float | None:
    """Return the number that `node` is, also as text, cast or simple sum of such; None for everything else."""
    match node:
        case {"class": "CONSTANT", "literal": {"text": str(text)}}:
            return _number(text)
        case {"class": "CAST", "child": {} as child}:
            return _constant(child)
        case {"class": "FUNCTION", "function_name": str(name), "arguments": [{"expression": {} as only}]} if (
            name == "-"
        ):
            value = _constant(only)
            return None if value is None else -value
        case {
            "class": "FUNCTION",
            "function_name": str(name),
            "arguments": [{"expression": {} as left}, {"expression": {} as right}],
        } if name in _FOLDS:
            first, second = _constant(left), _constant(right)
            return None if first is None or second is None else _FOLDS[name](first, second)
        case _:
            return None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else number
