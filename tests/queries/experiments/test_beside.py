"""What stands beside the deciding score: secondary scores, segments, other ways to count, shuffled labels."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, cast

import numpy as np
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats import multitest

from queries.experiments.slices import MOST_SEGMENTS
from tests.queries.experiments.workspace import START, Workspace

stats = cast("Any", scipy_stats)
Rows = list[dict[str, Any]]


def benjamini_hochberg(ps: list[float]) -> list[float]:
    """Return the correction of statsmodels."""
    made = cast("Any", multitest).multipletests(ps, method="fdr_bh")
    return list(made[1])


FIGURES = ("difference", "standard_error", "df", "ci", "p", "method")


def traffic(seed: int = 1, units: int = 120) -> Workspace:
    """Return runs of two plans; `b` helps `pro` and hurts `free`; two more scores, one of them with a difference."""
    random = np.random.default_rng(seed)
    workspace = Workspace()
    assigned: Rows = []
    runs: Rows = []
    scores: dict[str, list[dict[str, Any]]] = {"s": [], "cost": [], "calm": []}
    for unit in range(units):
        variant, plan = "abc"[unit % 3], [None, "free", "pro"][int(random.integers(3))]
        level = random.normal()
        for n in range(int(random.integers(1, 6))):
            run = f"r{unit}-{n}"
            assigned.append({"run_id": run, "variant": variant, "unit": f"u{unit}"})
            attributes = json.dumps({} if plan is None else {"plan": plan})
            own = {"id": run, "started_at": START, "status": "Completed", "environment": "live"}
            runs.append({**own, "attributes": attributes})
            effect = {"pro": 1.5, "free": -1.5}.get(plan or "", 0.0) * (variant == "b")
            scores["s"].append({"run_id": run, "value": float(random.normal(level + effect, 1))})
            scores["cost"].append({"run_id": run, "value": float(np.exp(random.normal(0.8 * (variant == "c"), 0.3)))})
            if n:
                scores["calm"].append({"run_id": run, "value": float(random.random() < 0.5), "kind": "boolean"})
    workspace.assign(assigned)
    workspace.insert("runs", runs)
    for name, rows in scores.items():
        workspace.score(rows, name)
    return workspace


def by(found: list[dict[str, Any]], **keys: object) -> dict[str, Any]:
    [one] = [entry for entry in found if all(entry[key] == value for key, value in keys.items())]
    return one


def test_secondary_scores_are_compared_like_the_deciding_one() -> None:
    """Each entry equals the report by that score; the correction is statsmodels' over all entries."""
    workspace = traffic()
    made = workspace.report(score="s", control="a", secondary_scores='["cost", "calm", "run:failed", "missing"]')
    assert [(e["score"], e["variant"]) for e in made["secondary"]] == [
        (score, variant) for score in ("cost", "calm", "run:failed", "missing") for variant in "bc"
    ]
    for score in ("cost", "calm"):
        alone = workspace.report(score=score, control="a")
        for variant in "bc":
            own, compared = (
                by(made["secondary"], score=score, variant=variant),
                by(alone["comparisons"], variant=variant),
            )
            assert {key: own[key] for key in FIGURES} == {key: compared[key] for key in FIGURES}
            means = by(alone["variants"], variant=variant), by(alone["variants"], variant="a")
            assert (own["mean"], own["control_mean"]) == (means[0]["mean"], means[1]["mean"])
            assert own["scored_runs"] == means[0]["scored_runs"]
    known = [entry for entry in made["secondary"] if entry["p"] is not None]
    adjusted = benjamini_hochberg([entry["p"] for entry in known])
    assert [entry["p_adjusted"] for entry in known] == pytest.approx(adjusted)
    assert by(made["secondary"], score="cost", variant="c")["p_adjusted"] < 0.001
    assert made["verdict"] == workspace.report(score="s", control="a")["verdict"]
    noted = {note["path"] for note in made["notes"]}
    assert {"secondary[4]", "secondary[6]"} <= noted  # no run failed, none has the score `missing`


def test_segments_are_reports_of_their_runs() -> None:
    """Each segment equals the report `where` the run is in it; heterogeneity is Cochran's Q, and the flip is seen."""
    workspace = traffic(units=300)
    made = workspace.report(score="s", control="a", segments='["attribute:plan", "environment"]')
    assert [(s["by"], s["variant"]) for s in made["segments"]] == [
        (dimension, variant) for dimension in ("attribute:plan", "environment") for variant in "bc"
    ]
    own = by(made["segments"], by="attribute:plan", variant="b")
    assert {group["segment"] for group in own["groups"]} == {None, "free", "pro"}
    for group in own["groups"]:
        value = group["segment"]
        where = "attributes ->> 'plan' " + ("IS NULL" if value is None else f"= '{value}'")
        alone = workspace.report(score="s", control="a", where=where)
        compared = by(alone["comparisons"], variant="b")
        for key in ("difference", "standard_error", "p"):
            assert group[key] == pytest.approx(compared[key], rel=1e-9)
        assert group["mean"] == pytest.approx(by(alone["variants"], variant="b")["mean"])
    weights = np.array([1 / group["standard_error"] ** 2 for group in own["groups"]])
    differences = np.array([group["difference"] for group in own["groups"]])
    q = float((weights * (differences - np.average(differences, weights=weights)) ** 2).sum())
    assert own["heterogeneity"] == pytest.approx({"q": q, "df": 2, "p": stats.chi2.sf(q, 2)})
    assert own["sign_flip"]
    assert not by(made["segments"], by="attribute:plan", variant="c")["sign_flip"]
    every = [group for segment in made["segments"] for group in segment["groups"]]
    adjusted = benjamini_hochberg([group["p"] for group in every])
    assert [group["p_adjusted"] for group in every] == pytest.approx(adjusted)


