"""Results as a table for people and as JSON for the page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.simulate.cases import CASES
from tests.simulate.measure import REPORT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.simulate.measure import Held, Rate, Result


def rows(name: str, result: Result) -> Iterator[str]:
    """Return the lines of one case."""
    yield f"{name}: {CASES[name].what} ({result.trials} trials)"
    yield _line("  false winners", result.false[REPORT], _verdict(result.size))
    yield from _beside(result.false)
    if result.loss is not None:
        yield _line("  true winner found", result.power[REPORT], "")
        yield from _beside(result.power)
        yield _line(f"  less than {result.best}", None, _verdict(result.loss))


def _beside(rates: Mapping[str, Rate]) -> Iterator[str]:
    return (_line(f"    {method}", found, "") for method, found in rates.items() if method != REPORT)


def _line(what: str, found: Rate | None, verdict: str) -> str:
    shown = "" if found is None else f"{100 * found.share:6.1f} % ± {100 * found.error:.1f}"
    return f"{what:32}{shown:18}{verdict}".rstrip()


def _verdict(held: Held) -> str:
    return f"{100 * held.value:.1f} of at most {100 * held.bound:.1f} points  {'PASS' if held.passed else 'MISS'}"


def as_json(seed: int, results: Mapping[str, Result]) -> dict[str, Any]:
    """Return results as JSON: shares in percent with one decimal and their Monte-Carlo errors with two."""
    return {
        "command": "python -m tests.simulate --out docs/simulations.json",
        "seed": seed,
        "cases": {
            name: {
                "what": CASES[name].what,
                "trials": result.trials,
                "false_winners": _percent(result.false),
                "found": _percent(result.power),
                "best_valid": result.best,
                "false_winners_held": result.size.passed,
                "power_held": None if result.loss is None else result.loss.passed,
            }
            for name, result in results.items()
        },
    }


def _percent(rates: Mapping[str, Rate]) -> dict[str, dict[str, float]]:
    return {m: {"percent": round(100 * r.share, 1), "error": round(100 * r.error, 2)} for m, r in rates.items()}


def write(path: Path, seed: int, results: Mapping[str, Result]) -> None:
    """Write results as JSON."""
    path.write_text(json.dumps(as_json(seed, results), indent=1, ensure_ascii=False) + "\n")
