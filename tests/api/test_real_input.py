"""The main job on real input: files of runs and scores go in, published figures and a verdict come out.

Sources: tau-bench (airline, gpt-4o; MIT) with pass^k of the benchmark's own table, and AlpacaEval 2 (Apache-2.0) with
the win rates and standard errors published beside it.
"""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING

import pytest
from scipy import stats

from tests.support.command import SHARED, upshot
from tests.support.server import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

AIRLINE = SHARED / "tau-bench-airline.ndjson"
ALPACA = SHARED / "alpaca-eval-6-models.ndjson"

pytestmark = pytest.mark.skipif(not AIRLINE.exists(), reason="shared/data is not beside this checkout")

COUNTS = (
    "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM runs), (SELECT count(*) FROM steps), "
    "(SELECT count(*) FROM scores), (SELECT count(*) FROM score_history), (SELECT count(*) FROM assignments), "
    "(SELECT count(*) FROM session_runs)"
)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that took both files, each twice."""
    with serving(tmp_path_factory.mktemp("real") / "data") as server:
        counts: list[object] = []
        for _ in range(2):
            done = upshot("ingest", AIRLINE, ALPACA, "--url", server.url)
            assert done.returncode == 0, done.stderr
            assert b"4,218 accepted, 0 rejected" in done.stderr
            assert b"24,150 accepted, 0 rejected" in done.stderr
            counts.append(server.ask(COUNTS))
        assert counts[0] == counts[1] == [[200, 5030, 3618, 14690, 14690, 4830, 5230]]
        yield server


def test_each_models_win_rate_and_error_are_the_published_ones(loaded: Server) -> None:
    """n, mean and standard error of `win-rate` over `scored_runs` equal the published percentages to 1e-9."""
    with (SHARED / "alpaca-eval-6-models.published.csv").open() as file:
        published = {row["model"]: row for row in csv.DictReader(file)}
    rows = loaded.ask(
        "SELECT variant, count(value), avg(value), stddev_samp(value) / sqrt(count(value)) FROM scored_runs "
        "WHERE experiment = 'alpaca-eval-2' AND score = 'win-rate' GROUP BY variant"
    )
    assert set(published) == {row[0] for row in rows}
    for variant, n, mean, error in rows:
        expected = published[variant]
        assert int(expected["n_total"]) == n
        assert math.isclose(float(expected["win_rate_percent"]), 100 * mean, rel_tol=1e-9)
        assert math.isclose(float(expected["standard_error_percent"]), 100 * error, rel_tol=1e-9)


def test_pass_k_of_the_airline_agent_is_the_benchmarks(loaded: Server) -> None:
    """Per task c of n trials solved: the mean over tasks of C(c,k)/C(n,k) is 0.420, 0.273, 0.220, 0.200."""
    rows = loaded.ask(
        "SELECT count(*), sum(s.value)::INTEGER FROM scores s JOIN session_runs t ON t.run_id = s.run_id "
        "WHERE s.name = 'task-solved' AND t.session_key = 'task_id' GROUP BY t.session_id"
    )
    assert 50 == len(rows)
    pass_k = [sum(math.comb(c, k) / math.comb(n, k) for n, c in rows) / len(rows) for k in range(1, 5)]
    assert [0.420, 0.273, 0.220, 0.200] == [round(value, 3) for value in pass_k]


def test_the_report_is_paired_and_agrees_with_scipy(loaded: Server) -> None:
    """Every model answers every instruction: the design is paired, and its numbers are the paired t test's."""
    path = "/v1/experiments/alpaca-eval-2/report"
    options = {"score": "preferred", "control": "gpt-3.5-turbo-1106"}
    report = loaded.http.get(path, params=options).json()
    assert ("paired", 0) == (report["design"], report["health"]["contaminated_units"])
    assert 5 == len(report["comparisons"])
    values: dict[str, dict[str, float]] = {}
    for variant, unit, value in loaded.ask(
        "SELECT variant, unit, value FROM scored_runs WHERE experiment = 'alpaca-eval-2' AND score = 'preferred'"
    ):
        values.setdefault(variant, {})[unit] = value
    control = values[options["control"]]
    for comparison in report["comparisons"]:
        own = values[comparison["variant"]]
        expected = stats.ttest_rel([own[unit] for unit in control], list(control.values()))
        assert "paired_t" == comparison["method"]
        assert math.isclose(comparison["p"], expected.pvalue, rel_tol=1e-6)
        assert (804, True) == (comparison["df"], comparison["ci"][0] < comparison["difference"] < comparison["ci"][1])


def test_the_same_question_gives_the_same_bytes(loaded: Server) -> None:
    """The same options, `as_of` and `known_at` give the same report, but for the snapshot and when it was made."""
    path = "/v1/experiments/alpaca-eval-2/report"
    first = loaded.http.get(path, params={"score": "win-rate"}).json()
    options = {"score": "win-rate", "as_of": first["as_of"], "known_at": first["known_at"]}
    again = [loaded.http.get(path, params=options).json() for _ in range(2)]
    for report in again:
        report.pop("snapshot")
        for made in ("now", "hash"):  # a seal between the two makes it anew
            report["receipt"].pop(made)
    assert again[0] == again[1]
    assert first["variants"] == again[0]["variants"]
    assert first["comparisons"] == again[0]["comparisons"]
