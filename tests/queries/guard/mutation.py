"""Statements nobody wrote: grown from a small grammar, or cut from the corpora and put together wrongly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.queries.guard.cases import ACCEPTED, COMPLETED, REFUSED
from warehouse.schema import TABLE

if TYPE_CHECKING:
    import random

CANARY = "canary"
"""In the name and in every text of what lies outside the public tables; stands in no public name."""

OUTSIDE = (
    *("canary_table", "main.canary_table", "internal.canary_hot", "canary_other.main.runs", "canary_other.runs"),
    *("memory.main.runs", "temp.main.canary_temp", "canary_view", "'canary.csv'", '"canary.csv"', "'canary*.csv'"),
    *(
        "sqlite_master",
        "duckdb_tables",
        "pg_class",
        "information_schema.tables",
        "pg_catalog.pg_tables",
        "duckdb_views()",
    ),
    *("read_csv('canary.csv')", "read_text('canary.csv')", "glob('*')", "query('FROM canary_table')", "canary_macro()"),
    *("query_table('canary_table')", "pragma_table_info('canary_table')", "duckdb_settings()", "duckdb_variables()"),
    *("(SHOW TABLES)", "(DESCRIBE canary_table)", "(SUMMARIZE canary_table)", "(DELETE FROM runs RETURNING *)"),
    *("(WITH d AS (DELETE FROM runs RETURNING id) FROM d)", "(WITH d AS (COPY runs TO 'made.csv') FROM d)"),
)
"""What FROM may never reach; each is there in the engine that fuzzing asks."""

SECRETS = (
    *("getvariable('canary')", "current_setting('temp_directory')", "canary_scalar()", "nextval('canary_sequence')"),
    *("(SELECT max(x) FROM canary_table)", "read_text('canary.csv')", "current_schemas(true)", "current_database()"),
    *("$canary", "canary_table", "stats(1)", "pg_get_viewdef(1)", "main.canary_scalar()", "'canary.csv'.read_text()"),
)
"""What an expression may never tell."""

_NAMES = ("a", "b", "t", "runs", "scores", "Spans", '"steps"', "canary_table", "internal", "main", "recurring", "x")

_STATEMENTS = (
    *("SELECT {e} FROM {t}", "FROM {t}", "SELECT * FROM {t} AS {n}", "SELECT {e} FROM {t} WHERE {e} IN (FROM {t})"),
    *("WITH {n} AS ({s}) {s}", "WITH {n} AS ({s}), {n} AS ({s}) SELECT * FROM {n}", "({s}) UNION ALL ({s})"),
    *("WITH RECURSIVE {n} AS (SELECT 1 AS x UNION ALL SELECT {e} FROM {t}) SELECT * FROM {n} LIMIT 3", "VALUES ({e})"),
    *("SELECT {e}, (SELECT {e} FROM {t} LIMIT 1) FROM {t}", "SELECT * FROM {t} {n} JOIN {t} ON true", "TABLE {t}"),
    *("SELECT {e} FROM {t}, LATERAL ({s}) {n}", "SELECT count(*) FILTER ({e} IS NULL) FROM {t} GROUP BY {e}"),
    *(
        "SELECT {e} FROM {t} ORDER BY {e} LIMIT (SELECT 3)",
        "PIVOT {t} ON {e} IN ('a') USING count(*)",
        "FROM ({s}) {n}",
    ),
    *(
        "SELECT * FROM {t} PIVOT (count(*) FOR id IN ('a'))",
        "SELECT DISTINCT ON ({e}) {e} FROM {t}",
        "PIVOT {t} ON {e}",
    ),
    *(
        "UNPIVOT {t} ON id INTO NAME {n} VALUE v",
        "SELECT {e} OVER (ORDER BY {e}) FROM {t}",
        "SELECT * FROM {t} TABLESAMPLE 3",
    ),
    *(
        "SELECT * EXCLUDE (id) REPLACE ({e} AS status) FROM {t}",
        "SELECT COLUMNS('i.*') FROM {t}",
        "{s}; {s}",
        "{s} -- '",
    ),
    *(
        "SELECT * FROM {t} POSITIONAL JOIN {t}",
        "SELECT * FROM {t} SEMI JOIN {t} USING (id)",
        "/* {t} */ {s}",
        "EXPLAIN {s}",
    ),
)

_EXPRESSIONS = (
    *(
        "1",
        "id",
        "'a'",
        "NULL",
        "{n}.id",
        "max({e})",
        "lower({e}::VARCHAR)",
        "[{e}]",
        "{{'a': {e}}}",
        "({s})",
        "{e} || 'b'",
    ),
    *(
        "CASE WHEN {e} IS NULL THEN {e} END",
        "list_transform([1], lambda x: {e})",
        "EXISTS ({s})",
        "TRY({e})",
        "ARRAY({s})",
    ),
    *(
        "coalesce({e}, {e})",
        "[{e} FOR x IN [1]]",
        "({e}, {e})",
        "{n}",
        "row_number() OVER (PARTITION BY {e})",
        "$${e}$$",
    ),
    *(
        "map {{'a': {e}}}['a']",
        "E'\\'' || {e}",
        "struct_pack(a := {e})",
        "{e} IN ({s})",
        "to_json({n})",
        "'{t}'",
        '"{t}"',
    ),
)

_TABLES = (
    *(
        "{p}",
        "{p}",
        "{p}",
        "main.{p}",
        "{n}",
        "({s})",
        "({s}) AS {n}(x)",
        "range(3)",
        "unnest([1]) AS {n}(x)",
        "(VALUES ({e}))",
    ),
    *("{p} AS {n}", "json_each('{{}}')", "({t} JOIN {t} ON true)", "{p} /* {o} */", "generate_series(1, 2) {n}"),
)

_SLOT = re.compile(r"\{([a-z])\}")
_DEEPEST = 5


def generated(rng: random.Random) -> str:
    """Return a statement grown from the grammar, now and then with something from outside in it."""
    outside = rng.choice((0.0, 0.02, 0.1))
    return _grown(rng, "s", outside, 0)


def _grown(rng: random.Random, slot: str, outside: float, depth: int) -> str:
    if slot in "te" and rng.random() < outside:
        return rng.choice(OUTSIDE if slot == "t" else SECRETS)
    if depth > _DEEPEST:
        return {"s": "SELECT 1", "e": "1", "t": "runs"}.get(slot) or _leaf(rng, slot)
    rules = {"s": _STATEMENTS, "e": _EXPRESSIONS, "t": _TABLES}.get(slot)
    if rules is None:
        return _leaf(rng, slot)
    text = rng.choice(rules)
    grown = _SLOT.sub(lambda found: _grown(rng, found[1], outside, depth + 1), text)
    return grown.replace("{{", "{").replace("}}", "}") if "{{" in text else grown


def _leaf(rng: random.Random, slot: str) -> str:
    return rng.choice({"n": _NAMES, "p": tuple(TABLE), "o": OUTSIDE}[slot])


_PIECES = re.compile(r"\w+|\s+|'[^']*'|.", re.DOTALL)

_REALISTIC = [_PIECES.findall(case.sql) for case in (*ACCEPTED, *COMPLETED)]
_ALL = _REALISTIC + [_PIECES.findall(case.sql) for case in REFUSED if len(case.sql) < 2_000]

_FRAGMENTS = (
    *(
        "(",
        ")",
        "[",
        "]",
        ",",
        ";",
        ".",
        "::",
        "--",
        "/*",
        "*/",
        "'",
        '"',
        "$$",
        "\n",
        " ",
        "*",
        "?",
        "$x",
        "#1",
        "{",
        "}",
    ),
    *(" UNION SELECT * FROM canary_table ", "WITH a AS (FROM canary_table) ", "WITH canary_table AS (SELECT 1) "),
    *(", LATERAL canary_table", "main.", "recurring.", "internal.", " AS canary_table ", "lambda x: x", "COLUMNS(*)"),
    *(
        "WITH RECURSIVE ",
        "SELECT ",
        "FROM ",
        "PIVOT ",
        " ON ",
        " USING ",
        " IN ",
        " AT (VERSION => 1) ",
        "E'\\'",
        "U&'x'",
    ),
)


def mutated(rng: random.Random) -> str:
    """Return a statement of the corpora with a few pieces dropped, doubled, swapped, or replaced by foreign ones."""
    pieces = list(rng.choice(rng.choice((_ALL, _REALISTIC, _REALISTIC))))
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(pieces) + 1)
        rng.choice(_CHANGES)(rng, pieces, at)
    return "".join(pieces)


def _rename(rng: random.Random, pieces: list[str], _: int) -> None:
    words = [i for i, piece in enumerate(pieces) if piece.isidentifier()]
    if words:
        pieces[rng.choice(words)] = rng.choice((*TABLE, *OUTSIDE, *_NAMES))


def _drop(rng: random.Random, pieces: list[str], at: int) -> None:
    del pieces[at : at + rng.randint(1, 4)]


def _double(rng: random.Random, pieces: list[str], at: int) -> None:
    pieces[at:at] = pieces[at : at + rng.randint(1, 8)]


def _swap(rng: random.Random, pieces: list[str], at: int) -> None:
    if at < len(pieces):
        other = rng.randrange(len(pieces))
        pieces[at], pieces[other] = pieces[other], pieces[at]


def _insert(rng: random.Random, pieces: list[str], at: int) -> None:
    pieces.insert(at, rng.choice(_FRAGMENTS))


def _replace(rng: random.Random, pieces: list[str], at: int) -> None:
    pieces[at : at + 1] = [rng.choice((*_FRAGMENTS, *SECRETS))]


def _splice(rng: random.Random, pieces: list[str], at: int) -> None:
    foreign = rng.choice(_ALL)
    start = rng.randrange(len(foreign) + 1)
    pieces[at:at] = foreign[start : start + rng.randint(1, 30)]


_CHANGES = (_rename, _rename, _drop, _double, _swap, _insert, _replace, _splice)
