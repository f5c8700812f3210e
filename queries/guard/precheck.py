"""Gate 1: linear limits on the text, before any parser sees it.

The parsers behind this gate are superlinear, or worse, on some texts (reference: sql-guard 2 and 3; measured with
sqlglot 30.30): DuckDB on unbalanced brackets, sqlglot on postfix chains (2 000 method calls take over 4 s) and,
exponentially, on joins that wait for their ON (24 of them take over 4 s). The scan below is one pass over tokens; it
decides nothing about meaning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from queries.guard.names import position
from queries.guard.tokens import tokens
from warehouse.errors import QueryError, shown

MAX_BYTES = 65_536
MAX_DEPTH = 64
MAX_OPERATORS = 2_000
"""Operators in a row, that is between two commas of one bracket."""
MAX_SET_OPERATIONS = 500
"""UNION, INTERSECT and EXCEPT in one bracket."""
MAX_ITEMS = 10_000
"""Items of one bracket."""
MAX_POSTFIX = 100
"""Steps of one chain such as `a.b[1]::INT`."""
MAX_OPEN_JOINS = 8
"""Joins in one bracket that still wait for ON or USING."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff]|\r(?!\n)")

_PAIRS = {")": "(", "]": "[", "}": "{"}
_SET_OPERATIONS = frozenset({"UNION", "INTERSECT", "EXCEPT"})
_OPERATOR_WORDS = frozenset(
    {"AND", "OR", "NOT", "IS", "IN", "LIKE", "ILIKE", "GLOB", "SIMILAR", "BETWEEN", "COLLATE", "CASE", "WHEN", "AT"}
)
_JOINS_WITHOUT_ON = frozenset({"CROSS", "NATURAL", "POSITIONAL"})


@dataclass(slots=True)
class _Bracket:
    """What has been counted inside one bracket, or outside of all."""

    sign: str
    offset: int
    items: int = 1
    operators: int = 0
    set_operations: int = 0
    postfix: int = 0
    open_joins: int = 0


def prechecked(sql: str) -> str:
    """Return `sql` without trailing white space and semicolons, once it is small and simple enough to be parsed.

    Raises:
        QueryError: `too_large` above `MAX_BYTES`; `syntax` for characters or brackets no statement may have;
            `refused_statement` above one of the other limits.
    """
    _check_characters(sql)
    text = sql.rstrip("; \t\r\n")
    if not text.strip():
        raise QueryError("there is no statement", code="syntax")
    _Scan(text).run()
    return text


def _check_characters(sql: str) -> None:
    try:
        size = len(sql.encode())
    except UnicodeEncodeError as error:
        line, col = position(sql, error.start)
        raise QueryError("the text is not valid Unicode", code="syntax", line=line, col=col) from error
    if size > MAX_BYTES:
        raise QueryError(f"the statement has {size} bytes, at most {MAX_BYTES} are read", code="too_large")
    if found := _CONTROL.search(sql):
        line, col = position(sql, found.start())
        raise QueryError(f"character {shown(found[0])} is not allowed in SQL", code="syntax", line=line, col=col)


class _Scan:
    """One pass over the tokens of a text."""

    def __init__(self, sql: str) -> None:
        self._sql = sql
        self._stack = [_Bracket("", 0)]
        self._before = ""
        """Kind of the token before, or the word itself in capitals."""

    def run(self) -> None:
        """Raise QueryError at the first excess."""
        for token in tokens(self._sql):
            self._count(*token)
        if len(self._stack) > 1:
            raise self._error("bracket is never closed", self._stack[-1].offset, "syntax")

    def _count(self, kind: str, text: str, at: int) -> None:
        level = self._stack[-1]
        match kind:
            case "unclosed":
                raise self._error(f"{'comment' if text == '/*' else 'quote'} is never closed", at, "syntax")
            case "open":
                self._open(text, at)
            case "close":
                if level.sign != _PAIRS[text]:
                    raise self._error(f"bracket {text!r} closes nothing", at, "syntax")
                self._stack.pop()
            case "comma":
                level.items += 1
                level.operators = level.postfix = 0
                self._limit(level.items, MAX_ITEMS, "items in one list", at)
            case "postfix":
                self._postfix(level, at)
            case "operator":
                level.operators += 1
                level.postfix = 0
                self._limit(level.operators, MAX_OPERATORS, "operators in a row", at)
            case "word":
                self._word(level, text.upper(), at)
            case _:
                level.postfix = 0
        self._before = text.upper() if kind == "word" else kind

    def _open(self, text: str, at: int) -> None:
        if text == "[":
            self._postfix(self._stack[-1], at)
        self._stack.append(_Bracket(text, at))
        self._limit(len(self._stack) - 1, MAX_DEPTH, "brackets inside one another", at)

    def _postfix(self, level: _Bracket, at: int) -> None:
        level.postfix += 1
        self._limit(level.postfix, MAX_POSTFIX, "steps in one chain", at)

    def _word(self, level: _Bracket, word: str, at: int) -> None:
        if self._before != "postfix":
            level.postfix = 0
        if word in _SET_OPERATIONS:
            level.set_operations += 1
            self._limit(level.set_operations, MAX_SET_OPERATIONS, "set operations in a row", at)
        elif word in _OPERATOR_WORDS:
            level.operators += 1
            self._limit(level.operators, MAX_OPERATORS, "operators in a row", at)
        elif word == "JOIN" and self._before not in _JOINS_WITHOUT_ON:
            level.open_joins += 1
            self._limit(level.open_joins, MAX_OPEN_JOINS, "joins that wait for their ON", at)
        elif word in {"ON", "USING"}:
            level.open_joins = max(0, level.open_joins - 1)

    def _limit(self, count: int, bound: int, what: str, at: int) -> None:
        if count > bound:
            raise self._error(f"more than {bound} {what}", at, "refused_statement")

    def _error(self, message: str, at: int, code: str) -> QueryError:
        line, col = position(self._sql, at)
        return QueryError(message, code=code, line=line, col=col)
