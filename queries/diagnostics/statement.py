"""The SELECTs of a checked statement, and what their columns are made of: enough to tell what would be counted wrong.

Nothing here decides what may run. What the reading is not sure of has no fields and no keys, and no rule speaks of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from queries.guard.functions import AGGREGATES
from queries.guard.names import folded
from queries.tree import Node, every_node
from warehouse.schema import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

Origin = tuple[str, str]
"""A public table and its column."""
Key = frozenset[str]

_QUERIES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE"})
_EQUALITIES = frozenset({"COMPARE_EQUAL", "COMPARE_NOT_DISTINCT_FROM"})
_MAX_RELATIONS = 24
"""Relations of one FROM beyond which nothing is sure; it takes the square of them to tell which decide about others."""
_PLACES = frozenset({"query_location", "query_location_length", "alias"})

_MORE_KEYS: Mapping[str, tuple[Key, ...]] = {
    "scores": (
        frozenset({"run_id", "name"}),
        frozenset({"session_key", "session_id", "name"}),
        frozenset({"trace_id", "span_id", "name"}),
    ),
    "deferrals": (frozenset({"run_id", "scorer_id"}),),
    "metadata": (frozenset({"run_id", "kind"}), frozenset({"span_id", "kind"})),
    "spans": (frozenset({"span_id"}),),
    "steps": (frozenset({"run_id", "id"}),),
    "step_attempts": (frozenset({"run_id", "id", "attempt"}),),
}
"""Columns that are a key as a rule, though not always: who joins by them means one row."""


class Prints:
    """What expressions are, wherever they stand: two that are written alike have one print. Linear in the tree."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        self._known: dict[int, tuple[object, int]] = {}

    def of(self, tree: object) -> int:
        """Return the print of an expression."""
        todo = [tree]
        while todo:
            value = todo[-1]
            if id(value) in self._known:
                todo.pop()
                continue
            parts = _parts(value)
            unknown = [part for part in parts.values() if id(part) not in self._known]
            if unknown:
                todo.extend(unknown)
                continue
            todo.pop()
            form = tuple((name, self._known[id(part)][1]) for name, part in parts.items())
            content = (type(value).__name__, form if _holds(value) else value)
            self._known[id(value)] = (value, self._numbers.setdefault(content, len(self._numbers)))
        return self._known[id(tree)][1]


def _holds(value: object) -> bool:
    return isinstance(value, list | dict)


def _parts(value: object) -> dict[object, object]:
    """Return what an object of a tree is made of, without its place and alias."""
    if isinstance(value, list):
        return dict(enumerate(cast("list[object]", value)))
    if isinstance(value, dict):
        return {name: one for name, one in cast("Node", value).items() if name not in _PLACES}
    return {}


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A column of a relation: the table's column that it shows unchanged, and the expression that makes it."""

    origin: Origin | None = None
    made: Node | None = None
    within: Select | None = None
    """The SELECT that `made` stands in."""
    missing: bool = False
    """It can be null because an outer join found nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Columns of a relation, and the sets of columns that are unique in it."""

    fields: Mapping[str, Field] = field(default_factory=dict[str, Field])
    keys: tuple[Key, ...] = ()
    certain: bool = False
    """The fields are all there are, and rows that agree in no key can be several."""


@dataclass(slots=True, eq=False)
class Relation:
    """What one name of a FROM stands for."""

    alias: str
    name: str
    """As a message calls it."""
    shape: Shape
    missing: bool = False
    """An outer join may put nulls in its place."""
    single: bool = False
    """It has one row at the most for a row of the others."""


