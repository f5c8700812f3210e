"""Mean score by model: Upshot's SQL over HTTP beside Phoenix's GraphQL, and beside SQL on the SQLite under Phoenix.

Asked of scores that stand on spans (Phoenix calls them annotations), and of the scores in the spans' own attributes.
Every answer is compared with means computed from the workload. Phoenix takes 100,000 spans in ten minutes, so what it
took of fewer is copied up inside its SQLite, under new ids, until there are as many.
"""

from __future__ import annotations

import itertools
import json
import math
import sqlite3
import statistics
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from benchmarks.decode import MODELS, SCORE
from benchmarks.otlp_sides import graphql, phoenix_projects

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import httpx

    from benchmarks.otlp_load import Scored
    from benchmarks.otlp_sides import Side

ROUNDS = 9
PEER_ROUNDS = 3
NAME = "quality"
ANNOTATIONS = 500
"""In one call: more make Phoenix no faster."""

Means = dict[str, tuple[float, int]]
"""Mean score and how many, by model."""

JOINED = f"""
SELECT s.request_model, avg(q.value), count(*) FROM scores q
JOIN spans s ON s.trace_id = q.trace_id AND s.span_id = q.span_id
WHERE q.name = '{NAME}' AND q.value > -{{number}} GROUP BY 1
"""
ATTRIBUTE = f"""
SELECT request_model, avg(CAST(attributes['{SCORE}'] AS DOUBLE)), count(*) FROM spans
WHERE CAST(attributes['{SCORE}'] AS DOUBLE) > -{{number}} GROUP BY 1
"""
"""No score is below 0: the number changes the question and not the answer, so that none comes from memory."""

GRAPHQL = """
query($id: ID!, $filter: String!) {node(id: $id) {... on Project {
    spanAnnotationSummary(annotationName: "quality", filterCondition: $filter) {meanScore count}}}}
"""
FILTER = "attributes['gen_ai']['request']['model'] == '{model}' or attributes['llm']['model_name'] == '{model}'"

_MODEL = (
    "coalesce(json_extract(s.attributes, '$.gen_ai.request.model'), json_extract(s.attributes, '$.llm.model_name'))"
)
SQLITE_JOINED = f"""
SELECT {_MODEL}, avg(a.score), count(*) FROM span_annotations a JOIN spans s ON s.id = a.span_rowid GROUP BY 1
"""
SQLITE_ATTRIBUTE = f"""
SELECT {_MODEL}, avg(json_extract(s.attributes, '$.{SCORE}')), count(*) FROM spans s
WHERE json_extract(s.attributes, '$.{SCORE}') IS NOT NULL GROUP BY 1
"""

COPIED = {
    "traces": {"trace_id": "printf('x%03d', :copy) || substr(trace_id, 5)"},
    "spans": {
        "trace_rowid": "trace_rowid + :copy * :traces",
        "span_id": "printf('x%03d', :copy) || substr(span_id, 5)",
        "parent_id": "printf('x%03d', :copy) || substr(parent_id, 5)",
    },
    "span_annotations": {"span_rowid": "span_rowid + :copy * :spans"},
}
"""Tables of Phoenix that hold what was taken, and what a copy's row has another value in beside its id.

The x is no hexadecimal digit: a copy's ids are nobody's.
"""

_NUMBERS = itertools.count(1)


def means(scored: Sequence[Scored], times: int = 1) -> Means:
    """Return the answer that a server must give, each span taken so many times."""
    found: dict[str, list[float]] = defaultdict(list)
    for one in scored:
        found[one.model].append(one.score)
    return {model: (math.fsum(each) / len(each), times * len(each)) for model, each in found.items()}


def same(answer: Means, expected: Means) -> bool:
    """Tell whether an answer is the expected one; the last digits of sums may differ."""
    return answer.keys() == expected.keys() and all(
        count == expected[model][1] and math.isclose(mean, expected[model][0], rel_tol=1e-9)
        for model, (mean, count) in answer.items()
    )


def asked(ask: Callable[[], Means], expected: Means, rounds: int) -> list[float]:
    """Return the seconds of each asking.

    Raises:
        ValueError: an answer is wrong.
    """
    taken: list[float] = []
    for _ in range(rounds):
        began = time.perf_counter()
        answer = ask()
        taken.append(time.perf_counter() - began)
        if not same(answer, expected):
            raise ValueError(f"mean score by model is {answer}, expected {expected}")
    return taken


