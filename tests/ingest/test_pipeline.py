"""Requests from end to end: real data is taken whole, hostile bytes come to outcomes or one kind of error."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.files import chunks
from ingest.limits import Limits
from ingest.pipeline import receive
from tests.ingest.oracle import sent
from tests.ingest.strategies import records
from tests.ingest.support import NDJSON, NOW, ndjson, received, tables
from tests.support.command import SHARED
from warehouse.errors import InputError

REAL: list[tuple[str, int, dict[str, int]]] = [
    ("tau-bench-airline", 4218, {"events": 200, "runs": 200, "step_attempts": 3618, "score_history": 200}),
    ("alpaca-eval-6-models", 24150, {"runs": 4830, "assignments": 4830, "score_history": 14490}),
]


@pytest.mark.parametrize(("name", "accepted", "counts"), REAL)
def test_real_records_are_accepted_completely(name: str, accepted: int, counts: dict[str, int]) -> None:
    """Every record of the published data sets is accepted, as one body and as the chunks of a file."""
    path = SHARED / f"{name}.ndjson"
    if not path.exists():
        pytest.skip(f"{path.name} is not beside the repository")
    whole = received(path.read_bytes())
    assert (accepted, ()) == (whole.accepted, whole.rejected)
    assert counts == {table: batch.num_rows for table, batch in whole.batches.items() if table in counts}
    parts = [received(chunk.body) for chunk in chunks(path, 1 << 20)]
    assert len(parts) > 1
    assert accepted == sum(part.accepted for part in parts)
    rows = [row for part in parts for row in tables(part)["score_history"]]
    assert tables(whole)["score_history"] == rows


@settings(deadline=None)
@given(
    st.binary(max_size=300) | st.text(max_size=100).map(str.encode),
    st.sampled_from([None, NDJSON, "application/json", "text/plain"]),
    st.sampled_from([None, "gzip", "zstd"]),
)
def test_any_bytes_come_to_outcomes_or_an_input_error(body: bytes, form: str | None, encoding: str | None) -> None:
    """Whatever is sent, nothing is raised but InputError, and every record has one outcome."""
    try:
        validated = receive(body, form, encoding, NOW, Limits())
    except InputError:
        return
    indices = [rejection.index for rejection in validated.rejected]
    assert sorted(set(indices)) == indices
    assert max(indices, default=-1) < validated.accepted + len(indices)


@settings(deadline=None)
@given(st.lists(records, min_size=1, max_size=4), st.data())
def test_damaged_records_come_to_outcomes(valid: list[dict[str, object]], data: st.DataObject) -> None:
    """Valid records with bytes changed anywhere still have one outcome each."""
    body = bytearray(ndjson([sent(record) for record in valid]))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + 1] = data.draw(st.binary(max_size=2) | st.sampled_from([b'"', b"{", b"}", b"\n", b"null"]))
    lines = [line for line in bytes(body).split(b"\n") if line.strip()]
    validated = received(bytes(body))
    assert len(lines) == validated.accepted + len(validated.rejected)


def test_packed_bodies_in_pieces_are_received() -> None:
    """A gzip body that arrives in pieces is unpacked, decoded and validated."""
    packed = gzip.compress(b'{"type":"event","name":"a"}\n' * 3)
    validated = receive([packed[:9], packed[9:]], NDJSON, "gzip", NOW, Limits())
    assert (3, ()) == (validated.accepted, validated.rejected)


def test_nothing_is_accepted_of_nothing() -> None:
    """An empty body has no records and no error."""
    validated = received(b"")
    assert (0, (), {}) == (validated.accepted, validated.rejected, dict(validated.batches))
