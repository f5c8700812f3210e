"""One workspace for the tests that only ask."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.queries.drill.world import World, land, world
from tests.support.rows import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator


class Known(NamedTuple):
    """A workspace, and what was sent to it."""

    warehouse: Warehouse
    world: World


@pytest.fixture(scope="module")
def known() -> Iterator[Known]:
    """Records of five days in three deliveries: two sealed into a file a table and day, one still in the log."""
    made = world()
    third, span_third = len(made.records) // 3, len(made.spans) // 3
    with tempfile.TemporaryDirectory() as folder, Warehouse(Path(folder)) as warehouse:
        for part in range(3):
            end = None if part == 2 else part + 1
            records = made.records[part * third : end and end * third]
            land(warehouse, records, made.spans[part * span_third : end and end * span_third])
            if end is not None:
                warehouse.seal()
        yield Known(warehouse, made)
