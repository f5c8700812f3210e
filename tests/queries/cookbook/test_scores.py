"""Recipes about scores and experiments, recomputed from the demo's records."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from itertools import combinations, pairwise
from statistics import fmean
from typing import TYPE_CHECKING, Any

import pytest
from scipy import stats

from tests.api.demo.reading import moment
from tests.queries.cookbook.reading import ENDED, HALF, Told, interval, milliseconds, parts, quantile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.queries.cookbook.conftest import Demo

Row = dict[str, Any]
DAY_MS = 86_400_000


def near(value: float | None, tolerance: float = HALF) -> Any:
    return None if value is None else pytest.approx(value, abs=tolerance)


def owed(known: Told, runs: Iterable[str]) -> dict[str, set[str]]:
    """Return function -> names of the scores that at least one of these runs of it has."""
    found: dict[str, set[str]] = defaultdict(set)
    among = set(runs)
    for score in known.of_runs():
        if score["run_id"] in among:
            found[known.runs[score["run_id"]]["function_id"]].add(score["name"])
    return found


def test_coverage_of_each_score(demo: Demo) -> None:
    """Ended runs of each function that has the score at all, and how many of these runs have it."""
    known = demo.told
    expected = owed(known, known.runs)
    having = {(score["run_id"], score["name"]) for score in known.of_runs()}
    counts: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for run in known.runs.values():
        if run["status"] in ENDED:
            for name in expected[run["function_id"]]:
                counts[name, run["function_id"]].append((run["id"], name) in having)
    rows = {(row["score"], row["function_id"]): row for row in demo.workspace.rows("score-coverage")}
    assert counts.keys() == rows.keys()
    for key, found in counts.items():
        row = rows[key]
        assert (len(found), sum(found), near(fmean(found))) == (row["runs"], row["scored"], row["coverage"])


def test_coverage_by_age(demo: Demo) -> None:
    """Whole days before the newest end of a completed run."""
    known = demo.told
    ended = {run["id"]: moment(run["ended_at"]) for run in known.runs.values() if run["status"] == "Completed"}
    newest = max(moment(run["ended_at"]) for run in known.runs.values() if run["status"] == "Completed")
    expected, having = owed(known, ended), {(score["run_id"], score["name"]) for score in known.of_runs()}
    counts: dict[tuple[str, int], list[bool]] = defaultdict(list)
    for run_id, at in ended.items():
        for name in expected[known.runs[run_id]["function_id"]]:
            counts[name, (newest - at) // dt.timedelta(days=1)].append((run_id, name) in having)
    rows = {(row["score"], row["age_days"]): row for row in demo.workspace.rows("coverage-by-age")}
    assert counts.keys() == rows.keys()
    for key, found in counts.items():
        assert (len(found), near(fmean(found))) == (rows[key]["runs"], rows[key]["coverage"])
    # Feedback takes one to six days (`api.demo.story`): nothing of today, and all there will be after a week.
    assert rows["resolved", 0]["coverage"] == 0
    assert rows["resolved", 8]["coverage"] > 0.75


def test_runs_without_a_score(demo: Demo) -> None:
    """Ended runs of which no score of any kind exists; in the demo all runs of the function nobody judges."""
    known = demo.told
    judged = {score["run_id"] for score in known.scores.values() if "run_id" in score}
    ended = [run for run in known.runs.values() if run["status"] in ENDED]
    every = Counter((run["function_id"], run["status"]) for run in ended)
    without = Counter((run["function_id"], run["status"]) for run in ended if run["id"] not in judged)
    rows = demo.workspace.rows("runs-without-score")
    assert every == {(row["function_id"], row["status"]): row["runs"] for row in rows}
    assert all(near(row["without_score"] / row["runs"]) == row["share"] for row in rows)
    assert without == {
        (row["function_id"], row["status"]): row["without_score"] for row in rows if row["without_score"]
    }


def test_outcome_delay(demo: Demo) -> None:
    """Hours between the end of a run and its scores, those of its steps too."""
    known = demo.told
    hours: dict[str, list[float]] = defaultdict(list)
    for score in known.scores.values():
        if "run_id" in score and "ended_at" in known.runs[score["run_id"]]:
            end = moment(known.runs[score["run_id"]]["ended_at"])
            hours[score["name"]].append((moment(score["ts"]) - end) / dt.timedelta(hours=1))
    rows = {row["score"]: row for row in demo.workspace.rows("outcome-delay")}
    assert hours.keys() == rows.keys()
    for name, found in hours.items():
        row = rows[name]
        expected = [near(quantile(found, share), 0.006) for share in (0.5, 0.9, 0.99)]
        assert [len(found), *expected] == [
            row["scores"], row["median_hours"], row["p90_hours"], row["p99_hours"]
        ]  # fmt: skip


def judged_by(known: Told, groups: dict[str, Any]) -> dict[tuple[str, Any], dict[str, list[float]]]:
    """Return (score, group) -> unit -> values of the run-level scores of runs in the group."""
    found: dict[tuple[str, Any], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for score in known.of_runs():
        if "value" in score and score["run_id"] in groups:
            unit = known.unit(score["run_id"])
            found[score["name"], groups[score["run_id"]]][unit].append(float(score["value"]))
    return found


def assert_means(rows: dict[tuple[str, Any], Row], expected: dict[tuple[str, Any], dict[str, list[float]]]) -> None:
    """Every group's scores and mean; the interval of those small enough to leave out each unit literally."""
    assert expected.keys() == rows.keys()
    intervals = 0
    for key, units in expected.items():
        row, values = rows[key], [value for found in units.values() for value in found]
        assert (len(values), near(fmean(values))) == (row.get("scores", row.get("scored")), row["mean"]), key
        if 3 < len(units) < 90 and len(set(values)) > 1:
            assert [near(bound) for bound in interval(units)[1:]] == [row["low"], row["high"]], key
            intervals += 1
    assert intervals >= 4


