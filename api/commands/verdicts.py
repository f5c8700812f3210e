"""A report for a terminal: the verdict in a sentence, then the table per variant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {"winner": "bold green", "winner_set": "bold green", "invalid": "bold red", "winner_blocked": "bold red"}


def show(console: Console, report: dict[str, Any]) -> None:
    """Print a report (DESIGN section 11)."""
    verdict = report["verdict"]
    console.print()
    console.print(Text(f"{report['experiment']}", style="bold"), Text(f"by {report['score']}", style="dim"))
    console.print(Text(verdict["kind"].replace("_", " "), style=_STYLES.get(verdict["kind"], "bold yellow")), end="  ")
    console.print(Text(verdict["sentence"]))
    console.print(_variants(report))


def _variants(report: dict[str, Any]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("variant")
    for name in ("units", "runs", "scored", "mean", "95% interval" if _alpha(report) == 0.05 else "interval"):  # noqa: PLR2004
        table.add_column(name, justify="right")
    table.add_column("against control", justify="right")
    table.add_column("p", justify="right")
    compared = {row["variant"]: row for row in report["comparisons"]}
    for row in report["variants"]:
        against = compared.get(row["variant"])
        table.add_row(
            Text(row["variant"] + (" (control)" if row["control"] else "")),
            number(row["units"], 0),
            number(row["runs"], 0),
            number(row["scored_runs"], 0),
            number(row["mean"]),
            interval(row["ci"]),
            f"{number(against['difference'], signed=True)}  {interval(against['ci'])}" if against else "",
            number(against["p_adjusted"]) if against else "",
        )
    return table


def _alpha(report: dict[str, Any]) -> float | None:
    alpha = report["options"].get("alpha")
    return alpha.get("value") if isinstance(alpha, dict) else alpha


def number(value: float | None, digits: int = 3, *, signed: bool = False) -> str:
    """Return a number for people; an en dash when there is none."""
    if value is None:
        return "–"
    return f"{value:{'+' if signed else ''},.{digits}f}" if abs(value) < 1000 or digits == 0 else f"{value:,.0f}"  # noqa: PLR2004


def interval(ends: list[float | None] | None) -> str:
    """Return an interval for people."""
    if ends is None or None in ends:
        return "–"
    return f"[{number(ends[0])}, {number(ends[1])}]"
