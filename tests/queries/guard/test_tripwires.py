"""Lists against the engine and the parser they describe: an upgrade that adds or moves something fails here first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import duckdb
import pytest

from queries.guard import functions
from queries.guard.duckdb_ast import EXPRESSIONS, MODIFIERS, NODES, OBJECTS, ORDERS, TABLE_REFS, checked_tree
from queries.guard.resolve import resolved
from tests.queries.guard import facts
from tests.queries.guard.cases import ACCEPTED, Case
from warehouse import engine
from warehouse.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Serialize = Callable[[str], str]

TABLE_KINDS = ("table", "table_macro")


def catalogue(column: str, source: str, condition: str = "true") -> set[str]:
    """Return the lower-case names of one of DuckDB's own lists."""
    rows = duckdb.execute(f"SELECT DISTINCT lower({column}) FROM {source}() WHERE {condition}").fetchall()
    return {str(row[0]) for row in rows}


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a JSON value."""
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from objects(item)
    elif isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        yield fields
        for item in fields.values():
            yield from objects(item)


def test_every_function_of_the_engine_is_reviewed() -> None:
    """Each function DuckDB has is allowed or refused by name, and no list names one that is gone."""
    engine = catalogue("function_name", "duckdb_functions", f"function_type NOT IN {TABLE_KINDS}")
    reviewed = functions.ALLOWED | functions.REFUSED
    assert set() == {name for name in engine - reviewed if not name.startswith(functions.REFUSED_PREFIXES)}
    assert reviewed - engine == functions.BY_PARSER | functions.STATISTICS
    assert set() == functions.ALLOWED & functions.REFUSED


def test_every_table_function_of_the_engine_is_reviewed() -> None:
    """The same for what FROM may call."""
    engine = catalogue("function_name", "duckdb_functions", f"function_type IN {TABLE_KINDS}")
    reviewed = functions.TABLE_FUNCTIONS | functions.REFUSED_TABLE_FUNCTIONS
    assert set() == {name for name in engine - reviewed if not name.startswith(functions.REFUSED_TABLE_PREFIXES)}
    assert set() == reviewed - engine


def test_every_type_of_the_engine_is_reviewed() -> None:
    """The same for types a cast may name."""
    assert catalogue("type_name", "duckdb_types") == functions.TYPES | functions.REFUSED_TYPES


@pytest.mark.parametrize("name", facts.ALL)
def test_names_are_those_that_were_reviewed(name: str) -> None:
    """Settings, statements, tree nodes, their fields and sqlglot's arguments are as when the lists were reviewed."""
    expected, found = facts.reviewed(name), facts.ALL[name]()
    assert expected.keys() == found.keys()
    assert {} == {title: expected[title] ^ found[title] for title in found if expected[title] != found[title]}


def test_lists_name_only_members_of_the_engines_enumerations() -> None:
    """Every name on the guard's lists of nodes is one that DuckDB can write."""
    known = facts.reviewed("duckdb_nodes")
    types = {type_ for types in EXPRESSIONS.values() for type_ in types}
    assert set() == EXPRESSIONS.keys() - known["ExpressionClass"]
    assert set() == types - known["ExpressionType"]
    lists = {
        "QueryNodeType": NODES,
        "TableReferenceType": TABLE_REFS,
        "ResultModifierType": MODIFIERS,
        "OrderType": ORDERS,
    }
    assert {} == {title: names - known[title] for title, names in lists.items() if names - known[title]}


def test_the_grammar_is_duckdbs_own() -> None:
    """Grammar extensions and dialects, which would make gate 3 read another language, are off where it reads."""
    connection = engine.connect()
    engine.lock(connection)
    names = ("active_grammar_extensions", "allow_parser_override_extension", "dialect_compatibility_mode")
    found = connection.execute("SELECT name, value FROM duckdb_settings() WHERE name IN ? ORDER BY name", [names])
    assert list(zip(names, ("[]", "DEFAULT", "NONE"), strict=True)) == found.fetchall()


def test_bare_words_of_the_session_are_refused(serialize: Serialize) -> None:
    """A column name that DuckDB turns into a call is refused unless the function is allowed, or tells a constant."""
    words = {name for name in functions.REFUSED if name.isidentifier()} - {"user"}
    alive: set[str] = set()
    for word in sorted(words):
        try:
            duckdb.execute(f'SELECT "{word}"')
        except duckdb.Error:
            continue
        alive.add(word)
        with pytest.raises(QueryError):
            checked_tree(f"SELECT {word}", serialize(f"SELECT {word}"))
    assert alive


def test_lists_of_nodes_are_no_wider_than_what_queries_need(serialize: Serialize) -> None:
    """The accepted corpus uses every node and expression type on the lists, so none is there untested."""
    seen = [node for case in ACCEPTED for node in objects(json.loads(serialize(case.sql)))]
    expressions = {(node["class"], node["type"]) for node in seen if "class" in node}
    assert {(class_, type_) for class_, types in EXPRESSIONS.items() for type_ in types} == expressions
    assert {node["type"] for node in seen if "class" not in node and isinstance(node.get("type"), str)} == OBJECTS


