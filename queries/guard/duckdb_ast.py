"""Gate 3, the authority: DuckDB's own syntax tree against lists of what may be in it. What is on no list is refused.

The tree is the JSON of `json_serialize_sql`, made by the parser of the engine that will run the text, so there is no
second parser to disagree with. Every object of the tree is visited, whatever its field is called; only where a name is
looked up does the walk know more than "is this on the list".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import msgspec

from queries.guard.functions import ALLOWED, TABLE_FUNCTIONS, TYPES
from queries.guard.growth import MAX_ARRAY, MAX_REPEATS, array_items, text_growth
from queries.guard.names import PUBLIC_PATHS, byte_position, folded, refused_function, unknown_table
from warehouse.errors import QueryError, shown

Node = dict[str, Any]
Path = tuple[str, ...]
Scope = frozenset[Path]
"""The paths under which common table expressions are visible."""

NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE"})
TABLE_REFS = frozenset(
    {"BASE_TABLE", "EMPTY", "EXPRESSION_LIST", "JOIN", "PIVOT", "SUBQUERY", "TABLE_FUNCTION"},
)
MODIFIERS = frozenset({"DISTINCT_MODIFIER", "LIMIT_MODIFIER", "ORDER_MODIFIER"})
ORDERS = frozenset({"ASCENDING", "DESCENDING", "ORDER_DEFAULT"})
OBJECTS = NODES | TABLE_REFS | MODIFIERS | ORDERS
"""Types of objects that are no expressions."""

EXPRESSIONS: dict[str, frozenset[str]] = {
    "BETWEEN": frozenset({"COMPARE_BETWEEN"}),
    "CASE": frozenset({"CASE_EXPR"}),
    "CAST": frozenset({"OPERATOR_CAST"}),
    "COLLATE": frozenset({"COLLATE"}),
    "COLUMN_REF": frozenset({"COLUMN_REF"}),
    "COMPARISON": frozenset(
        {
            "COMPARE_DISTINCT_FROM",
            "COMPARE_EQUAL",
            "COMPARE_GREATERTHAN",
            "COMPARE_GREATERTHANOREQUALTO",
            "COMPARE_LESSTHAN",
            "COMPARE_LESSTHANOREQUALTO",
            "COMPARE_NOTEQUAL",
            "COMPARE_NOT_DISTINCT_FROM",
        }
    ),
    "CONJUNCTION": frozenset({"CONJUNCTION_AND", "CONJUNCTION_OR"}),
    "CONSTANT": frozenset({"VALUE_CONSTANT"}),
    "FUNCTION": frozenset({"FUNCTION"}),
    "LAMBDA": frozenset({"LAMBDA"}),
    "OPERATOR": frozenset(
        {
            "ARRAY_CONSTRUCTOR",
            "ARRAY_EXTRACT",
            "ARRAY_SLICE",
            "COMPARE_IN",
            "GROUPING_FUNCTION",
            "OPERATOR_COALESCE",
            "OPERATOR_IS_NOT_NULL",
            "OPERATOR_IS_NULL",
            "OPERATOR_NOT",
            "OPERATOR_TRY",
            "OPERATOR_UNPACK",
            "STRUCT_EXTRACT",
        }
    ),
    "PARAMETER": frozenset({"VALUE_PARAMETER"}),
    "POSITIONAL_REFERENCE": frozenset({"POSITIONAL_REFERENCE"}),
    "STAR": frozenset({"STAR"}),
    "SUBQUERY": frozenset({"SUBQUERY"}),
    "TYPE": frozenset({"TYPE"}),
    "WINDOW": frozenset(
        {
            "WINDOW_AGGREGATE",
            "WINDOW_CUME_DIST",
            "WINDOW_FILL",
            "WINDOW_FIRST_VALUE",
            "WINDOW_LAG",
            "WINDOW_LAST_VALUE",
            "WINDOW_LEAD",
            "WINDOW_NTH_VALUE",
            "WINDOW_NTILE",
            "WINDOW_PERCENT_RANK",
            "WINDOW_RANK",
            "WINDOW_RANK_DENSE",
            "WINDOW_ROW_NUMBER",
        }
    ),
}
"""Expression class -> its types."""

SAMPLING = frozenset({"Bernoulli", "Reservoir", "System"})

_SESSION_WORDS = frozenset({"current_catalog", "current_role", "current_schema", "current_user", "session_user"})
"""Bare words that DuckDB turns into calls where no column has the name (`user` is left: many columns are called so)."""

_CATALOGUE_PREFIXES = ("duckdb_", "information_schema", "internal", "pg_", "pragma_", "sqlite_")
"""Views of every engine that a bare name reaches. A CTE may not have such a name: were a scope here ever wider than
DuckDB's, the name would fall through to the view."""

