"""Names that the guard relies on, asked of the pinned DuckDB and sqlglot: what an upgrade may add, move or take away.

`reviewed/` holds them as they were when the lists in `queries/guard` were reviewed. After an upgrade read the
difference, adapt the lists, then write the files anew with `python -m tests.queries.guard.facts`.
"""

from __future__ import annotations

import itertools
import json
import re
import string
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import duckdb
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from tests.queries.guard.cases import ACCEPTED
from warehouse.engine import serializer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REVIEWED = Path(__file__).parent / "reviewed"

Facts = dict[str, set[str]]
"""A group of names by its title."""

_SELECT = (
    '{"error": false, "statements": [{"node": {"type": "SELECT_NODE", "modifiers": [%s], "cte_map": {"map": []}, '
    '"select_list": [%s], "from_table": %s}}]}'
)

_PROBES: dict[str, Callable[[str], str]] = {
    "QueryNodeType": lambda name: '{"error": false, "statements": [{"node": {"type": "%s"}}]}' % name,  # noqa: UP031
    "ExpressionClass": lambda name: _SELECT % ("", f'{{"class": "{name}", "type": "STAR"}}', "null"),
    "ExpressionType": lambda name: _SELECT % ("", f'{{"class": "STAR", "type": "{name}"}}', "null"),
    "TableReferenceType": lambda name: _SELECT % ("", "", f'{{"type": "{name}"}}'),
    "ResultModifierType": lambda name: _SELECT % (f'{{"type": "{name}"}}', "", "null"),
    "OrderType": lambda name: _SELECT % (f'{{"type": "ORDER_MODIFIER", "orders": [{{"type": "{name}"}}]}}', "", "null"),
}
"""DuckDB's enumerations of tree nodes -> a tree that makes it read a name as a member."""

_READ = (
    exp.Table,
    exp.With,
    exp.CTE,
    exp.Anonymous,
    exp.Identifier,
    exp.Pivot,
    exp.Select,
    exp.SetOperation,
    exp.Subquery,
)
"""Classes of sqlglot whose nodes `resolve` looks into."""


def nodes() -> Facts:
    """Return the members of DuckDB's enumerations of tree nodes.

    They are on no list that can be asked for. But DuckDB answers an unknown name with the known ones most like it; all
    pairs of letters, and everything found with a letter behind it, bring out the members one after another.
    """
    connection = duckdb.connect()
    return {title: _members(connection, title) for title in _PROBES}


def _members(connection: duckdb.DuckDBPyConnection, title: str) -> set[str]:
    found: set[str] = set()
    pending = [a + b for a, b in itertools.product(string.ascii_uppercase, repeat=2)]
    while pending:
        new = {name for probe in pending for name in _candidates(connection, title, probe)} - found
        found |= new
        pending = [f"{name}X" for name in new] + [name[:-1] for name in new]
    return found


def _candidates(connection: duckdb.DuckDBPyConnection, title: str, name: str) -> list[str]:
    try:
        connection.execute("SELECT json_deserialize_sql(?::JSON)", [_PROBES[title](name)])
    except duckdb.Error as error:
        said, _, candidates = str(error).partition("Candidates:")
        return re.findall(r'"(\w+)"', candidates) if f'for enum "{title}"' in said else []
    return []


def fields() -> Facts:
    """Return the fields of each kind of object that DuckDB's serialiser writes for the corpora."""
    serialize = serializer()
    found: Facts = {}
    for case in ACCEPTED:
        for node in _objects(json.loads(serialize(case.sql)), "statement"):
            found.setdefault(node[0], set()).update(node[1])
    return found


def _objects(value: Any, place: str) -> Iterator[tuple[str, set[str]]]:
    """Yield the kind of every object (its class or type, else the field it stands in) with its fields."""
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _objects(item, place)
    elif isinstance(value, dict):
        node = cast("dict[str, Any]", value)
        kind = node.get("class", node.get("type"))
        yield kind if isinstance(kind, str) else f"({place})", set(node)
        for field, item in node.items():
            yield from _objects(item, field)


def settings() -> Facts:
    """Return the names of DuckDB's settings: one that changes what SQL means, or what it reaches, needs a look."""
    rows = duckdb.connect().execute("SELECT name FROM duckdb_settings()").fetchall()
    return {"settings": {str(row[0]) for row in rows}}


def statements() -> Facts:
    """Return the kinds of statement that DuckDB knows, and the words with which sqlglot begins one."""
    return {
        "DuckDB": set(duckdb.StatementType.__members__),
        "sqlglot": {str(kind).removeprefix("TokenType.") for kind in DuckDB.Parser.STATEMENT_PARSERS},
    }


def arguments() -> Facts:
    """Return the argument names of the sqlglot nodes that `resolve` reads, and which classes count as what."""
    kinds = {f"is {base.__name__}": {one.__name__ for one in _below(base)} for base in (exp.Query, exp.DDL)}
    return {kind.__name__: set(kind.arg_types) for kind in _READ} | kinds


def _below(base: type) -> Iterator[type]:
    for one in base.__subclasses__():
        yield one
        yield from _below(one)


ALL: dict[str, Callable[[], Facts]] = {
    "duckdb_nodes": nodes,
    "duckdb_fields": fields,
    "duckdb_settings": settings,
    "statements": statements,
    "sqlglot_arguments": arguments,
}
"""File in `reviewed/` -> what is asked."""


def reviewed(name: str) -> Facts:
    """Return the names as they were reviewed."""
    groups = (REVIEWED / f"{name}.txt").read_text(encoding="utf-8").split("\n\n")
    return {title: set(rest.split()) for title, _, rest in (group.partition("\n") for group in groups)}


def main() -> None:
    """Write all files anew."""
    for name, ask in ALL.items():
        groups = [
            f"{title}\n" + "\n".join(f"  {one}" for one in sorted(found)) for title, found in sorted(ask().items())
        ]
        (REVIEWED / f"{name}.txt").write_text("\n\n".join(groups) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
