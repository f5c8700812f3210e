"""Sorted files are merged into their wanted rows in order, however few of them are held at a time."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tests.support.rows import NOW
from warehouse import merging, writing
from warehouse.files import LocalFiles
from warehouse.manifest import FileName
from warehouse.merging import Source, merged
from warehouse.paths import DataPaths
from warehouse.schema import FILE
from warehouse.writing import write_rows

TABLE = FILE["session_runs"]
SCHEMA = pa.schema([column.arrow for column in TABLE.stored])
rows = st.lists(
    st.tuples(st.sampled_from(["ticket", "étage", "z"]), st.sampled_from(["", "a", "b", None]), st.integers(0, 3)),
    max_size=30,
)


def table(made: list[tuple[Any, ...]], first: int) -> tuple[pa.Table, list[dict[str, Any]]]:
    """Return rows as a sorted table, and as mappings; arrivals count from `first`."""
    found: list[dict[str, Any]] = [
        dict.fromkeys(SCHEMA.names)
        | {"session_key": key, "session_id": id_, "run_id": f"r{at}", "ts": NOW + time, "_arrival": first + at}
        for at, (key, id_, time) in enumerate(made)
    ]
    found.sort(key=place)
    return pa.Table.from_pylist(found, schema=SCHEMA), found


def place(row: dict[str, Any]) -> list[tuple[bool, Any]]:
    """Return the place of a row: by the table's order, nulls last."""
    return [
        (row[name] is None, row[name] or 0 if row[name] is None else row[name]) for name in (*TABLE.sort, "_arrival")
    ]


@given(st.lists(st.tuples(rows, st.integers(0, 2**30)), max_size=5), st.integers(1, 7), st.integers(100, 2000))
def test_merged_files_are_their_wanted_rows_in_order(
    made: list[tuple[list[tuple[Any, ...]], int]], pending: int, group_bytes: int
) -> None:
    """Against Python's sort; the oracle of what is wanted is a bit of a number for each row."""
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(merging, "PENDING_ROWS", pending),
        patch.object(merging, "FEWEST_ROWS", 1),
        patch.object(writing, "GROUP_BYTES", group_bytes),
    ):
        paths = DataPaths(Path(folder)).workspace("default")
        paths.scratch.mkdir(parents=True)
        files = LocalFiles(paths)
        sources: list[Source] = []
        expected: list[dict[str, Any]] = []
        for at, (own, bits) in enumerate(made):
            whole, listed = table(own, at * 100)
            written = write_rows(files, TABLE, FileName(TABLE.name, 0, f"{at}.parquet"), [whole])
            chosen = np.array([bits >> n & 1 == 1 for n in range(len(own))], np.bool_)
            sources.append(Source(written.scratch, chosen))
            expected += [row for row, wanted in zip(listed, chosen, strict=True) if wanted]
        parts = list(merged(TABLE, sources))
        found = pa.concat_tables(parts, promote_options="none") if parts else SCHEMA.empty_table()
    assert sorted(expected, key=place) == [
        {**row, "ts": row["ts"] and int(row["ts"].timestamp() * 1_000_000)} for row in found.to_pylist()
    ]
