"""Golden files: SQL cases separated by a line `;`, each with `-- key: value` lines before it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden"

_HEADER = re.compile(r"-- (name|params|warns): (.*)")


@dataclass(frozen=True, slots=True)
class Case:
    """A statement, the values it binds, and the warnings it must get."""

    sql: str
    name: str
    params: list[Any]
    warns: list[str]
    """Each as `code line:col+length`."""

    def __str__(self) -> str:
        """Return the words pytest shows."""
        return self.name


def load(name: str) -> list[Case]:
    """Return the cases of one golden file."""
    cases: list[Case] = []
    for block in (GOLDEN / name).read_text(encoding="utf-8").removesuffix("\n").split("\n;\n"):
        lines = block.split("\n")
        headers: list[tuple[str, str]] = []
        while found := _HEADER.fullmatch(lines[len(headers)]):
            headers.append((found[1], found[2]))
        told = dict(headers)
        warns = [value for key, value in headers if key == "warns"]
        cases.append(Case("\n".join(lines[len(headers) :]), told["name"], json.loads(told.get("params", "[]")), warns))
    return cases


WARNINGS = load("warnings.sql")
SILENT = load("silent.sql")
