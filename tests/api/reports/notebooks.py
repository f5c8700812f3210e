"""Notebooks for the tests, and runs of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.reports.definition import Definition, defined
from api.reports.running import Ran, run

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "upr_4f1c7a90d2b34e6f"  # noqa: S105 - of no server
KNOWN_AT = "2026-09-01T12:00:00.000000Z"

FACT = """
from IPython.display import display
display({{"application/vnd.upshot.facts+json": [{{"name": {name!r}, "kind": {kind!r}, "value": {value!r}}}],
         "text/plain": {name!r}}}, raw=True)
"""
CHART = """
import altair
altair.Chart(altair.Data(values=[{"a": 1, "b": 2}, {"a": 2, "b": 5}])).mark_line().encode(x="a:Q", y="b:Q")
"""


def code(source: str, *tags: str) -> dict[str, Any]:
    """Return a code cell."""
    metadata = {"tags": [*tags]} if tags else {}
    return {"cell_type": "code", "metadata": metadata, "source": source, "outputs": [], "execution_count": None}


def markdown(source: str) -> dict[str, Any]:
    """Return a Markdown cell."""
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def notebook(*cells: str | dict[str, Any], parameters: str = "days = 7") -> dict[str, Any]:
    """Return a notebook with a parameters cell and these."""
    made = [code(parameters, "parameters"), *(code(one) if isinstance(one, str) else one for one in cells)]
    numbered = [{"id": f"cell-{number}", **cell} for number, cell in enumerate(made)]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": numbered}


def definition(*cells: str | dict[str, Any], **fields: Any) -> Definition:
    """Return a report of these cells."""
    return defined({"title": "Weekly winners", "notebook": notebook(*cells), **fields})


def ran(folder: Path, *cells: str | dict[str, Any], url: str = "http://127.0.0.1:9", **fields: Any) -> Ran:
    """Run a notebook of these cells."""
    folder.mkdir(parents=True, exist_ok=True)
    return run(definition(*cells, **fields), url=url, token=TOKEN, known_at=KNOWN_AT, params={}, folder=folder)


def printed(notebook: dict[str, Any]) -> list[str]:
    """Return what each code cell printed."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return ["".join("".join(output.get("text", "")) for output in cell["outputs"]) for cell in cells]
