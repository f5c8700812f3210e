"""The report over rows: which rows count, how units are known, and what the JSON always has."""

from __future__ import annotations

import copy
import datetime as dt
import random
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.queries.experiments.workspace import START, Workspace
from warehouse.errors import InputError, NotFoundError

DAY = dt.timedelta(days=1)


def constant_units(count: int, *values: float) -> list[list[float]]:
    return [[float(value)] for value in (list(values) * count)[:count]]


def noisy(seed: int, count: int, mean: float, runs: int = 1) -> list[list[float]]:
    generator = np.random.default_rng(seed)
    return [[float(x) for x in generator.normal(mean, 1, runs)] for _ in range(count)]


def test_every_key_is_there_and_the_figures_are_welchs() -> None:
    """The whole shape of DESIGN section 11, with difference, error, df, p and interval as scipy computes them."""
    workspace = Workspace()
    arms = {"a": noisy(1, 30, 0), "b": noisy(2, 25, 1)}
    workspace.fill(arms)
    made = workspace.report(control="a")
    assert list(made) == [
        "experiment", "score", "kind", "design", "as_of", "known_at", "snapshot", "options", "decided", "verdict",
        "variants", "comparisons", "health", "guardrails", "secondary", "power", "sensitivity", "series", "segments",
        "trust", "audit", "notes", "receipt",
    ]  # fmt: skip
    assert set(made["verdict"]) == {"kind", "variants", "reasons", "flags", "sentence"}
    assert set(made["health"]) == {"srm", "contaminated_units", "missingness", "open_runs", "bounds"}
    first, second = ([x[0] for x in arms[name]] for name in ("b", "a"))
    oracle = stats.ttest_ind(first, second, equal_var=False)
    (comparison,) = made["comparisons"]
    assert set(comparison) == {
        "variant", "control", "difference", "standard_error", "df", "ci", "p", "p_adjusted", "method", "lift",
        "lift_ci", "sequence", "chance_to_beat", "expected_loss",
    }  # fmt: skip
    assert (comparison["difference"], comparison["df"], comparison["p"]) == pytest.approx(
        (np.mean(first) - np.mean(second), oracle.df, oracle.pvalue), rel=1e-9
    )
    assert comparison["ci"] == pytest.approx(list(oracle.confidence_interval()), rel=1e-9)
    control = made["variants"][0]
    assert set(control) == {
        "variant", "control", "weight", "units", "runs", "mature_runs", "scored_runs", "mean", "sd", "min", "p25",
        "p50", "p75", "max", "standard_error", "df", "ci", "effective_units", "largest_unit_share", "chance_best",
    }  # fmt: skip
    quartiles = np.quantile(second, [0.25, 0.5, 0.75])
    assert [control[key] for key in ("p25", "p50", "p75")] == pytest.approx(list(quartiles))
    assert (control["sd"], control["min"], control["max"]) == pytest.approx(
        (np.std(second, ddof=1), *np.quantile(second, [0, 1]))
    )
    assert made["series"] == [
        {"day": "2026-10-01", "variant": "a", "scored_runs": 30, "mean": pytest.approx(np.mean(second))},
        {"day": "2026-10-01", "variant": "b", "scored_runs": 25, "mean": pytest.approx(np.mean(first))},
    ]


def test_the_usual_test_is_always_beside() -> None:
    """`runs_as_units` is Welch's test over single runs (scipy), for every comparison."""
    workspace = Workspace()
    arms = {"a": noisy(1, 12, 0, 9), "b": noisy(2, 12, 0.2, 9), "c": noisy(3, 12, 0.1, 9)}
    workspace.fill(arms)
    naive = [s for s in workspace.report(control="a")["sensitivity"] if s["what"] == "runs_as_units"]
    assert [s["variant"] for s in naive] == ["b", "c"]
    for found in naive:
        first, second = (np.ravel(np.array(arms[name], float)) for name in (found["variant"], "a"))
        oracle = stats.ttest_ind(first, second, equal_var=False)
        assert found["p"] == pytest.approx(oracle.pvalue, rel=1e-8)
        assert found["ci"] == pytest.approx(list(oracle.confidence_interval()), rel=1e-8)