def test_scores_by_week(demo: Demo) -> None:
    """Weeks begin on Monday, UTC; a user's runs are taken together."""
    known = demo.told
    weeks: dict[str, Any] = {}
    for run in known.runs.values():
        if "started_at" in run:
            day = moment(run["started_at"]).date()
            weeks[run["id"]] = (day - dt.timedelta(days=day.weekday())).isoformat()
    rows = {(row["score"], row["week"]): row for row in demo.workspace.rows("score-drift-by-week")}
    assert_means(rows, judged_by(known, weeks))


def test_how_a_score_moves_with_latency(demo: Demo) -> None:
    """Fifths of each function's runs by their duration."""
    known = demo.told
    lasted = {run["id"]: milliseconds(run) for run in known.runs.values() if "ended_at" in run}
    fifths: dict[str, int] = {}
    for function in {run["function_id"] for run in known.runs.values()}:
        fifths |= parts({key: ms for key, ms in lasted.items() if known.runs[key]["function_id"] == function}, 5)
    rows = {(row["score"], row["fifth"]): row for row in demo.workspace.rows("score-by-latency")}
    assert_means(rows, judged_by(known, fifths))
    scored = [lasted[score["run_id"]] / 1000 for score in known.of_runs()
              if score["name"] == "csat" and fifths[score["run_id"]] == 2]  # fmt: skip
    assert near(quantile(scored, 0.5), 0.006) == rows["csat", 2]["median_s"]


def test_prompt_length_against_outcome(demo: Demo) -> None:
    """Quarters of each function's runs by the tokens that went into their model calls."""
    known = demo.told
    tokens: dict[str, float] = defaultdict(float)
    for call in known.calls():
        if "gen_ai.usage.input_tokens" in call:
            tokens[call["upshot.run_id"]] += call["gen_ai.usage.input_tokens"]
    quarters: dict[str, int] = {}
    for function in {run["function_id"] for run in known.runs.values()}:
        quarters |= parts({key: n for key, n in tokens.items() if known.runs[key]["function_id"] == function}, 4)
    rows = {(row["score"], row["quarter"]): row for row in demo.workspace.rows("prompt-length-outcome")}
    assert_means(rows, judged_by(known, quarters))
    used = [tokens[score["run_id"]] for score in known.of_runs()
            if score["name"] == "csat" and quarters[score["run_id"]] == 3]  # fmt: skip
    assert quantile(used, 0.5) == rows["csat", 3]["median_tokens"]


