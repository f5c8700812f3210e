"""The wheel holds the four packages and what they need, and runs where another `api` lies in wait."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from api import assets
from tests.support.command import ROOT

NEEDED = (
    "api/pages/templates/",
    "api/pages/static/style.css",
    "api/pages/static/dashboards.css",
    "api/dashboards/agent-health.json",
    "api/dashboards/scores-and-outcomes.json",
    "api/dashboards/model-cost-and-latency.json",
    "warehouse/schema.py",
    "ingest/py.typed",
    "queries/worker.py",
    "queries/cookbook/score-coverage.sql",
    "api/reports/templates/weekly-winners.ipynb",
    "api/reports/report.html.j2",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True, env={**os.environ, "PATH": path})
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    """Four packages and their data, what the islands were built to among it; no tests, no sources, no caches."""
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {"api", "ingest", "queries", "warehouse"} == {top for top in tops if not top.endswith(".dist-info")}
    for needed in (*NEEDED, *(f"api/pages/static/built/{path.name}" for path in assets.BUILT.glob("*"))):
        assert any(name.startswith(needed) for name in names), needed
    assert not [name for name in names if "__pycache__" in name or "node_modules" in name or name.endswith(".ts")]


def test_it_runs_beside_a_hostile_api_folder(wheel: Path, tmp_path: Path) -> None:
    """Installed into a folder and started where another `api` lies, the right code runs."""
    target = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(target)
    hostile = tmp_path / "work" / "api"
    hostile.mkdir(parents=True)
    (hostile / "__init__.py").write_text("raise SystemExit('hostile')")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "api.cli", "--help"],
        cwd=hostile.parent,
        env={**os.environ, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, True) == (done.returncode, "serve" in done.stdout), done.stderr
