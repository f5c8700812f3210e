"""Recipes about models, failures, latency, releases, sessions and users, recomputed from the demo's records."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter, defaultdict
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

import pytest
from scipy import stats
from statsmodels.stats import proportion

from tests.api.demo.reading import moment
from tests.queries.cookbook.reading import HALF, Told, interval, milliseconds, quantile, summed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.queries.cookbook.conftest import Demo

Row = dict[str, Any]
PROPORTION: Any = proportion  # its types are half known
MILLI = 1.5
"""Milliseconds: what rounding of two times and of their difference can make."""


def near(value: float | None, tolerance: float = HALF) -> Any:
    return None if value is None else pytest.approx(value, abs=tolerance)


def by(rows: list[Row], name: str, *more: str) -> dict[Any, Row]:
    """Return rows by what tells them apart."""
    found = {(row[name], *(row[one] for one in more)) if more else row[name]: row for row in rows}
    assert len(rows) == len(found)
    return found


def day(span: Row) -> str:
    return dt.datetime.fromtimestamp(span["start"] / 1000, dt.UTC).date().isoformat()


def hour(ms: float) -> int:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).hour


def grouped(items: list[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    found: dict[Any, list[Row]] = defaultdict(list)
    for item in items:
        found[key(item)].append(item)
    return found


def failed(span: Row) -> bool:
    return span["status"]["code"] == 2


def test_cost_and_latency_of_models_by_day(demo: Demo) -> None:
    """Each call once, by the day it began."""
    expected = grouped(demo.told.calls(), lambda call: (day(call), call["gen_ai.request.model"]))
    rows = by(demo.workspace.rows("model-cost-latency-by-day"), "day", "model")
    assert expected.keys() == rows.keys()
    for key, calls in expected.items():
        row, costs = rows[key], [call["gen_ai.usage.cost"] for call in calls if "gen_ai.usage.cost" in call]
        counts = (len(calls), sum(map(failed, calls)), len(costs))
        assert (*counts, near(sum(costs))) == (row["calls"], row["errors"], row["priced"], row["usd"])
        lasts = [call["end"] - call["start"] for call in calls]
        assert [near(quantile(lasts, share), MILLI) for share in (0.5, 0.95)] == [row["p50_ms"], row["p95_ms"]]


def test_input_from_the_cache(demo: Demo) -> None:
    """Cached tokens of all input tokens, over calls that report any."""
    used = [call for call in demo.told.calls() if "gen_ai.usage.input_tokens" in call]
    rows = by(demo.workspace.rows("cached-input-share"), "model")
    for model, calls in grouped(used, lambda call: call["gen_ai.request.model"]).items():
        row = rows.pop(model)
        read = sum(call["gen_ai.usage.input_tokens"] for call in calls)
        cached = sum(call["gen_ai.usage.cache_read.input_tokens"] for call in calls)
        assert (len(calls), read, cached, near(cached / read)) == (
            row["calls"], row["input_tokens"], row["cached_tokens"], row["cached_share"]
        )  # fmt: skip
    assert {} == rows


def test_time_to_the_first_token(demo: Demo) -> None:
    """Of the calls that say, by model and hour."""
    name = "gen_ai.response.time_to_first_chunk"
    said = [call for call in demo.told.calls() if name in call]
    expected = grouped(said, lambda call: (call["gen_ai.request.model"], hour(call["start"])))
    rows = by(demo.workspace.rows("first-token-latency"), "model", "hour")
    assert expected.keys() == rows.keys()
    for key, calls in expected.items():
        row, waits = rows[key], [1000 * call[name] for call in calls]
        assert (len(waits), near(median(waits), 0.51), near(quantile(waits, 0.95), 0.51)) == (
            row["measured"], row["p50_ms"], row["p95_ms"]
        )  # fmt: skip


def test_calls_without_a_cost(demo: Demo) -> None:
    """The demo reports a cost with every call that succeeds; a call that fails has none."""
    rows = demo.workspace.rows("unpriced-calls")
    expected = Counter((call["gen_ai.request.model"], failed(call)) for call in demo.told.calls())
    assert expected == {(row["model"], row["cost_source"] == "unknown"): row["calls"] for row in rows}
    for row in rows:
        lost = row["calls"] if row["cost_source"] == "unknown" else 0
        assert (lost, lost, lost / row["calls"]) == (row["without_cost"], row["failed"], row["share"])
        assert (None, None) == (row["input_tokens"], row["output_tokens"])


def test_what_a_run_costs(demo: Demo) -> None:
    """Over the runs of a function that called models."""
    known, costs = demo.told, demo.told.run_costs()
    calls = Counter(call["upshot.run_id"] for call in known.calls())
    rows = by(demo.workspace.rows("cost-by-function"), "function_id")
    for function, runs in grouped([known.runs[run] for run in calls], lambda run: run["function_id"]).items():
        row = rows.pop(function)
        priced = [costs[run["id"]] for run in runs if run["id"] in costs]
        assert (len(runs), near(sum(priced))) == (row["runs"], row["usd"])
        assert [near(quantile(priced, share), 6e-7) for share in (0.5, 0.99)] == [row["median_usd"], row["p99_usd"]]
        assert near(fmean(calls[run["id"]] for run in runs), 0.0051) == row["calls_per_run"]
    assert {} == rows


def test_functions_by_failure_rate(demo: Demo) -> None:
    """Wilson's interval (statsmodels), the surest failure first."""
    expected: dict[str, list[bool]] = defaultdict(list)
    for run in demo.told.runs.values():
        if run["status"] in ("Completed", "Failed"):
            expected[run["function_id"]].append(run["status"] == "Failed")
    rows = demo.workspace.rows("failure-rate")
    assert len(expected) == len(rows)
    for row in rows:
        runs = expected[row["function_id"]]
        low, high = PROPORTION.proportion_confint(sum(runs), len(runs), method="wilson")
        assert (len(runs), sum(runs)) == (row["runs"], row["failed"])
        assert [near(fmean(runs)), near(low), near(high)] == [row["rate"], row["low"], row["high"]]
    assert sorted((row["low"] for row in rows), reverse=True) == [row["low"] for row in rows]


