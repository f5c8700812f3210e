"""Facts: what a notebook found, said so that two editions of a report can be compared."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MIME = "application/vnd.upshot.facts+json"
"""Type of the output that carries facts: a list of {name, kind, value, words}."""

Kind = Literal["verdict", "mean", "coverage", "number"]


def fact(name: str, value: float | str | None, *, words: str = "", kind: Kind = "number") -> None:
    """Say a number of this notebook by name, so that its next edition can say what became of it.

    Nothing is shown. Outside of a notebook this does nothing.

    Args:
        name: what it is; of two facts with one name the later counts.
        value: the number, or a word.
        words: the same as a person would say it: `$17.11`, `3.7%`.
        kind: what it is a number of.
    """
    ipython: Any = sys.modules.get("IPython")  # there only in a notebook
    if ipython is None or ipython.get_ipython() is None:
        return
    ipython.display.display({MIME: [_fact(name, value, words, kind)]}, raw=True)


def facts_of(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the facts of an experiment's report: its verdict, and each variant's mean and coverage."""
    experiment, score = report.get("experiment"), report.get("score")
    verdict: Mapping[str, Any] = report.get("verdict") or {}
    rows: Sequence[Mapping[str, Any]] = report.get("variants") or ()
    found = [_fact(f"{experiment}", verdict.get("kind"), verdict.get("sentence") or "", "verdict")]
    for row in rows:
        of = f"{experiment} / {row.get('variant')}"
        found.append(_fact(f"{of}: mean of {score}", row.get("mean"), "", "mean"))
        runs, scored = row.get("runs"), row.get("scored_runs")
        if runs and scored is not None:
            found.append(_fact(f"{of}: coverage", scored / runs, f"{scored / runs:.1%}", "coverage"))
    return found


def _fact(name: str, value: float | str | None, words: str, kind: Kind) -> dict[str, Any]:
    return {"name": name, "kind": kind, "value": value, "words": words}
