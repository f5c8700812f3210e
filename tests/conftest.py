"""Fixtures of all tests: a scrubbed environment and an open warehouse."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.support.rows import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


settings.register_profile("quick", deadline=None, max_examples=40)
settings.register_profile("long", deadline=None, max_examples=400)
settings.load_profile("quick")


@pytest.fixture(autouse=True)
def scrubbed_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the reader's own settings out of the tests."""
    for name in os.environ:
        if name.startswith("UPSHOT_") and name != "UPSHOT_CHROMIUM":
            monkeypatch.delenv(name)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    """An empty workspace."""
    with Warehouse(tmp_path / "data") as opened:
        yield opened