@dataclass(slots=True, eq=False)
class Select:
    """One SELECT: its relations, and the conditions that hold for each of its rows or for each joined pair."""

    node: Node
    prints: Prints
    relations: list[Relation] = field(default_factory=list[Relation])
    on: list[Node] = field(default_factory=list[Node])
    shared: list[tuple[Relation, Relation, str]] = field(default_factory=list[tuple[Relation, Relation, str]])
    """Columns of USING and NATURAL, with the two relations they are of."""
    where: list[Node] = field(default_factory=list[Node])
    aliases: dict[str, Node] = field(default_factory=dict[str, Node])
    groups: list[Node] = field(default_factory=list[Node])
    """What every row of one group agrees in."""
    grouped: bool = False
    told: dict[tuple[str, int], bool] = field(default_factory=dict[tuple[str, int], bool])
    """Answers that were worked out, by the question's name and the expression's `id`."""

    def same(self, left: object, right: object) -> bool:
        """Tell whether two expressions are written alike, wherever they stand."""
        return self.prints.of(left) == self.prints.of(right)

    def contains(self, tree: object, part: Node) -> bool:
        """Tell whether an expression has a part like `part`."""
        wanted = self.prints.of(part)
        return any(self.prints.of(one) == wanted for one in nodes(tree) if one["class"] == part["class"])

    def resolve(self, names: list[str]) -> tuple[Relation, str] | None:
        """Return the relation and column that a reference names, None when that is not sure."""
        first, *rest = (folded(name) for name in names)
        if rest:
            for relation in self.relations:
                if relation.alias == first:
                    return (relation, rest[0]) if rest[0] in relation.shape.fields else None
        return next(((one, first) for one in self.relations if first in one.shape.fields), None)

    def field(self, node: Node) -> Field | None:
        """Return the column that an expression is, seen through the SELECT's own aliases; None when it is none."""
        if node.get("class") != "COLUMN_REF":
            return None
        if found := self.resolve(node["column_names"]):
            relation, column = found
            one = relation.shape.fields[column]
            return replace(one, missing=True) if relation.missing else one
        meant = self.meant(node)
        return None if meant is node else Field(made=meant, within=self)

    def meant(self, node: Node) -> Node:
        """Return the expression that an alias or an ordinal stands for; else `node` itself."""
        if node.get("class") == "COLUMN_REF" and len(node["column_names"]) == 1:
            if self.resolve(node["column_names"]) is None:
                return self.aliases.get(folded(node["column_names"][0]), node)
        elif (number := constant(node)) is not None and isinstance(number, int):
            items = self.node["select_list"]
            return items[number - 1] if 0 < number <= len(items) else node
        return node

    def owners(self, node: Node) -> set[Relation]:
        """Return the relations whose columns an expression reads; those unread so far, where a name is not sure."""
        found: set[Relation] = set()
        todo, seen = [node], {id(node)}
        while todo:
            for one in nodes(todo.pop()):
                if one["class"] != "COLUMN_REF":
                    continue
                meant = self.meant(one)
                if resolved := self.resolve(one["column_names"]):
                    found.add(resolved[0])
                elif meant is one:
                    found |= self._unsure(one)
                elif id(meant) not in seen:
                    seen.add(id(meant))
                    todo.append(meant)
        return found

    def _unsure(self, node: Node) -> set[Relation]:
        first = folded(node["column_names"][0])
        named = {one for one in self.relations if one.alias == first}
        return named or {one for one in self.relations if not one.shape.certain}

    def determined(self, start: Collection[Relation], also: Collection[Node] = ()) -> set[Relation]:
        """Return the relations of which one row at the most belongs to one row of each of `start` in one group.

        Args:
            start: relations of the SELECT.
            also: conditions that hold beside its own, such as those of a FILTER.
        """
        fixed = self._fixed(also)
        found = set(start)
        grows = True
        while grows:
            grows = False
            for relation in self.relations:
                if relation in found:
                    continue
                columns = {column for one, column, by in fixed if one is relation and by <= found}
                if relation.single or any(key <= columns for key in relation.shape.keys):
                    found.add(relation)
                    grows = True
        return found

    def constants(self, relation: Relation) -> set[str]:
        """Return the columns of a relation that have one value in all rows."""
        return {column for one, column, by in self._fixed((), groups=False) if one is relation and not by}

    def _fixed(self, also: Collection[Node], *, groups: bool = True) -> list[tuple[Relation, str, frozenset[Relation]]]:
        """Return columns that are fixed once a row of each relation in the set is."""
        found = [(one, column, frozenset((other,))) for one, other, column in self.shared]
        found += [(other, column, frozenset((one,))) for one, other, column in self.shared]
        for condition in (*self.on, *self.where, *also):
            for column, value in equated(condition):
                if column.get("class") == "COLUMN_REF" and (own := self.resolve(column["column_names"])):
                    by = frozenset(self.owners(value))
                    if own[0] not in by:
                        found.append((*own, by))
        for group in self.groups if groups else ():
            if group.get("class") == "COLUMN_REF" and (own := self.resolve(group["column_names"])):
                found.append((*own, frozenset[Relation]()))
        return found

    def expressions(self) -> Iterator[Node]:
        """Yield the SELECT's own expressions, each before its parts; not those of other SELECTs inside it."""
        for name in ("select_list", "group_expressions", "having", "qualify", "modifiers"):
            yield from nodes(self.node.get(name))
        for condition in (*self.on, *self.where):
            yield from nodes(condition)


