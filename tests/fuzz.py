"""Fuzz the guard: what it accepts, an unguarded DuckDB runs, amid all that must stay out of reach.

    python -m tests.fuzz --seconds 3600 --seed 7

The engine that runs accepted texts has no lock. Around the public tables it holds tables, views, macros, a variable, a
sequence, a setting, a second database, and files in its working folder; all of these have the canary in their names
and texts, and nothing public has. An accepted text escapes when the canary is in its answer, or when anything has
changed after it ran. Tables are also compared with `get_table_names`, DuckDB's own list, which the guard does not use.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import secrets
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from queries.guard import GuardedQuery, check, complete
from tests.queries.guard.mutation import CANARY, generated, mutated
from warehouse.engine import serializer
from warehouse.errors import QueryError
from warehouse.schema import TABLE, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 0.2
"""Each accepted text may run this long; it is interrupted then."""
ROWS = 200
"""Rows of an answer that are looked at."""

_OUTSIDE = (
    "CREATE TABLE canary_table AS SELECT 'canary' AS id, 'canary' AS x",
    "CREATE VIEW canary_view AS SELECT 'canary' AS id",
    "CREATE SCHEMA internal",
    "CREATE TABLE internal.canary_hot AS SELECT 'canary' AS id",
    "CREATE TEMP TABLE canary_temp AS SELECT 'canary' AS id",
    "CREATE MACRO canary_scalar() AS 'canary'",
    "CREATE MACRO canary_macro() AS TABLE SELECT 'canary' AS id",
    "CREATE SEQUENCE canary_sequence START 7777",
    "ATTACH ':memory:' AS canary_other",
    "CREATE TABLE canary_other.runs AS SELECT 'canary' AS id",
    "SET VARIABLE canary = 'canary'",
    "SET temp_directory = 'canary_temp_directory'",
    "SET threads = 1",
    "SET memory_limit = '500MB'",
)

_STATE = (
    "SELECT database_name, schema_name, table_name, estimated_size FROM duckdb_tables() ORDER BY ALL",
    "SELECT name, value FROM duckdb_settings() ORDER BY ALL",
    "SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY ALL",
    "SELECT sequence_name, last_value FROM duckdb_sequences()",
    "SELECT name, value FROM duckdb_variables()",
    "SELECT (SELECT count(*) FROM duckdb_functions()), (SELECT count(*) FROM duckdb_types())",
    "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM canary_table)",
)

_NAME = re.compile(r'(?:"(?:[^"]|"")*+"|[^\s"])+')
"""A table's name, without the alias and the sampling that DuckDB's list may put behind it."""

_PUBLIC = {*TABLE, *(f"main.{name}" for name in TABLE)}


class Escape(AssertionError):  # noqa: N818 - what is looked for
    """The guard accepted what reaches too far."""


@dataclass
class Figures:
    """What happened."""

    seed: int
    tried: int = 0
    accepted: int = 0
    answered: int = 0
    codes: dict[str, int] = field(default_factory=dict[str, int])

    def __str__(self) -> str:
        """Return a line."""
        refused = ", ".join(f"{code} {count}" for code, count in sorted(self.codes.items()))
        return (
            f"seed {self.seed}: {self.tried} tried, {self.accepted} accepted, {self.answered} ran; refused: {refused}"
        )


@contextlib.contextmanager
def surrounded() -> Iterator[duckdb.DuckDBPyConnection]:
    """A plain DuckDB in a folder of its own, with the public tables and what must stay out of reach."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            Path("canary.csv").write_text("id,x\ncanary,canary\n")
            with duckdb.connect() as connection:
                connection.execute("SET python_enable_replacements = false")
                for table in TABLES:
                    columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
                    connection.execute(f'CREATE TABLE "{table.name}"({columns})')
                    text = next(column.name for column in table.columns if column.type == "VARCHAR")
                    connection.execute(f'INSERT INTO "{table.name}" BY NAME SELECT "{text}": \'a\'')
                for statement in _OUTSIDE:
                    connection.execute(statement)
                yield connection
        finally:
            os.chdir(before)


