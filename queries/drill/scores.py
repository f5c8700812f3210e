"""`GET /v1/scores/{name}`: how the scores of one name are spread, over values, days, functions and variants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from queries.drill.bodies import Bin, ScoreDay, ScorePage, ScorePart
from queries.drill.options import TIMES, microseconds
from queries.drill.reading import RUN_TIMES, within
from queries.drill.runs import AT
from queries.drill.said import ASSIGNMENTS, RUN_LEVEL, SCORES
from queries.drill.standing import runs_within, untraced
from queries.parameters import Parameter
from warehouse.errors import NotFoundError, did_you_mean, shown
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

# Runs are told apart by 64-bit hashes of their ids: ten million texts are more than an engine may hold.
_PER_RUN = """
per_run AS (SELECT hash(run_id) AS run, count(*) AS n, count(value) AS valued, sum(value) AS total FROM scored
            GROUP BY run)"""

_BY_FUNCTION = """
SELECT r.function_id, NULL AS experiment, NULL AS variant, count(*) AS runs, count(s.run) AS scored_runs,
       coalesce(sum(s.n), 0)::BIGINT AS n, sum(s.total) / nullif(sum(s.valued), 0) AS mean
FROM (SELECT hash(id) AS run, function_id FROM scope) r LEFT JOIN per_run s USING (run)
GROUP BY r.function_id ORDER BY n DESC, r.function_id"""

_BY_VARIANT = f"""
SELECT NULL AS function_id, a.experiment, a.variant, count(*) AS runs, count(s.run) AS scored_runs,
       coalesce(sum(s.n), 0)::BIGINT AS n, sum(s.total) / nullif(sum(s.valued), 0) AS mean
FROM (SELECT hash(run_id) AS run, experiment, variant FROM {{0}} a WHERE {{1}}) a LEFT JOIN per_run s USING (run)
GROUP BY a.experiment, a.variant QUALIFY sum(coalesce(sum(s.n), 0)) OVER (PARTITION BY a.experiment) > 0
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
    functions = [ScorePart(**row) for row in question.compared(_BY_FUNCTION)]
    covered = {"runs": sum(one.runs for one in functions), "scored_runs": sum(one.scored_runs for one in functions)}
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
        by_function=[one for one in functions if one.n][:_MOST_FUNCTIONS],
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
        wish = self._score_wishes()["score_history"]
        self._source = SCORES if untraced(read, "score_history", "run_id", wish) else "scores"

    def judged(self, sql: str) -> list[dict[str, Any]]:
        """Ask of `judged`: the scores, on whatever they are; with a function, those on its runs."""
        scores, parameters = self._scores()
        tables, wishes = [self._source], self._score_wishes()
        if self._function is not None:
            scores += " AND run_id IN (SELECT id FROM runs WHERE function_id = ?)"
            parameters, tables = [*parameters, self._function], [self._source, "runs"]
        text = f"judged AS (SELECT run_id, kind, value, label, ts FROM {self._source} WHERE {scores})"
        return self._ask(text, sql, parameters, tables, wishes)

    def compared(self, sql: str) -> list[dict[str, Any]]:
        """Ask of `scope`, the runs, and `scored`, the run-level scores."""
        scores, parameters = self._scores()
        limits = {f"{AT} >= ?": self._low, f"{AT} <= ?": self._high, "function_id = ?": self._function}
        asked = {text: value for text, value in limits.items() if value is not None}
        where = f"WHERE {' AND '.join(asked)}" if asked else ""
        wishes = dict(self._score_wishes())
        if self._low is not None and self._low > 0:
            wishes["runs"] = within(RUN_TIMES, self._low, self._high)
        source, table = runs_within(self._read, wishes.get("runs"))
        text = (
            f"scored AS (SELECT run_id, value FROM {self._source} WHERE {scores} AND run_id IS NOT NULL "
            f"AND {RUN_LEVEL}), {_PER_RUN}, scope AS (SELECT id, function_id FROM {source} {where})"
        )
        return self._ask(text, sql, [*parameters, *asked.values()], [self._source, table], wishes)

    def by_variant(self) -> list[dict[str, Any]]:
        """Ask about the variants of experiments."""
        scores, parameters = self._scores()
        text = (
            f"scored AS (SELECT run_id, value FROM {self._source} WHERE {scores} AND run_id IS NOT NULL "
            f"AND {RUN_LEVEL}), {_PER_RUN}"
        )
        limits = {
            "a.ts >= make_timestamptz(?)": self._low,
            "a.ts <= make_timestamptz(?)": self._high,
            "a.run_id IN (SELECT id FROM runs WHERE function_id = ?)": self._function,
        }
        asked = {text: value for text, value in limits.items() if value is not None}
        wishes = {**self._score_wishes(), "assignments": [[Between("ts", self._low, self._high)]]}
        plain = untraced(self._read, "assignments", "run_id", wishes["assignments"])
        source = ASSIGNMENTS if plain else "assignments"
        if not plain:  # which assignment of a run is the first is said by all of them
            del wishes["assignments"]
        tables = [self._source, source, *(["runs"] if self._function is not None else [])]
        sql = _BY_VARIANT.format(source, " AND ".join(asked) or "true")
        return self._ask(text, sql, [*parameters, *asked.values()], tables, wishes)

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
    raise NotFoundError(f"no score {shown(name)} is declared or seen", hint=did_you_mean(name, known))