def test_what_the_newest_release_broke(demo: Demo) -> None:
    """The two newest releases of each function; Newcombe's interval (statsmodels)."""
    runs = [run for run in demo.told.runs.values() if run.get("release") and run["status"] in ("Completed", "Failed")]
    rows = by(demo.workspace.rows("newly-failing"), "function_id")
    for function, own in grouped(runs, lambda run: run["function_id"]).items():
        row = rows.pop(function)
        newest = [run["status"] == "Failed" for run in own if run["release"] == "4.3.0"]
        before = [run["status"] == "Failed" for run in own if run["release"] == "4.2.1"]
        counts = (sum(newest), len(newest), sum(before), len(before))
        low, high = PROPORTION.confint_proportions_2indep(*counts, compare="diff", method="newcomb")
        assert ("4.2.1", "4.3.0", len(before), len(newest)) == (
            row["before"], row["newest"], row["runs_before"], row["runs_newest"]
        )  # fmt: skip
        assert [near(fmean(before)), near(fmean(newest)), near(low), near(high)] == [
            row["failed_before"], row["failed_newest"], row["low"], row["high"]
        ]  # fmt: skip
    assert {} == rows


def test_cost_and_latency_by_release(demo: Demo) -> None:
    """Means over the runs whose cost is known."""
    known, costs = demo.told, demo.told.run_costs()
    written = summed(known.calls(), "gen_ai.usage.output_tokens")
    runs = [run for run in known.runs.values() if "release" in run]
    rows = by(demo.workspace.rows("release-cost-latency"), "function_id", "release")
    expected = grouped(runs, lambda run: (run["function_id"], run["release"]))
    assert expected.keys() == rows.keys()
    for key, own in expected.items():
        row, lasts = rows[key], [milliseconds(run) for run in own if "ended_at" in run]
        since = min(moment(run["started_at"]) for run in own if "started_at" in run)
        assert (len(own), since) == (row["runs"], moment(row["since"]))
        assert [near(quantile(lasts, share), MILLI) for share in (0.5, 0.95)] == [row["p50_ms"], row["p95_ms"]]
        ids = [run["id"] for run in own]
        assert near(fmean(costs[run] for run in ids if run in costs), 6e-7) == row["usd_per_run"]
        assert near(fmean(written[run] for run in ids if run in written), 0.051) == row["output_tokens_per_run"]


