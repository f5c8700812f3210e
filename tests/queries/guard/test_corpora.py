"""The golden corpora: what must be answered is, what must be refused is, with its code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from queries.guard import check
from tests.queries.guard.cases import ACCEPTED, REFUSED, Case
from warehouse.errors import QueryError
from warehouse.schema import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

    Serialize = Callable[[str], str]


@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_realistic_query_is_accepted_and_runs(
    case: Case, serialize: Serialize, empty_tables: duckdb.DuckDBPyConnection
) -> None:
    """A realistic query passes unchanged, reads public tables only, and runs on an engine that has those."""
    query = check(case.sql, serialize, case.parameters)
    assert case.sql.startswith(query.sql)
    assert query.tables <= TABLE.keys()
    empty_tables.execute(query.sql, case.params).fetchall()


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_hostile_statement_is_refused_with_its_code(case: Case, serialize: Serialize) -> None:
    """A statement of the hostile corpus is refused with the code its header names."""
    with pytest.raises(QueryError) as refusal:
        check(case.sql, serialize, case.parameters)
    assert case.headers["code"] == refusal.value.code


def test_corpora_are_not_thinned_out() -> None:
    """The corpora keep at least the size that was promised."""
    assert len(ACCEPTED) >= 60
    assert len(REFUSED) >= 80
    assert len({case.headers["class"] for case in REFUSED}) >= 10
