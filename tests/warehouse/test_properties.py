"""Laws of landing: what is landed is read back, compaction changes no answer, the order of deliveries does not matter."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.rows import NOW, Warehouse, assignment, batch, run, score, step
from warehouse.compaction import Compactor, Policy
from warehouse.engine import rows_of
from warehouse.log import encode
from warehouse.schema import ARROW, FILES, FileTable
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from warehouse.manifest import Change

SECOND = 1_000_000
SLOW = settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TINY = Policy(files=2, small=1, ratio=1e9, hidden=0.0)
"""Merges whatever can be merged."""

# --- landing is identity -------------------------------------------------------------------------------------------

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
moments = st.integers(-(2**40), 2**51)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "VARCHAR": words,
    "JSON": st.sampled_from(['{"a":[1,2.5,null,"\\u00e9"]}', "[]", "null", '"text"', "1e300", '{"":{"":""}}']),
    "DOUBLE": st.floats(allow_nan=False),
    "BIGINT": st.integers(-(2**63), 2**63 - 1),
    "INTEGER": st.integers(-(2**31), 2**31 - 1),
    "TIMESTAMPTZ": moments,
    "BOOLEAN": st.booleans(),
    "VARCHAR[]": st.lists(words, max_size=3),
    "MAP(VARCHAR, VARCHAR)": st.dictionaries(words, words, max_size=3).map(lambda pairs: list(pairs.items())),
}
"""Arbitrary values of each type of a column."""


def rows_of_table(table: FileTable) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Return a strategy of rows with keys of their own and arbitrary values elsewhere."""
    keyed = {*table.key, *table.current_key}
    columns = {c.name: st.none() | VALUES[c.type] for c in table.columns if c.name not in {*keyed, "_implied"}}
    row = st.fixed_dictionaries(columns)

    def keys(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        for number, own in enumerate(rows):
            ids = {c.name: number if c.type == "INTEGER" else f"k{number}" for c in table.columns if c.name in keyed}
            given = {"_given": True, "_implied": False, "_day_id": f"k{number}", table.received: NOW}
            if "status" in table.order:
                given["status"] = ("Running", "waiting")[table.name == "deferrals"]
            made.append(own | ids | given)
        return made

    return st.lists(row, min_size=1, max_size=4).map(keys)


@pytest.mark.parametrize("table", FILES, ids=lambda table: table.name)
@SLOW
@given(st.data())
def test_land_then_read_is_identity(table: FileTable, data: st.DataObject) -> None:
    """Every value of every type comes back as it was: from the log, from a sealed file, from a compacted one."""
    rows = data.draw(rows_of_table(table))
    names = [column.name for column in table.columns]
    sql = f"SELECT {', '.join(f'{chr(34)}{name}{chr(34)}' for name in names)} FROM internal.current_{table.name}"
    if table.source_is_view:
        sql = sql.replace("current_", "")
