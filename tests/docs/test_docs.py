"""What the documents say is true: generated pages are current, and the README's commands run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from api.settings import SETTINGS
from queries.cookbook import RECIPES
from tests.support.command import ROOT
from tests.support.server import serving
from warehouse.schema import TABLES

if TYPE_CHECKING:
    from pathlib import Path


def test_the_generated_pages_are_current() -> None:
    """`make docs` would change nothing."""
    subprocess.run([sys.executable, ROOT / "scripts" / "docs.py", "--check"], check=True)


def test_every_table_and_setting_is_documented() -> None:
    """Each has its heading or row."""
    tables = (ROOT / "docs/reference/tables.md").read_text()
    settings = (ROOT / "docs/reference/settings.md").read_text()
    assert all(f"## {table.name}\n" in tables for table in TABLES)
    assert all(f"`{setting.variable}`" in settings for setting in SETTINGS)


def test_every_recipe_is_documented() -> None:
    """By its title, with its SQL."""
    page = (ROOT / "docs/cookbook.md").read_text()
    assert all(f"### {recipe.title}\n" in page and f"```sql\n{recipe.sql}\n```" in page for recipe in RECIPES)


def test_the_readmes_commands_run(tmp_path: Path) -> None:
    """The block that sends three records and asks about them, word by word, in an empty folder."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    [block] = [block for block in blocks if "records.ndjson" in block]
    script = block.replace(".venv/bin/upshot", f"{sys.executable} -P -m api.cli")
    with serving(tmp_path / "data") as server:
        done = subprocess.run(
            ["bash", "-euc", script],
            cwd=tmp_path,
            env={**os.environ, "UPSHOT_URL": server.url},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "3 accepted, 0 rejected" in done.stderr
    assert '"prompt","concise","solved",1' in done.stdout


def test_the_map_names_every_decision() -> None:
    """Each ADR is linked from the list of decisions."""
    listed = (ROOT / "docs/adr/README.md").read_text()
    assert all(path.name in listed for path in (ROOT / "docs/adr").glob("[0-9]*.md"))