def test_errors_grouped(demo: Demo) -> None:
    """Failed attempts by message without its numbers."""
    known = demo.told
    failures = [a for a in known.attempts.values() if a["status"] in ("Errored", "Failed")]
    expected = grouped(failures, lambda a: (a["error"]["name"], re.sub(r"[0-9]+", "#", a["error"]["message"])))
    rows = by(demo.workspace.rows("error-messages"), "error", "message")
    assert expected.keys() == rows.keys()
    for key, found in expected.items():
        runs = {a["run_id"] for a in found}
        ended = {run for run in runs if known.runs[run]["status"] == "Failed"}
        row = rows[key]
        assert (len(found), len(runs), len(ended)) == (row["attempts"], row["runs"], row["ended_runs"])
        assert max(moment(a["started_at"]) for a in found) == moment(row["last_seen"])


def test_retries_and_their_tokens(demo: Demo) -> None:
    """By step of a run, repetitions of a loop together, as their spans cannot be told apart."""
    known = demo.told
    steps: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for attempt in known.attempts.values():
        steps[attempt["run_id"], attempt["id"]].append(attempt)
    calls = grouped(known.calls(), lambda call: (call["upshot.run_id"], call["upshot.step_id"]))
    rows = by(demo.workspace.rows("retries-and-tokens"), "step")
    names = {attempts[0]["name"] for attempts in steps.values()}
    assert names == rows.keys()
    for name in names:
        own = {key: attempts for key, attempts in steps.items() if attempts[0]["name"] == name}
        retried = {key for key, attempts in own.items() if any(a["attempt"] for a in attempts)}
        again = sum(a["attempt"] > 0 for attempts in own.values() for a in attempts)
        lost = [milliseconds(a) for attempts in own.values() for a in attempts if a["status"] in ("Errored", "Failed")]
        row = rows[name]
        assert (len(own), len(retried), again) == (row["steps"], row["retried"], row["retries"])
        assert near(sum(lost) / 1000, 0.051) == row["lost_s"]
        used = [call for key in retried for call in calls.get(key, []) if "gen_ai.usage.cost" in call]
        for column, attribute, digits in (
            ("input_tokens", "gen_ai.usage.input_tokens", 0),
            ("output_tokens", "gen_ai.usage.output_tokens", 0),
            ("usd", "gen_ai.usage.cost", HALF),
        ):
            assert near(sum(call[attribute] for call in used) if used else None, digits) == row[column], name


def test_tools_by_failure_rate(demo: Demo) -> None:
    """Calls of one run together; each run left out in turn would take long, so of the rarest tool only."""
    tools = [span for span in demo.told.spans if span["gen_ai.operation.name"] == "execute_tool"]
    rows = by(demo.workspace.rows("tool-failures"), "tool")
    expected = grouped(tools, lambda span: span["gen_ai.tool.name"])
    assert expected.keys() == rows.keys()
    for tool, calls in expected.items():
        row = rows[tool]
        assert (len(calls), sum(map(failed, calls)), len({call["upshot.run_id"] for call in calls})) == (
            row["calls"], row["failed"], row["runs"]
        )  # fmt: skip
        assert near(fmean(map(failed, calls))) == row["rate"]
        assert near(median(call["end"] - call["start"] for call in calls), MILLI) == row["p50_ms"]
    rarest = min(expected, key=lambda tool: len(expected[tool]))
    units: dict[str, list[float]] = defaultdict(list)
    for call in expected[rarest]:
        units[call["upshot.run_id"]].append(float(failed(call)))
    assert [near(bound) for bound in interval(units)[1:]] == [rows[rarest]["low"], rows[rarest]["high"]]


def test_failed_spans_by_role(demo: Demo) -> None:
    """What failed at least once: of model calls by model, of tools by tool, of agents by name."""
    roles = {"chat": "llm", "execute_tool": "tool", "invoke_agent": "agent", "retrieval": "retriever"}

    def what(span: Row) -> tuple[str, str]:
        name = span.get("gen_ai.tool.name") or span.get("gen_ai.request.model") or span["name"]
        return roles[span["gen_ai.operation.name"]], name

    expected = {
        key: (len(spans), sum(map(failed, spans)))
        for key, spans in grouped(demo.told.spans, what).items()
        if any(map(failed, spans))
    }
    rows = demo.workspace.rows("span-errors")
    assert expected == {(row["type"], row["what"]): (row["spans"], row["failed"]) for row in rows}


