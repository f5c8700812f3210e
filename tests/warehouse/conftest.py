"""A data directory with a history in it, for tests that spoil it or are killed in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.history import answers, expected, history, load
from tests.support.rows import Warehouse


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the history in it: four rounds sealed, two in the log."""
    root = tmp_path_factory.mktemp("loaded") / "data"
    with Warehouse(root) as warehouse:
        load(warehouse)
        assert expected(history()) == answers(warehouse)
    return root


@pytest.fixture
def copy(loaded: Path, tmp_path: Path) -> Path:
    """A copy of it that may be spoiled."""
    return Path(shutil.copytree(loaded, tmp_path / "data"))
