"""A server with a small known world, and clients of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import upshot
from tests.support.server import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = 300
"""More than a page of a list."""
START_MS = 1_788_220_800_000

RECORDS = [
    *(
        {
            "type": "run",
            "id": f"run-{n}",
            "status": "Failed" if n % 10 == 0 else "Completed",
            "function_id": "answer",
            "user_id": f"user-{n % 7}",
            "started_at": START_MS + n * 1_000,
            "ended_at": START_MS + n * 1_000 + 500,
            "input": {"question": f"ключ {n}"},
            "sessions": {"ticket": f"T-{n // 3}"},
        }
        for n in range(RUNS)
    ),
    *(
        {
            "type": "assignment",
            "run_id": f"run-{n}",
            "experiment": "prompt",
            "variant": ("plain", "terse")[n % 2],
            "unit": f"u{n}",
        }
        for n in range(RUNS)
    ),
    *(
        {
            "type": "score",
            "run_id": f"run-{n}",
            "name": "solved",
            "value": n % 3 == 0 or (n % 2 == 1 and n % 5 < 3),
            "ts": START_MS + n * 1_000 + 700,
        }
        for n in range(RUNS)
    ),
]

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = {
    "traceId": TRACE,
    "spanId": "b7ad6b7169203331",
    "name": "chat",
    "startTimeUnixNano": str(START_MS * 1_000_000),
    "endTimeUnixNano": str((START_MS + 400) * 1_000_000),
    "attributes": [{"key": "upshot.run_id", "value": {"stringValue": "run-1"}}],
}


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that knows `RECORDS` and one span."""
    with serving(tmp_path_factory.mktemp("client") / "data") as running:
        assert len(RECORDS) == running.ingest(RECORDS)["accepted"]
        body: dict[str, Any] = {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": [SPAN]}]}]}
        assert running.http.post("/v1/traces", json=body).is_success
        yield running


@pytest.fixture(scope="package")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for tests that add to it, each under names of its own; no test adds a failed run."""
    with serving(tmp_path_factory.mktemp("scratch") / "data") as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[upshot.Client]:
    """A client of it."""
    with upshot.Client(server.url) as opened:
        yield opened
