"""What the tests need to look at a page: its elements, texts and links, read by the standard library's parser."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

from warehouse.schema import TABLES

VOID = {"meta", "link", "br", "input", "img", "hr"}
REPORTS = ("winner", "naive", "empty", "demo")
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&lt;`{{ 7*7 }}"


@dataclass(frozen=True)
class Element:
    tag: str
    attributes: dict[str, str | None]
    inside: tuple[str, ...]
    text: list[str] = field(default_factory=list[str])

    @property
    def words(self) -> str:
        return "".join(self.text)


class Document(HTMLParser):
    """A parsed page; building one fails when a tag is closed out of turn or left open."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(html)
        self.close()
        assert self._open == [], f"left open: {[element.tag for element in self._open]}"

    def _add(self, tag: str, attrs: list[tuple[str, str | None]]) -> Element:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"attribute twice in {tag}: {names}"
        element = Element(tag, dict(attrs), tuple(parent.tag for parent in self._open))
        self.elements.append(element)
        return element

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = self._add(tag, attrs)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._add(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open[-1].tag == tag, f"</{tag}> closes {self._open[-1:]}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text.append(data)

    @property
    def words(self) -> str:
        return self.elements[0].words

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    def links(self) -> list[str]:
        return [element.attributes["href"] or "" for element in self.all("a")]


def report(name: str) -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "reports" / f"{name}.json").read_text("utf-8"))


def full() -> dict[str, Any]:
    """Return a report that has every part of DESIGN section 11 and its additions."""
    return report("winner") | report("additions")


def without_numbers(value: Any) -> Any:
    """Return the same body with every number null."""
    if isinstance(value, dict):
        return {key: without_numbers(entry) for key, entry in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [without_numbers(entry) for entry in cast("list[Any]", value)]
    return None if isinstance(value, int | float) and not isinstance(value, bool) else value


def hostile(value: Any, key: str = "") -> Any:
    """Return the same body with markup in every text a stranger may write, and in keys that are names."""
    if isinstance(value, dict):
        named = key in {"observed", "expected", "scored_share", "audit", "queries"} and "unit" not in value
        found = cast("dict[str, Any]", value).items()
        return {(HOSTILE + name if named else name): hostile(entry, name) for name, entry in found}
    if isinstance(value, list):
        return [hostile(entry, key) for entry in cast("list[Any]", value)]
    return value + HOSTILE if isinstance(value, str) and key not in {"day", "kind", "path"} else value


def tables(rows: int | None = None) -> list[dict[str, Any]]:
    """Return the body of `GET /v1/tables`, with a count of rows in each table."""
    return [
        {
            "name": table.name,
            "row": table.row,
            "key": list(table.key),
            "columns": [{"name": column.name, "type": column.type, "doc": column.doc} for column in table.columns],
            "rows": rows,
        }
        for table in TABLES
    ]


RESULT: dict[str, Any] = {
    "columns": [
        {"name": "variant", "type": "VARCHAR"},
        {"name": "scored", "type": "BIGINT"},
        {"name": "mean", "type": "DOUBLE"},
        {"name": "attributes", "type": "MAP(VARCHAR, VARCHAR)"},
    ],
    "rows": [["control", 1191, 0.5776658270361041, None], ["concise", None, 0.5, {"note": "word " * 50}]],
    "row_count": 2,
    "truncated": True,
    "elapsed_ms": 7.812,
    "rows_scanned": 9012,
    "bytes_scanned": 99,
    "snapshot": "418",
}

ERROR: dict[str, Any] = {
    "code": "unknown_column",
    "message": "there is no column 'functoin_id' in runs",
    "line": 2,
    "col": 8,
    "hint": "did you mean function_id?",
    "request_id": "r-1",
}