def test_booleans_have_a_true_count_and_an_exact_mean() -> None:
    """A boolean score's mean is exactly true over scored."""
    workspace = Workspace()
    workspace.fill({"a": constant_units(30, 0, 1, 1), "b": constant_units(30, 1, 0)}, kind="boolean")
    made = workspace.report(control="a")
    assert made["kind"] == "boolean"
    assert [(v["true_count"], v["mean"]) for v in made["variants"]] == [(20, 20 / 30), (15, 0.5)]


def test_the_same_rows_in_any_order_give_the_same_bytes() -> None:
    """Sums are exact: rows in another order give an equal report, hash included, at another snapshot."""
    hashes: set[str] = set()
    generator = np.random.default_rng(9)
    rows = [(f"r{i}", "ab"[i % 2], f"u{i % 2}{i % 17}", float(generator.lognormal())) for i in range(400)]
    for seed in range(3):
        random.Random(seed).shuffle(rows)  # noqa: S311 - not a secret
        workspace = Workspace()
        workspace.assign({"run_id": r, "variant": v, "unit": u} for r, v, u, _ in rows)
        workspace.score({"run_id": r, "value": x, "version": int(r[1:])} for r, _, _, x in rows)
        hashes.add(workspace.report()["receipt"]["hash"])
    assert len(hashes) == 1


def test_an_unknown_experiment_names_the_nearest() -> None:
    """A misspelt experiment is not found, with a hint."""
    workspace = Workspace()
    workspace.declare("checkout", control="a")
    with pytest.raises(NotFoundError, match="'chekout'") as raised:
        workspace.report("chekout")
    assert raised.value.hint == "did you mean 'checkout'?"


@pytest.mark.parametrize(("option", "value", "near"), [("control", "contrl", "control"), ("score", "sloved", "solved")])
def test_an_unknown_control_or_score_names_the_nearest(option: str, value: str, near: str) -> None:
    """A control that is no variant and a score nobody saw are bad parameters."""
    workspace = Workspace()
    workspace.assign([{"run_id": "r", "variant": "control"}])
    workspace.score([{"run_id": "r", "value": 1.0}], "solved")
    with pytest.raises(InputError, match=value) as raised:
        workspace.report(**{option: value})
    assert (raised.value.code, raised.value.hint) == ("bad_parameter", f"did you mean {near!r}?")


def test_raters_are_averaged_and_step_label_and_other_scores_left_out() -> None:
    """A run's score is the mean of its raters; scores of steps, labels and other names do not count."""
    workspace = Workspace()
    workspace.assign([{"run_id": "r", "variant": "a", "unit": "u"}])
    workspace.score(
        [
            {"id": "1", "run_id": "r", "value": 1.0},
            {"id": "2", "run_id": "r", "value": 0.0},
            {"id": "3", "run_id": "r", "value": 0.5},
            {"id": "4", "run_id": "r", "step_id": "x", "value": 9.0},
            {"id": "5", "run_id": "r", "value": None, "label": "good", "kind": "label"},
            {"id": "6", "run_id": "r", "value": 9.0, "name": "other"},
        ]
    )
    (variant,) = workspace.report(score="s")["variants"]
    assert (variant["mean"], variant["scored_runs"], variant["units"]) == (0.5, 1, 1)


def test_two_clocks() -> None:
    """`as_of` takes the newest version that had happened; `known_at` only what had arrived."""
    workspace = Workspace()
    workspace.assign([{"run_id": "r", "variant": "a", "unit": "u"}])
    workspace.score(
        [
            {"run_id": "r", "value": 1.0, "ts": START + DAY, "received_at": START + DAY},
            {"run_id": "r", "value": 2.0, "ts": START + 3 * DAY, "received_at": START + 9 * DAY},
        ]
    )

    def mean(**request: str) -> float | None:
        return workspace.report(score="s", maturity="0s", **request)["variants"][0]["mean"]

    assert mean() == 2.0
    assert mean(as_of="2026-10-03") == 1.0
    assert mean(known_at="2026-10-05") == 1.0
    assert mean(as_of="2026-10-03", known_at="2026-11-01") == 1.0
    assert mean(as_of="2026-10-01T12:00:00Z") is None


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(-2, 2), st.integers(0, 9), st.sampled_from(["1", "2"])),
        max_size=12,
    ),
    st.integers(0, 10),
)
def test_a_report_as_of_a_time_is_that_of_a_world_that_ended_then(
    versions: list[tuple[int, int, int, str]], until: int
) -> None:
    """Versions of the future change nothing: neither their own values nor which of the earlier ones counts."""
    made: list[dict[str, Any]] = []
    for happened in (versions, [version for version in versions if version[2] <= until]):
        workspace = Workspace()
        workspace.assign({"run_id": f"r{i}", "variant": "ab"[i % 2], "unit": f"u{i}"} for i in range(4))
        workspace.insert("score_definitions", [{"name": "s"}])
        workspace.score(
            {"id": f"{run}{rater}", "run_id": f"r{run}", "value": float(value), "ts": START + day * DAY}
            for run, value, day, rater in happened
        )
        made.append(workspace.report(as_of=(START + until * DAY).isoformat(), maturity="0s", score="s"))
    for part in ("variants", "comparisons", "health", "series", "sensitivity", "verdict"):
        assert made[0][part] == made[1][part]


