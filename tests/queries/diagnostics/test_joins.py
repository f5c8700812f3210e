"""The rule about repeated rows, against DuckDB's own count of how often a join repeats a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from queries.diagnostics import warnings
from queries.guard import check
from warehouse.engine import serializer

if TYPE_CHECKING:
    import duckdb

serialize = serializer()


@dataclass(frozen=True)
class Part:
    """A relation that can be joined to `scores s`: its alias, how it is written, what can be grouped and asked."""

    alias: str
    source: str
    conditions: tuple[str, ...]
    groups: tuple[str, ...] = ()
    wheres: tuple[str, ...] = ()


PARTS = (
    Part("r", "runs r", ("ON r.id = s.run_id",), ("r.id", "r.function_id"), ("r.id = 'r1'", "r.function_id = 'f1'")),
    Part(
        "t",
        "steps t",
        ("ON t.run_id = s.run_id", "ON s.run_id = t.run_id AND t.id = 's1'", "ON t.id = s.step_id AND t.run_id = 'r1'"),
        ("t.id", "t.run_id"),
        ("t.id = 's2'", "t.id IN ('s2')", "t.id IN ('s1', 's2')"),
    ),
    Part(
        "a",
        "assignments a",
        ("ON a.run_id = s.run_id", "ON a.run_id = s.run_id AND a.experiment = s.experiment"),
        ("a.experiment", "a.run_id"),
        ("a.experiment = 'e1'", "'e2' = a.experiment", "a.experiment = 'e1' OR a.experiment = 'e2'"),
    ),
    Part(
        "q", "session_runs q", ("ON q.run_id = s.run_id",), ("q.session_id", "q.session_key"), ("q.session_key = 'k1'",)
    ),
    Part("z", "scores z", ("ON z.run_id = s.run_id", "ON z.run_id = s.run_id AND z.name = 'b'"), ("z.name",)),
    Part("d", "score_definitions d", ("ON d.name = s.name",), ("d.name",)),
    Part("p", "(SELECT run_id, count(*) AS n FROM spans GROUP BY run_id) p", ("ON p.run_id = s.run_id",)),
    Part("p", "(SELECT DISTINCT run_id FROM spans) p", ("ON p.run_id = s.run_id",)),
    Part("p", "(SELECT run_id, name FROM spans) p", ("ON p.run_id = s.run_id",), ("p.name",)),
    Part("p", "(SELECT * FROM spans WHERE name = 's1') p", ("ON p.span_id = s.run_id || 's1'",), ("p.name",)),
    Part(
        "p",
        "(SELECT run_id, max(n) AS n FROM (SELECT run_id, name, count(*) AS n FROM spans GROUP BY ALL) GROUP BY 1) p",
        ("ON p.run_id = s.run_id",),
    ),
    Part(
        "p", "(SELECT run_id, name, count(*) AS n FROM spans GROUP BY ALL) p", ("ON p.run_id = s.run_id",), ("p.name",)
    ),
    Part(
        "p",
        "(SELECT run_id FROM steps JOIN session_runs USING (run_id) WHERE id = 's1') p",
        ("ON p.run_id = s.run_id",),
    ),
    Part("p", "(SELECT id, function_id FROM runs) p", ("ON p.id = s.run_id",), ("p.function_id",)),
    Part("p", "(SELECT id AS i, function_id FROM runs LIMIT 1) p", ("ON p.function_id = 'f1'",)),
    Part("p", "LATERAL (SELECT count(*) AS n FROM spans x WHERE x.run_id = s.run_id) p", ("ON true",)),
)
SCORES = (
    "scores s",
    "(SELECT * FROM scores WHERE name = 'a') s",
    "(SELECT id, name, run_id, step_id, experiment, value FROM scores) s",
)


@st.composite
def froms(draw: st.DrawFn) -> tuple[str, str, list[str]]:
    """Draw a FROM over scores, its WHERE, and what to group by."""
    parts = draw(st.lists(st.sampled_from(PARTS), max_size=3, unique_by=lambda part: part.alias))
    text = draw(st.sampled_from(SCORES))
    groups, wheres = ["s.name", "s.run_id"], ["s.name = 'a'", "s.value > 0"]
    for part in parts:
        join = "JOIN" if "LATERAL" in part.source else draw(st.sampled_from(["JOIN", "LEFT JOIN", "SEMI JOIN"]))
        text += f" {join} {part.source} {draw(st.sampled_from(part.conditions))}"
        if join != "SEMI JOIN":
            groups += part.groups
            wheres += part.wheres
    asked = draw(st.lists(st.sampled_from(wheres), max_size=2))
    where = f" WHERE {' AND '.join(f'({one})' for one in asked)}" if asked else ""
    return text, where, draw(st.lists(st.sampled_from(groups), max_size=2, unique=True))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(froms())
def test_warned_exactly_when_the_join_repeats_a_row(
    crossed: duckdb.DuckDBPyConnection, drawn: tuple[str, str, list[str]]
) -> None:
    """No row is in one group twice without the warning; with it, on tables where all repeats, some row is."""
    text, where, groups = drawn
    by = f" GROUP BY {', '.join(groups)}" if groups else ""
    sql = f"SELECT avg(s.value) FROM {text}{where}{by}"
    found = warnings(check(sql, serialize), sql, lambda _: [])
    inner = ", ".join([*groups, "s.id"])
    row = crossed.execute(
        f"SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM {text}{where} GROUP BY {inner})"
    ).fetchone()
    assert row is not None
    warned = any(one.code == "repeated_rows" for one in found)
    assert not (row[0] > 1 and not warned), sql
    if row[0]:
        assert (row[0] > 1) == warned, sql
