"""Resolve pyproject.toml into requirements.lock and requirements-dev.lock: every package, pinned, with its hashes.

The locks name no index, so they hold for whatever index the reader has. `--check` fails when pyproject.toml asks for
something the locks do not have.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".venv/bin/uv"
COOLDOWN = timedelta(days=7)


def wanted() -> dict[str, list[str]]:
    """Return the direct requirements of each lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    extras = [need for needs in project["project"]["optional-dependencies"].values() for need in needs]
    product = [*project["project"]["dependencies"], *extras, *groups["build"]]
    return {"requirements.lock": product, "requirements-dev.lock": groups["dev"]}


def resolve() -> None:
    """Write both locks; the second is constrained by the first."""
    before = (datetime.now(UTC) - COOLDOWN).strftime("%Y-%m-%d")
    needs = wanted()
    for name, constraints in (("requirements.lock", []), ("requirements-dev.lock", ["-c", "requirements.lock"])):
        command = [
            *(str(UV), "pip", "compile", "-", "--universal", "--python-version", "3.11", "--generate-hashes"),
            *("--no-header", "--no-annotate", "--exclude-newer", before),
            *("--output-file", name, "--quiet", "--upgrade"),
            *constraints,
        ]
        subprocess.run(command, cwd=ROOT, input="\n".join(needs[name]), text=True, check=True)


def name_of(requirement: str) -> str:
    """Return the normalised name of a requirement."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", found.group()).lower() if found else ""


def check() -> list[str]:
    """Return what is wrong with the locks."""
    faults: list[str] = []
    for lock, needs in wanted().items():
        text = (ROOT / lock).read_text()
        locked = {name_of(line) for line in text.splitlines() if "==" in line}
        faults += [f"{lock} lacks {need}: run `make lock`" for need in needs if name_of(need) not in locked]
        faults += [f"{lock} names an address: {line}" for line in text.splitlines() if "://" in line]
    return faults


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when the locks lack a direct requirement")
    if parser.parse_args().check:
        problems = check()
        sys.exit("\n".join(problems) if problems else 0)
    resolve()