def test_only_mature_runs_enter_and_open_ones_are_counted() -> None:
    """A run counts once it is as old as the maturity, however early its score came; the rest is open."""
    workspace = Workspace()
    workspace.assign({"run_id": f"r{i}", "variant": "a", "unit": f"u{i}", "ts": START + i * DAY} for i in range(6))
    workspace.score({"run_id": f"r{i}", "value": float(i), "ts": START + i * DAY} for i in range(6))
    made = workspace.report(maturity="3d", as_of="2026-10-07", known_at="2026-11-01")
    (variant,) = made["variants"]
    assert (variant["runs"], variant["mature_runs"], variant["scored_runs"], variant["mean"]) == (6, 4, 4, 1.5)
    assert made["health"]["open_runs"] == 2


def test_maturity_is_the_delay_after_which_99_percent_had_their_score() -> None:
    """Without the option the wait is the observed 99 % quantile of the delay, and is echoed."""
    workspace = Workspace()
    workspace.assign({"run_id": f"r{i}", "variant": "a", "unit": f"u{i}"} for i in range(200))
    workspace.score({"run_id": f"r{i}", "value": 1.0, "ts": START + dt.timedelta(minutes=i + 1)} for i in range(200))
    assert workspace.report()["options"]["maturity"] == {"value": "198m", "origin": "default"}


def test_a_run_record_gives_the_start_and_its_absence_leaves_the_assignments_time() -> None:
    """An assigned run without a record is in the report from its assignment's time."""
    workspace = Workspace()
    workspace.assign([{"run_id": "known", "variant": "a"}, {"run_id": "unknown", "variant": "a"}])
    workspace.insert("runs", [{"id": "known", "started_at": START + 5 * DAY}])
    workspace.score({"run_id": r, "value": 1.0, "ts": START + 5 * DAY} for r in ("known", "unknown"))
    days = [row["day"] for row in workspace.report(maturity="0s")["series"]]
    assert days == ["2026-10-01", "2026-10-06"]


@pytest.mark.parametrize(
    ("unit", "units"), [("assignment", 3), ("run", 6), ("user_id", 2), ("attribute:team", 1), ("session:ticket", 2)]
)
def test_the_unit_is_as_declared(unit: str, units: int) -> None:
    """Each way to name a unit counts what it names; where it is unknown the run stands in and the report says so."""
    workspace = Workspace()
    workspace.assign({"run_id": f"r{i}", "variant": "a", "unit": f"account{i % 3}"} for i in range(6))
    workspace.insert(
        "runs", [{"id": f"r{i}", "user_id": f"user{i % 2}", "attributes": '{"team": "one"}'} for i in range(6)]
    )
    workspace.insert(
        "session_runs", [{"session_key": "ticket", "session_id": f"t{i % 2}", "run_id": f"r{i}"} for i in range(6)]
    )
    workspace.declare(unit=unit)
    made = workspace.report()
    assert made["variants"][0]["units"] == units
    assert "unit_unknown" not in made["verdict"]["flags"]


def test_an_unknown_unit_makes_no_winner() -> None:
    """Clear as the difference is: without units a thousand runs may be one account. Unless the run is the unit."""
    workspace = Workspace()
    workspace.fill({"a": noisy(1, 60, 0), "b": noisy(2, 60, 3)})
    workspace.connection.execute("UPDATE assignments SET unit = NULL")
    made = workspace.report(control="a")
    assert (made["verdict"]["kind"], made["verdict"]["reasons"]) == ("keep_running", ["too_few_units"])
    assert "unit_unknown" in made["verdict"]["flags"]
    assert "the usual per-run test would have crowned b (p = " in made["verdict"]["sentence"]
    assert workspace.report(control="a", unit="run")["verdict"]["kind"] == "winner"


