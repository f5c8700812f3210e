"""The parts of `benchmarks.otlp` that figures rest on; the servers themselves are measured by hand."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.decode import SCORE, SPANS, Workload
from benchmarks.otlp_load import Scored, load, renewed, scored
from benchmarks.otlp_scores import asked, copy_up, means
from benchmarks.otlp_table import table
from benchmarks.otlp_watch import cpu_seconds, disk_bytes, memory, watching
from ingest.otel.protobuf import decode_protobuf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _spans(body: bytes) -> list[Any]:
    request = ExportTraceServiceRequest.FromString(body)
    return [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]


def test_a_smaller_workload_is_the_beginning_of_a_larger_one() -> None:
    small, large = load(SPANS), load(2 * SPANS)
    assert small.bodies == large.bodies[:1]
    assert (small.one, small.warm) == (large.one, large.warm)
    assert small.scored == large.scored[: len(small.scored)]
    assert load(SPANS, seed=5).bodies != small.bodies


def test_no_span_is_sent_twice_and_all_before_the_clock_are_counted() -> None:
    given = load(2 * SPANS)
    before = [span.span_id for body in (given.one, *given.warm) for span in _spans(body)]
    timed = [span.span_id for body in given.bodies for span in _spans(body)]
    assert (given.before, given.spans) == (len(before), len(timed))
    assert len({*before, *timed}) == len(before) + len(timed)


def test_every_model_call_is_scored_and_found_by_its_ids() -> None:
    request = Workload().request()
    found = {(one.trace_id, one.span_id): one for one in scored(request)}
    for span in _spans(request.SerializeToString()):
        attributes = {pair.key: pair.value for pair in span.attributes}
        one = found.pop((span.trace_id.hex(), span.span_id.hex()), None)
        model = attributes.get("gen_ai.request.model", attributes.get("llm.model_name"))
        assert (one is not None) == (model is not None)
        if one is not None and model is not None:
            assert (model.string_value, attributes[SCORE].double_value) == (one.model, one.score)
    assert not found


def test_renewed_requests_are_the_same_spans_under_ids_of_their_own() -> None:
    workload = Workload()
    made = list(renewed([workload.request(40), workload.request(40)], 6))
    decoded = [decode_protobuf(body) for body in made]
    spans = [span for body in made for span in _spans(body)]
    assert 6 * 40 == len({span.span_id for span in spans})
    assert decoded[0].name == decoded[2].name == decoded[4].name
    traces = {span.span_id: span.trace_id for span in spans}
    parents = [span for span in spans if span.parent_span_id in traces]
    assert parents
    assert [span.trace_id for span in parents] == [traces[span.parent_span_id] for span in parents]


_PHOENIX = """
CREATE TABLE traces (id INTEGER PRIMARY KEY, trace_id VARCHAR UNIQUE, project INTEGER);
CREATE TABLE spans (id INTEGER PRIMARY KEY, trace_rowid INTEGER REFERENCES traces, span_id VARCHAR UNIQUE,
    parent_id VARCHAR, name VARCHAR);
CREATE TABLE span_annotations (id INTEGER PRIMARY KEY, span_rowid INTEGER REFERENCES spans, score FLOAT);
INSERT INTO traces VALUES (1, 'aaaa000000000001', 9), (4, '0001000000000002', 9);
INSERT INTO spans VALUES (2, 1, '0002000000000001', NULL, 'root'), (3, 1, 'bbbb000000000002', '0002000000000001', 'c'),
    (7, 4, '0001000000000003', NULL, 'root');
INSERT INTO span_annotations VALUES (1, 3, 0.25), (2, 7, 0.75);
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    con = sqlite3.connect(tmp_path / "phoenix.db")
    con.executescript(_PHOENIX)
    yield con
    con.close()


def test_a_copy_of_what_phoenix_took_refers_to_itself(database: sqlite3.Connection, tmp_path: Path) -> None:
    times = copy_up(tmp_path / "phoenix.db", wanted=8)
    assert 3 == times
    joined = """
        SELECT s.name, t.project, a.score FROM span_annotations a
        JOIN spans s ON s.id = a.span_rowid JOIN traces t ON t.id = s.trace_rowid ORDER BY 3
    """
    assert [("c", 9, 0.25)] * 3 + [("root", 9, 0.75)] * 3 == database.execute(joined).fetchall()
    children = "SELECT count(*) FROM spans c JOIN spans p ON p.span_id = c.parent_id AND p.trace_rowid = c.trace_rowid"
    assert (3,) == database.execute(children).fetchone()
    assert (9,) == database.execute("SELECT count(*) FROM spans").fetchone()


def test_a_wrong_mean_is_no_figure() -> None:
    expected = means([Scored("t", "s", "m", 0.1), Scored("t", "u", "m", 0.2)], times=2)
    assert {"m": (pytest.approx(0.15), 4)} == expected
    assert 2 == len(asked(lambda: {"m": (0.1 + 0.05, 4)}, expected, 2))
    for wrong in ({"m": (0.15, 3)}, {"m": (0.16, 4)}, {}, {"m": (0.15, 4), "n": (0.1, 1)}):
        with pytest.raises(ValueError, match="mean score"):
            asked(lambda wrong=wrong: wrong, expected, 1)


_WORK = """
import sys, time
held = bytearray(60_000_000)
held[::4096] = b'x' * len(held[::4096])
began = time.process_time()
while time.process_time() - began < 0.5:
    pass
print('done', flush=True)
sys.stdin.read()
"""


def test_better_is_more_of_a_rate_and_less_of_a_cost() -> None:
    found = {"upshot": {"visible": 900.0, "bytes": 400.0}, "phoenix": {"visible": 100.0, "bytes": 3600.0}}
    visible, disk = table(found)
    assert ("visible spans/s", "bytes/span settled") == (visible["figure"], disk["figure"])
    assert (9, 9) == (visible["phoenix"]["better"], disk["phoenix"]["better"])
    assert (150, 7) == (visible["phoenix"]["floor"], disk["phoenix"]["floor"])
    assert "mlflow" not in visible


def test_memory_and_cpu_of_a_child_count() -> None:
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_WORK!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", start], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with watching(process.pid) as peak:
            assert "done\n" == process.stdout.readline()
            used = cpu_seconds(process.pid)
            each = memory(process.pid)
            time.sleep(0.6)  # one more sample
        process.stdin.close()
    assert 2 == len(each)
    assert 0.45 < sum(used.values()) < 5
    assert 60 < peak.shared_once <= peak.resident < 200


def test_bytes_on_disk_are_those_of_the_files_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.parquet").write_bytes(b"x" * 10)
    (tmp_path / "two.db").write_bytes(b"x" * 5)
    assert (15, 10) == (disk_bytes(tmp_path), disk_bytes(tmp_path, "*.parquet"))