def test_the_same_tool_call_again(demo: Demo) -> None:
    """Same run, same tool, same arguments; in the demo these are the attempts after one that was refused."""
    tools = [span for span in demo.told.spans if span["gen_ai.operation.name"] == "execute_tool"]
    same = grouped(
        tools, lambda span: (span["upshot.run_id"], span["gen_ai.tool.name"], span["gen_ai.tool.call.arguments"])
    )
    expected = {key: (len(calls), sum(map(failed, calls))) for key, calls in same.items() if len(calls) > 1}
    rows = demo.workspace.rows("repeated-tool-calls")
    assert expected == {(row["run_id"], row["tool"], row["arguments"]): (row["calls"], row["failed"]) for row in rows}
    assert {(2, 1)} == set(expected.values())


def test_runs_that_never_ended(demo: Demo) -> None:
    """The nine that the demo leaves open, the longest first."""
    known = demo.told
    open_ = [run for run in known.runs.values() if run["status"] in ("Queued", "Running")]
    rows = demo.workspace.rows("stuck-runs")
    since = sorted((moment(run.get("started_at", run["queued_at"])), run["id"]) for run in open_)
    assert [run_id for _, run_id in since] == [row["run_id"] for row in rows]
    newest = max(moment(r[name]) for r in known.runs.values() for name in ("queued_at", "started_at", "ended_at")
                 if name in r)  # fmt: skip
    for (at, _), row in zip(since, rows, strict=True):
        assert near((newest - at).total_seconds() / 60, 0.051) == row["minutes"]
        usual = [milliseconds(run) / 1000 for run in known.runs.values()
                 if (run["function_id"], run["status"]) == (row["function_id"], "Completed")]  # fmt: skip
        assert near(quantile(usual, 0.99), 0.051) == row["usual_p99_s"]


def traits(known: Told) -> dict[str, set[str]]:
    """Return trait -> the runs that have it."""
    found: dict[str, set[str]] = defaultdict(set)
    for run in known.runs.values():
        said = {"function": run["function_id"]} | {name: run.get(name) for name in ("release", "environment", "status")}
        for name, value in said.items():
            found[f"{name} {value}"].add(run["id"])
    for attempt in known.attempts.values():
        name = attempt["name"]
        for trait in (f"step {name}", *[f"retried {name}"] * bool(attempt["attempt"])):
            found[trait].add(attempt["run_id"])
        if attempt.get("loop_index"):
            found[f"loop of {name}"].add(attempt["run_id"])
    for span in known.spans:
        for name, attribute in (("model", "gen_ai.request.model"), ("tool", "gen_ai.tool.name")):
            if attribute in span:
                found[f"{name} {span[attribute]}"].add(span["upshot.run_id"])
    found.pop("release None", None)
    return found


def test_what_slow_runs_have_in_common(demo: Demo) -> None:
    """The slowest tenth of each function's runs; a trait's share among them and among the others."""
    known = demo.told
    lasted = {run["id"]: milliseconds(run) for run in known.runs.values() if "ended_at" in run}
    slow: dict[str, bool] = {}
    for runs in grouped([known.runs[run] for run in lasted], lambda run: run["function_id"]).values():
        times = [lasted[run["id"]] for run in runs]
        ranks = stats.rankdata(times, method="min")
        slow |= {run["id"]: (rank - 1) / (len(runs) - 1) > 0.9 for run, rank in zip(runs, ranks, strict=True)}
    size = Counter(slow.values())
    rows = by(demo.workspace.rows("slow-runs-in-common"), "trait")
    for trait, runs in traits(known).items():
        both = Counter(slow[run] for run in runs if run in slow)
        if both.total() < 20:
            continue
        row = rows.pop(trait)
        shares = both[True] / size[True], both[False] / size[False]
        assert (both[True], both[False]) == (row["slow_runs"], row["other_runs"]), trait
        assert [near(share) for share in shares] == [row["share_of_slow"], row["share_of_others"]]
        assert near(shares[0] / shares[1] if shares[1] else None, 0.0051) == row["lift"]
    assert {} == rows


