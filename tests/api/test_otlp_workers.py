"""Large requests of OTLP through a server's decode workers: rows, errors, and how much may be here at once."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import pytest

from api import otlp_grpc, settings
from api.app import create_app
from api.routes import otlp as routes
from api.services import HELD_BYTES, Services
from ingest.otel.taken import TRACES, Signal
from ingest.pool import OTLP_BYTES, PACKED
from tests.api.otlp import (
    GZIP,
    JSON,
    LOGS,
    PROTOBUF,
    TRACE,
    Grpc,
    as_json,
    evaluation,
    free_port,
    new_key,
    post,
    serving_grpc,
    stored,
    traces,
)
from tests.ingest.test_pool import workers
from warehouse.errors import InputError, TransientError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

SPANS = 40
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "house",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 10,
    "our.run": "run-7",
}
_TEXT = Random(7)  # noqa: S311 - text
PRICES = '[[price]]\nmodel = "house"\ninput = 1.25\noutput = 10\n'
TRANSPORTS = ("one-by-one", "protobuf", "json", "grpc", "protobuf-gzip", "json-gzip", "grpc-gzip")
DEADLINE_SECONDS = 30.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grpc]:
    """A server with prices and a run attribute of its own."""
    folder = tmp_path_factory.mktemp("workers")
    (folder / "prices.toml").write_text(PRICES)
    with serving_grpc(folder / "data", prices=str(folder / "prices.toml"), otlp_run_ids="our.run") as running:
        yield running


def text() -> str:
    """Return a text that packs badly, so that what is large is large when packed, too."""
    return _TEXT.randbytes(1000).hex()


def large(number: int) -> Any:
    """Return a request that workers decode."""
    request = traces(number, SPANS, CHAT)
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.attributes.add(key="text").value.string_value = text()
    assert len(gzip.compress(request.SerializeToString())) > OTLP_BYTES / PACKED
    return request


def judged(number: int) -> Any:
    """Return a request of log records that workers decode; one of them cannot be kept."""
    request = evaluation(number, "", {})
    records = request.resource_logs[0].scope_logs[0].log_records
    for at in range(SPANS):
        one = evaluation(number, f"n{at}", {"gen_ai.evaluation.score.value": at / 7, "text": text()})
        records.append(one.resource_logs[0].scope_logs[0].log_records[0])
    return request


def send(server: Grpc, transport: str, request: Any, headers: dict[str, str]) -> None:
    """Send a request of spans or log records, which must not be refused."""
    name, _, packed = transport.partition("-")
    is_logs = hasattr(request, "resource_logs")
    if name == "grpc":
        method = LOGS if is_logs else TRACE
        server.call(request.SerializeToString(), method, headers, packed=bool(packed))
        return
    body = as_json(request) if name == "json" else request.SerializeToString()
    path, kind = "/v1/logs" if is_logs else "/v1/traces", JSON if name == "json" else PROTOBUF
    sent = gzip.compress(body) if packed else body
    answer = post(server.server, sent, path, kind, headers | (GZIP if packed else {}))
    assert 200 == answer.status_code, answer.text


@pytest.mark.long
def test_large_requests_are_the_rows_of_small_ones(tmp_path: Path) -> None:
    """Over every transport: spans that came one by one, and those that workers decoded together, are equal."""
    (tmp_path / "prices.toml").write_text(PRICES)
    keys = {name: new_key(tmp_path / "data", name, "ingest,query") for name in TRANSPORTS}
    found: dict[str, list[Any]] = {}
    with serving_grpc(tmp_path / "data", prices=str(tmp_path / "prices.toml"), otlp_run_ids="our.run") as server:
        spans, scores = large(1), judged(1)
        for one in spans.resource_spans[0].scope_spans[0].spans:
            alone = traces(1, 1)
            alone.resource_spans[0].scope_spans[0].spans[0].CopyFrom(one)
            send(server, "protobuf", alone, keys["one-by-one"])
        for one in scores.resource_logs[0].scope_logs[0].log_records:
            alone = evaluation(1, "", {})
            alone.resource_logs[0].scope_logs[0].log_records[0].CopyFrom(one)
            send(server, "protobuf", alone, keys["one-by-one"])
        for name in TRANSPORTS[1:]:
            send(server, name, spans, keys[name])
            send(server, name, scores, keys[name])
        for name in TRANSPORTS:
            for sql in (
                "SELECT * FROM spans ORDER BY span_id",
                "SELECT * EXCLUDE (received_at) FROM scores ORDER BY id",
                "SELECT run_id, cost_source, count(*), sum(cost_usd) FROM spans GROUP BY ALL",
            ):
                answer = server.server.http.post("/v1/query", json={"sql": sql}, headers=keys[name]).json()
                assert "rows" in answer, answer
                found.setdefault(sql, []).append(answer["rows"])
    of_spans, of_scores, of_costs = found.values()
    assert [SPANS] * len(TRANSPORTS) == [len(rows) for rows in of_spans]
    assert [SPANS] * len(TRANSPORTS) == [len(rows) for rows in of_scores]
    for rows in (of_spans, of_scores):
        assert rows[:1] * len(TRANSPORTS) == rows
    for [[run, source, count, dollars]] in of_costs:
        assert ("run-7", "priced", SPANS) == (run, source, count)
        assert SPANS * (1000 * 1.25 + 10 * 10) / 1e6 == pytest.approx(dollars)


def test_small_requests_pass_large_ones(server: Grpc) -> None:
    """While the workers get no time, large requests wait, of any number, and small ones are answered."""
    send(server, "protobuf", large(10), {})
    pids = workers(server.server.process.pid)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(16) as threads:
            waiting = [threads.submit(send, server, TRANSPORTS[1 + n % 6], large(20 + n), {}) for n in range(16)]
            for number in range(40, 60):
                send(server, "protobuf", traces(number), {})
            assert [False] * 16 == [one.done() for one in waiting]
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            for one in waiting:
                one.result(DEADLINE_SECONDS)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert [SPANS] * 16 == [stored(server.server, 20 + number) for number in range(16)]


def test_workers_killed_at_their_work_cost_no_request(server: Grpc) -> None:
    """Kill -9 of every worker while it decodes: what was sent is answered and whole, by workers that are new."""
    send(server, "protobuf", large(60), {})
    pids = workers(server.server.process.pid)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(send, server, TRANSPORTS[1 + n], large(61 + n), {}) for n in range(4)]
        time.sleep(0.3)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for one in waiting:
            one.result(DEADLINE_SECONDS)
    assert [SPANS] * 4 == [stored(server.server, 61 + number) for number in range(4)]
    assert not set(pids) & set(workers(server.server.process.pid))


def test_prices_that_cannot_be_read_end_the_start(tmp_path: Path) -> None:
    """Before a worker, or anybody, reads a span by them."""
    (tmp_path / "prices.toml").write_text('[[price]]\nmodel = "house"\n')
    given = {"data": tmp_path / "data", "prices": tmp_path / "prices.toml"}
    with pytest.raises(InputError, match="must be a number from 0"):
        Services(settings.load(given, {}))


@contextlib.asynccontextmanager
async def running(data: Path) -> AsyncIterator[tuple[Services, httpx.AsyncClient, Any]]:
    """Yield a server's parts in this process, a client of it, and a call of its gRPC."""
    port = free_port()
    services = Services(settings.load({"data": data}, {}))
    app = create_app(services, request_log=False, otlp_grpc=f"127.0.0.1:{port}")
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as http,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield services, http, channel.unary_unary(TRACE)


