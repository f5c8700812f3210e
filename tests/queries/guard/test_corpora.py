"""The golden corpora: what must be answered is, what must be refused is, with its code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from queries.guard import check, complete
from queries.run import bind
from tests.queries.guard.answers import answer
from tests.queries.guard.cases import ACCEPTED, BOUNDED, REFUSED, Case
from warehouse.errors import QueryError
from warehouse.schema import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

    from tests.support.rows import Warehouse

    Serialize = Callable[[str], str]

CLASSES = {
    *("files", "catalogues", "dynamic_sql", "data_modifying", "statements", "settings", "macros", "shadowing"),
    *("parser_tricks", "show", "engine_state", "growth", "parsing"),
}
"""What hostile statements try."""


@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_realistic_query_answers_as_plain_duckdb(
    case: Case, serialize: Serialize, workspace: Warehouse, plain_tables: duckdb.DuckDBPyConnection
) -> None:
    """A realistic query passes unchanged, reads public tables only, and answers as a DuckDB over the same rows."""
    query = check(case.sql, serialize, case.parameters)
    assert case.sql.startswith(query.sql)
    assert query.tables <= TABLE.keys()
    expected = plain_tables.sql(case.sql, params=case.params or None)
    found = bind(workspace.snapshots.engine().cursor(query.tables), query, case.params)
    if case.headers.get("compare") == "columns":
        assert (expected.columns, expected.types) == (found.columns, found.types)
        assert bool(expected.to_arrow_table().num_rows) == bool(found.to_arrow_table().num_rows)
    else:
        assert answer(expected) == answer(found)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_hostile_statement_is_refused_with_its_code(case: Case, serialize: Serialize) -> None:
    """A statement of the hostile corpus is refused with the code its header names."""
    with pytest.raises(QueryError) as refusal:
        check(case.sql, serialize, case.parameters)
    assert case.headers["code"] == refusal.value.code


@pytest.mark.parametrize("case", BOUNDED, ids=str)
def test_bounded_statement_is_a_query(case: Case, serialize: Serialize) -> None:
    """What only time, memory and rows can bound is nothing the guard refuses; `tests/api/test_hostile.py` runs it."""
    assert complete(case.sql, serialize, 0, lambda _: [("a",)]).tables <= TABLE.keys()


def test_corpora_are_not_thinned_out() -> None:
    """The corpora keep at least the size that was promised."""
    assert len(ACCEPTED) >= 150
    assert len(REFUSED) >= 200
    assert CLASSES <= {case.file for case in REFUSED}
    assert {"time", "memory", "output"} == {case.file for case in BOUNDED}


def test_corpus_reads_every_table(serialize: Serialize) -> None:
    """No public table is without a realistic query, and none without rows to compare."""
    assert TABLE.keys() == {name for case in ACCEPTED for name in check(case.sql, serialize, case.parameters).tables}


def test_every_table_has_rows(plain_tables: duckdb.DuckDBPyConnection) -> None:
    """Nothing is compared with nothing."""
    assert [] == [name for name in TABLE if not plain_tables.table(name).to_arrow_table().num_rows]
