"""Every kind of verdict, from rows; and how often the shipped rule errs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.queries.experiments.workspace import Workspace

Cells = Sequence[Sequence[float | None]]
Case = tuple[dict[str, Cells], dict[str, str], tuple[str, list[str], list[str]]]


def noisy(seed: int, count: int, mean: float, spread: float = 1.0) -> Cells:
    generator = np.random.default_rng(seed)
    return [[float(generator.normal(mean, spread))] for _ in range(count)]


def verdict(arms: dict[str, Cells], kind: str = "numeric", **request: str) -> tuple[str, list[str], list[str]]:
    workspace = Workspace()
    workspace.fill(arms, kind)
    found = workspace.report(**{"score": "s", "control": "a", **request})["verdict"]
    return found["kind"], found["variants"], found["reasons"]


END = {"planned_end": "2026-10-02"}


VERDICTS: list[Case] = [
    ({"a": noisy(1, 60, 0), "b": noisy(2, 60, 2)}, {}, ("winner", ["b"], ["beats_control", "beats_all"])),
    ({"a": noisy(1, 60, 2), "b": noisy(2, 60, 0)}, {}, ("winner", ["a"], ["beats_all"])),
    (
        {"a": noisy(1, 60, 2), "b": noisy(2, 60, 0)},
        {"higher_is_better": "false"},
        ("winner", ["b"], ["beats_control", "beats_all"]),
    ),
    (
        {"a": noisy(1, 60, 0), "b": noisy(2, 60, 2), "c": noisy(3, 60, 2)},
        {},
        ("keep_running", [], ["not_separated"]),
    ),
    (
        {"a": noisy(1, 60, 0), "b": noisy(2, 60, 2), "c": noisy(3, 60, 2)},
        END,
        ("winner_set", ["b", "c"], ["beats_control", "not_separated"]),
    ),
    ({"a": noisy(1, 60, 0), "b": noisy(2, 60, 0.3)}, {}, ("keep_running", [], ["not_significant"])),
    ({"a": noisy(1, 60, 0), "b": noisy(2, 60, 0.3)}, END, ("winner", ["b"], ["beats_control", "beats_all"])),
    (
        {"a": noisy(1, 60, 0), "b": noisy(2, 60, 0.3)},
        {"planned_units": "120"},
        ("winner", ["b"], ["beats_control", "beats_all"]),
    ),
    ({"a": noisy(1, 60, 0), "b": noisy(2, 60, -0.15)}, END, ("inconclusive", [], ["not_significant"])),
    ({"a": noisy(1, 60, 2), "b": noisy(2, 60, 0)}, END, ("winner", ["a"], ["beats_all"])),
    ({"a": noisy(1, 60, 0), "b": noisy(2, 60, 0)}, {"margin": "2"}, ("no_difference", [], ["equivalent"])),
    ({"a": noisy(1, 60, 0), "b": noisy(2, 60, 0)}, {"margin": "2", **END}, ("no_difference", [], ["equivalent"])),
    ({"a": noisy(1, 4, 0), "b": noisy(2, 4, 9)}, END, ("keep_running", [], ["too_few_units"])),
    ({"a": noisy(1, 9, 0), "b": noisy(2, 9, 9)}, {}, ("keep_running", [], ["too_few_units"])),
    ({"a": noisy(1, 9, 0), "b": noisy(2, 9, 9)}, END, ("winner", ["b"], ["beats_control", "beats_all"])),
    ({"a": [[1.0]] * 20, "b": [[1.0]] * 20}, {}, ("keep_running", [], ["no_variance"])),
    ({"a": noisy(1, 20, 0), "b": noisy(2, 80, 0)}, {}, ("invalid", [], ["srm"])),
    (
        {"a": noisy(1, 40, 0)},
        {"weights": '{"a": 1, "b": 1}'},
        ("invalid", [], ["empty_variant", "srm"]),
    ),
]


@pytest.mark.parametrize(("arms", "request_", "expected"), VERDICTS)
def test_the_verdict(
    arms: dict[str, Cells], request_: dict[str, str], expected: tuple[str, list[str], list[str]]
) -> None:
    """Each rule of the reference's section 5 gives its kind, variants and reasons."""
    assert verdict(arms, **request_) == expected


def test_contaminated_units_are_left_out_and_too_many_are_invalid() -> None:
    """Units in two variants are counted and left out; over 5 % of them nothing can be compared."""
    for both, kind in ((2, "keep_running"), (20, "invalid")):
        workspace = Workspace()
        workspace.fill({"a": noisy(1, 60, 0), "b": noisy(2, 60, 0)})
        workspace.assign({"run_id": f"extra{i}", "variant": "b", "unit": f"a-{i}"} for i in range(both))
        made = workspace.report(control="a")
        assert made["verdict"]["kind"] == kind
        assert made["health"]["contaminated_units"] == both
        assert made["health"]["srm"]["observed"] == {"a": 60 - both, "b": 60}
        assert made["variants"][0]["scored_runs"] == 60 - both


