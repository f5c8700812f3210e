"""Golden files: SQL cases separated by a line `;`, each with `-- key: value` lines before it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden"

_HEADER = re.compile(r"-- (name|class|code|params): (.*)")


@dataclass(frozen=True, slots=True)
class Case:
    """One statement with its headers."""

    sql: str
    headers: dict[str, str]
    line: int
    """Where the statement begins in its file."""

    @property
    def params(self) -> list[Any] | dict[str, Any]:
        """Return the values the caller binds."""
        return json.loads(self.headers.get("params", "[]"))

    @property
    def parameters(self) -> int | frozenset[str]:
        """Return what `check` is told of them."""
        return len(self.params) if isinstance(self.params, list) else frozenset(self.params)

    def __str__(self) -> str:
        """Return the words pytest shows."""
        return f"{self.line}: {self.headers.get('name') or ' '.join(self.sql.split())[:60]}"


def load(name: str) -> list[Case]:
    """Return the cases of one golden file."""
    cases: list[Case] = []
    line = 1
    for block in (GOLDEN / name).read_text(encoding="utf-8").removesuffix("\n").split("\n;\n"):
        lines = block.split("\n")
        headers: dict[str, str] = {}
        while found := _HEADER.fullmatch(lines[len(headers)]):
            headers[found[1]] = found[2]
        cases.append(Case("\n".join(lines[len(headers) :]), headers, line + len(headers)))
        line += len(lines) + 1
    return cases


ACCEPTED = load("accepted.sql")
REFUSED = load("refused.sql")