NO_SELECT = "only a SELECT can be run"
"""Message of the refusal of a text that DuckDB reads but does not serialise."""

_NOWHERE = 2**64 - 1
"""DuckDB's location of what has none."""

_PLAIN = frozenset({"statements", "error"})


@dataclass(frozen=True, slots=True)
class Tree:
    """What a checked tree reads: public tables, functions (folded), and parameters by name (`1` is the first)."""

    statement: Node
    tables: frozenset[str]
    functions: frozenset[str]
    parameters: frozenset[str]


def checked_tree(sql: str, tree_json: str) -> Tree:
    """Return what the statement `sql` reads, once all of its tree is on the lists.

    Args:
        sql: the text, for positions.
        tree_json: DuckDB's `json_serialize_sql` of it.

    Raises:
        QueryError: `syntax`, `refused_statement`, `refused_function` or `unknown_table`, with line and column.
    """
    tree = msgspec.json.decode(tree_json)
    if not isinstance(tree, dict) or tree.keys() - _PLAIN or tree.get("error") is not False:  # pyright: ignore[reportUnknownMemberType]
        raise _parser_error(sql, cast("Node", tree) if isinstance(tree, dict) else {})
    statements = cast("list[Node]", tree.get("statements", []))  # pyright: ignore[reportUnknownMemberType]
    if len(statements) != 1:
        raise QueryError(f"the text has {len(statements)} statements, one is run")
    walk = _Walk(sql)
    walk.run(statements[0])
    return Tree(statements[0], frozenset(walk.tables), frozenset(walk.functions), frozenset(walk.parameters))


def _parser_error(sql: str, tree: Node) -> QueryError:
    """Return the refusal of a text that DuckDB does not serialise: a syntax error, or no SELECT."""
    message = str(tree.get("error_message", ""))
    if tree.get("error_type") == "parser" or message.startswith("syntax error"):
        offset = str(tree.get("position", ""))
        line, col = byte_position(sql, int(offset)) if offset.isdigit() else (None, None)
        first = message.split("\n", 1)[0]
        text = first[:1].lower() + first[1:] if first[1:2].islower() else first
        return QueryError(text, code="syntax", line=line, col=col)
    if message.startswith("Only SELECT"):
        return QueryError(NO_SELECT)
    return QueryError("the statement cannot be checked")


