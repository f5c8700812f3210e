"""The `upshot` command, run as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
"""Real records beside the checkout; tests that read them say so when they are not there."""

ROOT = Path(__file__).resolve().parents[2]


def upshot(
    *arguments: str | Path, stdin: bytes | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the command line and return what it printed and its exit code."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UPSHOT_")}
    command = [sys.executable, "-P", "-m", "api.cli", *map(str, arguments)]
    return subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        check=False,
        timeout=120,
        env=environment | {"COLUMNS": "200"},
        cwd=cwd,
    )