def selects(statement: Node) -> list[Select]:
    """Return the SELECTs of a checked statement, inner ones before those that read them."""
    binder = _Binder()
    binder.query(statement["node"], {})
    return binder.found


def nodes(tree: object) -> Iterator[Node]:
    """Yield an expression and its parts, each before those below it; a query inside it is left out."""
    return (node for node in every_node(tree, _is_query) if "class" in node)


def remembered(ask: Callable[[Select, Node, int], bool]) -> Callable[[Select, Node, int], bool]:
    """Answer a question about an expression of a SELECT once, however often columns lead to it."""

    def answer(select: Select, node: Node, depth: int = 0) -> bool:
        key = (ask.__name__, id(node))
        if key not in select.told:
            select.told[key] = False  # what leads to itself is not known
            select.told[key] = ask(select, node, depth)
        return select.told[key]

    return answer


def words(text: str) -> frozenset[str]:
    """Return the words of a text, as a set of names."""
    return frozenset(text.split())


def conjuncts(node: Node | None) -> Iterator[Node]:
    """Yield the conditions that must all hold."""
    if not node:
        return
    if node.get("type") == "CONJUNCTION_AND":
        for child in node["children"]:
            yield from conjuncts(child)
    else:
        yield node


def equated(condition: Node) -> Iterator[tuple[Node, Node]]:
    """Yield both readings of an equality as (left, right); a list of one value is one."""
    if condition.get("type") in _EQUALITIES:
        yield condition["left"], condition["right"]
        yield condition["right"], condition["left"]
    elif condition.get("type") == "COMPARE_IN" and len(condition["children"]) == 2:  # noqa: PLR2004 - x IN (y)
        yield condition["children"][0], condition["children"][1]


def constant(node: Node) -> str | float | None:
    """Return the value of a literal text or number; None for any other expression."""
    if node.get("class") == "CAST":
        return constant(node["child"])
    literal = node.get("literal")
    if not literal:
        return None
    if literal["kind"] == "STRING":
        return str(literal["text"])
    try:
        return int(literal["text"]) if literal["kind"] == "INTEGER" else float(literal.get("text", ""))
    except ValueError:
        return None


def arguments(node: Node) -> list[Node]:
    """Return the arguments of a function, the operands of an operator."""
    return [one["expression"] for one in node.get("arguments") or ()]


def call(node: Node) -> str:
    """Return the name of the function or window that a node calls; empty when it calls none."""
    return folded(node["function_name"]) if node.get("class") in {"FUNCTION", "WINDOW"} else ""


def aggregates(node: Node) -> bool:
    """Tell whether an expression aggregates rows of its own SELECT."""
    return any(one.get("class") == "FUNCTION" and call(one) in AGGREGATES for one in nodes(node))


def _table(name: str) -> Shape:
    table = TABLE[name]
    keys = (frozenset(table.key), *_MORE_KEYS.get(name, ()))
    return Shape({column.name: Field((name, column.name)) for column in table.columns}, keys, certain=True)


_TABLES = {name: _table(name) for name in TABLE}
_UNKNOWN = Shape()


