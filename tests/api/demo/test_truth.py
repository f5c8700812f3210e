from __future__ import annotations

import datetime as dt
import functools
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from scipy import stats

from api.demo.plan import PlannedRun, plan
from api.demo.traffic import TRUTH, declarations
from tests.api.demo.reading import Arm, ByUnit, arm, arms, compare, per_run, winner
from tests.api.demo.test_traffic import NOW, NOWS, sent

if TYPE_CHECKING:
    from collections.abc import Callable

MATURITY = dt.timedelta(days=7)
SEEDS = 50


@functools.cache
def found(now: dt.datetime, experiment: str, score: str) -> dict[str, ByUnit]:
    return arms(sent(now), experiment, score, now - MATURITY)


def known(by_variant: dict[str, ByUnit]) -> dict[str, Arm]:
    return {variant: arm(units) for variant, units in by_variant.items()}


@pytest.mark.parametrize("now", NOWS)
def test_a_sound_analysis_finds_the_true_winner(now: dt.datetime) -> None:
    """The jackknife over accounts names `empathetic`, not `concise`, and its interval holds the true effect."""
    truth = TRUTH["support-prompt"]
    by_variant = found(now, "support-prompt", "resolved")
    assert winner(by_variant, "control") == truth.winner == "empathetic"
    arms_known = known(by_variant)
    best = compare(arms_known["control"], arms_known["empathetic"])
    assert abs(best.difference - truth.effect) < stats.t.ppf(0.975, best.freedom) * best.error
    assert compare(arms_known["control"], arms_known["concise"]).p > 0.1


@pytest.mark.parametrize("now", NOWS)
def test_the_usual_test_errs_where_there_is_no_effect(now: dt.datetime) -> None:
    """Every run for itself crowns B; the accounts, which were assigned, show nothing."""
    assert TRUTH["reply-tone"].winner is None
    by_variant = found(now, "reply-tone", "answer-quality")
    difference, p = per_run(by_variant["A"], by_variant["B"])
    assert difference > 0
    assert p < 0.01
    arms_known = known(by_variant)
    assert compare(arms_known["A"], arms_known["B"]).p > 0.1
    assert winner(by_variant, "A") is None


def test_verdicts_stay_while_the_page_is_open() -> None:
    """A day later, with a day more of mature runs, both experiments still say the same."""
    records = sent()
    later = NOW - MATURITY + dt.timedelta(days=1)
    assert winner(arms(records, "support-prompt", "resolved", later), "control") == "empathetic"
    tone = arms(records, "reply-tone", "answer-quality", later)
    assert per_run(tone["A"], tone["B"])[1] < 0.01
    assert compare(arm(tone["A"]), arm(tone["B"])).p > 0.1


def test_what_is_mature_does_not_depend_on_now() -> None:
    """The same runs with the same outcomes lie before the maturity on any day of the year, at any hour."""

    def outcome(now: dt.datetime) -> dict[str, dict[str, list[float]]]:
        return {
            variant: {unit: sorted(values) for unit, values in units.items()}
            for variant, units in found(now, "support-prompt", "resolved").items()
        }

    assert [outcome(now) == outcome(NOW) for now in NOWS] == [True] * len(NOWS)


@pytest.mark.parametrize(
    ("experiment", "score", "least", "most"),
    [("support-prompt", "resolved", 40, 60), ("reply-tone", "answer-quality", 60, 90)],
)
def test_volumes_are_unequal_but_bearable(experiment: str, score: str, least: int, most: int) -> None:
    """A tenth of the accounts makes a third of the runs; yet each arm has 20 effective accounts, none over a fifth."""
    by_variant = found(NOW, experiment, score)
    for units in by_variant.values():
        assert least <= len(units) <= most
        assert arm(units).effective_units >= 20
        assert max(map(len, units.values())) < 0.2 * sum(map(len, units.values()))
    volumes = sorted(len(values) for units in by_variant.values() for values in units.values())
    assert volumes[-1] >= 8 * volumes[len(volumes) // 2]
    assert sum(volumes[-len(volumes) // 10 :]) > 0.3 * sum(volumes)


def test_accounts_fall_to_variants_as_the_weights_say() -> None:
    """The sample ratio of accounts is healthy in both experiments."""
    units: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for record in sent():
        if record["type"] == "assignment":
            units[record["experiment"]][record["variant"]].add(record["unit"])
    for by_variant in units.values():
        assert stats.chisquare([len(found) for found in by_variant.values()]).pvalue > 0.05


def test_the_guardrail_passes() -> None:
    """Empathy costs a little more, surely less than the declared margin."""
    bodies = {name: body for kind, name, body in declarations(NOW) if kind == "experiments"}
    (guardrail,) = bodies["support-prompt"]["guardrails"]
    arms_known = known(found(NOW, "support-prompt", guardrail["score"]))
    cost = compare(arms_known["control"], arms_known["empathetic"])
    assert cost.difference + stats.t.ppf(0.98, cost.freedom) * cost.error < guardrail["margin"]


def test_declarations_fit_the_traffic() -> None:
    """Each experiment and score that is sent is declared, and the planned end lies a maturity behind."""
    declared = {(kind, name): body for kind, name, body in declarations(NOW)}
    weights = {r["experiment"]: r["weights"] for r in sent() if r["type"] == "assignment"}
    assert {name for kind, name in declared if kind == "experiments"} == set(weights) == set(TRUTH)
    assert {name for kind, name in declared if kind == "scores"} == {r["name"] for r in sent() if r["type"] == "score"}
    for name, used in weights.items():
        body = declared["experiments", name]
        assert body["weights"] == used
        assert body["control"] in used
        assert body["maturity"] == "7d"
        assert dt.datetime.fromisoformat(body["planned_end"]) + MATURITY < NOW
        assert ("scores", body["primary_score"]) in declared


def by_unit(runs: list[PlannedRun], function: str, value: Callable[[PlannedRun], float | None]) -> dict[str, ByUnit]:
    values: dict[str, ByUnit] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        outcome = value(run)
        if run.function == function and run.variant is not None and outcome is not None and run.moment < 2 / 3:
            values[run.variant][run.account.id].append(outcome)
    return values


def test_luck_has_little_part_in_it() -> None:
    """Over fifty seeds the sound rule finds the winner, the per-run test errs often and the accounts hardly ever."""
    wins = usual_errors = sound_errors = 0
    for seed in range(SEEDS):
        runs = plan(seed, 150)
        wins += winner(by_unit(runs, "answer-ticket", lambda run: run.resolved), "control") == "empathetic"
        tone = by_unit(runs, "answer-chat", lambda run: run.quality if run.fate == "Completed" else None)
        usual_errors += per_run(tone["A"], tone["B"])[1] < 0.01
        sound_errors += compare(arm(tone["A"]), arm(tone["B"])).p < 0.05
    assert wins >= 0.95 * SEEDS
    assert usual_errors >= 0.3 * SEEDS
    assert sound_errors <= 0.1 * SEEDS
