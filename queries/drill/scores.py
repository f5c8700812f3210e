"""`GET /v1/scores/{name}`: how the scores of one name are spread, over values, days, functions and variants."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from queries.drill.bodies import Bin, ScoreDay, ScorePage, ScorePart
from queries.drill.options import TIMES, microseconds
from queries.drill.reading import RUN_TIMES, within
from queries.drill.runs import AT
from queries.drill.said import RUN_LEVEL
from queries.parameters import Parameter
from warehouse.errors import NotFoundError, shown
from warehouse.pruning import Between

if TYPE_CHECKING:
    from collections.abc import Mapping

    from queries.drill.reading import Reader
    from warehouse.pruning import Wishes

PARAMETERS = (Parameter("name", "text", required=True), *TIMES, Parameter("function", "text", required=False))

BINS = 20
MOST_LABELS = 20
MOST_DAYS = 1_000
_MOST_FUNCTIONS, _MOST_VARIANTS = 50, 100

_DEFINED = "kind, higher_is_better, min, max, unit, owner, description, declared_at"

_TOTALS = """
SELECT list_sort(list(DISTINCT kind)) AS kinds, count(*) AS n, avg(value) AS mean, min(value) AS minimum,
       max(value) AS maximum FROM judged"""

# Halves, because the range of two doubles may be none.
_NUMBERS = f"""
WITH edge AS (SELECT min(value) / 2 AS low, (max(value) / 2 - min(value) / 2) / {BINS} AS width FROM judged)
SELECT CASE WHEN width > 0 THEN least({BINS - 1}, floor((value / 2 - low) / width))::INTEGER ELSE 0 END AS bar,
       count(*) AS n FROM judged, edge WHERE value IS NOT NULL GROUP BY bar ORDER BY bar"""

_BOOLEANS = "SELECT value, count(*) AS n FROM judged GROUP BY value"

_LABELS = f"""
SELECT label, count(*) AS n FROM judged WHERE label IS NOT NULL GROUP BY label ORDER BY n DESC, label
LIMIT {MOST_LABELS}"""

_TREND = f"""
SELECT ts::DATE AS day, count(*) AS n, avg(value) AS mean FROM judged GROUP BY day
ORDER BY day DESC LIMIT {MOST_DAYS}"""

_COVERAGE = """
SELECT count(*) AS runs, count(*) FILTER (id IN (SELECT run_id FROM scored)) AS scored_runs FROM scope"""

_BY_FUNCTION = f"""
SELECT f.function_id, NULL AS experiment, NULL AS variant, f.runs, coalesce(g.scored_runs, 0) AS scored_runs,
       coalesce(g.n, 0) AS n, g.mean
FROM (SELECT function_id, count(*) AS runs FROM scope GROUP BY function_id) f
JOIN (SELECT r.function_id, count(DISTINCT s.run_id) AS scored_runs, count(*) AS n, avg(s.value) AS mean
      FROM scored s JOIN scope r ON r.id = s.run_id GROUP BY r.function_id) g
  ON g.function_id IS NOT DISTINCT FROM f.function_id
ORDER BY n DESC, f.function_id LIMIT {_MOST_FUNCTIONS}"""

_BY_VARIANT = f"""
SELECT NULL AS function_id, a.experiment, a.variant, count(DISTINCT a.run_id) AS runs,
       count(DISTINCT s.run_id) AS scored_runs, count(s.run_id) AS n, avg(s.value) AS mean