def test_slowest_steps(demo: Demo) -> None:
    """Each attempt counts."""
    expected = grouped([*demo.told.attempts.values()], lambda a: (a["name"], a["step_type"]))
    rows = by(demo.workspace.rows("slowest-steps"), "step", "type")
    assert expected.keys() == rows.keys()
    for key, attempts in expected.items():
        row, lasts = rows[key], [milliseconds(a) for a in attempts]
        assert (len(lasts), sum(a["attempt"] > 0 for a in attempts)) == (row["attempts"], row["retries"])
        assert [near(quantile(lasts, share), MILLI) for share in (0.5, 0.95)] == [row["p50_ms"], row["p95_ms"]]
        assert near(sum(lasts) / 3.6e6, 0.0051) == row["hours"]


def test_longest_traces(demo: Demo) -> None:
    """The twenty longest; seconds of their model calls, tools and retrieval."""
    traces = grouped(demo.told.spans, lambda span: span["traceId"])
    lasts = {id_: max(s["end"] for s in spans) - min(s["start"] for s in spans) for id_, spans in traces.items()}
    longest = sorted(lasts, key=lambda id_: -lasts[id_])[:20]
    rows = demo.workspace.rows("longest-traces")
    assert longest == [row["trace_id"] for row in rows]
    for row in rows:
        spans = traces[row["trace_id"]]
        assert (len(spans), near(lasts[row["trace_id"]] / 1000, 0.0061)) == (row["spans"], row["seconds"])
        [root] = [span for span in spans if "parentSpanId" not in span]
        assert (root["name"], root["upshot.run_id"]) == (row["root"], row["run_id"])
        for column, role in (("model_s", "chat"), ("tool_s", "execute_tool"), ("retrieval_s", "retrieval")):
            took = sum(s["end"] - s["start"] for s in spans if s["gen_ai.operation.name"] == role)
            assert near(took / 1000, 0.0101) == row[column]


def test_how_long_runs_wait(demo: Demo) -> None:
    """From being queued to the beginning, by the hour of being queued."""
    begun = [run for run in demo.told.runs.values() if "started_at" in run]
    expected = grouped(begun, lambda run: (run["function_id"], moment(run["queued_at"]).hour))
    rows = by(demo.workspace.rows("queue-delay"), "function_id", "hour")
    assert expected.keys() == rows.keys()
    for key, runs in expected.items():
        row, waits = rows[key], [milliseconds(run, "queued_at", "started_at") for run in runs]
        found = [near(quantile(waits, share), MILLI) for share in (0.5, 0.95, 1)]
        assert [len(waits), *found] == [row["runs"], row["p50_ms"], row["p95_ms"], row["longest_ms"]]


def session_costs(known: Told) -> dict[tuple[str, str], float]:
    costs = known.run_costs()
    return {pair: sum(costs[run] for run in runs if run in costs)
            for pair, runs in known.sessions.items() if any(run in costs for run in runs)}  # fmt: skip


def test_sessions_with_a_bad_outcome(demo: Demo) -> None:
    """The newest `resolved` among a session's runs says no; the hundred dearest of these."""
    known, costs = demo.told, session_costs(demo.told)
    newest: dict[tuple[str, str], tuple[Any, bool]] = {}
    said = {s["run_id"]: (moment(s["ts"]), s["value"]) for s in known.of_runs() if s["name"] == "resolved"}
    for pair, runs in known.sessions.items():
        if found := [said[run] for run in runs if run in said]:
            newest[pair] = max(found)
    bad = sorted((pair for pair, (_, value) in newest.items() if not value), key=lambda p: (-costs[p], p))[:100]
    rows = demo.workspace.rows("bad-sessions")
    assert [near(costs[pair], 6e-7) for pair in bad] == [row["usd"] for row in rows]
    for row in rows:
        pair = row["session_key"], row["session_id"]
        runs = [known.runs[run] for run in known.sessions[pair]]
        assert (False, "resolved") == (newest[pair][1], row["score"])
        assert (len(runs), sum(run["status"] == "Failed" for run in runs)) == (row["runs"], row["failed_runs"])


def test_dearest_sessions(demo: Demo) -> None:
    """With the share of all cost under the same key."""
    costs = session_costs(demo.told)
    totals: Counter[str] = Counter()
    for (key, _), usd in costs.items():
        totals[key] += usd  # pyright: ignore[reportArgumentType] - a Counter adds floats too
    rows = demo.workspace.rows("dearest-sessions")
    assert [near(usd, 6e-7) for usd in sorted(costs.values(), reverse=True)[:50]] == [row["usd"] for row in rows]
    for row in rows:
        pair = row["session_key"], row["session_id"]
        assert near(costs[pair], 6e-7) == row["usd"]
        assert near(costs[pair] / totals[pair[0]], 6e-6) == row["share"]
        assert len(demo.told.sessions[pair]) == row["runs"]