def has_room(services: Services, size: int) -> bool:
    """Tell whether a body of some bytes would be taken."""
    try:
        with services.holding() as hold:
            hold(size)
    except TransientError:
        return False
    return True


async def until(true: Callable[[], object]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def test_more_than_may_be_here_is_to_come_later(tmp_path: Path) -> None:
    """429 and UNAVAILABLE, with when to send again, for whatever its kind and length; then there is room again."""
    body = large(70).SerializeToString()
    small = traces(71).SerializeToString()

    async def in_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    async def refused() -> None:
        async with running(tmp_path / "data") as (services, http, export):
            with services.holding() as hold:
                hold(HELD_BYTES - len(small) + 1)
                for path, sent, kind in (
                    ("/v1/traces", body, PROTOBUF),
                    ("/v1/traces", in_pieces(), PROTOBUF),
                    ("/v1/traces", small, PROTOBUF),
                    ("/v1/traces", as_json(large(70)), JSON),
                    ("/v1/logs", judged(70).SerializeToString(), PROTOBUF),
                    ("/v1/ingest", b'{"type":"event","name":"a"}\n' * 100, "application/x-ndjson"),
                ):
                    answer = await http.post(path, content=sent, headers={"content-type": kind})
                    assert (429, "1") == (answer.status_code, answer.headers["retry-after"])
                for sent in (body, small):
                    with pytest.raises(grpc.aio.AioRpcError) as caught:
                        await export(sent)
                    assert grpc.StatusCode.UNAVAILABLE == caught.value.code()
                    assert "google.rpc.retryinfo-bin" in dict(caught.value.trailing_metadata() or ())
                assert (
                    200 == (await http.post("/v1/traces", content=b"", headers={"content-type": PROTOBUF})).status_code
                )
            assert has_room(services, HELD_BYTES)
            assert b"" == await export(body)
            answer = await http.post("/v1/traces", content=in_pieces(), headers={"content-type": PROTOBUF})
            assert 200 == answer.status_code
            answer = await http.post("/v1/traces", content=b"\xff", headers={"content-type": PROTOBUF})
            assert 400 == answer.status_code
            assert has_room(services, HELD_BYTES)

    asyncio.run(refused())


def test_a_call_given_up_frees_its_place(tmp_path: Path) -> None:
    """Cancelled while workers have it, and while it waits for them: neither counts any more, and later ones succeed."""
    body = large(80).SerializeToString()

    async def given_up() -> None:
        async with running(tmp_path / "data") as (services, _, export):
            assert b"" == await export(body)
            pids = workers()
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            try:
                calls = [export(body) for _ in range(len(pids) + 3)]
                await until(lambda: not has_room(services, HELD_BYTES - len(calls) * len(body) + 1))
                assert has_room(services, HELD_BYTES - len(calls) * len(body))
                for call in calls:
                    call.cancel()
                await until(lambda: has_room(services, HELD_BYTES))
            finally:
                for pid in pids:
                    os.kill(pid, signal.SIGCONT)
            assert b"" == await export(large(81).SerializeToString())

    asyncio.run(given_up())


def test_a_defect_in_a_worker_is_one_of_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 and INTERNAL, which exporters do not send again, as for a defect in the server's own process."""
    unknown = Signal("profiles", TRACES.take, TRACES.counter)  # no worker knows it
    monkeypatch.setattr(routes, "TRACES", unknown)
    monkeypatch.setattr(otlp_grpc, "TRACES", unknown)
    body = large(90).SerializeToString()

    async def failing() -> tuple[httpx.Response, Any]:
        async with running(tmp_path / "data") as (_, http, export):
            answer = await http.post("/v1/traces", content=body, headers={"content-type": PROTOBUF})
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await export(body)
            return answer, caught.value

    answer, error = asyncio.run(failing())
    assert 500 == answer.status_code
    assert answer.content.startswith(b"\x08\x0d")  # INTERNAL, 13
    assert grpc.StatusCode.INTERNAL == error.code()
    assert "retry-after" not in answer.headers
    assert not {"google.rpc.retryinfo-bin", "grpc-status-details-bin"} & dict(error.trailing_metadata() or ()).keys()