def fuzz(seed: int, seconds: float) -> Figures:
    """Try statements for a while.

    Raises:
        Escape: with the seed, the number of the statement and its text.
    """
    serialize = serializer()
    figures = Figures(seed)
    with surrounded() as plain:
        state = state_of(plain)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            figures.tried += 1
            rng = random.Random(f"{seed}/{figures.tried}")  # noqa: S311 - to be repeated
            sql = rng.choice((generated, mutated))(rng)
            try:
                query = _guarded(sql, serialize, rng)
            except QueryError as error:
                figures.codes[error.code] = figures.codes.get(error.code, 0) + 1
                continue
            except Exception as error:
                raise Escape(f"seed {seed}, statement {figures.tried}: {error!r}\n{sql}") from error
            figures.accepted += 1
            complaint = escape(plain, query, state, figures)
            if complaint is not None:
                raise Escape(f"seed {seed}, statement {figures.tried}: {complaint}\n{sql}\nran as\n{query.sql}")
    return figures


def escape(
    plain: duckdb.DuckDBPyConnection, query: GuardedQuery, state: tuple[str, list[str]], figures: Figures
) -> str | None:
    """Run an accepted text and say how it reached too far, if it did; `state` is `state_of` the engine before."""
    complaint = _reaches(plain, query) or _tells(plain, query, figures)
    if complaint is None and (after := state_of(plain)) != state:
        return f"changed {state} to {after}"
    return complaint


def _guarded(sql: str, serialize: object, rng: random.Random) -> GuardedQuery:
    given = rng.choice((*(0,) * 10, 1, frozenset({"variant", "since"})))
    if rng.random() < 0.5:
        return check(sql, serialize, given)  # pyright: ignore[reportArgumentType]
    return complete(sql, serialize, given, lambda _: [("it's",), ("b",)])  # pyright: ignore[reportArgumentType]


def _reaches(plain: duckdb.DuckDBPyConnection, query: GuardedQuery) -> str | None:
    """Say which tables a text names beyond the public ones that the guard found, by DuckDB's own list."""
    try:
        found = plain.get_table_names(query.sql, qualified=True)
    except duckdb.Error:  # it binds a little, and so refuses some texts that only fail when they run
        return None
    names = {str(_NAME.findall(name)[0]).lower().replace('"', "") for name in found}
    if names <= _PUBLIC and {name.removeprefix("main.") for name in names} <= query.tables:
        return None
    return f"names {sorted(names)}, the guard saw {sorted(query.tables)}"


def _tells(plain: duckdb.DuckDBPyConnection, query: GuardedQuery, figures: Figures) -> str | None:
    """Run a text and say how the canary came into its answer, if it did and the text itself has none."""
    if CANARY in query.sql.lower():
        return None  # as a text, an alias or a common table expression of its own; `_reaches` has looked at the tables
    timer = threading.Timer(SECONDS, plain.interrupt)
    timer.start()
    params = dict.fromkeys(query.parameters, "a")
    try:
        reader = plain.sql(query.sql, params=["a"] * len(params) if "1" in params else params or None).to_arrow_reader(
            ROWS
        )
        first = next(iter(reader), None)
        figures.answered += 1
    except duckdb.Error as error:
        return f"an error tells {error}" if CANARY in str(error) and "Did you mean" not in str(error) else None
    finally:
        timer.cancel()
        timer.join()
    told = f"{reader.schema.names} {first.to_pylist() if first else ''}"
    return f"tells {told[:2000]}" if CANARY in told else None


def state_of(plain: duckdb.DuckDBPyConnection) -> tuple[str, list[str]]:
    found = [plain.execute(one).fetchall() for one in _STATE]
    return repr(found), sorted(str(path) for path in Path().rglob("*"))


def main() -> None:
    """Fuzz from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    seed = secrets.randbits(32) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)  # noqa: T201
    print(fuzz(seed, given.seconds))  # noqa: T201


if __name__ == "__main__":
    main()