class _Binder:
    """Reads one statement; `found` are its SELECTs."""

    def __init__(self) -> None:
        self.found: list[Select] = []
        self._prints = Prints()

    def query(self, node: Node, scope: Mapping[str, Shape]) -> Shape:
        """Return the shape of a query; `scope` has the shapes of the common table expressions it sees."""
        inner = dict(scope)
        ctes: Node = node.get("cte_map") or {}
        for entry in ctes.get("map", ()):
            shape = self.query(entry["value"]["query_node"], inner)
            inner[folded(entry["key"])] = _renamed(shape, entry["value"].get("aliases") or [])
        match node["type"]:
            case "SELECT_NODE":
                return self._select(node, inner)
            case "SET_OPERATION_NODE":
                shapes = [self.query(child, inner) for child in node["children"]]
                return Shape({name: _union(name, shapes) for name in shapes[0].fields}) if shapes else _UNKNOWN
            case _:
                own = folded(str(node.get("cte_name", "")))
                self.query(node["left"], inner)
                self.query(node["right"], inner | {own: _UNKNOWN})
                return _UNKNOWN

    def _select(self, node: Node, scope: Mapping[str, Shape]) -> Shape:
        select = Select(node, self._prints)
        select.relations = self._source(node.get("from_table") or {}, select, scope)
        select.where = list(conjuncts(node.get("where_clause")))
        select.aliases = {folded(item["alias"]): item for item in node["select_list"] if item.get("alias")}
        select.grouped = bool(node.get("group_expressions")) or node["aggregate_handling"] == "FORCE_AGGREGATES"
        select.groups = _groups(select)
        for relation in select.relations:
            if len(select.relations) > _MAX_RELATIONS or any(
                _picks(select, relation, condition) for condition in select.where
            ):
                relation.shape = replace(relation.shape, certain=False)
        own = [value for name, value in node.items() if name not in {"from_table", "cte_map"}]
        for inner in [*_inner(own), *(one for condition in select.on for one in _inner(condition))]:
            self.query(inner, scope)
        self.found.append(select)
        return _projected(select)

    def _source(self, node: Node, select: Select, scope: Mapping[str, Shape]) -> list[Relation]:
        match node.get("type"):
            case "JOIN":
                return self._join(node, select, scope)
            case "BASE_TABLE":
                name = folded(node["table_name"])
                shape = scope.get(name) or _TABLES.get(name, _UNKNOWN)
            case "SUBQUERY":
                name = ""
                shape = self.query(node["subquery"]["node"], scope)
            case "EMPTY" | None:
                return []
            case _:
                name, shape = "", _UNKNOWN
                for inner in _inner(node):
                    self.query(inner, scope)
        alias = folded(node.get("alias") or name)
        return [Relation(alias, name or alias or "the subquery", _renamed(shape, node.get("column_name_alias") or []))]

    def _join(self, node: Node, select: Select, scope: Mapping[str, Shape]) -> list[Relation]:
        left = self._source(node["left"], select, scope)
        right = self._source(node["right"], select, scope)
        kind, manner = node.get("join_type"), node.get("ref_type")
        if kind in {"SEMI", "ANTI"}:
            for inner in _inner(node.get("condition")):
                self.query(inner, scope)
            return left
        for relation in right:
            relation.missing |= kind in {"LEFT", "FULL"}
            relation.single |= manner in {"ASOF", "POSITIONAL"}
        for relation in left:
            relation.missing |= kind in {"RIGHT", "FULL"}
            relation.single |= manner == "POSITIONAL"
        select.on += conjuncts(node.get("condition"))
        columns = [folded(name) for name in node.get("using_columns") or ()]
        if manner == "NATURAL":
            columns = [name for one in left for name in one.shape.fields if any(name in r.shape.fields for r in right)]
        for name in columns:
            pair = [next((one for one in side if name in one.shape.fields), None) for side in (left, right)]
            if pair[0] and pair[1]:
                select.shared.append((pair[0], pair[1], name))
        return left + right


def _is_query(node: Node) -> bool:
    kind = node.get("type")
    return isinstance(kind, str) and kind in _QUERIES


def _inner(tree: object) -> Iterator[Node]:
    """Yield the outermost queries inside a tree."""
    todo = [tree]
    while todo:
        value = todo.pop()
        if isinstance(value, list):
            todo.extend(cast("list[object]", value))
        elif isinstance(value, dict):
            node = cast("Node", value)
            if _is_query(node):
                yield node
            else:
                todo.extend(node.values())


def _renamed(shape: Shape, names: list[str]) -> Shape:
    """Return a shape whose first columns are called otherwise."""
    if not names:
        return shape
    old = list(shape.fields)
    new = dict(zip(old, [folded(name) for name in names], strict=False))
    fields = {new.get(name, name): one for name, one in shape.fields.items()}
    return Shape(fields, tuple(frozenset(new.get(name, name) for name in key) for key in shape.keys), shape.certain)


def _union(name: str, shapes: list[Shape]) -> Field:
    """Return the column of a set operation: its origin where all sides agree in it."""
    origins = {one.origin for shape in shapes if (one := shape.fields.get(name))}
    return Field(origins.pop()) if len(origins) == 1 else Field()


def _groups(select: Select) -> list[Node]:
    items: list[Node] = select.node["select_list"]
    if select.node["aggregate_handling"] == "FORCE_AGGREGATES":
        return [item for item in items if not aggregates(item)]
    sets: list[list[int]] = select.node.get("group_sets") or []
    expressions: list[Node] = select.node.get("group_expressions") or []
    always = set(range(len(expressions))).intersection(*sets) if sets else set[int]()
    return [select.meant(expressions[i]) for i in sorted(always)]


def _picks(select: Select, relation: Relation, condition: Node) -> bool:
    """Tell whether a condition compares with a subquery, which may well pick one row of several."""
    return relation in select.owners(condition) and any(one.get("class") == "SUBQUERY" for one in nodes(condition))


