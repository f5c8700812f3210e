"""A report on a terminal: its parts, within its width."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from api.commands.verdicts import show
from tests.api.pages.documents import REPORTS, full, report


def shown(body: dict[str, object], width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    show(console, body)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_secondary_scores_segments_and_trust_stand_below_the_verdict() -> None:
    """Briefly: what each says after correction, and how far tests can be trusted on this traffic."""
    words = shown(full(), 120)
    places = [words.index(part) for part in ("WINNER", "empathetic", "run:tokens", "attribute:plan: empathetic")]
    assert places == sorted(places)
    told = " ".join(words.split())
    assert "The difference changes its sign between segments." in told
    assert "would name a false winner in 35.2% of 2,000 label shuffles; this report in 4.8%." in told


@pytest.mark.parametrize("name", [*REPORTS, "full"])
def test_a_narrow_terminal_folds_names_and_no_figures(name: str) -> None:
    """Every figure of the table is whole at 80 columns, however long the names are."""
    body = full() if name == "full" else report(name)
    longer = {row["variant"]: f"{row['variant']}-with-a-name-that-is-much-too-long" for row in body["variants"]}
    for row in [*body["variants"], *body["comparisons"]]:
        row["variant"] = longer[row["variant"]]
    lines = shown(body).splitlines()
    assert max(map(len, lines)) <= 80
    figures = "\n".join(lines[lines.index(next(line for line in lines if line.startswith("variant"))) :])
    assert "\N{HORIZONTAL ELLIPSIS}" not in figures.partition("secondary")[0]