def test_a_contradicting_score_changes_nothing_and_is_counted() -> None:
    """The assignment holds; the score's own words are flagged."""
    workspace = Workspace()
    workspace.assign([{"run_id": "r", "variant": "a", "unit": "u"}])
    workspace.score([{"run_id": "r", "value": 1.0, "experiment": "e", "variant": "b"}])
    made = workspace.report()
    assert [v["variant"] for v in made["variants"]] == ["a"]
    assert made["verdict"]["flags"].count("conflicting_assignment") == 1
    assert made["audit"]["conflicting_runs"] == 1


def test_where_and_environment_narrow_to_runs_that_match() -> None:
    """A condition over the run keeps assigned runs whose record fulfils it; a comment at its end stays harmless."""
    workspace = Workspace()
    workspace.assign({"run_id": f"r{i}", "variant": "a", "unit": f"u{i}"} for i in range(6))
    workspace.insert(
        "runs", [{"id": f"r{i}", "environment": "prod" if i else "test", "function_id": f"f{i % 2}"} for i in range(5)]
    )
    assert workspace.report()["variants"][0]["runs"] == 6
    assert workspace.report(environment="prod")["variants"][0]["runs"] == 4
    made = workspace.report(environment="prod", where="function_id = 'f1' OR function_id = 'f9' -- odd")
    assert made["variants"][0]["runs"] == 2
    assert made["options"]["where"]["origin"] == "request"


def test_since_leaves_out_earlier_runs() -> None:
    """Runs started before `since` are not in the report."""
    workspace = Workspace()
    workspace.assign({"run_id": f"r{i}", "variant": "a", "unit": f"u{i}", "ts": START + i * DAY} for i in range(6))
    assert workspace.report(since="2026-10-05")["variants"][0]["runs"] == 2


def test_weights_come_from_the_assignments_and_each_period_keeps_its_own() -> None:
    """Units are held against the weights in force when they came; the newest are echoed."""
    workspace = Workspace()
    shares = [(40, 40, '{"a": 1, "b": 1}', START), (90, 10, '{"a": 9, "b": 1}', START + DAY)]
    for a, b, weights, ts in shares:
        for variant, count in (("a", a), ("b", b)):
            workspace.assign(
                {"run_id": f"{variant}{ts.day}{i}", "variant": variant, "unit": f"{variant}{ts.day}{i}", "ts": ts,
                 "weights": weights} for i in range(count)
            )  # fmt: skip
    made = workspace.report()
    assert made["options"]["weights"] == {"value": {"a": 9.0, "b": 1.0}, "origin": "assignments"}
    assert made["health"]["srm"] == {
        "p": 1.0, "observed": {"a": 130, "b": 50}, "expected": {"a": 130.0, "b": 50.0},
    }  # fmt: skip


def test_variants_chosen_by_hand_have_no_sample_ratio() -> None:
    """Nothing is expected of a custom choice, so nothing is tested."""
    workspace = Workspace()
    workspace.assign(
        {"run_id": f"r{i}", "variant": "ab"[i > 8], "unit": f"u{i}", "strategy": "custom"} for i in range(90)
    )
    made = workspace.report()
    assert made["health"]["srm"]["p"] is None
    assert "health.srm.p" in [note["path"] for note in made["notes"]]


def test_declared_options_count_and_are_echoed_with_their_origin() -> None:
    """Control, primary score and options come from the declaration; the direction from the score's definition."""
    workspace = Workspace()
    workspace.fill({"a": noisy(1, 40, 0), "b": noisy(2, 40, -2)})
    workspace.insert("score_definitions", [{"name": "s", "higher_is_better": False}])
    workspace.declare(control="a", primary_score="s", options={"alpha": 0.01})
    made = workspace.report()
    echoed = {name: made["options"][name] for name in ("control", "alpha", "score", "higher_is_better")}
    assert echoed == {
        "control": {"value": "a", "origin": "declared"},
        "alpha": {"value": 0.01, "origin": "declared"},
        "score": {"value": "s", "origin": "declared"},
        "higher_is_better": {"value": False, "origin": "declared"},
    }
    assert (made["verdict"]["kind"], made["verdict"]["variants"]) == ("winner", ["b"])
    assert made["comparisons"][0]["chance_to_beat"] > 0.99


