"""SQL on the pages: examples to start from, the excerpt around an error, and the same query for other clients."""

from __future__ import annotations

import json
import re
import shlex
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from queries.cookbook import RECIPES

if TYPE_CHECKING:
    from api.pages.body import Body
    from queries.cookbook import Recipe

_AROUND = 2
"""Lines of the query shown before and after the one with the error."""

_NUMERIC = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|REAL|DECIMAL\b.*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Example:
    """A query worth starting from: a recipe of the cookbook, and the address of the SQL page that runs it."""

    title: str
    group: str
    about: str
    sql: str
    path: str
    parameters: tuple[str, ...]
    """Names of its parameters; the page without JavaScript has no fields for their values."""


def _form(text: str) -> str:
    return quote_plus(text, safe="*").replace("~", "%7E")


def recipe_path(recipe: Recipe) -> str:
    """Return the address of the SQL page with a recipe, its parameters and its chart, as `web/src/state.ts` writes it.

    A form-encoded query string as browsers make it, so that the page's own links to the same state are the same.
    """
    pairs = [("q", recipe.sql)]
    if recipe.params:
        given = {one.name: [one.type, _typed(one.default)] for one in recipe.params}
        pairs.append(("params", json.dumps(given, ensure_ascii=False, separators=(",", ":"))))
    if chart := recipe.chart:
        drawn = (("mark", chart.mark), ("x", chart.x), ("y", chart.y), ("color", chart.color))
        pairs += [(name, value) for name, value in drawn if value is not None]
    return "/sql?" + "&".join(f"{name}={_form(value)}" for name, value in pairs)


def _typed(value: object) -> str:
    """Return a value as somebody types it into the field of a parameter."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


EXAMPLES: tuple[Example, ...] = tuple(
    Example(
        recipe.title,
        recipe.group,
        recipe.about,
        recipe.sql,
        recipe_path(recipe),
        tuple(one.name for one in recipe.params),
    )
    for recipe in RECIPES
)


def literal(text: str) -> str:
    """Return `text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def runs_of(experiment: str, score: str | None) -> str:
    """Return the query that lists the scored runs of an experiment."""
    lines = ["select variant, unit, run_id, started_at, value, scored_at", "from experiment_scores"]
    lines.append(f"where experiment = {literal(experiment)}" + (f" and score = {literal(score)}" if score else ""))
    return "\n".join([*lines, "order by started_at desc", "limit 100"])


def table_sample(name: str) -> str:
    """Return the query that shows a few rows of a table."""
    return f"from {name}\nlimit 20"


def is_numeric(type_: object) -> bool:
    """Return whether a column of this SQL type holds numbers."""
    return bool(_NUMERIC.fullmatch(str(type_)))


@dataclass(frozen=True, slots=True)
class ExcerptLine:
    """A line of the query: its number from 1, its text, and white space up to the caret when the error is here."""

    number: int
    text: str
    caret_indent: str | None


def _blank(char: str) -> str:
    if char == "\t":
        return "\t"
    return "\N{IDEOGRAPHIC SPACE}" if unicodedata.east_asian_width(char) in "WF" else " "


def excerpt(query: str, error: Body) -> list[ExcerptLine]:
    """Return the lines around an error with `line` and `col` (from 1); empty when it has no place in the query."""
    line, col = error.get("line"), error.get("col")
    lines = query.split("\n")
    if not isinstance(line, int) or not 1 <= line <= len(lines):
        return []
    at = line - 1

    def indent(index: int) -> str | None:
        if index != at or not isinstance(col, int) or col < 1:
            return None
        return "".join(map(_blank, lines[index][: col - 1]))

    first, last = max(0, at - _AROUND), min(len(lines), at + _AROUND + 1)
    return [ExcerptLine(index + 1, lines[index], indent(index)) for index in range(first, last)]


def as_command(query: str) -> str:
    """Return the query as a shell command of the product."""
    return f"upshot query {shlex.quote(query)}"


def first_commands(origin: str, *, open_: bool = True) -> list[tuple[str, str, str]]:
    """Return the three ways to send the first data: title, explanation, commands; with a key unless the server is open.

    The key comes from the variable that the command line reads too, so no key is ever in a page.
    """
    score = {
        "type": "score",
        "name": "resolved",
        "value": True,
        "run_id": "run-1",
        "experiment": {"name": "reply-prompt", "variant": "concise"},
    }
    endpoint = shlex.quote(f"{origin}/v1/ingest")
    return [
        (
            "A file",
            "Runs, steps, assignments and scores as NDJSON or a JSON array; gzip and zstd too.",
            f"upshot ingest FILE --url {shlex.quote(origin)}"
            if open_
            else f"export UPSHOT_API_KEY=upk_…\nupshot ingest FILE --url {shlex.quote(origin)}",
        ),
        (
            "OpenTelemetry",
            "Any SDK that exports OTLP; set this where the agent runs.",
            (
                f"export OTEL_EXPORTER_OTLP_ENDPOINT={shlex.quote(origin)}\n"
                "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
                + ("" if open_ else '\nexport OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20$UPSHOT_API_KEY"')
            ),
        ),
        (
            "One score over HTTP",
            "Its run and experiment need not exist yet.",
            f"curl {endpoint} -H 'content-type: application/x-ndjson' \\\n"
            + ("" if open_ else '  -H "authorization: Bearer $UPSHOT_API_KEY" \\\n')
            + f"  -d {shlex.quote(json.dumps(score))}",
        ),
    ]