def test_missing_scores_that_could_turn_the_result_are_invalid() -> None:
    """Failures that never arrive in one variant: the shares differ and no bound holds the sign."""
    generator = np.random.default_rng(3)
    lost = generator.random(200) < 0.7
    solved = {variant: generator.random(200) < share for variant, share in (("a", 0.7), ("b", 0.6))}
    arms: dict[str, Cells] = {
        "a": [[float(x)] for x in solved["a"]],
        "b": [[None if gone and not x else float(x)] for x, gone in zip(solved["b"], lost, strict=True)],
    }
    assert verdict(arms, "boolean") == ("invalid", [], ["differential_missingness"])


def test_missing_scores_that_cannot_turn_the_result_are_only_flagged() -> None:
    """All missing ones may have failed, and b is still better: a winner with a flag."""
    arms: dict[str, Cells] = {"a": [[0.0]] * 180 + [[1.0]] * 20, "b": [[1.0]] * 150 + [[None]] * 40 + [[0.0]] * 10}
    workspace = Workspace()
    workspace.fill(arms, "boolean")
    found = workspace.report(control="a")["verdict"]
    assert (found["kind"], found["variants"]) == ("winner", ["b"])
    assert "missing_scores" in found["flags"]


@pytest.mark.parametrize(
    ("missing", "kind", "reasons"),
    [(9, "winner", ["beats_control", "beats_all"]), (22, "inconclusive", ["differential_missingness"])],
)
def test_a_winner_that_missing_scores_may_have_made_is_taken_back(missing: int, kind: str, reasons: list[str]) -> None:
    """Worst cases by hand: 9 missing leave 131/200 - 110/200 = 10.5 points, more than the interval's half of 9.5.

    22 missing leave 4 points, less than that half, though the interval alone (1.4 to 20.8 points) would name `b`.
    """
    failures = 60
    arms: dict[str, Cells] = {
        "a": [[0.0]] * 90 + [[1.0]] * 110,
        "b": [[0.0]] * failures + [[1.0]] * (200 - failures - missing) + [[None]] * missing,
    }
    assert verdict(arms, "boolean", **END) == (kind, ["b"] if kind == "winner" else [], reasons)


@pytest.mark.parametrize(("cost", "kind"), [(0.0, "winner"), (0.5, "winner_blocked")])
def test_a_guardrail_that_may_have_broken_blocks_the_winner(cost: float, kind: str) -> None:
    """A better variant that may cost more than the margin allows does not win."""
    workspace = Workspace()
    workspace.fill({"a": noisy(1, 60, 0), "b": noisy(2, 60, 2)})
    generator = np.random.default_rng(4)
    workspace.score(
        [
            {"run_id": f"{v}-{i}-0", "value": float(generator.normal(1 + (cost if v == "b" else 0), 0.2))}
            for v in "ab"
            for i in range(60)
        ],
        "cost",
    )
    guardrails = [{"score": "cost", "margin": 0.1, "higher_is_better": False}]
    workspace.declare(control="a", primary_score="s", options={"guardrails": guardrails})
    made = workspace.report()
    assert made["verdict"]["kind"] == kind
    (guardrail,) = made["guardrails"]
    assert (guardrail["score"], guardrail["variant"], guardrail["passes"]) == ("cost", "b", kind == "winner")
    assert ("guardrail:cost" in made["verdict"]["reasons"]) == (kind == "winner_blocked")


def test_the_sentence_says_what_the_usual_test_would_have_said() -> None:
    """Few accounts with many alike runs: the per-run test crowns one, the report does not and says why."""
    generator = np.random.default_rng(0)
    arms: dict[str, Cells] = {
        name: [[float(x) for x in generator.normal(mean, 0.3, 40)] for mean in generator.normal(shift, 1, 20)]
        for name, shift in (("A", 0.0), ("B", 0.3))
    }
    workspace = Workspace()
    workspace.fill(arms)
    told = workspace.report(control="A")["verdict"]["sentence"]
    assert "No winner yet" in told
    assert "the usual per-run test would have crowned B (p = " in told
    assert "; this report does not, because runs of one unit resemble each other" in told


def test_a_winning_sentence_has_the_numbers() -> None:
    """The sentence names variant, control, score, size, interval and units."""
    workspace = Workspace()
    generator = np.random.default_rng(5)
    arms: dict[str, Cells] = {
        v: [[float(generator.random() < p)] for _ in range(300)] for v, p in (("control", 0.4), ("friendly", 0.7))
    }
    workspace.fill(arms, "boolean")
    made = workspace.report(**END)
    difference, (low, high) = made["comparisons"][0]["difference"], made["comparisons"][0]["ci"]
    assert made["verdict"]["sentence"] == (
        f"`friendly` is {100 * difference:.1f} points above `control` on `s` "
        f"(95% CI {100 * low:.1f} to {100 * high:.1f}, 600 units); it is the winner."
    )


