"""Fixtures of all tests: a scrubbed environment and an open warehouse."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.support.rows import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator


gc.disable()  # thousands of tests are collected and stay: looking through them again and again takes seconds


def pytest_collection_finish() -> None:
    """Look only through what the tests themselves make."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """Let what was collected go as it would have."""
    gc.unfreeze()


settings.register_profile("quick", deadline=None, max_examples=40)
settings.register_profile("long", deadline=None, max_examples=400)
settings.load_profile("quick")


_LONG_FIRST = ("api/reports", "web", "api", "client", "warehouse")
"""Folders whose modules wait for processes and browsers, the longest first."""


@pytest.hookimpl(trylast=True)  # after pytest-randomly
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that take long, so that at the end no worker is alone with one."""

    def rank(item: pytest.Item) -> int:
        folder = item.path.parent.relative_to(Path(__file__).parent).as_posix()
        return next((at for at, name in enumerate(_LONG_FIRST) if folder == name), len(_LONG_FIRST))

    items.sort(key=rank)


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
