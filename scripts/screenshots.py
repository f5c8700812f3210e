"""Takes a picture of every page over the demo's data into docs/images/pages, by a Chromium of this machine.

Usage: python scripts/screenshots.py [FOLDER]. UPSHOT_CHROMIUM says which Chromium, where it is not on the path.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import httpx
from playwright.sync_api import expect, sync_playwright

from api.commands.demo import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT = 1280, 800
MOST_BYTES = 150_000
Looks = Literal["light", "dark"]
BOTH: tuple[Looks, ...] = ("light", "dark")
DARK = ("home", "run", "report")
"""Pages that are taken in both."""
START_SECONDS = 120.0
QUESTION = "SELECT status, count(*) AS runs FROM runs GROUP BY ALL ORDER BY runs DESC"


def main() -> int:
    """Take them all; returns 1 when one is larger than the repository takes."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images" / "pages"
    folder.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("UPSHOT_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as data:
        port = free_port("127.0.0.1", 18_787)
        command = [sys.executable, "-P", "-m", "api.cli", "demo", "--data", "upshot-data", "--port", str(port)]
        settings = os.environ | {"UPSHOT_OTLP_GRPC_PORT": "0"}
        server = subprocess.Popen(command, cwd=data, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            paths = _addresses(f"http://127.0.0.1:{port}", server)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
                made = [
                    _picture(browser, f"http://127.0.0.1:{port}{path}", folder, name, looks)
                    for name, path in paths.items()
                    for looks in (BOTH if name in DARK else BOTH[:1])
                ]
        finally:
            server.terminate()
            server.wait(60)
    for picture in made:
        print(f"{picture.stat().st_size:>8,} {picture.name}")
    return int(any(picture.stat().st_size > MOST_BYTES for picture in made))


def _addresses(url: str, server: subprocess.Popen[bytes]) -> dict[str, str]:
    """Return the address of every page, once the demo has sent everything."""
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        known, rows = -1, -1
        while True:
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the demo did not start")
            try:
                rows = http.post("/v1/query", json={"sql": "SELECT count(*) FROM score_history"}).json()["rows"][0][0]
            except (httpx.TransportError, KeyError):
                rows = -1
            if rows > 0 and rows == known:
                break
            known = rows
            time.sleep(2)
        bad = "/v1/runs?score=answer-quality&score_below=0.6&status=Failed&limit=1"
        run: list[dict[str, Any]] = (
            http.get(bad).json()["runs"] or http.get("/v1/runs?status=Failed&limit=1").json()["runs"]
        )
        detail: dict[str, Any] = http.get(f"/v1/runs/{run[0]['id']}").json()
        session: dict[str, Any] | None = next((own for own in detail["sessions"] if own["key"] != "account_id"), None)
        paths: dict[str, str] = {
            "home": "/",
            "experiments": "/experiments",
            "report": "/experiments/support-prompt",
            "sessions": "/sessions",
            "runs": "/runs",
            "run": f"/runs/{run[0]['id']}",
            "scores": "/scores",
            "score": "/scores/answer-quality",
            "dashboards": "/dashboards",
            "sql": f"/sql?q={quote(QUESTION)}",
            "reports": "/reports",
            "queries": "/queries",
            "settings": "/settings",
            "sign-in": "/sign-in",
        }
        if session is not None:
            paths["session"] = f"/sessions/{session['key']}/{session['id']}"
        if detail["run"].get("trace_id") and http.get(f"/v1/traces/{detail['run']['trace_id']}").is_success:
            paths["trace"] = f"/traces/{detail['run']['trace_id']}"
        shipped: list[dict[str, Any]] = http.get("/v1/dashboards").json()["dashboards"]
        return paths | ({"dashboard": f"/dashboards/{shipped[0]['name']}"} if shipped else {})


def _picture(browser: Browser, address: str, folder: Path, name: str, looks: Looks) -> Path:
    picture = folder / f"{name}{'' if looks == 'light' else '-dark'}.png"
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=looks)
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    expect(page.locator("[hx-trigger=load], .htmx-request")).to_have_count(0, timeout=60_000)
    if name == "sql":
        page.locator("regular-table tbody td").first.wait_for()
    page.wait_for_timeout(500)  # charts are drawn when they are seen
    page.screenshot(path=picture, type="png", clip={"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT})
    page.close()
    return picture


if __name__ == "__main__":
    sys.exit(main())
