"""`upshot demo`, as a new user runs it: the truth is found, the page is up, and it stops when told."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path  # noqa: TC003 - read by pytest when it runs

import httpx
import pytest

from api.demo.truth import TRUTH
from tests.support.command import upshot

CHROMIUM = os.environ.get("UPSHOT_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


def in_browser(url: str) -> str:
    """Return the page as a browser has it; without a browser the test is skipped, and in CI fails, by name."""
    if CHROMIUM is None:
        if os.environ.get("UPSHOT_CI"):
            pytest.fail("no Chromium: scripts/chromium.sh could not install one")
        pytest.skip("no Chromium found; set UPSHOT_CHROMIUM to one")
    with tempfile.TemporaryDirectory() as profile:
        command = [CHROMIUM, *QUIET.split(), f"--user-data-dir={profile}", "--dump-dom", url]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_the_demo_finds_the_truth_and_shows_it(tmp_path: Path) -> None:
    """The verdicts in the terminal and on the page are the generator's truth; the naive winner is named as naive."""
    command = [sys.executable, "-P", "-m", "api.cli", "demo", "--data", str(tmp_path / "demo"), "--port", "18787"]
    environment = {**os.environ, "COLUMNS": "80", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    assert process.stdout is not None
    printed = ""
    try:
        for line in process.stdout:
            printed += line
            if "curl " in line:
                break
        words = " ".join(printed.split())
        assert "WINNER empathetic" in words
        assert TRUTH["support-prompt"].winner == "empathetic"
        assert re.search(
            r"the usual per-run test would have crowned B \(p = 0\.\d+\); this report does not, because", words
        )
        assert max(map(len, printed.splitlines()[:-6])) <= 80
        assert "/reports/weekly-winners" in printed
        found = re.search(r"http://127\.0\.0\.1:\d+", printed)
        assert found
        url = found.group()
        assert "/verdicts" in in_browser(f"{url}/")  # where the first page asks for them: tests/web sees them come
        page = in_browser(f"{url}/experiments")
        assert "support-prompt" in page
        assert "empathetic" in page
        assert "would have crowned B" in in_browser(f"{url}/experiments/reply-tone")
        assert "<td" in in_browser(f"{url}/sql?plain=1&q=SELECT+count(*)+FROM+runs")
        counted = "SELECT count(*) FROM runs"
        before = httpx.post(f"{url}/v1/query", json={"sql": counted}, trust_env=False).json()["rows"]
        [command_line] = [line.strip() for line in printed.splitlines() if line.strip().startswith("curl")]
        subprocess.run(["bash", "-c", command_line], check=True, capture_output=True)
        scored = httpx.post(
            f"{url}/v1/query", json={"sql": "SELECT value FROM scores WHERE id = 'run-1/solved'"}, trust_env=False
        )
        assert [[1.0]] == scored.json()["rows"]
        assert before[0][0] > 4000
    finally:
        process.terminate()
        process.stdout.close()
        process.wait(60)


def test_the_demo_leaves_a_folder_of_others_alone(tmp_path: Path) -> None:
    """A folder that the demo did not make is never emptied."""
    (tmp_path / "thesis.txt").write_text("mine")
    done = upshot("demo", "--data", tmp_path)
    assert done.returncode != 0
    assert b"was not made by the demo" in done.stderr
    assert (tmp_path / "thesis.txt").read_text() == "mine"