@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_gates_agree_on_the_tables_of_realistic_queries(case: Case, serialize: Serialize) -> None:
    """The scopes of sqlglot and the tree of DuckDB name the same tables."""
    assert checked_tree(case.sql, serialize(case.sql)).tables == resolved(case.sql).tables


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM {}",
        "FROM {}",
        "SELECT 1 FROM runs JOIN {} ON true",
        "SELECT 1 FROM runs, {}",
        "SELECT (SELECT 1 FROM {})",
        "SELECT 1 FROM (SELECT 1 FROM {})",
        "SELECT 1 FROM runs, LATERAL (SELECT 1 FROM {}) x",
        "SELECT 1 FROM runs WHERE id IN (SELECT 1 FROM {})",
        "SELECT 1 FROM runs WHERE EXISTS (FROM {})",
        "SELECT 1 FROM runs GROUP BY (SELECT 1 FROM {})",
        "SELECT 1 FROM runs GROUP BY id HAVING (SELECT true FROM {})",
        "SELECT 1 FROM runs QUALIFY row_number() OVER (ORDER BY (SELECT 1 FROM {})) = 1",
        "SELECT sum(1) OVER (PARTITION BY (SELECT 1 FROM {})) FROM runs",
        "SELECT count(*) FILTER (WHERE (SELECT true FROM {})) FROM runs",
        "SELECT 1 FROM runs ORDER BY (SELECT 1 FROM {})",
        "SELECT 1 FROM runs LIMIT (SELECT 1 FROM {})",
        "SELECT 1 FROM runs OFFSET (SELECT 1 FROM {})",
        "SELECT DISTINCT ON ((SELECT 1 FROM {})) 1 FROM runs",
        "SELECT 1 UNION ALL SELECT 1 FROM {}",
        "(SELECT 1 FROM {}) EXCEPT SELECT 1",
        "WITH a AS (SELECT 1 FROM {}) SELECT 1 FROM a",
        "WITH a AS (WITH b AS (FROM {}) FROM b) FROM a",
        "WITH RECURSIVE a AS (SELECT 1 AS x UNION ALL SELECT 1 FROM {}, a) FROM a",
        "PIVOT {} ON id IN ('a')",
        "FROM {} PIVOT (count(*) FOR id IN ('a'))",
        "UNPIVOT {} ON id INTO NAME n VALUE v",
        "VALUES ((SELECT 1 FROM {}))",
        "SELECT list_transform([1], lambda x: (SELECT 1 FROM {}))",
        "SELECT * FROM range((SELECT 1 FROM {}))",
        "SELECT * FROM unnest((SELECT [1] FROM {}))",
        "SELECT * REPLACE ((SELECT 1 FROM {}) AS id) FROM runs",
        "SELECT {{'a': (SELECT 1 FROM {})}}",
        "SELECT CASE WHEN true THEN (SELECT 1 FROM {}) END",
        "SELECT ARRAY(SELECT 1 FROM {})",
        "SELECT [1, 2][(SELECT 1 FROM {})]",
    ],
)
def test_both_gates_see_a_table_wherever_it_stands(sql: str, serialize: Serialize) -> None:
    """No clause hides a table from either gate; a release that moves an argument of the tree fails here."""
    good, bad = sql.format("spans"), sql.format("secrets")
    assert "spans" in resolved(good).tables
    assert "spans" in checked_tree(good, serialize(good)).tables
    with pytest.raises(QueryError) as by_sqlglot:
        resolved(bad)
    with pytest.raises(QueryError) as by_duckdb:
        checked_tree(bad, serialize(bad))
    for refusal in (by_sqlglot.value, by_duckdb.value):
        assert ("unknown_table", bad.index("secrets") + 1) == (refusal.code, refusal.col)


@pytest.mark.parametrize(
    "tree",
    [
        "[]",
        "{}",
        '{"error": true}',
        '{"error": false}',
        '{"error": false, "statements": []}',
        '{"error": false, "statements": [{"node": {"type": "NEW_NODE"}}]}',
        '{"error": false, "statements": [{"node": {"class": "NEW", "type": "NEW"}}]}',
        '{"error": false, "statements": [{"node": {"class": "OPERATOR", "type": "NEW"}}]}',
        '{"error": false, "statements": [{"node": {"class": "OPERATOR"}}]}',
        '{"error": false, "statements": [{"new_field": [{"type": "SHOW_REF"}]}]}',
        '{"error": false, "statements": [{}], "more": []}',
    ],
)
def test_unknown_tree_is_refused(tree: str) -> None:
    """A node, class, type or answer this release never made is refused, not skipped."""
    with pytest.raises(QueryError):
        checked_tree("SELECT 1", tree)
