"""SQL on the pages: examples to start from, the excerpt around an error, and the same query for other clients."""

from __future__ import annotations

import json
import re
import shlex
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.pages.body import Body

_AROUND = 2
"""Lines of the query shown before and after the one with the error."""

_NUMERIC = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|REAL|DECIMAL\b.*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Example:
    """A query worth starting from."""

    title: str
    sql: str


EXAMPLES: tuple[Example, ...] = (
    Example(
        "Scores by variant",
        "select experiment, variant, score,\n"
        "       count(*) as runs, count(value) as scored, round(avg(value), 4) as mean\n"
        "from experiment_scores\n"
        "group by all\n"
        "order by all",
    ),
    Example(
        "Failures by function",
        "select function_id, count(*) as runs,\n"
        "       count(*) filter (where status = 'Failed') as failed,\n"
        "       round(median(duration_ms)) as median_ms\n"
        "from runs\n"
        "group by function_id\n"
        "order by failed desc",
    ),
    Example(
        "How late outcomes arrive",
        "select scores.name, count(*) as scores,\n"
        "       round(median(date_diff('minute', runs.started_at, scores.ts)) / 60, 1) as median_hours,\n"
        "       round(quantile_cont(date_diff('minute', runs.started_at, scores.ts), 0.99) / 60, 1) as p99_hours\n"
        "from scores\n"
        "join runs on runs.id = scores.run_id\n"
        "group by scores.name\n"
        "order by p99_hours desc",
    ),
    Example(
        "Steps that are retried",
        "select name, type, count(*) as attempts,\n"
        "       count(*) filter (where attempt > 0) as retries,\n"
        "       round(median(duration_ms)) as median_ms\n"
        "from step_attempts\n"
        "group by name, type\n"
        "order by retries desc\n"
        "limit 20",
    ),
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


def first_commands(origin: str) -> list[tuple[str, str, str]]:
    """Return the three ways to send the first data: title, explanation, commands."""
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
            f"upshot ingest FILE --url {shlex.quote(origin)}",
        ),
        (
            "OpenTelemetry",
            "Any SDK that exports OTLP; set this where the agent runs.",
            (
                f"export OTEL_EXPORTER_OTLP_ENDPOINT={shlex.quote(origin)}\n"
                "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
            ),
        ),
        (
            "One score over HTTP",
            "Its run and experiment need not exist yet.",
            f"curl {endpoint} -H 'content-type: application/x-ndjson' \\\n  -d {shlex.quote(json.dumps(score))}",
        ),
    ]