def of_upshot(side: Side, scored: Sequence[Scored], settle: Callable[[], object]) -> dict[str, float]:
    """Send scores and return the milliseconds of the question: the first one, and the median once all is settled."""
    _send_scores(side.http, scored)
    expected = means(scored)
    found: dict[str, float] = {}
    statements = (("joined", JOINED), ("attribute", ATTRIBUTE))
    for name, sql in statements:
        found[f"{name}, first"] = 1e3 * asked(lambda sql=sql: _sql(side.http, sql), expected, 1)[0]
    settle()
    for name, sql in statements:
        found[name] = 1e3 * statistics.median(asked(lambda sql=sql: _sql(side.http, sql), expected, ROUNDS))
    return found


def annotate(side: Side, scored: Sequence[Scored]) -> None:
    """Send scores to Phoenix as annotations of their spans; returns when they are written."""
    for first in range(0, len(scored), ANNOTATIONS):
        data = [
            {"span_id": one.span_id, "name": NAME, "annotator_kind": "CODE", "result": {"score": one.score}}
            for one in scored[first : first + ANNOTATIONS]
        ]
        side.http.post("/v1/span_annotations", params={"sync": "true"}, json={"data": data}).raise_for_status()


def copy_up(database: Path, wanted: int) -> int:
    """Copy what Phoenix took, whole, until it has at least `wanted` spans; returns how many times it is there.

    Phoenix must not run. Columns that are not named in `COPIED` are copied as they stand.
    """
    with sqlite3.connect(database) as con:
        last = {table: con.execute(f"SELECT max(id) FROM {table}").fetchone()[0] for table in COPIED}
        times = math.ceil(wanted / con.execute("SELECT count(*) FROM spans").fetchone()[0])
        for table, changed in COPIED.items():
            columns: list[str] = [row[1] for row in con.execute(f"PRAGMA table_info({table})")]
            values = {"id": f"id + :copy * :{table}"} | changed
            made = ", ".join(values.get(column, column) for column in columns)
            for copy in range(1, times):
                con.execute(
                    f"INSERT INTO {table} ({', '.join(columns)}) SELECT {made} FROM {table} WHERE id <= :{table}",
                    last | {"copy": copy},
                )
    con.close()
    return times


def of_phoenix(side: Side, scored: Sequence[Scored], times: int) -> dict[str, float]:
    """Return the milliseconds of the question, the median of some askings after a first one."""
    expected = means(scored, times)
    project = next(each["id"] for each in phoenix_projects(side.http) if each["recordCount"])

    def over_graphql() -> Means:
        found: Means = {}
        for _, model in MODELS:
            answer = graphql(side.http, GRAPHQL, id=project, filter=FILTER.format(model=model))
            summary = answer["node"]["spanAnnotationSummary"]
            found[model] = (summary["meanScore"], summary["count"])
        return found

    found = {"graphql": over_graphql}
    with sqlite3.connect(f"file:{side.data / 'phoenix.db'}?mode=ro", uri=True) as con:

        def rows(sql: str) -> Means:
            return {model: (mean, count) for model, mean, count in con.execute(sql)}

        found |= {"joined": lambda: rows(SQLITE_JOINED), "attribute": lambda: rows(SQLITE_ATTRIBUTE)}
        return {name: 1e3 * statistics.median(asked(ask, expected, 1 + PEER_ROUNDS)[1:]) for name, ask in found.items()}


def _send_scores(http: httpx.Client, scored: Sequence[Scored]) -> None:
    lines = (
        json.dumps({"type": "score", "name": NAME, "value": o.score, "trace_id": o.trace_id, "span_id": o.span_id})
        for o in scored
    )
    headers = {"content-type": "application/x-ndjson"}
    http.post("/v1/ingest", content="\n".join(lines), headers=headers).raise_for_status()


def _sql(http: httpx.Client, sql: str) -> Means:
    asked = {"sql": sql.format(number=next(_NUMBERS)), "timeout_s": 30}
    rows = http.post("/v1/query", json=asked).raise_for_status().json()["rows"]
    return {model: (mean, count) for model, mean, count in rows}