def test_scores_before_and_after_a_release(demo: Demo) -> None:
    """By function, in the order in which releases appeared, each beside the one before."""
    known = demo.told
    rows = demo.workspace.rows("score-by-release")
    groups = {run["id"]: (run["function_id"], run["release"]) for run in known.runs.values() if "release" in run}
    assert_means({(row["score"], (row["function_id"], row["release"])): row for row in rows}, judged_by(known, groups))
    for before, after in pairwise(rows):
        if (before["function_id"], before["score"]) == (after["function_id"], after["score"]):
            assert before["since"] < after["since"]
            assert near(after["mean"] - before["mean"], 2 * HALF) == after["change"]
    assert ["4.1.0", "4.2.0", "4.2.1", "4.3.0"] == [row["release"] for row in rows[:4]]


def test_which_model_wins_for_a_segment(demo: Demo) -> None:
    """The model with most output tokens of a run, the account's plan, and who is ahead by the score's direction."""
    known = demo.told
    calls: dict[str, dict[str, list[int | None]]] = defaultdict(lambda: defaultdict(list))
    for call in known.calls():
        written = call.get("gen_ai.usage.output_tokens")
        calls[call["upshot.run_id"]][call["gen_ai.request.model"]].append(written)

    def rank(model: str, tokens: list[int | None]) -> tuple[float, int, str]:
        """Most tokens, then most calls; of a model none of whose calls says its tokens, none."""
        said = [n for n in tokens if n is not None]
        return -sum(said) if said else 1, -len(tokens), model

    groups: dict[str, Any] = {}
    for run_id, models in calls.items():
        plan = known.runs[run_id]["attributes"]["plan"]
        groups[run_id] = plan, min(rank(model, tokens) for model, tokens in models.items())[2]
    rows = demo.workspace.rows("model-by-segment")
    assert_means({(row["score"], (row["segment"], row["model"])): row for row in rows}, judged_by(known, groups))
    for name, best in (("answer-quality", max), ("cost-usd", min)):
        for segment in ("starter", "team", "enterprise"):
            means = {row["model"]: row["mean"] for row in rows if (row["score"], row["segment"]) == (name, segment)}
            ahead = [row["model"] for row in rows if (row["score"], row["segment"], row["place"]) == (name, segment, 1)]
            assert len(means) > 1 and [best(means, key=means.__getitem__)] == ahead


def test_correlation_of_two_scores(demo: Demo) -> None:
    """Pearson's (scipy), of every pair of scores that at least 20 runs have."""
    values: dict[str, dict[str, float]] = defaultdict(dict)
    for (run_id, name), value in demo.told.run_scores().items():
        values[name][run_id] = value
    expected: dict[tuple[str, str], Any] = {}
    for one, other in combinations(sorted(values), 2):
        both = sorted(values[one].keys() & values[other].keys())
        if len(both) >= 20:
            found = stats.pearsonr([values[one][run] for run in both], [values[other][run] for run in both])
            expected[one, other] = (len(both), near(float(found.statistic)))
    rows = demo.workspace.rows("score-correlation")
    assert expected == {(row["score"], row["other"]): (row["runs"], row["correlation"]) for row in rows}
    assert sorted((abs(row["correlation"]) for row in rows), reverse=True) == [abs(row["correlation"]) for row in rows]


def test_where_two_scorers_disagree(demo: Demo) -> None:
    """Pairs of raters of one run."""
    by_run: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for score in demo.told.of_runs():
        if "value" in score and "scorer_id" in score:
            by_run[score["run_id"], score["name"]][score["scorer_id"]] = float(score["value"])
    gaps: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for (_, name), raters in by_run.items():
        for one, other in combinations(sorted(raters), 2):
            gaps[name, one, other].append(raters[one] - raters[other])
    rows = {(row["score"], row["scorer"], row["other"]): row for row in demo.workspace.rows("scorer-disagreement")}
    assert gaps.keys() == rows.keys()
    for key, found in gaps.items():
        row = rows[key]
        apart, same = fmean(abs(gap) for gap in found), fmean(gap == 0 for gap in found)
        assert (len(found), near(apart), near(fmean(found)), near(same)) == (
            row["runs"], row["apart"], row["bias"], row["same"]
        )  # fmt: skip


