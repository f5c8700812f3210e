"""The demo, landed once, and an empty workspace."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

import pytest

from api.demo.traces import traces
from api.demo.traffic import declarations, traffic
from tests.queries.cookbook.reading import Told, told
from tests.queries.cookbook.workspace import Workspace, holding

if TYPE_CHECKING:
    from collections.abc import Iterator

DEMO_NOW = dt.datetime(2026, 11, 20, 15, 31, 7, tzinfo=dt.UTC)


class Demo(NamedTuple):
    """What `upshot demo` sends: as a workspace has it, and as plain Python reads it."""

    workspace: Workspace
    told: Told


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    """Three weeks of the demo, with its traces and declarations."""
    records = list(traffic(now=DEMO_NOW))
    bodies = list(traces(records))
    with holding(records, bodies, declarations(DEMO_NOW)) as workspace:
        yield Demo(workspace, told(records, bodies))


@pytest.fixture(scope="session")
def empty() -> Iterator[Workspace]:
    """A workspace that nobody sent anything to."""
    with holding([]) as workspace:
        yield workspace
