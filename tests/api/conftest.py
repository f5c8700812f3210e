"""One server for the tests that only add and ask; those that kill or configure start their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.server import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server with an empty data folder of its own."""
    with serving(tmp_path_factory.mktemp("server") / "data") as running:
        yield running