def in_sessions(known: Told) -> dict[tuple[str, str, str], list[float]]:
    """Return (key, id, score) -> the values of a session: of its runs and its own."""
    values: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    scores = grouped([score for score in known.of_runs() if "value" in score], lambda score: score["run_id"])
    for pair, runs in known.sessions.items():
        for score in (score for run in runs for score in scores.get(run, [])):
            values[*pair, score["name"]].append(float(score["value"]))
    for score in known.scores.values():
        for pair in score.get("session", {}).items():
            values[*pair, score["name"]].append(float(score["value"]))
    return values


def test_sessions_by_length(demo: Demo) -> None:
    """A session is one row of the mean: the mean of its scores, of its runs and its own."""
    known = demo.told
    means: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    for (key, id_, name), found in in_sessions(known).items():
        if (key, id_) in known.sessions:
            means[key, name, min(len(known.sessions[key, id_]), 10)].append(fmean(found))
    rows = by(demo.workspace.rows("session-length-outcome"), "session_key", "score", "runs")
    assert means.keys() == rows.keys()
    for key, found in means.items():
        row = rows[key]
        assert (len(found), near(fmean(found))) == (row["sessions"], row["mean"])
        if len(found) > 1 and len(set(found)) > 1:
            low, high = stats.t.interval(0.95, len(found) - 1, loc=fmean(found), scale=stats.sem(found))
            assert [near(low), near(high)] == [row["low"], row["high"]]


def test_users_hit_by_failures(demo: Demo) -> None:
    """The fifty with most failed runs, and how their newest run ended."""
    ended = [r for r in demo.told.runs.values() if "user_id" in r and r["status"] in ("Completed", "Failed")]
    users = grouped(ended, lambda run: run["user_id"])
    counts = {user: sum(run["status"] == "Failed" for run in runs) for user, runs in users.items()}
    hit = sorted((u for u in users if counts[u]), key=lambda u: (-counts[u], -counts[u] / len(users[u]), u))[:50]
    rows = demo.workspace.rows("failing-users")
    assert hit == [row["user_id"] for row in rows]
    for row in rows:
        runs = sorted(users[row["user_id"]], key=lambda run: moment(run["started_at"]))
        last = max(moment(run["started_at"]) for run in runs if run["status"] == "Failed")
        assert (len(runs), counts[row["user_id"]], runs[-1]["status"], last) == (
            row["runs"], row["failed"], row["newest_run"], moment(row["last_failure"])
        )  # fmt: skip


def test_how_few_users_make_most_runs(demo: Demo) -> None:
    """Tenths of users by their runs; all shares sum up to 1."""
    counts = Counter(run["user_id"] for run in demo.told.runs.values() if "user_id" in run)
    ordered = sorted(counts.values(), reverse=True)
    rows = demo.workspace.rows("busiest-users")
    sizes = [row["users"] for row in rows]
    assert (len(ordered), 10) == (sum(sizes), len(sizes)) and max(sizes) - min(sizes) <= 1
    at = 0
    for row in rows:
        part = ordered[at : at + row["users"]]
        at += row["users"]
        assert (sum(part), near(sum(part) / sum(ordered))) == (row["runs"], row["share_of_runs"])
    assert near(sum(demo.told.run_costs().values()), 10 * HALF) == sum(row["usd"] for row in rows)
    assert near(1, 10 * HALF) == sum(row["share_of_cost"] for row in rows)


def test_the_demo_spans_say_what_its_steps_say(demo: Demo) -> None:
    """Every attempt of a model call of a finished run is one span, with its tokens; the costs are the scores'."""
    known = demo.told
    steps = [a for a in known.attempts.values() if a["step_type"] == "AIGateway"]
    finished = [a for a in steps if "ended_at" in known.runs[a["run_id"]]]
    assert len(finished) == len(known.calls())
    read = sum(a["attributes"].get("input_tokens", 0) for a in finished)
    assert read == sum(call.get("gen_ai.usage.input_tokens", 0) for call in known.calls())
    costs = known.run_costs()
    for score in known.of_runs():
        if score["name"] == "cost-usd" and score["run_id"] in costs:
            assert near(costs[score["run_id"]], 1e-6) == score["value"]