DEGENERATE: dict[str, dict[str, Cells]] = {
    "one unit each": {"a": [[1.0, 2.0, 3.0]], "b": [[5.0, 6.0]]},
    "one run": {"a": [[1.0]]},
    "all equal": {"a": [[0.5]] * 30, "b": [[0.5]] * 30},
    "constant but different": {"a": [[0.1, 0.1]] * 30, "b": [[0.3], [0.3, 0.3, 0.3]] * 15},
    "constant unit means": {"a": [[0.0, 1.0]] * 30, "b": [[0.2, 1.0]] * 30},
    "all missing": {"a": [[None]] * 30, "b": [[None]] * 30},
    "one variant missing": {"a": [[1.0], [2.0]] * 15, "b": [[None]] * 30},
    "one variant constant": {"a": [[0.0]] * 30, "b": [[0.0], [1.0]] * 15},
    "largest doubles": {"a": [[1.7e308], [-1.7e308]] * 15, "b": [[1.7e308]] * 29 + [[-1.7e308]]},
    "smallest doubles": {"a": [[5e-324], [0.0]] * 15, "b": [[1e-310], [0.0]] * 15},
    "huge": {"a": [[x * 1e120 for x in (1.0, 2.0, 4.0)]] * 15, "b": [[1e120], [3e120]] * 8},
    "huger": {"a": [[1e200], [2e200]] * 15, "b": [[1e200], [3e200]] * 8},
    "tiny": {"a": [[1e-170], [2e-170]] * 15, "b": [[1e-170], [3e-170]] * 8},
    "tinier": {"a": [[1e-100], [2e-100]] * 15, "b": [[1e-100], [3e-100]] * 8},
    "tiny beside huge": {"a": [[1e-300], [1e300]] * 15, "b": [[1e-300], [2e-300]] * 8},
    "negative means": {"a": noisy(1, 30, -5), "b": noisy(2, 30, -7)},
    "a whale": {"a": [[1.0, 0.0] * 400, *[[1.0]] * 20], "b": [[0.0], [1.0]] * 12},
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("request_", [{}, END, {"estimand": "units"}, {"margin": "0.1", "planned_units": "2"}])
def test_degenerate_data_has_a_verdict(name: str, request_: dict[str, str]) -> None:
    """No NaN (the workspace encodes every report), no exception, no fake p, and no winner out of nothing."""
    workspace = Workspace()
    workspace.fill(DEGENERATE[name])
    made = (
        workspace.report(score="s", control="a", **request_) if name != "all missing" else workspace.report(**request_)
    )
    for comparison in made["comparisons"]:
        by_default = {0.0} if comparison["method"] == "randomization" else {0.0, 1.0}  # that one can be 1 by counting
        assert not {comparison["p"], comparison["p_adjusted"]} & by_default
    assert made["verdict"]["reasons"]
    assert made["verdict"]["sentence"]
    if name not in {"negative means", "one variant constant", "a whale"}:
        assert made["verdict"]["kind"] not in {"winner", "winner_set"}


def test_no_rows_at_all() -> None:
    """A declared experiment without assignments keeps running, with every key."""
    workspace = Workspace()
    workspace.declare(control="a", primary_score="s", options={"weights": {"a": 1, "b": 1}})
    made = workspace.report()
    assert (made["verdict"]["kind"], made["verdict"]["reasons"]) == ("keep_running", ["too_few_units"])
    assert [v["runs"] for v in made["variants"]] == [0, 0]
    workspace.declare(primary_score="s")
    assert workspace.report()["variants"] == []


@pytest.mark.parametrize("offset", [1e9, -1e12])
def test_a_huge_offset_changes_only_the_means(offset: float) -> None:
    """Values near a billion with a deviation of 1: the same difference, error and verdict (gbstats' fault)."""
    arms = {"a": noisy(1, 40, 0), "b": noisy(2, 40, 2)}
    plain, moved = Workspace(), Workspace()
    plain.fill(arms)
    moved.fill({v: [[(x or 0.0) + offset for x in unit] for unit in units] for v, units in arms.items()})
    one, other = plain.report(control="a"), moved.report(control="a")
    for key in ("difference", "standard_error", "df"):
        assert other["comparisons"][0][key] == pytest.approx(one["comparisons"][0][key], rel=1e-3)
    assert other["variants"][0]["sd"] == pytest.approx(one["variants"][0]["sd"], rel=1e-3)
    assert other["verdict"]["kind"] == one["verdict"]["kind"] == "winner"