def test_the_segments_of_most_units_are_shown() -> None:
    """The others are counted."""
    workspace = Workspace()
    workspace.fill({"a": [[1.0], [2.0]] * 30, "b": [[1.0], [3.0]] * 30})
    workspace.insert(
        "runs",
        [
            {"id": f"{v}-{n}-0", "started_at": START, "status": "Completed", "release": f"v{min(n, 24)}"}
            for v in "ab"
            for n in range(60)
        ],
    )
    [segment] = workspace.report(segments="release")["segments"]
    assert (len(segment["groups"]), segment["left_out_segments"]) == (MOST_SEGMENTS, 5)
    assert segment["groups"][0]["segment"] == "v24"


def test_history_before_the_exposure_takes_noise_away() -> None:
    """Unit levels seen before the experiment: the error of `cuped` falls by more than half; without history none is."""
    random = np.random.default_rng(7)
    workspace = Workspace()
    workspace.declare(unit="user_id", control="a")
    runs: Rows = []
    assigned: Rows = []
    scored: Rows = []
    for unit in range(200):
        level = random.normal(0, 3)
        for n in range(8):
            run, before = f"r{unit}-{n}", n < 5
            at = START - dt.timedelta(days=5 - n) if before else START + dt.timedelta(days=n)
            runs.append({"id": run, "user_id": f"u{unit}", "started_at": at, "status": "Completed"})
            scored.append({"run_id": run, "value": float(random.normal(level, 1)), "ts": at})
            if not before:
                assigned.append({"run_id": run, "variant": "ab"[unit % 2], "ts": at})
    workspace.insert("runs", runs)
    workspace.assign(assigned)
    workspace.score(scored)
    made = workspace.report(score="s", maturity="0s")
    width = {s["what"]: s["ci"][1] - s["ci"][0] for s in made["sensitivity"] if s["ci"]}
    low, high = made["comparisons"][0]["ci"]
    assert width["cuped"] < 0.5 * (high - low)
    workspace.connection.execute("DELETE FROM runs WHERE started_at < ?", [START])
    assert "cuped" not in {s["what"] for s in workspace.report(score="s", maturity="0s")["sensitivity"]}


def test_winsorised_and_ranks() -> None:
    """Scores above the pooled 99 % quantile (numpy) count as it; ranks are scipy's over unit means."""
    workspace = Workspace()
    random = np.random.default_rng(2)
    arms = {v: [[float(x)] for x in random.lognormal(m, 2, 300)] for v, m in (("a", 0.0), ("b", 0.3))}
    workspace.fill(arms)
    made = workspace.report(control="a")
    flat = {v: np.ravel(units) for v, units in arms.items()}
    cap = np.quantile(np.concatenate(list(flat.values())), 0.99, method="inverted_cdf")
    ways = {s["what"]: s for s in made["sensitivity"]}
    cut = {v: np.minimum(x, cap) for v, x in flat.items()}
    assert ways["winsorised"]["difference"] == pytest.approx(cut["b"].mean() - cut["a"].mean())
    assert ways["winsorised"]["p"] == pytest.approx(stats.ttest_ind(cut["b"], cut["a"], equal_var=False).pvalue)
    assert ways["mann_whitney"]["p"] == pytest.approx(stats.mannwhitneyu(flat["b"], flat["a"]).pvalue)
    assert made["comparisons"][0]["method"] == "randomization"  # the tail is heavy
    assert "heavy_tail" in made["verdict"]["flags"]
    assert ways["jackknife_t"]["p"] == pytest.approx(stats.ttest_ind(flat["b"], flat["a"], equal_var=False).pvalue)


def test_booleans_with_one_run_a_unit() -> None:
    """Few: Boschloo's test, many: the pooled z (both scipy); with several runs a unit neither."""
    few, many, several = Workspace(), Workspace(), Workspace()
    few.fill({"a": [[1.0]] * 1 + [[0.0]] * 9, "b": [[1.0]] * 6 + [[0.0]] * 4}, "boolean")
    many.fill({"a": [[1.0]] * 30 + [[0.0]] * 70, "b": [[1.0]] * 48 + [[0.0]] * 52}, "boolean")
    several.fill({"a": [[1.0, 0.0]] * 30, "b": [[1.0, 1.0], [0.0]] * 15}, "boolean")
    one, other, third = (workspace.report(control="a")["comparisons"][0] for workspace in (few, many, several))
    assert (one["method"], other["method"], third["method"]) == ("boschloo", "pooled_z", "jackknife_t")
    assert one["p"] == pytest.approx(stats.boschloo_exact([[6, 1], [4, 9]]).pvalue, rel=0.02)
    z = 0.18 / np.sqrt(0.39 * 0.61 * (2 / 100))
    assert other["p"] == pytest.approx(2 * stats.norm.sf(z))
    assert one["df"] is other["df"] is None


def test_shuffled_labels_say_how_often_each_test_errs() -> None:
    """Clustered units: the usual test errs far more often than 5 %, this report does not; the same each time."""
    random = np.random.default_rng(4)
    workspace = Workspace()
    arms = {v: [random.normal(random.normal(0, 2), 1, 20).tolist() for _ in range(40)] for v in "ab"}
    workspace.fill(arms)
    trust = workspace.report(control="a", planned_units="2")["trust"]
    assert trust["per_run_test"] > 0.5
    assert 0.02 < trust["fixed_test"] < 0.08
    assert trust["this_report"] <= trust["fixed_test"]
    assert (trust["shuffles"], trust["units"]) == (2000, 80)
    assert workspace.report(control="a", planned_units="2")["trust"] == trust
    assert workspace.report(control="a")["trust"]["this_report"] < 0.02  # while it runs the sequence decides