def test_the_judge_beside_users(demo: Demo) -> None:
    """The area under the curve is Mann-Whitney's U over the number of pairs (scipy)."""
    known = demo.told
    outcome = {s["run_id"]: s["value"] for s in known.of_runs() if s["name"] == "resolved"}
    judged = {s["run_id"]: s["value"] for s in known.of_runs() if s["name"] == "answer-quality"}
    good = [judged[run] for run, value in outcome.items() if value]
    bad = [judged[run] for run, value in outcome.items() if not value]
    [row] = demo.workspace.rows("judge-against-users")
    area = float(stats.mannwhitneyu(good, bad).statistic) / (len(good) * len(bad))
    assert ("answer-quality", "resolved", len(good), len(bad)) == (
        row["judge"], row["outcome"], row["good_runs"], row["bad_runs"]
    )  # fmt: skip
    assert [near(fmean(good)), near(fmean(bad)), near(area)] == [
        row["mean_when_good"], row["mean_when_bad"], row["auc"]
    ]  # fmt: skip


def test_scores_that_were_changed(demo: Demo) -> None:
    """Each version beside the next of the same score."""
    ever: Counter[str] = Counter()
    changes: dict[str, list[float]] = defaultdict(list)
    for versions in demo.told.versions.values():
        ever[versions[0]["name"]] += len(versions)
        for one, following in pairwise(versions):
            changes[one["name"]].append(following["value"] - one["value"])
    rows = {row["score"]: row for row in demo.workspace.rows("corrected-scores")}
    assert dict(ever) == {name: row["ever"] for name, row in rows.items()}
    assert {name: len(changes[name]) for name in ever} == {name: row["replaced"] for name, row in rows.items()}
    for name, found in changes.items():
        if found:
            mean, distance = fmean(found), fmean(map(abs, found))
            assert (near(mean), near(distance)) == (rows[name]["mean_change"], rows[name]["mean_distance"])


def test_runs_to_read_first(demo: Demo) -> None:
    """The ten lowest of each score, the ten highest of one that should be low (`cost-usd` is declared so)."""
    values: dict[str, list[float]] = defaultdict(list)
    for score in demo.told.scores.values():
        if "value" in score and "run_id" in score:
            values[score["name"]].append(float(score["value"]))
    found: dict[str, list[float]] = defaultdict(list)
    for row in demo.workspace.rows("low-scored-runs"):
        found[row["score"]].append(row["value"])
    assert values.keys() == found.keys()
    for name, those in values.items():
        expected = sorted(those, reverse=name == "cost-usd")[:10]
        assert [near(value) for value in sorted(expected)] == found[name]


