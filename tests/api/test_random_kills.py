"""A real server under load with its processes killed at random: nothing lost, doubled, invented, or seen in part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.soak import run

if TYPE_CHECKING:
    from pathlib import Path

KILLS, SEED = 8, 3


@pytest.mark.long
def test_killed_at_random_under_load(tmp_path: Path) -> None:
    """Jepsen's set test over api, keeper and worker; then SIGTERM under load ends with 0 within 10 s."""
    figures = run(tmp_path / "data", KILLS, SEED)
    assert dict.fromkeys(figures.wrong(), 0) == figures.wrong(), str(figures)
    assert KILLS == figures.kills.total()
    assert {"api", "keeper", "worker"} == set(figures.kills)
    assert figures.acknowledged > 0
    assert figures.asked > 0