FROM assignments a LEFT JOIN scored s ON s.run_id = a.run_id WHERE {{0}}
GROUP BY a.experiment, a.variant QUALIFY sum(n) OVER (PARTITION BY a.experiment) > 0
ORDER BY n DESC, a.experiment, a.variant LIMIT {_MOST_VARIANTS}"""


def score(read: Reader, given: Mapping[str, Any]) -> ScorePage:
    """Return what there is to see of one score.

    `from` and `to` are of when a score happened; for coverage and the shares of functions, of when a run was. What is
    compared there is run-level scores; an experiment's numbers proper are its report's.

    Raises:
        NotFoundError: no score of that name was seen or declared.
    """
    question = _Question(read, given)
    declared = read.rows(
        f"SELECT {_DEFINED} FROM score_definitions WHERE name = ?", [given["name"]], tables=["score_definitions"]
    )
    [totals] = question.judged(_TOTALS)
    if not totals["n"] and not declared:
        _need(read, given["name"])
    [covered] = question.compared(_COVERAGE)
    kinds: list[str] = totals.pop("kinds") or []
    trend = [ScoreDay(**row) for row in reversed(question.judged(_TREND))]
    return ScorePage(
        name=given["name"],
        kinds=kinds,
        declared=declared[0] if declared else None,
        **totals,
        **covered,
        coverage=covered["scored_runs"] / covered["runs"] if covered["runs"] else None,
        distribution=_distribution(question, kinds, totals),
        trend=trend,
        by_function=[ScorePart(**row) for row in question.compared(_BY_FUNCTION)],
        by_variant=[ScorePart(**row) for row in question.by_variant()],
    )


class _Question:
    """The scores of a name in a time and a function, as common table expressions of what is asked of them."""

    def __init__(self, read: Reader, given: Mapping[str, Any]) -> None:
        self._read = read
        self._name: str = given["name"]
        self._function: str | None = given.get("function")
        low, high = microseconds(given, "from"), microseconds(given, "to")
        self._low, self._high = low, None if high is None else high - 1

    def judged(self, sql: str) -> list[dict[str, Any]]:
        """Ask of `judged`: the scores, on whatever they are; with a function, those on its runs."""
        scores, parameters = self._scores()
        tables, wishes = ["scores"], self._score_wishes()
        if self._function is not None:
            scores += " AND run_id IN (SELECT id FROM runs WHERE function_id = ?)"
            parameters, tables = [*parameters, self._function], ["scores", "runs"]
        text = f"judged AS (SELECT run_id, kind, value, label, ts FROM scores WHERE {scores})"
        return self._ask(text, sql, parameters, tables, wishes)

    def compared(self, sql: str) -> list[dict[str, Any]]:
        """Ask of `scope`, the runs, and `scored`, the run-level scores."""
        scores, parameters = self._scores()
        limits = {f"{AT} >= ?": self._low, f"{AT} <= ?": self._high, "function_id = ?": self._function}
        asked = {text: value for text, value in limits.items() if value is not None}
        where = f"WHERE {' AND '.join(asked)}" if asked else ""
        text = (
            f"scored AS (SELECT run_id, value FROM scores WHERE {scores} AND run_id IS NOT NULL AND {RUN_LEVEL}), "
            f"scope AS (SELECT id, function_id FROM runs {where})"
        )
        wishes = dict(self._score_wishes())
        if self._low is not None and self._low > 0:
            wishes["runs"] = within(RUN_TIMES, self._low, self._high)
        return self._ask(text, sql, [*parameters, *asked.values()], ["scores", "runs"], wishes)

    def by_variant(self) -> list[dict[str, Any]]:
        """Ask about the variants of experiments."""
        scores, parameters = self._scores()
        text = f"scored AS (SELECT run_id, value FROM scores WHERE {scores} AND run_id IS NOT NULL AND {RUN_LEVEL})"
        limits = {
            "a.ts >= make_timestamptz(?)": self._low,
            "a.ts <= make_timestamptz(?)": self._high,
            "a.run_id IN (SELECT id FROM runs WHERE function_id = ?)": self._function,
        }
        asked = {text: value for text, value in limits.items() if value is not None}
        sql = _BY_VARIANT.format(" AND ".join(asked) or "true")
        tables = ["scores", "assignments", *(["runs"] if self._function is not None else [])]
        return self._ask(text, sql, [*parameters, *asked.values()], tables, self._score_wishes())

    def _scores(self) -> tuple[str, list[object]]:
        limits = {
            "name = ?": self._name,
            "ts >= make_timestamptz(?)": self._low,
            "ts <= make_timestamptz(?)": self._high,
        }
        asked = {text: value for text, value in limits.items() if value is not None}
        return " AND ".join(asked), [*asked.values()]

    def _score_wishes(self) -> Wishes:
        return {"score_history": [[Between("ts", self._low, self._high)]]}

    def _ask(
        self, text: str, sql: str, parameters: list[object], tables: list[str], wishes: Wishes
    ) -> list[dict[str, Any]]:
        return self._read.rows(f"WITH {text} SELECT * FROM ({sql})", parameters, tables=tables, wishes=wishes)


def _distribution(question: _Question, kinds: list[str], totals: Mapping[str, Any]) -> list[Bin]:
    low, high = totals["minimum"], totals["maximum"]
    if low is None or high is None:
        return [Bin(None, None, row["label"], row["n"]) for row in question.judged(_LABELS)]
    if kinds == ["boolean"]:
        found = {row["value"]: row["n"] for row in question.judged(_BOOLEANS)}
        return [Bin(0.0, 0.0, "false", found.get(0.0, 0)), Bin(1.0, 1.0, "true", found.get(1.0, 0))]
    found = {row["bar"]: row["n"] for row in question.judged(_NUMBERS)}
    width = (high / 2 - low / 2) / BINS
    if not width > 0:
        return [Bin(low, high, None, sum(found.values()))]
    edges = [low, *(2 * (low / 2 + width * bar) for bar in range(1, BINS)), high]
    return [Bin(edges[bar], edges[bar + 1], None, found.get(bar, 0)) for bar in range(BINS)]


def _need(read: Reader, name: str) -> None:
    """Raise NotFoundError for a score that nobody ever wrote; none in this time, or function, is an answer."""
    found = read.rows("SELECT DISTINCT name FROM scores", tables=["scores"])
    known = [row["name"] for row in found]
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else None
    raise NotFoundError(f"no score {shown(name)} is declared or seen", hint=hint)