class _Walk:
    """Visits every object of one tree, with the common table expressions that are visible there."""

    def __init__(self, sql: str) -> None:
        self._sql = sql
        self._pending: list[tuple[Any, Scope]] = []
        self._repeats = 1
        self.tables: set[str] = set()
        self.functions: set[str] = set()
        self.parameters: set[str] = set()

    def run(self, root: Node) -> None:
        """Visit `root` and all below; raise QueryError at the first object that is on no list."""
        self._pending.append((root, frozenset()))
        while self._pending:
            value, scope = self._pending.pop()
            if isinstance(value, list):
                self._pending.extend((item, scope) for item in cast("list[Any]", value))
            elif isinstance(value, dict):
                self._visit(cast("Node", value), scope)

    def _visit(self, node: Node, scope: Scope) -> None:
        kind = node.get("type")
        if "class" in node:
            self._check_expression(node)
        elif isinstance(kind, str):
            self._check_object(kind, node, scope)
        if kind == "TABLE_FUNCTION" and "class" not in node:
            self._push(node, scope, but="function")
        elif kind == "RECURSIVE_CTE_NODE":
            self._push_recursive(node, scope)
        else:
            self._push_fields(node, scope)

    def _push(self, node: Node, scope: Scope, *, but: str = "") -> None:
        self._pending.extend((value, scope) for field, value in node.items() if field != but)

    def _push_fields(self, node: Node, scope: Scope) -> None:
        """Push the fields of `node`; its own common table expressions are visible in all of them but earlier ones."""
        if "cte_map" not in node:
            self._push(node, scope)
            return
        inner = scope
        for entry in cast("list[Node]", node["cte_map"]["map"]):
            name = folded(str(entry["key"]))
            if name.startswith(_CATALOGUE_PREFIXES):
                raise QueryError(f"a common table expression cannot be called {shown(name)}")
            self._pending.append((entry["value"], inner))
            inner |= {(name,)}
        self._push(node, inner, but="cte_map")

    def _push_recursive(self, node: Node, scope: Scope) -> None:
        """Push a recursive query: its own name is visible in the recursive half only."""
        name = folded(str(node["cte_name"]))
        self._pending.append((node.get("right"), scope | {(name,), ("recurring", name)}))
        self._push_fields({field: value for field, value in node.items() if field != "right"}, scope)

    def _check_object(self, kind: str, node: Node, scope: Scope) -> None:
        if kind not in OBJECTS:
            raise self._refused_object(kind, node)
        sample = node.get("sample")
        if sample is not None and sample.get("method") not in SAMPLING:
            raise self._error("this kind of sampling is refused", node)
        if kind == "BASE_TABLE":
            self._check_table(node, scope)
        elif kind == "TABLE_FUNCTION":
            self._check_table_function(node, scope)
        elif kind == "PIVOT" and any(pivot.get("pivot_enum") for pivot in node.get("pivots", ())):
            raise self._error("PIVOT over a named type is refused", node, hint="list the values: IN ('a', 'b')")

    def _check_table(self, node: Node, scope: Scope) -> None:
        if node.get("at_clause") is not None:
            raise self._error("AT is refused", node, hint="known_at of the request asks for an earlier state")
        path = tuple(str(part) for part in node["qualified_name"]["path"])
        parts = tuple(str(node[part]) for part in ("catalog_name", "schema_name", "table_name") if node[part])
        name = tuple(folded(part) for part in path)
        if name in scope and path == parts:
            return
        if name not in PUBLIC_PATHS or path != parts:
            raise unknown_table(".".join(path), self._place(node))
        self.tables.add(name[-1])

    def _check_table_function(self, node: Node, scope: Scope) -> None:
        function = cast("Node", node["function"])
        name = folded(str(function.get("function_name", "")))
        if function.get("class") != "FUNCTION" or name not in TABLE_FUNCTIONS or function.get("schema"):
            raise refused_function(name, TABLE_FUNCTIONS, self._place(node))
        self.functions.add(name)
        self._check_growth(name, function)
        self._push(function, scope)

    def _check_expression(self, node: Node) -> None:
        class_, type_ = str(node["class"]), str(node.get("type"))
        if type_ not in EXPRESSIONS.get(class_, ()):
            raise self._error(f"this expression is refused ({type_.lower()})", node)
        match class_:
            case "FUNCTION" | "WINDOW":
                self._check_function(node)
            case "PARAMETER":
                self.parameters.add(str(node["identifier"]))
            case "TYPE":
                self._check_type(node)
            case "COLUMN_REF":
                names = cast("list[str]", node["column_names"])
                if len(names) == 1 and folded(names[0]) in _SESSION_WORDS:
                    raise refused_function(names[0], (), self._place(node))
            case _:
                pass

    def _check_function(self, node: Node) -> None:
        """Check a call by its last name: `x.upper()` reads like a schema, and no schema holds strangers' functions."""
        name = folded(str(node["function_name"]))
        if name not in ALLOWED or node.get("export_state"):
            raise refused_function(str(node["function_name"]), ALLOWED, self._place(node))
        self.functions.add(name)
        self._check_growth(name, node)

    def _check_growth(self, name: str, node: Node) -> None:
        arguments = [cast("Node", argument["expression"]) for argument in node["arguments"]]
        try:
            self._repeats *= text_growth(name, arguments)
        except QueryError as error:
            raise self._error(error.message, node, hint=error.hint) from error
        if self._repeats > MAX_REPEATS:
            raise self._error(f"the counts of all repeat calls multiply to more than {MAX_REPEATS}", node)

    def _check_type(self, node: Node) -> None:
        name = str(node["type_name"])
        if folded(name) not in TYPES or node.get("schema") or node.get("catalog"):
            raise self._error(f"there is no type {shown(name)}", node)
        if array_items(node) > MAX_ARRAY:
            raise self._error(f"an array type has more than {MAX_ARRAY} items", node)

    def _refused_object(self, kind: str, node: Node) -> QueryError:
        if kind == "SHOW_REF":
            return self._error(
                "SHOW, DESCRIBE and SUMMARIZE are refused", node, hint="GET /v1/tables lists tables and columns"
            )
        verb = kind.removesuffix("_QUERY_NODE")
        if verb != kind:
            return self._error(f"{verb} is refused: only a SELECT can be run", node)
        return self._error(f"this part of a statement is refused ({kind.lower()})", node)

    def _place(self, node: Node) -> tuple[int, int] | None:
        offset = node.get("query_location", _NOWHERE)
        return None if offset == _NOWHERE else byte_position(self._sql, int(offset))

    def _error(self, message: str, node: Node, *, hint: str | None = None) -> QueryError:
        line, col = self._place(node) or (None, None)
        return QueryError(message, hint=hint, line=line, col=col)
