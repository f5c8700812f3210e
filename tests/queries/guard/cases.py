"""Golden files: SQL cases separated by a line `;`, each with `-- key: value` lines before it.

`accepted/` by topic, `refused/` by class of attack, `bounded/` for what only limits can stop, `completed/` for texts
that are served after they were completed. Keys: `name`; `code` of a refusal; `params` to bind (JSON);
`compare: columns` where rows are not the same twice; `times`: how often each part in «» is repeated.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

GOLDEN = Path(__file__).parent / "golden"

_HEADER = re.compile(r"-- (name|code|params|compare|times): (.*)")

_REPEATED = re.compile("«([^»]*)»")


@dataclass(frozen=True, slots=True)
class Case:
    """One statement with its headers."""

    sql: str
    headers: dict[str, str]
    file: str
    """Name of its file: the topic, or the class of attack."""
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
        return f"{self.file} {self.line}: {self.headers.get('name') or ' '.join(self.sql.split())[:60]}"


def load(folder: str) -> list[Case]:
    """Return the cases of all files in one folder."""
    return [case for path in sorted((GOLDEN / folder).glob("*.sql")) for case in _cases(path)]


def _cases(path: Path) -> Iterator[Case]:
    line = 1
    for block in path.read_text(encoding="utf-8").removesuffix("\n").split("\n;\n"):
        lines = block.split("\n")
        headers: dict[str, str] = {}
        while found := _HEADER.fullmatch(lines[len(headers)]):
            headers[found[1]] = found[2]
        sql = "\n".join(lines[len(headers) :])
        if "times" in headers:
            sql = _REPEATED.sub(lambda part, n=int(headers["times"]): part[1] * n, sql)
        yield Case(sql, headers, path.stem, line + len(headers))
        line += len(lines) + 1


ACCEPTED = load("accepted")
REFUSED = load("refused")
BOUNDED = load("bounded")
COMPLETED = load("completed")
