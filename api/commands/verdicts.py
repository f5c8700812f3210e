"""A report for a terminal: the verdict in a sentence, then the table per variant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

    from api.pages.tables import Table as ReportTable

_SMALLEST_P = 0.001
_STYLES = {"winner": "bold green", "winner_set": "bold green", "invalid": "bold red", "winner_blocked": "bold red"}


def show(console: Console, report: dict[str, Any]) -> None:
    """Print a report (DESIGN section 11)."""
    verdict = report["verdict"]
    console.print()
    console.rule(Text(report["experiment"], style="bold") + Text(f"  by {report['score']}", style="dim"), align="left")
    kind = Text(verdict["kind"].replace("_", " ").upper(), style=_STYLES.get(verdict["kind"], "bold yellow"))
    console.print(kind + Text(f"  {verdict['sentence'].replace('`', '')}", style="not bold"))
    console.print(_variants(report))
    if report.get("secondary") or report.get("segments") or report.get("trust"):
        _further(console, report)


def _further(console: Console, report: dict[str, Any]) -> None:
    """Print what stands beside the verdict: secondary scores, segments, how far tests can be trusted here."""
    from api.pages.tables import tables, trust  # noqa: PLC0415 - the pages take a tenth of a second to load

    own = tables(report)
    if own.secondary:
        console.print(Text("\nsecondary scores, corrected together", style="dim"))
        console.print(_drawn(own.secondary, ("Score", "Variant", "Difference", "p adjusted", "It says")))
    for segment in own.segments:
        console.print(Text(f"\n{segment.title}. {' '.join(segment.facts)}", style="dim"))
        console.print(_drawn(segment.table, ("Segment", "Units", "Difference", "p adjusted")))
    if told := trust(report):
        console.print(Text(f"\n{told}"))


def _drawn(table: ReportTable, heads: tuple[str, ...]) -> Table:
    """Return some columns of a report's table for a terminal."""
    drawn = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 1, 0, 0))
    kept = [at for at, column in enumerate(table.columns) if column.head in heads]
    for at in kept:
        column = table.columns[at]
        drawn.add_column(column.head.lower(), justify="right" if column.is_number else "left")
    for row in table.rows:
        drawn.add_row(*(Text(row.cells[at].text) for at in kept))
    return drawn


def _variants(report: dict[str, Any]) -> Table:
    level = f"{100 * (1 - (_alpha(report) or 0.05)):g}% CI"
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("variant", overflow="fold", min_width=8)  # a narrow terminal folds names, never figures
    for name in ("units", "scored", "mean", level, "vs control", level, "p"):
        table.add_column(name, justify="right", no_wrap=True)
    compared = {row["variant"]: row for row in report["comparisons"]}
    for row in report["variants"]:
        against = compared.get(row["variant"])
        table.add_row(
            Text(row["variant"]),
            number(row["units"], 0),
            number(row["scored_runs"], 0),
            number(row["mean"]),
            interval(row["ci"]),
            number(against["difference"], signed=True) if against else "control" if row["control"] else "",
            interval(against["ci"]) if against else "",
            probability(against["p_adjusted"]) if against else "",
        )
    return table


def _alpha(report: dict[str, Any]) -> float | None:
    alpha: float | None = report["options"]["alpha"]["value"]
    return alpha


def number(value: float | None, digits: int = 3, *, signed: bool = False) -> str:
    """Return a number for people; an en dash when there is none."""
    if value is None:
        return "–"
    return f"{value:{'+' if signed else ''},.{digits}f}" if abs(value) < 1000 or digits == 0 else f"{value:,.0f}"  # noqa: PLR2004


def interval(ends: list[float | None] | None) -> str:
    """Return an interval for people."""
    if ends is None or None in ends:
        return "–"
    return f"{number(ends[0])} to {number(ends[1])}"


def probability(p: float | None) -> str:
    """Return a p-value for people."""
    return "<0.001" if p is not None and p < _SMALLEST_P else number(p)
