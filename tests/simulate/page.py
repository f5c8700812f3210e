"""The numbers of `docs/how-a-winner-is-decided.md`: none is typed, each is marked with where it comes from.

    python -m tests.simulate.page [--check]

A number is followed by a comment that names it, `57.5<!--alike/false/delta-->`, and the table stands between
`<!--table-->` and `<!--end-->`; the comments do not show on the page. Simulated numbers come from
`docs/simulations.json`, the rule's own from the code.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from queries.experiments import analysis, contrasts, health, observations, verdict
from queries.experiments.options import Options
from queries.stats import ratio, sequence
from queries.stats.power import POWER
from tests.simulate.cases import FALSE_WINNERS, LOST_POWER

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/how-a-winner-is-decided.md"
RESULTS = ROOT / "docs/simulations.json"

_MARKED = re.compile(r"[\d.,]+(?=<!--([\w/]+)-->)")
_TABLE = re.compile(r"(?<=<!--table-->\n).*?(?=<!--end-->)", re.DOTALL)
_NOT_PROSE = re.compile(r"```.*?```|`[^`\n]*`|\]\([^)]*\)|<!--.*?-->|ADR \d+", re.DOTALL)

_COLUMNS = {
    "this report": ("report",),
    "test over runs": ("welch_over_runs_daily", "welch_over_runs"),
    "delta method": ("delta_daily", "delta", "pooled_z"),
    "mean of units": ("unit_means_daily", "unit_means", "fisher"),
    "chance to win": ("chance_to_win_daily", "chance_to_win"),
}
"""Columns of the table: the first of these methods that was measured; looked at daily where there were daily looks."""


def results() -> dict[str, Any]:
    """Return the generated results."""
    return json.loads(RESULTS.read_text())


def figures(measured: dict[str, Any]) -> dict[str, str]:
    """Return every number that the page may say, by its name."""
    alpha = Options(as_of=0, known_at=0).alpha
    shares = {
        "alpha": alpha,
        "alpha_running": alpha * sequence.RUNNING_SHARE,
        "alpha_end": alpha * (1 - sequence.RUNNING_SHARE),
        "confidence": 1 - alpha,
        "srm_invalid": verdict.SRM_INVALID,
        "srm_warning": verdict.SRM_WARNING,
        "contaminated": verdict.CONTAMINATED_SHARE,
        "missing_points": health.MISSING_POINTS,
        "missing_p": health.MISSING_P,
        "doubt_p": health.DOUBT_P,
        "maturity": observations.MATURITY_QUANTILE,
        "heavy_runs": contrasts.HEAVY_RUNS_SHARE,
        "heavy_unit": contrasts.HEAVY_UNIT_SHARE,
        "default": analysis.FREQUENT_DEFAULT,
        "power": POWER,
        "false_bound": FALSE_WINNERS,
        "lost_bound": LOST_POWER,
    }
    counts = {
        "fewest_units": verdict.FEWEST_UNITS,
        "fewest_effective": verdict.FEWEST_EFFECTIVE,
        "few_effective": contrasts.FEW_EFFECTIVE_UNITS,
        "fewest_running": verdict.FEWEST_EFFECTIVE_RUNNING,
        "smallest_expected": ratio.SMALLEST_EXPECTED,
        "unplanned_units": sequence.UNPLANNED_UNITS,
        "cases": len(measured["cases"]),
    }
    named = {f"rule/{name}": f"{100 * share:g}" for name, share in shares.items()}
    named |= {f"rule/{name}": f"{count:g}" for name, count in counts.items()}
    for name, case in measured["cases"].items():
        named[f"{name}/trials"] = f"{case['trials']:,}"
        for kind, rates in (("false", case["false_winners"]), ("found", case["found"])):
            named |= {f"{name}/{kind}/{method}": f"{rate['percent']:.1f}" for method, rate in rates.items()}
    return named


def table(measured: dict[str, Any]) -> str:
    """Return the tables of false winners and of true ones found."""
    lines = ["| experiment without any effect | trials | " + " | ".join(_COLUMNS) + " |", "| --- " * 7 + "|"]
    for case in measured["cases"].values():
        rates = case["false_winners"]
        cells = [
            next((f"{rates[m]['percent']:.1f} %" for m in wanted if m in rates), "") for wanted in _COLUMNS.values()
        ]
        cells[0] = f"**{cells[0]}**" if case["false_winners_held"] else f"**{cells[0]}** (above the bound)"
        lines.append(f"| {case['what']} | {case['trials']:,} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "| experiment with an effect | this report finds it | the best valid method | which |",
        "| --- " * 4 + "|",
    ]
    for case in measured["cases"].values():
        if case["best_valid"] is not None:
            best, rates = case["best_valid"], case["found"]
            missed = "" if case["power_held"] else " (below the bound)"
            cells = [f"**{rates['report']['percent']:.1f} %**{missed}", f"{rates[best]['percent']:.1f} %", f"`{best}`"]
            lines.append(f"| {case['what']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def written(text: str, measured: dict[str, Any]) -> str:
    """Return a page with its numbers as measured.

    Raises:
        KeyError: a mark names no number.
    """
    named = figures(measured)
    return _TABLE.sub(lambda _: table(measured), _MARKED.sub(lambda found: named[found[1]], text))


def unmarked(text: str) -> list[str]:
    """Return the lines of a page that hold a number nobody can trace."""
    prose = _NOT_PROSE.sub("", _MARKED.sub("", _TABLE.sub("", text)))
    return [line for line in prose.splitlines() if re.search(r"\d", line)]


def main() -> int:
    """Write the page's numbers, or check them."""
    text = PAGE.read_text()
    made = written(text, results())
    if "--check" in sys.argv:
        return int(made != text)
    PAGE.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