def test_a_number_that_does_not_exist_is_null_with_a_note() -> None:
    """Every null among the figures of a report has a note at or above its path."""
    workspace = Workspace()
    workspace.fill({"a": [[1.0]], "b": [[2.0, 3.0]]})
    made = workspace.report(control="a")
    paths = [note["path"] for note in made["notes"]]
    for path in _nulls({key: made[key] for key in ("variants", "comparisons", "health", "power", "sensitivity")}):
        assert any(path.startswith(noted) for noted in paths), path


def _nulls(value: object, path: str = "") -> list[str]:
    if value is None:
        return [path]
    children: list[tuple[str, object]] = []
    if isinstance(value, dict):
        entries = cast("dict[str, object]", value)
        children = [(f"{path}.{key}" if path else key, entry) for key, entry in entries.items()]
    elif isinstance(value, list):
        children = [(f"{path}[{at}]", entry) for at, entry in enumerate(cast("list[object]", value))]
    return [null for inner, entry in children for null in _nulls(entry, inner)]


def test_the_receipt_is_a_hash_of_the_report_and_has_every_statement() -> None:
    """The hash ignores the snapshot and changes with any figure; every statement is there with its parameters."""
    workspace = Workspace()
    workspace.fill({"a": noisy(1, 10, 0), "b": noisy(2, 10, 0)})
    made, again = workspace.report(), workspace.report()
    assert made == again
    assert all(("-- parameters: [" in statement) == ("?" in statement) for statement in made["receipt"]["sql"])
    other = copy.deepcopy(workspace.report(alpha="0.1"))
    assert other["receipt"]["hash"] != made["receipt"]["hash"]


CELLS = st.lists(
    st.lists(st.integers(-20, 20), min_size=1, max_size=4).map(lambda values: [float(value) for value in values]),
    min_size=2,
    max_size=8,
)
FIGURES = ("difference", "standard_error", "df", "p", "p_adjusted", "ci")


@settings(max_examples=25)
@given(CELLS, CELLS)
def test_swapping_the_labels_turns_every_sign(first: list[list[float]], second: list[list[float]]) -> None:
    """Difference and interval change their sign; error, df and p stay."""
    made: list[dict[str, object]] = []
    for arms in ({"a": first, "b": second}, {"a": second, "b": first}):
        workspace = Workspace()
        workspace.fill(arms)
        made.append(workspace.report(control="a")["comparisons"][0])
    one, other = made
    for key in ("standard_error", "df", "p"):
        assert (one[key] is None) == (other[key] is None)
        assert one[key] is None or one[key] == pytest.approx(other[key], rel=1e-9)
    assert one["difference"] == pytest.approx(-cast("float", other["difference"]), rel=1e-9, abs=1e-12)
    if one["ci"] is not None:
        low, high = cast("tuple[float, float]", other["ci"])
        assert one["ci"] == pytest.approx([-high, -low], rel=1e-9, abs=1e-9)


@settings(max_examples=25)
@given(CELLS, CELLS, st.randoms(use_true_random=False))
def test_when_a_units_runs_came_changes_no_final_figure(
    first: list[list[float]], second: list[list[float]], moved: random.Random
) -> None:
    """The same runs on other days, and every score sent twice: the same comparisons."""
    made: list[list[dict[str, object]]] = []
    for spread in (False, True):
        workspace = Workspace()
        workspace.fill({"a": first, "b": second})
        if spread:
            starts = [
                {"id": f"{v}-{at}-{n}", "started_at": START + DAY * moved.randint(0, 9)}
                for v, arm in (("a", first), ("b", second))
                for at, unit in enumerate(arm)
                for n in range(len(unit))
            ]
            workspace.insert("runs", starts)
            again = [
                {"run_id": f"{v}-{at}-{n}", "value": value, "ts": START + DAY}
                for v, arm in (("a", first), ("b", second))
                for at, unit in enumerate(arm)
                for n, value in enumerate(unit)
            ]
            workspace.score(again)
        made.append([{k: c[k] for k in FIGURES} for c in workspace.report(control="a", maturity="0s")["comparisons"]])
    assert made[0] == made[1]
