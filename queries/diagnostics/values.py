"""Names and values of the workspace: literals that match nothing, and scores of several kinds under one mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from queries.diagnostics.numbers import VALUES
from queries.diagnostics.statement import arguments, call, conjuncts, constant, equated, nodes, words
from queries.guard.names import nearest
from warehouse.errors import shown
from warehouse.schema import RUN_STATUSES, SCORE_KINDS, SCORE_SOURCES, STEP_STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from queries.diagnostics.question import QueryWarning, Question
    from queries.diagnostics.statement import Field, Origin, Select
    from queries.tree import Node

_KINDS = "SELECT DISTINCT name, kind FROM scores"
_DECLARED = "SELECT name FROM score_definitions"
_EXPERIMENTS = "SELECT name FROM experiments"
_VARIANTS = "SELECT DISTINCT variant FROM assignments"

_SCORE_NAMES: frozenset[Origin] = frozenset(
    {
        ("scores", "name"),
        ("score_history", "name"),
        ("experiment_scores", "score"),
        ("scored_runs", "score"),
        ("session_scores", "score"),
    }
)
_NAMED: Mapping[Origin, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(_SCORE_NAMES, ("score", (_KINDS, _DECLARED))),
    **{
        (table, "experiment"): ("experiment", (_EXPERIMENTS,))
        for table in ("assignments", "experiment_scores", "scored_runs")
    },
    ("experiments", "name"): ("experiment", (_EXPERIMENTS,)),
    **{(table, "variant"): ("variant", (_VARIANTS,)) for table in ("assignments", "experiment_scores", "scored_runs")},
}
"""A column of names: what it names, and the questions whose first columns are all the names there are."""

VALUES_OF: Mapping[Origin, tuple[str, ...]] = {
    ("runs", "status"): RUN_STATUSES,
    ("steps", "status"): STEP_STATUSES,
    ("step_attempts", "status"): STEP_STATUSES,
    ("scores", "kind"): SCORE_KINDS,
    ("score_history", "kind"): SCORE_KINDS,
    ("score_definitions", "kind"): SCORE_KINDS,
    ("experiment_scores", "kind"): ("boolean", "numeric"),
    ("scored_runs", "kind"): ("boolean", "numeric"),
    ("scores", "source"): SCORE_SOURCES,
    ("score_history", "source"): SCORE_SOURCES,
    ("metadata", "level"): ("span", "step", "run"),
    ("deferrals", "status"): ("waiting", "matched", "timed_out", "cancelled", "failed"),
    ("spans", "status_code"): ("UNSET", "OK", "ERROR"),
    ("spans", "type"): (
        *("llm", "embedding", "tool", "agent", "workflow", "retriever", "memory", "evaluator", "guardrail", "other"),
    ),
    ("spans", "kind"): ("INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"),
}
"""A column that has few values, all known: those its documentation names."""

_COMPARED = frozenset({"COMPARE_EQUAL", "COMPARE_NOTEQUAL", "COMPARE_NOT_DISTINCT_FROM", "COMPARE_DISTINCT_FROM"})
_AVERAGING = words("""
    approx_quantile avg favg fsum kahan_sum mad mean median quantile quantile_cont quantile_disc sem stddev stddev_pop
    stddev_samp sum sumkahan var_pop var_samp variance
    """)


def unknown_name(question: Question) -> Iterator[QueryWarning]:
    """Names of scores, experiments and variants that the workspace does not have."""
    for field, literal in _literals(question):
        if field.origin is None or field.origin not in _NAMED:
            continue
        what, sources = _NAMED[field.origin]
        text = str(constant(literal))
        known = {str(row[0]) for source in sources for row in question.ask(source)}
        if text not in known:
            near = _nearest(text, known)
            yield question.warn(
                f"unknown_{what}",
                literal,
                f"there is no {what} {shown(text)}",
                f"did you mean {shown(near)}?" if near else _elsewhere(what, known),
            )


def _nearest(text: str, known: set[str]) -> str | None:
    """Return the known name most like a text, whatever its capitals."""
    folded = {name.lower(): name for name in sorted(known)}
    near = nearest(text.lower(), folded)
    return folded[near] if near else None


def _elsewhere(what: str, known: set[str]) -> str:
    if not known:
        return f"the workspace has no {what}s yet"
    path = {"score": "GET /v1/scores lists them", "experiment": "GET /v1/experiments lists them"}
    return path.get(what, f"there are {', '.join(shown(name) for name in sorted(known)[:5])}")


def unknown_value(question: Question) -> Iterator[QueryWarning]:
    """Texts that a column of few values never has, such as a status in the wrong case."""
    for field, literal in _literals(question):
        values = VALUES_OF.get(field.origin) if field.origin else None
        text = str(constant(literal))
        if values and text not in values:
            near = _nearest(text, set(values))
            column = ".".join(field.origin or ())
            yield question.warn(
                "unknown_value",
                literal,
                f"{column} is never {shown(text)}",
                f"did you mean {shown(near)}?" if near else f"it is one of {', '.join(values)}",
            )


def _literals(question: Question) -> Iterator[tuple[Field, Node]]:
    """Yield the columns that are compared with literal texts, and these."""
    for select in question.selects:
        for node in select.expressions():
            if node.get("type") in _COMPARED:
                pairs = [(node["left"], node["right"]), (node["right"], node["left"])]
            elif node.get("type") == "COMPARE_IN":
                pairs = [(node["children"][0], one) for one in node["children"][1:]]
            else:
                continue
            for column, value in pairs:
                if isinstance(constant(value), str) and (field := select.field(column)) and field.origin:
                    yield field, value


def mixed_scores(question: Question) -> Iterator[QueryWarning]:
    """Means over scores of several names or kinds, which have no unit in common."""
    told: set[str] = set()
    for select in question.selects:
        for node in select.expressions():
            if node.get("class") != "FUNCTION" or call(node) not in _AVERAGING:
                continue
            field = _plain(select, arguments(node)[0]) if arguments(node) else None
            if field and field.origin in VALUES:
                found = [one for one in _mixed(question, select, node, field.origin[0]) if one.message not in told]
                told.update(one.message for one in found)
                yield from found


def _plain(select: Select, node: Node) -> Field | None:
    return _plain(select, node["child"]) if node.get("class") == "CAST" else select.field(node)


def _mixed(question: Question, select: Select, node: Node, table: str) -> Iterator[QueryWarning]:
    asked = _Asked()
    asked.read(question, select, node, table)
    if asked.kinds:
        return
    kinds: dict[str, set[str]] = {}
    for name, kind, *_ in question.ask(_KINDS):
        if kind != "label":
            kinds.setdefault(str(name), set()).add(str(kind))
    names = {name for name in kinds if not asked.names or name in asked.names}
    if asked.names or asked.grouped:
        for name in sorted(names):
            if len(kinds[name]) > 1:
                yield question.warn(
                    "mixed_kinds",
                    node,
                    f"score {shown(name)} has values of the kinds {' and '.join(sorted(kinds[name]))}",
                    "add kind = 'boolean' or kind = 'numeric', or group by kind",
                )
                return
        if not asked.told and not asked.grouped and len(names) > 1:
            yield _several(question, node, names)
    elif not asked.told and len(names) > 1:
        yield _several(question, node, names)


def _several(question: Question, node: Node, names: set[str]) -> QueryWarning:
    return question.warn(
        "mixed_scores",
        node,
        f"{len(names)} scores of different names are taken together as if they were one",
        "name one score in WHERE, or group by the name",
    )


class _Asked:
    """What a SELECT and those it reads say of the scores they take."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        """Names that conditions ask for."""
        self.grouped = False
        """Each group has one name."""
        self.told = False
        """The name is spoken of in another way, such as by a parameter, a join or a pattern."""
        self.kinds = False
        """The kind is spoken of."""
        self._read: set[int] = set()

    def read(self, question: Question, select: Select, aggregate: Node | None, table: str) -> None:
        """Take in one SELECT and every one below it that reads the same table."""
        filtered = aggregate.get("filter") if aggregate else None
        for condition in (*select.on, *select.where, *conjuncts(filtered)):
            self._condition(select, condition, table)
        for group in select.groups:
            self.grouped |= _is_name(select, group, table)
            self._mention(select, group, table)
        for left, _, column in select.shared:
            origin = left.shape.fields[column].origin
            self.told |= origin in _SCORE_NAMES
        for argument in arguments(aggregate) if aggregate else ():
            self._mention(select, argument, table)
        inner = {id(field.within): field.within for one in select.relations for field in one.shape.fields.values()}
        for below in inner.values():
            if below is not None and below is not select and id(below) not in self._read:
                self._read.add(id(below))
                self.read(question, below, None, table)

    def _condition(self, select: Select, condition: Node, table: str) -> None:
        children: list[Node] = condition.get("children") or []
        named = [value for column, value in equated(condition) if _is_name(select, column, table)]
        if condition.get("type") == "COMPARE_IN" and _is_name(select, children[0], table):
            named = children[1:]
        texts = [constant(value) for value in named]
        if texts and all(isinstance(text, str) for text in texts):
            self.names.update(str(text) for text in texts)
        else:
            self._mention(select, condition, table)

    def _mention(self, select: Select, tree: Node, table: str) -> None:
        for node in nodes(tree):
            field = select.field(node)
            origin = field.origin if field else None
            if origin and origin[0] == table:
                self.told |= origin in _SCORE_NAMES
                self.kinds |= origin[1] == "kind"


def _is_name(select: Select, node: Node, table: str) -> bool:
    field = select.field(node)
    return field is not None and field.origin in _SCORE_NAMES and field.origin[0] == table
