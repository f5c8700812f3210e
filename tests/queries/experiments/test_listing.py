"""The lists of experiments and scores, over a real workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingest.declare import score_definition
from queries.experiments.listing import experiments, score_names
from queries.experiments.report import report
from tests.support.rows import NOW, assignment, run, score
from warehouse.engine import rows_of
from warehouse.log import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from tests.support.rows import Warehouse


def rows(warehouse: Warehouse) -> Callable[[str, Sequence[object]], pa.Table]:
    cursor = warehouse.snapshots.engine().cursor()
    return lambda sql, parameters: rows_of(cursor, sql, parameters)


def test_an_experiment_seen_and_its_scores(warehouse: Warehouse) -> None:
    """Variants with runs and units, scores with their number, first and last time."""
    warehouse.append(
        "assignments",
        assignment("r1", "a", NOW, unit="u1"),
        assignment("r2", "a", NOW + 1_000_000, unit="u1"),
        assignment("r3", "b", NOW + 2_000_000, unit="u2"),
    )
    warehouse.append("runs", run("r1"), run("r2"), run("r3"))
    warehouse.append("score_history", score("1", 1.0, run_id="r1"), score("2", 0.0, run_id="r3", name="cost"))
    (found,) = experiments(rows(warehouse))
    assert (found["name"], found["declared"], found["unit"]) == ("e", False, "assignment")
    assert found["variants"] == [{"variant": "a", "runs": 2, "units": 1}, {"variant": "b", "runs": 1, "units": 1}]
    assert found["scores"] == [{"score": "cost", "n": 1}, {"score": "solved", "n": 1}]
    assert found["first_at"] < found["last_at"]
    names = score_names(rows(warehouse))
    assert [(entry["name"], entry["kinds"], entry["n"]) for entry in names] == [
        ("cost", ["numeric"], 1),
        ("solved", ["numeric"], 1),
    ]
    assert names[0]["coverage"] == pytest.approx(1 / 3)
    assert names[0]["declared"] is None


def test_a_silent_change_of_kind_or_range_is_flagged(warehouse: Warehouse) -> None:
    """Several kinds, another kind than declared, a value beyond the declared range; nothing where all is well."""
    warehouse.append("score_history", score("1", 1.0, name="fine", kind="boolean"))
    warehouse.append("score_history", score("2", 1.5, name="odd"), score("3", 1.0, name="odd", kind="boolean"))
    for name in ("fine", "odd"):
        fields = {"kind": "boolean", "min": 0, "max": 1, "owner": "quality team"}
        warehouse.log.append(encode({"score_definitions": score_definition(name, fields, NOW)})).result(10)
    fine, odd = score_names(rows(warehouse))
    assert (fine["flags"], odd["flags"]) == ([], ["mixed_kinds", "kind_changed", "out_of_range"])
    assert (odd["lowest"], odd["highest"], odd["declared"]["owner"]) == (1.0, 1.5, "quality team")


def test_nothing_to_list(warehouse: Warehouse) -> None:
    """An empty workspace has empty lists."""
    assert experiments(rows(warehouse)) == []
    assert score_names(rows(warehouse)) == []


@pytest.mark.parametrize(
    "request_", [{}, {"known_at": "2026-11-01"}, {"unit": "session:ticket"}, {"unit": "attribute:x"}]
)
@pytest.mark.parametrize("seal", [False, True])
def test_a_report_over_the_real_tables(warehouse: Warehouse, request_: dict[str, str], *, seal: bool) -> None:
    """The report's statements run on the locked engine, over sealed rows and over the log's tail; late values count."""
    for at in range(30):
        variant = "ab"[at % 2]
        weights = '{"a": 1, "b": 1}'
        warehouse.append("assignments", assignment(f"r{at}", variant, NOW, unit=f"u{at}", weights=weights))
        warehouse.append("runs", run(f"r{at}", started_at=NOW, status="Completed"))
        warehouse.append("score_history", score(f"s{at}", 0.0, run_id=f"r{at}", ts=NOW))
    warehouse.append("score_history", *(score(f"s{i}", float(i), run_id=f"r{i}", ts=NOW + 1) for i in range(30)))
    if seal:
        warehouse.seal()
    made = report(
        rows(warehouse), "e", {"where": "status = 'Completed'", **request_}, NOW + 10_000_000, "1.0", str, str
    )
    assert [(v["units"], v["scored_runs"], v["mean"]) for v in made["variants"]] == [(15, 15, 14.0), (15, 15, 15.0)]
    assert made["options"]["weights"]["origin"] == "assignments"
    assert ("unit_unknown" in made["verdict"]["flags"]) == ("unit" in request_)


def test_a_huge_mean_of_raters_is_no_score(warehouse: Warehouse) -> None:
    """Two raters whose sum leaves the range of doubles: the report still answers."""
    warehouse.append("assignments", assignment("r", "a", NOW, unit="u"))
    warehouse.append("score_history", *(score(str(i), 1.7e308, run_id="r", ts=NOW) for i in range(2)))
    made = report(rows(warehouse), "e", {}, NOW + 1, "1.0", str, str)
    assert made["variants"][0]["scored_runs"] in {0, 1}
