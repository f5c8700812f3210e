"""A report as Markdown (GitHub's flavour): verdict first, then the tables. No HTML; names stay text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from api.pages import checks, words
from api.pages import tables as report_tables
from api.pages.body import Body, inside, names
from api.pages.numbers import DASH, moment, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.pages.tables import Cell, Table

_SPECIAL = re.compile(r"[\\`*_{}\[\]<>|~#&@$]")
"""What begins markup, a mention or a reference anywhere in a line."""
_ADDRESS = re.compile(r"(?<=http)(?=s?://)|(?<=www)(?=\.)|(?<=ftp)(?=://)|(?<=mailto)(?=:)", re.IGNORECASE)
"""Where a bare address would become a link (GFM, section 6.9)."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TICKS = re.compile(r"`+")


def escaped(value: str) -> str:
    """Return text that reads as it was written wherever it stands in a line of Markdown; line breaks become spaces."""
    line = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", " ".join(value.split()))
    return _ADDRESS.sub("\N{ZERO WIDTH NON-JOINER}", _SPECIAL.sub(r"\\\g<0>", line))


def fenced(code: str) -> str:
    """Return a block of SQL; its fence is longer than any that stands inside."""
    longest = max((len(ticks) for ticks in _TICKS.findall(code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sql\n{_CONTROL.sub(chr(0xFFFD), code)}\n{fence}"


def _sentence(told: str) -> str:
    """Return a sentence with its `names in backticks` in bold; an odd backtick is only a backtick."""
    parts = told.split("`")
    if len(parts) % 2 == 0:
        return escaped(told)
    # Spaces around a part belong to the sentence, and are lost by `escaped`.
    kept = [
        (f"**{escaped(part)}**" if part.strip() else "") if at % 2 else _padded(part) for at, part in enumerate(parts)
    ]
    return "".join(kept)


def _padded(part: str) -> str:
    head = " " if part[:1].isspace() else ""
    tail = " " if part[-1:].isspace() and part.strip() else ""
    return f"{head}{escaped(part)}{tail}"


def _cell(cell: Cell) -> str:
    told = escaped(cell.text)
    if cell.tone == "strong" and cell.text != DASH:
        told = f"**{told}**"
    told += f" ({escaped(cell.tag)})" if cell.tag else ""
    return f"{told} ({escaped(cell.under)})" if cell.under else told


def table(own: Table) -> str:
    """Return a table of GitHub's Markdown; empty when it has no rows."""
    if not own:
        return ""
    lines = [
        "| " + " | ".join(escaped(column.head) for column in own.columns) + " |",
        "| " + " | ".join("---:" if column.is_number else "---" for column in own.columns) + " |",
    ]
    for row in own.rows:
        told = [_cell(cell) for cell in row.cells]
        if row.is_ours:
            told[0] = f"**{told[0]}**"
        lines.append("| " + " | ".join(told) + " |")
    return "\n".join(lines)


def _section(title: str, *parts: str) -> Iterator[str]:
    """Yield a heading and the parts that say something; nothing when none does."""
    said = [part for part in parts if part]
    if said:
        yield f"## {title}"
        yield from said


def markdown(report: Body) -> str:
    """Return a report (DESIGN section 11) as Markdown; every number may be null."""
    return "\n\n".join([*_lead(report), *_body(report), *_how(report)]) + "\n"


def _lead(report: Body) -> Iterator[str]:
    verdict = inside(report, "verdict")
    told = verdict.get("sentence") or "There is no verdict on this experiment yet."
    yield f"# {escaped(str(report.get('experiment')))}: {words.verdict(verdict.get('kind')).label.lower()}"
    yield f"{_sentence(str(told))}"
    if verdict.get("kind") == "invalid":
        yield "**Figures are shown so that you can find the fault. Do not decide by them.**"
    facts = [f"score {escaped(str(report['score']))}"] if report.get("score") else []
    facts += [f"{escaped(str(report['design']))} design"] if report.get("design") else []
    facts += [f"as of {escaped(moment(report.get('as_of')))}", f"known at {escaped(moment(report.get('known_at')))}"]
    yield " · ".join(facts)
    if frozen := report_tables.decided(report):
        yield escaped(frozen)
    codes = [f"- {escaped(code)}: {escaped(words.reason(code))}" for code in names(verdict, "reasons")]
    codes += [f"- {escaped(code)} (flag): {escaped(words.flag(code))}" for code in names(verdict, "flags")]
    if codes:
        yield "\n".join(codes)


def _body(report: Body) -> Iterator[str]:
    own = report_tables.tables(report)
    methods = report_tables.methods(report)
    yield from _section(
        "Effect", table(own.comparisons), escaped(f"Tested by {', '.join(methods)}.") if methods else ""
    )
    yield from _section("Variants", table(own.variants), table(own.spreads))
    health = [f"- {check.title}: {escaped(check.figure)}. {escaped(check.meaning)}" for check in checks.health(report)]
    yield from _section("Health", "\n".join(health), table(own.bounds))
    yield from _section("Guardrails", table(own.guardrails))
    yield from _section("Secondary scores", table(own.secondary))
    yield from _section("Power", escaped(report_tables.power(report)))
    segments = [
        part
        for segment in own.segments
        for part in (f"### {escaped(segment.title)}", escaped(" ".join(segment.facts)), table(segment.table))
    ]
    yield from _section("Segments", *segments)
    yield from _section(
        "What the usual per-run test would have said", escaped(report_tables.trust(report)), table(own.readings)
    )
    unit = inside(inside(report, "audit"), "unit")
    parts = [_sentence(plain(unit["message"])) if unit.get("message") else "", table(own.unit_candidates)]
    parts += [table(own.assignment)]
    for more in (own.disagreements, own.moved_units, own.weight_changes):
        parts += [f"### {more.label}", table(more)] if more else []
    yield from _section("Unit and assignment", *parts)
    yield from _section("Day by day", table(own.days))


def _how(report: Body) -> Iterator[str]:
    own, receipt = report_tables.tables(report), inside(report, "receipt")
    parts = [table(own.options)]
    for more in (own.notes, own.audit):
        parts += [f"### {more.label}", table(more)] if more else []
    if statements := report_tables.statements(report):
        parts += ["### SQL", *map(fenced, statements)]
    for name, sql in report_tables.saved_queries(report):
        parts += [f"### Saved query {escaped(name)}", fenced(sql)]
    told = f"Report {escaped(plain(receipt.get('hash')))}, snapshot {escaped(plain(report.get('snapshot')))}."
    yield from _section(
        "How this was computed",
        *parts,
        f"{told} The same options, as-of and known-at give the same figures.",
    )
