"""What a message about an edition says, whatever way it goes: its headline, its verdicts, what changed, its table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.pages.numbers import DASH, number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from api.reports.editions import Edition
    from api.reports.facts import Fact

MAX_LINE = 300
"""Characters of one sentence or name in a message."""

MAX_CELL = 40
"""Characters of one cell of the table."""

MAX_ROWS = 50
"""Sentences, and lines of a table, in a mail."""

NOTHING_CHANGED = "Nothing changed since the edition before."
FIRST = "This is the first edition."

_LAYOUT = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Marks that turn the direction of text around (Unicode TR 36): a name must not rearrange the sentence around it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: its name, what it was in the edition before (empty when it did not change), what it is."""

    name: str
    before: str
    now: str


@dataclass(frozen=True, slots=True)
class Message:
    """An edition on its way: the same at every try."""

    key: str
    """The idempotency key, hexadecimal."""
    edition: Edition
    permalink: str
    chart: Path | None
    """The first chart as PNG."""

    @property
    def title(self) -> str:
        """The report's title, else its name, on one line."""
        return line(self.edition.title) or line(self.edition.report)

    @property
    def chart_url(self) -> str | None:
        """Where the chart is served, beside the permalink `BASE/reports/NAME/EDITION`; None when there is no chart."""
        base, _, rest = self.permalink.rpartition("/reports/")
        name, _, edition = rest.partition("/")
        return f"{base}/v1/reports/{name}/editions/{edition}/chart.png" if self.chart else None

    @property
    def facts(self) -> Mapping[str, Fact]:
        """The facts, those that changed first."""
        changed = [change.name for change in self.edition.changes if change.name in self.edition.facts]
        return {name: self.edition.facts[name] for name in dict.fromkeys([*changed, *self.edition.facts])}

    @property
    def headline(self) -> str:
        """One sentence: that it failed and where, or the first verdict, or how much changed."""
        if self.edition.error is not None or self.edition.status != "done":
            return f"Failed {self.failure[0]}"
        if self.verdicts:
            more = len(self.verdicts) - 1
            return f"{self.verdicts[0]} (and {more} more)" if more else self.verdicts[0]
        more = len(self.edition.changes) - 1
        return f"{self.news[0]} (and {more} more)" if more > 0 else self.news[0]

    @property
    def failure(self) -> tuple[str, ...]:
        """The error and the cell it stands in, and the first line of that cell; empty when the edition is done."""
        error = self.edition.error
        if error is None:
            return () if self.edition.status == "done" else ("for a reason that is not known",)
        where = "" if error.cell is None else f"in cell {error.cell}: "
        said = line(f"{where}{error.name}: {error.message}" if error.message else f"{where}{error.name}")
        return (said, line(error.source)) if error.source else (said,)

    @property
    def verdicts(self) -> tuple[str, ...]:
        """The words of each verdict, under its name."""
        told = [f"{line(name)}: {said(fact)}" for name, fact in self.facts.items() if fact.kind == "verdict"]
        return tuple(map(line, told))

    @property
    def news(self) -> tuple[str, ...]:
        """What changed since the edition before, a sentence each; that nothing did, of an edition that is done."""
        if self.edition.status != "done":
            return ()
        if self.edition.changes:
            return tuple(line(change.words) for change in self.edition.changes)
        return (FIRST if self.edition.compared_with is None else NOTHING_CHANGED,)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The figures, those that changed first."""
        before = {change.name: change.before for change in self.edition.changes}
        return tuple(Row(line(name), shown(before.get(name)), said(fact)) for name, fact in self.facts.items())


def line(text: str, limit: int = MAX_LINE) -> str:
    """Return a text of strangers on one line, without marks that turn it around, cut after `limit` characters."""
    plain = _LAYOUT.sub(" ", _TURNING.sub("", text)).strip()
    return plain if len(plain) <= limit else f"{plain[: limit - 1]}…"


def and_more(count: int) -> str:
    """Return the line that stands for so many that were left out."""
    return f"… and {count:,} more"


def shown(value: object) -> str:
    """Return a value of a fact; nothing of None."""
    if value is None:
        return ""
    return line(value) if isinstance(value, str) else number(value)


def said(fact: Fact) -> str:
    """Return what a fact says: its words, else its value, else a dash."""
    return line(fact.words) or shown(fact.value) or DASH


def table(rows: tuple[Row, ...]) -> list[str]:
    """Return rows as lines of fixed-width text under a heading; `before` only where something changed."""
    cells = [("figure", "before", "now"), *((row.name, row.before, row.now) for row in rows)]
    columns = [[line(cell, MAX_CELL) for cell in column] for column in zip(*cells, strict=True)]
    if not any(columns[1][1:]):
        del columns[1]
    widths = [max(map(len, column)) for column in columns]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in zip(*columns, strict=True)
    ]