def test_outcomes_awaited(demo: Demo) -> None:
    """By age; overdue is what waits longer than the 99th of a hundred outcomes took."""
    known = demo.told
    created = {one["run_id"]: moment(one["created_at"]) for one in known.deferred.values()}
    came = {score["run_id"]: moment(score["ts"]) for score in known.of_runs() if score["name"] == "resolved"}
    usual = quantile([(came[run] - created[run]).total_seconds() for run in came], 0.99)
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for run, at in created.items():
        age = max(created.values()) - at
        late = run not in came and age.total_seconds() > usual
        counts[age // dt.timedelta(days=1)].update(["all", *["came"] * (run in came), *["late"] * late])
    assert [(age, counts[age]["all"], counts[age]["came"], counts[age]["all"] - counts[age]["came"],
             counts[age]["late"]) for age in sorted(counts)] == [
        (row["age_days"], row["deferrals"], row["arrived"], row["awaited"], row["overdue"])
        for row in demo.workspace.rows("overdue-outcomes")
    ]  # fmt: skip
    assert known.deferred and counts[0]["late"] == 0 < counts[10]["late"]


def arms(known: Told) -> dict[tuple[str, str, str], dict[str, list[float]]]:
    """Return (experiment, score, variant) -> unit -> one value a run."""
    found: dict[tuple[str, str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    by_run: dict[str, dict[str, float]] = defaultdict(dict)
    for (run_id, name), value in known.run_scores().items():
        by_run[run_id][name] = value
    for (run_id, experiment), assignment in known.assigned.items():
        for name, value in by_run[run_id].items():
            found[experiment, name, assignment["variant"]][assignment["unit"]].append(value)
    return found


def test_means_by_variant(demo: Demo) -> None:
    """Over accounts, each left out in turn."""
    expected = arms(demo.told)
    sizes = Counter((experiment, one["variant"]) for (_, experiment), one in demo.told.assigned.items())
    rows = demo.workspace.rows("variant-means")
    assert len(rows) == len(expected)
    for row in rows:
        units = expected[row["experiment"], row["score"], row["variant"]]
        assert [near(number) for number in interval(units)] == [row["mean"], row["low"], row["high"]]
        values = [value for found in units.values() for value in found]
        assert (len(values), len(units)) == (row["scored"], row["units"])
        assert sizes[row["experiment"], row["variant"]] == row["runs"]


def test_variants_by_segment(demo: Demo) -> None:
    """The demo's winner is ahead in every plan; who has the lower cost is ahead in cost."""
    known, rows = demo.told, demo.workspace.rows("variant-by-segment")
    plans = {one["unit"]: one["attributes"]["plan"] for one in known.assigned.values()}
    expected = {
        (*key, plan): {unit: values for unit, values in units.items() if plans[unit] == plan}
        for key, units in arms(known).items()
        for plan in ("starter", "team", "enterprise")
    }
    expected = {key: units for key, units in expected.items() if units}
    assert len(expected) == len(rows)
    for row in rows:
        values = expected[row["experiment"], row["score"], row["variant"], row["segment"]]
        assert near(fmean(value for found in values.values() for value in found)) == row["mean"]
    ahead = {(row["score"], row["segment"]): row["variant"] for row in rows if row["place"] == 1}
    assert {"empathetic"} == {ahead["resolved", plan] for plan in ("starter", "team", "enterprise")}
    costs = {row["variant"]: row["mean"] for row in rows
             if (row["experiment"], row["score"], row["segment"]) == ("reply-tone", "cost-usd", "team")}  # fmt: skip
    assert [min(costs, key=costs.__getitem__)] == [
        row["variant"] for row in rows
        if (row["experiment"], row["score"], row["segment"], row["place"]) == ("reply-tone", "cost-usd", "team", 1)
    ]  # fmt: skip


def test_a_segment_nobody_has_is_no_segment(demo: Demo) -> None:
    """Another name of the attributes gives other segments; one that no run has gives no row."""
    channels = {row["segment"] for row in demo.workspace.rows("variant-by-segment", segment="channel")}
    assert {"mail", "web", "app"} == channels
    assert [] == demo.workspace.rows("model-by-segment", segment="no-such-name")


def test_variants_by_day_and_the_sample_ratio(demo: Demo) -> None:
    """Each account once, on its first day; Pearson's chi-square (scipy) against equal weights."""
    first: dict[tuple[str, str], tuple[dt.datetime, str]] = {}
    for (_, experiment), one in demo.told.assigned.items():
        key, at = (experiment, one["unit"]), (moment(one["ts"]), one["variant"])
        first[key] = min(first.get(key, at), at)
    days = Counter((key[0], at.date().isoformat(), variant) for key, (at, variant) in first.items())
    rows = demo.workspace.rows("variant-share-by-day")
    assert days == {(row["experiment"], row["day"], row["variant"]): row["units"] for row in rows}
    for row in rows:
        all_ = sum(n for key, n in days.items() if key[:2] == (row["experiment"], row["day"]))
        assert near(row["units"] / all_) == row["share"]
    for row in demo.workspace.rows("sample-ratio"):
        counts = Counter(variant for (experiment, _), (_, variant) in first.items() if experiment == row["experiment"])
        assert dict(counts) == row["seen"]
        assert near(float(stats.chisquare([*counts.values()]).pvalue)) == row["p"]


def test_cost_per_solved_ticket(demo: Demo) -> None:
    """Dollars of the runs with an answer over those whose answer is yes."""
    known, costs = demo.told, demo.told.run_costs()
    resolved = {score["run_id"]: score["value"] for score in known.of_runs() if score["name"] == "resolved"}
    rows = demo.workspace.rows("cost-per-good-outcome")
    assert {"concise", "control", "empathetic"} == {row["variant"] for row in rows}
    for row in rows:
        runs = [run for (run, _), one in known.assigned.items() if one["variant"] == row["variant"] and run in resolved]
        usd, good = sum(costs[run] for run in runs), sum(resolved[run] for run in runs)
        assert (len(runs), good, near(usd)) == (row["runs"], row["good"], row["usd"])
        assert near(usd / good, 6e-6) == row["usd_per_good"]