def _projected(select: Select) -> Shape:
    """Return the columns of a SELECT and what is unique in them."""
    fields: dict[str, Field] = {}
    shown: dict[tuple[Relation, str], str] = {}
    certain = all(one.shape.certain for one in select.relations)
    for at, item in enumerate(select.node["select_list"]):
        if item.get("class") == "STAR":
            certain &= not (item.get("rename_list") or item.get("columns"))
            for relation, name in _starred(select, item):
                fields.setdefault(name, replace(_seen(relation, name), within=select))
                shown.setdefault((relation, name), name)
            fields |= {folded(one["key"]): Field() for one in item.get("replace_list") or ()}
            continue
        certain &= not any(one["class"] == "STAR" for one in nodes(item))
        own = select.resolve(item["column_names"]) if item.get("class") == "COLUMN_REF" else None
        name = folded(item.get("alias") or (item["column_names"][-1] if own else f"#{at}"))
        if own:
            shown.setdefault(own, name)
            fields[name] = replace(_seen(*own), made=item, within=select)
        else:
            fields[name] = Field(made=item, within=select)
    keys, sure = _keys(select, shown, frozenset(fields))
    return Shape(fields, keys, certain and sure)


def _seen(relation: Relation, name: str) -> Field:
    one = relation.shape.fields[name]
    return replace(one, missing=True) if relation.missing else one


def _starred(select: Select, item: Node) -> Iterator[tuple[Relation, str]]:
    if item.get("columns") or item.get("rename_list"):
        return
    left_out = {folded(name) for name in item.get("exclude_list") or ()}
    left_out |= {folded(one["column"]) for one in item.get("qualified_exclude_list") or ()}
    left_out |= {folded(one["key"]) for one in item.get("replace_list") or ()}
    only = folded(item.get("relation_name") or "")
    for relation in select.relations:
        if not only or relation.alias == only:
            for name in relation.shape.fields:
                if name not in left_out:
                    yield relation, name


def _keys(select: Select, shown: Mapping[tuple[Relation, str], str], every: Key) -> tuple[tuple[Key, ...], bool]:
    """Return what is unique among the rows of a SELECT, and whether rows that agree in none can be several."""
    node = select.node
    modifiers = {one["type"]: one for one in node.get("modifiers") or ()}
    keys: list[Key] = []
    spread = any(call(one) == "unnest" for item in node["select_list"] for one in nodes(item))
    sure = not (node.get("qualify") or node.get("sample") or spread)
    if limit := modifiers.get("LIMIT_MODIFIER"):
        keys += [frozenset()] if constant(limit.get("limit") or {}) == 1 else []
    if "DISTINCT_MODIFIER" in modifiers:
        targets: list[Node] = modifiers["DISTINCT_MODIFIER"].get("distinct_on_targets") or []
        names = [shown.get(own) for one in targets if (own := _own(select, one))]
        keys += [frozenset(name for name in names if name)] if targets else [every]
        sure &= len(names) == len(targets)
    if select.grouped:
        found = _group_key(select, every)
        sure &= len(node.get("group_sets") or ()) <= 1
        keys += [] if found is None else [found]
    elif any(aggregates(item) for item in node["select_list"]):
        keys.append(frozenset())
    elif not spread:
        keys += _row_keys(select, shown)
    return tuple(keys), sure


def _own(select: Select, node: Node) -> tuple[Relation, str] | None:
    return select.resolve(node["column_names"]) if node.get("class") == "COLUMN_REF" else None


def _group_key(select: Select, names: Key) -> Key | None:
    """Return the output columns of all groups; None when one of them is not shown."""
    items: list[Node] = select.node["select_list"]
    found: set[str] = set()
    for group in select.groups:
        own = _own(select, group)
        for i, item in enumerate(items):
            if select.same(item, group) or (own and own == _own(select, item)):
                last = item["column_names"][-1] if item.get("class") == "COLUMN_REF" else f"#{i}"
                found.add(folded(item.get("alias") or last))
                break
        else:
            return None
    return frozenset(found) & names


def _row_keys(select: Select, shown: Mapping[tuple[Relation, str], str]) -> Iterator[Key]:
    """Yield the keys of the relations that decide about all others; without any, there is one row."""
    if not select.relations:
        yield frozenset()
    for relation in select.relations:
        if len(select.determined([relation])) < len(select.relations):
            continue
        still = select.constants(relation)
        for key in relation.shape.keys:
            names = [shown.get((relation, column)) for column in key - still]
            if all(names):
                yield frozenset(name for name in names if name)
