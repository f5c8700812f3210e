"""AlpacaEval 2: six models on one instruction set, held against the published figures and scipy's paired test."""

from __future__ import annotations

import csv
import json
from functools import cache

import numpy as np
import pytest
from scipy import stats

from tests.queries.experiments.workspace import ALPACA, START, Workspace

pytestmark = pytest.mark.skipif(not ALPACA.exists(), reason="shared/data/alpaca-eval-6-models.ndjson is absent")

CONTROL = "gpt-3.5-turbo-1106"
NAME = "alpaca-eval-2"


@cache
def workspace() -> Workspace:
    records = [json.loads(line) for line in ALPACA.read_text("utf-8").splitlines()]
    made = Workspace()
    runs = [{k: r[k] for k in ("id", "function_id", "started_at", "ended_at")} for r in records if r["type"] == "run"]
    made.insert("runs", runs)
    made.assign(
        ({k: r[k] for k in ("run_id", "variant", "unit", "ts")} for r in records if r["type"] == "assignment"), NAME
    )
    made.score(
        {
            **{k: r[k] for k in ("id", "run_id", "name", "ts")},
            "value": float(r["value"]),
            "kind": "boolean" if isinstance(r["value"], bool) else "numeric",
            "received_at": START,
        }
        for r in records
        if r["type"] == "score"
    )
    return made


@cache
def scores(name: str) -> dict[str, np.ndarray]:
    """Return each model's scores in the order of the instructions, straight from the file."""
    unit: dict[str, tuple[str, str]] = {}
    found: dict[str, dict[str, float]] = {}
    for line in ALPACA.read_text("utf-8").splitlines():
        record = json.loads(line)
        if record["type"] == "assignment":
            unit[record["run_id"]] = record["variant"], record["unit"]
        elif record["type"] == "score" and record["name"] == name:
            variant, instruction = unit[record["run_id"]]
            found.setdefault(variant, {})[instruction] = float(record["value"])
    return {variant: np.array([own[key] for key in sorted(own)]) for variant, own in found.items()}


def test_pairs_are_scipys() -> None:
    """Every model meets every instruction: the design is paired, and each comparison is scipy's ttest_rel."""
    made = workspace().report(NAME, score="preferred", control=CONTROL)
    assert made["design"] == "paired"
    assert len(made["comparisons"]) == 5
    own = scores("preferred")
    for comparison in made["comparisons"]:
        first, second = own[comparison["variant"]], own[CONTROL]
        oracle = stats.ttest_rel(first, second)
        assert (comparison["method"], comparison["df"]) == ("paired_t", 804)
        assert comparison["difference"] == pytest.approx((first - second).mean(), rel=1e-9)
        assert comparison["p"] == pytest.approx(oracle.pvalue, rel=1e-9)
        assert comparison["ci"] == pytest.approx(list(oracle.confidence_interval()), rel=1e-9)
        assert comparison["standard_error"] == pytest.approx(stats.sem(first - second), rel=1e-9)
    assert made["health"]["contaminated_units"] == 0
    assert made["verdict"]["kind"] in {"winner", "keep_running"}


def test_the_published_figures() -> None:
    """Runs, win rate and standard error of each model are those published with the benchmark (in percent)."""
    made = workspace().report(NAME, score="win-rate", control=CONTROL)
    variants = {variant["variant"]: variant for variant in made["variants"]}
    with ALPACA.with_name("alpaca-eval-6-models.published.csv").open(encoding="utf-8") as file:
        published = list(csv.DictReader(file))
    assert len(published) == len(variants) == 6
    for row in published:
        variant = variants[row["model"]]
        assert variant["scored_runs"] == int(row["n_total"])
        assert 100 * variant["mean"] == pytest.approx(float(row["win_rate_percent"]), rel=1e-9)
        for error in (variant["standard_error"], variant["sd"] / np.sqrt(variant["scored_runs"])):
            assert 100 * error == pytest.approx(float(row["standard_error_percent"]), rel=1e-9)
