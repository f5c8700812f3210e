"""A receipt is computed again from exported Parquet: the same bytes, or the difference is named."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.support.command import upshot
from tests.support.server import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_MS = 1_790_000_000_000
ASKED: list[dict[str, str]] = [
    {},
    {"score": "quality", "unit": "user_id", "segments": "attribute:plan,environment", "where": "status = 'Completed'"},
    {"score": "run:duration_ms", "secondary_scores": '["solved", "run:steps"]'},
    {"score": "query:slow", "known_at": "2099-01-01T00:00:00Z"},
    {"as_of": "2026-09-22T00:00:00Z", "planned_end": "2026-09-21T18:00:00Z", "maturity": "1h"},
]


def _named(run_id: str) -> list[dict[str, Any]]:
    return [{"key": "upshot.run_id", "value": {"stringValue": run_id}}]


TRACE = {
    "resourceSpans": [
        {
            "scopeSpans": [
                {
                    "spans": [
                        {"traceId": "a" * 32, "spanId": "b" * 16, "name": "answer", "attributes": _named("run-1"),
                         "startTimeUnixNano": str(START_MS * 10**6), "endTimeUnixNano": str(START_MS * 10**6 + 9)},
                    ]
                }
            ]
        }
    ]
}  # fmt: skip


def records() -> list[dict[str, Any]]:
    """Return 400 runs of 40 users with two scores, some of them changed later."""
    random = np.random.default_rng(11)
    made: list[dict[str, Any]] = []
    for n in range(400):
        run, user, at = f"run-{n}", n % 40, START_MS + n * 300_000
        made += [
            {"type": "run", "id": run, "status": "Completed" if n % 9 else "Failed", "user_id": f"u{user}",
             "environment": "live", "attributes": {"plan": ["free", "pro"][user % 2]}, "started_at": at,
             "ended_at": at + int(random.integers(1000, 90_000))},
            {"type": "assignment", "run_id": run, "experiment": "e", "variant": "ab"[user // 2 % 2],
             "unit": f"u{user}", "strategy": "bucket", "weights": {"a": 50, "b": 50}, "ts": at},
            {"type": "score", "run_id": run, "name": "solved", "value": bool(random.random() < 0.5), "ts": at + 60_000},
            {"type": "score", "run_id": run, "name": "quality", "value": float(random.lognormal()), "ts": at + 90_000},
        ]  # fmt: skip
        if n % 7 == 0:
            made.append({"type": "score", "run_id": run, "name": "quality", "value": 1.5, "ts": at + 99_000})
    return made


@contextmanager
def holding(data: Path) -> Iterator[Server]:
    """Serve the records and a saved query."""
    with serving(data) as server:
        assert server.ingest(records())["rejected"] == []
        server.http.post(
            "/v1/traces", json=TRACE
        ).raise_for_status()  # its run is resolved by views, also over an export
        body = {"sql": "SELECT id AS run_id, duration_ms > 30000 AS value FROM runs"}
        server.http.put("/v1/queries/slow", json=body).raise_for_status()
        yield server


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose data no test changes."""
    with holding(tmp_path_factory.mktemp("verify") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def exported(served: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of it."""
    out = tmp_path_factory.mktemp("out") / "monday"
    done = upshot("export", "--parquet", out, "--data", served.data)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize("asked", ASKED)
def test_a_report_is_computed_again_to_the_last_digit(
    served: Server, exported: Path, tmp_path: Path, asked: dict[str, str]
) -> None:
    """By the command, from files alone; the scores of the report exist."""
    answer = served.http.get("/v1/experiments/e/report", params=asked)
    made = answer.raise_for_status().json()
    assert all(variant["scored_runs"] > 20 for variant in made["variants"])
    (tmp_path / "report.json").write_bytes(answer.content)
    done = upshot("experiment", "verify", tmp_path / "report.json", "--export", exported)
    if done.returncode:
        pytest.fail(done.stderr.decode())
    assert f"SHA-256 {made['receipt']['hash']}" in done.stdout.decode()


def test_the_receipts_sql_runs_by_itself(served: Server) -> None:
    """Every statement stands with its parameters; a report names all tables it read."""
    made = served.http.get("/v1/experiments/e/report", params=ASKED[1]).json()
    text = "\n".join(made["receipt"]["sql"])
    assert all(f"TEMP TABLE {table} AS" in text for table in ("member", "cohort", "observed"))


def test_the_same_report_has_the_same_bytes(served: Server) -> None:
    """Asked again for the same times, by whichever worker; `now` differs, so both clocks are given."""
    times = {"as_of": "2026-09-23T00:00:00Z", "known_at": "2099-01-01T00:00:00Z"}
    one, other = (
        served.http.get("/v1/experiments/e/report", params={**times, **more}).json() for more in ({}, {"alpha": "0.05"})
    )
    for made in (one, other):
        made.pop("receipt")
        made.pop("options")
    assert one == other


def test_a_changed_report_is_refused(served: Server, exported: Path, tmp_path: Path) -> None:
    """One digit of one figure."""
    made = served.http.get("/v1/experiments/e/report").json()
    made["variants"][0]["mean"] += 1e-9
    (tmp_path / "report.json").write_text(json.dumps(made))
    done = upshot("experiment", "verify", tmp_path / "report.json", "--export", exported)
    assert done.returncode == 2
    assert b"the report was changed after it was made" in done.stderr


@pytest.mark.long
def test_other_data_is_told_by_its_differences(tmp_path: Path) -> None:
    """An export with one score more: exit 1, and what differs."""
    with holding(tmp_path / "data") as served:
        answer = served.http.get("/v1/experiments/e/report", params={"score": "solved"})
        (tmp_path / "report.json").write_bytes(answer.content)
        served.ingest([{"type": "score", "run_id": "run-1", "name": "solved", "value": 0.5, "ts": START_MS + 400_000}])
        done = upshot("export", "--parquet", tmp_path / "later", "--data", served.data)
    assert done.returncode == 0, done.stderr
    done = upshot("experiment", "verify", tmp_path / "report.json", "--export", tmp_path / "later")
    assert done.returncode == 1
    assert b"NOT the same" in done.stderr
    assert re.search(rb"differs: .*\.mean: [\d.]+, computed again [\d.]+", done.stderr), done.stderr.decode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", b"the receipt is no JSON"),
        ("[]", b"the file holds no report"),
        ('{"experiment": "e", "receipt": {"sql": []}}', b"the report's receipt has no 'request'"),
    ],
)
def test_no_report(tmp_path: Path, text: str, said: bytes) -> None:
    """Named errors, exit 2."""
    (tmp_path / "report.json").write_text(text)
    done = upshot("experiment", "verify", tmp_path / "report.json", "--export", tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
