"""Chromium, asked from the command line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

CHROMIUM = os.environ.get("UPSHOT_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
_QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars"
)
_OF_THE_BROWSER = ("google.com", "googleapis.com", "gvt1.com")
"""Where Chromium asks for its own updates; no page of ours names Google (the pages' own tests)."""


@dataclass(frozen=True)
class Visit:
    """What a browser made of an address."""

    dom: str
    console: list[str]
    """Messages of the console: errors, and what a Content-Security-Policy refused."""
    hosts: set[str]
    """Hosts that were asked for anything, the browser's own left out."""


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Chromium; without one the test is skipped, and in CI fails, by name."""
    if CHROMIUM is None:
        if os.environ.get("UPSHOT_CI"):
            pytest.fail("no Chromium: scripts/chromium.sh could not install one")
        pytest.skip("no Chromium found; set UPSHOT_CHROMIUM to one")
    with tempfile.TemporaryDirectory() as profile:
        command = [CHROMIUM, *_QUIET.split(), f"--user-data-dir={profile}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)


def visit(url: str, *, offline: bool = False) -> Visit:
    """Open an address and return what came of it; `offline` as if the network was cut."""
    cut = ["--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9"] if offline else []
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "net.json"
        done = _run("--enable-logging=stderr", f"--log-net-log={log}", *cut, "--dump-dom", url)
        text = log.read_text()
    # The log's last brackets are missing when the browser is quick, so its addresses are read as text.
    urls: list[str] = re.findall(r'"url":"((?:https?|wss?)://[^"]+)"', text)
    hosts = {urlsplit(asked).hostname or "" for asked in urls}
    own = {host for host in hosts if not host.endswith(_OF_THE_BROWSER)}
    return Visit(done.stdout, re.findall(r":CONSOLE.*", done.stderr), own)


def printed(url: str, pdf: Path) -> int:
    """Print an address to a PDF file and return its number of pages."""
    _run("--no-pdf-header-footer", f"--print-to-pdf={pdf}", url)
    return len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes()))
